"""Durable work and its bells: jobs are kept, handed out and taken back here; which there are is for others to say."""

from sqlalchemy import Engine

from preverify.ports import Clock
from preverify.store import Store
from preverify.store.engine import make_engine
from preverify.work.bell import SocketBell
from preverify.work.embedded import EmbeddedWork

__all__ = ["EmbeddedWork", "SocketBell", "open_work"]


def open_work(where: Store | Engine | str, clock: Clock | None = None) -> EmbeddedWork:
    """Open the embedded engine on the database of a store, or on an engine or URL with a clock for identifiers."""
    if isinstance(where, Store):
        return EmbeddedWork(engine=where.engine, clock=clock or where.clock)
    if clock is None:
        raise TypeError("open_work on an engine or URL needs a clock")
    return EmbeddedWork(engine=make_engine(where) if isinstance(where, str) else where, clock=clock)
