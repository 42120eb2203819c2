"""History on SQLAlchemy Core: SQLite and Postgres behind one set of tables."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from preverify.model.errors import BadConfiguration
from preverify.ports import TENANT, Clock
from preverify.store.bodies import Bodies
from preverify.store.census import SqlCensus
from preverify.store.engine import make_engine, reading
from preverify.store.feed import SqlFeed
from preverify.store.generations import SqlGenerations
from preverify.store.history import SqlHistory
from preverify.store.lease import SqlLease
from preverify.store.marks import SqlMarks
from preverify.store.statements import SqlStatements
from preverify.store.upgrade import state_of

__all__ = ["Store", "open_store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """An opened database, one tenant of it."""

    engine: Engine
    clock: Clock
    history: SqlHistory
    statements: SqlStatements
    generations: SqlGenerations
    feed: SqlFeed
    lease: SqlLease
    census: SqlCensus
    marks: SqlMarks

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def open_store(url: str, state: Path, clock: Clock, *, read_only: bool = False, tenant: str = TENANT) -> Store:
    """Open a database that is at this version's schema.

    Args:
        url: `sqlite:////absolute/path.db` or `postgresql+psycopg://…`.
        state: The writable directory; large evidence lies below it.
        clock: Time and identifiers.
        read_only: Let the database refuse every write of this process (the signing process).
        tenant: Whose rows are read.

    Raises:
        BadConfiguration: the schema is not this version's; says the command that mends it.
        Unavailable: the database does not answer, or the file is not one.
    """
    engine = make_engine(url, read_only=read_only)
    try:
        with reading(engine) as connection:
            standing = state_of(connection)
        if standing != "current":
            todo = "install the newer preverify" if standing == "newer" else "run `preverify db upgrade`"
            raise BadConfiguration(  # noqa: TRY301 - the engine is let go below whatever is raised
                f"the database's schema is {standing}, expected current; {todo}", where="database.url"
            )
    except BaseException:
        engine.dispose()
        raise
    bodies = Bodies(directory=state / "evidence", in_files=engine.dialect.name == "sqlite")
    return Store(
        engine=engine,
        clock=clock,
        history=SqlHistory(engine=engine, bodies=bodies, clock=clock, tenant=tenant),
        statements=SqlStatements(engine=engine, clock=clock, tenant=tenant),
        generations=SqlGenerations(engine=engine, tenant=tenant),
        feed=SqlFeed(engine=engine, tenant=tenant),
        lease=SqlLease(engine=engine, tenant=tenant),
        census=SqlCensus(engine=engine, tenant=tenant),
        marks=SqlMarks(engine=engine, tenant=tenant),
    )
