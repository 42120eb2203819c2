"""Making work due, inside the transaction of whatever causes it: a row and its job are both there or both not."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam, case, select, update

from preverify.ports import Job
from preverify.store import tables as t
from preverify.store.sql import chunks, insert_for, least, matches, ordered

_KEY = ("tenant", "source", "kind", "repository", "key")
_Key = tuple[str, str, str, str, str]


def make_due(connection: Connection, jobs: Sequence[tuple[Job, datetime]], *, now: datetime) -> int:
    """Make each job due at its time; the earliest time and the best priority win. Returns how many keys are new.

    A job that is open but not yet leased takes in what is due now: its look begins after this transaction does. A job
    that is leased takes in nothing: it may have looked already, so the work stays due and runs again afterwards.
    """
    wanted = _merge(jobs)
    absorbed = _absorb(connection, {key: job for key, (job, run_at) in wanted.items() if run_at <= now})
    rest = {key: value for key, value in wanted.items() if key not in absorbed}
    known = _existing(connection, t.due, list(rest))
    rows = [
        {
            **dict(zip(_KEY, key, strict=True)),
            "cause": job.cause,
            "priority": job.priority,
            "run_at": run_at,
            "attempts": 0,
            "error": "",
            "created_at": now,
        }
        for key, (job, run_at) in rest.items()
    ]
    if rows:
        connection.execute(_upsert(connection.dialect.name), ordered(t.due, rows))
    return len(rest.keys() - known)


def _merge(jobs: Sequence[tuple[Job, datetime]]) -> dict[_Key, tuple[Job, datetime]]:
    merged: dict[_Key, tuple[Job, datetime]] = {}
    for job, run_at in jobs:
        key = (job.tenant, job.source, job.kind.value, job.repository, job.key)
        held = merged.get(key)
        if held is None:
            merged[key] = (job, run_at)
            continue
        better = job if job.priority < held[0].priority else held[0]
        merged[key] = (better, min(run_at, held[1]))
    return merged


@cache
def _upsert(dialect: str) -> Any:
    statement = insert_for(dialect, t.due)
    new, old = statement.excluded, t.due.c
    parked = old.run_at.is_(None)
    return statement.on_conflict_do_update(
        index_elements=list(t.due.primary_key.columns),
        set_={
            "cause": case((new.priority < old.priority, new.cause), else_=old.cause),
            "priority": least(old.priority, new.priority),
            "run_at": least(old.run_at, new.run_at),
            "attempts": case((parked, 0), else_=old.attempts),
            "created_at": case((parked, new.created_at), else_=old.created_at),
        },
    )


def _absorb(connection: Connection, jobs: dict[_Key, Job]) -> set[_Key]:
    absorbed = _existing(connection, t.job, list(jobs), t.job.c.lease_until.is_(None))
    better = [
        {**{f"k_{name}": part for name, part in zip(_KEY, key, strict=True)}, "better": jobs[key].priority}
        for key in sorted(absorbed)
    ]
    if better:
        connection.execute(
            update(t.job)
            .where(*(t.job.c[name] == bindparam(f"k_{name}") for name in _KEY), t.job.c.priority > bindparam("better"))
            .values(priority=bindparam("better")),
            better,
        )
    return absorbed


def _existing(connection: Connection, table: Table, keys: list[_Key], *conditions: Any) -> set[_Key]:
    columns = [table.c[name] for name in _KEY]
    found: set[_Key] = set()
    for part in chunks(keys):
        rows = connection.execute(select(*columns).where(matches(columns, part), *conditions))
        found.update((row[0], row[1], row[2], row[3], row[4]) for row in rows)
    return found
