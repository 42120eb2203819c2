"""From the feed into the lookup table and out as answers."""

import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from preverify.lookup import Answerer, Reader, Writer, schema, tail
from preverify.lookup import answers as answering
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, Unavailable
from preverify.model.reference import Repository
from preverify.model.verdicts import AnswerState, Mode, Outcome, PolicyAnswer, Verdict
from preverify.ports import Change, GenerationState, SubjectState, TagState
from preverify.settings import Listen
from preverify.store import Store
from support.clock import Stopped
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

POLICIES = policies()
LIVE = POLICIES.policies[0].digest
MIRROR = Repository("mirror.internal:5000", "shop/api")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lookup.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    opened = Writer(path)
    yield opened
    opened.close()


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    opened = Reader(path)
    yield opened
    opened.close()


@pytest.fixture
def answers(reader: Reader, clock: Stopped) -> Answerer:
    return answerer(reader, clock)


def answerer(reader: Reader, clock: Stopped, **settings: object) -> Answerer:
    return Answerer(
        reader,
        aliases={"Mirror.internal:5000": "registry.example"},
        settings=Listen(**settings),
        clock=clock,
    )


def passed(
    n: int = 1, repository: Repository = REPOSITORY, *, verdict: str = "passed", digest: str = LIVE
) -> SubjectState:
    policy = PolicyAnswer(
        policy="shop-release",
        policy_digest=digest,
        mode=Mode.ENFORCE,
        verdict=verdict,
        verdict_id=f"v_{n}",
        decided_at=NOW,
        valid_until=NOW + timedelta(hours=24) if verdict == "passed" else None,
        reasons=(("signed", "ok" if verdict == "passed" else "no-signature", "ä"),),
    )
    return SubjectState(subject=subject(n, repository), policies=(policy,), children=(Digest.of(b"c"),))


GENERATION = GenerationState(number=1, document=POLICIES.document)


def fill(writer: Writer, *states: object, first: int = 1) -> None:
    if writer.position() == schema.EMPTY:
        writer.reset(iter(()), now=NOW)
    writer.apply([Change(number=first + n, at=NOW, what=what) for n, what in enumerate(states)], now=NOW)


# --- the table --------------------------------------------------------------------------------------------------------


def test_what_is_applied_is_read_back(writer: Writer, reader: Reader) -> None:
    state = passed()
    fill(writer, GENERATION, state, TagState(repository=REPOSITORY, tag="v1", digest=subject(1).digest))
    row = reader.state(REPOSITORY, subject(1).digest)
    assert row is not None
    assert (row.subject, row.policies, row.children) == (state.subject, state.policies, state.children)
    assert reader.tag(REPOSITORY, "v1") == subject(1).digest
    assert reader.generation() == (1, POLICIES.document, 3)
    assert (reader.heartbeat(), reader.readable(), writer.position()) == (NOW, True, 3)


def test_what_is_not_there_is_nothing(writer: Writer, reader: Reader) -> None:
    fill(writer, passed())
    assert reader.state(OTHER, subject(1).digest) is None
    assert reader.state(REPOSITORY, subject(2).digest) is None
    assert reader.state(REPOSITORY, Digest("sha512", "0" * 128)) is None
    assert reader.tag(REPOSITORY, "v1") is None
    assert reader.generation()[:2] == (0, b"")
    assert reader.readable() is False


def test_a_digest_is_found_in_every_repository(writer: Writer, reader: Reader) -> None:
    fill(writer, passed(1), passed(1, OTHER), passed(2))
    found = reader.by_digest(subject(1).digest, 10)
    assert {row.subject.repository for row in found} == {REPOSITORY, OTHER}
    assert len(reader.by_digest(subject(1).digest, 1)) == 1


def test_a_tag_that_is_gone_is_gone(writer: Writer, reader: Reader) -> None:
    tag = TagState(repository=REPOSITORY, tag="v1", digest=subject(1).digest)
    fill(writer, tag, TagState(repository=REPOSITORY, tag="v1", digest=None))
    assert reader.tag(REPOSITORY, "v1") is None


