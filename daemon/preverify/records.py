"""Opens the database, for every process that has to do with it. A part of `wiring` that brings nothing else along."""

from dataclasses import dataclass

from preverify.clock import SystemClock
from preverify.ports import Work
from preverify.settings import Settings
from preverify.store import Store, open_store
from preverify.store import upgrade as schema
from preverify.work import open_work


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The database, opened."""

    store: Store
    work: Work
    clock: SystemClock


def open_records(settings: Settings) -> Records:
    """Open the database at this version's schema.

    Raises:
        BadConfiguration: the schema is older or newer; says the command that mends it.
    """
    clock = SystemClock()
    make_ready(settings)
    store = open_store(settings.database.url, settings.state, clock)
    return Records(store=store, work=open_work(store), clock=clock)


def make_ready(settings: Settings) -> None:
    """Bring an empty embedded database to this version's schema; `open_store` refuses what does not fit."""
    if settings.database.url.startswith("sqlite") and schema.check(settings.database.url) == "empty":
        settings.state.mkdir(parents=True, exist_ok=True)
        schema.upgrade(settings.database.url)
