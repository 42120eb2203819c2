"""Compares our conclusions on a directory of signed test images with those of cosign v2, cosign v3 and notation.

    python3 tests/differential.py DIR [--bin BIN] [--only PART] [--layouts]

What the tools conclude is read from `confirmed_by` of DIR's `cases.json`, where it was recorded when they ran; with
--bin, the programs `cosign2`, `cosign3` and `notation` of that directory are run now instead (one that is not there is
left out). Ours comes from `corpus.py`, which reads nothing of what a case says of the right answer. Prints how often
each tool and we agree, by format, and every disagreement; `docs/differential.md` explains each.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import corpus

Case = dict[str, Any]
SECONDS = 180
_VERDICTS = {True: "verified", False: "refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one tool concludes about one case."""

    case: str
    format: str
    tool: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A case that a tool and we conclude differently about."""

    case: str
    tool: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"`{self.case}`: {self.tool} {self.theirs}, we {self.ours}"


def main() -> int:
    """Print the comparison; 0 whatever it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--bin", type=Path, help="directory of cosign2, cosign3 and notation, to run them now")
    parser.add_argument("--only", default="", help="only cases whose id holds this")
    parser.add_argument("--layouts", action="store_true", help="ours from layout directories instead of a registry")
    options = parser.parse_args()
    directory = options.directory.resolve()
    cases = [case for case in read_cases(directory) if options.only in case["id"]]
    theirs = list(recorded(cases) if options.bin is None else run_tools(directory, cases, options.bin))
    ours = our_verdicts(directory, layouts=options.layouts)
    for line in report(theirs, ours):
        print(line)
    return 0


def read_cases(directory: Path) -> list[Case]:
    """Return the cases, whole."""
    cases: list[Case] = json.loads((directory / "cases.json").read_bytes())["cases"]
    return cases


# --- theirs ---


def recorded(cases: Iterable[Case]) -> Iterator[Said]:
    """Yield what the tools concluded when the cases were made."""
    for case in cases:
        for seen in case["confirmed_by"]:
            verdict = _VERDICTS[seen["exit"] == 0]
            yield Said(case=case["id"], format=case["format"], tool=seen["tool"], verdict=verdict)


def run_tools(directory: Path, cases: Sequence[Case], programs: Path) -> Iterator[Said]:
    """Run each case's commands now, against the directory's own registries."""
    document = json.loads((directory / "cases.json").read_bytes())
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="differential-"))
        stack.enter_context(corpus.revocation_lists(directory))
        hosts = corpus.Hosts(directory, None, None, stack)
        environment = {**os.environ, "HOME": home, "COSIGN_PASSWORD": document["password"]}
        jobs = [
            (case, command, hosts.of(case))
            for case in cases
            for command in case["commands"]
            if os.access(programs / command["tool"], os.X_OK)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(2))

        def run(job: tuple[Case, dict[str, Any], str]) -> Said:
            case, command, host = job
            texts = {"{ref}": corpus.reference_of(case, host), "{fx}": str(directory), "{host}": host}
            extra = {**document.get("env", {}), **command.get("env", {})}
            own = {key: _filled(text, texts) for key, text in extra.items()}
            arguments = [_filled(text, texts) for text in command["args"]]
            done = subprocess.run(
                [str(programs / command["tool"]), *arguments],
                env={**environment, **own},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=SECONDS,
            )
            verdict = _VERDICTS[done.returncode == 0]
            return Said(case=case["id"], format=case["format"], tool=command["tool"], verdict=verdict)

        yield from pool.map(run, jobs)


def _filled(text: str, texts: Mapping[str, str]) -> str:
    for name, value in texts.items():
        text = text.replace(name, value)
    return text


# --- ours ---


def our_verdicts(directory: Path, *, layouts: bool = False) -> dict[str, str]:
    """Run the corpus and return our conclusions by case."""
    command = [sys.executable, str(Path(corpus.__file__)), str(directory), *(["--layouts"] if layouts else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1800)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["id"]: line["outcome"] for line in lines}


# --- both ---


def disagreements(theirs: Iterable[Said], ours: Mapping[str, str]) -> list[Disagreement]:
    """Return where a tool and we conclude differently, in the cases' order."""
    return [
        Disagreement(case=said.case, tool=said.tool, theirs=said.verdict, ours=ours[said.case])
        for said in theirs
        if said.case in ours and said.verdict != ours[said.case]
    ]


def report(theirs: Sequence[Said], ours: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the report."""
    compared: Counter[tuple[str, str]] = Counter()
    agreed: Counter[tuple[str, str]] = Counter()
    for said in theirs:
        if said.case in ours:
            compared[said.format, said.tool] += 1
            agreed[said.format, said.tool] += said.verdict == ours[said.case]
    for form, tool in sorted(compared):
        yield f"{form:<16} {tool:<9} {agreed[form, tool]:>4} of {compared[form, tool]} agree"
    for each in disagreements(theirs, ours):
        yield str(each)


if __name__ == "__main__":
    corpus.in_own_environment()
    sys.exit(main())
