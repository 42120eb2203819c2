"""The answering process opens its database after it began to answer: what waits, and what becomes of a failure."""

import json
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from preverify.answering import Database
from preverify.model.digest import Digest
from preverify.model.errors import Unavailable
from preverify.model.reference import Repository, Subject
from preverify.records import open_records
from preverify.settings import Settings
from preverify.store import upgrade
from support.answering import GOOD, Table

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Bell:
    def __init__(self) -> None:
        self.rung: list[str] = []

    def ring(self, who: str) -> None:
        self.rung.append(who)

    def wait(self, timeout: float) -> bool:
        raise NotImplementedError


def _settings(directory: Path) -> Settings:
    url = f"sqlite:///{directory}/history.db"
    return Settings.model_validate({"state": str(directory), "database": {"url": url}})


def test_what_comes_early_waits_for_the_database(tmp_path: Path) -> None:
    gate, bell = threading.Event(), Bell()

    def opened() -> Any:
        gate.wait(10)
        return open_records(_settings(tmp_path)), bell

    database = Database(opened, failed=lambda: None)
    database.start()
    assert not database.is_open()
    threading.Timer(0.2, gate.set).start()
    assert database.accept("shop", (), (), now=NOW) == 0
    assert database.is_open()
    database.ring("timer")
    assert bell.rung == ["timer"]
    assert list(database.find(Digest.parse(GOOD))) == []
    assert database.current(Subject(Repository("registry.example", "shop/api"), Digest.parse(GOOD))) == ()
    database.end()


def test_a_database_that_cannot_be_opened_ends_the_process() -> None:
    ended = threading.Event()

    def opened() -> Any:
        raise OSError("disk on fire")

    database = Database(opened, failed=ended.set)
    database.start()
    assert ended.wait(10)
    with pytest.raises(Unavailable, match="not open"):
        database.accept("shop", (), (), now=NOW)
    with pytest.raises(OSError, match="disk on fire"):
        database.end()


def _child(directory: Path, listener: socket.socket) -> subprocess.Popen[str]:
    (directory / "metrics").mkdir()
    url = f"sqlite:///{directory}/history.db"
    settings = {"state": str(directory), "database": {"url": url}, "listen": {"address": "127.0.0.1:0"}}
    (directory / "config.json").write_text(json.dumps(settings))
    argv = [sys.executable, "-m", "preverify.commands.child", "answers"]
    argv += ["--config", str(directory / "config.json"), "--fds", str(listener.fileno())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.Popen(argv, pass_fds=[listener.fileno()], env=environment, stderr=subprocess.PIPE, text=True)


def test_a_schema_that_does_not_fit_ends_the_process_with_a_message(tmp_path: Path) -> None:
    Table(tmp_path)
    url = f"sqlite:///{tmp_path}/history.db"
    upgrade.upgrade(url)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    engine.dispose()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = _child(tmp_path, listener)
        try:
            _, said = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode != 0
    assert "the database's schema is newer, expected current" in said


def test_the_start_needs_no_database_library() -> None:
    heavy = "{'sqlalchemy', 'alembic', 'requests', 'oras', 'apscheduler'}"
    code = f"import sys, preverify.commands.child, preverify.answering; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
