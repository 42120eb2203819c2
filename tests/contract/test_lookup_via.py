"""Children of a verified index are answered through it: while it holds, by its own hashed bytes, by nothing else."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preverify.lookup import Answerer, Reader, Writer, schema, tail
from preverify.model.digest import Digest
from preverify.model.evidence import Gathered, Image
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import AnswerState, Outcome, PolicyAnswer
from preverify.policy.policies import PolicySet
from preverify.ports import Change, GenerationState, SubjectState, TagState
from preverify.settings import Listen
from preverify.store import Store
from support.clock import Stopped
from support.policies import SIGNED, policy_set, policy_text
from support.stores import (
    NOW,
    OTHER,
    REPOSITORY,
    activate,
    both,
    gathered,
    recording,
    subject,
    verdict,
)

INDEX, ANOTHER, CHILD, ARM = (Digest.of(text) for text in (b"index", b"another", b"amd64", b"arm64"))
DAY = timedelta(days=1)


class Table:
    """A lookup table that states are put into one after the other, and what it answers."""

    def __init__(self, path: Path, policies: PolicySet, clock: Stopped, **listen: Any) -> None:
        self.policies, self.clock = policies, clock
        self._writer, self.reader = Writer(path), Reader(path)
        self.answers = Answerer(self.reader, aliases={}, settings=Listen(**listen), clock=clock)
        self._writer.reset(iter(()), now=NOW)
        self._number = itertools.count(1)
        self.put(GenerationState(number=1, document=policies.document))

    def put(self, what: Any) -> None:
        self._writer.apply([Change(number=next(self._number), at=NOW, what=what)], now=self.clock.now())

    def index(
        self,
        digest: Digest = INDEX,
        verdict: str = "passed",
        *,
        children: tuple[Digest, ...] = (CHILD, ARM),
        platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64"),
        repository: Repository = REPOSITORY,
        valid: timedelta = DAY,
        policy: int = 0,
    ) -> None:
        parts = (self.part(verdict, valid=valid, policy=policy),)
        self.put(
            SubjectState(subject=Subject(repository, digest), policies=parts, children=children, platforms=platforms)
        )

    def part(self, verdict: str, *, valid: timedelta = DAY, policy: int = 0) -> PolicyAnswer:
        mine = self.policies.policies[policy]
        return PolicyAnswer(
            policy=mine.name,
            policy_digest=mine.digest,
            mode=mine.mode,
            verdict=verdict,
            verdict_id="v_1",
            decided_at=NOW,
            valid_until=NOW + valid if verdict == "passed" else None,
            reasons=(("signed", "ok" if verdict == "passed" else "no-signature", "why"),),
        )

    def own(self, digest: Digest, *verdicts: str) -> None:
        self.put(SubjectState(subject=Subject(REPOSITORY, digest), policies=tuple(map(self.part, verdicts))))

    def state(self, digest: Digest = CHILD, repository: Repository | None = REPOSITORY) -> str:
        return self.answers.lookup(digest, repository, None).state.value

    def close(self) -> None:
        self.reader.close()
        self._writer.close()


POLICIES = policy_set(policy_text(SIGNED))


@pytest.fixture
def table(tmp_path: Path, clock: Stopped) -> Iterator[Table]:
    made = Table(tmp_path / "lookup.db", POLICIES, clock)
    yield made
    made.close()


def test_a_child_gets_the_answer_of_its_index_and_hears_through_which(table: Table) -> None:
    table.index()
    answer = table.answers.lookup(CHILD, REPOSITORY, None)
    assert (answer.state, answer.admit, answer.digest, answer.via) == (
        AnswerState.VERIFIED,
        True,
        str(CHILD),
        str(INDEX),
    )
    assert answer.detail == f"through the index {INDEX}, which names this digest; shop-release: why"
    assert [p.verdict_id for p in answer.policies] == ["v_1"]
    assert table.answers.lookup(INDEX, REPOSITORY, None).via == ""
    assert table.answers.reference(f"{REPOSITORY}@{CHILD}", None) == answer
    assert table.answers.batch([(CHILD, REPOSITORY, None)]) == (answer,)


def test_only_children_that_the_index_names_in_its_own_repository(table: Table) -> None:
    table.index()
    assert table.state(Digest.of(b"stranger")) == "unknown"
    assert table.state(CHILD, OTHER) == "unknown"
    table.index(repository=OTHER, verdict="failed")
    assert table.state(CHILD, OTHER) == "unknown"
    assert table.state(CHILD) == "verified"


@pytest.mark.parametrize("verdict", ["failed", "undecided"])
def test_an_index_that_is_not_verified_says_nothing_of_its_children(table: Table, verdict: str) -> None:
    table.index(verdict=verdict)
    assert table.state(CHILD) == "unknown"
    table.index()
    assert table.state(CHILD) == "verified"
    table.index(verdict=verdict)
    assert table.state(CHILD) == "unknown", "it said so only while it held"


def test_one_verified_index_is_enough_and_a_denied_one_takes_nothing_away(table: Table) -> None:
    table.index(ANOTHER, "failed")
    assert table.state() == "unknown"
    table.index()
    answer = table.answers.lookup(CHILD, REPOSITORY, None)
    assert (answer.state, answer.via) == (AnswerState.VERIFIED, str(INDEX))
    table.index(ANOTHER, "passed", valid=2 * DAY)
    answer = table.answers.lookup(CHILD, REPOSITORY, None)
    assert (answer.via, answer.valid_until) == (str(ANOTHER), NOW + 2 * DAY)
    table.index(ANOTHER, "failed")
    assert table.state() == "verified"


@pytest.mark.parametrize("verdict", ["failed", "undecided", "passed"])
def test_a_child_with_a_verdict_of_its_own_answers_for_itself(table: Table, verdict: str) -> None:
    table.index()
    table.own(CHILD, verdict)
    answer = table.answers.lookup(CHILD, REPOSITORY, None)
    expected = {"failed": "denied", "undecided": "unknown", "passed": "verified"}[verdict]
    assert (answer.state.value, answer.via) == (expected, "")
    assert table.state(ARM) == "verified"


def test_a_child_that_was_seen_and_has_no_verdict_is_still_answered_through_its_index(table: Table) -> None:
    table.own(CHILD)
    assert table.state() == "unknown"
    table.index()
    assert table.state() == "verified"
    assert table.state(CHILD, None) == "verified"


def test_a_child_that_a_tag_names_answers_for_itself(table: Table) -> None:
    table.index()
    assert table.state() == "verified"
    table.put(TagState(repository=OTHER, tag="amd64", digest=CHILD))
    assert table.state() == "verified"
    table.put(TagState(repository=REPOSITORY, tag="amd64", digest=CHILD))
    assert table.state() == "unknown"
    assert table.state(CHILD, None) == "unknown"
    table.put(TagState(repository=REPOSITORY, tag="amd64", digest=None))
    assert table.state() == "verified"


def test_it_ends_with_the_time_of_the_index(tmp_path: Path, clock: Stopped) -> None:
    table = Table(tmp_path / "lookup.db", POLICIES, clock, expiredGrace="1h")
    table.index()
    for seconds, state, admit in ((0, "verified", True), (86_400, "expired", True), (3_600, "expired", False)):
        clock.forward(seconds)
        answer = table.answers.lookup(CHILD, REPOSITORY, None)
        assert (answer.state.value, answer.admit, answer.via) == (state, admit, str(INDEX))
    table.close()


def test_a_verified_index_is_better_than_one_whose_time_is_over(table: Table) -> None:
    table.index(ANOTHER)
    table.clock.forward(86_400)
    table.index(valid=2 * DAY)
    answer = table.answers.lookup(CHILD, REPOSITORY, None)
    assert (answer.state, answer.via) == (AnswerState.VERIFIED, str(INDEX))


def test_it_ends_with_the_policies_of_the_index(table: Table) -> None:
    table.index()
    assert table.state() == "verified"
    new = policy_set(policy_text(SIGNED, validFor="1h"))
    table.put(GenerationState(number=2, document=new.document))
    assert table.state() == "unknown"
    table.policies = new
    table.index()
    assert table.state() == "verified"


def test_every_enforcing_policy_has_to_have_passed_on_one_index(tmp_path: Path, clock: Stopped) -> None:
    """Two indexes that each pass one of two policies do not make a whole."""
    two = policy_set(policy_text(SIGNED, name="a"), policy_text(SIGNED, name="b"))
    table = Table(tmp_path / "lookup.db", two, clock)
    table.index(INDEX, policy=0)
    table.index(ANOTHER, policy=1)
    assert table.state() == "unknown"
    state = SubjectState(
        subject=Subject(REPOSITORY, INDEX),
        policies=(table.part("passed", policy=0), table.part("passed", policy=1)),
        children=(CHILD,),
        platforms=("",),
    )
    table.put(state)
    assert table.state() == "verified"
    table.put(replace(state, policies=(state.policies[0], table.part("failed", policy=1))))
    assert table.state() == "unknown"
    table.close()


def test_an_index_speaks_only_for_platforms_that_its_policies_looked_at(tmp_path: Path, clock: Stopped) -> None:
    named = policy_set(policy_text(SIGNED, platforms="[linux/amd64]"))
    table = Table(tmp_path / "lookup.db", named, clock)
    table.index()
    assert (table.state(CHILD), table.state(ARM)) == ("verified", "unknown")
    table.index(platforms=("", "linux/amd64/v2"))
    assert (table.state(CHILD), table.state(ARM)) == ("verified", "verified"), "both had to satisfy the rule"
    table.index(children=(ARM, ARM), platforms=("linux/arm64", "linux/amd64"))
    assert table.state(ARM) == "verified"
    table.close()


@pytest.mark.parametrize("platforms", ["each", "index"])
def test_an_index_whose_children_were_looked_at_speaks_for_them_too(
    tmp_path: Path, clock: Stopped, platforms: str
) -> None:
    table = Table(tmp_path / "lookup.db", policy_set(policy_text(SIGNED, platforms=platforms)), clock)
    table.index()
    assert (table.state(CHILD), table.state(ARM)) == ("verified", "verified")
    table.close()


def test_without_a_repository_every_one_that_holds_the_child_has_to_be_verified(table: Table) -> None:
    table.index()
    table.index(repository=OTHER)
    answer = table.answers.lookup(CHILD, None, None)
    assert (answer.state, answer.considered) == (AnswerState.VERIFIED, 2)
    table.put(SubjectState(subject=Subject(OTHER, CHILD), policies=(table.part("failed"),)))
    assert table.state(CHILD, None) == "denied"
    with table.reader.snapshot():
        assert table.state(CHILD, None) == "denied"


def test_images_without_a_policy_stay_without_one(tmp_path: Path, clock: Stopped) -> None:
    table = Table(tmp_path / "lookup.db", policy_set(policy_text(SIGNED, images="['elsewhere.example/**']")), clock)
    table.index()
    answer = table.answers.lookup(CHILD, REPOSITORY, None)
    assert (answer.state, answer.reason, answer.via) == (AnswerState.DENIED, "no-policy", "")
    table.close()


def test_an_index_that_names_itself_gains_nothing(table: Table) -> None:
    table.index(children=(INDEX,), platforms=("",))
    table.index(verdict="failed", children=(INDEX,), platforms=("",))
    assert table.state(INDEX) == "denied"
    table.own(INDEX)
    assert table.state(INDEX) == "unknown"


def test_indexes_that_anyone_may_push_do_not_crowd_out_the_verified_one(table: Table) -> None:
    for n in range(300):
        table.index(Digest.of(b"%d" % n), "failed")
    table.index()
    assert table.state() == "verified"


def test_a_snapshot_takes_rows_through_an_index_along(table: Table) -> None:
    table.index()
    table._writer.reset(iter([Change(number=9, at=NOW, what=GenerationState(number=1, document=b""))]), now=NOW)
    assert table.reader.look_everywhere(CHILD, 10).via == ()


def test_a_damaged_row_is_no_answer(table: Table) -> None:
    from preverify.model.errors import Unavailable

    table.index()
    connection = table._writer._open()
    connection.execute("UPDATE via SET platforms = 'x'")
    with pytest.raises(Unavailable):
        table.state()


# --- from the record --------------------------------------------------------------------------------------------------


def of_index(n: int, *children: int) -> Gathered:
    found = gathered(n)
    image = Image(
        subject=subject(n),
        manifest=found.image.manifest,
        media_type="application/vnd.oci.image.index.v1+json",
        children=tuple(subject(child).digest for child in children),
        platforms=tuple(f"linux/{child}" for child in children),
    )
    return replace(found, image=image)


@both
def test_edges_come_with_the_feed(store: Store, tmp_path: Path, clock: Stopped) -> None:
    activate(store, POLICIES)
    live = POLICIES.policies[0].digest
    path = tmp_path / "lookup.db"
    writer, reader = Writer(path), Reader(path)
    answers = Answerer(reader, aliases={}, settings=Listen(), clock=clock)

    def state(n: int) -> str:
        store.feed.sequence(fence=1, now=NOW)
        tail(store.feed, writer, clock=clock)
        return answers.lookup(subject(n).digest, REPOSITORY, None).state.value

    store.history.record([recording(1, verdict("v_1", policy_digest=live), gathered=of_index(1, 2, 3))], now=NOW)
    assert [state(n) for n in (1, 2, 3, 4)] == ["verified", "verified", "verified", "unknown"]
    (change,) = [c for c in store.feed.changes(0, limit=10) if isinstance(c.what, SubjectState)]
    assert isinstance(change.what, SubjectState)
    assert change.what.platforms == ("linux/2", "linux/3")
    assert [c.what for c in store.feed.snapshot() if isinstance(c.what, SubjectState)] == [change.what]
    failed = verdict("v_2", policy_digest=live, outcome=Outcome.FAILED)
    store.history.record([recording(1, failed, gathered=of_index(1, 2, 3))], now=NOW)
    assert [state(n) for n in (1, 2, 3)] == ["denied", "unknown", "unknown"]
    assert store.history.parents(subject(2)) == {subject(1).digest: False}
    assert store.history.parents(subject(4)) == {}
    reader.close()
    writer.close()


# --- whatever comes, in whatever order --------------------------------------------------------------------------------

_DIGESTS = [Digest.of(b"%d" % n) for n in range(4)]
_STATES = st.tuples(
    st.sampled_from(range(4)),
    st.sampled_from(["passed", "failed", "undecided", "none"]),
    st.lists(st.sampled_from(range(4)), max_size=3),
    st.sampled_from([1, 48]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=st.lists(_STATES, max_size=10), tags=st.sets(st.sampled_from(range(4)), max_size=1), hours=st.integers(0, 30)
)
def test_a_child_is_never_verified_without_a_verified_index_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], tags: set[int], hours: int
) -> None:
    """Invariant 1, against a plain model of it."""
    clock = Stopped(NOW)
    table = Table(tmp_path_factory.mktemp("via") / "lookup.db", POLICIES, clock)
    rows: dict[int, tuple[str, list[int], int]] = {}
    for number, word, children, valid in steps:
        parts = () if word == "none" else (table.part(word, valid=timedelta(hours=valid)),)
        named = tuple(_DIGESTS[child] for child in children)
        state = SubjectState(
            subject=Subject(REPOSITORY, _DIGESTS[number]),
            policies=parts,
            children=named,
            platforms=("linux/amd64",) * len(named),
        )
        table.put(state)
        rows[number] = (word, children, valid)
        assert table.state(_DIGESTS[number]) in (
            "verified",
            "denied",
            "unknown",
        )  # kept warm from here on
    for number in tags:
        table.put(TagState(repository=REPOSITORY, tag="t", digest=_DIGESTS[number]))
    hours *= 3
    clock.forward(hours * 3600)

    def holds(number: int) -> bool:
        word, _, valid = rows.get(number, ("none", [], 0))
        return word == "passed" and hours < valid

    for number, digest in enumerate(_DIGESTS):
        own = rows.get(number, ("none", [], 0))[0] != "none"
        through = any(number in row[1] and holds(n) for n, row in rows.items() if n != number)
        expected = holds(number) if own else number not in tags and through
        assert (table.state(digest) == "verified") == expected, (rows, number)
        assert (table.state(digest, None) == "verified") == expected
    table.close()


def test_the_rows_are_found_by_an_index(table: Table) -> None:
    from preverify.lookup import reader

    connection = table._writer._open()
    plan = connection.execute(
        f"EXPLAIN QUERY PLAN {reader._VIA_ONE}", ("t", b"", "r", "p", schema.NO_POLICIES, 1)
    ).fetchall()
    assert all("SEARCH" in row[3] or "SUBQUERY" in row[3] or "meta" in row[3] or "m " in row[3] for row in plan), plan
