"""The feed: committed changes in one gapless order, whoever writes and whoever numbers."""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.verdicts import Mode, Outcome
from preverify.ports import Change, GenerationState, Renewal, SubjectState, TagState
from preverify.store import Store, feed
from support.stores import (
    NOW,
    OTHER,
    REPOSITORY,
    activate,
    both,
    gathered,
    policies,
    recording,
    subject,
    verdict,
)

pytestmark = both


def changes(store: Store, after: int = 0, limit: int = 1000) -> tuple[Change, ...]:
    store.feed.sequence(fence=1, now=NOW)
    return store.feed.changes(after, limit=limit)


def states(found: tuple[Change, ...]) -> list[object]:
    return [change.what for change in found]


def test_an_empty_feed_is_at_zero(store: Store) -> None:
    assert store.feed.sequence(fence=1, now=NOW) == 0
    assert store.feed.changes(0, limit=10) == ()
    assert list(store.feed.snapshot()) == []


def test_a_verdict_is_one_change_with_the_whole_state_of_its_subject(store: Store) -> None:
    wanted = policies(mode="warn")
    activate(store, wanted)
    child = Digest.of(b"child")
    row = verdict("v_1", policy_digest=wanted.policies[0].digest)
    store.history.record([recording(1, row, gathered=gathered(1, children=(child,)))], now=NOW)
    generation, change = changes(store)
    assert generation.what == GenerationState(number=1, document=wanted.document)
    assert (generation.number, change.number, change.at) == (1, 2, NOW)
    assert isinstance(change.what, SubjectState)
    (policy,) = change.what.policies
    assert (change.what.subject, change.what.children) == (subject(1), (child,))
    assert (policy.policy, policy.policy_digest, policy.mode) == ("shop-release", row.policy_digest, Mode.WARN)
    assert (policy.verdict, policy.verdict_id, policy.decided_at) == ("passed", "v_1", NOW)
    assert policy.valid_until == row.valid_until
    assert policy.reasons == (("signed", "ok", "why"),)


