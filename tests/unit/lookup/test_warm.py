"""An answer is given again only while nothing has happened that could change it."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from preverify.lookup import Answerer, Reader
from preverify.lookup.moment import Watch
from preverify.model.digest import Digest
from preverify.model.errors import Unavailable
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState
from preverify.settings import Listen
from support.answering import BAD, GOOD, IMAGE, Table

REPOSITORY = Repository.parse(IMAGE)
GOOD_DIGEST = Digest.parse(GOOD)


class Moving:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    def new_id(self, prefix: str) -> str:
        return prefix


class Counting(Reader):
    """A reader that counts its reads of rows, and those that it had to decode."""

    rows = decoded_rows = 0

    def stored(self, repository: Repository, digest: Digest):
        self.rows += 1
        return super().stored(repository, digest)

    def decoded(self, *args):
        self.decoded_rows += 1
        return super().decoded(*args)


class Room:
    def __init__(self, directory: Path, **listen: object) -> None:
        self.table, self.clock = Table(directory), Moving()
        self.reader = Counting(self.table.path)
        self.settings = Listen.model_validate(listen)
        self.answers = Answerer(self.reader, aliases={}, settings=self.settings, clock=self.clock)

    def ask(self, digest: str = GOOD, namespace: str | None = None) -> Answer:
        """Ask, and compare with what somebody who remembers nothing says."""
        mine = self.answers.lookup(Digest.parse(digest), REPOSITORY, namespace)
        cold = Answerer(Reader(self.table.path), aliases={}, settings=self.settings, clock=self.clock)
        assert mine == cold.lookup(Digest.parse(digest), REPOSITORY, namespace)
        return mine


def test_while_nothing_happens_no_row_is_read_again(tmp_path: Path) -> None:
    room = Room(tmp_path)
    first = room.ask()
    assert first.state is AnswerState.VERIFIED
    assert all(room.ask() is first for _ in range(5))
    assert (room.reader.rows, room.reader.decoded_rows) == (1, 1)
    assert room.ask(namespace="other") is not first
    assert room.ask(BAD).state is AnswerState.DENIED


def test_another_row_makes_it_look_again_and_its_own_makes_it_decode_again(tmp_path: Path) -> None:
    room = Room(tmp_path)
    first = room.ask()
    room.table.put(BAD, "passed", valid=timedelta(days=1))
    assert room.ask() is first
    assert (room.reader.rows, room.reader.decoded_rows) == (2, 1)
    assert room.ask() is first
    assert room.reader.rows == 2
    room.table.put(GOOD, "failed", ("signed", "wrong-key", "x"))
    assert room.ask().state is AnswerState.DENIED
    room.table.activate()
    assert room.ask().state is AnswerState.UNKNOWN


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(hours=1)])
def test_time_alone_turns_it_at_the_very_moment(tmp_path: Path, grace: timedelta) -> None:
    room = Room(tmp_path, expiredGrace=f"{int(grace.total_seconds())}s", maxStale=None)
    room.table.put(GOOD, "passed", valid=timedelta(minutes=5))
    until = room.ask().valid_until
    assert until is not None
    moments = [
        (until - timedelta(microseconds=1), AnswerState.VERIFIED, True),
        (until, AnswerState.EXPIRED, grace > timedelta(0)),
        (until + grace - timedelta(microseconds=1), AnswerState.EXPIRED, True),
        (until + grace, AnswerState.EXPIRED, False),
    ]
    for at, state, admit in moments if grace else (moments[0], moments[1]):
        room.clock.at = at
        answer = room.ask()
        assert (answer.state, answer.admit) == (state, admit)
    room.clock.at = until - timedelta(seconds=1)  # put back
    assert room.ask().state is AnswerState.VERIFIED


def test_a_silent_table_is_noticed_without_a_change_of_it(tmp_path: Path) -> None:
    room = Room(tmp_path, maxStale="10m")
    assert room.ask().stale_since is None
    room.clock.at += timedelta(minutes=11)
    answer = room.ask()
    assert answer.stale_since is not None
    assert answer.state is AnswerState.UNKNOWN
    room.table.put(BAD, "failed", ("signed", "wrong-key", "x"))  # heard from, but in the machine's own time
    assert room.ask().stale_since is not None


def test_a_table_made_anew_or_taken_away_is_noticed(tmp_path: Path) -> None:
    room = Room(tmp_path)
    assert room.ask().state is AnswerState.VERIFIED
    room.table.take_away()
    with pytest.raises(Unavailable):
        room.answers.lookup(GOOD_DIGEST, REPOSITORY, None)
    room.table = Table(tmp_path)
    room.table.put(GOOD, "failed", ("signed", "wrong-key", "x"))
    assert room.ask().state is AnswerState.DENIED


def test_a_snapshot_is_another_moment(tmp_path: Path) -> None:
    room = Room(tmp_path)
    with room.reader.snapshot():
        assert room.answers.lookup(GOOD_DIGEST, REPOSITORY, None).state is AnswerState.VERIFIED
        room.table.put(GOOD, "failed", ("signed", "wrong-key", "x"))
        assert room.answers.lookup(GOOD_DIGEST, REPOSITORY, None).state is AnswerState.VERIFIED
    assert room.ask().state is AnswerState.DENIED


def test_a_commit_by_another_process_changes_the_moment_and_a_rollback_does_not(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.ask()
    before = room.reader.moment()
    assert before is not None
    other = sqlite3.connect(room.table.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE meta SET heartbeat = heartbeat + 1")
    other.execute("ROLLBACK")
    assert room.reader.moment() == before
    other.execute("UPDATE meta SET heartbeat = heartbeat + 1")
    assert room.reader.moment() != before
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.execute("UPDATE meta SET heartbeat = heartbeat + 1")
    other.close()
    assert room.reader.moment() not in {before, None}


def test_without_shared_counters_every_answer_is_read(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.table._writer.close()
    other = sqlite3.connect(room.table.path, isolation_level=None)
    assert other.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    assert room.reader.moment() is None
    for _ in range(3):
        assert room.ask().state is AnswerState.VERIFIED
    assert room.reader.rows == 3
    other.execute("DELETE FROM answer")
    other.close()
    assert room.ask().state is AnswerState.UNKNOWN


def test_counters_of_another_form_are_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "x.db-shm").write_bytes(b"\x01" * 4096)
    watch = Watch(tmp_path / "x.db")
    assert watch.moment() is None
    watch.close()
    assert watch.moment() is None
    (tmp_path / "y.db-shm").write_bytes(b"")
    assert Watch(tmp_path / "y.db").moment() is None
