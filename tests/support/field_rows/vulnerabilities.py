"""Rows of the rule `vulnerabilities`: each field holds and is violated alone, by one scan, bill or VEX document."""

from typing import Any

from preverify.model.verdicts import Answer
from support.policies import NOW
from support.scans import HOUR, Piece, answer, bill, found, matches, own_bill, scan, vex

SCANS = "scans: {by: {any: [release]}}"
HIGH = f"{SCANS}, maxSeverity: high"
SEEN = bill()
OWN = own_bill()


def pair(kept: str, violated: str, *pieces: Piece) -> tuple[Answer, Answer]:
    """Ask about the same evidence under a demand that holds and one that does not."""
    return answer(kept, *pieces), answer(violated, *pieces)


def over(demand: str, kept: dict[str, Any], violated: dict[str, Any]) -> tuple[Answer, Answer]:
    """Ask under one demand about a vulnerability that is within it and one that is not."""
    return answer(demand, scan(found(**kept))), answer(demand, scan(found(**violated)))


ROWS = {
    "RuleSpec.vulnerabilities": over(HIGH, {"severity": "high"}, {"severity": "critical"}),
    "VulnerabilitiesSpec.scans": (answer(HIGH, scan()), answer(HIGH, scan(found()))),
    "VulnerabilitiesSpec.matched": pair(
        "matched: {by: {any: [release]}}, maxSeverity: high",
        "matched: {by: {any: [vendor]}}, maxSeverity: high",
        *(SEEN, matches(SEEN)),
    ),
    "VulnerabilitiesSpec.scanner": pair(f"{HIGH}, scanner: true", HIGH, OWN, matches(OWN)),
    "VulnerabilitiesSpec.max_severity": pair(HIGH, f"{SCANS}, maxSeverity: medium", scan(found(severity="high"))),
    "VulnerabilitiesSpec.max_score": pair(
        f"{SCANS}, maxScore: 8.1", f"{SCANS}, maxScore: 8", scan(found(severity="high", score=8.1))
    ),
    "VulnerabilitiesSpec.max_epss": pair(f"{SCANS}, maxEpss: 0.5", f"{SCANS}, maxEpss: 0.4", scan(found(epss=0.5))),
    "VulnerabilitiesSpec.exploited": pair(
        HIGH, f"{HIGH}, exploited: deny", scan(found(severity="low", exploited=True))
    ),
    "VulnerabilitiesSpec.unknown_severity": pair(
        f"{HIGH}, unknownSeverity: allow", f"{HIGH}, unknownSeverity: deny", scan(found(severity="unknown"))
    ),
    "VulnerabilitiesSpec.fixable": pair(f"{HIGH}, fixable: true", HIGH, scan(found())),
    "VulnerabilitiesSpec.grace": pair(f"{HIGH}, grace: 2h", f"{HIGH}, grace: 1h", scan(found(published=NOW - HOUR))),
    "VulnerabilitiesSpec.max_scan_age": pair(
        f"{HIGH}, maxScanAge: 3h", f"{HIGH}, maxScanAge: 2h", scan(finished=NOW - 2 * HOUR)
    ),
    "VulnerabilitiesSpec.max_database_age": pair(
        f"{HIGH}, maxDatabaseAge: 3h", f"{HIGH}, maxDatabaseAge: 2h", scan(database_at=NOW - 2 * HOUR)
    ),
    "VulnerabilitiesSpec.vex": pair(f"{HIGH}, vex: {{by: {{any: [vendor]}}}}", HIGH, scan(found()), vex()),
    "VulnerabilitiesSpec.unjudged": pair(
        f"{HIGH}, unjudged: allow", f"{HIGH}, unjudged: deny", scan(unjudged=("debian 9 is out of support",))
    ),
    "ScansSpec.by": pair(HIGH, "scans: {by: {any: [vendor]}}, maxSeverity: high", scan()),
    "MatchedSpec.by": pair(
        "matched: {by: {any: [release]}}, maxSeverity: high",
        "matched: {by: {all: [release, vendor]}}, maxSeverity: high",
        *(SEEN, matches(SEEN)),
    ),
    "VexSpec.by": pair(
        f"{HIGH}, vex: {{by: {{any: [vendor]}}}}",
        f"{HIGH}, vex: {{by: {{any: [security]}}}}",
        *(scan(found()), vex()),
    ),
}
