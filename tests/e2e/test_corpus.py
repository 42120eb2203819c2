"""Every fixture image through the shipped verification path: outcome and reason must be a careful verifier's."""

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
FIXTURES = TESTS / "vectors" / "fixtures"
CORPUS = [sys.executable, str(TESTS / "corpus.py")]
ANSWERS = ("expected", "reason", "tool_outcome", "note", "confirmed_by")
EITHER = "either outcome is sound"

Case = dict[str, Any]


def load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REASONS = load("fixture_reasons", FIXTURES / "reasons.py")
HARNESS = load("corpus", TESTS / "corpus.py")
CASES: dict[str, Case] = {c["id"]: c for c in json.loads((FIXTURES / "cases.json").read_bytes())["cases"]}


def run(directory: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Return the harness's lines by case."""
    done = subprocess.run(
        [*CORPUS, str(directory), *options], capture_output=True, text=True, check=True, timeout=240, cwd=directory
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(set(line) == {"id", "outcome", "reason", "ms"} for line in lines)
    assert len({line["id"] for line in lines}) == len(lines)
    return {line["id"]: line for line in lines}


def compare(seen: dict[str, dict[str, Any]], cases: dict[str, Case]) -> None:
    """Hold the conclusions against the cases' answers and the table of codes."""
    wrong = []
    for name, case in cases.items():
        line = seen[name]
        right = line["outcome"] == case["expected"] or EITHER in (case.get("note") or "")
        if not right or line["outcome"] == "undecided" or line["reason"] not in REASONS.codes(case):
            wrong.append((name, line, case["expected"], case["reason"]))
        if (line["outcome"] == "verified") != (line["reason"] == "ok"):
            wrong.append((name, line, "outcome and reason contradict each other"))
    assert wrong == []


def lying_copy(target: Path) -> Path:
    """Copy the fixtures with every answer turned round, so that a harness which reads one is caught."""
    for name in ("serve.py", "layouts.py"):
        shutil.copyfile(FIXTURES / name, target / name)
    for name in ("layouts", "keys"):
        (target / name).symlink_to(FIXTURES / name)
    document = json.loads((FIXTURES / "cases.json").read_bytes())
    for case in document["cases"]:
        case["expected"] = "refused" if case["expected"] == "verified" else "verified"
        case["reason"], case["note"], case["tool_outcome"] = "a lie", "a lie", case["expected"]
        case["confirmed_by"] = []
    (target / "cases.json").write_text(json.dumps(document))
    return target


def test_every_case_is_right_and_no_answer_is_read(tmp_path: Path) -> None:
    """Run on a copy whose answers are all false, compared with the true ones."""
    seen = run(lying_copy(tmp_path), "--trust", "key", "--tlog", "none")
    assert len(seen) == len(CASES) == 163
    compare(seen, CASES)


def test_what_may_be_read_of_a_case_is_a_closed_list() -> None:
    assert not set(HARNESS.READ) & set(ANSWERS)
    assert all(set(case) <= set(HARNESS.READ) for case in HARNESS.load_cases(FIXTURES))


def test_the_table_covers_every_text_and_no_other() -> None:
    assert {case["reason"] for case in CASES.values()} == set(REASONS.CODES)
    assert set(REASONS.DEPENDS) <= set(REASONS.CODES)


def test_the_table_tells_enough_kinds_of_refusal_apart() -> None:
    refusals = {REASONS.codes(c) for c in CASES.values() if c["expected"] == "refused"}
    assert len({code for codes in refusals for code in codes}) >= 14
    assert all(len(codes) == 1 for codes in refusals)


def case(**changes: Any) -> Case:
    return {"id": "x", "format": "cosign-legacy", "trust": {"type": "key", "tlog": "none"}, **changes}


def test_the_options_choose_cases() -> None:
    plain, logged = case(), case(trust={"type": "key", "tlog": "rekor1"})
    stamped, keyless = (
        case(trust={"type": "key", "tlog": "none", "timestamps": "present"}),
        case(trust={"type": "keyless"}),
    )
    bundle = case(format="sigstore-bundle")
    every = [plain, logged, stamped, keyless, bundle]
    assert HARNESS.selected(every, None, None, None) == every
    assert HARNESS.selected(every, "sigstore-bundle", None, None) == [bundle]
    assert HARNESS.selected(every, None, "keyless", None) == [keyless]
    assert HARNESS.selected(every, None, "key", "none") == [plain, bundle]


def test_cases_go_to_the_registry_of_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a correct registry cannot hold is served by the fixtures' own, even when hosts are given."""

    @contextlib.contextmanager
    def own(directory: Path, *, referrers: bool) -> Iterator[str]:
        yield f"own-{'referrers' if referrers else 'plain'}"

    monkeypatch.setattr(HARNESS, "own_registry", own)
    with contextlib.ExitStack() as stack:
        hosts = HARNESS.Hosts(FIXTURES, "a:1", "b:1", stack)
        assert hosts.of(case(api="referrers")) == "a:1"
        assert hosts.of(case(api="fallback")) == "b:1"
        assert hosts.of(case(api="fallback", served_by="serve.py")) == "own-plain"
        assert hosts.of(case(api="referrers", served_by="serve.py")) == "own-referrers"
        none_given = HARNESS.Hosts(FIXTURES, None, None, stack)
        assert none_given.of(case(api="fallback")) == "own-plain"


def test_trust_that_cannot_be_configured_is_undecided_and_never_verified(capsys: pytest.CaptureFixture[str]) -> None:
    real = CASES["legacy-key-ec1"]
    for trust in ({**real["trust"], "tlog": "rekor1"}, {"type": "keyless", "issuer": "i", "subject": "s"}):
        line = HARNESS.run_case(FIXTURES, {**real, "trust": trust}, "127.0.0.1:1")
        assert (line["outcome"], line["reason"]) == ("undecided", "trust-unavailable")
    assert "cannot be configured" in capsys.readouterr().err


def test_a_registry_that_is_not_there_leaves_a_case_undecided() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    line = HARNESS.run_case(FIXTURES, CASES["legacy-key-ec1"], host)
    assert (line["outcome"], line["reason"]) == ("undecided", "registry-unavailable")


def test_a_directory_without_cases_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([*CORPUS, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "cases.json" in done.stderr


# --- against real registries ---


@contextlib.contextmanager
def running(command: list[str], port: int, **options: Any) -> Iterator[str]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(host: str) -> None:
    command = [sys.executable, "-B", "load.py", host]
    subprocess.run(command, cwd=FIXTURES, check=True, capture_output=True, timeout=180)


@pytest.mark.tools
def test_every_case_is_right_on_real_registries(tool: Callable[[str], Path], tmp_path: Path) -> None:
    """One registry with the referrers API, one (CNCF distribution) without."""
    plain_port, port = free_port(), free_port()
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "storage")}},
        "http": {"addr": f"127.0.0.1:{plain_port}"},
        "log": {"level": "error"},
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    registry = [str(tool("registry")), "serve", str(tmp_path / "config.yml")]
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with (
        running([str(tool("regserve")), f"127.0.0.1:{port}"], port) as host,
        running(registry, plain_port, env=environment) as plain_host,
    ):
        fill(host)
        fill(plain_host)
        seen = run(FIXTURES, "--host", host, "--plain-host", plain_host, "--trust", "key", "--tlog", "none")
    compare(seen, CASES)