def test_changes_with_a_gap_are_refused(writer: Writer, reader: Reader) -> None:
    """What is skipped might be the withdrawal."""
    fill(writer, passed(1))
    with pytest.raises(BadInput, match="does not follow"):
        fill(writer, passed(2), first=3)
    assert writer.position() == 1
    assert reader.state(REPOSITORY, subject(2).digest) is None


def test_an_empty_table_wants_a_snapshot(writer: Writer) -> None:
    assert writer.position() == -1
    with pytest.raises(BadInput, match="snapshot"):
        writer.apply([Change(number=1, at=NOW, what=passed())], now=NOW)
    writer.apply([], now=NOW)
    assert writer.position() == -1


def test_changes_that_come_twice_change_nothing(writer: Writer) -> None:
    fill(writer, passed(1), passed(2))
    fill(writer, passed(1))
    assert writer.position() == 2


def test_an_older_generation_never_comes_back(writer: Writer, reader: Reader) -> None:
    fill(writer, GenerationState(number=2, document=POLICIES.document), GenerationState(number=1, document=b"old"))
    assert reader.generation()[:2] == (2, POLICIES.document)


def test_a_snapshot_replaces_everything_at_once(writer: Writer, reader: Reader) -> None:
    """Readers see the old table until the new one is whole."""
    fill(writer, GENERATION, passed(1), TagState(repository=REPOSITORY, tag="v1", digest=subject(1).digest))
    seen = []

    def snapshot() -> Iterator[Change]:
        for n in range(2, 2500):
            seen.append((reader.state(REPOSITORY, subject(1).digest) is not None, reader.generation()[0]))
            yield Change(number=9, at=NOW, what=passed(n))

    writer.reset(snapshot(), now=NOW)
    assert set(seen) == {(True, 1)}
    assert reader.state(REPOSITORY, subject(1).digest) is None
    assert reader.state(REPOSITORY, subject(2499).digest) is not None
    assert (reader.tag(REPOSITORY, "v1"), reader.generation()[0], writer.position()) == (None, 0, 9)


def test_a_snapshot_that_breaks_off_changes_nothing(writer: Writer, reader: Reader) -> None:
    fill(writer, GENERATION, passed(1))

    def broken() -> Iterator[Change]:
        yield Change(number=9, at=NOW, what=passed(2))
        raise Unavailable("the database went away")

    with pytest.raises(Unavailable):
        writer.reset(broken(), now=NOW)
    assert reader.state(REPOSITORY, subject(1).digest) is not None
    assert (reader.state(REPOSITORY, subject(2).digest), writer.position()) == (None, 2)


def test_heartbeats_are_seen_and_not_written_too_often(writer: Writer, reader: Reader) -> None:
    fill(writer, passed(1))
    beats = []
    for seconds in (1, 2, 5):
        writer.heartbeat(now=NOW + timedelta(seconds=seconds))
        beats.append(reader.heartbeat())
    assert beats == [NOW + timedelta(seconds=s) for s in (1, 1, 5)]


def test_a_table_before_its_first_beat_has_none(writer: Writer, reader: Reader) -> None:
    writer.position()
    assert reader.heartbeat() is None


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000], ids=["empty", "garbage"])
def test_a_missing_or_damaged_table_is_unavailable(path: Path, reader: Reader, clock: Stopped, content: bytes) -> None:
    for ask in (
        lambda: reader.state(REPOSITORY, subject(1).digest),
        lambda: reader.by_digest(subject(1).digest, 1),
        lambda: reader.tag(REPOSITORY, "v1"),
        reader.generation,
        reader.heartbeat,
        reader.readable,
        lambda: answerer(reader, clock).batch([]),
    ):
        path.unlink(missing_ok=True)
        with pytest.raises(Unavailable, match="lookup table"):
            ask()
        path.write_bytes(content)
        with pytest.raises(Unavailable, match="lookup table"):
            ask()


