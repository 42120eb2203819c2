"""Migrations make what the tables say, on both databases, and a daemon refuses what it does not fit."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import preverify
from preverify.model.errors import BadConfiguration, BadInput, Unavailable
from preverify.model.reference import Repository
from preverify.store import Store, open_store, upgrade
from preverify.store.engine import make_engine
from preverify.store.tables import metadata
from support.clock import Stopped
from support.stores import both


@both
def test_models_are_migrations(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_checks_and_indexes_of_the_models_are_those_of_the_migrations(store: Store, tmp_path: Path) -> None:
    """Autogenerate does not compare CHECK constraints and index conditions; the schema's own text does."""
    models = make_engine(f"sqlite:///{tmp_path / 'models.db'}")
    metadata.create_all(models)

    def shapes(engine: object) -> set[tuple[str, str]]:
        with engine.connect() as connection:
            rows = connection.execute(
                text("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL")
            )
            found = {(name, " ".join(sorted(sql.replace(",", " , ").split()))) for name, sql in rows}
        return {(name, sql) for name, sql in found if name != "alembic_version"}

    assert shapes(store.engine) == shapes(models)
    models.dispose()


def test_the_revisions_that_the_code_knows_are_those_of_the_directory() -> None:
    config_directory = ScriptDirectory(str(upgrade.shipped_directory()))
    linear = [script.revision for script in config_directory.walk_revisions()]
    assert tuple(reversed(linear)) == upgrade.KNOWN
    assert config_directory.get_current_head() == upgrade.HEAD
    assert len(config_directory.get_heads()) == 1


@both
def test_upgrading_again_changes_nothing(url: str) -> None:
    assert upgrade.check(url) == "current"
    upgrade.upgrade(url)
    assert upgrade.check(url) == "current"


def test_a_missing_file_is_empty_and_looking_does_not_make_it(tmp_path: Path) -> None:
    path = tmp_path / "below" / "preverify.db"
    assert upgrade.check(f"sqlite:///{path}") == "empty"
    assert not path.parent.exists()
    upgrade.upgrade(f"sqlite:///{path}")
    assert upgrade.check(f"sqlite:///{path}") == "current"


@both
@pytest.mark.parametrize(
    ("revision", "state", "todo"), [("9999", "newer", "install the newer"), (None, "empty", "db upgrade")]
)
def test_a_schema_that_is_not_ours_is_refused_with_the_command(
    url: str, tmp_path: Path, clock: Stopped, revision: str | None, state: str, todo: str
) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision:
            connection.execute(text("INSERT INTO alembic_version VALUES (:r)"), {"r": revision})
    engine.dispose()
    assert upgrade.check(url) == state
    with pytest.raises(BadConfiguration, match=todo):
        open_store(url, tmp_path, clock)


def test_an_older_schema_is_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "HEAD", "0002")
    assert upgrade.check(url) == "behind"


def test_a_newer_schema_is_not_upgraded(url: str) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(BadConfiguration, match="newer"):
        upgrade.upgrade(url)


def test_an_installation_without_migrations_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preverify, "__file__", str(tmp_path / "a" / "preverify" / "__init__.py"))
    with pytest.raises(BadConfiguration, match="incomplete"):
        upgrade.shipped_directory()
    shipped = tmp_path / "a" / "preverify" / "_shipped" / "migrations"
    shipped.mkdir(parents=True)
    (shipped / "env.py").touch()
    assert upgrade.shipped_directory() == shipped


@pytest.mark.parametrize(
    "bad", ["sqlite://", "sqlite:///:memory:", "mysql://host/name", "nonsense", "postgresql+nothing://h/d"], ids=repr
)
def test_urls_that_cannot_serve_are_refused(bad: str) -> None:
    if bad.startswith("postgresql"):
        assert make_engine(bad).url.drivername == "postgresql+psycopg"  # one driver, whatever was written
        return
    with pytest.raises(BadConfiguration):
        make_engine(bad)


@pytest.fixture
def refused_port() -> Iterator[int]:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]  # bound, nobody listens


def test_a_database_that_does_not_answer_is_unavailable(refused_port: int, tmp_path: Path, clock: Stopped) -> None:
    with pytest.raises(Unavailable):
        open_store(f"postgresql+psycopg://u@127.0.0.1:{refused_port}/d", tmp_path, clock)


def test_a_torn_file_is_refused_at_start(url: str, tmp_path: Path, clock: Stopped) -> None:
    path = tmp_path / "preverify.db"
    path.write_bytes(b"not a database at all, but long enough to be one " * 100)
    with pytest.raises(Unavailable, match="not a database"):
        open_store(url, tmp_path, clock)


def test_a_locked_database_is_waited_for_and_then_unavailable(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from preverify.store import engine as connections

    monkeypatch.setattr(connections, "_BUSY_MILLISECONDS", 50)
    hasty = make_engine(str(store.engine.url))
    holder = sqlite3.connect(tmp_path / "preverify.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"), connections.writing(hasty):
        pass
    with connections.reading(hasty) as connection:  # readers go on
        assert connection.execute(text("SELECT count(*) FROM subject")).scalar_one() == 0
    holder.close()
    hasty.dispose()


def test_a_full_disk_stores_nothing_and_reads_go_on(store: Store) -> None:
    """The database's own limit of pages stands for the disk's end: the same error, at the same places."""
    from support.stores import NOW, recording, subject, verdict

    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    with store.engine.connect() as connection:
        used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {used}")
        big = [recording(n, verdict(f"v_{n}", n)) for n in range(2, 400)]
    with pytest.raises(Unavailable, match="full"):
        store.history.record(big, now=NOW)
    assert [k.subject for k in store.history.subjects()] == [subject(1)]
    assert store.history.current(subject(1)) == (verdict("v_1"),)


def test_what_breaks_the_rules_of_a_value_is_refused(store: Store) -> None:
    from datetime import datetime

    from preverify.model.digest import Digest

    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake that is refused
    with pytest.raises((BadInput, Unavailable), match="time zone"):
        store.history.observe_tag("shop", Repository("r.example", "a"), "v1", Digest.of(b""), now=naive)
