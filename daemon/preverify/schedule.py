"""The timer process: timers, dispatcher, feed sequencer and the writer of the local lookup table."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Thread

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from preverify.ports import Bell, Clock, Job, JobKind, Lease, Observer, Work
from preverify.settings import Source

_JITTER = 0.1
_LEASE_NAME = "timer"
_LEASE_TTL = timedelta(seconds=15)
_POLL_SECONDS = 0.5
_WINDOW = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something that the lease holder does now and then. Names are unique."""

    name: str
    run: Callable[[], None]
    every: timedelta


def build(
    sources: Mapping[str, Source],
    work: Work,
    bell: Bell,
    clock: Clock,
    *,
    chores: Sequence[Chore] = (),
) -> BackgroundScheduler:
    """Return a scheduler with a memory store and one job per source and sweep, not started.

    Chores run at once and then at their intervals, each in a thread of its own, and look themselves at what is due.

    A run that was missed is made up once, late rather than never; a run never overlaps itself. Every interval starts
    with a sweep at once: what happened while nobody watched is found first.
    """
    scheduler = BackgroundScheduler(
        timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    for name, source in sources.items():
        for kind, interval in (
            (JobKind.SWEEP_TAGS, source.sweep.tags),
            (JobKind.SWEEP_EVIDENCE, source.sweep.evidence),
        ):
            seconds = max(interval.total_seconds(), 1.0)
            scheduler.add_job(
                enqueue(name, kind, work, bell, clock),
                IntervalTrigger(seconds=seconds, jitter=seconds * _JITTER),
                id=f"{name}/{kind}",
                next_run_time=clock.now() if kind is JobKind.SWEEP_TAGS else clock.now() + interval,
            )
    for chore in chores:
        seconds = max(chore.every.total_seconds(), 1.0)
        trigger = IntervalTrigger(seconds=seconds, jitter=seconds * _JITTER)
        scheduler.add_job(chore.run, trigger, id=chore.name, next_run_time=clock.now())
    return scheduler


def enqueue(source: str, kind: JobKind, work: Work, bell: Bell, clock: Clock) -> Callable[[], None]:
    """Return the callback that makes one sweep due."""

    def tick() -> None:
        now = clock.now()
        work.add((Job(source=source, kind=kind, repository="", key="", cause="sweep"),), run_at=now, now=now)
        bell.ring("timer")

    return tick


@dataclass(slots=True, kw_only=True)
class Timer:
    """One machine's timer process. Everything but the local lookup table is done only while it holds the lease.

    Attributes:
        holder: Unique name of this process, for the lease.
        sequence: Numbers committed changes under a fence; from the feed.
        tail: Applies new changes to the local lookup table and notes a heartbeat.
        prepare: Brings the configured policies into force; called once, in a thread, when the lease is first held.
    """

    holder: str
    scheduler: Callable[[], BackgroundScheduler]
    lease: Lease
    work: Work
    sequence: Callable[[int, datetime], int]
    tail: Callable[[], int]
    prepare: Callable[[], None]
    clock: Clock
    bell: Bell
    observer: Observer
    _running: BackgroundScheduler | None = None
    _preparing: Thread | None = None
    _renewed: float = field(default=float("-inf"))
    _fence: int | None = None

    def run(self, stop: Callable[[], bool]) -> None:
        """Run until `stop()`: woken by rings, polling as a backup."""
        # A former process of this name is dead: the supervisor runs one at a time. Its lease need not run out first.
        self.lease.release(_LEASE_NAME, self.holder)
        try:
            while not stop():
                self.step()
                self.bell.wait(_POLL_SECONDS)
        finally:
            self._let_go()

    def step(self) -> None:
        """Do once whatever there is to do."""
        now = self.clock.now()
        self._hold(now)
        if self._fence is not None:
            if self.work.dispatch(now=now, window=_WINDOW):
                self.bell.ring("workers")
            self.sequence(self._fence, now)
        self.tail()

    def _hold(self, now: datetime) -> None:
        """Renew the lease every third of its life; start or stop the timers as it is won or lost."""
        if self.clock.monotonic() - self._renewed < _LEASE_TTL.total_seconds() / 3:
            return
        self._renewed = self.clock.monotonic()
        fence = self.lease.take(_LEASE_NAME, self.holder, ttl=_LEASE_TTL, now=now)
        if fence is not None and self._running is None:
            self.observer.event("lease.won", holder=self.holder, fence=fence)
            self._running = self.scheduler()
            self._running.start()
            if self._preparing is None:
                self._preparing = Thread(target=self._prepare, name="prepare", daemon=True)
                self._preparing.start()
        if fence is None and self._running is not None:
            self.observer.event("lease.lost", holder=self.holder)
            self._stop_timers()
        self._fence = fence

    def _prepare(self) -> None:
        self.prepare()
        self.bell.ring("timer")

    def _stop_timers(self) -> None:
        if self._running is not None:
            self._running.shutdown(wait=False)
            self._running = None

    def _let_go(self) -> None:
        self._stop_timers()
        with contextlib.suppress(Exception):
            self.lease.release(_LEASE_NAME, self.holder)
