"""Statements wanted and withdrawn: each row is written with the job that carries it out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select, update

from preverify.attest.statement import verdict_set_id
from preverify.ports import Clock, Job, JobKind, Recording
from preverify.store import tables as t
from preverify.store.codecs import subject_key
from preverify.store.jobs import make_due
from preverify.store.sql import chunks, insert_new, matches

PROFILE = "default"
_PRIORITY = 20
_NEVER_PUT = ("wanted", "would-shadow", "unpublished")
_PUT = ("signed", "published", "withdrawing", "not-withdrawn")


def want_statements(connection: Connection, recordings: Sequence[Recording], *, clock: Clock, now: datetime) -> None:
    """Want a statement for each verdict set that has none. The set is unique: asking twice changes nothing.

    A set that passes again after it was withdrawn or superseded gets its statement back, with the bytes signed then,
    as long as these hold: there are never two different statements for one set.
    """
    rows: list[dict[str, Any]] = []
    links, jobs = [], []
    for recording in recordings:
        verdicts = tuple(sorted(set(recording.publish or ())))
        key = subject_key(recording.tenant, recording.subject)
        statement_id = clock.new_id("s")
        rows.append(
            {
                **key,
                "id": statement_id,
                "source": recording.source,
                "profile": PROFILE,
                "set_id": verdict_set_id(verdicts),
                "generation": recording.generation,
                "state": "wanted",
                "envelope": None,
                "key_id": "",
                "layouts": "[]",
                "manifests": "[]",
                "attempts": 0,
                "valid_until": None,
                "detail": "",
                "created_at": now,
                "changed_at": now,
            }
        )
        links += [{"tenant": recording.tenant, "statement": statement_id, "verdict": v} for v in verdicts]
        jobs.append((statement_id, recording))
    present = _present(connection, rows)
    insert_new(connection, t.statement, [row for row in rows if _set_of(row) not in present])
    mine = _mine(connection, [(row["tenant"], row["id"]) for row in rows])
    insert_new(connection, t.statement_verdict, [link for link in links if link["statement"] in mine])
    wanted = [
        (_job(JobKind.PUBLISH, i, r.source, r.tenant, r.subject.repository.path), now) for i, r in jobs if i in mine
    ]
    for row, recording in zip(rows, recordings, strict=True):
        old = present.get(_set_of(row))
        if old is not None and _revive(connection, recording.tenant, old, now):
            wanted.append((_job(JobKind.PUBLISH, old, recording.source, recording.tenant, row["repository"]), now))
        if row["id"] in mine:
            _drop_unsigned(connection, row, now)
    make_due(connection, wanted, now=now)


def _set_of(row: Any) -> tuple[str, ...]:
    return (*(row[name] for name in t.SUBJECT), row["profile"], row["set_id"])


def _present(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[tuple[str, ...], str]:
    c = t.statement.c
    columns = [*(c[name] for name in t.SUBJECT), c.profile, c.set_id]
    found: dict[tuple[str, ...], str] = {}
    for part in chunks({_set_of(row) for row in rows}):
        for row in connection.execute(select(*columns, c.id).where(matches(columns, part))).mappings():
            found[_set_of(row)] = row["id"]
    return found


def _mine(connection: Connection, ids: Sequence[tuple[str, str]]) -> set[str]:
    """Return which of our ids are there: with two writers at once, one of them finds the other's row instead."""
    c = t.statement.c
    found: set[str] = set()
    for part in chunks(ids):
        found.update(connection.execute(select(c.id).where(matches([c.tenant, c.id], part))).scalars())
    return found


def _revive(connection: Connection, tenant: str, statement_id: str, now: datetime) -> bool:
    """Say whether a statement that is there already needs its job (again).

    Taken back before, or on its way still: its job may have been refused by the signing process or been parked.
    """
    c = t.statement.c
    gone = c.state.in_(("wanted", "signed", "superseded", "withdrawn", "withdrawing", "not-withdrawn"))
    here = and_(c.tenant == tenant, c.id == statement_id, gone)
    signed = connection.execute(
        update(t.statement)
        .where(here, c.envelope.is_not(None), c.valid_until > now)
        .values(state="signed", changed_at=now)
    )
    unsigned = connection.execute(
        update(t.statement).where(here, c.envelope.is_(None)).values(state="wanted", changed_at=now)
    )
    return bool(signed.rowcount or unsigned.rowcount)


def _drop_unsigned(connection: Connection, row: dict[str, Any], now: datetime) -> None:
    """An older set of the subject that nobody signed yet is not worth signing any more."""
    c = t.statement.c
    connection.execute(
        update(t.statement)
        .where(
            *(c[name] == row[name] for name in (*t.SUBJECT, "profile")),
            c.id != row["id"],
            c.state == "wanted",
            c.envelope.is_(None),
        )
        .values(state="superseded", changed_at=now)
    )


def withdraw_statements(connection: Connection, recordings: Sequence[Recording], *, now: datetime) -> None:
    """Withdraw every statement of the subjects: at once what no registry has, by a job what one has or may have."""
    if not recordings:
        return
    keys = [tuple(subject_key(r.tenant, r.subject).values()) for r in recordings]
    c = t.statement.c
    subject = [c[name] for name in t.SUBJECT]
    jobs = []
    for part in chunks(keys):
        here = matches(subject, part)
        connection.execute(
            update(t.statement).where(here, c.state.in_(_NEVER_PUT)).values(state="withdrawn", changed_at=now)
        )
        rows = connection.execute(select(c.tenant, c.id, c.source, c.repository).where(here, c.state.in_(_PUT))).all()
        connection.execute(
            update(t.statement).where(here, c.state.in_(_PUT)).values(state="withdrawing", changed_at=now)
        )
        jobs += [(_job(JobKind.WITHDRAW, row.id, row.source, row.tenant, row.repository), now) for row in rows]
    make_due(connection, jobs, now=now)


def publish_job(row: Any) -> Job:
    """Return the job that publishes the statement of a row."""
    return _job(JobKind.PUBLISH, row.id, row.source, row.tenant, row.repository)


def withdraw_job(row: Any) -> Job:
    """Return the job that withdraws the statement of a row."""
    return _job(JobKind.WITHDRAW, row.id, row.source, row.tenant, row.repository)


def _job(kind: JobKind, statement_id: str, source: str, tenant: str, repository: str) -> Job:
    return Job(
        tenant=tenant,
        source=source,
        kind=kind,
        repository=repository,
        key=statement_id,
        cause="evidence",
        priority=_PRIORITY,
    )
