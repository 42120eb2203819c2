"""RT-2: flip a policy input with a warm table: the answer flips, and no old pass is left anywhere."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from preverify.lookup import Answerer, Reader, Writer, tail
from preverify.model.verdicts import Answer, AnswerState, Outcome
from preverify.policy.decide import decide
from preverify.settings import Listen
from preverify.store import Store
from support import scans
from support.clock import Stopped
from support.policies import policy_set, policy_text
from support.stores import (
    NOW,
    REPOSITORY,
    activate,
    clock,
    gathered,
    policies,
    recording,
    sqlite_template,
    store,
    subject,
    url,
    verdict,
)

__all__ = ["clock", "sqlite_template", "store", "url"]

SCANNED = "scans: {by: {any: [release]}}, maxSeverity: high"


class Table:
    """A warm table: the same reader, connection and compiled policies from the first question on."""

    def __init__(self, store: Store, clock: Stopped, path: Path) -> None:
        self._store, self._clock = store, clock
        self.writer, self.reader = Writer(path), Reader(path)
        self.answers = Answerer(self.reader, aliases={}, settings=Listen(), clock=clock)

    def ask(self) -> Answer:
        self._store.feed.sequence(fence=1, now=NOW)
        tail(self._store.feed, self.writer, clock=self._clock)
        return self.answers.lookup(subject(1).digest, REPOSITORY, None)


@pytest.fixture
def table(store: Store, clock: Stopped, tmp_path: Path) -> Iterator[Table]:
    opened = Table(store, clock, tmp_path / "lookup.db")
    yield opened
    opened.writer.close()
    opened.reader.close()


def test_evidence_that_went_away_turns_the_answer(store: Store, table: Table) -> None:
    wanted = policies()
    activate(store, wanted)
    digest = wanted.policies[0].digest
    store.history.record([recording(1, verdict("v_1", policy_digest=digest))], now=NOW)
    assert table.ask().state is AnswerState.VERIFIED
    failed = verdict("v_2", policy_digest=digest, outcome=Outcome.FAILED)
    store.history.record([recording(1, failed, findings=())], now=NOW)
    assert table.ask().state is AnswerState.DENIED


def test_a_newer_scan_turns_the_answer(store: Store, table: Table) -> None:
    """What was clean yesterday is not clean today: the newer scan of the same digest takes the older one's place."""
    wanted = policy_set(policy_text(f"[{{name: scanned, vulnerabilities: {{{SCANNED}}}}}]"))
    activate(store, wanted)
    old, new = scans.scan(finished=NOW - scans.HOUR * 2), scans.scan(scans.found(), finished=NOW - scans.HOUR)
    names = iter(("v_1", "v_2"))
    for pieces, state in (((old,), AnswerState.VERIFIED), ((old, new), AnswerState.DENIED)):
        findings = tuple(finding for finding, _ in pieces)
        decided = decide(
            wanted.policies[0],
            gathered(1),
            findings,
            now=NOW,
            trust_epoch="keys-only",
            new_id=lambda _: next(names),
            contents={finding.statement: content for finding, content in pieces},
        )
        store.history.record([recording(1, decided, findings=())], now=NOW)
        assert table.ask().state is state


def test_a_policy_that_changed_never_answers_by_its_old_verdicts(store: Store, table: Table) -> None:
    old, new = policies(), policies(validFor="1h")
    activate(store, old)
    store.history.record([recording(1, verdict("v_1", policy_digest=old.policies[0].digest))], now=NOW)
    assert table.ask().state is AnswerState.VERIFIED
    activate(store, new)
    assert table.ask().state is AnswerState.UNKNOWN  # nothing was decided under it


def test_a_policy_that_came_back_does_not_bring_its_old_verdicts(store: Store, table: Table) -> None:
    """The evidence may have changed while the policy was away."""
    old, new = policies(), policies(validFor="1h")
    activate(store, old)
    store.history.record([recording(1, verdict("v_1", policy_digest=old.policies[0].digest))], now=NOW)
    assert table.ask().state is AnswerState.VERIFIED
    activate(store, new)
    table.ask()
    activate(store, old)
    assert table.ask().state is AnswerState.UNKNOWN


def test_time_alone_turns_the_answer(store: Store, table: Table, clock: Stopped) -> None:
    wanted = policies()
    activate(store, wanted)
    row = verdict("v_1", policy_digest=wanted.policies[0].digest)
    store.history.record([recording(1, replace(row, due_at=None))], now=NOW)
    assert table.ask().state is AnswerState.VERIFIED
    clock.forward(24 * 3600)
    assert table.ask().state is AnswerState.EXPIRED
