"""Every reason that this version gives comes with what to do about it, and the page of reasons says the same."""

import re
from pathlib import Path

import preverify
from preverify.model.reasons import Reason
from preverify.model.remedies import REMEDIES

PACKAGE = Path(preverify.__file__).parent
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reasons.md").read_text()


def test_only_reasons_that_are_not_given_yet_have_no_remedy() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    later = {name for name, line in rows.items() if "*later*" in line}
    assert {reason.value for reason in Reason} - {reason.value for reason in REMEDIES} == later | {"ok"}


def test_the_page_says_what_the_command_says() -> None:
    for reason, remedy in REMEDIES.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{reason.value}` |")]
        assert remedy.rstrip(".") in row, reason


def test_reasons_that_the_code_gives_are_those_with_a_remedy() -> None:
    """A reason may not be called *later* once something gives it."""
    sources = [file for file in PACKAGE.rglob("*.py") if file.name not in ("reasons.py", "remedies.py")]
    given = {name for file in sources for name in re.findall(r"\bReason\.([A-Z_]+)\b", file.read_text())}
    assert {Reason[name] for name in given} == {*REMEDIES, Reason.OK}
