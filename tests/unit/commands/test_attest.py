"""`preverify attest`: what we signed, and whether what is attached may be relied on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from preverify.clock import SystemClock
from preverify.commands.app import run
from preverify.model.digest import Digest
from preverify.model.reference import Repository, Subject
from preverify.ports import Layout, Publication, PublishState
from preverify.registry import open_source
from preverify.settings import Source
from support.hostile import Hostile, status
from support.signing import open_desk
from support.statements import PROFILE, VERIFIER, new_key, sealed


@dataclass
class Place:
    registry: Hostile
    subject: Subject
    key: Path
    other: Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A registry with an image that carries a statement of ours, in both layouts."""
    monkeypatch.delenv("PREVERIFY_CONFIG", raising=False)
    key = new_key(tmp_path, "ours")
    new_key(tmp_path, "other")
    with Hostile() as registry:
        subject = Subject(Repository(registry.host, "shop/api"), Digest.parse(registry.image("shop/api", "v1")))
        source = Source(registry=registry.host, network="private", tls={"plainHttp": True})
        adapter = open_source("s", source, clock=SystemClock(), own_keys=(key.public,))
        adapter.publish(subject, sealed(subject, key), Layout.BOTH, supersedes=())
        yield Place(registry, subject, tmp_path / "ours.pub", tmp_path / "other.pub")


def preverify(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return int(code), output.out, output.err


def verify(capsys, place: Place, *more: object, key: Path | None = None, name: str = "") -> tuple[int, str, str]:
    reference = name or f"{place.registry.host}/shop/api:v1"
    return preverify(
        capsys, "attest", "verify", reference, "--key", key or place.key, "--plain-http", "--private", *more
    )


@pytest.mark.parametrize("by_digest", [True, False])
def test_our_statement_holds(place: Place, capsys, by_digest: bool) -> None:
    name = str(place.subject) if by_digest else ""
    more = ("--verifier-id", VERIFIER, "--policy-digest", PROFILE, "--max-age", "1h", "-o", "json")
    code, out, err = verify(capsys, place, *more, name=name)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["holds"] is True
    assert {s["place"] for s in document["statements"]} == {"att-tag", "referrers-api"}
    assert {s["verifier"] for s in document["statements"]} == {VERIFIER}


def test_people_read_it_too(place: Place, capsys) -> None:
    code, out, _ = verify(capsys, place)
    assert code == 0
    assert out.startswith("HOLDS")
    code, out, _ = verify(capsys, place, key=place.other)
    assert code == 1
    assert out.startswith("DOES NOT HOLD")
    assert "wrong-key" in out


@pytest.mark.parametrize(
    "more",
    [("--verifier-id", "urn:other"), ("--policy-digest", "sha256:" + "0" * 64), ("--max-age", "0s"), ("--level", "1")],
)
def test_what_is_asked_and_not_there(place: Place, capsys, more) -> None:
    assert verify(capsys, place, *more)[0] == 1


def test_nothing_attached_and_nothing_obtained(place: Place, capsys) -> None:
    place.registry.image("shop/bare", "v1")
    assert verify(capsys, place, name=f"{place.registry.host}/shop/bare:v1")[0] == 1
    place.registry.fault("GET", r"\.att|/referrers/", status(503))
    code, out, _ = verify(capsys, place, "-o", "json")
    assert code == 3
    assert json.loads(out)["unobtained"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--max-age", "1"), "--max-age"),
        (("--policy-digest", "x"), "not a digest"),
        (("--key", "/nonexistent.pub"), "cannot be read"),
        (("--key", __file__), "--key"),
    ],
)
def test_usage(place: Place, capsys, more, said: str) -> None:
    code, _, err = verify(capsys, place, *more)
    assert code == 2
    assert said in err


def test_images_that_are_not_there(place: Place, capsys) -> None:
    for name in ("shop/api:none", "shop/none@sha256:" + "0" * 64):
        code, _, err = verify(capsys, place, name=f"{place.registry.host}/{name}")
        assert code == 2
        assert "is not in the registry" in err
    place.registry.fault("GET", "/manifests/v1", lambda _s, reply: type(reply)(headers=reply.headers, body=b"x"))
    code, _, err = verify(capsys, place)
    assert code == 2
    assert "is no image" in err


def test_detached_statements_are_found_where_they_are_configured(place: Place, tmp_path: Path, capsys) -> None:
    config = tmp_path / "preverify.yaml"
    config.write_text(
        f"sources:\n  s:\n    registry: {place.registry.host}\n    network: private\n    tls: {{plainHttp: true}}\n"
        "    publish: {layout: detached, detachedRepository: preverify/statements}\n"
    )
    key = new_key(tmp_path, "third")
    source = Source(
        registry=place.registry.host,
        network="private",
        tls={"plainHttp": True},
        publish={"detachedRepository": "preverify/statements"},
    )
    adapter = open_source("s", source, clock=SystemClock(), own_keys=(key.public,))
    adapter.publish(place.subject, sealed(place.subject, key), Layout.DETACHED, supersedes=())
    name = f"{place.registry.host}/shop/api:v1"
    assert verify(capsys, place, "-c", config, key=tmp_path / "third.pub", name=name)[0] == 0
    assert verify(capsys, place, key=tmp_path / "third.pub", name=name)[0] == 1


def test_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    desk = open_desk(tmp_path)
    config = tmp_path / "preverify.yaml"
    config.write_text(
        f"state: {tmp_path}\ndatabase: {{url: 'sqlite:///{desk.database}'}}\n"
        "sources:\n  shop: {registry: registry.example}\n"
    )
    name = "registry.example/legacy:key-ec1"
    code, _, err = preverify(capsys, "attest", "show", name, "-c", config)
    assert code == 2
    assert "no statement of ours" in err
    signed = desk.signatory.sign(desk.statement)
    row = desk.store.statements.statement(desk.statement)
    assert row is not None
    desk.store.statements.signed(desk.statement, signed.envelope, signed.key_id, signed.valid_until)
    publication = Publication(state=PublishState.PUBLISHED, layouts=(Layout.ATT,), manifests=("sha256:x",))
    desk.store.statements.settled(desk.statement, publication, now=desk.clock.now())
    for reference in (name, str(row.subject), str(row.subject.digest)):
        code, out, err = preverify(capsys, "attest", "show", reference, "-c", config, "-o", "json")
        assert (code, err) == (0, "")
        (shown,) = json.loads(out)["statements"]
        assert (shown["state"], shown["layouts"]) == ("published", ["att"])
        assert shown["statement"]["predicate"]["resourceUri"] == str(row.subject)
    code, out, _ = preverify(capsys, "attest", "show", name, "-c", config)
    assert "published" in out
    code, out, _ = preverify(capsys, "attest", "show", name, "-c", config, "--dsse")
    assert out.encode() == signed.envelope
    desk.store.close()
