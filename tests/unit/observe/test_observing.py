import ast
from functools import cache
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import preverify
from preverify import observe
from preverify.observe.catalogue import BY_NAME, METRICS, Kind
from preverify.ports import Observer

_PACKAGE = Path(preverify.__file__).parent


def _observing() -> observe.Observing:
    return observe.Observing(observe.Metrics(sources=["shop"]))


def _value(observing: observe.Observing, name: str, **labels: str) -> float | None:
    return observing.metrics.registry.get_sample_value("preverify_" + name, labels)


def test_it_is_the_port() -> None:
    observer: Observer = _observing()
    observer.count("hints_total", source="shop")


def test_counting_adds_any_amount() -> None:
    observing = _observing()
    observing.count("feed_changes_total", 7)
    observing.count("feed_changes_total")
    assert _value(observing, "feed_changes_total") == 8


def test_time_is_measured_also_when_the_block_raises() -> None:
    observing = _observing()
    with pytest.raises(RuntimeError), observing.time("job_seconds", kind="tag"):
        raise RuntimeError
    observing.took("job_seconds", 2.0, kind="tag")
    assert _value(observing, "job_seconds_count", kind="tag") == 2
    assert (_value(observing, "job_seconds_sum", kind="tag") or 0) >= 2.0


@pytest.mark.parametrize(
    ("code", "up"), [("200", 1), ("404", 1), ("401", 1), ("429", 1), ("500", 0), ("503", 0), ("error", 0)]
)
def test_the_newest_request_says_whether_a_registry_is_up(code: str, up: int) -> None:
    observing = _observing()
    observing.count("registry_requests_total", source="shop", code="503" if up else "200")
    observing.count("registry_requests_total", source="shop", code=code)
    assert _value(observing, "registry_up", source="shop") == up


def test_an_undeclared_name_is_logged_once_and_never_raises() -> None:
    with capture_logs() as lines:
        observing = _observing()
        for _ in range(3):
            observing.count("nonsense_total")
            with observing.time("nonsense_seconds"):
                pass
    assert [(line["event"], line["metric"]) for line in lines] == [
        ("metric.undeclared", "nonsense_total"),
        ("metric.undeclared", "nonsense_seconds"),
    ]


def test_events_carry_their_fields_and_level() -> None:
    with capture_logs() as lines:
        observing = _observing()
        observing.event("verdict.recorded", outcome="passed")
        observing.event("lookup.stale", level="warning")
        observing.event("odd", level="shout")
    assert lines == [
        {"event": "verdict.recorded", "outcome": "passed", "log_level": "info"},
        {"event": "lookup.stale", "log_level": "warning"},
        {"event": "odd", "log_level": "info"},
    ]


@cache
def _calls() -> list[tuple[str, str, str, frozenset[str] | None]]:
    """Return (where, method, metric, label names) of every count and time call in the package."""
    found = []
    for file in sorted(_PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            owner = ast.unparse(node.func.value)
            method = node.func.attr
            if method not in {"count", "time", "took"} or not owner.rpartition(".")[2].lstrip("_").startswith("observ"):
                continue
            names = [kw.arg for kw in node.keywords]
            labels = None if None in names else frozenset(str(n) for n in names if n != "value")
            options = ast.walk(node.args[0]) if isinstance(node.args[0], ast.IfExp) else [node.args[0]]
            for option in options:
                if isinstance(option, ast.Constant) and isinstance(option.value, str):
                    found.append((f"{file.relative_to(_PACKAGE)}:{node.lineno}", method, option.value, labels))
    return found


def test_everything_that_the_program_counts_is_declared_with_exactly_its_labels() -> None:
    """An undeclared count would be dropped at run time, and an alert on it would never fire."""
    calls = _calls()
    wrong = []
    for where, method, name, labels in calls:
        metric = BY_NAME.get(name)
        kind = Kind.COUNTER if method == "count" else Kind.HISTOGRAM
        if metric is None or metric.kind is not kind or metric.where != "process":
            wrong.append(f"{where}: {method}({name!r}) is not declared")
        elif labels is not None and labels != frozenset(metric.label_names):
            wrong.append(f"{where}: {name} has labels {sorted(metric.label_names)}, counted with {sorted(labels)}")
    assert wrong == []
    assert len(calls) >= 5, "the search itself must find something"


def test_everything_that_is_declared_is_counted_somewhere() -> None:
    """A metric that nothing counts shows zero for ever, and the alert on it sleeps."""
    counted = {name for _, _, name, _ in _calls()} | {"registry_up"}
    declared = {metric.name for metric in METRICS if metric.where == "process"}
    assert declared - counted == set()
