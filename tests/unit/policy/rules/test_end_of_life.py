"""The rule `endOfLife`: announcements whose absence has to be seen, and the last day of operating systems."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.contents import Component, Content, Inventory
from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Unobtained
from preverify.model.findings import Claim, Finding, Signing, Step
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules.end_of_life import Supported
from preverify.policy.rules.evidence import Look
from support.policies import NOW, attestation, gathered, not_obtained, one_policy, policy_set, policy_text
from support.scans import Piece, bill, own_bill, scan
from support.scans import check as check_rule

END_OF_LIFE = "https://chainguard.dev/end-of-life"
ANNOUNCED = "announced: {by: {any: [vendor]}}"
SYSTEM = "operatingSystem: {by: {any: [release]}}"
SCANNER = "operatingSystem: {scanner: true}"
PASSED = (Outcome.PASSED, Reason.OK)
ENDED = (Outcome.FAILED, Reason.END_OF_LIFE)
MISSING = (Outcome.FAILED, Reason.SBOM_MISSING)
UNDECIDED = (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)
DAY = timedelta(days=1)


def check(demand: str, *pieces: Piece, **more: object) -> RuleResult:
    return check_rule(demand, *pieces, kind="endOfLife", **more)


def say(result: RuleResult) -> tuple[Outcome, Reason]:
    return result.outcome, result.reason


def rule(demand: str) -> Supported:
    (compiled,) = one_policy(f"[{{name: x, endOfLife: {{{demand}}}}}]").rules
    assert isinstance(compiled, Supported)
    return compiled


NOTHING: Content = Inventory(format="none")  # announcements have no contents that rules read


def announcement(by: str = "vendor", kind: str = END_OF_LIFE) -> Piece:
    return attestation(by, kind), NOTHING


def system(name: str, by: str = "release") -> Piece:
    return bill(by=by, distribution=name)


# --- announcements ---


def test_an_announcement_denies() -> None:
    piece = announcement()
    result = check(ANNOUNCED, piece)
    assert say(result) == ENDED
    assert result.evidence == (piece[0].evidence,)
    assert result.detail == "vendor announced that this image has reached its end of life"


def test_nobody_announced_it() -> None:
    assert say(check(ANNOUNCED)) == PASSED
    for other in (announcement("release"), announcement("stranger"), announcement(kind="https://other.test")):
        assert say(check(ANNOUNCED, other)) == PASSED
    assert check(ANNOUNCED).detail == "no end of life announced by vendor"


def test_what_establishes_nothing_announces_nothing() -> None:
    finding, content = announcement()
    for flawed in (
        replace(finding, step=Step.SIGNED, reason=Reason.SUBJECT_MISMATCH),
        replace(finding, claim=Claim.SIGNATURE),
        replace(finding, claim=Claim.REPORT),
    ):
        assert say(check(ANNOUNCED, (flawed, content))) == PASSED


def test_an_announcement_outlives_its_signature() -> None:
    finding, content = announcement()
    ended = replace(finding, signing=Signing(anchor=finding.signer, until=NOW - DAY))
    assert say(check(ANNOUNCED, (ended, content))) == ENDED


def test_absence_is_known_only_where_everything_was_read() -> None:
    assert say(check(ANNOUNCED, unobtained=(not_obtained(),))) == UNDECIDED
    assert say(check(ANNOUNCED, truncated=True)) == (Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE)
    assert say(check(ANNOUNCED, announcement(), unobtained=(not_obtained(),), truncated=True)) == ENDED


# --- operating systems ---


def test_an_operating_system_that_is_supported() -> None:
    piece = system("debian-12.5")
    result = check(SYSTEM, piece)
    assert say(result) == PASSED
    assert result.until == datetime(2028, 7, 1, tzinfo=UTC)
    assert result.detail == "bill of materials by release: debian-12.5"
    assert result.evidence == (piece[0].evidence,)


def test_an_operating_system_that_is_over() -> None:
    piece = system("debian-10")
    result = check(SYSTEM, piece)
    assert say(result) == ENDED
    assert result.detail == "debian-10 was supported until 2024-06-30 (bill of materials by release)"
    assert result.evidence == (piece[0].evidence,)
    assert result.until is None


def test_the_last_day_is_supported_to_its_end() -> None:
    last = datetime(2026, 8, 31, 23, 59, 59, tzinfo=UTC)
    result = check(SYSTEM, system("debian-11"), now=last)
    assert say(result) == PASSED
    assert result.until == last + timedelta(seconds=1)
    assert say(check(SYSTEM, system("debian-11"), now=last + timedelta(seconds=1))) == ENDED


def test_what_has_no_releases_has_no_end() -> None:
    result = check(SYSTEM, system("wolfi-20230201"))
    assert say(result) == PASSED
    assert result.until is None


def test_days_can_be_said() -> None:
    sooner = f'{SYSTEM}, distributions: {{debian-12: "2026-01-01", acmeos-3: "2026-01-02", rolling: never}}'
    assert say(check(sooner, system("debian-12"))) == ENDED
    assert say(check(sooner, system("acmeos-3.7"))) == PASSED
    assert say(check(sooner, system("acmeos-4"))) == ENDED
    assert say(check(sooner, system("rolling-1"))) == PASSED
    later = f'{SYSTEM}, distributions: {{debian-10: "2027-06-30"}}'  # paid for
    assert say(check(later, system("debian-10"))) == PASSED


def test_what_is_not_known_is_denied_unless_that_is_allowed() -> None:
    result = check(SYSTEM, system("acmeos-1"))
    assert say(result) == ENDED
    assert "it is not known until when 'acmeos-1' is supported; say it under distributions" in result.detail
    nameless = check(SYSTEM, system(""))
    assert say(nameless) == MISSING
    assert nameless.detail == "the bill of materials names no operating system"
    allowed = f"{SYSTEM}, unknown: allow"
    assert say(check(allowed, system("acmeos-1"))) == PASSED
    result = check(allowed, system(""))
    assert say(result) == PASSED
    assert result.detail == "bill of materials by release: an operating system that is not named"
    assert say(check(allowed, system("debian-10"))) == ENDED
    assert say(check(allowed)) == MISSING


def test_every_bill_that_names_one_counts() -> None:
    named, nameless, ended = system("debian-12"), system(""), system("debian-10")
    for pieces in permutations((named, nameless)):
        assert say(check(SYSTEM, *pieces)) == PASSED
    for pieces in permutations((named, nameless, ended)):
        assert say(check(SYSTEM, *pieces)) == ENDED
    both = check(SYSTEM, named, system("debian-13"))
    assert both.until == datetime(2028, 7, 1, tzinfo=UTC)
    assert both.detail.endswith("debian-12, debian-13")
    for foreign in (system("debian-10", by="vendor"), own_bill(distribution="debian-10")):
        assert say(check(SYSTEM, named, foreign)) == PASSED


def test_several_signers_can_be_needed() -> None:
    demand = "operatingSystem: {by: {all: [release, vendor]}}"
    assert say(check(demand, system("debian-12"))) == (Outcome.FAILED, Reason.THRESHOLD_NOT_MET)
    assert say(check(demand, system("debian-12"), system("debian-12", by="vendor"))) == PASSED


def test_our_own_scanner() -> None:
    assert say(check(SCANNER, own_bill(distribution="debian-12"))) == PASSED
    assert say(check(SCANNER, own_bill(distribution="debian-10"))) == ENDED
    assert say(check(SCANNER, system("debian-12"))) == MISSING
    lack = Unobtained(what="scanner", reason=Reason.DEADLINE, detail="took too long")
    undecided = check(SCANNER, gathered=replace(gathered(), unscanned=(lack,)))
    assert say(undecided) == (Outcome.UNDECIDED, Reason.DEADLINE)


def test_without_a_bill() -> None:
    assert say(check(SYSTEM)) == MISSING
    assert say(check(SYSTEM, scan())) == MISSING
    assert say(check(SYSTEM, unobtained=(not_obtained(),))) == UNDECIDED
    assert say(check(SYSTEM, system("debian-10"), unobtained=(not_obtained(),))) == ENDED


def test_both_demands_have_to_hold() -> None:
    demand = f"{ANNOUNCED}, {SYSTEM}"
    good = system("debian-12")
    result = check(demand, good)
    assert say(result) == PASSED
    assert result.detail == "no end of life announced by vendor; bill of materials by release: debian-12"
    assert say(check(demand, good, announcement())) == ENDED
    assert say(check(demand, system("debian-10"))) == ENDED
    assert say(check(demand, good, unobtained=(not_obtained(),))) == UNDECIDED
    assert say(check(demand, system("debian-10"), unobtained=(not_obtained(),))) == ENDED


def test_degraded_evidence_is_said() -> None:
    finding, content = system("debian-12")
    degraded = replace(finding, signing=Signing(anchor=finding.signer, degraded=("x: y",)))
    assert check(SYSTEM, (degraded, content)).degraded
    assert check(f"{ANNOUNCED}, {SYSTEM}", (degraded, content)).degraded


# --- the written form ---


@pytest.mark.parametrize(
    "demand",
    [
        ANNOUNCED,
        SYSTEM,
        SCANNER,
        f"{ANNOUNCED}, operatingSystem: {{by: {{any: [release]}}, scanner: true}}",
        f'{SYSTEM}, unknown: allow, distributions: {{acmeos-1: "2027-01-01", rolling: never}}',
    ],
)
def test_round_trip(demand: str) -> None:
    loaded = policy_set(policy_text(f"[{{name: x, endOfLife: {{{demand}}}}}]"))
    again = PolicySet.from_document(loaded.document)
    assert again == loaded
    assert again.policies == loaded.policies


def test_every_field_takes_part_in_the_digest() -> None:
    texts = [
        SYSTEM,
        SCANNER,
        ANNOUNCED,
        f"{ANNOUNCED}, {SYSTEM}",
        f"{SYSTEM}, unknown: allow",
        f'{SYSTEM}, distributions: {{debian-12: "2027-01-01"}}',
        f"{SYSTEM}, distributions: {{debian-12: never}}",
    ]
    assert len({one_policy(f"[{{name: x, endOfLife: {{{text}}}}}]").digest for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        ("", "demands nothing"),
        ("unknown: allow", "demands nothing"),
        (f"{ANNOUNCED}, unknown: allow", "'unknown' is about operating systems"),
        (f"{ANNOUNCED}, distributions: {{a-1: never}}", "'distributions' is about operating systems"),
        ("announced: {by: {all: [vendor]}}", "one announcement is enough"),
        ("announced: {by: {any: [nobody]}}", "endOfLife.announced.by: there is no signer 'nobody'"),
        ("operatingSystem: {by: {any: [nobody]}}", "endOfLife.operatingSystem.by: there is no signer 'nobody'"),
        ("operatingSystem: {}", "expected by"),
        (f"{SYSTEM}, distributions: {{debian-12: tomorrow}}", "no day"),
        (f"{SYSTEM}, distributions: {{debian-12: 2026}}", "no day"),
        (f'{SYSTEM}, distributions: {{Debian 12: "2026-01-01"}}', "should match pattern"),
        (f"{SYSTEM}, unknown: warn", "'deny' or 'allow'"),
        (f"{SYSTEM}, unkown: deny", "unknown key"),
    ],
)
def test_demands_that_do_not_load(demand: str, message: str) -> None:
    with pytest.raises(BadConfiguration, match=message):
        rule(demand)


def test_needs_and_signers() -> None:
    assert rule(ANNOUNCED).needs == frozenset()
    assert rule(SYSTEM).needs == {Need.INVENTORY}
    assert rule(SCANNER).needs == {Need.SCANNER}
    quorums = rule(f"{ANNOUNCED}, {SYSTEM}").quorums
    assert [by.people for by in quorums] == ["vendor", "release"]
    assert rule(ANNOUNCED).quorums == quorums[:1]
    assert rule(SCANNER).quorums == ()


def test_an_audited_rule_does_not_count() -> None:
    text = f"[{{name: x, mode: audit, endOfLife: {{{ANNOUNCED}}}}}, {{name: y, endOfLife: {{{ANNOUNCED}}}}}]"
    assert [each.check(Look(findings=())).counted for each in one_policy(text).rules] == [False, True]


# --- properties ---

PIECES = st.sampled_from(
    [
        *(system(name, by) for name in ("debian-12", "debian-10", "acmeos-1", "") for by in ("release", "vendor")),
        *(announcement(by) for by in ("vendor", "release", "stranger")),
        bill(Component(name="x"), distribution="alpine-3.22"),
    ]
)
BOTH = f"{ANNOUNCED}, {SYSTEM}"


def foreign(finding: Finding, how: int) -> Finding:
    flawed = (
        replace(finding, signer=attestation("stranger").signer),
        replace(finding, reason=Reason.SIGNATURE_INVALID),
        replace(finding, step=Step.SIGNED, reason=Reason.SUBJECT_MISMATCH),
        replace(finding, claim=Claim.SIGNATURE),
    )
    return replace(flawed[how], evidence=f"foreign-{how}")


@given(pieces=st.lists(PIECES, max_size=4), more=st.lists(PIECES, max_size=3), how=st.integers(0, 3))
def test_what_establishes_nothing_changes_no_outcome(pieces: list[Piece], more: list[Piece], how: int) -> None:
    before = check(BOTH, *pieces)
    after = check(BOTH, *pieces, *((foreign(finding, how), content) for finding, content in more))
    assert (after.outcome, after.until) == (before.outcome, before.until)


@given(pieces=st.lists(PIECES, max_size=4), data=st.data())
def test_the_order_of_evidence_never_matters(pieces: list[Piece], data: st.DataObject) -> None:
    one, other = check(BOTH, *pieces), check(BOTH, *data.draw(st.permutations(pieces)))
    assert (one.outcome, one.until) == (other.outcome, other.until)
    if one.outcome is Outcome.PASSED:
        assert one == other


@given(pieces=st.lists(PIECES, max_size=4), days=st.integers(0, 1000))
def test_what_passed_holds_until_it_says(pieces: list[Piece], days: int) -> None:
    result = check(BOTH, *pieces)
    later = NOW + DAY * days
    if result.outcome is Outcome.PASSED and result.until is not None and later < result.until:
        assert check(BOTH, *pieces, now=later).outcome is Outcome.PASSED
