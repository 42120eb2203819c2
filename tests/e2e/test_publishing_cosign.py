"""What we attach, seen with the real cosign, versions 2 and 3: ours is read, and others stay what they were.

The fixtures here are a representative few; `test_every_fixture_image` (marked slow) takes all of them.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.reference import Repository, Subject
from preverify.ports import Layout, PublishState
from preverify.registry.client import Client
from preverify.registry.publishing import Publisher
from preverify.settings import Source
from preverify.signing.keyfile import KeyFile
from support import registries
from support.cosign import VSA, Cosign, Said
from support.registries import FIXTURES
from support.statements import new_key, sealed

pytestmark = pytest.mark.tools
DETACHED = "preverify/statements"
EC1 = FIXTURES / "keys" / "ec1.pub"
Tool = Callable[[str], Path]
REGISTRIES = ("referrers", "plain", "debian-without-delete")


@dataclass
class Room:
    """Registries, the tools and our key."""

    hosts: dict[str, str]
    cosign: Cosign
    key: KeyFile
    public: Path
    store: Any
    count: int = 0

    def image(self, host: str, repo: str, digest: str, beside: tuple[str, ...] = ("*",)) -> Subject:
        """Push an image of the fixtures to a repository of its own."""
        self.count += 1
        path = f"t{self.count}/{repo.rpartition('/')[2]}"
        registries.push(self.hosts[host], self.store, repo, path, subject=digest, beside=beside)
        return Subject(Repository(self.hosts[host], path), Digest.parse(digest))

    def publisher(self, subject: Subject, **settings: object) -> Publisher:
        """Return a publisher that knows nothing yet."""
        source = Source(
            registry=subject.repository.registry, network="private", tls={"plainHttp": True}, publish=settings
        )
        clock = SystemClock()
        client = Client("test", source, clock=clock)
        return Publisher(client=client, settings=source.publish, keys=(self.key.public,), clock=clock)

    def ours(self, subject: Subject, *, detached: bool = False) -> dict[str, bool]:
        """Say which tools verify our statement."""
        place = f"{subject.repository.registry}/{DETACHED}" if detached else ""
        return {
            "v2": self.cosign.attestation(2, str(subject), self.public, detached=place).verified,
            "v2-bundles": self.cosign.attestation(2, str(subject), self.public, bundles=True).verified,
            "v3": self.cosign.attestation(3, str(subject), self.public, detached=place).verified,
        }

    def vendor(self, subject: Subject, key: Path, kinds: tuple[str, ...] = ()) -> list[tuple[bool, str]]:
        """Return what the tools say of somebody else's signatures and attestations."""
        said: list[Said] = []
        for version, bundles in ((2, False), (2, True), (3, False)):
            said.append(self.cosign.verify(version, str(subject), key, bundles=bundles))
            said += [self.cosign.attestation(version, str(subject), key, kind, bundles=bundles) for kind in kinds]
        return [s.substance for s in said]


