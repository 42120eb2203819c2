"""What a trust is made of, when it ends, and what metrics and logs say of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.trust import Authority, Log, Period, SigstoreRoot, Store, Trust
from preverify.model.trusted_root import parse_trusted_root
from preverify.observe.catalogue import BY_NAME
from preverify.policy.trust_documents import RootRequest
from preverify.settings import Trust as TrustSettings
from preverify.trust import Kind, Result, Roots, figures, list_files, parts, refresh_due, trust_expiry
from preverify.trust.embedded import embedded
from support.clock import Stopped
from support.trust_material import FROM, certificate, der, key_file, later
from support.tuf_repository import TufRepository, get

NOW = datetime(2026, 1, 2, 10, tzinfo=UTC)
KEY = b"not looked at"


def authority(until: datetime | None = None, *, days: float = 3650) -> Authority:
    chain = (der(certificate("issuing", "root", until=later(days))), der(certificate("root")))
    return Authority(certificates=chain, valid=Period(start=FROM, end=until))


def log(until: datetime | None) -> Log:
    return Log(key=KEY, id=b"\1" * 32, origin="log.example", valid=Period(end=until))


def ends(trust: Trust) -> dict[tuple[str, str], datetime]:
    return {(name, kind): until for name, kind, until in trust_expiry(trust, NOW)}


def test_the_public_root_in_its_parts() -> None:
    root = parse_trusted_root(embedded("public-good").target, "public-good")
    found = parts(Trust(roots=(root,)))
    kinds = [part.kind for part in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        Kind.AUTHORITY: len(root.authorities),
        Kind.LOG: len(root.logs),
        Kind.CT_LOG: len(root.ct_logs),
        Kind.TIMESTAMP_AUTHORITY: len(root.timestamp_authorities),
    }
    assert {part.id.partition(":")[0] for part in found} == {"ca", "log", "ct", "tsa"}
    assert found[0].name == "CN=sigstore,O=sigstore.dev"
    assert {part.trust_id for part in found} == {root.id}


def test_parts_of_a_root_succeed_one_another() -> None:
    old, new = NOW - timedelta(days=1), NOW + timedelta(days=90)
    both = SigstoreRoot(name="r", authorities=(authority(old), authority(new)), logs=(log(old), log(new)))
    assert ends(Trust(roots=(both,))) == {("r", "authority"): new, ("r", "log"): new}
    endless = SigstoreRoot(name="r", logs=(log(old), log(None)), ct_logs=(log(None),), timestamp_authorities=())
    assert ends(Trust(roots=(endless,))) == {}, "what has no end cannot be near it"


def test_a_certificate_that_ends_ends_its_authority() -> None:
    short = SigstoreRoot(name="r", timestamp_authorities=(authority(days=500), authority(days=400)))
    assert ends(Trust(roots=(short,))) == {("r", "timestamp-authority"): later(500)}


def test_certificates_of_a_store_stand_side_by_side() -> None:
    one, two, gone = (der(certificate(n, until=later(d))) for n, d in (("a", 900), ("b", 800), ("c", 100)))
    store = Store(kind="tsa", name="s", certificates=(one, two, gone))
    assert ends(Trust(stores=(store,))) == {("tsa:s", "certificate"): later(800)}
    assert ends(Trust(stores=(Store(kind="ca", name="s", certificates=(gone,)),))) == {
        ("ca:s", "certificate"): later(100)
    }
    assert {part.id.partition(":")[0] for part in parts(Trust(stores=(store,)))} == {"tsa"}


def test_figures_are_those_of_the_catalogue(tmp_path: Path) -> None:
    repository, clock = TufRepository(embedded("staging").target), Stopped()
    trust = Trust(
        roots=(SigstoreRoot(name="r", authorities=(authority(),)),),
        stores=(Store(kind="ca", name="s", certificates=(der(certificate("a")),)),),
    )
    with repository.serving() as url:
        request = RootRequest(name="corp", url=url, root=repository.first_root)
        roots = Roots(TrustSettings(), tmp_path, clock, get())
        builtin = RootRequest(name="public-good")
        roots.read(request)
        found = list(figures(trust, (request, builtin), roots, TrustSettings(), NOW))
    for name, labels, _ in found:
        metric = BY_NAME[name]
        assert len(labels) == len(metric.labels)
        assert all(
            label.values is None or value in label.values for label, value in zip(metric.labels, labels, strict=True)
        )
    values = {(name, *labels): value for name, labels, value in found}
    assert values["trust_refreshed_timestamp_seconds", "corp"] == clock.now().timestamp()
    assert values["trust_refreshed_timestamp_seconds", "public-good"] == 0, "never"
    assert values["trust_refresh_interval_seconds", "public-good"] == 86_400
    assert values["trust_metadata_expiry_timestamp_seconds", "corp"] > 0
    offline = {name for name, *_ in figures(trust, (request,), roots, TrustSettings(offline=True), NOW)}
    assert "trust_refresh_interval_seconds" not in offline, "nobody is woken for what is so by choice"
    (roots.place(request) / "current.json").write_text("{}")
    damaged = {(n, *ls): v for n, ls, v in figures(Trust(), (request,), roots, TrustSettings(), NOW)}
    assert damaged["trust_refreshed_timestamp_seconds", "corp"] == 0


class _Notes:
    def __init__(self) -> None:
        self.counted: list[tuple[str, str]] = []
        self.events: list[dict[str, object]] = []

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        assert metric in BY_NAME
        self.counted.append((metric, labels["result"]))

    def event(self, name: str, **fields: object) -> None:
        self.events.append({"name": name, **fields})


def test_what_a_refresh_came_to_is_counted_and_said(tmp_path: Path) -> None:
    repository, notes = TufRepository(embedded("staging").target), _Notes()
    clock = Stopped()
    roots = Roots(TrustSettings(), tmp_path, clock, get())
    with repository.serving() as url:
        request = RootRequest(name="corp", url=url, root=repository.first_root)
        assert refresh_due(roots, [request], notes) == ("corp",)
        assert refresh_due(roots, [request], notes) == ()
        clock.forward(86_400)
        repository.files["timestamp.json"] = b"{}"
        assert refresh_due(roots, [request], notes) == ()
    assert [result for _, result in notes.counted] == [Result.CHANGED, Result.REFUSED]
    assert [event["level"] for event in notes.events] == ["info", "warning"]
    assert "deserialize" in str(notes.events[1]["why"])


def test_directories_are_listed_below_the_policy_directory_only(tmp_path: Path) -> None:
    base, outside = tmp_path / "policies", tmp_path / "outside"
    store = base / "x509" / "ca" / "v"
    store.mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.pem").write_bytes(key_file("k"))
    (store / "a.pem").write_bytes(b"a")
    (store / "deeper").mkdir()
    (store / "..data").mkdir()
    (store / "..data" / "b.pem").write_bytes(b"b")
    (store / "b.pem").symlink_to("..data/b.pem")
    assert list_files(base, "x509/ca/v") == ("a.pem", "b.pem"), "mounted configuration is made of such links"
    (store / "c.pem").symlink_to(outside / "secret.pem")
    with pytest.raises(BadConfiguration, match=r"c\.pem: is a link that leads out"):
        list_files(base, "x509/ca/v")
    (base / "out").symlink_to(outside)
    with pytest.raises(BadConfiguration, match="leads out of the policy directory"):
        list_files(base, "out")
    with pytest.raises(BadConfiguration, match="cannot be listed: No such file"):
        list_files(base, "gone")
    with pytest.raises(BadConfiguration, match="cannot be listed: Not a directory"):
        list_files(base, "x509/ca/v/a.pem")
    many = base / "many"
    many.mkdir()
    for number in range(1001):
        (many / str(number)).touch()
    with pytest.raises(BadConfiguration, match="holds more than 1000 entries"):
        list_files(base, "many")
