"""Following the feed: one step that brings the local table up to date."""

from collections.abc import Iterator

from preverify.lookup import schema
from preverify.model.errors import BadInput
from preverify.ports import Change, Clock, Feed, LookupWriter

_LIMIT = 1000
_MAX_PAGES = 50


def tail(feed: Feed, writer: LookupWriter, *, clock: Clock, limit: int = _LIMIT) -> int:
    """Apply what the feed has beyond the table's position; returns how many changes were applied.

    An empty table, and one that the feed does not go on from (too far behind, or ahead of a restored database), starts
    from a snapshot. Bounded: a long backlog takes several steps. When this returns the table has heard from the feed.

    Raises:
        Unavailable: the database or the table cannot be reached; what was applied stays.
    """
    position = writer.position()
    if position == schema.EMPTY:
        return _restart(feed, writer, clock)
    applied = 0
    for _ in range(_MAX_PAGES):
        try:
            changes = feed.changes(position, limit=limit)
        except BadInput:
            return applied + _restart(feed, writer, clock)
        if not changes:
            break
        writer.apply(changes, now=clock.now())
        applied += len(changes)
        position = changes[-1].number
        if len(changes) < limit:
            break
    if not applied:
        writer.heartbeat(now=clock.now())
    return applied


def _restart(feed: Feed, writer: LookupWriter, clock: Clock) -> int:
    count = 0

    def counted() -> Iterator[Change]:
        nonlocal count
        for change in feed.snapshot():
            count += 1
            yield change

    writer.reset(counted(), now=clock.now())
    return count
