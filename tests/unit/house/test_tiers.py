"""What was skipped is listed with the command that runs it: nobody should take a partial run for a whole one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
SAMPLE = """
import pytest

@pytest.mark.slow
def test_long(): pass

@pytest.mark.tools_all
def test_heavy(): pass

@pytest.mark.tools
def test_tool(tool): assert tool("preverify-nonesuch").read_text()

@pytest.mark.tools
def test_shell(tool): assert tool("sh").exists()
"""
LISTED = {
    "slow": "python3 try.py test --run-slow",
    "tools_all": "python3 try.py test --tools all",
    "tools": "python3 try.py test --tools",
}


def run(tmp_path: Path, *arguments: str, **changes: str) -> str:
    """Run pytest on the sample with our conftest as a plugin; return what it printed."""
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    markers = "\n ".join(LISTED)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = --strict-markers\nmarkers =\n {markers}\n")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", *arguments, "."]
    environment = {**os.environ, "PYTHONPATH": str(TESTS), **changes}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "skipped"),
    [
        ((), {"slow", "tools_all", "tools"}),
        (("--run-slow",), {"tools_all", "tools"}),
        (("--run-all-tools", "--run-slow"), {"tools"}),
    ],
)
def test_each_skipped_tier_is_listed_with_its_command(
    tmp_path: Path, arguments: tuple[str, ...], skipped: set[str]
) -> None:
    printed = run(tmp_path, *arguments)
    listed = dict(line.split(None, 1) for line in printed.splitlines() if "enable: " in line)
    assert set(listed) == skipped
    for tier in skipped:
        assert listed[tier].endswith(f"1 skipped   enable: {LISTED[tier]}")
    assert f"{4 - len(skipped)} passed, {len(skipped)} skipped" in printed


def test_a_tool_is_taken_from_the_named_directory_first(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("preverify-nonesuch", "sh"):
        (tmp_path / "bin" / name).write_text("#!/bin/true\n")
        (tmp_path / "bin" / name).chmod(0o755)
    assert "2 passed, 2 skipped" in run(tmp_path, PREVERIFY_TOOLS=str(tmp_path / "bin"))
