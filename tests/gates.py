"""Every gate, in one place: `python3 try.py test` and CI run this file, and nothing else decides what passes.

All gates run even after one has failed; the exit code is 1 when any did. Arguments go to pytest. When they select a
part of the tests, the coverage gate says that it was left out. pytest's closing line is printed last.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PURE = ("model", "webhooks", "verify", "policy", "attest", "admission")
"""Packages that a test can drive through every branch, because they touch nothing outside."""

WHOLE_RUN = re.compile(r"^(--run-slow|--run-all-tools|-q+|-v+|-x|--durations=\d+|-n\d+|-p|randomly|no:randomly)$")
"""Arguments that still run every test."""

STATIC: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ruff check", ("ruff", "check", "--quiet", ".")),
    ("ruff format", ("ruff", "format", "--check", "--quiet", ".")),
    ("mypy", ("mypy", "--no-error-summary")),
    ("lint-imports", ("lint-imports", "--no-logo")),
    ("deptry", ("deptry", "daemon", "--no-ansi")),
)


class Report:
    """What each gate concluded."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def gate(self, name: str, check: Callable[[], str]) -> None:
        """Run one gate; `check` returns what is wrong, or nothing."""
        began = time.monotonic()
        wrong = check().strip()
        print(f"{'FAIL' if wrong else 'ok':<5} {name:<16} {time.monotonic() - began:6.1f} s", flush=True)
        if wrong:
            self.failed.append(name)
            print("\n".join(f"      {line}" for line in wrong.splitlines()), flush=True)


def program(command: tuple[str, ...]) -> str:
    """Run a checker of the environment; return its output when it fails."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit code {done.returncode}"


def lock_problems(text: str) -> list[str]:
    """Return what is wrong with a lock: an address in it, an option, or a requirement without a hash or a version."""
    problems = []
    for number, line in enumerate(text.splitlines(), start=1):
        if ("://" in line or line.lstrip().startswith("-")) and not line.lstrip().startswith("--hash=sha256:"):
            problems.append(f"line {number}: an index, address or option does not belong here: {line.strip()}")
    for block in re.split(r"(?<!\\)\n", text):
        if block.strip() and not block.startswith("#") and ("==" not in block or "--hash=sha256:" not in block):
            problems.append(f"not pinned with a version and a hash: {block.split()[0]}")
    return problems


def unlocked(project: dict[str, Any], text: str) -> list[str]:
    """Return the dependencies of pyproject.toml that the lock does not have in a version that they allow."""
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    problems = []
    for each in map(Requirement, wanted):
        found = locked.get(canonicalize_name(each.name), "nothing")
        if found == "nothing" or not each.specifier.contains(found, prereleases=True):
            problems.append(f"pyproject.toml wants {each}, the lock has {found}; CONTRIBUTING.md says how to lock anew")
    return problems


def lock() -> str:
    """Check the lock file, and that it is one of this project."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return "\n".join([*lock_problems(text), *unlocked(project, text)])


def uncovered(measured: dict[str, object]) -> list[str]:
    """Return one line for each pure module whose branches are not all covered, from coverage's JSON report."""
    files = measured["files"]
    assert isinstance(files, dict)
    problems, seen = [], set()
    for name, data in sorted(files.items()):
        room = re.search(r"daemon/preverify/(\w+)/", name)
        if room is None or room[1] not in PURE:
            continue
        seen.add(room[1])
        if data["missing_lines"] or data["missing_branches"]:
            branches = [f"{start}->{end}" for start, end in data["missing_branches"]]
            problems.append(f"{name}: lines {data['missing_lines']}, branches {branches}")
    return problems + [f"nothing of preverify.{room} was measured" for room in PURE if room not in seen]


def pytest(arguments: list[str], report: Path) -> tuple[int, str]:
    """Run the tests, their output as it comes; return the exit code and the closing line."""
    command = [sys.executable, "-m", "pytest", "-q", "--cov", f"--cov-report=json:{report}"]
    if not any(argument.startswith("-n") for argument in arguments):
        command += ["-n", str(min(4, os.cpu_count() or 1)), "--dist", "worksteal"]
    closing = ""
    with subprocess.Popen(
        [*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            if re.match(r"^(=+ )?(\d+ \w+|no tests ran)(, \d+ \w+)* in [\d.]+s", line):
                closing = line.strip()
    return child.returncode, closing


def main(arguments: list[str]) -> int:
    """Run all gates, then the tests, then what the tests' coverage says."""
    report = Report()
    for name, command in STATIC:
        report.gate(name, lambda command=command: program(command))
    report.gate("requirements.lock", lock)
    with tempfile.TemporaryDirectory() as directory:
        measured = Path(directory) / "coverage.json"
        code, closing = pytest(arguments, measured)
        if code != 0:
            report.failed.append("pytest")
        if all(WHOLE_RUN.match(argument) for argument in arguments):
            report.gate(
                "pure coverage",
                lambda: "\n".join(uncovered(json.loads(measured.read_text()))) if measured.exists() else "no report",
            )
        else:
            print("      pure coverage was not judged: the arguments select a part of the tests")
    print(f"\nfailed gates: {', '.join(report.failed)}" if report.failed else "\nall gates passed")
    print(closing or f"pytest ended with {code} and no closing line")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
