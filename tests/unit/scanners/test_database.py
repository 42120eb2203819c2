"""A database file is checked before anything of it is believed."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preverify.model.contents import Severity
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.scanners.database.file import Database
from support.vulnerabilities import BUILT_AT, database_file, opened, records


def test_a_database_says_what_it_is(corpus: Database) -> None:
    facts = corpus.facts
    assert facts.built_at == BUILT_AT
    assert facts.newest == datetime(2025, 7, 4, tzinfo=UTC)
    assert facts.records == len(records()) - 1
    assert (facts.withdrawn, facts.malformed, facts.malformed_count) == (1, (), 0)
    assert facts.exploited_at == datetime(2026, 1, 2, 15, tzinfo=UTC)
    assert facts.likelihood_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert {"Debian:12", "PyPI", "Red Hat:enterprise_linux:9::baseos"} < set(corpus.ecosystems)
    assert ("Debian:7", 1, "2014-09-20T00:00:00Z") in list(corpus.newest_of())
    corpus.check_whole()


def test_ecosystems_are_found_by_pattern(corpus: Database) -> None:
    assert corpus.covering(("Red Hat:enterprise_linux:9::*",)) == ("Red Hat:enterprise_linux:9::baseos",)
    assert corpus.covering(("SUSE:Linux Enterprise * 15 SP5",)) == (
        "SUSE:Linux Enterprise Module for Basesystem 15 SP5",
    )
    assert corpus.covering(("Ubuntu:22.04", "Ubuntu:22.04:LTS")) == ("Ubuntu:22.04:LTS",)
    assert corpus.covering(("Debian:1",)) == ()


def test_what_is_known_of_a_vulnerability_is_gathered_under_all_its_names(corpus: Database) -> None:
    known = corpus.about(["GHSA-4374-p667-p6c8"])
    assert known.names == ("CVE-2023-39325", "CVE-2023-44487", "GHSA-4374-p667-p6c8", "GO-2023-2102")
    assert (known.severity, known.score) == (Severity.HIGH, 7.5)
    assert known.published == datetime(2023, 10, 11, 20, 35, 43, tzinfo=UTC)
    assert (known.exploited, known.epss) == (True, 0.944)
    assert corpus.about(["CVE-2023-44487"]) == known


def test_an_advisory_about_several_tells_of_one_where_nothing_else_does(corpus: Database) -> None:
    """CVE-2999-1001 has a record of its own; of CVE-2999-1002 only the advisory is known."""
    first, second = corpus.about(["CVE-2999-1001"]), corpus.about(["CVE-2999-1002"])
    assert (first.names, first.severity, first.score) == (("CVE-2999-1001",), Severity.CRITICAL, 9.8)
    assert first.published == datetime(2022, 12, 1, tzinfo=UTC)
    assert (second.names, second.severity) == (("CVE-2999-1002",), Severity.UNKNOWN)
    assert second.published == datetime(2023, 2, 1, tzinfo=UTC)


def test_an_advisory_about_one_is_another_name_of_it(corpus: Database) -> None:
    assert corpus.about(["DEBIAN-CVE-2999-1004"]).names == ("CVE-2999-1004", "DEBIAN-CVE-2999-1004")
    assert corpus.about(["CVE-2999-1004"]).score == 6.1


def test_of_an_unknown_vulnerability_nothing_is_known(corpus: Database) -> None:
    known = corpus.about(["CVE-2999-9999"])
    assert (known.names, known.severity, known.score) == (("CVE-2999-9999",), Severity.UNKNOWN, None)
    assert (known.published, known.epss, known.exploited) == (None, None, False)


def test_without_a_catalogue_nobody_says_that_something_is_not_exploited(tmp_path: Path) -> None:
    database = opened(database_file(tmp_path, kev=None, epss=None))
    known = database.about(["CVE-2021-44228"])
    database.close()
    assert (known.exploited, known.epss) == (None, None)
    assert (database.facts.exploited_at, database.facts.likelihood_at) == (None, None)


def _other_application(file: sqlite3.Connection) -> None:
    file.execute("PRAGMA application_id = 1")


def _other_version(file: sqlite3.Connection) -> None:
    file.execute("PRAGMA user_version = 2")


def _trigger(file: sqlite3.Connection) -> None:
    file.execute("CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM affected; END")


def _view(file: sqlite3.Connection) -> None:
    file.execute("DROP TABLE affected")
    file.execute("CREATE VIEW affected AS SELECT 1 AS ecosystem, 2 AS package, 3 AS record, 4 AS part, 5 AS said")


def _no_time(file: sqlite3.Connection) -> None:
    file.execute("UPDATE meta SET value = 'soon' WHERE name = 'newest'")


def _no_count(file: sqlite3.Connection) -> None:
    file.execute("DELETE FROM meta WHERE name = 'records'")


@pytest.mark.parametrize("change", [_other_application, _other_version, _trigger, _view, _no_time, _no_count])
def test_a_file_that_is_not_of_our_making_is_refused(
    tmp_path: Path, change: Callable[[sqlite3.Connection], None]
) -> None:
    path = database_file(tmp_path)
    with sqlite3.connect(path) as file:
        change(file)
    file.close()
    with pytest.raises(BadInput, match="vulnerability database"):
        opened(path)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"no database at all" * 100])
def test_what_is_no_sqlite_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vulnerabilities.db"
    path.write_bytes(content)
    with pytest.raises(BadInput):
        opened(path)


def test_a_missing_file_is_refused_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "vulnerabilities.db"
    with pytest.raises(BadInput):
        Database(path, Digest.of(b""))
    assert not path.exists()


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    path = database_file(tmp_path)
    damaged = tmp_path / "damaged.db"
    shutil.copy(path, damaged)
    data = bytearray(damaged.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    damaged.write_bytes(data)
    database = opened(damaged)
    with pytest.raises(BadInput, match="damaged"):
        database.check_whole()
    database.close()


def test_an_open_database_cannot_be_written(corpus: Database) -> None:
    with pytest.raises(sqlite3.OperationalError):
        list(corpus._rows("DELETE FROM meta"))


def test_data_is_never_newer_than_the_day_on_which_it_was_put_together(tmp_path: Path) -> None:
    path = database_file(tmp_path, now=datetime(2025, 7, 3, 12, tzinfo=UTC))
    database = opened(path)
    database.close()
    assert database.facts.newest == database.facts.built_at
