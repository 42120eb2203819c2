"""Telling the feed that something changed, inside the transaction that changes it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert

from preverify.store import tables as t


def note_subjects(connection: Connection, keys: Sequence[tuple[str, str, str, str]], *, now: datetime) -> None:
    """Write one change row for each subject (tenant, registry, repository, digest)."""
    rows = [
        {
            "tenant": tenant,
            "kind": "subject",
            "registry": registry,
            "repository": repository,
            "digest": digest,
            "at": now,
        }
        for tenant, registry, repository, digest in sorted(set(keys))
    ]
    if rows:
        connection.execute(insert(t.change), rows)


def note_generation(connection: Connection, tenant: str, number: int, *, now: datetime) -> None:
    """Write the change row of an activated generation."""
    connection.execute(insert(t.change).values(tenant=tenant, kind="generation", generation=number, at=now))
