"""RT-68: whoever names repositories, namespaces and paths must not decide how much memory monitoring takes."""

from datetime import datetime

from preverify import observe
from preverify.clock import SystemClock
from preverify.observe.catalogue import MAX_SERIES
from preverify.ports import Backlog, CensusRows, TagCount
from preverify.settings import Settings

_DISTINCT = 100_000


class _ManyRepositories:
    def take(self, *, now: datetime) -> CensusRows:
        return CensusRows(
            tags=tuple(
                TagCount(source="shop", repository=f"r{i}", answer="denied", reason="no-signature", tags=1, since=now)
                for i in range(_DISTINCT)
            )
        )


def test_a_hundred_thousand_distinct_values_leave_the_number_of_series_bounded() -> None:
    observe.alone()
    observing = observe.Observing(observe.Metrics(sources=["shop"]))
    for number in range(_DISTINCT):
        observing.count("denied_total", namespace=f"team-{number}", reason="no-signature")
        observing.count("http_requests_total", endpoint=f"/v1/lookup/{number}", code="404")
        observing.count("hooks_total", source=f"made-up-{number}", result="unknown-source")
    samples = [s for family in observing.metrics.registry.collect() for s in family.samples]
    assert len(samples) <= MAX_SERIES
    assert sum(s.value for s in samples if s.name == "preverify_denied_total") == _DISTINCT
    assert sum(s.value for s in samples if s.name == "preverify_http_requests_total") == _DISTINCT
    assert sum(s.value for s in samples if s.name == "preverify_hooks_total") == _DISTINCT


def test_even_the_opt_in_repository_label_is_bounded() -> None:
    settings = Settings.model_validate(
        {"sources": {"shop": {"registry": "registry.example"}}, "metrics": {"repositoryLabel": True}}
    )
    backlog = Backlog(due=0, open=0, parked=0, oldest_seconds=0, oldest_hint_seconds=0)
    collector = observe.CensusCollector(
        _ManyRepositories(), lambda _: backlog, settings, SystemClock(), wait_seconds=60
    )
    samples = [s for family in collector.collect() for s in family.samples]
    assert len(samples) < 300
    assert sum(s.value for s in samples if s.name == "preverify_repository_tags") == _DISTINCT
