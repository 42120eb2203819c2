"""Counts that are held for a second arrive as if they had been written one by one."""

import random
import threading

import pytest
from structlog.testing import capture_logs

from preverify import observe
from preverify.observe.catalogue import ANSWER_BUCKETS


def _exposed(observing: observe.Observing) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in observing.metrics.registry.collect()
        for sample in family.samples
    }


def test_what_is_held_is_exposed_as_if_it_had_been_written_at_once() -> None:
    at_once = observe.Observing(observe.Metrics(sources=["shop"]))
    held = observe.Tallying(observe.Metrics(sources=["shop"]))
    dice = random.Random(7)
    durations = [*ANSWER_BUCKETS, 0.0, 9.0, *(dice.expovariate(50) for _ in range(500))]
    for observing in (at_once, held):
        for seconds in durations:
            observing.took("answer_seconds", seconds, frontend="lookup")
            observing.count("answers_total", frontend="lookup", answer="verified", admit="true")
            observing.count("hints_total", 3, source="shop")
        observing.count("registry_requests_total", source="shop", code="503")
    assert _exposed(held) != _exposed(at_once)
    held.flush()
    have, want = _exposed(held), _exposed(at_once)
    assert have.keys() == want.keys()
    assert all(have[key] == pytest.approx(want[key]) for key in want)


def test_it_writes_by_itself_and_at_the_end() -> None:
    observing = observe.Tallying(observe.Metrics(sources=["shop"]))
    observing.start()
    observing.count("http_requests_total", endpoint="/auth", code="200")
    for _ in range(300):
        if _exposed(observing).get(("preverify_http_requests_total", (("code", "200"), ("endpoint", "/auth")))) == 1:
            break
        threading.Event().wait(0.01)
    observing.count("http_requests_total", endpoint="/auth", code="200")
    observing.close()
    assert _exposed(observing)["preverify_http_requests_total", (("code", "200"), ("endpoint", "/auth"))] == 2


def test_made_up_labels_are_written_early_instead_of_being_held() -> None:
    observing = observe.Tallying(observe.Metrics(sources=["shop"]))
    for number in range(12_000):
        observing.count("http_requests_total", endpoint=f"n{number}", code="200")
        observing.took("answer_seconds", 0.1, frontend=f"f{number}")
        assert len(observing._counts) + sum(map(len, observing._times.values())) <= 5_000
    observing.flush()
    samples = {key: value for key, value in _exposed(observing).items() if key[0] == "preverify_http_requests_total"}
    assert sum(samples.values()) == 12_000
    assert len(samples) <= 201
    assert _exposed(observing)["preverify_answer_seconds_count", (("frontend", "other"),)] == 12_000


def test_what_is_not_of_every_request_is_written_at_once() -> None:
    observing = observe.Tallying(observe.Metrics(sources=["shop"]))
    observing.count("hints_total", 2, source="shop")
    with observing.time("job_seconds", kind="tag"):
        pass
    assert _exposed(observing)["preverify_hints_total", (("source", "shop"),)] == 2
    assert _exposed(observing)["preverify_job_seconds_count", (("kind", "tag"),)] == 1


def test_threads_lose_nothing() -> None:
    observing = observe.Tallying(observe.Metrics(sources=["shop"]))

    def count() -> None:
        for _ in range(5_000):
            observing.count("http_requests_total", endpoint="/auth", code="200")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    observing.flush()
    assert _exposed(observing)["preverify_http_requests_total", (("code", "200"), ("endpoint", "/auth"))] == 20_000


def test_an_undeclared_name_is_logged_and_never_raises() -> None:
    with capture_logs() as lines:
        observing = observe.Tallying(observe.Metrics(sources=["shop"]))
        for _ in range(3):
            observing.count("nonsense_total")
            observing.took("answers_total", 1.0)
            observing.flush()
    assert [line["metric"] for line in lines] == ["nonsense_total", "answers_total"]
