"""What tags name, and every move of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select

from preverify.model.digest import Digest
from preverify.model.reference import Repository, Subject
from preverify.model.tags import TagMove, Tags
from preverify.store import tables as t
from preverify.store.sql import chunks, insert_new, matches, upsert

Observation = tuple[str, str, Repository, str, Digest | None, datetime]
"""Tenant, source, repository, tag, what it names (None: gone), and when that was seen."""


def moves_of(
    connection: Connection, tenant: str, subject: Subject, seen: Sequence[str], until: datetime | None
) -> list[TagMove]:
    """Return every move, oldest first, of the tags that ever named a subject, and of those in `seen`."""
    m = t.tag_move.c
    here = (m.tenant == tenant, m.registry == subject.repository.registry, m.repository == subject.repository.path)
    concerned = select(m.tag).where(*here, m.to_digest == str(subject.digest))
    query = (
        select(m.tag, m.from_digest, m.to_digest, m.at)
        .where(*here, m.tag.in_(concerned) | m.tag.in_(seen))
        .order_by(m.id)
    )
    if until is not None:
        query = query.where(m.at <= until)
    return [
        TagMove(tag=row.tag, before=_digest(row.from_digest), after=_digest(row.to_digest), at=row.at)
        for row in connection.execute(query)
    ]


def facts(moves: Sequence[TagMove], digest: Digest, seen: Sequence[str], seen_at: datetime) -> Tags:
    """Return what moves say of the tags that name `digest`, and of those that were seen to name it at `seen_at`."""
    last = {move.tag: move.after for move in moves}
    fresh = [
        TagMove(tag=tag, before=last.get(tag), after=digest, at=seen_at) for tag in seen if last.get(tag) != digest
    ]
    names = {tag for tag, named in last.items() if named == digest} | set(seen)
    return Tags(names=tuple(sorted(names)), moves=tuple(move for move in (*moves, *fresh) if move.tag in names))


def _digest(text: str | None) -> Digest | None:
    return None if text is None else Digest.parse(text)


def observe(connection: Connection, seen: Sequence[Observation]) -> int:
    """Note what tags name now; returns how many of them moved. Moves are kept and told to the feed."""
    latest = {
        (tenant, repository.registry, repository.path, tag): (source, None if digest is None else str(digest), at)
        for tenant, source, repository, tag, digest, at in seen
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
    for key, (source, names, at) in latest.items():
        stood, moved_at = before.get(key, (None, at))
        place = dict(zip(("tenant", "registry", "repository", "tag"), key, strict=True))
        moved = stood != names
        if not moved and key not in before:
            continue  # a tag that we never knew is gone: nothing to remember
        rows.append(
            {**place, "source": source, "digest": names, "moved_at": at if moved else moved_at, "observed_at": at}
        )
        if moved:
            moves.append({**place, "from_digest": stood, "to_digest": names, "at": at})
            changes.append({**place, "kind": "tag", "at": at})
    repositories = {
        key[:3]: {
            "tenant": key[0],
            "registry": key[1],
            "repository": key[2],
            "source": source,
            "first_seen_at": at,
        }
        for key, (source, _, at) in latest.items()
        if key not in before
    }
    insert_new(connection, t.repository, list(repositories.values()))
    upsert(connection, t.tag, rows, "source", "digest", "moved_at", "observed_at")
    if moves:
        connection.execute(insert(t.tag_move), moves)
        connection.execute(insert(t.change), changes)
    return len(moves)
