"""The queries that run for every look and every job use their indexes, on both databases."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from preverify.ports import Job, JobKind
from preverify.store import Store
from preverify.work import EmbeddedWork
from support.stores import (
    NOW,
    REPOSITORY,
    activate,
    both,
    policies,
    recording,
    subject,
    verdict,
)

pytestmark = both
_SMALL = {"sequencer", "lease", "policy_generation", "generation_policy", "sweep_mark"}


@contextmanager
def plans(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that run inside, and turn them into their plans at the end."""
    ran: list[tuple[str, object]] = []
    found: list[str] = []

    def note(
        connection: object, cursor: object, statement: str, parameters: object, context: object, many: bool
    ) -> None:
        if re.match(r"\s*(SELECT|UPDATE|DELETE|WITH)", statement) and "pg_advisory" not in statement:
            ran.append((statement, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        sqlite = engine.dialect.name == "sqlite"
        if not sqlite:
            cursor.execute("SET enable_seqscan = off")
        for statement, parameters in ran:
            cursor.execute(("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN ") + statement, parameters)
            found.append(statement + "\n" + "\n".join(str(row[3 if sqlite else 0]) for row in cursor.fetchall()))
        cursor.close()
        raw.rollback()
    finally:
        raw.close()


def scans(plan: str) -> list[str]:
    """Return the tables that a plan reads whole. Postgres scans a table only where it has no index here."""
    _, _, lines = plan.partition("\n")
    sqlite = re.findall(r"^SCAN (\w+)\b(?! USING (?:COVERING )?INDEX)(?! VIRTUAL)", lines, re.MULTILINE)
    postgres = re.findall(r"Seq Scan on (\w+)", lines)
    return [table for table in (*sqlite, *postgres) if table not in _SMALL | {"anon_1", "picked", "job"}]


@pytest.fixture
def filled(store: Store, work: EmbeddedWork) -> Store:
    wanted = policies()
    activate(store, wanted)
    digest = wanted.policies[0].digest
    rows = [
        recording(n, verdict(f"v_{n}", n, policy_digest=digest), tags=(f"t{n}",), publish=(f"v_{n}",))
        for n in range(60)
    ]
    store.history.record(rows, now=NOW)
    store.feed.sequence(fence=1, now=NOW)
    work.dispatch(now=NOW, window=20)
    return store


def again(store: Store) -> None:
    digest = policies().policies[0].digest
    batch = [
        recording(
            n,
            verdict(f"v_again_{n}", n, policy_digest=digest),
            tags=(f"t{n}",),
            publish=(f"v_again_{n}",),
            findings=(),
        )
        for n in range(7)
    ]
    store.history.record([*batch, recording(8, withdraw=True)], now=NOW)


def work_once(work: EmbeddedWork) -> None:
    jobs = [Job(source="shop", kind=JobKind.TAG, repository="shop/api", key=f"t{n}", cause="push") for n in range(3)]
    work.add(jobs, run_at=NOW, now=NOW)
    work.dispatch(now=NOW, window=40)
    leased = work.lease(worker="w", until=NOW + timedelta(minutes=1), now=NOW, limit=2)
    assert leased
    work.done(leased[0], now=NOW)
    work.retry(leased[1], at=NOW, error="x", now=NOW)


HOT: dict[str, Callable[[Store], object]] = {
    "record": again,
    "current": lambda store: store.history.current(subject(1)),
    "gathered": lambda store: store.history.gathered(subject(1)),
    "findings": lambda store: store.history.findings(subject(1)),
    "verdicts": lambda store: store.history.verdicts(["v_1", "v_2"]),
    "find": lambda store: store.history.find(subject(1).digest),
    "known tags": lambda store: store.history.known_tags("shop", REPOSITORY),
    "live": lambda store: store.statements.live(subject(1)),
    "subjects": lambda store: list(store.history.subjects(repository=REPOSITORY, tagged=True)),
    "changes": lambda store: store.feed.changes(10, limit=5),
    "sequence": lambda store: store.feed.sequence(fence=2, now=NOW),
}


@pytest.mark.parametrize("name", HOT)
def test_hot_reads_and_writes_of_history_use_indexes(filled: Store, name: str) -> None:
    with plans(filled.engine) as found:
        HOT[name](filled)
    assert found
    assert [plan for plan in found if scans(plan)] == []


def test_taking_work_uses_indexes(filled: Store, work: EmbeddedWork) -> None:
    """Only `job` may be read whole: it is the bounded window."""
    with plans(filled.engine) as found:
        work_once(work)
    assert len(found) > 5
    assert [plan for plan in found if scans(plan)] == []
