"""Durable work: nothing lost, nothing held twice, nobody starved."""

from datetime import datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError

from preverify.model.hints import Hint
from preverify.model.verdicts import Outcome
from preverify.ports import Job, JobKind, LeasedJob
from preverify.store import Store
from preverify.store import tables as t
from preverify.work import EmbeddedWork
from preverify.work.embedded import PARK_AFTER
from support.stores import (
    NOW,
    both,
    recording,
    subject,
    verdict,
)

pytestmark = both
MINUTE = timedelta(minutes=1)


def job(
    key: str = "v1", *, source: str = "shop", kind: JobKind = JobKind.TAG, priority: int = 100, cause: str = "push"
) -> Job:
    return Job(source=source, kind=kind, repository="shop/api", key=key, cause=cause, priority=priority)


def add(work: EmbeddedWork, *jobs: Job, at: datetime = NOW) -> int:
    return work.add(jobs, run_at=at, now=NOW)


def take(work: EmbeddedWork, *, now: datetime = NOW, limit: int = 100, window: int = 100) -> tuple[LeasedJob, ...]:
    work.dispatch(now=now, window=window)
    return work.lease(worker="w", until=now + MINUTE, now=now, limit=limit)


def test_work_goes_from_due_to_done(work: EmbeddedWork) -> None:
    assert add(work, job()) == 1
    (leased,) = take(work)
    assert (leased.job, leased.attempts, leased.until, leased.created_at) == (job(), 0, NOW + MINUTE, NOW)
    assert work.done(leased, now=NOW) is True
    assert work.done(leased, now=NOW) is False
    assert take(work) == ()
    assert work.backlog(now=NOW).by_kind == {}


def test_the_same_work_is_there_once(work: EmbeddedWork) -> None:
    assert add(work, job(), job()) == 1
    assert add(work, job(), job("v2")) == 1
    assert {leased.job.key for leased in take(work)} == {"v1", "v2"}


def test_the_earliest_time_and_the_best_priority_win(work: EmbeddedWork) -> None:
    add(work, job(priority=100, cause="sweep"), at=NOW + timedelta(hours=1))
    add(work, job(priority=10, cause="push"), at=NOW + timedelta(hours=2))
    assert work.dispatch(now=NOW + timedelta(minutes=59), window=10) == 0
    (leased,) = take(work, now=NOW + timedelta(hours=1))
    assert (leased.job.priority, leased.job.cause) == (10, "push")


def test_work_made_due_while_it_runs_runs_again_afterwards(work: EmbeddedWork) -> None:
    """A push that comes after the look has begun must lead to another look."""
    add(work, job())
    (first,) = take(work)
    assert add(work, job()) == 1
    assert take(work) == ()  # never two at once
    assert work.done(first, now=NOW) is True
    (second,) = take(work)
    assert second.job == first.job
    assert second.id != first.id


def test_work_made_due_before_its_look_begins_is_taken_in(work: EmbeddedWork) -> None:
    add(work, job(priority=100))
    work.dispatch(now=NOW, window=10)
    assert add(work, job(priority=10)) == 0
    (leased,) = work.lease(worker="w", until=NOW + MINUTE, now=NOW, limit=10)
    assert leased.job.priority == 10
    work.done(leased, now=NOW)
    assert take(work) == ()


def test_an_open_job_does_not_swallow_work_of_another_time(work: EmbeddedWork) -> None:
    add(work, job())
    work.dispatch(now=NOW, window=10)
    add(work, job(), at=NOW + timedelta(hours=12))
    (leased,) = work.lease(worker="w", until=NOW + MINUTE, now=NOW, limit=10)
    work.done(leased, now=NOW)
    assert take(work, now=NOW + timedelta(hours=11)) == ()
    assert len(take(work, now=NOW + timedelta(hours=12))) == 1


def test_a_lease_is_exclusive_until_it_ends(work: EmbeddedWork) -> None:
    add(work, job())
    (first,) = take(work)
    assert work.lease(worker="other", until=NOW + 2 * MINUTE, now=NOW + MINUTE, limit=10) == ()
    later = NOW + MINUTE + timedelta(microseconds=1)
    (second,) = work.lease(worker="other", until=later + MINUTE, now=later, limit=10)
    assert (second.id, second.fence, second.attempts) == (first.id, first.fence + 1, 1)


def test_a_zombie_changes_nothing(work: EmbeddedWork) -> None:
    add(work, job())
    (zombie,) = take(work)
    later = NOW + 2 * MINUTE
    (holder,) = work.lease(worker="other", until=later + MINUTE, now=later, limit=10)
    assert work.done(zombie, now=later) is False
    assert work.retry(zombie, at=later, error="late", now=later) is False
    assert work.extend(zombie, until=later + timedelta(hours=1)) is False
    assert work.done(holder, now=later) is True
    add(work, job())
    (fresh,) = take(work, now=later)
    assert work.done(zombie, now=later) is False  # not even where the ids could meet
    assert work.done(fresh, now=later) is True


