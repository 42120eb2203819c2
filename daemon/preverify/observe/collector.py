"""Gauges read from the database, by the supervisor alone: once a scrape, cached, never longer than a scrape waits."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily

from preverify import __version__
from preverify.model.reasons import Reason
from preverify.observe.catalogue import BY_NAME, MAX_LABEL_VALUES, OTHER
from preverify.observe.reading import CACHE_SECONDS, WAIT_SECONDS, Reading
from preverify.ports import Backlog, Census, CensusRows, Clock
from preverify.settings import Settings

Figure = tuple[str, tuple[str, ...], float]
"""Name of a gauge, values of its labels, the figure."""
_NOT_VERIFIED = ("denied", "unknown", "expired")
_REASONS = frozenset({*Reason, "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    rows: CensusRows
    backlog: Backlog
    at: datetime


class CensusCollector:
    """Turns a census into gauges.

    A database that is slow or away does not hold a scrape: the last figures are given again with `census_up` 0, and
    `census_timestamp_seconds` says how old they are. `trust` gives the figures of exceptions, roots and stores
    in force; their first label is the name. It compiles policies, and holds a scrape as little as the database does.
    `vulnerabilities` says how recent the vulnerability database in use is.
    """

    def __init__(
        self,
        census: Census,
        backlog: Callable[[datetime], Backlog],
        settings: Settings,
        clock: Clock,
        *,
        heartbeat: Callable[[], datetime | None] = lambda: None,
        trust: Callable[[], Iterable[Figure]] = tuple,
        vulnerabilities: Callable[[], datetime | None] = lambda: None,
        cache_seconds: float = CACHE_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._census = census
        self._backlog = backlog
        self._settings = settings
        self._clock = clock
        self._heartbeat = heartbeat
        self._trust = trust
        self._vulnerabilities = vulnerabilities
        times = {"cache_seconds": cache_seconds, "wait_seconds": wait_seconds}
        self._taking = Reading("census", self._take, clock, **times)
        self._trusting = Reading("trust", self._figures, clock, **times)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every gauge of the catalogue that is read here."""
        self._taking.refresh()
        yield _family("build_info", {(__version__, platform.python_version()): 1})
        yield _family("census_up", {(): int(self._taking.up)})
        yield from self._configured()
        try:
            heard = self._heartbeat()
        except Exception:  # noqa: BLE001 - a lookup table that cannot be read has no heartbeat; the alert is on absence
            heard = None
        if heard is not None:
            yield _family("feed_heartbeat_timestamp_seconds", {(): heard.timestamp()})
        yield from self._vulnerability_database()
        yield from self._trusted()
        if self._taking.value is not None:
            yield from self._measured(self._taking.value)

    def _take(self) -> _Taken:
        now = self._clock.now()
        return _Taken(rows=self._census.take(now=now), backlog=self._backlog(now), at=now)

    def _figures(self) -> tuple[Figure, ...]:
        try:
            return tuple(self._trust())
        except Exception:  # noqa: BLE001 - trust that cannot be read has no figures; loading the policies says why
            return ()

    def _configured(self) -> Iterator[GaugeMetricFamily]:
        sources = self._settings.sources
        yield _family("source_info", {(name,): 1 for name in sources})
        intervals: dict[tuple[str, ...], float] = {}
        for name, source in sources.items():
            intervals[name, "tags"] = source.sweep.tags.total_seconds()
            intervals[name, "evidence"] = source.sweep.evidence.total_seconds()
        yield _family("sweep_interval_seconds", intervals)

    def _vulnerability_database(self) -> Iterator[GaugeMetricFamily]:
        configured = self._settings.vulnerabilities.database
        if configured.reference is not None:
            yield _family("vulnerability_database_max_age_seconds", {(): configured.max_age.total_seconds()})
        try:
            newest = self._vulnerabilities()
        except Exception:  # noqa: BLE001 - a database that cannot be read is none; the alert is on absence
            newest = None
        if newest is not None:
            age = (self._clock.now() - newest).total_seconds()
            yield _family("vulnerability_database_age_seconds", {(): max(age, 0.0)})

    def _trusted(self) -> Iterator[GaugeMetricFamily]:
        """Yield what is said of exceptions, roots and stores; of more than `MAX_LABEL_VALUES`, the first by name."""
        self._trusting.refresh()
        families: dict[str, dict[tuple[str, ...], float]] = {}
        for name, labels, figure in self._trusting.value or ():
            families.setdefault(name, {})[labels] = figure
        for name, values in families.items():
            names = frozenset(sorted({labels[0] for labels in values})[:MAX_LABEL_VALUES])
            yield _family(name, {labels: figure for labels, figure in values.items() if labels[0] in names})

    def _measured(self, taken: _Taken) -> Iterator[GaugeMetricFamily]:
        rows, backlog = taken.rows, taken.backlog
        yield _family("census_timestamp_seconds", {(): taken.at.timestamp()})
        yield from self._tags(rows, taken.at)
        yield _family("expired_verdicts", {(name,): rows.expired.get(name, 0) for name in self._settings.sources})
        yield _family(
            "sweep_last_success_timestamp_seconds", {(m.source, m.sweep): m.at.timestamp() for m in rows.sweeps}
        )
        yield _family("oldest_hint_seconds", {(): backlog.oldest_hint_seconds})
        yield _family("queue_jobs", {("due",): backlog.due, ("open",): backlog.open, ("parked",): backlog.parked})
        yield _family("queue_oldest_seconds", {(): backlog.oldest_seconds})
        states = sorted(next(label.values or () for label in BY_NAME["statements"].labels))
        yield _family("statements", {(state,): rows.statements.get(state, 0) for state in states})
        yield _family("leader", {(): int(rows.leader)})
        yield _family("generation", {(): rows.generation})

    def _tags(self, rows: CensusRows, now: datetime) -> Iterator[GaugeMetricFamily]:
        sums: dict[tuple[str, ...], float] = {}
        oldest: dict[tuple[str, ...], float] = {(name,): 0.0 for name in self._settings.sources}
        by_repository: dict[tuple[str, ...], float] = {}
        repositories: set[tuple[str, str]] = set()
        for name in self._settings.sources:
            sums[name, "verified", "ok"] = 0.0
        for row in rows.tags:
            reason = row.reason or "none"
            key = (row.source, row.answer, reason if reason in _REASONS else OTHER)
            sums[key] = sums.get(key, 0.0) + row.tags
            if row.answer in _NOT_VERIFIED and row.since is not None:
                age = max((now - row.since).total_seconds(), 0.0)
                oldest[row.source,] = max(oldest.get((row.source,), 0.0), age)
            named = (row.source, row.repository)
            if named in repositories or len(repositories) < MAX_LABEL_VALUES:
                repositories.add(named)
                shown = row.repository
            else:
                shown = OTHER
            slot = (row.source, shown, row.answer)
            by_repository[slot] = by_repository.get(slot, 0.0) + row.tags
        yield _family("tags", sums)
        yield _family("oldest_unverified_seconds", oldest)
        if self._settings.metrics.repository_label:
            yield _family("repository_tags", by_repository)


def _family(name: str, figures: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    metric = BY_NAME[name]
    family = GaugeMetricFamily(metric.full_name, metric.help, labels=metric.label_names)
    for labels, figure in figures.items():
        family.add_metric(labels, figure)
    return family
