"""The fuzz entry of each format: a short run in every test run, a longer one with the slow campaigns."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from campaigns.fuzz import FORMATS, Broken, fuzz, once
from campaigns.parts import with_body
from support.fixtures import seed

SEED = random.SystemRandom().randrange(2**32)
ENTRY = Path(__file__).parent / "fuzz.py"


@pytest.mark.parametrize("name", FORMATS)
def test_the_reader_answers_with_findings_whatever_it_reads(name: str) -> None:
    print(f"seed {SEED}: {fuzz(name, seconds=20, seed=SEED, most=150)} calls")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_the_reader_answers_with_findings_for_a_minute(name: str) -> None:
    print(f"seed {SEED}: {fuzz(name, seconds=60, seed=SEED)} calls")


def test_the_entry_runs_as_a_program() -> None:
    command = [sys.executable, str(ENTRY), "cosign-signature", "--seconds", "0.5", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "seed 7" in done.stdout
    assert "nothing but findings" in done.stdout


def test_an_exception_ends_the_run_and_keeps_the_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    one = seed("legacy-key-ec1")
    assert one is not None

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("as if")

    monkeypatch.setattr("support.fixtures.verify", broken)
    with pytest.raises(Broken, match="RuntimeError: as if; the evidence is in") as caught:
        once(one, with_body(one.evidence[0], b"{}"))
    kept = Path(str(caught.value).rpartition(" ")[2])
    assert "legacy-key-ec1" in kept.read_text()
    kept.unlink()
