"""Our conclusions beside those of cosign v2, cosign v3 and notation: the page explains each disagreement, and no other.

Ours are the fixtures' expected ones: `test_corpus.py` shows that they are.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import differential

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "vectors" / "fixtures"
PAGE = (ROOT / "docs" / "differential.md").read_text()
CASES = differential.read_cases(FIXTURES)
OURS = {case["id"]: case["expected"] for case in CASES}
LINE = re.compile(r"^- (`[a-z0-9-]+`: \w+ \w+, we \w+)$", re.MULTILINE)
TOOLS = {
    "cosign's tag format": "cosign-legacy",
    "Sigstore bundles": "sigstore-bundle",
    "Notation, JWS and COSE": "notation",
}


def explained() -> list[str]:
    return sorted(LINE.findall(PAGE))


def test_the_page_explains_each_recorded_disagreement_and_no_other() -> None:
    found = differential.disagreements(differential.recorded(CASES), OURS)
    assert explained() == sorted(map(str, found))


def test_the_page_counts_what_agrees() -> None:
    said = list(differential.recorded(CASES))
    compared = Counter((each.format, each.tool) for each in said)
    agreed = Counter((each.format, each.tool) for each in said if each.verdict == OURS[each.case])
    for words, form in TOOLS.items():
        for tool in ("cosign2", "cosign3", "notation"):
            if compared[form, tool]:
                name = tool.replace("cosign", "cosign v")
                row = rf"\| {re.escape(words)} \| {name}[^|]*\| {agreed[form, tool]} of {compared[form, tool]} \|"
                assert re.search(row, PAGE), (words, tool)


def test_what_the_report_says() -> None:
    said = [
        differential.Said(case="a", format="notation", tool="notation", verdict="verified"),
        differential.Said(case="b", format="notation", tool="notation", verdict="refused"),
        differential.Said(case="elsewhere", format="notation", tool="notation", verdict="refused"),
    ]
    lines = list(differential.report(said, {"a": "verified", "b": "undecided"}))
    assert lines == [
        "notation         notation     1 of 2 agree",
        "`b`: notation refused, we undecided",
    ]


@pytest.mark.tools_all
@pytest.mark.timeout(1800)
def test_the_tools_still_conclude_what_was_recorded(tool: Callable[[str], Path]) -> None:
    """cosign v2 and v3, and a program over notation's own library, on every case."""
    places = {tool(name).parent for name in ("cosign2", "cosign3", "notation")}
    (place,) = places
    said = list(differential.run_tools(FIXTURES, CASES, place))
    assert len(said) == sum(len(case["commands"]) for case in CASES)
    assert explained() == sorted(map(str, differential.disagreements(said, OURS)))
