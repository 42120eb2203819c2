"""What an operator sees of the running daemon: its metrics and its log."""

import base64
import json
import os
import signal
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from preverify.demo.content import Content
from preverify.demo.registry import Registry
from preverify.observe.catalogue import METRICS, PREFIX
from support.daemon import SECRET, Daemon, image, new_key, public_pem, running, sign, until

KEY = new_key()
PASSWORD = "planted-Registry-Passw0rd"
TOKEN = "planted-answers-token-0123456789"


def scraped(daemon: Daemon) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample that the metrics listener exposes."""
    url = json.loads((daemon.directory / "state/addresses.json").read_text())["metrics"]
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(daemon: Daemon, name: str, **labels: str) -> float | None:
    return scraped(daemon).get((name, frozenset(labels.items())))


def credentials(directory: Path) -> dict[str, str]:
    directory.mkdir()
    (directory / "user").write_text("robot")
    (directory / "password").write_text(PASSWORD + "\n")
    return {"usernameFile": str(directory / "user"), "passwordFile": str(directory / "password")}


def test_the_metrics_say_what_happens_and_the_log_keeps_its_secrets(tmp_path: Path) -> None:
    content = Content()
    good = image(content, "shop/app", "good", "good")
    sign(content, "shop/app", good, KEY)
    bad = image(content, "shop/app", "bad", "bad")
    daemon = Daemon(tmp_path / "daemon", "placeholder.example", public_pem(KEY))
    with Registry(content) as registry:
        document = json.loads(daemon.config.read_text())
        document["sources"]["shop"] |= {
            "registry": registry.address,
            "credentials": credentials(tmp_path / "secrets"),
        }
        tokens = tmp_path / "secrets" / "tokens"
        tokens.write_text(TOKEN + "\n")
        document["listen"]["tokensFile"] = str(tokens)
        daemon.config.write_text(json.dumps(document))
        with running(daemon):
            name = f"{registry.address}/shop/app"
            until(lambda: daemon.lookup(good, name).get("answer") == "verified", what="the verdict")
            until(lambda: daemon.lookup(bad, name).get("answer") == "denied", what="the other verdict")
            assert daemon.notify("shop/app", "good", good) == 202
            headers = {"Authorization": "Bearer guessed-secret-of-somebody"}
            assert daemon.request("POST", "/hooks/shop", b"{}", headers)[0] == 401
            sent = {"Authorization": f"Bearer {TOKEN}"}
            assert daemon.request("GET", f"/v1/verdicts?digest={good}", None, sent)[0] == 200
            daemon.request("GET", f"/v1/lookup/{bad}?image=x%0a%1b[2J/{TOKEN}")
            until(lambda: value(daemon, "statements", state="published") == 1, what="the statement in the figures")

            assert value(daemon, "tags", source="shop", answer="verified", reason="ok") == 1
            assert value(daemon, "tags", source="shop", answer="denied", reason="no-signature") == 1
            assert (value(daemon, "oldest_unverified_seconds", source="shop") or 0) > 0
            assert value(daemon, "expired_verdicts", source="shop") == 0
            assert value(daemon, "statements", state="not-withdrawn") == 0
            assert value(daemon, "hooks_total", source="shop", result="accepted") == 1
            assert value(daemon, "hooks_total", source="shop", result="unauthentic") == 1
            assert value(daemon, "hints_total", source="shop") == 1
            assert (value(daemon, "verdicts_total", source="shop", outcome="passed", reason="ok") or 0) >= 1
            assert value(daemon, "registry_up", source="shop") == 1
            assert (value(daemon, "registry_requests_total", source="shop", code="200") or 0) > 2
            assert (value(daemon, "signatures_total", result="signed") or 0) >= 1
            assert (value(daemon, "denied_total", namespace="-", reason="no-signature") or 0) >= 1
            assert value(daemon, "leader") == 1
            assert value(daemon, "generation") == 1
            assert value(daemon, "census_up") == 1
            until(
                lambda: value(daemon, "sweep_last_success_timestamp_seconds", source="shop", sweep="tags") is not None,
                what="the end of the first sweep",
            )
            names = {name for name, _ in scraped(daemon)}
            exposed = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in names}
            assert exposed <= {metric.name for metric in METRICS}

            restarts = value(daemon, "process_restarts_total", process="worker-0") or 0
            os.kill(daemon.children()["worker-0"], signal.SIGKILL)
            until(
                lambda: (value(daemon, "process_restarts_total", process="worker-0") or 0) == restarts + 1,
                what="the counted restart",
            )
            assert (value(daemon, "signatures_total", result="signed") or 0) >= 1, "counts outlive the worker"
        assert daemon.process is not None
        assert daemon.process.returncode == 0

    lines = [json.loads(line) for line in daemon.log().splitlines()]
    events = {line["event"] for line in lines}
    assert {"serve.started", "child.started", "child.ended", "verdict.recorded", "hook.refused"} <= events
    assert all(set(line) >= {"event", "level", "time"} for line in lines)
    pem = (daemon.directory / "signing.pem").read_text().splitlines()[1:-1]
    basic = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
    for secret in (PASSWORD, SECRET, TOKEN, basic, "guessed-secret-of-somebody", *pem):
        assert secret not in daemon.log()


def test_an_unreachable_registry_is_seen(tmp_path: Path) -> None:
    content = Content()
    sign(content, "shop/app", image(content, "shop/app", "good", "good"), KEY)
    with Registry(content) as registry:
        daemon = Daemon(tmp_path, registry.address, public_pem(KEY), sweep={"tags": "1s", "evidence": "1h"})
        daemon.start()
    try:
        until(lambda: value(daemon, "registry_up", source="shop") == 0, what="the unreachable registry", seconds=120)
        assert (value(daemon, "registry_requests_total", source="shop", code="error") or 0) >= 1
    finally:
        daemon.stop()
