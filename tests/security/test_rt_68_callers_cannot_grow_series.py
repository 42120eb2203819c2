"""RT-68, at the listener: paths, namespaces and images that callers make up do not become series or memory."""

from pathlib import Path

from preverify import observe
from support.answering import BAD, IMAGE, running, settings_in


def test_made_up_paths_namespaces_and_sources_stay_within_the_bound(tmp_path: Path) -> None:
    observe.alone()
    observer = observe.Observing(observe.Metrics(sources=["shop", "ours"]))
    with running(settings_in(tmp_path), observer=observer) as server:
        before = sum(1 for family in observer.metrics.registry.collect() for _ in family.samples)
        for number in range(250):
            server.ask("GET", f"/made/up/{number}")
            server.ask("POST", f"/hooks/made-up-{number}", b"{}")
            server.ask("GET", f"/v1/lookup/{BAD}?image={IMAGE}&namespace=team-{number}")
            server.ask("GET", f"/v1/lookup/sha256:{number:064x}?image={IMAGE}-{number}")
    samples = [sample for family in observer.metrics.registry.collect() for sample in family.samples]
    # 200 namespaces and `other` for denials; the rest of the growth is a handful of routes and codes.
    assert len(samples) - before < 201 + 60
    denied = [s for s in samples if s.name == "preverify_denied_total" and s.labels["reason"] == "wrong-key"]
    assert sum(s.value for s in denied) == 250
    assert {s.labels["namespace"] for s in denied} >= {"other"}
    paths = {s.labels["endpoint"] for s in samples if s.name == "preverify_http_requests_total"}
    assert paths == {"other", "/hooks/{source}", "/v1/lookup/{digest}"}
