"""RT-64: the lookup table cannot be written: what it says stays true, nothing passes that did not, and it mends."""

import sqlite3
from pathlib import Path

import pytest

from preverify.lookup import Answerer, Reader, Writer, tail
from preverify.model.errors import Unavailable
from preverify.model.verdicts import AnswerState, Outcome
from preverify.settings import Listen
from preverify.store import Store
from support.clock import Stopped
from support.stores import (
    NOW,
    REPOSITORY,
    activate,
    clock,
    piece,
    policies,
    recording,
    sqlite_template,
    store,
    subject,
    url,
    verdict,
)

__all__ = ["clock", "sqlite_template", "store", "url"]


def test_a_full_disk_below_the_table_keeps_old_answers_and_mends_by_itself(
    store: Store, clock: Stopped, tmp_path: Path
) -> None:
    wanted = policies()
    activate(store, wanted)
    digest = wanted.policies[0].digest
    writer, reader = Writer(tmp_path / "lookup.db"), Reader(tmp_path / "lookup.db")
    answers = Answerer(reader, aliases={}, settings=Listen(), clock=clock)
    store.history.record([recording(1, verdict("v_1", policy_digest=digest))], now=NOW)
    store.feed.sequence(fence=1, now=NOW)
    tail(store.feed, writer, clock=clock)
    full = writer._open()
    (pages,) = full.execute("PRAGMA page_count").fetchone()
    full.execute(f"PRAGMA max_page_count = {pages}")  # the same error as the disk's end, at the same place
    rows = [recording(n, verdict(f"v_{n}", n, policy_digest=digest)) for n in range(2, 200)]
    store.history.record(rows, now=NOW)
    failed = verdict("v_f", policy_digest=digest, outcome=Outcome.FAILED)
    store.history.record([recording(1, failed)], now=NOW)
    store.feed.sequence(fence=1, now=NOW)
    with pytest.raises(Unavailable, match="full"):
        tail(store.feed, writer, clock=clock)
    assert answers.lookup(subject(1).digest, REPOSITORY, None).state is AnswerState.VERIFIED  # as of before, whole
    assert answers.lookup(subject(2).digest, REPOSITORY, None).state is AnswerState.UNKNOWN
    tail(store.feed, writer, clock=clock)  # a new connection has no such limit: there is room again
    assert answers.lookup(subject(1).digest, REPOSITORY, None).state is AnswerState.DENIED
    assert answers.lookup(subject(150).digest, REPOSITORY, None).state is AnswerState.VERIFIED
    writer.close()
    reader.close()


def test_a_table_that_never_heard_of_the_withdrawal_says_since_when(
    store: Store, clock: Stopped, tmp_path: Path
) -> None:
    wanted = policies()
    activate(store, wanted)
    writer, reader = Writer(tmp_path / "lookup.db"), Reader(tmp_path / "lookup.db")
    store.history.record([recording(1, verdict("v_1", policy_digest=wanted.policies[0].digest))], now=NOW)
    store.feed.sequence(fence=1, now=NOW)
    tail(store.feed, writer, clock=clock)
    holder = sqlite3.connect(tmp_path / "lookup.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    clock.forward(16 * 60)
    answer = Answerer(reader, aliases={}, settings=Listen(), clock=clock).lookup(subject(1).digest, REPOSITORY, None)
    assert (answer.state, answer.stale_since) == (AnswerState.VERIFIED, NOW)
    holder.close()
    writer.close()
    reader.close()


def test_evidence_that_cannot_be_written_stores_no_verdict(store: Store, tmp_path: Path) -> None:
    """No row may point to a file that is not there."""
    (tmp_path / "evidence").write_text("a file where the directory should be")
    large = piece(1, body=b"x" * 100_000)
    one = recording(1, verdict("v_1"))
    assert one.gathered is not None
    from dataclasses import replace

    with pytest.raises(Unavailable, match="evidence file"):
        store.history.record([replace(one, gathered=replace(one.gathered, evidence=(large,)))], now=NOW)
    assert store.history.current(subject(1)) == ()
    assert list(store.history.subjects()) == []
