"""Filling the window of open jobs fairly: one source's flood never keeps another's single push waiting."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, func, insert, or_, select

from preverify.store import tables as t
from preverify.store.sql import chunks, matches

_KEY = ("tenant", "source", "kind", "repository", "key")
_COPIED = (*_KEY, "cause", "priority", "attempts", "created_at")
_LOCK = 7013927402
_Source = tuple[str, str]


def open_due(connection: Connection, *, now: datetime, window: int) -> int:
    """Move due rows into `job` until `window` are open; returns how many were moved.

    Sources take turns, those with fewer open jobs first; within a source the better priority goes first, then the
    earlier time. Work whose job is open already waits for its end.
    """
    j = t.job.c
    if connection.dialect.name == "postgresql":  # a lease holder that is one no more may still be at it
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    opened: dict[_Source, int] = {
        (row[0], row[1]): row[2]
        for row in connection.execute(select(j.tenant, j.source, func.count()).group_by(j.tenant, j.source))
    }
    room = window - sum(opened.values())
    if room <= 0:
        return 0
    waiting = {source: list(_due(connection, source, now, room)) for source in _sources(connection)}
    picked = _take_turns(waiting, opened, room)
    for part in chunks(picked):
        keys = [tuple(row[name] for name in _KEY) for row in part]
        connection.execute(delete(t.due).where(matches([t.due.c[name] for name in _KEY], keys)))
        connection.execute(insert(t.job), [{**row, "fence": 0, "worker": None, "lease_until": None} for row in part])
    return len(picked)


def _take_turns(
    waiting: dict[_Source, list[dict[str, Any]]], opened: dict[_Source, int], room: int
) -> list[dict[str, Any]]:
    turns = sorted(
        (
            (opened.get(source, 0) + place, source, row)
            for source, rows in waiting.items()
            for place, row in enumerate(rows)
        ),
        key=lambda turn: turn[:2],
    )
    return [row for _, _, row in turns[:room]]


def _sources(connection: Connection) -> Iterator[_Source]:
    """Step through the distinct sources by index seeks, however many rows each has."""
    d = t.due.c
    after: _Source | None = None
    while True:
        query = select(d.tenant, d.source).order_by(d.tenant, d.source).limit(1)
        if after is not None:
            query = query.where(or_(d.tenant > after[0], and_(d.tenant == after[0], d.source > after[1])))
        row = connection.execute(query).first()
        if row is None:
            return
        after = (row.tenant, row.source)
        yield after


def _due(connection: Connection, source: _Source, now: datetime, room: int) -> Iterator[dict[str, Any]]:
    """Yield at most `room` due rows of a source, priority by priority; rows due later are never stepped over."""
    d, j = t.due.c, t.job.c
    mine = (d.tenant == source[0], d.source == source[1])
    priority: int | None = None
    while room > 0:
        better = () if priority is None else (d.priority > priority,)
        priority = connection.execute(select(func.min(d.priority)).where(*mine, *better)).scalar_one()
        if priority is None:
            return
        rows = connection.execute(
            select(*(d[name] for name in _COPIED))
            .where(
                *mine,
                d.priority == priority,
                d.run_at <= now,
                ~exists().where(*(j[name] == d[name] for name in _KEY)),
            )
            .order_by(d.run_at)
            .limit(room)
        )
        for row in rows.mappings():
            room -= 1
            yield dict(row)
