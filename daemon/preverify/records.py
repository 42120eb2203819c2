"""Opens the database, for every process that has to do with it. A part of `wiring` that brings nothing else along."""

from dataclasses import dataclass

from preverify.clock import SystemClock
from preverify.model.errors import BadConfiguration
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
    require_schema(settings)
    store = open_store(settings.database.url, settings.state, clock)
    return Records(store=store, work=open_work(store), clock=clock)


def require_schema(settings: Settings) -> None:
    """Refuse a database that this version does not fit; make an empty one ready where it is an embedded file.

    Raises:
        BadConfiguration: the schema is older or newer.
    """
    state = schema.check(settings.database.url)
    if state == "empty" and settings.database.url.startswith("sqlite"):
        settings.state.mkdir(parents=True, exist_ok=True)
        schema.upgrade(settings.database.url)
        return
    if state != "current":
        todo = "install the newer preverify" if state == "newer" else "run `preverify db upgrade`"
        raise BadConfiguration(f"the database's schema is {state}, expected current; {todo}", where="database.url")
