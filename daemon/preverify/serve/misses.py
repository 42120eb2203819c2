"""Misses: a digest that nobody has seen may cause one look, bounded and remembered."""

from collections.abc import Callable

from preverify.model.digest import Digest
from preverify.model.reference import Repository
from preverify.ports import Clock, Job, JobKind, Observer
from preverify.serve.sources import Sources

_MEMORY_SECONDS = 30.0
_MAX_REMEMBERED = 1_000
_PRIORITY_ASKED = 10


class Misses:
    """Turns misses into jobs: only for repositories of a configured source, each at most once in 30 seconds.

    The memory bounds the work too: while it is full, further misses cause none; the caller asks again, as admission
    does by itself.
    """

    def __init__(self, sources: Sources, offer: Callable[[Job], bool], clock: Clock, observer: Observer) -> None:
        self._sources, self._offer, self._clock, self._observer = sources, offer, clock, observer
        self._seen: dict[tuple[str, str, str], float] = {}  # in order of time

    def note(self, repository: Repository, digest: Digest) -> bool:
        """Cause a look at the subject; False where none is caused."""
        found = self._sources.find(repository)
        if found is None:
            return False
        source, home = found
        now = self._clock.monotonic()
        self._forget(now)
        key = (source, home.path, str(digest))
        if key in self._seen or len(self._seen) >= _MAX_REMEMBERED:
            return False
        job = Job(
            source=source,
            kind=JobKind.SUBJECT,
            repository=home.path,
            key=str(digest),
            cause="asked",
            priority=_PRIORITY_ASKED,
        )
        if not self._offer(job):
            return False
        self._seen[key] = now
        self._observer.count("misses_total", source=source)
        return True

    def _forget(self, now: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if now - self._seen[oldest] < _MEMORY_SECONDS:
                return
            del self._seen[oldest]
