"""Counting for processes that answer thousands of requests a second: in dictionaries, written out every second."""

import threading
from bisect import bisect_left

from prometheus_client import Histogram

from preverify.observe.catalogue import Kind
from preverify.observe.metrics import Metrics
from preverify.observe.observing import Observing

_SECONDS = 1.0
_MOST_HELD = 5_000
_PER_REQUEST = frozenset({"answers_total", "answer_seconds", "http_requests_total"})
_Key = tuple[str, tuple[tuple[str, str], ...]]


class Tallying(Observing):
    """An `Observing` that holds what is counted for every request, and writes it at `flush`, once a second by a thread.

    A process that is killed loses these counts of its last second at most; one that ends calls `close`. What is held is
    bounded: callers who make up labels make it write earlier. All other counts and log lines are written at once.
    """

    def __init__(self, metrics: Metrics | None = None) -> None:
        super().__init__(metrics)
        self._lock = threading.Lock()
        self._counts: dict[_Key, float] = {}
        self._times: dict[_Key, list[float]] = {}
        self._held = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write out every second from now on."""
        self._thread = threading.Thread(target=self._run, name="tally", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write out what is held and end the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(_SECONDS)
        self.flush()

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        """Add to a counter; to those of every request soon."""
        if metric not in _PER_REQUEST:
            super().count(metric, value, **labels)
            return
        key = (metric, tuple(labels.items()))
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + value
            self._held += 1
        if self._held >= _MOST_HELD:
            self.flush()

    def took(self, metric: str, seconds: float, **labels: str) -> None:
        """Put a duration into a histogram; into those of every request soon."""
        if metric not in _PER_REQUEST:
            super().took(metric, seconds, **labels)
            return
        key = (metric, tuple(labels.items()))
        with self._lock:
            self._times.setdefault(key, []).append(seconds)
            self._held += 1
        if self._held >= _MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """Write out what is held."""
        with self._lock:
            counts, self._counts = self._counts, {}
            times, self._times = self._times, {}
            self._held = 0
        for (metric, labels), value in counts.items():
            super().count(metric, value, **dict(labels))
        for (metric, labels), seconds in times.items():
            child = self.metrics.child(metric, Kind.HISTOGRAM, dict(labels))
            if isinstance(child, Histogram):
                _observe(child, seconds)
            else:
                self._undeclared(metric)

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS):
            self.flush()


def _observe(child: Histogram, seconds: list[float]) -> None:
    """Do what `child.observe` does for each of `seconds`, with one write a bucket: the library takes them singly."""
    bounds = child._upper_bounds  # noqa: SLF001 - a test compares the outcome with the public way
    buckets = [0] * len(bounds)
    for one in seconds:
        buckets[bisect_left(bounds, one)] += 1
    child._sum.inc(sum(seconds))  # noqa: SLF001
    for number, some in enumerate(buckets):
        if some:
            child._buckets[number].inc(some)  # noqa: SLF001
