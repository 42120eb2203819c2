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
import yaml

from preverify.model.reasons import Reason

TESTS = Path(__file__).resolve().parents[1]
FIXTURES = TESTS / "vectors" / "fixtures"
CORPUS = [sys.executable, str(TESTS / "corpus.py")]
ANSWERS = ("expected", "reason", "tool_outcome", "note", "confirmed_by")

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
DOCUMENT = json.loads((FIXTURES / "cases.json").read_bytes())
CASES: dict[str, Case] = {c["id"]: c for c in DOCUMENT["cases"]}
LAZY = {each["case"] for each in DOCUMENT["lazy"]}


def run(directory: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Return the harness's lines by case."""
    done = subprocess.run(
        [*CORPUS, str(directory), *options], capture_output=True, text=True, check=True, timeout=900, cwd=directory
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(set(line) == {"id", "outcome", "reason", "ms"} for line in lines)
    assert len({line["id"] for line in lines}) == len(lines)
    return {line["id"]: line for line in lines}


def compare(seen: dict[str, dict[str, Any]], cases: dict[str, Case]) -> None:
    """Hold the conclusions against the cases' answers and the table of codes.

    Where a case says that either outcome is sound, ours is the one that the fixtures expect; `docs/differential.md` has
    the grounds.
    """
    wrong = []
    for name, case in cases.items():
        line = seen[name]
        if line["outcome"] != case["expected"] or line["reason"] not in REASONS.codes(case):
            wrong.append((name, line, case["expected"], case["reason"]))
        if (line["outcome"] == "verified") != (line["reason"] == "ok"):
            wrong.append((name, line, "outcome and reason contradict each other"))
    assert wrong == []


def lying_copy(target: Path) -> Path:
    """Copy the fixtures with every answer turned round, so that a harness which reads one is caught."""
    for name in ("serve.py", "layouts.py"):
        shutil.copyfile(FIXTURES / name, target / name)
    for name in ("layouts", "keys", "trust", "notation"):
        (target / name).symlink_to(FIXTURES / name)
    document = json.loads((FIXTURES / "cases.json").read_bytes())
    for case in document["cases"]:
        case["expected"] = "refused" if case["expected"] == "verified" else "verified"
        case["reason"], case["note"], case["tool_outcome"] = "a lie", "a lie", case["expected"]
        case["confirmed_by"] = []
    (target / "cases.json").write_text(json.dumps(document))
    return target


@pytest.mark.timeout(1000)
def test_every_case_is_right_and_no_answer_is_read(tmp_path: Path) -> None:
    """Run on a copy whose answers are all false, compared with the true ones."""
    seen = run(lying_copy(tmp_path))
    assert len(seen) == len(CASES) == 475
    compare(seen, CASES)


@pytest.mark.timeout(1000)
def test_every_case_that_a_directory_can_hold_is_right_there(tmp_path: Path) -> None:
    """A layout directory has no way to say that it lacks the referrers API: what it holds is found by its subject."""
    seen = run(lying_copy(tmp_path), "--layouts")
    there = {name: case for name, case in CASES.items() if name not in LAZY}
    assert set(seen) == set(there)
    compare(seen, there)


def test_what_may_be_read_of_a_case_is_a_closed_list() -> None:
    assert not set(HARNESS.READ) & set(ANSWERS)
    assert all(set(case) <= set(HARNESS.READ) for case in HARNESS.load_cases(FIXTURES))


def test_the_table_covers_every_text_and_no_other() -> None:
    assert len(CASES) == 475
    assert {case["reason"] for case in CASES.values()} == set(REASONS.CODES)
    assert set(REASONS.DEPENDS) <= set(REASONS.CODES)
    assert {code for codes in REASONS.CODES.values() for code in codes} <= set(Reason)


def test_the_table_tells_enough_kinds_of_refusal_apart() -> None:
    refusals = {REASONS.codes(c) for c in CASES.values() if c["expected"] == "refused"}
    assert len({code for codes in refusals for code in codes}) >= 30
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


@pytest.mark.parametrize("trust", [{"type": "vouched"}, {"type": "key", "key": "keys/ec1.pub", "tlog": "none"}])
def test_trust_that_cannot_be_configured_is_undecided_and_never_verified(
    trust: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ec1.pub").write_text("no key")
    line = HARNESS.run_case(tmp_path, {**CASES["legacy-key-ec1"], "trust": trust}, "127.0.0.1:1")
    assert (line["outcome"], line["reason"]) == ("undecided", "trust-unavailable")
    assert "cannot be configured" in capsys.readouterr().err


def written(case_id: str, place: Path) -> dict[str, dict[str, Any]]:
    """Return the documents of a case, by kind."""
    HARNESS.write_policies(place, FIXTURES, CASES[case_id], "h:1")
    documents = list(yaml.safe_load_all((place / "corpus.yaml").read_text()))
    return {document["kind"]: document["spec"] for document in documents}


def test_a_key_without_log_needs_no_trust(tmp_path: Path) -> None:
    documents = written("legacy-key-ec1", tmp_path)
    assert set(documents) == {"Signers", "Policy"}
    assert documents["Signers"]["trusted"] == {"key": {"file": "keys/ec1.pub"}, "tlog": "none"}


def test_own_authorities_and_time_stamps_become_a_root(tmp_path: Path) -> None:
    documents = written("legacy-cert-expired-timestamped", tmp_path)
    assert documents["Trust"]["roots"]["stack"] == {
        "authorities": [{"files": ["trust/ca-root.pem", "trust/ca-intermediate.pem"]}],
        "timestampAuthorities": [{"files": ["trust/tsa-chain.pem"]}],
    }
    keyless = documents["Signers"]["trusted"]["keyless"]
    assert (keyless["tlog"], keyless["timestamps"], keyless["sct"]) == ("none", "required", "none")
    assert (tmp_path / "trust" / "tsa-chain.pem").is_file()


def test_time_stamps_are_no_part_of_an_own_authority_that_does_not_say_so(tmp_path: Path) -> None:
    keyless = written("legacy-cert-expired-timestamp-not-asked", tmp_path)["Signers"]["trusted"]["keyless"]
    assert keyless["timestamps"] == "none"


def test_patterns_are_written_so_that_they_have_to_match_whole(tmp_path: Path) -> None:
    keyless = written("bundle-keyless-regexp", tmp_path)["Signers"]["trusted"]["keyless"]
    assert keyless["subjectPattern"] == r".*@acme\.test"
    assert keyless["issuerPattern"] == r"http://127\.0\.0\.1:[0-9]+/email"


def test_the_stores_of_a_notation_policy_stand_in_a_trust_document(tmp_path: Path) -> None:
    documents = written("notation-jws-timestamped", tmp_path)
    assert set(documents["Trust"]["stores"]) == {"ca:main", "tsa:stack"}
    assert set(written("notation-unsigned-skip-level", tmp_path)) == {"Signers", "Policy"}
    rule = written("notation-jws-metadata-right", tmp_path)["Policy"]["require"][0]
    assert rule["signature"]["annotations"] == {"env": "prod"}


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
@pytest.mark.timeout(1000)
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
        seen = run(FIXTURES, "--host", host, "--plain-host", plain_host)
    compare(seen, CASES)
