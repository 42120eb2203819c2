"""Connections: one engine a process, short immediate writes, consistent reads, and errors of our own families."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from preverify.model.errors import BadConfiguration, BadInput, Unavailable
from preverify.model.reasons import Reason

_BUSY_MILLISECONDS = 30_000
_RETRY = timedelta(seconds=5)
_READ = "preverify_read"


def make_engine(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine for `sqlite:////absolute/path` or `postgresql+psycopg://…`.

    Raises:
        BadConfiguration: another database, or a URL that cannot be read.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadConfiguration("not a database URL, expected sqlite:////path or postgresql+psycopg://…") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise BadConfiguration("an SQLite database needs a file that all processes share: sqlite:////absolute/path")
        engine = create_engine(parsed, pool_size=16, max_overflow=16, connect_args={"isolation_level": None})
        _prepare_sqlite(engine, read_only=read_only)
        return engine
    if backend == "postgresql":
        options = "-c default_transaction_read_only=on" if read_only else ""
        try:
            return create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_size=16,
                max_overflow=16,
                pool_pre_ping=True,
                connect_args={"connect_timeout": 10, "options": options, "application_name": "preverify"},
            )
        except NoSuchModuleError as error:  # pragma: no cover - psycopg is a dependency of ours
            raise BadConfiguration("the Postgres driver psycopg is not installed") from error
    raise BadConfiguration(f"database {backend!r} is not supported, expected sqlite or postgresql")


def _prepare_sqlite(engine: Engine, *, read_only: bool) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in (
            f"busy_timeout = {_BUSY_MILLISECONDS}",  # first: even the switch to WAL meets locks
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # IMMEDIATE: a transaction that reads first and writes later would else fail where it cannot wait.
        reading = read_only or connection.get_execution_options().get(_READ)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes; committed at the end, rolled back by any exception."""
    with _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads, all statements of it at one moment on SQLite."""
    with _translated(), engine.connect().execution_options(**{_READ: True}) as connection, connection.begin():
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    """Let out only our families of errors."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise BadInput(f"the database refused what breaks its rules: {_first_line(error)}") from error
    except DatabaseError as error:
        raise Unavailable(
            f"the database: {_first_line(error)}", reason=Reason.INTERNAL_ERROR, retry_after=_RETRY
        ) from error
    except SQLAlchemyError as error:
        raise Unavailable(
            f"the database: {_first_line(error)}", reason=Reason.INTERNAL_ERROR, retry_after=_RETRY
        ) from error


def _first_line(error: SQLAlchemyError) -> str:
    original = getattr(error, "orig", None) or error
    return (str(original).splitlines() or [type(original).__name__])[0][:300]
