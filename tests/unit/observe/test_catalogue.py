import re

from preverify.model.reasons import Reason
from preverify.observe.catalogue import BY_NAME, METRICS, Kind

_BASE_UNITS = ("_seconds", "_total", "_info", "_timestamp_seconds")


def test_names_are_unique_and_follow_the_conventions() -> None:
    assert len(BY_NAME) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", metric.name), metric.name
        assert metric.full_name == "preverify_" + metric.name
        assert metric.help[0].isupper() or metric.help[0].isdigit(), metric.name
        assert metric.help.endswith("."), metric.name
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total"), metric.name
        if metric.kind is Kind.HISTOGRAM:
            assert metric.name.endswith("_seconds")
            assert list(metric.buckets) == sorted(set(metric.buckets))


def test_no_label_can_hold_a_tag_or_a_digest() -> None:
    """Per-tag series would let whoever pushes decide how much memory the monitoring takes."""
    allowed_open = {
        "source",
        "namespace",
        "code",
        "where",
        "endpoint",
        "process",
        "repository",
        "root",
        "exception",
        "version",
        "python",
    }
    for metric in METRICS:
        for label in metric.labels:
            assert label.values is not None or label.name in allowed_open, (metric.name, label.name)
            assert label.name not in {"tag", "digest", "image", "path"}


def test_reasons_are_the_closed_list() -> None:
    (reason,) = (label for label in BY_NAME["verdicts_total"].labels if label.name == "reason")
    assert reason.values == frozenset(r.value for r in Reason)


def test_the_series_made_at_the_start_leave_room_for_the_rest() -> None:
    """A hundred sources may not fill the cap with zeros."""
    for metric in METRICS:
        if metric.from_zero:
            assert metric.kind is Kind.COUNTER
            assert all(label.values is not None or label.name == "source" for label in metric.labels)
            closed = 1
            for label in metric.labels:
                closed *= len(label.values or ("source",))
            assert closed <= 50, metric.name
