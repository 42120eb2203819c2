"""`try.py demo`, as people run it. CI does not run the command again: this is where it runs."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import pytest

from preverify.demo.catalogue import ROWS
from preverify.model.verdicts import AnswerState

SECONDS = 180
COMMAND = [sys.executable, "-m", "preverify.demo", "--port", "0"]


def rows(printed: str) -> dict[str, tuple[str, str, str]]:
    """Return image -> (short digest, answer, why) of the printed table."""
    found = re.findall(r"^    (\S+:\S+) +([0-9a-f]{12})  (\w+) +(.+)$", printed, re.MULTILINE)
    return {image: (digest, answer, why) for image, digest, answer, why in found}


def test_once_checks_every_expectation_and_leaves_nothing_running(tmp_path: Path) -> None:
    state = tmp_path / "demo-state"
    command = [*COMMAND, "--once", "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT AS EXPECTED" not in done.stdout
    assert [line[:5] for line in done.stdout.splitlines()[:5]] == [f"[{n}/5]" for n in range(1, 6)]
    table = rows(done.stdout)
    assert list(table) == [row.name for row in ROWS]
    for row in ROWS:
        _, answer, why = table[row.name]
        assert answer == row.state.value.upper()
        assert row.state is AnswerState.VERIFIED or f"-> {row.reason.value}: " in why
    passed = sum(row.state is AnswerState.VERIFIED for row in ROWS)
    assert f"{passed} VSAs signed (demo key) and attached" in done.stdout
    assert running(state) == []


def running(state: Path) -> list[str]:
    """Return the processes whose command line names a demo's directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if str(state).encode() in line:
            found.append(f"{path.parent.name}: {line!r}")
    return found


@contextmanager
def staying(state: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the demo without `--once` until the block ends; yields it and what it printed."""
    log = state.with_suffix(".log")
    with log.open("wb") as output:
        demo = subprocess.Popen([*COMMAND, "--state", str(state)], stdout=output, stderr=output)
    try:
        deadline = monotonic() + SECONDS
        while "Stop: Ctrl-C" not in log.read_text():
            assert demo.poll() is None, log.read_text()
            assert monotonic() < deadline, log.read_text()
            sleep(0.1)
        yield demo, log.read_text()
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGTERM)
            demo.wait(timeout=60)


def ask(state: Path, *arguments: str) -> tuple[int, str, str]:
    """Run `try.py lookup` as try.py does."""
    command = [*COMMAND, "--state", str(state), "--lookup", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_it_stays_up_answers_questions_and_stops_cleanly(tmp_path: Path) -> None:
    state = tmp_path / "demo-state"
    with staying(state) as (demo, printed):
        table = rows(printed)
        code, out, _ = ask(state, table["shop/api:1.4"][0])  # the short form of the table is enough
        assert code == 0
        assert out.startswith("200 ")
        assert json.loads(out[4:])["answer"] == "verified"
        code, out, _ = ask(state, f"sha256:{table['shop/unsigned:1.0'][0]}")
        assert code == 1
        assert out.startswith("403 ")
        code, out, _ = ask(state, "sha256:" + "0" * 64)
        assert code == 3
        assert out.startswith("404 ")
        assert "write more of it" in ask(state, "sha256:")[2]
        metrics = re.search(r"Metrics: http://(\S+)/metrics", printed)
        assert metrics
        connection = HTTPConnection(metrics[1], timeout=10)
        connection.request("GET", "/metrics")
        assert b"preverify_" in connection.getresponse().read()
        connection.close()
        again = subprocess.run(
            [*COMMAND, "--once", "--state", str(state)], capture_output=True, text=True, check=False, timeout=60
        )
        assert again.returncode == 1
        assert f"a demo runs already (process {demo.pid})" in again.stderr
        os.kill(demo.pid, signal.SIGINT)
        assert demo.wait(timeout=60) == 0
    assert running(state) == []
    assert "is it still running?" in ask(state, table["shop/api:1.4"][0])[2]


def test_a_directory_that_is_no_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    done = subprocess.run(
        [*COMMAND, "--once", "--state", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "is not a directory of an earlier demo" in done.stderr
    assert (tmp_path / "precious").read_text() == "keep me"


def test_lookup_without_a_demo_says_how_to_start_one(tmp_path: Path) -> None:
    code, _, problem = ask(tmp_path, "sha256:00")
    assert code == 1
    assert "start one with: python3 try.py demo" in problem


@pytest.mark.parametrize("argument", ["--frob", "--port=x"])
def test_a_wrong_argument_is_a_usage_error(argument: str) -> None:
    assert subprocess.run([*COMMAND, argument], capture_output=True, check=False, timeout=60).returncode == 2
