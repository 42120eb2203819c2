"""Counting in this process, merged over processes through prometheus_client's directory. The catalogue rules."""

import json
import os
import struct
import threading
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, values
from prometheus_client.mmap_dict import MmapedDict

from preverify.observe.catalogue import (
    BY_NAME,
    MAX_LABEL_LENGTH,
    MAX_LABEL_VALUES,
    MAX_SERIES,
    METRICS,
    OTHER,
    Kind,
    Label,
    Metric,
)

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_Family = Counter | Gauge | Histogram


def fresh_directory(directory: Path) -> Path:
    """Empty the directory of the processes' counts and return it. The supervisor calls this before its first child."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for stale in directory.glob("*.db"):
        stale.unlink()
    return directory


def share(directory: Path, slot: str) -> None:
    """Make metrics that are created from now on in this process count into `directory`.

    Args:
        directory: Made by the supervisor with `fresh_directory`.
        slot: Name of this process's place ("worker-1"). A process that takes a place over goes on with its counts, so
            that a worker that keeps dying does not fill the directory. No two living processes share a slot.
    """
    if not slot or "_" in slot or "/" in slot:
        raise ValueError(f"{slot!r} is no slot name, expected letters, digits and '-'")
    for file in directory.glob(f"*_{slot}.db"):
        if not readable(file):
            file.unlink()  # its former owner was killed inside a write; losing counts beats not starting
    os.environ[DIRECTORY_VARIABLE] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def alone() -> None:
    """Make metrics that are created from now on count in memory: one process, and tests."""
    os.environ.pop(DIRECTORY_VARIABLE, None)
    values.ValueClass = values.MutexValue


def readable(file: Path) -> bool:
    """Say whether a file of counts can be read: kill -9 inside a write may leave one that cannot."""
    try:
        for key, _, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            json.loads(key)
    except (RuntimeError, ValueError, OSError, LookupError, struct.error):
        return False
    return True


class Metrics:
    """The counters and histograms of this process. Unknown names, labels and label values never raise.

    Series are bounded: a closed label takes only its values, an open one the first 200, all together 5,000 samples.
    What is beyond is counted under `other`, so that nothing is lost from the sums. `sources` are the configured ones,
    the closed set of that label; without them it is an open label and no series of a source starts at zero.
    """

    def __init__(self, *, sources: Iterable[str] | None = None, max_series: int = MAX_SERIES) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series and are not known to merging
        self.registry = CollectorRegistry()
        self._sources = None if sources is None else tuple(sources)
        self._left = max_series
        self._seen: dict[tuple[str, str], set[str]] = {}
        self._children: dict[tuple[str, ...], _Family] = {}
        self._lock = threading.Lock()
        self._families = {m.name: _family(m, self.registry) for m in METRICS if m.where == "process"}
        for metric in METRICS:
            if metric.where == "process" and metric.from_zero:
                self._start_at_zero(metric)

    def child(self, name: str, kind: Kind, labels: dict[str, str]) -> _Family | None:
        """Return the series of a metric, made on first use; None where the catalogue has no such metric."""
        metric = BY_NAME.get(name)
        if metric is None or metric.kind is not kind or name not in self._families:
            return None
        key = (name, *(labels.get(label.name, "") for label in metric.labels))
        found = self._children.get(key)
        return found if found is not None else self._make(metric, key)

    def _make(self, metric: Metric, key: tuple[str, ...]) -> _Family:
        with self._lock:
            wanted = tuple(self._value(metric, label, raw) for label, raw in zip(metric.labels, key[1:], strict=True))
            known = (metric.name, *wanted)
            found = self._children.get(known)
            if found is not None:
                return found
            if metric.labels and self._left < metric.samples_each:
                wanted = tuple(OTHER for _ in metric.labels)  # one overflow series a metric, beside the cap
                known = (metric.name, *wanted)
            else:
                self._left -= metric.samples_each
            family = self._families[metric.name]
            return self._children.setdefault(known, family.labels(*wanted) if metric.labels else family)

    def _value(self, metric: Metric, label: Label, raw: str) -> str:
        """Return the label value that is exposed for `raw`."""
        if label.values is not None:
            return raw if raw in label.values else OTHER
        if label.name == "source" and self._sources is not None and raw not in self._sources:
            return OTHER
        if len(raw) > MAX_LABEL_LENGTH or not raw.isascii() or not (raw.isprintable() or raw == ""):
            return OTHER
        seen = self._seen.setdefault((metric.name, label.name), set())
        if raw in seen:
            return raw
        if len(seen) >= MAX_LABEL_VALUES:
            return OTHER
        seen.add(raw)
        return raw

    def _start_at_zero(self, metric: Metric) -> None:
        """Make every series of a metric whose first count somebody alerts on: a rate needs a zero before the one."""
        rows: list[dict[str, str]] = [{}]
        for label in metric.labels:
            options = (self._sources or ()) if label.name == "source" else sorted(label.values or ())
            rows = [{**row, label.name: option} for row in rows for option in options]
        for row in rows:
            self.child(metric.name, metric.kind, row)


def _family(metric: Metric, registry: CollectorRegistry) -> _Family:
    if metric.kind is Kind.COUNTER:
        return Counter(metric.full_name, metric.help, metric.label_names, registry=registry)
    if metric.kind is Kind.HISTOGRAM:
        return Histogram(metric.full_name, metric.help, metric.label_names, registry=registry, buckets=metric.buckets)
    return Gauge(metric.full_name, metric.help, metric.label_names, registry=registry, multiprocess_mode="mostrecent")
