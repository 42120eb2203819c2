"""Scores are computed from vectors: what a report writes beside one is not believed."""

from itertools import product

import pytest

from preverify.model.contents import Severity
from preverify.model.cvss import base_score, severity_of

# The examples of FIRST's "Common Vulnerability Scoring System v3.1: Examples", and Log4Shell.
EXAMPLES = {
    "AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H": 10.0,
    "AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N": 6.1,
    "AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N": 6.4,
    "AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N": 3.1,
    "AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H": 9.9,
    "AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L": 4.2,
    "AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H": 8.8,
    "AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H": 7.8,
    "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N": 7.5,
    "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H": 9.8,
    "AV:N/AC:H/PR:N/UI:N/S:C/C:N/I:H/A:N": 6.8,
    "AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H": 6.8,
    "AV:N/AC:L/PR:N/UI:N/S:C/C:N/I:L/A:N": 5.8,
    "AV:A/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:H": 9.3,
    "AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N": 5.4,
    "AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N": 4.6,
    "AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:N": 7.4,
    "AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N": 0.0,
}
SECOND = {
    "AV:N/AC:L/Au:N/C:N/I:N/A:C": 7.8,  # CVE-2002-0392
    "AV:N/AC:L/Au:N/C:C/I:C/A:C": 10.0,  # CVE-2003-0818
    "AV:L/AC:H/Au:N/C:C/I:C/A:C": 6.2,  # CVE-2003-0062
    "AV:N/AC:M/Au:N/C:P/I:N/A:N": 4.3,  # CVE-2014-3566
    "AV:N/AC:L/Au:N/C:P/I:N/A:N": 5.0,  # CVE-2014-0160
    "AV:N/AC:L/Au:N/C:N/I:N/A:N": 0.0,
}


@pytest.mark.parametrize("version", ["3.0", "3.1"])
@pytest.mark.parametrize(("vector", "score"), EXAMPLES.items())
def test_published_examples_of_version_3_have_their_scores(version: str, vector: str, score: float) -> None:
    assert base_score(f"CVSS:{version}/{vector}") == score


@pytest.mark.parametrize(("vector", "score"), SECOND.items())
def test_published_examples_of_version_2_have_their_scores(vector: str, score: float) -> None:
    assert base_score(vector) == score == base_score(f"({vector})")


def test_every_vector_has_a_score_with_one_decimal() -> None:
    for values in product("NALP", "LH", "NLH", "NR", "UC", "HLN", "HLN", "HLN"):
        vector = "CVSS:3.1/AV:{}/AC:{}/PR:{}/UI:{}/S:{}/C:{}/I:{}/A:{}".format(*values)
        score = base_score(vector)
        assert score is not None, vector
        assert 0 <= score <= 10, vector
        assert round(score, 1) == score, vector


def test_order_and_further_metrics_do_not_change_a_base_score() -> None:
    assert base_score("CVSS:3.1/A:H/I:H/C:H/S:U/UI:N/PR:N/AC:L/AV:N/E:U/RL:O/RC:X/MAV:P/CR:L") == 9.8
    assert base_score("AV:N/AC:L/Au:N/C:N/I:N/A:C/E:F/RL:OF/RC:C/CDP:ND/TD:H/CR:M") == 7.8


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "CVSS:3.1/",
        "CVSS:3.1/AV:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/A:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:C",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/XX:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:XU",
        "CVSS:3.1/AV:NA/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.2/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "cvss:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        "AV:N/AC:L/Au:N/C:N/I:N",
        "9.8",
        "HIGH",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/" + "/".join(["E:X"] * 200),
    ],
)
def test_anything_else_has_no_score(vector: str) -> None:
    assert base_score(vector) is None


@pytest.mark.parametrize(
    ("score", "third", "second"),
    [
        (0.0, Severity.NONE, Severity.NONE),
        (0.1, Severity.LOW, Severity.LOW),
        (3.9, Severity.LOW, Severity.LOW),
        (4.0, Severity.MEDIUM, Severity.MEDIUM),
        (6.9, Severity.MEDIUM, Severity.MEDIUM),
        (7.0, Severity.HIGH, Severity.HIGH),
        (8.9, Severity.HIGH, Severity.HIGH),
        (9.0, Severity.CRITICAL, Severity.HIGH),
        (10.0, Severity.CRITICAL, Severity.HIGH),
    ],
)
def test_each_score_has_its_word(score: float, third: Severity, second: Severity) -> None:
    assert severity_of(score) is third
    assert severity_of(score, version_2=True) is second