def test_damage_in_the_middle_is_unavailable_and_never_an_answer(
    path: Path, writer: Writer, reader: Reader, answers: Answerer
) -> None:
    fill(writer, GENERATION, passed(1))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE answer SET policies = 'x'")
    connection.close()
    with pytest.raises(Unavailable):
        answers.lookup(subject(1).digest, REPOSITORY, None)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE binding SET document = '{}'")
    connection.close()
    with pytest.raises(Unavailable):
        Answerer(reader, aliases={}, settings=Listen(), clock=Stopped(NOW)).lookup(subject(2).digest, REPOSITORY, None)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM binding")
    connection.close()
    with pytest.raises(Unavailable):
        reader.generation()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM meta")
    connection.close()
    with pytest.raises(Unavailable):
        reader.state(REPOSITORY, subject(1).digest)


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000], ids=["empty", "garbage"])
def test_the_writer_makes_a_damaged_table_anew(path: Path, content: bytes, reader: Reader) -> None:
    path.write_bytes(content)
    writer = Writer(path)
    assert writer.position() == -1
    fill(writer, passed(1))
    assert reader.state(REPOSITORY, subject(1).digest) is not None
    writer.close()


def test_a_table_of_another_form_is_made_anew_and_readers_notice(path: Path, reader: Reader) -> None:
    writer = Writer(path)
    fill(writer, passed(1))
    writer.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Unavailable, match="form 99"):
        Reader(path).state(REPOSITORY, subject(1).digest)
    again = Writer(path)
    assert again.position() == -1
    fill(again, passed(2))
    assert reader.state(REPOSITORY, subject(2).digest) is not None
    again.close()


def test_a_table_taken_away_is_made_anew_and_readers_follow(path: Path, writer: Writer, reader: Reader) -> None:
    fill(writer, passed(1))
    assert reader.state(REPOSITORY, subject(1).digest) is not None
    path.unlink()
    with pytest.raises(Unavailable):
        reader.state(REPOSITORY, subject(1).digest)
    assert writer.position() == -1
    fill(writer, passed(2))
    assert reader.state(REPOSITORY, subject(1).digest) is None
    assert reader.state(REPOSITORY, subject(2).digest) is not None


def test_a_reader_cannot_write(writer: Writer, reader: Reader) -> None:
    fill(writer, passed(1))
    reader.readable()
    with pytest.raises(sqlite3.OperationalError):
        reader._connection().execute("DELETE FROM answer")


def test_threads_read_while_the_writer_writes(writer: Writer, reader: Reader, clock: Stopped) -> None:
    fill(writer, GENERATION, passed(1))
    answers, problems, stop = answerer(reader, clock), [], threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                if answers.lookup(subject(1).digest, REPOSITORY, None).state is not AnswerState.VERIFIED:
                    problems.append("not verified")
        except BaseException as error:
            problems.append(repr(error))
        finally:
            reader.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(60):
        fill(writer, passed(n + 2), passed(1), first=3 + 2 * n)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []


# --- following the feed -----------------------------------------------------------------------------------------------


def record(store: Store, *rows: Verdict, n: int = 1, **changes: object) -> None:
    store.history.record([recording(n, *rows, gathered=gathered(n), **changes)], now=NOW)
    store.feed.sequence(fence=1, now=NOW)


@both
def test_a_recorded_verdict_becomes_an_answer(store: Store, writer: Writer, answers: Answerer, clock: Stopped) -> None:
    activate(store, POLICIES)
    record(store, verdict("v_1", policy_digest=LIVE), tags=("v1",))
    assert tail(store.feed, writer, clock=clock) == 3
    assert tail(store.feed, writer, clock=clock) == 0
    answer = answers.lookup(subject(1).digest, REPOSITORY, None)
    assert (answer.state, answer.admit, answer.generation) == (AnswerState.VERIFIED, True, 1)
    assert [p.verdict_id for p in answer.policies] == ["v_1"]
    record(store, verdict("v_2", policy_digest=LIVE, outcome=Outcome.FAILED))
    assert tail(store.feed, writer, clock=clock) == 1
    assert answers.lookup(subject(1).digest, REPOSITORY, None).state is AnswerState.DENIED


