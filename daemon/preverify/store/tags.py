"""What tags name, and every move of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select

from preverify.model.digest import Digest
from preverify.model.reference import Repository
from preverify.store import tables as t
from preverify.store.sql import chunks, insert_new, matches, upsert

Observation = tuple[str, str, Repository, str, Digest | None]
"""Tenant, source, repository, tag, and what it names now (None: gone)."""


def observe(connection: Connection, seen: Sequence[Observation], *, now: datetime) -> int:
    """Note what tags name now; returns how many of them moved. Moves are kept and told to the feed."""
    latest = {
        (tenant, repository.registry, repository.path, tag): (source, None if digest is None else str(digest))
        for tenant, source, repository, tag, digest in seen
    }
    if not latest:
        return 0
    c = t.tag.c
    columns = [c.tenant, c.registry, c.repository, c.tag]
    before: dict[tuple[str, str, str, str], tuple[str | None, datetime]] = {}
    for part in chunks(latest):
        for row in connection.execute(select(*columns, c.digest, c.moved_at).where(matches(columns, part))):
            before[row.tenant, row.registry, row.repository, row.tag] = (row.digest, row.moved_at)
    rows, moves, changes = [], [], []
    for key, (source, names) in latest.items():
        stood, moved_at = before.get(key, (None, now))
        place = dict(zip(("tenant", "registry", "repository", "tag"), key, strict=True))
        moved = stood != names
        if not moved and key not in before:
            continue  # a tag that we never knew is gone: nothing to remember
        rows.append(
            {**place, "source": source, "digest": names, "moved_at": now if moved else moved_at, "observed_at": now}
        )
        if moved:
            moves.append({**place, "from_digest": stood, "to_digest": names, "at": now})
            changes.append({**place, "kind": "tag", "at": now})
    repositories = {
        key[:3]: {
            "tenant": key[0],
            "registry": key[1],
            "repository": key[2],
            "source": source,
            "first_seen_at": now,
        }
        for key, (source, _) in latest.items()
        if key not in before
    }
    insert_new(connection, t.repository, list(repositories.values()))
    upsert(connection, t.tag, rows, "source", "digest", "moved_at", "observed_at")
    if moves:
        connection.execute(insert(t.tag_move), moves)
        connection.execute(insert(t.change), changes)
    return len(moves)