def test_what_a_zombie_saw_does_not_undo_what_was_seen_since(store: Store, work: EmbeddedWork) -> None:
    """A worker that slept through its lease brings an old look; the newer one of its successor stands."""
    add(work, job())
    (zombie,) = take(work)
    later = NOW + 2 * MINUTE
    (holder,) = work.lease(worker="other", until=later + MINUTE, now=later, limit=10)
    newer = recording(1, verdict("v_new", outcome=Outcome.FAILED), lease=(holder.id, holder.fence))
    older = recording(1, verdict("v_old"), lease=(zombie.id, zombie.fence))
    store.history.record([newer], now=later)
    store.history.record([older], now=later)
    assert [v.id for v in store.history.current(subject(1))] == ["v_new"]
    work.done(holder, now=later)
    store.history.record([older], now=later)
    assert [v.id for v in store.history.current(subject(1))] == ["v_new"]


def test_what_a_dead_worker_held_is_free_at_once(work: EmbeddedWork) -> None:
    add(work, job())
    (held,) = take(work)
    assert work.abandon("somebody else", now=NOW) == 0
    assert work.lease(worker="other", until=NOW + MINUTE, now=NOW, limit=10) == ()
    assert work.abandon("w", now=NOW) == 1
    (again,) = work.lease(worker="w", until=NOW + MINUTE, now=NOW, limit=10)
    assert (again.id, again.fence, again.attempts) == (held.id, held.fence + 1, 1)
    assert work.done(held, now=NOW) is False


def test_an_extended_lease_holds_longer(work: EmbeddedWork) -> None:
    add(work, job())
    (leased,) = take(work)
    assert work.extend(leased, until=NOW + 3 * MINUTE) is True
    assert work.lease(worker="other", until=NOW + 5 * MINUTE, now=NOW + 2 * MINUTE, limit=10) == ()


def test_a_retry_comes_back_at_its_time_and_counts(work: EmbeddedWork) -> None:
    add(work, job())
    (leased,) = take(work)
    at = NOW + timedelta(seconds=30)
    assert work.retry(leased, at=at, error="registry-unavailable: 503", now=NOW) is True
    assert take(work, now=at - timedelta(microseconds=1)) == ()
    (again,) = take(work, now=at)
    assert (again.attempts, again.created_at) == (1, NOW)


def test_a_push_during_the_pause_does_not_wait_for_it(work: EmbeddedWork) -> None:
    add(work, job())
    (leased,) = take(work)
    work.retry(leased, at=NOW + timedelta(hours=1), error="x", now=NOW)
    add(work, job())
    (again,) = take(work)
    assert again.attempts == 1  # the pauses go on growing


def test_a_push_during_a_run_that_fails_is_not_lost(work: EmbeddedWork) -> None:
    add(work, job())
    (leased,) = take(work)
    add(work, job())
    work.retry(leased, at=NOW + timedelta(hours=1), error="x", now=NOW)
    (again,) = take(work)
    assert again.attempts == 1


def test_after_eight_attempts_work_is_parked_until_somebody_makes_it_due(work: EmbeddedWork) -> None:
    add(work, job())
    now = NOW
    for attempt in range(PARK_AFTER):
        (leased,) = take(work, now=now)
        assert leased.attempts == attempt
        now += timedelta(hours=1)
        work.retry(leased, at=now, error="x", now=now)
    assert take(work, now=now + timedelta(days=365)) == ()
    assert work.backlog(now=now).parked == 1
    assert work.add((job(cause="sweep"),), run_at=now, now=now) == 0
    (leased,) = take(work, now=now)
    assert leased.attempts == 0
    assert work.backlog(now=now).parked == 0


def test_work_that_ends_its_workers_is_parked_too(work: EmbeddedWork) -> None:
    """An image that kills every worker that reads it must not kill them for ever."""
    add(work, job())
    work.dispatch(now=NOW, window=10)
    now, leases = NOW, 0
    for _ in range(PARK_AFTER + 5):
        work.dispatch(now=now, window=10)
        leases += len(work.lease(worker="w", until=now + MINUTE, now=now, limit=10))
        now += 2 * MINUTE
    assert leases == PARK_AFTER
    assert work.backlog(now=now).parked == 1


def test_the_window_bounds_what_is_open(work: EmbeddedWork) -> None:
    add(work, *(job(f"v{n}") for n in range(20)))
    assert work.dispatch(now=NOW, window=5) == 5
    assert work.dispatch(now=NOW, window=5) == 0
    backlog = work.backlog(now=NOW)
    assert (backlog.due, backlog.open, backlog.by_kind) == (15, 5, {"tag": 20})


def test_a_flood_of_one_source_does_not_keep_another_waiting(work: EmbeddedWork) -> None:
    add(work, *(job(f"v{n}", source="flood") for n in range(50)))
    add(work, *(job(f"v{n}", source="quiet") for n in range(3)))
    sources = [leased.job.source for leased in take(work, window=8, limit=8)]
    assert (sources.count("quiet"), sources.count("flood")) == (3, 5)