def test_a_failed_verdict_tells_only_what_failed_and_counts(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1", outcome=Outcome.FAILED))], now=NOW)
    (change,) = changes(store)
    assert isinstance(change.what, SubjectState)
    assert change.what.policies[0].reasons == (("signed", "no-signature", "why"),)
    assert change.what.policies[0].mode is Mode.ENFORCE  # what is not known is enforced


def test_a_look_that_changes_nothing_is_no_change(store: Store) -> None:
    store.history.record([recording(1), recording(2, tags=())], now=NOW)
    assert changes(store) == ()


def test_a_renewal_is_a_change(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    until = NOW + timedelta(days=2)
    renewal = Renewal(verdict_id="v_1", valid_until=until, due_at=None)
    store.history.record([recording(1, renewals=(renewal,))], now=NOW)
    last = changes(store)[-1]
    assert last.number == 2
    assert isinstance(last.what, SubjectState)
    assert last.what.policies[0].valid_until == until


def test_tags_come_go_and_move(store: Store) -> None:
    one = Digest.of(b"1")
    for digest in (one, None):
        store.history.observe_tag("shop", REPOSITORY, "v1", digest, now=NOW)
    gone = TagState(repository=REPOSITORY, tag="v1", digest=None)
    assert states(changes(store)) == [gone, gone]  # the newest state, each time
    store.history.observe_tag("shop", REPOSITORY, "v1", one, now=NOW)
    assert states(changes(store, 2)) == [TagState(repository=REPOSITORY, tag="v1", digest=one)]


def test_reading_resumes_where_it_stopped(store: Store) -> None:
    store.history.record([recording(n, verdict(f"v_{n}", n)) for n in range(10)], now=NOW)
    store.feed.sequence(fence=1, now=NOW)
    numbers: list[int] = []
    while page := store.feed.changes(numbers[-1] if numbers else 0, limit=3):
        numbers += [change.number for change in page]
    assert numbers == list(range(1, 11))


def test_nothing_is_seen_before_it_has_its_number(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    assert store.feed.changes(0, limit=10) == ()


def test_a_stale_fence_is_refused(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    assert store.feed.sequence(fence=2, now=NOW) == 1
    store.history.record([recording(2, verdict("v_2", 2))], now=NOW)
    with pytest.raises(BadInput, match="fence 1 is stale"):
        store.feed.sequence(fence=1, now=NOW)
    assert store.feed.sequence(fence=3, now=NOW) == 2


def test_a_reader_too_far_behind_is_told_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_TRIM", 2)
    short = replace(store.feed, keep=5)
    for n in range(20):
        store.history.record([recording(n, verdict(f"v_{n}", n))], now=NOW)
        short.sequence(fence=1, now=NOW)
    with pytest.raises(BadInput, match="snapshot"):
        short.changes(0, limit=10)
    assert [c.number for c in short.changes(15, limit=10)] == [16, 17, 18, 19, 20]
    assert len(list(short.snapshot())) == 20


def test_a_reader_ahead_of_a_restored_database_is_told_so(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    store.feed.sequence(fence=1, now=NOW)
    with pytest.raises(BadInput, match="snapshot"):
        store.feed.changes(7, limit=10)


def test_a_snapshot_is_everything_with_the_number_to_go_on_from(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_PAGE", 3)
    activate(store, policies())
    store.history.record(
        [recording(n, repository=r, tags=(f"v{n}",)) for n in range(5) for r in (REPOSITORY, OTHER)], now=NOW
    )
    store.history.observe_tag("shop", REPOSITORY, "gone", Digest.of(b"x"), now=NOW)
    store.history.observe_tag("shop", REPOSITORY, "gone", None, now=NOW)
    last = store.feed.sequence(fence=1, now=NOW)
    found = list(store.feed.snapshot())
    assert {change.number for change in found} == {last}
    assert isinstance(found[0].what, GenerationState)
    assert len([c for c in found if isinstance(c.what, SubjectState)]) == 10
    assert len({c.what for c in found if isinstance(c.what, TagState)}) == 10
    assert len(found) == 21


def test_verdicts_of_retired_policies_leave_the_feed_after_the_switch(store: Store) -> None:
    old, new = policies(), policies(validFor="1h")
    activate(store, old)
    store.history.record([recording(1, verdict("v_1", policy_digest=old.policies[0].digest))], now=NOW)
    before = store.feed.sequence(fence=1, now=NOW)
    activate(store, new)
    kinds = states(changes(store, before))
    assert [type(what) for what in kinds] == [GenerationState, SubjectState]
    assert kinds[1].policies == ()


def test_numbers_have_no_gap_under_concurrent_writers(store: Store, open_again: Callable[..., Store]) -> None:
    """On Postgres a counter's order is not that of commits: a reader that trusted it would skip a withdrawal."""
    writers, each = 4, 12
    applied: list[int] = []
    done = threading.Event()
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            mine = open_again()
            for n in range(each):
                at = number * each + n
                with mine.engine.begin() as connection:  # commit out of the order of ids
                    connection.execute(
                        text(
                            "INSERT INTO change (tenant, kind, registry, repository, digest, at) "
                            "VALUES ('default', 'subject', 'r.example', 'a', :digest, 0)"
                        ),
                        {"digest": f"sha256:{at:064x}"},
                    )
                    if connection.dialect.name == "postgresql":
                        connection.execute(text("SELECT pg_sleep(:s)"), {"s": random.Random(at).random() / 100})
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        try:
            mine = open_again()
            while not done.is_set() or mine.feed.last() != (applied[-1] if applied else 0):
                mine.feed.sequence(fence=1, now=NOW)
                page = mine.feed.changes(applied[-1] if applied else 0, limit=7)
                applied.extend(change.number for change in page)
        except BaseException as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    store.feed.sequence(fence=1, now=NOW)
    done.set()
    reader.join()
    assert errors == []
    assert applied == list(range(1, writers * each + 1))
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(DISTINCT digest) FROM change")).scalar_one() == writers * each


def test_what_two_sequencers_number_at_once_is_numbered_once(store: Store) -> None:
    store.history.record([recording(n, verdict(f"v_{n}", n)) for n in range(30)], now=NOW)
    threads = [threading.Thread(target=store.feed.sequence, kwargs={"fence": 1, "now": NOW}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [change.number for change in store.feed.changes(0, limit=100)] == list(range(1, 31))
