"""RT-1: verify tag -> A, move tag -> B, look up: nothing that was said of A is ever said of B."""

from datetime import timedelta
from pathlib import Path

from preverify.lookup import Answerer, Reader, Writer, tail
from preverify.model.verdicts import AnswerState
from preverify.settings import Listen
from preverify.store import Store
from support.clock import Stopped
from support.stores import (
    NOW,
    REPOSITORY,
    activate,
    clock,
    policies,
    recording,
    sqlite_template,
    store,
    subject,
    url,
    verdict,
)

__all__ = ["clock", "sqlite_template", "store", "url"]


def test_a_moved_tag_takes_no_verdict_with_it(store: Store, clock: Stopped, tmp_path: Path) -> None:
    wanted = policies()
    activate(store, wanted)
    writer, reader = Writer(tmp_path / "lookup.db"), Reader(tmp_path / "lookup.db")
    strict = Answerer(reader, aliases={}, settings=Listen(), clock=clock)
    observing = Answerer(reader, aliases={}, settings=Listen(tagReferences="last-observed"), clock=clock)

    def spread() -> None:
        store.feed.sequence(fence=1, now=NOW)
        tail(store.feed, writer, clock=clock)

    row = verdict("v_1", 1, policy_digest=wanted.policies[0].digest)
    store.history.record([recording(1, row, tags=("v1",))], now=NOW)
    spread()
    assert observing.reference(f"{REPOSITORY}:v1", None).state is AnswerState.VERIFIED
    store.history.observe_tag("shop", REPOSITORY, "v1", subject(2).digest, now=NOW + timedelta(seconds=1))
    spread()
    moved = observing.reference(f"{REPOSITORY}:v1", None)
    assert (moved.state, moved.admit, moved.digest) == (AnswerState.UNKNOWN, False, str(subject(2).digest))
    assert any("can be moved" in warning for warning in moved.warnings)
    for image in (REPOSITORY, None):
        assert strict.lookup(subject(2).digest, image, None).state is AnswerState.UNKNOWN
        assert strict.lookup(subject(1).digest, image, None).state is AnswerState.VERIFIED  # A is still A
    assert strict.reference(f"{REPOSITORY}:v1@{subject(2).digest}", None).state is AnswerState.UNKNOWN
    assert strict.reference(f"{REPOSITORY}:anything@{subject(1).digest}", None).state is AnswerState.VERIFIED
    writer.close()
    reader.close()


def test_a_tag_alone_is_denied_by_default_even_where_its_digest_is_verified(
    store: Store, clock: Stopped, tmp_path: Path
) -> None:
    wanted = policies()
    activate(store, wanted)
    row = verdict("v_1", 1, policy_digest=wanted.policies[0].digest)
    store.history.record([recording(1, row, tags=("v1", "latest"))], now=NOW)
    store.feed.sequence(fence=1, now=NOW)
    writer, reader = Writer(tmp_path / "lookup.db"), Reader(tmp_path / "lookup.db")
    tail(store.feed, writer, clock=clock)
    strict = Answerer(reader, aliases={}, settings=Listen(), clock=clock)
    for text in (f"{REPOSITORY}:v1", str(REPOSITORY), f"{REPOSITORY}:never"):
        answer = strict.reference(text, None)
        assert (answer.state, answer.admit, answer.enforced, answer.reason) == (
            AnswerState.DENIED,
            False,
            True,
            "tag-denied",
        )
    observing = Answerer(reader, aliases={}, settings=Listen(tagReferences="last-observed"), clock=clock)
    assert observing.reference(f"{REPOSITORY}:never", None).state is AnswerState.UNKNOWN
    writer.close()
    reader.close()
