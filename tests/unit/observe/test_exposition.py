import socket
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from preverify import observe
from preverify.model.errors import BadConfiguration
from preverify.observe import exposition


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_metrics_are_served_on_exactly_the_given_address() -> None:
    observing = observe.Observing(observe.Metrics(sources=["shop"]))
    observing.count("hints_total", source="shop")
    with observe.MetricsServer("127.0.0.1:0", observing.metrics.registry) as server:
        status, text = _get(server.url)
        assert _get(server.url.replace("/metrics", "/secrets"))[0] == 404
        with socket.socket() as other:
            other.bind(("127.0.0.2", server.port))  # free: a listener on every interface would hold it
    assert status == 200
    names = {family.name for family in text_string_to_metric_families(text)}
    assert "preverify_hints" in names
    assert all(name.startswith("preverify_") for name in names)


def test_the_listener_is_gone_once_closed() -> None:
    server = observe.serve_metrics("127.0.0.1:0")
    port = server.port
    server.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_an_address_of_the_newer_protocol_is_served_too() -> None:
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    probe.close()
    with observe.MetricsServer("[::1]:0") as server:
        assert server.url.startswith("http://[::1]:")
        assert _get(server.url)[0] == 200


@pytest.mark.parametrize("address", ["0.0.0.0:8788", ":8788", "[::]:8788", "*:8788"])
def test_every_interface_at_once_is_refused(address: str) -> None:
    with pytest.raises(BadConfiguration, match="every interface"):
        observe.serve_metrics(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ""])
def test_what_is_no_address_is_refused_with_the_form(address: str) -> None:
    with pytest.raises(BadConfiguration, match="expected host:port"):
        observe.serve_metrics(address)


def test_a_taken_port_is_said_to_be_so() -> None:
    with observe.MetricsServer("127.0.0.1:0") as first, pytest.raises(BadConfiguration, match="in use"):
        observe.serve_metrics(f"127.0.0.1:{first.port}")


def test_a_collector_that_fails_answers_500_and_the_next_scrape_works() -> None:
    class Flaky:
        broken = True

        def collect(self) -> Iterable[Metric]:
            if self.broken:
                raise RuntimeError("secret detail")
            return []

    flaky = Flaky()
    flaky.broken = False
    with observe.MetricsServer("127.0.0.1:0", flaky) as server:
        flaky.broken = True
        status, text = _get(server.url)
        assert status == 500
        assert "secret" not in text
        flaky.broken = False
        assert _get(server.url)[0] == 200


def test_idle_connections_do_not_keep_scrapers_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reaches the port may hold at most a few threads, each for a few seconds."""
    monkeypatch.setattr(exposition._Handler, "timeout", 0.3)
    with observe.MetricsServer("127.0.0.1:0") as server:
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(40)]
        closed = 0
        for connection in idle:
            connection.settimeout(5)
            closed += connection.recv(1) == b""
            connection.close()
        assert closed == 40
        assert _get(server.url)[0] == 200


def _fold(family: Metric, limit: int) -> dict[tuple[str, ...], float]:
    exposition._fold(family, limit)
    return {(s.name, *s.labels.values()): s.value for s in family.samples}


def test_folding_keeps_the_sum() -> None:
    family = CounterMetricFamily("c", "help", labels=["namespace"])
    for number in range(10):
        family.add_metric([f"n{number}"], number)
    family.add_metric(["other"], 100)
    folded = _fold(family, 3)
    assert len(folded) == 4
    assert sum(folded.values()) == 145
    assert folded["c_total", "other"] == 145 - (0 + 1 + 2)


def test_folding_never_splits_a_histogram() -> None:
    family = HistogramMetricFamily("h", "help", labels=["source"])
    for number in range(4):
        family.add_metric([f"s{number}"], buckets=[("1.0", 1), ("+Inf", 2)], sum_value=3)
    folded = _fold(family, 5)
    assert folded["h_bucket", "s0", "1.0"] == 1
    assert folded["h_bucket", "other", "+Inf"] == 6
    assert folded["h_sum", "other"] == 9
    assert len(folded) == 8


def test_the_total_is_bounded_over_all_families(tmp_path: Path) -> None:
    directory = observe.fresh_directory(tmp_path / "m")
    observe.share(directory, "one")
    try:
        observing = observe.Observing(observe.Metrics(sources=["shop"]))
        for number in range(150):
            observing.count("unknown_total", namespace=f"n{number}")
            observing.count("denied_total", namespace=f"n{number}", reason="wrong-key")
    finally:
        observe.alone()
    samples = [s for f in observe.Processes(directory, max_series=60).collect() for s in f.samples]
    assert len(samples) < 60 + 40, "the cap and at most one overflow series a family"
    assert sum(s.value for s in samples if s.name == "preverify_unknown_total") == 150
    assert sum(s.value for s in samples if s.name == "preverify_denied_total") == 150
