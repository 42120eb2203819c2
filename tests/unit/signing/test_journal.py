import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preverify.model.errors import BadConfiguration
from preverify.signing.journal import Journal

AT = datetime(2026, 1, 2, tzinfo=UTC)


def opened(directory: Path | None, secret: bytes | None = b"s", **more) -> Journal:
    return Journal(directory, secret, **more)


def test_what_was_noted_is_recalled_after_a_restart(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.recall("a") is None
    journal.note("a", b"payload", at=AT, statement="s_1")
    assert journal.recall("a") == b"payload"
    journal.close()
    again = opened(tmp_path)
    assert again.recall("a") == b"payload"
    again.close()
    again.close()


def test_in_memory(tmp_path: Path) -> None:
    journal = opened(None)
    journal.note("a", b"payload", at=AT)
    assert journal.recall("a") == b"payload"
    journal.close()


def test_without_a_secret_the_file_is_a_record_and_nothing_is_believed_of_it(tmp_path: Path) -> None:
    """Whoever can write the file must not be able to have something signed."""
    journal = opened(tmp_path, None)
    journal.note("a", b"payload", at=AT, statement="s_1")
    assert journal.recall("a") == b"payload"
    journal.close()
    (line,) = (tmp_path / "signing.journal").read_text().splitlines()
    assert "mac" not in json.loads(line)
    again = opened(tmp_path, None)
    assert again.recall("a") is None
    with pytest.raises(BadConfiguration, match="another signing process"):
        opened(tmp_path, None)
    again.close()


def test_a_line_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.note("a", b"1", at=AT)
    journal.note("b", b"2", at=AT)
    journal.close()
    path = tmp_path / "signing.journal"
    path.write_bytes(path.read_bytes()[:-30])
    journal = opened(tmp_path)
    assert (journal.recall("a"), journal.recall("b")) == (b"1", None)
    journal.note("c", b"3", at=AT)
    journal.close()
    journal = opened(tmp_path)
    assert (journal.recall("a"), journal.recall("c")) == (b"1", b"3")
    journal.close()


@pytest.mark.parametrize(
    "change", [{"payload": "AAAA"}, {"name": "b"}, {"mac": "00"}, {"mac": None}, {"payload": "!"}, {"payload": 1}]
)
def test_lines_that_somebody_else_wrote_do_not_count(tmp_path: Path, change) -> None:
    """The file lies where workers can write: what it says is only signed when we said it."""
    journal = opened(tmp_path)
    journal.note("a", b"1", at=AT)
    journal.close()
    path = tmp_path / "signing.journal"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}) + "\n[]\n")
    journal = opened(tmp_path)
    assert journal.recall("a") is None
    assert journal.recall("b") is None
    journal.close()


def test_another_key_knows_nothing_of_it(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.note("a", b"1", at=AT)
    journal.close()
    other = opened(tmp_path, b"other")
    assert other.recall("a") is None
    other.close()


def test_only_one_process_at_a_time(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    with pytest.raises(BadConfiguration, match="another signing process"):
        opened(tmp_path)
    journal.close()


def test_files_are_turned_and_stay_locked(tmp_path: Path) -> None:
    journal = opened(tmp_path, max_bytes=400)
    for n in range(5):
        journal.note(f"n{n}", b"x" * 100, at=AT)
    assert journal.recall("n4") == b"x" * 100
    assert journal.recall("n0") is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["signing.journal", "signing.journal.1"]
    with pytest.raises(BadConfiguration):
        opened(tmp_path)
    journal.close()
    again = opened(tmp_path)
    assert again.recall("n4") == b"x" * 100
    again.close()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadConfiguration, match="cannot be written"):
        opened(tmp_path / "file" / "below")
