"""Every reason that this version gives comes with what to do about it, and the page of reasons says the same."""

from pathlib import Path

from preverify.model.reasons import Reason
from preverify.model.remedies import REMEDIES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reasons.md").read_text()


def test_only_reasons_that_are_not_given_yet_have_no_remedy() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    later = {name for name, line in rows.items() if "*later*" in line}
    assert {reason.value for reason in Reason} - {reason.value for reason in REMEDIES} == later | {"ok"}


def test_the_page_says_what_the_command_says() -> None:
    for reason, remedy in REMEDIES.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{reason.value}` |")]
        assert remedy.rstrip(".") in row, reason