@pytest.fixture(scope="module")
def room(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    directory = tmp_path_factory.mktemp("room")
    for name in ("cosign2", "cosign3"):
        tool(name)
    with (
        registries.regserve(tool) as referrers,
        registries.distribution(tool, directory / "v3") as plain,
        registries.distribution(tool, directory / "v2", delete=False, program="docker-registry") as debian,
    ):
        hosts = dict(zip(REGISTRIES, (referrers, plain, debian), strict=True))
        key = new_key(directory, "ours")
        yield Room(hosts, Cosign(tool, directory / "home"), key, directory / "ours.pub", registries.fixtures())


def case(name: str) -> dict[str, Any]:
    return next(c for c in registries.cases() if c["id"] == name)


def bare(room: Room, host: str) -> Subject:
    return room.image(host, "acme/legacy", case("legacy-key-ec1")["digest"], beside=())


# --- ours is read -----------------------------------------------------------------------------------------------------

CLAIMS = {
    Layout.ATT: {"v2": True, "v2-bundles": False, "v3": True},
    Layout.AUTO: {"v2": True, "v2-bundles": False, "v3": True},
    # With any bundle there, cosign 2.6 and 3 read bundles only; 2.6 wants its trusted root named then.
    Layout.BUNDLE: {"v2": False, "v2-bundles": True, "v3": True},
    Layout.BOTH: {"v2": False, "v2-bundles": True, "v3": True},
    Layout.DETACHED: {"v2": True, "v2-bundles": False, "v3": True},
}
NOTHING = {"v2": False, "v2-bundles": False, "v3": False}


@pytest.mark.parametrize("host", REGISTRIES)
@pytest.mark.parametrize("layout", list(CLAIMS))
def test_each_layout_is_read_by_the_tools_that_it_claims(room: Room, host: str, layout: Layout) -> None:
    subject = bare(room, host)
    publisher = room.publisher(subject, detachedRepository=DETACHED)
    envelope = sealed(subject, room.key)
    detached = layout is Layout.DETACHED
    done = publisher.publish(subject, envelope, layout, supersedes=())
    assert done.state is PublishState.PUBLISHED, done
    assert room.ours(subject, detached=detached) == CLAIMS[layout]
    again = publisher.publish(subject, envelope, layout, supersedes=done.manifests)
    assert (again.state, again.layouts, again.manifests) == (done.state, done.layouts, done.manifests)
    assert publisher.withdraw(subject, done.manifests).state is PublishState.WITHDRAWN
    assert room.ours(subject, detached=detached) == NOTHING


def test_a_publication_takes_few_requests(room: Room) -> None:
    """Eight requests where a registry has been seen before: the budget of a publication."""
    for host in ("referrers", "plain"):
        first, second = bare(room, host), bare(room, host)
        publisher = room.publisher(first)
        publisher.publish(first, sealed(first, room.key), Layout.AUTO, supersedes=())
        done = publisher.publish(second, sealed(second, room.key), Layout.AUTO, supersedes=())
        assert done.requests <= 8, (host, done)


# --- others' signatures stay what they were ---------------------------------------------------------------------------

SOME = {
    "legacy-key-ec1": (Layout.AUTO, Layout.ATT, Layout.DETACHED),
    "legacy-att-slsaprovenance": (Layout.AUTO, Layout.DETACHED),
    "legacy-recursive-oci-index": (Layout.AUTO,),
    "bundle-fb-att-slsaprovenance1": (Layout.AUTO, Layout.ATT),
    "bundle-key-ec1": (Layout.AUTO, Layout.ATT, Layout.DETACHED),
    "bundle-old-and-new-form-new": (Layout.AUTO,),
}


def unchanged(room: Room, example: dict[str, Any], layout: Layout) -> list[list[tuple[bool, str]]]:
    """Publish, renew and withdraw; returns what the tools said of others before and after each step."""
    host = "referrers" if example["api"] == "referrers" else "plain"
    subject = room.image(host, example["repo"], example["digest"])
    key = FIXTURES / example["trust"]["key"]
    kinds = (example["predicate_type"],) if example["kind"] == "attestation" else ()
    publisher = room.publisher(subject, detachedRepository=DETACHED)
    said = [room.vendor(subject, key, kinds)]
    first = publisher.publish(subject, sealed(subject, room.key, name="v_1"), layout, supersedes=())
    assert first.state is PublishState.PUBLISHED, first
    said.append(room.vendor(subject, key, kinds))
    later = datetime.now(UTC) + timedelta(seconds=2)
    renewed = sealed(subject, room.key, name="v_2", at=later)
    second = publisher.publish(subject, renewed, layout, supersedes=first.manifests)
    assert second.state is PublishState.PUBLISHED, second
    said.append(room.vendor(subject, key, kinds))
    assert publisher.withdraw(subject, second.manifests).state is PublishState.WITHDRAWN
    said.append(room.vendor(subject, key, kinds))
    return said


@pytest.mark.parametrize(("name", "layout"), [(name, layout) for name, layouts in SOME.items() for layout in layouts])
def test_others_signatures_read_the_same(room: Room, name: str, layout: Layout) -> None:
    """Invariant 10, before and after we publish, renew and withdraw."""
    before, *after = unchanged(room, case(name), layout)
    assert any(verified for verified, _ in before), "the example verifies nothing to begin with"
    assert after == [before] * 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("layout", [Layout.AUTO, Layout.ATT, Layout.DETACHED])
def test_every_fixture_image(room: Room, layout: Layout) -> None:
    """All images of the fixtures that a correct registry can hold, the broken ones included."""
    seen: set[tuple[str, str, str, str]] = set()
    different = []
    for example in registries.cases():
        name = (example["repo"], example["digest"], example["trust"]["key"], example.get("predicate_type") or "")
        if name in seen or example.get("served_by") or example["id"] == "legacy-bad-ten-thousand-signatures":
            continue
        seen.add(name)
        before, *after = unchanged(room, example, layout)
        if after != [before] * 3:
            different.append((example["id"], str([before, *after])))
    assert different == []
    assert len(seen) > 100


@pytest.mark.parametrize("host", REGISTRIES)
def test_the_vendors_legacy_signature_comes_after_us(room: Room, host: str) -> None:
    """Hazard 1, whichever came first: our statement is there already, and hides nothing that comes later."""
    subject = bare(room, host)
    publisher = room.publisher(subject)
    first = publisher.publish(subject, sealed(subject, room.key), Layout.AUTO, supersedes=())
    registries.push(
        subject.repository.registry,
        room.store,
        "acme/legacy",
        subject.repository.path,
        subject=str(subject.digest),
        beside=(".sig",),
    )
    expected = [(True, True), (True, True)]

    def said() -> list[tuple[bool, bool]]:
        return [
            (
                room.cosign.verify(v, str(subject), EC1).verified,
                room.cosign.attestation(v, str(subject), room.public).verified,
            )
            for v in (2, 3)
        ]

    assert said() == expected
    later = datetime.now(UTC) + timedelta(seconds=2)
    renewed = sealed(subject, room.key, name="v_2", at=later)
    second = publisher.publish(subject, renewed, Layout.AUTO, supersedes=first.manifests)
    assert said() == expected
    publisher.withdraw(subject, second.manifests)
    assert said() == [(True, False), (True, False)]


def attest(room: Room, subject: Subject, tmp_path: Path, kind: str) -> subprocess.CompletedProcess[bytes]:
    """Let the vendor attach an attestation with the real cosign 2."""
    predicate = tmp_path / "predicate.json"
    predicate.write_text('{"by":"vendor"}')
    return room.cosign.run(
        2,
        "attest",
        "--allow-http-registry",
        "--key",
        str(FIXTURES / "keys" / "ec1.key"),
        "--tlog-upload=false",
        "--type",
        kind,
        "--predicate",
        str(predicate),
        str(subject),
    )


def test_the_vendors_attestation_is_appended_to_our_manifest_and_outlives_ours(room: Room, tmp_path: Path) -> None:
    """cosign itself reads, extends and writes the manifest that we made; our withdrawal leaves its part alone."""
    kind = "https://vendor.example/review/v1"
    subject = bare(room, "plain")
    publisher = room.publisher(subject)
    first = publisher.publish(subject, sealed(subject, room.key), Layout.AUTO, supersedes=())
    done = attest(room, subject, tmp_path, kind)
    assert done.returncode == 0, done.stderr
    theirs = room.cosign.attestation(2, str(subject), EC1, kind)
    assert theirs.verified, theirs
    assert room.ours(subject) == CLAIMS[Layout.ATT]
    publisher.withdraw(subject, first.manifests)
    assert room.cosign.attestation(2, str(subject), EC1, kind) == theirs
    assert room.cosign.attestation(3, str(subject), EC1, kind).verified
    assert room.ours(subject) == NOTHING
    again = attest(room, subject, tmp_path, "https://vendor.example/other/v1")
    assert again.returncode == 0, again.stderr
    assert room.cosign.attestation(2, str(subject), EC1, kind) == theirs


# --- hazards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", REGISTRIES)
@pytest.mark.parametrize("layout", [Layout.BUNDLE, Layout.BOTH])
def test_hazard_1_a_bundle_really_shadows_and_would_shadow_is_right(room: Room, host: str, layout: Layout) -> None:
    subject = room.image(host, "acme/legacy", case("legacy-key-ec1")["digest"])
    assert room.cosign.verify(3, str(subject), EC1).verified
    refused = room.publisher(subject).publish(subject, sealed(subject, room.key), layout, supersedes=())
    assert refused.state is PublishState.WOULD_SHADOW
    assert refused.layouts == refused.manifests == ()
    assert room.cosign.verify(3, str(subject), EC1).verified
    bold = room.publisher(subject, allowShadowing=True)
    done = bold.publish(subject, sealed(subject, room.key), layout, supersedes=())
    assert done.state is PublishState.PUBLISHED
    assert not room.cosign.verify(3, str(subject), EC1).verified, "if this verifies, would-shadow is too careful"
    # Without the permission a later look takes the bundle away again.
    undone = room.publisher(subject).publish(subject, sealed(subject, room.key), layout, supersedes=done.manifests)
    assert undone.state is PublishState.WOULD_SHADOW
    assert room.cosign.verify(3, str(subject), EC1).verified


@pytest.mark.parametrize("host", ["referrers", "plain"])
def test_hazard_1_a_foreign_bundle_moves_our_statement(room: Room, host: str) -> None:
    """The vendor attaches a bundle after us: `.att` is not read any more, so our statement follows."""
    repo = "acme/bundle-keys" if host == "referrers" else "acme/bundle-fb-keys"
    example = next(c for c in registries.cases() if c["repo"] == repo and c["expected"] == "verified")
    key = FIXTURES / example["trust"]["key"]
    subject = room.image(host, repo, example["digest"], beside=())
    publisher = room.publisher(subject)
    envelope = sealed(subject, room.key)
    first = publisher.publish(subject, envelope, Layout.AUTO, supersedes=())
    assert first.layouts == (Layout.ATT,)
    registries.push(subject.repository.registry, room.store, repo, subject.repository.path, subject=example["digest"])
    before = room.vendor(subject, key)
    assert before[2][0], "cosign 3 verifies the vendor's bundle"
    assert not room.ours(subject)["v3"], "if this verifies, nothing needs to move"
    moved = publisher.publish(subject, envelope, Layout.AUTO, supersedes=first.manifests)
    assert (moved.state, moved.layouts) == (PublishState.PUBLISHED, (Layout.BUNDLE,))
    assert room.ours(subject) == {"v2": False, "v2-bundles": True, "v3": True}
    assert room.vendor(subject, key) == before
    att = registries.request(
        subject.repository.registry,
        "GET",
        f"/v2/{subject.repository.path}/manifests/sha256-{subject.digest.hex}.att",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    assert json.loads(att[2])["layers"] == []
    assert publisher.withdraw(subject, moved.manifests).state is PublishState.WITHDRAWN
    assert room.ours(subject) == NOTHING
    assert room.vendor(subject, key) == before


def test_hazard_2_our_bundle_counts_as_a_signature_by_our_key(room: Room) -> None:
    """cosign 3 takes any bundle by a key for a signature: `auto` attaches none, and only PASSED is ever signed."""
    subject = bare(room, "referrers")
    room.publisher(subject).publish(subject, sealed(subject, room.key), Layout.AUTO, supersedes=())
    assert not room.cosign.verify(3, str(subject), room.public).verified
    other = bare(room, "referrers")
    room.publisher(other).publish(other, sealed(other, room.key), Layout.BUNDLE, supersedes=())
    assert room.cosign.verify(3, str(other), room.public).verified, "if not, the hazard is gone"


@pytest.mark.parametrize("host", ["referrers", "plain"])
@pytest.mark.parametrize("layout", [Layout.ATT, Layout.BUNDLE, Layout.DETACHED])
def test_hazard_3_a_renewal_leaves_no_older_statement(room: Room, host: str, layout: Layout) -> None:
    """Any older PASSED statement would keep satisfying cosign; a renewal takes it away."""
    subject = bare(room, host)
    publisher = room.publisher(subject, detachedRepository=DETACHED, acceptUnwithdrawable=True)
    manifests: tuple[str, ...] = ()
    for n in range(3):
        at = datetime.now(UTC) + timedelta(seconds=n)
        done = publisher.publish(subject, sealed(subject, room.key, name=f"v_{n}", at=at), layout, supersedes=manifests)
        manifests = done.manifests
    place = f"{subject.repository.registry}/{DETACHED}" if layout is Layout.DETACHED else ""
    arguments = ["verify-attestation", "--allow-http-registry", "--key", str(room.public), "--insecure-ignore-tlog"]
    arguments += ["--trusted-root", str(room.cosign.root), "--type", VSA, str(subject)]
    out = room.cosign.run(3, *arguments, detached=place)
    assert out.returncode == 0, out.stderr
    found = [json.loads(line) for line in out.stdout.splitlines() if line.strip()]
    assert len(found) == 1, found
    assert publisher.withdraw(subject, ()).state is PublishState.WITHDRAWN
