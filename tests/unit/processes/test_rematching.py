"""A new database of vulnerabilities, on a real store and a real registry: whom it touches, and what they conclude."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from preverify import changing, rematching
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.scanners.database.building import build
from preverify.scanners.database.changes import changed
from preverify.scanners.database.holding import Holding
from preverify.scanners.offline import OfflineVulnerabilities
from support import signed
from support.daemon import image
from support.working import REPO, Bench, working

SCANNED = Path(__file__).resolve().parents[2] / "vectors" / "scanned"
POLICY = b"""
apiVersion: preverify/v1
kind: Signers
metadata: {name: t}
spec: {release: {key: {file: ec1.pub}, tlog: none}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: clean}
spec:
  images: ["**"]
  require:
    - {name: clean, vulnerabilities: {matched: {by: {any: [release]}}, maxSeverity: high, maxDatabaseAge: 3650d}}
"""
LOG4SHELL = {
    "id": "GHSA-jfh8-c2jp-5v3q",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2021-12-10T00:40:56Z",
    "aliases": ["CVE-2021-44228"],
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}],
    "affected": [
        {
            "package": {"ecosystem": "Maven", "name": "org.apache.logging.log4j:log4j-core"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "2.0"}, {"fixed": "2.15.0"}]}],
        }
    ],
}


def other(ecosystem: str, name: str) -> dict[str, object]:
    affected = {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.0.1"}]}],
    }
    return {"id": f"X-{ecosystem}-{name}", "modified": "2026-01-01T00:00:00Z", "affected": [affected]}


FIRST = [other("Maven", "a:b"), other("npm", "left"), other("PyPI", "right")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    pem = (signed.FIXTURES / "keys" / "ec1.pub").read_bytes()
    policies = load([("policy.yaml", POLICY)], lambda _: pem)
    with working(tmp_path) as found:
        staged = found.store.generations.stage(policies.document, policies.digest, now=found.clock.now())
        changing.activate(
            found.store.history,
            found.store.statements,
            found.store.generations,
            staged,
            clock=found.clock,
            publishing=lambda _: False,
        )
        found.worker.database = OfflineVulnerabilities(Holding(tmp_path / "vulnerabilities"))
        for layout in ("web", "web-fixed", "batch"):
            found.content.load(SCANNED / layout, REPO)
        yield found


def bring(bench: Bench, directory: Path, *records: dict[str, object], days: int = 0) -> None:
    """Build a database of these records and bring it into use."""
    sources = []
    for number, record in enumerate(records):
        path = directory / f"record-{number}.json"
        path.write_text(json.dumps(record))
        sources.append(path)
    now = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(days=days)
    build(sources, out=directory / "built.db", kev=None, epss=None, now=now)
    holding = Holding(directory / "vulnerabilities")
    with holding.room("database") as room:
        room.write((directory / "built.db").read_bytes())
        holding.take_in(room, reference="r", image="i", now=now, allow_older=True)
    assert isinstance(bench.worker.database, OfflineVulnerabilities)


def rematch(bench: Bench) -> int:
    database = bench.worker.database
    assert isinstance(database, OfflineVulnerabilities)
    row = bench.store.generations.active()
    assert row is not None
    return rematching.rematch(
        bench.store.history,
        bench.store.marks,
        bench.work,
        PolicySet.from_document(row.document),
        database.present(),
        before=database.former,
        changed=changed,
        clock=bench.clock,
    )


def reasons(bench: Bench) -> dict[str, tuple[Outcome, Reason]]:
    """Return the verdict of each tagged image."""
    found = {}
    for known in bench.store.history.subjects(tagged=True):
        if known.tags and not known.tags[0].startswith("sha256-"):
            (verdict,) = bench.store.history.current(known.subject)
            found[known.tags[0]] = (verdict.outcome, verdict.reasons[0].reason)
    return found


PASSED = (Outcome.PASSED, Reason.OK)
DENIED = (Outcome.FAILED, Reason.VULNERABILITY_FOUND)


def test_a_database_that_comes_or_changes_decides_whom_it_touches(bench: Bench, tmp_path: Path) -> None:
    image(bench.content, REPO, "bare", "bare")
    bench.sweep()
    without = reasons(bench)
    assert {outcome for outcome, _ in without.values()} == {Outcome.UNDECIDED, Outcome.FAILED}
    assert rematch(bench) == 0  # there is none yet
    bring(bench, tmp_path, *FIRST)
    assert rematch(bench) == 4  # the first one: all whose policy wants to be matched
    bench.content.manifests.clear()  # no registry is asked
    bench.drain()
    assert reasons(bench) == {"1.0": PASSED, "1.1": PASSED, "0.9": PASSED, "bare": without["bare"]}
    assert rematch(bench) == 0
    bring(bench, tmp_path, *FIRST, LOG4SHELL, days=1)
    assert rematch(bench) == 3  # who names log4j-core, in whatever version
    bench.drain()
    assert reasons(bench) == {"1.0": DENIED, "1.1": PASSED, "0.9": DENIED, "bare": without["bare"]}
    bring(bench, tmp_path, *FIRST, LOG4SHELL, other("PyPI", "nobody-has-it"), days=2)
    assert rematch(bench) == 0


def test_a_verdict_names_the_database_and_is_replayed_from_what_is_stored(bench: Bench, tmp_path: Path) -> None:
    bring(bench, tmp_path, *FIRST, LOG4SHELL)
    bench.sweep()
    ids = [v.id for known in bench.store.history.subjects() for v in bench.store.history.current(known.subject)]
    (tmp_path / "vulnerabilities" / "current.json").unlink()
    replays = list(changing.replay(bench.store.history, bench.store.generations, ids))
    assert len(replays) == 3
    assert all(each.same for each in replays)
    assert reasons(bench)["1.0"] == DENIED
    stored = bench.store.history.stored([known.subject for known in bench.store.history.subjects()])
    makers = {f.signer for each in stored.values() for f in each.findings if f.claim.value == "report"}
    assert len(makers) == 1
    assert makers.pop().startswith("vulnerability database sha256:")


def test_where_the_former_database_is_gone_all_are_matched_again(bench: Bench, tmp_path: Path) -> None:
    bring(bench, tmp_path, *FIRST)
    bench.sweep()
    assert rematch(bench) == 3
    bench.drain()
    for days in (1, 2):  # two later: the one that was compared with last is not kept
        bring(bench, tmp_path, *FIRST, other("npm", f"new-{days}"), days=days)
    assert rematch(bench) == 3


def test_only_policies_that_want_it_have_matches(bench: Bench) -> None:
    row = bench.store.generations.active()
    assert row is not None
    assert PolicySet.from_document(row.document).policies[0].needs == {Need.INVENTORY, Need.MATCHES}
