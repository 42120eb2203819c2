"""The behaviour that everybody relies on when they record and read history, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError

from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.evidence import Flaw, Unobtained
from preverify.model.reasons import Reason
from preverify.model.reference import Repository
from preverify.model.verdicts import Outcome
from preverify.ports import JobKind, Renewal, StoredStatement
from preverify.store import Store, history
from preverify.store import tables as t
from preverify.work import EmbeddedWork
from support.clock import Stopped
from support.stores import (
    NOW,
    OTHER,
    REPOSITORY,
    activate,
    both,
    finding,
    gathered,
    manifest,
    piece,
    policies,
    recording,
    subject,
    verdict,
)

pytestmark = both


def count(store: Store, table: object) -> int:
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


# --- evidence ---------------------------------------------------------------------------------------------------------


def test_a_gathering_comes_back_exactly_as_it_went_in(store: Store) -> None:
    """Decisions are re-computable only from the same bytes in the same order."""
    flaw = Flaw(reason=Reason.DIGEST_MISMATCH, detail="another digest")
    everything = gathered(
        1,
        evidence=(
            piece(3, index=2),
            piece(2, body=b"\x00\xff binary \r\n" * 10),
            piece(1, body=b""),
            piece(4, flaw=flaw),
            piece(5, body=b"large" * 30_000),
            replace(piece(6), digest=Digest.of(b'{"critical":6}', "sha512")),
        ),
        unobtained=(
            Unobtained(what="sbom", reason=Reason.DEADLINE, detail="60 s", retry_after=timedelta(seconds=7.25)),
            Unobtained(what="att", reason=Reason.REGISTRY_REFUSED, detail="403"),
        ),
        children=(Digest.of(b"amd64"), Digest.of(b"arm64")),
    )
    everything = replace(everything, truncated=True, foreign_bundle=True)
    store.history.record([recording(1, gathered=everything)], now=NOW)
    assert store.history.gathered(subject(1)) == everything


def test_the_newest_gathering_is_the_one_that_comes_back(store: Store) -> None:
    store.history.record([recording(1)], now=NOW)
    later = gathered(1, evidence=(piece(7), piece(8)), fingerprint="other")
    store.history.record([recording(1, gathered=later, findings=())], now=NOW)
    assert store.history.gathered(subject(1)) == later
    assert store.history.findings(subject(1)) == ()
    assert count(store, t.gathering) == 1  # no verdict rested on the first


def test_what_verdicts_rest_on_is_kept(store: Store) -> None:
    """A past verdict re-derives from its own evidence, whatever was gathered since."""
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    store.history.record([recording(1, gathered=gathered(1, evidence=(piece(9),)), findings=())], now=NOW)
    with store.engine.connect() as connection:
        row = connection.execute(select(t.verdict.c.gathering, t.verdict.c.findings)).one()
        assert connection.execute(select(t.gathering.c.id).where(t.gathering.c.id == row.gathering)).scalars().all()
        assert connection.execute(select(t.finding.c.id).where(t.finding.c.id == row.findings)).scalars().all()


def test_the_same_evidence_again_adds_no_rows(store: Store) -> None:
    for _ in range(3):
        store.history.record([recording(1)], now=NOW)
    assert [count(store, table) for table in (t.gathering, t.finding, t.evidence, t.subject)] == [1, 1, 2, 1]


def test_bytes_without_their_digest_never_enter(store: Store) -> None:
    lied = replace(piece(1), body=b"other bytes")
    with pytest.raises(BadInput, match="do not have the digest"):
        store.history.record([recording(1, gathered=gathered(1, evidence=(lied,)))], now=NOW)
    assert store.history.gathered(subject(1)) is None


def test_a_tampered_row_is_evidence_that_could_not_be_obtained(store: Store) -> None:
    store.history.record([recording(1)], now=NOW)
    with store.engine.begin() as connection:
        statement = t.evidence.update().where(t.evidence.c.digest == str(piece(1).digest))
        connection.execute(statement.values(body=b'{"critical":2}'))
    back = store.history.gathered(subject(1))
    assert back is not None
    assert back.evidence == ()
    assert [u.reason for u in back.unobtained] == [Reason.INTERNAL_ERROR]


def test_a_tampered_manifest_makes_the_subject_unknown(store: Store) -> None:
    store.history.record([recording(1)], now=NOW)
    with store.engine.begin() as connection:
        statement = t.evidence.update().where(t.evidence.c.digest == str(subject(1).digest))
        connection.execute(statement.values(body=manifest(2)))
    assert store.history.gathered(subject(1)) is None


def test_unknown_subjects_have_nothing(store: Store) -> None:
    assert store.history.gathered(subject(1)) is None
    assert store.history.findings(subject(1)) == ()
    assert store.history.current(subject(1)) == ()
    assert store.history.find(subject(1).digest) == ()
    assert store.history.verdicts(["v_none"]) == ()


def test_findings_come_back_exactly(store: Store) -> None:
    several = (finding(2, established=False), finding(1), replace(finding(3), predicate_type="p", statement="sha256:s"))
    store.history.record([recording(1, findings=several)], now=NOW)
    assert store.history.findings(subject(1)) == several


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_verdicts_come_back_exactly_and_in_the_order_asked(store: Store) -> None:
    rows = [
        verdict("v_b"),
        verdict("v_a", outcome=Outcome.FAILED, policy="other"),
        verdict("v_c", policy="third", due=None),
    ]
    store.history.record([recording(1, *rows)], now=NOW)
    assert store.history.verdicts(["v_c", "v_none", "v_b", "v_a"]) == (rows[2], rows[0], rows[1])
    assert store.history.current(subject(1)) == (rows[1], rows[0], rows[2])  # by policy


def test_a_newer_verdict_takes_the_place_of_the_current_one_and_history_keeps_both(store: Store) -> None:
    first, second = verdict("v_1"), verdict("v_2", outcome=Outcome.FAILED, at=NOW + timedelta(hours=1))
    store.history.record([recording(1, first)], now=NOW)
    store.history.record([recording(1, second)], now=NOW)
    assert store.history.current(subject(1)) == (second,)
    assert store.history.verdicts(["v_1", "v_2"]) == (first, second)


def test_of_two_looks_in_one_batch_the_later_one_is_published(store: Store) -> None:
    """A push and a question may lead two workers to one subject at once; its statement must still come."""
    looks = [recording(1, verdict(name), publish=(name,)) for name in ("v_1", "v_2")]
    store.history.record(looks, now=NOW)
    assert [(s.verdicts, s.state) for s in statements(store)] == [(("v_2",), "wanted")]


def test_of_a_refusal_and_a_pass_in_one_batch_the_later_one_counts(store: Store) -> None:
    failed, passed = verdict("v_1", outcome=Outcome.FAILED), verdict("v_2")
    store.history.record(
        [replace(recording(1, failed), withdraw=True), recording(1, passed, publish=("v_2",))], now=NOW
    )
    assert [(s.verdicts, s.state) for s in statements(store)] == [(("v_2",), "wanted")]


def statements(store: Store) -> list[StoredStatement]:
    with store.engine.connect() as connection:
        ids = connection.execute(select(t.statement.c.id).order_by(t.statement.c.id)).scalars().all()
    return [found for i in ids if (found := store.statements.statement(i))]


def test_renewal_moves_the_current_row_and_leaves_history(store: Store) -> None:
    first = verdict("v_1")
    store.history.record([recording(1, first)], now=NOW)
    until, due = NOW + timedelta(days=3), NOW + timedelta(days=2)
    renewal = Renewal(verdict_id="v_1", valid_until=until, due_at=due)
    store.history.record([recording(1, renewals=(renewal,))], now=NOW)
    assert store.history.current(subject(1)) == (replace(first, valid_until=until, due_at=due),)
    assert store.history.verdicts(["v_1"]) == (first,)


def test_renewing_a_verdict_that_is_not_current_any_more_changes_nothing(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    second = verdict("v_2", outcome=Outcome.FAILED)
    store.history.record([recording(1, second)], now=NOW)
    renewal = Renewal(verdict_id="v_1", valid_until=NOW + timedelta(days=9), due_at=None)
    store.history.record([recording(1, renewals=(renewal,))], now=NOW)
    assert store.history.current(subject(1)) == (second,)


@pytest.mark.parametrize("statement", ["UPDATE verdict SET outcome = 'passed'", "DELETE FROM verdict"])
def test_the_database_itself_refuses_to_change_verdicts(store: Store, statement: str) -> None:
    store.history.record([recording(1, verdict("v_1", outcome=Outcome.FAILED))], now=NOW)
    with pytest.raises(DatabaseError, match="append-only"), store.engine.begin() as connection:
        connection.execute(text(statement))
    assert store.history.verdicts(["v_1"])[0].outcome is Outcome.FAILED


def test_no_verdict_passes_without_evidence(store: Store) -> None:
    with pytest.raises(BadInput, match="refused"):
        store.history.record([recording(1, verdict("v_1"), gathered=None, findings=None)], now=NOW)
    assert store.history.current(subject(1)) == ()


def test_a_subject_that_was_never_reached_gets_its_undecided_verdict(store: Store) -> None:
    undecided = verdict("v_1", outcome=Outcome.UNDECIDED)
    store.history.record([recording(1, undecided, gathered=None, findings=None)], now=NOW)
    assert store.history.current(subject(1)) == (undecided,)
    assert store.history.gathered(subject(1)) is None


@pytest.mark.parametrize(
    "bad",
    [
        recording(1, verdict("v_2", 2)),
        recording(1, verdict("")),
        recording(1, gathered=gathered(2)),
    ],
    ids=["verdict of another subject", "verdict without id", "evidence of another subject"],
)
def test_recordings_that_contradict_themselves_are_refused(store: Store, bad: object) -> None:
    with pytest.raises(BadInput):
        store.history.record([recording(3, verdict("v_3", 3)), bad], now=NOW)
    assert list(store.history.subjects()) == []


def test_a_batch_is_stored_whole_or_not_at_all(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    with pytest.raises(BadInput, match="refused"):
        store.history.record([recording(2, verdict("v_2", 2)), recording(3, verdict("v_1", 3))], now=NOW)
    assert [k.subject for k in store.history.subjects()] == [subject(1)]
    assert count(store, t.due) == 1


def test_the_same_digest_in_another_repository_is_another_subject(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    assert store.history.current(subject(1, OTHER)) == ()
    assert store.history.gathered(subject(1, OTHER)) is None
    failed = verdict("v_2", outcome=Outcome.FAILED, repository=OTHER)
    store.history.record([recording(1, failed, repository=OTHER)], now=NOW)
    assert store.history.current(subject(1)) == (verdict("v_1"),)
    assert {k.subject for k in store.history.find(subject(1).digest)} == {subject(1), subject(1, OTHER)}


# --- generations and verdicts -----------------------------------------------------------------------------------------


def test_verdicts_of_the_staged_generation_stand_beside_those_of_the_active_one(store: Store, clock: Stopped) -> None:
    """Nobody sees `unknown` while a policy is changed."""
    old, new = policies(), policies(validFor="1h")
    activate(store, old)
    first = verdict("v_1", policy_digest=old.policies[0].digest)
    store.history.record([recording(1, first)], now=NOW)
    staged = store.generations.stage(new.document, new.digest, now=NOW)
    second = verdict("v_2", policy_digest=new.policies[0].digest, outcome=Outcome.FAILED)
    store.history.record([recording(1, second, gathered=None, findings=None, cause="policy")], now=NOW)
    assert {v.id for v in store.history.current(subject(1))} == {"v_1", "v_2"}
    store.generations.activate(staged.number, now=NOW)
    assert store.history.current(subject(1)) == (second,)
    assert store.history.verdicts(["v_1"]) == (first,)


def test_a_late_look_under_retired_policies_is_history_only(store: Store) -> None:
    """A worker that slept through an activation must not leave a pass that a later generation could revive."""
    old, new = policies(), policies(validFor="1h")
    activate(store, old)
    activate(store, new)
    late = verdict("v_1", policy_digest=old.policies[0].digest)
    store.history.record([recording(1, late)], now=NOW)
    assert store.history.verdicts(["v_1"]) == (late,)
    assert store.history.current(subject(1)) == ()


def test_a_policy_that_comes_back_starts_without_verdicts(store: Store) -> None:
    old, new = policies(), policies(validFor="1h")
    activate(store, old)
    store.history.record([recording(1, verdict("v_1", policy_digest=old.policies[0].digest))], now=NOW)
    activate(store, new)
    activate(store, old)
    assert store.history.current(subject(1)) == ()


def test_a_look_that_a_new_generation_overtook_is_repeated_at_once(store: Store, work: EmbeddedWork) -> None:
    first, staged = policies(), policies(validFor="1h")
    activate(store, first, now=NOW)
    digest = first.policies[0].digest
    store.history.record([recording(1, verdict("v_1", policy_digest=digest, at=NOW + timedelta(minutes=1)))], now=NOW)
    assert work.backlog(now=NOW).due == 0
    store.generations.stage(staged.document, staged.digest, now=NOW + timedelta(minutes=5))
    later = NOW + timedelta(minutes=6)
    overtaken = verdict("v_2", 2, policy_digest=digest, at=NOW + timedelta(minutes=4))
    store.history.record([recording(2, overtaken)], now=later)
    work.dispatch(now=later, window=10)
    (leased,) = work.lease(worker="w", until=later + timedelta(minutes=1), now=later, limit=10)
    assert (leased.job.kind, leased.job.key) == (JobKind.SUBJECT, str(subject(2).digest))


# --- when to look again -----------------------------------------------------------------------------------------------


def test_the_subject_is_due_when_time_can_change_a_verdict(store: Store, work: EmbeddedWork) -> None:
    rows = (
        verdict("v_1"),
        verdict("v_2", policy="other", due=timedelta(hours=2)),
        verdict("v_3", policy="x", due=None),
    )
    store.history.record([recording(1, *rows)], now=NOW)
    (known,) = store.history.subjects()
    assert known.due_at == NOW + timedelta(hours=2)
    before, after = NOW + timedelta(hours=2, seconds=-1), NOW + timedelta(hours=2)
    assert work.dispatch(now=before, window=10) == 0
    assert work.dispatch(now=after, window=10) == 1
    (leased,) = work.lease(worker="w", until=after + timedelta(minutes=1), now=after, limit=10)
    assert (leased.job.kind, leased.job.repository, leased.job.key) == ("subject", "shop/api", str(subject(1).digest))
    assert leased.job.cause == "time"


# --- subjects and tags ------------------------------------------------------------------------------------------------


def test_subjects_are_listed_whole_whatever_the_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_PAGE", 3)
    store.history.record([recording(n, repository=r) for n in range(5) for r in (REPOSITORY, OTHER)], now=NOW)
    store.history.record([recording(9, repository=Repository("a.example", "x"), source="second")], now=NOW)
    every = [k.subject for k in store.history.subjects()]
    assert len(every) == len(set(every)) == 11
    assert {k.subject for k in store.history.subjects(repository=OTHER)} == {subject(n, OTHER) for n in range(5)}
    assert [k.source for k in store.history.subjects(source="second")] == ["second"]
    assert list(store.history.subjects(source="none")) == []


def test_a_known_subject_says_what_sweeps_need(store: Store) -> None:
    store.history.record([recording(1, verdict("v_1"), tags=("v2", "v1"))], now=NOW)
    store.history.record([recording(2)], now=NOW)
    (known,) = store.history.subjects(tagged=True)
    assert (known.source, known.subject, known.fingerprint) == ("shop", subject(1), "fp")
    assert (known.tags, known.due_at) == (("v1", "v2"), NOW + timedelta(hours=12))
    assert known.media_type == gathered(1).image.media_type


def test_tags_are_followed_and_every_move_is_kept(store: Store) -> None:
    one, two = Digest.of(b"1"), Digest.of(b"2")
    moves = [
        store.history.observe_tag("shop", REPOSITORY, "v1", digest, now=NOW)
        for digest in (one, one, two, None, None, one)
    ]
    assert moves == [True, False, True, True, False, True]
    assert store.history.known_tags("shop", REPOSITORY) == {"v1": one}
    assert store.history.known_tags("shop", OTHER) == {}
    with store.engine.connect() as connection:
        rows = connection.execute(select(t.tag_move.c.from_digest, t.tag_move.c.to_digest).order_by(t.tag_move.c.id))
        assert [tuple(row) for row in rows] == [
            (None, str(one)),
            (str(one), str(two)),
            (str(two), None),
            (None, str(one)),
        ]


def test_a_tag_that_was_never_known_is_not_remembered_as_gone(store: Store) -> None:
    assert store.history.observe_tag("shop", REPOSITORY, "v1", None, now=NOW) is False
    assert count(store, t.tag) == 0


def test_tags_seen_by_a_look_move_with_it(store: Store) -> None:
    store.history.record([recording(1, tags=("latest", "v1"))], now=NOW)
    store.history.record([recording(2, tags=("latest",))], now=NOW)
    assert store.history.known_tags("shop", REPOSITORY) == {"latest": subject(2).digest, "v1": subject(1).digest}


# --- tenants ----------------------------------------------------------------------------------------------------------


def test_rows_of_another_tenant_are_never_seen(store: Store, open_again: Callable[..., Store]) -> None:
    activate(store, policies())
    mine = recording(1, verdict("v_1", policy_digest=policies().policies[0].digest), tags=("v1",), publish=("v_1",))
    store.history.record([mine], now=NOW)
    other = open_again(tenant="other")
    assert list(other.history.subjects()) == []
    assert other.history.find(subject(1).digest) == ()
    assert other.history.gathered(subject(1)) is None
    assert other.history.findings(subject(1)) == ()
    assert other.history.current(subject(1)) == ()
    assert other.history.verdicts(["v_1"]) == ()
    assert other.history.known_tags("shop", REPOSITORY) == {}
    assert other.statements.live(subject(1)) == ()
    assert other.generations.active() is None
    assert other.feed.sequence(fence=1, now=NOW) == 0
    assert list(other.feed.snapshot()) == []
    assert other.census.take(now=NOW).tags == ()


def test_evidence_files_lie_below_the_state_directory(store: Store, tmp_path: Path) -> None:
    """On Postgres large bodies stay in rows: workers on other machines have to read them."""
    large = piece(1, body=b"x" * 65_537)
    store.history.record([recording(1, gathered=gathered(1, evidence=(large,)))], now=NOW)
    path = tmp_path / "evidence" / large.digest.hex[:2] / large.digest.hex
    assert path.exists() == (store.engine.dialect.name == "sqlite")
    back = store.history.gathered(subject(1))
    assert back is not None
    assert back.evidence == (large,)
