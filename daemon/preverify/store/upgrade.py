"""The schema: where its migrations lie, how a database stands to them, and bringing it up."""

from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, inspect, text

from preverify.model.errors import BadConfiguration
from preverify.shipped import shipped
from preverify.store.engine import make_engine, reading, writing

HEAD = "0004"
KNOWN = ("0001", "0002", "0003", "0004")
"""Revisions of this version, oldest first; a test compares them with the directory. Reading them costs no import."""

State = Literal["current", "behind", "newer", "empty"]


def shipped_directory() -> Path:
    """Return the migrations.

    Raises:
        BadConfiguration: they are not there.
    """
    return shipped("migrations", "env.py")


def check(url: str) -> State:
    """Say how a database's schema stands to this version.

    `newer`: a later version has been here, and only that one may go on. `empty`: nothing is there yet.

    Raises:
        BadConfiguration: not a database URL of ours.
        Unavailable: the database does not answer.
    """
    path = make_engine(url).url
    if path.get_backend_name() == "sqlite" and not Path(path.database or "").exists():
        return "empty"  # looking must not make the file
    engine = make_engine(url)
    try:
        with reading(engine) as connection:
            return state_of(connection)
    finally:
        engine.dispose()


def state_of(connection: Connection) -> State:
    """Say how the schema of a connected database stands to this version."""
    if not inspect(connection).has_table("alembic_version"):
        return "empty"
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if revision is None:
        return "empty"
    if revision == HEAD:
        return "current"
    return "behind" if revision in KNOWN else "newer"


def upgrade(url: str) -> None:
    """Bring a database to this version's schema, in one transaction; safe to run again and by several at once.

    Raises:
        BadConfiguration: its schema is of a later version.
        Unavailable: the database does not answer.
    """
    from alembic import command
    from alembic.config import Config

    engine = make_engine(url)
    if engine.url.get_backend_name() == "sqlite":
        Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
    try:
        with writing(engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(7013927401)"))
            if state_of(connection) == "newer":
                raise BadConfiguration(
                    "the database's schema is newer than this version; install the newer preverify",
                    where="database.url",
                )
            config = Config()
            config.set_main_option("script_location", str(shipped_directory()).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
