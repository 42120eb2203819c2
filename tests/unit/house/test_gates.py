"""The gates are code that decides what passes, so they are tested: each has something that it must refuse."""

import subprocess
import sys
from pathlib import Path

import pytest

import gates

LOCK = r"""# a comment
alembic==1.20.1 \
    --hash=sha256:aa \
    --hash=sha256:bb
attrs==26.1.0 ; python_version < '4' \
    --hash=sha256:cc
"""


def test_a_pinned_and_hashed_lock_passes() -> None:
    assert gates.lock_problems(LOCK) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://index.example/simple",
        "-i https://index.example/simple",
        "--find-links /wheels",
        "thing @ https://files.example/thing.whl --hash=sha256:aa",
        "# from https://index.example/simple",
        "attrs==26.1.0",
        "attrs>=26 --hash=sha256:cc",
    ],
)
def test_an_address_an_option_or_a_loose_requirement_is_refused(line: str) -> None:
    assert gates.lock_problems(LOCK + line + "\n")


@pytest.mark.parametrize("wanted", ["nonesuch>=1", "alembic>=2", "attrs==25.0.0"])
def test_a_dependency_that_is_not_locked_as_wanted_is_named(wanted: str) -> None:
    project = {"dependencies": ["alembic>=1.20", wanted], "optional-dependencies": {"dev": ["Attrs"]}}
    (problem,) = gates.unlocked(project, LOCK)
    assert wanted in problem


def test_the_lock_of_this_project_passes() -> None:
    assert gates.lock() == ""


def measured(**files: dict[str, object]) -> dict[str, object]:
    whole = {"missing_lines": [], "missing_branches": []}
    pure = {f"daemon/preverify/{room}/__init__.py": whole for room in gates.PURE}
    return {"files": {**pure, **files}}


def test_full_coverage_of_the_pure_rooms_passes_and_others_do_not_count() -> None:
    other = {"missing_lines": [3], "missing_branches": []}
    assert gates.uncovered(measured(**{"daemon/preverify/store/history.py": other})) == []


@pytest.mark.parametrize(
    "missing", [{"missing_lines": [7], "missing_branches": []}, {"missing_lines": [], "missing_branches": [[7, -1]]}]
)
def test_a_line_or_branch_of_a_pure_room_that_was_not_reached_is_named(missing: dict[str, object]) -> None:
    (problem,) = gates.uncovered(measured(**{"daemon/preverify/verify/statements/envelope.py": missing}))
    assert "verify/statements/envelope.py" in problem
    assert "7" in problem


def test_a_pure_room_that_was_not_measured_is_named() -> None:
    report = measured()
    files = report["files"]
    assert isinstance(files, dict)
    del files["daemon/preverify/attest/__init__.py"]
    assert gates.uncovered(report) == ["nothing of preverify.attest was measured"]


def test_the_rooms_that_are_pure_are_those_of_the_import_contract() -> None:
    """A room added to one list only would be pure in name."""
    import tomllib

    project = tomllib.loads((gates.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (pure,) = [contract for contract in contracts if contract["name"] == "Pure packages touch nothing"]
    assert {name.removeprefix("preverify.") for name in pure["source_modules"]} == set(gates.PURE)


def test_a_failing_checker_is_reported_with_its_output_and_the_rest_still_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os\n")
    report = gates.Report()
    report.gate("ruff", lambda: gates.program(("ruff", "check", "--isolated", str(bad))))
    report.gate("fine", lambda: gates.program(("ruff", "--version")))
    assert report.failed == ["ruff"]
    printed = capsys.readouterr().out
    assert "FAIL  ruff" in printed
    assert "F401" in printed
    assert "ok    fine" in printed


@pytest.mark.parametrize(
    ("lines", "code", "closing"),
    [
        ("3 passed in 0.02s", 0, "3 passed in 0.02s"),
        ("==== 1 failed, 2 passed in 1.50s ====", 1, "==== 1 failed, 2 passed in 1.50s ===="),
        ("3 passed, 2 skipped, 1 xfailed in 61.50s (0:01:01)", 0, "3 passed, 2 skipped, 1 xfailed in 61.50s (0:01:01)"),
        ("no tests ran in 0.01s", 5, "no tests ran in 0.01s"),
        ("1 passed in spirit", 4, ""),
    ],
)
def test_the_closing_line_of_pytest_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: str, code: int, closing: str
) -> None:
    """Runners read it, so it has to be the last thing printed."""
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nprintf '%s\\n' '{lines}' 'Using --randomly-seed=1'\nexit {code}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    assert gates.pytest([], tmp_path / "report.json") == (code, closing)


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ([], True),
        (["--run-slow"], True),
        (["-n0", "-vv", "-p", "no:randomly"], True),
        (["tests/unit"], False),
        (["-k", "x"], False),
    ],
)
def test_coverage_is_judged_only_where_every_test_ran(arguments: list[str], whole: bool) -> None:
    assert all(gates.WHOLE_RUN.match(argument) for argument in arguments) is whole


def test_a_failing_test_fails_the_run_and_its_closing_line_comes_last(tmp_path: Path) -> None:
    """The one place that decides, as CI starts it, on a failing and a passing test."""
    for body, code in (("assert False", 1), ("assert True", 0)):
        test = tmp_path / "test_it.py"
        test.write_text(f"def test_it():\n    {body}\n")
        script = (
            "import sys; sys.path.insert(0, sys.argv[1]); import gates; gates.STATIC = ();"
            "plain = ['-n0', '-p', 'no:cacheprovider', '--no-cov', '-c', '/dev/null'];"
            "sys.exit(gates.main([*plain, '--rootdir', sys.argv[2], sys.argv[2]]))"
        )
        command = [sys.executable, "-c", script, str(gates.ROOT / "tests"), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1].startswith("1 failed" if code else "1 passed")
