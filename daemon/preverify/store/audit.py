"""The audit trail: one hash chain a writer, each row written before the effect that it tells of, in its transaction."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select

from preverify.model.digest import Digest
from preverify.store import tables as t
from preverify.store.columns import encode

_START = ""


def note(
    connection: Connection, tenant: str, writer: str, event: str, detail: Mapping[str, object], now: datetime
) -> None:
    """Append one row to the chain of `writer`. Callers hold a lock that keeps the writer single."""
    a = t.audit.c
    last = connection.execute(
        select(a.number, a.hash).where(a.tenant == tenant, a.writer == writer).order_by(a.number.desc()).limit(1)
    ).one_or_none()
    number, previous = (1, _START) if last is None else (last.number + 1, last.hash)
    text = encode(dict(sorted(detail.items())))
    connection.execute(
        insert(t.audit).values(
            tenant=tenant,
            writer=writer,
            number=number,
            at=now,
            event=event,
            detail=text,
            previous=previous,
            hash=_link(previous, tenant, writer, number, now, event, text),
        )
    )


def broken(connection: Connection, tenant: str, writer: str) -> int | None:
    """Return the number of the first row of a chain that does not follow from the one before it; None where all do."""
    a = t.audit.c
    previous, expected = _START, 1
    for row in connection.execute(select(t.audit).where(a.tenant == tenant, a.writer == writer).order_by(a.number)):
        link = _link(previous, tenant, writer, row.number, row.at, row.event, row.detail)
        if (row.number, row.previous, row.hash) != (expected, previous, link):
            return int(row.number)
        previous, expected = row.hash, expected + 1
    return None


def _link(previous: str, tenant: str, writer: str, number: int, at: datetime, event: str, detail: str) -> str:
    return str(Digest.of(encode((previous, tenant, writer, number, at, event, detail)).encode()))
