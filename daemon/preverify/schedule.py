"""Timers. Callbacks only make work due and return; what is due survives, timers are rebuilt at every start."""

from collections.abc import Callable, Mapping

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from preverify.ports import Bell, Clock, Job, JobKind, Work
from preverify.settings import Source

_JITTER = 0.1


def build(sources: Mapping[str, Source], work: Work, bell: Bell, clock: Clock) -> BackgroundScheduler:
    """Return a scheduler with a memory store and one job per source and sweep, not started.

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
    return scheduler


def enqueue(source: str, kind: JobKind, work: Work, bell: Bell, clock: Clock) -> Callable[[], None]:
    """Return the callback that makes one sweep due."""

    def tick() -> None:
        now = clock.now()
        work.add((Job(source=source, kind=kind, repository="", key="", cause="sweep"),), run_at=now, now=now)
        bell.ring("timer")

    return tick
