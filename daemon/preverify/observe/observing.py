"""`ports.Observer` over metrics and structured logs."""

import time
from contextlib import AbstractContextManager

import structlog
from prometheus_client import Counter, Gauge, Histogram

from preverify.observe.catalogue import Kind
from preverify.observe.metrics import Metrics

_FAILURE_CODES = frozenset({"error", "other", ""})


class Observing:
    """Counts and writes log lines. Never raises: observing must not change what is observed.

    A name that the catalogue does not have is logged once (`metric.undeclared`) and otherwise dropped; a test reads
    the source and finds such names before a release does.
    """

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.metrics = metrics if metrics is not None else Metrics()
        self._log = structlog.stdlib.get_logger("preverify")
        self._complained: set[str] = set()

    def event(self, name: str, **fields: object) -> None:
        """Write one structured log line. `level="warning"` among the fields sets its level; the default is info."""
        level = str(fields.pop("level", "info"))
        write = getattr(self._log, level if level in {"debug", "info", "warning", "error", "critical"} else "info")
        write(name, **fields)

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        """Add to a counter. A request to a registry also says whether the registry is up."""
        child = self.metrics.child(metric, Kind.COUNTER, labels)
        if not isinstance(child, Counter):
            self._undeclared(metric)
            return
        child.inc(value)
        if metric == "registry_requests_total":
            up = self.metrics.child("registry_up", Kind.GAUGE, labels)
            if isinstance(up, Gauge):
                up.set(0 if _down(labels.get("code", "")) else 1)

    def time(self, metric: str, **labels: str) -> AbstractContextManager[None]:
        """Measure a block into a histogram, whether or not it raises."""
        return _Timed(self, metric, labels)

    def took(self, metric: str, seconds: float, **labels: str) -> None:
        """Put a duration that was measured elsewhere into a histogram."""
        child = self.metrics.child(metric, Kind.HISTOGRAM, labels)
        if isinstance(child, Histogram):
            child.observe(seconds)
        else:
            self._undeclared(metric)

    def _undeclared(self, metric: str) -> None:
        if metric not in self._complained and len(self._complained) < 100:
            self._complained.add(metric)
            self._log.error("metric.undeclared", metric=metric)


class _Timed:
    """A block that is measured: a class, because a generator costs several times as much."""

    __slots__ = ("_labels", "_metric", "_observing", "_start")

    def __init__(self, observing: Observing, metric: str, labels: dict[str, str]) -> None:
        self._observing, self._metric, self._labels = observing, metric, labels

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._observing.took(self._metric, time.perf_counter() - self._start, **self._labels)


def _down(code: str) -> bool:
    return code in _FAILURE_CODES or code.startswith("5")
