import subprocess
import sys
from pathlib import Path

import pytest

from preverify import observe
from preverify.observe.catalogue import Kind
from preverify.observe.metrics import DIRECTORY_VARIABLE, readable


def _value(metrics: observe.Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value("preverify_" + name, labels)


def _inc(metrics: observe.Metrics, name: str, **labels: str) -> None:
    child = metrics.child(name, Kind.COUNTER, labels)
    assert child is not None
    child.inc()


def test_a_counter_counts_by_its_labels() -> None:
    metrics = observe.Metrics(sources=["shop"])
    _inc(metrics, "denied_total", namespace="prod", reason="wrong-key")
    _inc(metrics, "denied_total", namespace="prod", reason="wrong-key")
    assert _value(metrics, "denied_total", namespace="prod", reason="wrong-key") == 2


@pytest.mark.parametrize(
    ("name", "labels", "shown"),
    [
        ("denied_total", {"namespace": "prod", "reason": "made-up"}, {"namespace": "prod", "reason": "other"}),
        ("denied_total", {"namespace": "x" * 200, "reason": "deadline"}, {"namespace": "other", "reason": "deadline"}),
        ("denied_total", {"namespace": "a\nb", "reason": "deadline"}, {"namespace": "other", "reason": "deadline"}),
        ("denied_total", {"namespace": "prod\u202e", "reason": "ok"}, {"namespace": "other", "reason": "ok"}),
        ("denied_total", {"reason": "deadline"}, {"namespace": "", "reason": "deadline"}),
        ("hints_total", {"source": "not-configured"}, {"source": "other"}),
    ],
)
def test_label_values_outside_their_set_become_other(name: str, labels: dict[str, str], shown: dict[str, str]) -> None:
    metrics = observe.Metrics(sources=["shop"])
    _inc(metrics, name, **labels)
    assert _value(metrics, name, **shown) == 1


def test_what_the_catalogue_does_not_have_gives_no_series() -> None:
    metrics = observe.Metrics()
    assert metrics.child("nonsense_total", Kind.COUNTER, {}) is None
    assert metrics.child("answer_seconds", Kind.COUNTER, {}) is None
    assert metrics.child("tags", Kind.GAUGE, {}) is None


def test_counters_that_somebody_alerts_on_start_at_zero() -> None:
    metrics = observe.Metrics(sources=["shop"])
    assert _value(metrics, "hooks_total", source="shop", result="unauthentic") == 0
    assert _value(metrics, "publications_total", source="shop", state="not-withdrawn") == 0
    assert _value(metrics, "denied_total", namespace="", reason="wrong-key") is None


def test_series_beyond_the_cap_are_counted_as_other_and_known_ones_go_on() -> None:
    metrics = observe.Metrics(max_series=150)
    for number in range(400):
        _inc(metrics, "unknown_total", namespace=f"ns{number}")
    _inc(metrics, "unknown_total", namespace="ns0")
    samples = [s for f in metrics.registry.collect() for s in f.samples if s.name == "preverify_unknown_total"]
    assert sum(s.value for s in samples) == 401
    assert len(samples) < 150
    assert _value(metrics, "unknown_total", namespace="ns0") == 2
    assert (_value(metrics, "unknown_total", namespace="other") or 0) > 200


_CHILD = """
import sys
from pathlib import Path
from preverify import observe
observe.share(Path(sys.argv[1]), sys.argv[2])
observing = observe.Observing(observe.Metrics(sources=["shop"]))
observing.count("hints_total", source="shop")
observing.count("registry_requests_total", source="shop", code=sys.argv[3])
with observing.time("answer_seconds", frontend="lookup"):
    pass
"""


def _run_child(directory: Path, slot: str, code: str = "200") -> None:
    subprocess.run([sys.executable, "-c", _CHILD, str(directory), slot, code], check=True, timeout=60)


def _exposed(directory: Path) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in observe.Processes(directory).collect()
        for sample in family.samples
    }


def test_processes_count_together_and_a_restarted_one_goes_on(tmp_path: Path) -> None:
    directory = observe.fresh_directory(tmp_path / "metrics")
    _run_child(directory, "worker-0")
    _run_child(directory, "worker-1")
    _run_child(directory, "worker-0", code="error")
    exposed = _exposed(directory)
    assert exposed["preverify_hints_total", (("source", "shop"),)] == 3
    assert exposed["preverify_answer_seconds_count", (("frontend", "lookup"),)] == 3
    assert exposed["preverify_answer_seconds_bucket", (("frontend", "lookup"), ("le", "+Inf"))] == 3
    assert exposed["preverify_registry_up", (("source", "shop"),)] == 0, "the newest request decides"
    slots = {file.name.split("_")[-1] for file in directory.iterdir()}
    assert slots == {"worker-0.db", "worker-1.db"}, "a restart makes no further file"


def test_a_file_torn_by_a_kill_stops_neither_the_scrape_nor_the_next_process(tmp_path: Path) -> None:
    directory = observe.fresh_directory(tmp_path / "metrics")
    _run_child(directory, "worker-0")
    _run_child(directory, "worker-1")
    torn = directory / "counter_worker-0.db"
    torn.write_bytes(torn.read_bytes()[:4] + b"\xff" * 64)
    assert not readable(torn)
    assert _exposed(directory)["preverify_hints_total", (("source", "shop"),)] == 1
    _run_child(directory, "worker-0")
    assert _exposed(directory)["preverify_hints_total", (("source", "shop"),)] == 2


@pytest.mark.parametrize(
    "content", [b"", b"\x01", b"\xff\xff\xff\x7f" + b"\0" * 60, b"\x18\0\0\0\0\0\0\0\x04\0\0\0{{{{" + b"\0" * 40]
)
def test_files_that_are_no_counts_are_left_out(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "counter_x.db"
    file.write_bytes(content)
    assert list(observe.Processes(tmp_path).collect()) == []


def test_only_torn_files_of_the_own_place_are_dropped(tmp_path: Path) -> None:
    directory = observe.fresh_directory(tmp_path / "metrics")
    mine, others = directory / "counter_worker-0.db", directory / "counter_worker-1.db"
    for file in (mine, others):
        file.write_bytes(b"torn")
    observe.share(directory, "worker-0")
    assert not mine.exists()
    assert others.exists()


def test_a_fresh_directory_is_private_and_empty_of_old_counts(tmp_path: Path) -> None:
    old = observe.fresh_directory(tmp_path / "m") / "counter_worker-9.db"
    old.write_bytes(b"x")
    observe.fresh_directory(tmp_path / "m")
    assert not old.exists()
    assert (tmp_path / "m").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("slot", ["", "a_b", "../up"])
def test_a_slot_that_would_break_the_file_names_is_refused(tmp_path: Path, slot: str) -> None:
    with pytest.raises(ValueError, match="no slot name"):
        observe.share(tmp_path, slot)


def test_sharing_is_undone_by_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, "x")
    observe.share(observe.fresh_directory(tmp_path / "m"), "one")
    observe.alone()
    metrics = observe.Metrics(sources=["shop"])
    _inc(metrics, "hints_total", source="shop")
    assert _value(metrics, "hints_total", source="shop") == 1
    assert list((tmp_path / "m").iterdir()) == []