@both
def test_answers_switch_whole_with_the_generation(
    store: Store, writer: Writer, answers: Answerer, clock: Stopped
) -> None:
    """At no step of a policy change is there an `unknown`."""
    activate(store, POLICIES)
    record(store, verdict("v_1", policy_digest=LIVE))
    seen = []

    def look() -> None:
        store.feed.sequence(fence=1, now=NOW)
        tail(store.feed, writer, clock=clock)
        answer = answers.lookup(subject(1).digest, REPOSITORY, None)
        seen.append((answer.state.value, answer.generation))

    look()
    new = policies(validFor="1h")
    staged = store.generations.stage(new.document, new.digest, now=NOW)
    look()
    record(store, verdict("v_2", policy_digest=new.policies[0].digest, outcome=Outcome.FAILED), cause="policy")
    look()
    store.generations.activate(staged.number, now=NOW)
    look()
    assert seen == [("verified", 1), ("verified", 1), ("verified", 1), ("denied", 2)]


@both
def test_a_table_too_far_behind_starts_from_a_snapshot(
    store: Store, writer: Writer, reader: Reader, clock: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate(store, POLICIES)
    record(store, verdict("v_1", policy_digest=LIVE))
    tail(store.feed, writer, clock=clock)
    with store.engine.begin() as connection:
        for n in range(2, 12):
            connection.exec_driver_sql(f"DELETE FROM change WHERE number = {n}")
    record(store, verdict("v_9", 9, policy_digest=LIVE), n=9)
    record(store, verdict("v_8", 8, policy_digest=LIVE), n=8)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM change WHERE number = 3")
    assert tail(store.feed, writer, clock=clock) == 4  # the generation and three subjects
    assert reader.state(REPOSITORY, subject(9).digest) is not None
    assert writer.position() == 4


def test_a_long_backlog_is_applied_page_by_page(store: Store, writer: Writer, reader: Reader, clock: Stopped) -> None:
    tail(store.feed, writer, clock=clock)
    for n in range(10):
        record(store, verdict(f"v_{n}", n), n=n)
    assert tail(store.feed, writer, clock=clock, limit=3) == 10
    assert writer.position() == 10


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_repository_is_part_of_the_question(writer: Writer, answers: Answerer) -> None:
    fill(writer, GENERATION, passed(1))
    assert answers.lookup(subject(1).digest, REPOSITORY, None).state is AnswerState.VERIFIED
    assert answers.lookup(subject(1).digest, OTHER, None).state is AnswerState.UNKNOWN
    assert answers.lookup(subject(2).digest, REPOSITORY, None).state is AnswerState.UNKNOWN


def test_an_alias_is_its_source_and_never_the_other_way(writer: Writer, answers: Answerer) -> None:
    fill(writer, GENERATION, passed(1), passed(2, MIRROR))
    answer = answers.lookup(subject(1).digest, MIRROR, None)
    assert (answer.state, answer.image) == (AnswerState.VERIFIED, str(MIRROR))
    assert answers.lookup(subject(2).digest, MIRROR, None).state is AnswerState.UNKNOWN
    assert answers.lookup(subject(2).digest, REPOSITORY, None).state is AnswerState.UNKNOWN
    assert answers.reference(f"{MIRROR}@{subject(1).digest}", None).state is AnswerState.VERIFIED


def test_without_a_repository_the_worst_one_rules(writer: Writer, answers: Answerer) -> None:
    fill(writer, GENERATION, passed(1), passed(1, OTHER))
    both_passed = answers.lookup(subject(1).digest, None, None)
    assert (both_passed.state, both_passed.considered) == (AnswerState.VERIFIED, 2)
    fill(writer, passed(1, OTHER, verdict="failed"), first=4)
    assert answers.lookup(subject(1).digest, None, None).state is AnswerState.DENIED
    nothing = answers.lookup(subject(7).digest, None, None)
    assert (nothing.state, nothing.considered, nothing.generation) == (AnswerState.UNKNOWN, 0, 1)


def test_a_digest_in_too_many_repositories_is_unknown(
    writer: Writer, answers: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MAX_REPOSITORIES", 2)
    fill(writer, GENERATION, *(passed(1, Repository("registry.example", f"shop/{n}")) for n in "abc"))
    answer = answers.lookup(subject(1).digest, None, None)
    assert (answer.state, answer.admit) == (AnswerState.UNKNOWN, False)
    assert "name the repository" in answer.detail


def test_before_the_first_generation_nothing_is_known(writer: Writer, answers: Answerer) -> None:
    fill(writer, passed(1))
    for image in (REPOSITORY, None):
        answer = answers.lookup(subject(1).digest, image, None)
        assert (answer.state, answer.admit, answer.generation) == (AnswerState.UNKNOWN, False, 0)


def test_a_verdict_under_another_policy_digest_does_not_count(writer: Writer, answers: Answerer) -> None:
    fill(writer, GENERATION, passed(1, digest="sha256:retired"))
    assert answers.lookup(subject(1).digest, REPOSITORY, None).state is AnswerState.UNKNOWN


def test_a_verdict_ends_with_its_time(writer: Writer, reader: Reader, clock: Stopped) -> None:
    fill(writer, GENERATION, passed(1))
    clock.forward(24 * 3600)
    writer.heartbeat(now=clock.now())
    strict, lenient = answerer(reader, clock), answerer(reader, clock, expiredGrace="1h")
    for one, admit in ((strict, False), (lenient, True)):
        answer = one.lookup(subject(1).digest, REPOSITORY, None)
        assert (answer.state, answer.admit) == (AnswerState.EXPIRED, admit)
    clock.forward(3600)
    assert lenient.lookup(subject(1).digest, REPOSITORY, None).admit is False


def test_an_image_without_policy_is_denied_or_allowed_as_configured(
    writer: Writer, reader: Reader, clock: Stopped
) -> None:
    fill(writer, GENERATION)
    stranger = Repository("elsewhere.example", "x")
    denied = answerer(reader, clock).lookup(subject(1).digest, stranger, None)
    assert (denied.state, denied.admit, denied.reason) == (AnswerState.DENIED, False, "no-policy")
    assert answerer(reader, clock, noPolicy="allow").lookup(subject(1).digest, stranger, None).admit is True


def test_a_table_that_hears_nothing_says_so_and_stops_where_configured(
    writer: Writer, reader: Reader, clock: Stopped
) -> None:
    fill(writer, GENERATION, passed(1))
    patient, hasty = answerer(reader, clock), answerer(reader, clock, maxStale="5m")
    clock.forward(6 * 60)
    fresh = patient.lookup(subject(1).digest, REPOSITORY, None)
    assert (fresh.state, fresh.stale_since) == (AnswerState.VERIFIED, None)
    assert hasty.lookup(subject(1).digest, REPOSITORY, None).state is AnswerState.UNKNOWN
    clock.forward(10 * 60)
    stale = patient.lookup(subject(1).digest, REPOSITORY, None)
    assert (stale.state, stale.stale_since) == (AnswerState.VERIFIED, NOW)
    assert patient.lookup(subject(9).digest, None, None).stale_since == NOW


def test_a_batch_is_answered_at_one_moment(writer: Writer, reader: Reader, answers: Answerer) -> None:
    fill(writer, GENERATION, passed(1), passed(2, verdict="failed"))
    asked = [(subject(n).digest, REPOSITORY, None) for n in (1, 2, 3)]
    assert [a.state.value for a in answers.batch(asked)] == ["verified", "denied", "unknown"]
    with reader.snapshot():
        before = answers.lookup(subject(1).digest, REPOSITORY, None)
        fill(writer, passed(1, verdict="failed"), first=4)
        assert answers.lookup(subject(1).digest, REPOSITORY, None) == before
    assert answers.lookup(subject(1).digest, REPOSITORY, None).state is AnswerState.DENIED


def test_what_is_no_reference_is_refused(writer: Writer, answers: Answerer) -> None:
    fill(writer, GENERATION)
    with pytest.raises(BadInput):
        answers.reference("Not A Reference", None)
