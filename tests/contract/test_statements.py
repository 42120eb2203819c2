"""The outbox: what is wanted, signed, published and withdrawn, and what crashes and races may not do to it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from preverify.attest.statement import verdict_set_id
from preverify.model.errors import BadInput
from preverify.model.verdicts import Outcome
from preverify.ports import JobKind, Layout, LeasedJob, Publication, PublishState, StoredStatement
from preverify.store import Store
from preverify.work import EmbeddedWork
from support.stores import (
    NOW,
    OTHER,
    activate,
    both,
    policies,
    recording,
    subject,
    verdict,
)

pytestmark = both
UNTIL = NOW + timedelta(days=7)
PUBLISHED = Publication(state=PublishState.PUBLISHED, layouts=(Layout.ATT,), manifests=("sha256:m1",), detail="ok")
WITHDRAWN = Publication(state=PublishState.WITHDRAWN)


def jobs(work: EmbeddedWork) -> list[LeasedJob]:
    """Take everything that is due out of the window, publications and withdrawals only."""
    work.dispatch(now=NOW, window=1000)
    leased = work.lease(worker="w", until=NOW + timedelta(minutes=1), now=NOW, limit=1000)
    for one in leased:
        work.done(one, now=NOW)
    return [one for one in leased if one.job.kind in (JobKind.PUBLISH, JobKind.WITHDRAW)]


def wanted(store: Store, work: EmbeddedWork, *ids: str) -> StoredStatement:
    """Record passed verdicts and want a statement over them; returns its row."""
    rows = [verdict(i, policy=f"policy-{n}") for n, i in enumerate(ids)]
    store.history.record([recording(1, *rows, publish=ids)], now=NOW)
    (one,) = [j for j in jobs(work) if j.job.kind is JobKind.PUBLISH]
    row = store.statements.statement(one.job.key)
    assert row is not None
    return row


def published(store: Store, work: EmbeddedWork, *ids: str) -> StoredStatement:
    row = wanted(store, work, *ids)
    assert store.statements.signed(row.id, b"envelope " + row.id.encode(), "key:1", UNTIL)
    store.statements.settled(row.id, PUBLISHED, now=NOW)
    return state(store, row)


def state(store: Store, row: StoredStatement) -> StoredStatement:
    now = store.statements.statement(row.id)
    assert now is not None
    return now


def test_a_wanted_statement_names_its_set_and_has_its_job(store: Store, work: EmbeddedWork) -> None:
    row = wanted(store, work, "v_b", "v_a")
    assert row.verdicts == ("v_a", "v_b")
    assert row.set_id == verdict_set_id(row.verdicts)
    assert (row.state, row.envelope, row.profile, row.subject) == ("wanted", b"", "default", subject(1))
    assert store.statements.live(subject(1)) == ()


def test_one_row_for_a_set_however_often_it_is_wanted(store: Store, work: EmbeddedWork) -> None:
    """Its job comes back while it is not out yet: the signing process may have refused it, or its job been parked."""
    row = wanted(store, work, "v_1")
    store.history.record([recording(1, publish=("v_1",)), recording(1, publish=("v_1",))], now=NOW)
    assert [leased.job.key for leased in jobs(work)] == [row.id]
    assert replace(state(store, row), attempts=row.attempts) == row


def test_a_published_set_that_is_wanted_again_costs_nothing(store: Store, work: EmbeddedWork) -> None:
    row = published(store, work, "v_1")
    store.history.record([recording(1, publish=("v_1",))], now=NOW)
    assert jobs(work) == []
    assert state(store, row) == row


def test_no_statement_over_a_verdict_that_is_not_stored(store: Store) -> None:
    with pytest.raises(BadInput, match="refused"):
        store.history.record([recording(1, verdict("v_1"), publish=("v_1", "v_none"))], now=NOW)
    assert list(store.history.subjects()) == []


def test_the_first_envelope_stays(store: Store, work: EmbeddedWork) -> None:
    row = wanted(store, work, "v_1")
    assert store.statements.signed(row.id, b"first", "key:1", UNTIL) is True
    assert store.statements.signed(row.id, b"second", "key:1", UNTIL) is False
    now = state(store, row)
    assert (now.state, now.envelope, now.key_id, now.valid_until) == ("signed", b"first", "key:1", UNTIL)
    assert store.statements.live(subject(1)) == (now,)


def test_an_empty_envelope_is_refused(store: Store, work: EmbeddedWork) -> None:
    row = wanted(store, work, "v_1")
    with pytest.raises(BadInput, match="empty"):
        store.statements.signed(row.id, b"", "key:1", UNTIL)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE statement SET envelope = NULL", "UPDATE statement SET envelope = 'other'", "DELETE FROM statement"],
)
def test_the_database_itself_keeps_signed_envelopes(store: Store, work: EmbeddedWork, statement: str) -> None:
    row = published(store, work, "v_1")
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM statement_verdict"))
    row = state(store, row)
    with pytest.raises(DatabaseError), store.engine.begin() as connection:
        connection.execute(text(statement))
    assert state(store, row) == row


def test_a_publication_says_where_it_lies(store: Store, work: EmbeddedWork) -> None:
    row = published(store, work, "v_1")
    assert (row.state, row.layouts, row.manifests, row.detail, row.attempts) == (
        "published",
        (Layout.ATT,),
        ("sha256:m1",),
        "ok",
        1,
    )


@pytest.mark.parametrize("end", [PublishState.WOULD_SHADOW, PublishState.UNPUBLISHED])
def test_what_cannot_be_published_is_a_state(store: Store, work: EmbeddedWork, end: PublishState) -> None:
    row = wanted(store, work, "v_1")
    store.statements.signed(row.id, b"envelope", "key:1", UNTIL)
    store.statements.settled(row.id, Publication(state=end, detail="why"), now=NOW)
    assert (state(store, row).state, state(store, row).detail) == (end.value, "why")
    assert store.statements.live(subject(1)) == ()


def test_a_new_publication_supersedes_the_older_one_only_once_it_is_published(store: Store, work: EmbeddedWork) -> None:
    old = published(store, work, "v_1")
    new = wanted(store, work, "v_2")
    assert state(store, old).state == "published"
    store.statements.signed(new.id, b"new", "key:1", UNTIL)
    assert {s.id for s in store.statements.live(subject(1))} == {old.id, new.id}
    store.statements.settled(new.id, PUBLISHED, now=NOW)
    assert (state(store, old).state, state(store, new).state) == ("superseded", "published")


def test_an_older_set_that_nobody_signed_is_not_signed_any_more(store: Store, work: EmbeddedWork) -> None:
    old = wanted(store, work, "v_1")
    wanted(store, work, "v_2")
    assert state(store, old).state == "superseded"
    assert store.statements.signed(old.id, b"late", "key:1", UNTIL) is False


def test_withdrawal_has_its_job_and_an_end(store: Store, work: EmbeddedWork) -> None:
    row = published(store, work, "v_1")
    failed = verdict("v_2", outcome=Outcome.FAILED, policy="policy-0")
    store.history.record([recording(1, failed, withdraw=True)], now=NOW)
    (job,) = jobs(work)
    assert (job.job.kind, job.job.key, state(store, row).state) == (JobKind.WITHDRAW, row.id, "withdrawing")
    store.statements.settled(row.id, WITHDRAWN, now=NOW)
    assert state(store, row).state == "withdrawn"
    assert store.statements.live(subject(1)) == ()


def test_a_withdrawal_that_did_not_take_stays_live_and_is_tried_again(store: Store, work: EmbeddedWork) -> None:
    row = published(store, work, "v_1")
    store.history.record([recording(1, withdraw=True)], now=NOW)
    jobs(work)
    refused = Publication(state=PublishState.NOT_WITHDRAWN, detail="405", manifests=("sha256:m1",))
    store.statements.settled(row.id, refused, now=NOW)
    assert [s.state for s in store.statements.live(subject(1))] == ["not-withdrawn"]
    store.history.record([recording(1, withdraw=True)], now=NOW)
    assert [j.job.kind for j in jobs(work)] == [JobKind.WITHDRAW]


def test_what_nobody_put_is_withdrawn_at_once(store: Store, work: EmbeddedWork) -> None:
    row = wanted(store, work, "v_1")
    store.history.record([recording(1, withdraw=True)], now=NOW)
    assert state(store, row).state == "withdrawn"
    assert jobs(work) == []
    assert store.statements.signed(row.id, b"late", "key:1", UNTIL) is False


def test_a_publication_that_ends_after_its_withdrawal_is_withdrawn(store: Store, work: EmbeddedWork) -> None:
    """PUT and withdrawal crossed: what the registry holds now has to go."""
    row = wanted(store, work, "v_1")
    store.statements.signed(row.id, b"envelope", "key:1", UNTIL)
    store.history.record([recording(1, withdraw=True)], now=NOW)
    jobs(work)
    store.statements.settled(row.id, WITHDRAWN, now=NOW)  # found nothing yet
    store.statements.settled(row.id, PUBLISHED, now=NOW)
    assert (state(store, row).state, state(store, row).manifests) == ("withdrawing", ("sha256:m1",))
    assert [j.job.kind for j in jobs(work)] == [JobKind.WITHDRAW]


def test_an_older_publication_that_ends_late_makes_the_newer_one_clean_up(store: Store, work: EmbeddedWork) -> None:
    old = wanted(store, work, "v_1")
    store.statements.signed(old.id, b"old", "key:1", UNTIL)
    new = published(store, work, "v_2")
    assert state(store, old).state == "superseded"
    store.statements.settled(old.id, PUBLISHED, now=NOW)
    assert {s.id: s.state for s in store.statements.live(subject(1))} == {old.id: "published", new.id: "published"}
    (job,) = jobs(work)
    assert (job.job.kind, job.job.key) == (JobKind.PUBLISH, new.id)
    store.statements.settled(new.id, PUBLISHED, now=NOW)
    assert [s.id for s in store.statements.live(subject(1))] == [new.id]


def test_a_set_that_passes_again_gets_its_own_bytes_back(store: Store, work: EmbeddedWork) -> None:
    """Never two different statements for one verdict set."""
    row = published(store, work, "v_1")
    store.history.record([recording(1, withdraw=True)], now=NOW)
    store.statements.settled(row.id, WITHDRAWN, now=NOW)
    jobs(work)
    store.history.record([recording(1, publish=("v_1",))], now=NOW)
    assert (state(store, row).state, state(store, row).envelope) == ("signed", row.envelope)
    assert [j.job.key for j in jobs(work)] == [row.id]


def test_a_set_whose_statement_is_over_stays_withdrawn(store: Store, work: EmbeddedWork) -> None:
    row = published(store, work, "v_1")
    store.history.record([recording(1, withdraw=True)], now=NOW)
    store.statements.settled(row.id, WITHDRAWN, now=NOW)
    jobs(work)
    store.history.record([recording(1, publish=("v_1",))], now=UNTIL + timedelta(seconds=1))
    assert state(store, row).state == "withdrawn"


def test_a_withdrawal_that_ends_after_the_set_passed_again_does_not_lose_the_publication(
    store: Store, work: EmbeddedWork
) -> None:
    row = published(store, work, "v_1")
    store.history.record([recording(1, withdraw=True)], now=NOW)
    store.history.record([recording(1, publish=("v_1",))], now=NOW)
    jobs(work)
    store.statements.settled(row.id, WITHDRAWN, now=NOW)
    assert state(store, row).state == "signed"
    assert [j.job.kind for j in jobs(work)] == [JobKind.PUBLISH]


def test_statements_of_other_subjects_are_left_alone(store: Store, work: EmbeddedWork) -> None:
    row = published(store, work, "v_1")
    store.history.record([recording(1, verdict("v_9", repository=OTHER), repository=OTHER, withdraw=True)], now=NOW)
    assert state(store, row).state == "published"
    assert store.statements.live(subject(1, OTHER)) == ()


def test_settling_what_is_not_there_or_not_signed_is_refused(store: Store, work: EmbeddedWork) -> None:
    with pytest.raises(BadInput, match="no statement"):
        store.statements.settled("s_none", PUBLISHED, now=NOW)
    row = wanted(store, work, "v_1")
    with pytest.raises(BadInput, match="without having been signed"):
        store.statements.settled(row.id, PUBLISHED, now=NOW)
    assert store.statements.statement("s_none") is None


def test_a_read_only_connection_writes_nothing(store: Store, open_again: Callable[..., Store]) -> None:
    """The signing process reads rows and can change none."""
    activate(store, policies())
    signing = open_again(read_only=True)
    assert signing.generations.active() is not None
    with pytest.raises(Exception, match=r"readonly|read-only|query_only"):
        signing.history.observe_tag("shop", subject(1).repository, "v1", subject(1).digest, now=NOW)
