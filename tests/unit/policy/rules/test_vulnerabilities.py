"""The rule `vulnerabilities`: which scans count, what is denied, and what is not known."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.contents import Component, Inventory, Vulnerability
from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Unobtained
from preverify.model.findings import Claim, Finding, Signing, Step
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.vulnerabilities import Vulnerabilities
from support.policies import NOW, broken, gathered, not_obtained, one_policy, policy_set, policy_text
from support.scans import (
    HOUR,
    OPENSSL,
    SPDX,
    TRIVY,
    VULN,
    Piece,
    bill,
    check,
    found,
    look,
    matches,
    own_bill,
    says,
    scan,
    vex,
)

SCANS = "scans: {by: {any: [release]}}"
MATCHED = "matched: {by: {any: [release]}}"
HIGH = f"{SCANS}, maxSeverity: high"
VEX = "vex: {by: {any: [vendor]}}"
SIGNED = "signature: {by: {any: [release]}}"
DAY = 24 * HOUR
PASSED = (Outcome.PASSED, Reason.OK)
FOUND = (Outcome.FAILED, Reason.VULNERABILITY_FOUND)
MISSING = (Outcome.FAILED, Reason.SCAN_MISSING)
STALE = (Outcome.FAILED, Reason.SCAN_STALE)
UNDECIDED = (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)


def say(result: RuleResult) -> tuple[Outcome, Reason]:
    return result.outcome, result.reason


def rule(demand: str) -> Vulnerabilities:
    (compiled,) = one_policy(f"[{{name: x, vulnerabilities: {{{demand}}}}}]").rules
    assert isinstance(compiled, Vulnerabilities)
    return compiled


# --- limits ---


@pytest.mark.parametrize(
    ("limit", "allowed", "denied"),
    [
        ("high", ["none", "low", "medium", "high"], ["critical", "unknown"]),
        ("medium", ["none", "low", "medium"], ["high", "critical", "unknown"]),
        ("low", ["none", "low"], ["medium", "high", "critical", "unknown"]),
        ("none", ["none"], ["low", "medium", "high", "critical", "unknown"]),
    ],
)
def test_severities(limit: str, allowed: list[str], denied: list[str]) -> None:
    for severity in allowed:
        assert say(check(f"{SCANS}, maxSeverity: {limit}", scan(found(severity=severity)))) == PASSED
    for severity in denied:
        assert say(check(f"{SCANS}, maxSeverity: {limit}", scan(found(severity=severity)))) == FOUND


def test_unknown_severities_can_be_allowed() -> None:
    allowed = f"{HIGH}, unknownSeverity: allow"
    assert say(check(allowed, scan(found(severity="unknown")))) == PASSED
    assert say(check(allowed, scan(found(severity="unknown"), found()))) == FOUND
    # the score of something without a word of severity is still a score, but says nothing of that word
    assert say(check(HIGH, scan(found(severity="unknown", score=1.0)))) == FOUND
    scored = f"{SCANS}, maxScore: 7.0"
    assert say(check(scored, scan(found(severity="unknown", score=7.0)))) == PASSED
    assert say(check(scored, scan(found(severity="unknown", score=7.1)))) == FOUND
    assert say(check(f"{scored}, unknownSeverity: allow", scan(found(severity="unknown", score=7.1)))) == FOUND
    assert say(check(scored, scan(found(severity="unknown")))) == FOUND
    assert say(check(f"{scored}, unknownSeverity: allow", scan(found(severity="unknown")))) == PASSED


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (found(severity="high", score=7.5), PASSED),
        (found(severity="low", score=7.6), FOUND),
        (found(severity="medium"), PASSED),  # at most 6.9
        (found(severity="high"), FOUND),  # may be 8.9
        (found(severity="none"), PASSED),
    ],
)
def test_scores(entry: Vulnerability, expected: tuple[Outcome, Reason]) -> None:
    assert say(check(f"{SCANS}, maxScore: 7.5", scan(entry))) == expected


def test_both_limits_of_one_are_said() -> None:
    result = check(f"{SCANS}, maxSeverity: low, maxScore: 5", scan(found(severity="high", score=8.1)))
    assert result.detail == "CVE-2026-1 in openssl 3.0.1-1 (high, score 8.1, no fix known)"
    result = check(f"{SCANS}, maxScore: 5", scan(found(severity="high", fixed_in=("3.0.2", "3.1"))))
    assert result.detail == "CVE-2026-1 in openssl 3.0.1-1 (high without a score, fixed in 3.0.2)"


EPSS = f"{SCANS}, maxEpss: 0.5"
KEV = f"{SCANS}, exploited: deny"


def test_epss() -> None:
    assert say(check(EPSS, scan(found(epss=0.5)))) == PASSED
    result = check(EPSS, scan(found(epss=0.51)))
    assert say(result) == FOUND
    assert "EPSS 0.51" in result.detail


def test_exploited() -> None:
    assert say(check(KEV, scan(found(exploited=False)))) == PASSED
    result = check(KEV, scan(found(severity="low", exploited=True)))
    assert say(result) == FOUND
    assert "known to be exploited" in result.detail


def test_what_is_not_known_is_not_passed() -> None:
    for demand, word in ((EPSS, "EPSS"), (KEV, "exploitation"), (f"{KEV}, maxEpss: 0.5", "exploitation and EPSS")):
        result = check(demand, scan(found()))
        assert say(result) == MISSING
        assert f"({word} not known, no fix known); pull a vulnerability database that says it" in result.detail
        assert result.evidence
        assert say(check(demand, scan(found("GHSA-1", aliases=("CVE-2026-1",))))) == MISSING


def test_a_severity_that_nobody_limits_may_be_unknown() -> None:
    assert say(check(EPSS, scan(found(severity="unknown", epss=0.1)))) == PASSED
    assert say(check(KEV, scan(found(severity="unknown", exploited=False)))) == PASSED


def test_what_has_no_name_of_the_common_list_stands_in_neither() -> None:
    assert say(check(f"{KEV}, maxEpss: 0.5", scan(found("GHSA-1", aliases=("PYSEC-1",))))) == PASSED


def test_something_known_to_be_over_a_limit_goes_before_what_is_not_known() -> None:
    assert say(check(f"{EPSS}, maxSeverity: high", scan(found()))) == FOUND
    assert say(check(EPSS, scan(found("CVE-2026-2"), found(epss=0.9)))) == FOUND


def test_what_our_database_knows_of_attested_findings_counts() -> None:
    both = f"{EPSS}, exploited: deny"
    seen = scan(found(severity="low"))
    assert say(check(both, seen, matches(seen, found(epss=0.1, exploited=False)))) == PASSED
    for worse in (found(epss=0.9, exploited=False), found(epss=0.1, exploited=True)):
        assert say(check(both, seen, matches(seen, worse))) == FOUND
    named = matches(seen, found("GHSA-1", aliases=("CVE-2026-1",), epss=0.1, exploited=False))
    assert say(check(both, seen, named)) == PASSED


def test_what_enriches_lowers_nothing_and_finds_nothing() -> None:
    seen = scan(found())
    lower = matches(seen, found(severity="low", epss=0.1, exploited=False), found("CVE-2026-9"))
    assert say(check(HIGH, seen, lower)) == FOUND
    worse, better = found(severity="low", epss=0.9, exploited=True), found(severity="low", epss=0.1, exploited=False)
    for one, other in ((worse, better), (better, worse)):
        told = scan(one)
        assert say(check(EPSS, told, matches(told, other))) == FOUND
        assert say(check(KEV, told, matches(told, other))) == FOUND
    clean = scan()
    assert say(check(HIGH, clean, matches(clean, found()))) == PASSED


def test_what_a_stale_database_or_a_foreign_scan_says_enriches_nothing() -> None:
    seen, other = scan(found()), scan(found(), by="vendor")
    facts = found(epss=0.1, exploited=False)
    assert say(check(EPSS, seen, matches(seen, facts, database_at=NOW - 3 * DAY))) == MISSING
    assert say(check(EPSS, seen, other, matches(other, facts))) == MISSING


def test_all_scans_together_say_what_is_known() -> None:
    demand = "scans: {by: {any: [release, vendor]}}, maxEpss: 0.5, exploited: deny"
    bare, known = scan(found()), scan(found(epss=0.1, exploited=False), by="vendor")
    assert say(check(demand, bare, known)) == PASSED
    assert say(check(demand, bare, scan(found(epss=0.1, exploited=True), by="vendor"))) == FOUND


def test_each_scan_may_know_something_else() -> None:
    demand = "scans: {by: {any: [release, vendor]}}, maxSeverity: low, maxEpss: 0.5, exploited: deny, grace: 7d"
    young, old = NOW - DAY, NOW - 9 * DAY
    parts = found(epss=0.1), found(exploited=False), found(published=young)
    for one, two in permutations(parts, 2):
        whole = replace(next(each for each in parts if each not in (one, two)), severity=one.severity)
        seen = scan(one, by="release", finished=NOW - HOUR), scan(two, whole, by="vendor")
        assert say(check(demand, *seen)) == PASSED
        assert say(check(demand, *seen, scan(found(published=old), scanner="grype"))) == FOUND
        assert say(check(demand, *seen, scan(found(exploited=True), scanner="grype"))) == FOUND


def test_what_is_known_by_any_name_is_known() -> None:
    demand = f"{SCANS}, maxEpss: 0.5, exploited: deny"
    both = found(aliases=("GHSA-1", "OSV-1"))
    facts = found("GHSA-1", epss=0.1), found("OSV-1", exploited=False)
    assert say(check(demand, scan(both))) == MISSING
    assert say(check(demand, scan(both, *facts))) == PASSED
    assert say(check(demand, scan(both, facts[0], found("OSV-1", exploited=True)))) == FOUND


def test_only_what_can_be_fixed() -> None:
    demand = f"{HIGH}, fixable: true"
    assert say(check(demand, scan(found()))) == PASSED
    assert say(check(demand, scan(found(fixed_in=("3.0.2",))))) == FOUND
    assert say(check(demand, scan(found(purl="")))) == say(check(demand, scan(found(package="")))) == PASSED
    # a report that names no package says nothing of fixes
    assert say(check(demand, scan(found(purl="", package="")))) == FOUND


# --- grace ---

GRACE = f"{HIGH}, grace: 7d"


def test_grace_is_counted_from_publication() -> None:
    early = check(GRACE, scan(found(published=NOW - 6 * DAY), found("CVE-2026-2", published=NOW - 7 * DAY + HOUR)))
    assert say(early) == PASSED
    assert early.until == NOW + HOUR
    assert early.detail.endswith("2 vulnerabilities, none over the limits, 2 in their days of grace")
    assert say(check(GRACE, scan(found(published=NOW - 7 * DAY)))) == FOUND


def test_without_a_date_there_is_no_grace() -> None:
    assert say(check(GRACE, scan(found()))) == FOUND
    assert say(check(GRACE, scan(found(published=NOW + HOUR)))) == FOUND
    assert say(check(GRACE, scan(found(published=NOW + timedelta(minutes=5))))) == PASSED


def test_of_several_dates_the_earliest_counts() -> None:
    young, old = found(published=NOW - DAY), found(published=NOW - 9 * DAY)
    for one, other in ((young, old), (old, young)):
        seen = scan(one)
        assert say(check(GRACE, seen, matches(seen, other))) == FOUND
    undated = scan(found())
    dated = matches(undated, found(published=NOW - DAY))
    result = check(GRACE, undated, dated)
    assert say(result) == PASSED
    assert dated[0].evidence in result.evidence


def test_what_is_exploited_or_may_be_has_no_grace() -> None:
    demand = f"{GRACE}, exploited: deny"
    new = NOW - DAY
    assert say(check(demand, scan(found(published=new, exploited=True)))) == FOUND
    assert say(check(demand, scan(found(published=new)))) == FOUND
    assert say(check(demand, scan(found(severity="low", published=new)))) == MISSING
    assert say(check(demand, scan(found(published=new, exploited=False)))) == PASSED
    assert say(check(demand, scan(found("GHSA-1", published=new)))) == PASSED
    assert say(check(GRACE, scan(found(published=new, exploited=True)))) == PASSED  # nobody asked


def test_grace_covers_scores_that_are_not_there_yet() -> None:
    assert say(check(f"{EPSS}, grace: 7d", scan(found(published=NOW - DAY)))) == PASSED


# --- VEX and exceptions ---


def test_vex_takes_away() -> None:
    demand = f"{HIGH}, {VEX}"
    silenced, word = scan(found(), found("CVE-2026-2", "low")), vex()
    result = check(demand, silenced, word)
    assert say(result) == PASSED
    assert result.detail == "scan by release: 2 vulnerabilities, none over the limits, 1 taken away by VEX"
    assert set(result.evidence) == {silenced[0].evidence, word[0].evidence}
    assert say(check(demand, silenced)) == FOUND


def test_vex_of_nobody_who_was_named_is_ignored() -> None:
    demand = f"{HIGH}, {VEX}"
    for word in (vex(by="release"), vex(by="security"), vex(by="stranger")):
        assert say(check(demand, scan(found()), word)) == FOUND
    assert say(check(HIGH, scan(found()), vex())) == FOUND


def test_vex_that_could_not_be_read_or_ended_is_ignored() -> None:
    demand = f"{HIGH}, {VEX}"
    finding, content = vex()
    (compiled,) = one_policy(f"[{{name: x, vulnerabilities: {{{demand}}}}}]").rules
    seen = look(scan(found()), (finding, content))
    unread = replace(seen, contents={k: v for k, v in seen.contents.items() if k != finding.statement})
    assert say(compiled.check(unread)) == FOUND
    ended = Signing(anchor=finding.signer, until=NOW)
    assert say(check(demand, scan(found()), (replace(finding, signing=ended), content))) == FOUND
    ends = replace(ended, until=NOW + HOUR)
    result = check(demand, scan(found()), (replace(finding, signing=ends), content))
    assert say(result) == PASSED
    assert result.until == NOW + HOUR


def test_names_that_one_scan_knows_serve_the_findings_of_another() -> None:
    demand = "scans: {by: {any: [release, security]}}, maxSeverity: high, vex: {by: {any: [vendor]}}"
    plain, named = scan(found("GHSA-1")), scan(found("GHSA-1", "low", aliases=("CVE-2026-1",)), by="security")
    assert say(check(demand, plain, vex())) == FOUND
    assert say(check(demand, plain, named, vex())) == PASSED


def test_excepted_vulnerabilities_are_passed_over() -> None:
    excepted = frozenset({"CVE-2026-1"})
    result = check(HIGH, scan(found()), excepted=excepted)
    assert say(result) == PASSED
    assert result.detail.endswith("1 vulnerabilities, none over the limits, 1 excepted")
    assert say(check(HIGH, scan(found("GHSA-1", aliases=("CVE-2026-1",))), excepted=excepted)) == PASSED
    assert say(check(HIGH, scan(found(), found("CVE-2026-2")), excepted=excepted)) == FOUND
    several = found("DSA-1", aliases=("CVE-2026-1", "CVE-2026-2"))
    assert say(check(HIGH, scan(several), excepted=excepted)) == FOUND
    assert say(check(HIGH, scan(several), excepted=excepted | {"CVE-2026-2"})) == PASSED
    assert say(check(f"{HIGH}, {VEX}", scan(found()), excepted=frozenset({"CVE-2026-3"}))) == FOUND


# --- which scans count ---


def test_without_any_scan() -> None:
    for demand in (HIGH, f"{MATCHED}, maxSeverity: high", "scanner: true, maxSeverity: high"):
        result = check(demand)
        assert say(result) == MISSING
        assert result.detail


def test_scans_of_strangers_count_neither_way() -> None:
    assert say(check(HIGH, scan(by="vendor"))) == (Outcome.FAILED, Reason.WRONG_KEY)
    assert say(check(HIGH, scan(found(), by="vendor"), scan())) == PASSED


def test_attestations_of_other_things_are_no_scans() -> None:
    seen = check(HIGH, bill())
    assert say(seen) == MISSING
    assert seen.detail == f"attests {SPDX!r}, expected a scan"
    assert check(HIGH, scan(kind="")).detail == "attests 'nothing', expected a scan"
    assert say(check(f"{MATCHED}, maxSeverity: high", scan())) == MISSING
    # a stale scan beside them says more, whichever comes first
    old = scan(finished=NOW - 2 * DAY)
    for pieces in ((bill(), old), (old, bill())):
        assert say(check(HIGH, *pieces)) == STALE


def test_scans_that_could_not_be_read_establish_nothing() -> None:
    seen = look(scan(), scan(by="security"))
    compiled = rule("scans: {by: {any: [release]}}, maxSeverity: high")
    assert say(compiled.check(replace(seen, contents={}))) == (Outcome.FAILED, Reason.STATEMENT_MALFORMED)
    finding, _ = scan()
    assert say(check(HIGH, (finding, Inventory(format="spdx")))) == (Outcome.FAILED, Reason.STATEMENT_MALFORMED)
    assert say(check(HIGH, (finding, Inventory(format="spdx")), scan())) == PASSED


def test_the_age_of_scans() -> None:
    assert say(check(HIGH, scan(finished=NOW - DAY))) == STALE
    result = check(HIGH, scan(finished=NOW - DAY + HOUR))
    assert say(result) == PASSED
    assert result.until == NOW + HOUR
    assert say(check(f"{HIGH}, maxScanAge: 2h", scan(finished=NOW - 2 * HOUR))) == STALE
    assert say(check(f"{HIGH}, maxScanAge: 30d", scan(finished=NOW - 29 * DAY))) == PASSED
    undated = check(HIGH, scan(finished=None))
    assert say(undated) == STALE
    assert undated.detail == "the scan is of no time that it says, expected at most 1d"


def test_scans_of_the_future_establish_nothing() -> None:
    future = scan(finished=NOW + HOUR)
    assert say(check(HIGH, future)) == (Outcome.FAILED, Reason.TIMESTAMP_INVALID)
    assert say(check(HIGH, future, scan(found()))) == FOUND  # and take the place of none
    assert say(check(HIGH, scan(finished=NOW + timedelta(minutes=5)))) == PASSED


def test_it_holds_until_a_scan_of_the_future_begins_to_count() -> None:
    soon = NOW + HOUR - timedelta(minutes=5)
    assert check(HIGH, scan(), scan(found(), finished=NOW + HOUR)).until == soon
    assert check(f"{HIGH}, maxDatabaseAge: 9h", scan(database_at=NOW), scan(database_at=NOW + HOUR)).until == soon
    own, seen = own_bill(), scan()
    assert check(f"{SCANS}, {SCANNER}", seen, own, matches(own, found(), database_at=NOW + HOUR)).until == soon


def test_stale_scans_say_nothing_of_vulnerabilities_either() -> None:
    demand = "scans: {by: {any: [release, vendor]}}, maxSeverity: high"
    assert say(check(demand, scan(found(), finished=NOW - 2 * DAY), scan(by="vendor"))) == PASSED


def test_the_age_of_databases() -> None:
    demand = f"{HIGH}, maxDatabaseAge: 12h"
    assert say(check(HIGH, scan(database_at=NOW - 100 * DAY))) == PASSED
    assert say(check(demand, scan())) == STALE
    assert say(check(demand, scan(database_at=NOW - 12 * HOUR))) == STALE
    assert say(check(demand, scan(database_at=NOW + HOUR))) == (Outcome.FAILED, Reason.TIMESTAMP_INVALID)
    result = check(demand, scan(database_at=NOW - 11 * HOUR))
    assert say(result) == PASSED
    assert result.until == NOW + HOUR


def test_the_newest_scan_of_a_signer_replaces_older_ones() -> None:
    old, new = scan(found(), finished=NOW - 3 * HOUR), scan(finished=NOW - HOUR)
    for pieces in permutations((old, new)):
        assert say(check(HIGH, *pieces)) == PASSED
    old, new = scan(finished=NOW - 3 * HOUR), scan(found(), finished=NOW - HOUR)
    for pieces in permutations((old, new)):
        assert say(check(HIGH, *pieces)) == FOUND
    # what the newest leaves open, an older one does not fill
    open_ = scan(finished=NOW - HOUR, unjudged=("debian 9 is out of support",))
    assert say(check(HIGH, scan(finished=NOW - 3 * HOUR), open_))[1] in (Reason.SCAN_STALE, Reason.SCAN_MISSING)


def test_scans_of_one_moment_count_together() -> None:
    assert say(check(HIGH, scan(), scan(found()))) == FOUND


def test_another_version_of_a_scanner_replaces_and_another_scanner_does_not() -> None:
    new = scan(finished=NOW - HOUR, scanner="pkg:github/aquasecurity/trivy@0.61.0")
    assert say(check(HIGH, scan(found(), finished=NOW - 3 * HOUR, scanner=TRIVY), new)) == PASSED
    assert say(check(HIGH, scan(found(), finished=NOW - 3 * HOUR, scanner="grype"), new)) == FOUND


def test_what_any_signer_found_counts() -> None:
    demand = "scans: {by: {any: [release, vendor]}}, maxSeverity: high"
    assert say(check(demand, scan(), scan(found(), by="vendor"))) == FOUND
    assert say(check(demand, scan(), scan(by="vendor"))) == PASSED


def test_several_signers_can_be_needed() -> None:
    demand = "scans: {by: {all: [release, vendor]}}, maxSeverity: high"
    assert say(check(demand, scan())) == (Outcome.FAILED, Reason.THRESHOLD_NOT_MET)
    assert say(check(demand, scan(), scan(by="vendor", finished=NOW - 2 * DAY))) == (
        Outcome.FAILED,
        Reason.THRESHOLD_NOT_MET,
    )
    result = check(demand, scan(finished=NOW - 20 * HOUR), scan(by="vendor", finished=NOW - 10 * HOUR))
    assert say(result) == PASSED
    assert result.until == NOW + 4 * HOUR
    assert say(check(demand, scan(found()))) == FOUND  # enough or not


def test_one_statement_under_two_anchors_is_one_scan() -> None:
    finding, content = scan(found(severity="low"))
    twice = check(HIGH, (finding, content), (finding, content))
    assert "1 vulnerabilities" in twice.detail
    seen = bill()
    twice = check(f"{MATCHED}, maxSeverity: high", seen, seen, matches(seen, found(severity="low")))
    assert "1 vulnerabilities" in twice.detail


@pytest.mark.parametrize("how", range(6))
def test_what_establishes_nothing_neither_finds_nor_takes_away(how: int) -> None:
    demand = f"{SCANS}, {MATCHED}, maxSeverity: high, {VEX}"
    seen = bill()
    bad = foreign(seen, how)
    for worse in ((foreign(scan(found()), how),), (bad, matches(bad, found()))):
        assert say(check(demand, scan(), *worse)) == PASSED
    assert say(check(demand, scan(found()), foreign(vex(), how))) == FOUND
    assert check(demand, foreign(scan(), how), bad, matches(bad)).outcome is Outcome.FAILED


def test_a_signature_that_ended_does_not_count() -> None:
    finding, content = scan()
    ended = replace(finding, signing=Signing(anchor=finding.signer, until=NOW))
    assert say(check(HIGH, (ended, content))) == (Outcome.FAILED, Reason.SIGNATURE_EXPIRED)
    ends = replace(finding, signing=Signing(anchor=finding.signer, until=NOW + HOUR))
    assert check(HIGH, (ends, content)).until == NOW + HOUR


def test_degraded_evidence_is_said() -> None:
    finding, content = scan()
    degraded = replace(finding, signing=Signing(anchor=finding.signer, degraded=("x: y",)))
    assert check(HIGH, (degraded, content)).degraded
    sound = check(f"{HIGH}, scanner: true", (degraded, content), own := own_bill(), matches(own))
    assert not sound.degraded
    assert sound.detail.startswith("scan by our scanner: ")


# --- bills of materials and our database ---


def test_matched_bills_of_materials() -> None:
    demand = f"{MATCHED}, maxSeverity: high"
    for kind in (SPDX, "https://cyclonedx.org/bom/v1.5"):
        seen = bill(kind=kind)
        result = check(demand, seen, report := matches(seen, found(severity="low")))
        assert say(result) == PASSED
        assert set(result.evidence) == {seen[0].evidence, report[0].evidence}
        assert result.until == NOW + 47 * HOUR
        assert say(check(demand, seen, matches(seen, found()))) == FOUND


def test_bills_of_others_do_not_count_though_they_were_matched() -> None:
    demand = f"{MATCHED}, maxSeverity: high"
    other = bill(by="vendor")
    assert say(check(demand, other, matches(other)))[1] is Reason.WRONG_KEY
    mine = bill()
    assert say(check(demand, mine, matches(mine), other, matches(other, found()))) == PASSED
    own = own_bill()
    assert say(check(demand, mine, matches(mine), own, matches(own, found()))) == PASSED


def test_a_bill_that_nobody_matched() -> None:
    seen = bill()
    result = check(f"{MATCHED}, maxSeverity: high", seen)
    assert say(result) == MISSING
    assert result.detail == "a bill of materials that no database was asked about"
    assert say(check(f"{MATCHED}, maxSeverity: high", seen, matches(bill(by="vendor")))) == MISSING


def test_a_bill_that_could_not_be_read() -> None:
    finding, content = bill()
    demand = f"{MATCHED}, maxSeverity: high"
    seen = look((finding, content), matches((finding, content)))
    contents = {key: value for key, value in seen.contents.items() if key != finding.statement}
    result = rule(demand).check(replace(seen, contents=contents))
    assert say(result) == (Outcome.FAILED, Reason.STATEMENT_MALFORMED)


def test_the_age_of_our_database() -> None:
    demand = f"{MATCHED}, maxSeverity: high"
    seen = bill()
    assert say(check(demand, seen, matches(seen, database_at=NOW - 2 * DAY))) == STALE
    assert say(check(demand, seen, matches(seen, database_at=None))) == STALE
    assert say(check(f"{demand}, maxDatabaseAge: 30m", seen, matches(seen))) == STALE
    assert say(check(f"{demand}, maxDatabaseAge: 90d", seen, matches(seen, database_at=NOW - 89 * DAY))) == PASSED
    # what a stale one found says nothing either
    own = own_bill()
    both = f"{demand}, scanner: true"
    stale = matches(seen, found(), database_at=NOW - 3 * DAY)
    assert say(check(both, seen, stale, own, matches(own))) == PASSED


def test_of_several_answers_of_our_database_the_most_recent_counts() -> None:
    demand = f"{MATCHED}, maxSeverity: high"
    seen = bill()
    old, new = matches(seen, found(), database_at=NOW - 3 * HOUR), matches(seen)
    for pieces in permutations((seen, old, new)):
        assert say(check(demand, *pieces)) == PASSED
    undated = matches(seen, found(), database_at=None)
    for pieces in permutations((seen, undated, new)):
        assert say(check(demand, *pieces)) == PASSED


def test_the_digest_of_a_bill_may_be_written_with_its_algorithm() -> None:
    seen = bill()
    finding, content = matches(seen, found())
    prefixed = (finding, replace(content, of=f"sha256:{seen[0].statement}"))  # type: ignore[call-arg]
    assert say(check(f"{MATCHED}, maxSeverity: high", seen, prefixed)) == FOUND


SCANNER = "scanner: true, maxSeverity: high"


def test_our_own_scanner() -> None:
    own = own_bill()
    result = check(SCANNER, own, matches(own, found(severity="low")))
    assert say(result) == PASSED
    assert result.until == NOW + 47 * HOUR
    assert say(check(SCANNER, own, matches(own, found()))) == FOUND
    assert say(check(SCANNER, own)) == MISSING
    assert say(check(SCANNER, own, matches(own, database_at=NOW - 9 * DAY))) == STALE
    assert say(check(SCANNER, bill(), matches(bill()))) == MISSING


def test_what_a_scanner_is_said_to_have_made_without_being_established_is_nothing() -> None:
    finding, content = own_bill()
    flawed = replace(finding, reason=Reason.STATEMENT_MALFORMED)
    assert say(check(SCANNER, (flawed, content), matches((flawed, content)))) == MISSING
    attested = replace(finding, claim=Claim.ATTESTATION)
    assert say(check(SCANNER, (attested, content), matches((attested, content)))) == MISSING
    own = own_bill()
    report, matched = matches(own)
    assert say(check(SCANNER, own, (replace(report, claim=Claim.ATTESTATION), matched))) == MISSING
    assert say(check(SCANNER, own, (replace(report, reason=Reason.STATEMENT_MALFORMED), matched))) == MISSING
    assert say(check(SCANNER, own, (report, content))) == MISSING


def test_one_source_of_several_is_enough_and_all_count() -> None:
    demand = f"{SCANS}, {MATCHED}, scanner: true, maxSeverity: high"
    attested, seen, own = scan(), bill(), own_bill()
    assert say(check(demand, attested)) == PASSED
    assert say(check(demand, seen, matches(seen))) == PASSED
    assert say(check(demand, own, matches(own))) == PASSED
    assert say(check(demand, attested, own, matches(own, found()))) == FOUND
    nothing = check(demand)
    assert say(nothing) == MISSING
    assert nothing.detail.count(";") == 2
    old = check(demand, scan(finished=NOW - 2 * DAY))
    assert say(old) == STALE
    assert old.detail.startswith("the scan is of 2025-12-31")
    assert say(check(demand, own, matches(own, database_at=NOW - 9 * DAY))) == STALE


def test_it_holds_until_the_last_source_has_ended() -> None:
    demand = f"{SCANS}, scanner: true, maxSeverity: high"
    own = own_bill()
    assert check(demand, scan(), own, matches(own)).until == NOW + 47 * HOUR
    assert check(demand, scan(), own).until == NOW + 23 * HOUR


def test_where_it_rests_on_what_others_say_it_holds_until_the_first_has_ended() -> None:
    demand = f"{SCANS}, scanner: true, maxSeverity: high"
    own = own_bill()
    pieces = (scan(found(severity="low", epss=0.1)), own, matches(own))
    assert check(f"{demand}, maxEpss: 0.5", *pieces).until == NOW + 23 * HOUR
    assert check(f"{demand}, {VEX}", scan(found()), own, matches(own), vex()).until == NOW + 23 * HOUR
    seen = scan(found(), finished=NOW)
    short = f"{SCANS}, maxEpss: 0.5, maxDatabaseAge: 2h"
    dated = replace(seen[1], database_at=NOW)  # type: ignore[type-var]
    facts = matches(seen, found(epss=0.1))
    assert check(short, (seen[0], dated), facts).until == NOW + HOUR


# --- what a scan leaves open ---


def several(*components: Component, left: tuple[str, ...], demand: str = "") -> RuleResult:
    seen = bill(*components)
    return check(f"{MATCHED}, maxSeverity: high{demand}", seen, matches(seen, unjudged=left))


GO = Component(name="acme.test/app", version="", purl="pkg:golang/acme.test/app")
BARE = Component(name="something", version="1.0")
DEB = Component(name="openssl", version="3.0.1-1", purl=OPENSSL)


def test_single_components_may_be_left_open_and_are_counted() -> None:
    result = several(GO, BARE, DEB, left=("acme.test/app: its purl has no version", "something 1.0: it has no purl"))
    assert say(result) == PASSED
    assert result.detail.endswith("0 vulnerabilities, none over the limits, 2 components not judged")


@pytest.mark.parametrize(
    "left",
    [
        "openssl 3.0.1-1: no database holds the packages of 'acmeos'",
        "Debian:14: the database does not hold it, 90 components",
        "npm: the database does not hold it, 90 components",
        "nothing that stands in the bill: it has no purl",
        "debian 9 is out of support",
    ],
)
def test_distributions_and_ecosystems_may_not(left: str) -> None:
    npm = Component(name="npm", purl="pkg:npm/npm")
    result = several(GO, BARE, DEB, npm, left=(left, "something 1.0: it has no purl"))
    assert say(result) == MISSING
    assert result.detail == f"the scan says too little: it could not judge {left!r}"
    assert say(several(GO, BARE, DEB, npm, left=(left,), demand=", unjudged: allow")) == PASSED


def test_a_name_that_several_components_bear_is_as_open_as_the_worst() -> None:
    twin = replace(DEB, purl="pkg:generic/openssl@3.0.1-1")
    left = ("openssl 3.0.1-1: purls of the type 'generic' are not matched",)
    assert say(several(twin, left=left)) == PASSED
    assert say(several(twin, DEB, left=left)) == MISSING


def test_nothing_may_be_left_open_where_that_is_demanded() -> None:
    left = ("something 1.0: it has no purl", "other 1.0: it has no purl")
    assert say(several(BARE, left=(), demand=", unjudged: deny")) == PASSED
    result = several(BARE, left=left, demand=", unjudged: deny")
    assert say(result) == MISSING
    assert result.detail.endswith("it could not judge 'something 1.0: it has no purl' and 1 more")


def test_attested_scans_leave_open_what_they_say() -> None:
    left = scan(unjudged=("debian 9 is out of support",))
    assert say(check(HIGH, left)) == MISSING
    assert say(check(f"{HIGH}, unjudged: allow", left)) == PASSED
    # what it found counts nevertheless
    demand = "scans: {by: {any: [release, vendor]}}, maxSeverity: high"
    assert say(check(demand, scan(found(), unjudged=left[1].unjudged), scan(by="vendor"))) == FOUND  # type: ignore[union-attr]


def test_bills_that_are_incomplete_or_empty_leave_everything_open() -> None:
    for seen in (bill(incomplete="unknown"), (bill()[0], Inventory(format="spdx"))):
        result = check(f"{MATCHED}, maxSeverity: high", seen, matches(seen))
        assert say(result) == (Outcome.FAILED, Reason.SBOM_MISSING)
        assert say(check(f"{MATCHED}, maxSeverity: high, unjudged: allow", seen, matches(seen))) == PASSED
    own = (own_bill()[0], Inventory(format="cyclonedx"))
    assert say(check(SCANNER, own, matches(own))) == (Outcome.FAILED, Reason.SBOM_MISSING)


# --- what could not be obtained ---


def test_a_scan_is_enough_whatever_else_could_not_be_obtained() -> None:
    assert say(check(HIGH, scan(), unobtained=(not_obtained(),))) == PASSED
    assert say(check(HIGH, unobtained=(not_obtained(),))) == UNDECIDED
    assert say(check(HIGH, scan(finished=NOW - 2 * DAY), unobtained=(not_obtained(),))) == UNDECIDED


def test_what_may_be_taken_back_is_not_denied_for_good() -> None:
    own = own_bill()
    pieces = (own, matches(own, found()))
    assert say(check(SCANNER, *pieces, unobtained=(not_obtained(),))) == FOUND
    assert say(check(f"{SCANNER}, {VEX}", *pieces, unobtained=(not_obtained(),))) == UNDECIDED
    assert say(check(HIGH, scan(found()), unobtained=(not_obtained(),))) == UNDECIDED


def test_evidence_that_was_not_read_is_said() -> None:
    assert say(check(HIGH, truncated=True)) == (Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE)
    assert say(check(HIGH, scan(), truncated=True)) == PASSED


UNSCANNED = Unobtained(what="scanner", reason=Reason.DEADLINE, detail="took too long")
NOT_SCANNED = (Outcome.UNDECIDED, Reason.DEADLINE)


def test_what_could_not_be_scanned_is_undecided() -> None:
    seen = replace(gathered(), unscanned=(UNSCANNED,))
    for demand in (SCANNER, f"{MATCHED}, maxSeverity: high", f"{SCANS}, {SCANNER}"):
        assert say(check(demand, gathered=seen)) == NOT_SCANNED
    assert say(check(f"{SCANS}, {SCANNER}", scan(), gathered=seen)) == PASSED
    assert say(check(f"{SCANS}, {SCANNER}", scan(found()), gathered=seen)) == FOUND
    assert say(check(HIGH, gathered=seen)) == MISSING  # nobody waits for it here
    assert say(check(SCANNER, gathered=None)) == MISSING


def test_what_may_become_known_is_undecided() -> None:
    seen = replace(gathered(), unscanned=(UNSCANNED,))
    assert say(check(EPSS, scan(found()), gathered=seen)) == NOT_SCANNED
    assert say(check(EPSS, scan(found()), unobtained=(not_obtained(),))) == UNDECIDED
    assert say(check(EPSS, scan(found()), gathered=None)) == MISSING


# --- what people read ---


def test_the_worst_are_named_and_the_rest_is_counted() -> None:
    entries = [found(f"CVE-2026-{n}", "high", score=7.0 + n / 10) for n in range(7)]
    entries += [found("CVE-2026-9", "critical"), found("CVE-2026-8", "critical", purl="", package="")]
    expected = check(f"{SCANS}, maxSeverity: low", scan(*entries)).detail
    names = [part.split()[0] for part in expected.split("; ")[:5]]
    assert names == ["CVE-2026-8", "CVE-2026-9", "CVE-2026-6", "CVE-2026-5", "CVE-2026-4"]
    assert expected.endswith("; and 4 more")
    assert expected.startswith("CVE-2026-8 (critical, no fix known)")
    assert check(f"{SCANS}, maxSeverity: low", scan(*reversed(entries))).detail == expected
    assert "more" not in check(f"{SCANS}, maxSeverity: low", scan(*entries[:5])).detail


def test_a_component_goes_by_its_purl_where_it_has_no_name() -> None:
    result = check(HIGH, scan(found(package=""), found(package="", purl="pkg:deb/debian/zlib@1")))
    why = "(critical, no fix known)"
    assert result.detail == f"CVE-2026-1 in {OPENSSL} {why}; CVE-2026-1 in pkg:deb/debian/zlib@1 {why}"


def test_what_two_scans_found_is_named_once() -> None:
    demand = "scans: {by: {any: [release, vendor]}}, maxSeverity: low"
    result = check(demand, scan(found()), scan(found(severity="high", purl="pkg:generic/openssl"), by="vendor"))
    assert result.detail == "CVE-2026-1 in openssl 3.0.1-1 (critical, no fix known)"
    assert len(result.evidence) == 2


def test_an_audited_rule_does_not_count() -> None:
    text = "[{name: x, mode: audit, vulnerabilities: {scanner: true, maxSeverity: low}}, {name: y, vulnerabilities: {"
    rules = one_policy(f"{text}scanner: true, maxSeverity: low}}}}]").rules
    assert [each.check(look()).counted for each in rules] == [False, True]
    attested = one_policy(f"[{{name: x, mode: audit, vulnerabilities: {{{HIGH}}}}}, {{name: y, {SIGNED}}}]").rules[0]
    undecided = attested.check(look(unobtained=(not_obtained(),)))
    assert (undecided.outcome, undecided.counted) == (Outcome.UNDECIDED, False)


# --- the written form ---

WHOLE = (
    "scans: {by: {any: [release]}}, matched: {by: {all: [release, vendor]}}, scanner: true, maxSeverity: medium, "
    "maxScore: 7, maxEpss: 0.25, exploited: deny, unknownSeverity: allow, fixable: true, grace: 7d, maxScanAge: 12h, "
    "maxDatabaseAge: 36h, vex: {by: {any: [security]}}, unjudged: deny"
)


@pytest.mark.parametrize("demand", [WHOLE, HIGH, SCANNER, f"{MATCHED}, maxScore: 8.9", f"{SCANS}, exploited: deny"])
def test_round_trip(demand: str) -> None:
    loaded = policy_set(policy_text(f"[{{name: x, vulnerabilities: {{{demand}}}}}]"))
    again = PolicySet.from_document(loaded.document)
    assert again == loaded
    assert again.policies == loaded.policies


def test_every_field_takes_part_in_the_digest() -> None:
    parts = [
        *("matched: {by: {any: [release]}}", "scanner: true", "maxSeverity: high", "maxScore: 7", "maxEpss: 0.1"),
        *("exploited: deny", "unknownSeverity: allow", "fixable: true", "grace: 1d", "maxScanAge: 1h"),
        *("maxDatabaseAge: 1h", VEX, "unjudged: deny"),
    ]
    base = f"{SCANS}, maxSeverity: low"
    texts = [base, *(base.replace("maxSeverity: low", p) if "Severity: h" in p else f"{base}, {p}" for p in parts)]
    digests = {one_policy(f"[{{name: x, vulnerabilities: {{{text}}}}}]").digest for text in texts}
    assert len(digests) == len(texts)


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        ("maxSeverity: high", "names no source"),
        ("maxSeverity: high, scanner: false", "names no source"),
        (SCANS, "denies nothing"),
        (f"{SCANS}, grace: 7d", "denies nothing"),
        (f"{SCANS}, maxSeverity: critical", "'none', 'low', 'medium' or 'high'"),
        (f"{SCANS}, maxSeverity: unknown", "'none', 'low', 'medium' or 'high'"),
        (f"{SCANS}, maxScore: 10.1", "less than or equal to 10"),
        (f"{SCANS}, maxScore: -1", "greater than or equal to 0"),
        (f"{SCANS}, maxScore: .nan", "several readings"),
        (f"{SCANS}, maxScore: '7'", "number"),
        (f"{SCANS}, maxEpss: 50", "less than or equal to 1"),
        (f"{SCANS}, exploited: allow", "'deny'"),
        (f"{EPSS}, unknownSeverity: allow", "'unknownSeverity' is about"),
        (f"{SCANNER}, maxScanAge: 1h", "'maxScanAge' is about attested scans"),
        (f"{HIGH}, grace: 7", "not a duration"),
        (f"{HIGH}, maxDatabaseAge: 0s", "out of range"),
        (f"{HIGH}, unjudged: some", "'deny', 'components' or 'allow'"),
        (f"{HIGH}, ignore: [CVE-2026-1]", "let somebody whom `vex` names"),
        (f"{HIGH}, vex: {{by: {{all: [vendor]}}}}", "count one by one"),
        (f"{HIGH}, vex: {{by: {{any: [nobody]}}}}", "no signer 'nobody'"),
        (f"{HIGH}, vex: {{}}", "is required"),
        ("scans: {by: {any: [nobody]}}, maxSeverity: high", "no signer 'nobody'"),
        ("matched: {by: {any: [nobody]}}, maxSeverity: high", "no signer 'nobody'"),
        (f"{HIGH}, vexx: 1", "unknown key"),
    ],
)
def test_demands_that_do_not_load(demand: str, message: str) -> None:
    with pytest.raises(BadConfiguration, match=message):
        one_policy(f"[{{name: x, vulnerabilities: {{{demand}}}}}]")


def test_needs_and_signers() -> None:
    assert rule(HIGH).needs == {Need.SCAN}
    assert rule(EPSS).needs == rule(KEV).needs == rule(GRACE).needs == {Need.SCAN, Need.MATCHES}
    assert rule(f"{MATCHED}, maxScore: 7").needs == {Need.INVENTORY, Need.MATCHES}
    assert rule(f"{SCANNER}, {VEX}").needs == {Need.SCANNER, Need.MATCHES, Need.VEX}
    assert [[s.name for s in by.signers] for by in rule(WHOLE).quorums] == [
        ["release"],
        ["release", "vendor"],
        ["security"],
    ]
    assert rule(SCANNER).quorums == ()


# --- properties ---

SEVERITIES = st.sampled_from(["unknown", "low", "high", "critical"])
ENTRIES = st.builds(
    lambda number, severity, fixed, age: found(
        f"CVE-2026-{number}", severity, fixed_in=("2",) if fixed else (), published=NOW - DAY * age if age else None
    ),
    st.integers(1, 3),
    SEVERITIES,
    st.booleans(),
    st.integers(0, 9),
)
SCANNED = st.builds(
    lambda entries, by, age, left: scan(
        *entries, by=by, finished=NOW - HOUR * age, unjudged=("debian 9 is out of support",) if left else ()
    ),
    st.lists(ENTRIES, max_size=3),
    st.sampled_from(["release", "security"]),
    st.sampled_from([-2, 1, 5, 23, 25]),
    st.booleans(),
)
WORDS = st.builds(
    lambda status, number, age, by: vex(says(status, f"CVE-2026-{number}", at=NOW - HOUR * age), by=by),
    st.sampled_from(["not_affected", "affected", "fixed", "under_investigation"]),
    st.integers(1, 3),
    st.sampled_from([-2, 1, 2, 3]),
    st.sampled_from(["vendor", "security"]),
)
MANY = f"scans: {{by: {{any: [release, security]}}}}, maxSeverity: low, grace: 5d, {VEX}"


def foreign(piece: Piece, how: int) -> Piece:
    """Return a piece that establishes nothing for the rule: by a stranger, not established, unread, or of nobody."""
    finding, content = piece
    stranger = scan(by="stranger")[0].signer
    flawed: list[Finding] = [
        replace(finding, signer=stranger),
        replace(finding, step=Step.SIGNED, reason=Reason.SUBJECT_MISMATCH),
        replace(finding, reason=Reason.SIGNATURE_INVALID),
        replace(finding, signer=""),
        replace(finding, claim=Claim.SIGNATURE),
        replace(finding, claim=Claim.REPORT),
    ]
    return replace(flawed[how], evidence=f"foreign-{how}"), content


@given(pieces=st.lists(SCANNED | WORDS, max_size=5), more=st.lists(SCANNED | WORDS, max_size=3), how=st.integers(0, 5))
def test_what_establishes_nothing_never_makes_it_pass(pieces: list[Piece], more: list[Piece], how: int) -> None:
    before = check(MANY, *pieces)
    after = check(MANY, *pieces, *(foreign(each, how) for each in more))
    assert after.outcome is before.outcome
    if before.outcome is Outcome.PASSED:
        assert after == before


@given(pieces=st.lists(SCANNED | WORDS, max_size=5), data=st.data())
def test_the_order_of_evidence_never_matters(pieces: list[Piece], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(pieces))
    one, other = check(MANY, *pieces), check(MANY, *shuffled)
    assert (one.outcome, one.until) == (other.outcome, other.until)
    if one.outcome is Outcome.PASSED or one.reason is Reason.VULNERABILITY_FOUND:
        assert replace(one, detail="") == replace(other, detail="")


@given(pieces=st.lists(SCANNED | WORDS, max_size=5), hours=st.integers(0, 24))
def test_what_passed_holds_until_it_says(pieces: list[Piece], hours: int) -> None:
    """Before `until`, the same evidence passes at every moment: nothing ends earlier than it was said to."""
    result = check(MANY, *pieces)
    later = NOW + HOUR * hours
    if result.outcome is Outcome.PASSED and result.until is not None and later < result.until:
        assert check(MANY, *pieces, now=later).outcome is Outcome.PASSED


def test_broken_evidence_says_how_far_it_got() -> None:
    bad = broken(Reason.SUBJECT_MISMATCH, Step.SUBJECT, claim=Claim.ATTESTATION, signer="release")
    seen = Look(findings=[bad], now=NOW)
    assert say(rule(HIGH).check(seen)) == (Outcome.FAILED, Reason.SUBJECT_MISMATCH)
    assert say(check(HIGH, scan(found(), kind=VULN), (bad, scan()[1]))) == FOUND