def test_a_source_with_much_open_lets_others_go_first(work: EmbeddedWork) -> None:
    add(work, *(job(f"v{n}", source="flood") for n in range(50)))
    work.dispatch(now=NOW, window=10)
    add(work, *(job(f"v{n}", source="quiet") for n in range(4)))
    work.dispatch(now=NOW, window=14)
    backlog = [leased.job.source for leased in work.lease(worker="w", until=NOW + MINUTE, now=NOW, limit=100)]
    assert backlog.count("quiet") == 4


def test_pushes_go_before_sweeps_and_nothing_due_later_is_in_the_way(work: EmbeddedWork) -> None:
    add(work, *(job(f"later{n}", priority=10) for n in range(5)), at=NOW + timedelta(days=1))
    add(work, *(job(f"sweep{n}", priority=100) for n in range(5)))
    add(work, job("push", priority=10))
    assert [leased.job.key for leased in take(work, window=1)] == ["push"]
    assert len(take(work)) == 5


def test_an_accepted_hint_and_its_work_are_both_there(store: Store, work: EmbeddedWork) -> None:
    hints = (
        Hint(repository="shop/api", tag="v1", digest="sha256:x", delivery="d1"),
        Hint(repository="shop/api", tag=None),
    )
    assert work.accept("shop", hints, (job(), job()), now=NOW) == 1
    with store.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(t.hint)).scalar_one() == 2
    assert work.backlog(now=NOW + MINUTE).oldest_hint_seconds == 60
    assert len(take(work)) == 1


def test_ages_are_those_of_the_oldest(work: EmbeddedWork) -> None:
    add(work, job("old", cause="sweep"))
    add(work, job("future"), at=NOW + timedelta(days=1))
    later = NOW + timedelta(minutes=10)
    backlog = work.backlog(now=later)
    assert (backlog.due, backlog.oldest_seconds, backlog.oldest_hint_seconds) == (1, 600, 600)


def test_the_end_of_a_sweep_is_marked_when_no_part_of_it_is_left(store: Store, work: EmbeddedWork) -> None:
    add(work, *(Job(source="shop", kind=JobKind.SWEEP_TAGS, repository=r, key="", cause="sweep") for r in ("a", "b")))
    first, second = take(work)
    work.done(first, now=NOW)
    assert store.census.take(now=NOW).sweeps == ()
    work.done(second, now=NOW + MINUTE)
    (mark,) = store.census.take(now=NOW).sweeps
    assert (mark.source, mark.sweep, mark.at) == ("shop", "tags", NOW + MINUTE)


def test_the_database_itself_refuses_a_second_open_job_of_one_key(store: Store, work: EmbeddedWork) -> None:
    add(work, job())
    work.dispatch(now=NOW, window=10)
    columns = "tenant, source, kind, repository, key, cause, priority, attempts, created_at, fence"
    with pytest.raises(DatabaseError), store.engine.begin() as connection:
        connection.execute(text(f"INSERT INTO job ({columns}) SELECT {columns} FROM job"))


def test_many_workers_never_hold_one_job_together(work: EmbeddedWork) -> None:
    total = 300
    add(work, *(job(f"v{n}") for n in range(total)))
    work.dispatch(now=NOW, window=total)
    seen: list[tuple[int, int]] = []
    errors: list[BaseException] = []

    def run(name: str) -> None:
        try:
            while leased := work.lease(worker=name, until=NOW + MINUTE, now=NOW, limit=7):
                assert len(leased) <= 7
                seen.extend((one.id, one.fence) for one in leased)
                assert all(work.done(one, now=NOW) for one in leased)
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(seen) == len(set(seen)) == total
    assert {fence for _, fence in seen} == {1}


def test_work_added_while_workers_and_dispatchers_run_is_all_done(work: EmbeddedWork) -> None:
    """Added twice, dispatched and leased at once: every key runs after its last addition, none is lost."""
    stop: list[bool] = []
    ran: dict[str, int] = {}
    errors: list[BaseException] = []

    def guarded(target: object) -> Thread:
        def body() -> None:
            try:
                target()
            except BaseException as error:
                errors.append(error)
                stop.append(True)

        return Thread(target=body)

    def adding() -> None:
        for n in range(60):
            add(work, job(f"v{n % 20}"))

    def working() -> None:
        while not stop or work.backlog(now=NOW).by_kind:
            work.dispatch(now=NOW, window=10)
            for leased in work.lease(worker="w", until=NOW + MINUTE, now=NOW, limit=5):
                ran[leased.job.key] = ran.get(leased.job.key, 0) + 1
                work.done(leased, now=NOW)

    adders, workers = [guarded(adding) for _ in range(2)], [guarded(working) for _ in range(2)]
    for thread in (*adders, *workers):
        thread.start()
    for thread in adders:
        thread.join()
    stop.append(True)
    for thread in workers:
        thread.join()
    assert errors == []
    assert set(ran) == {f"v{n}" for n in range(20)}
