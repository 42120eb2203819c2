"""Whose bills of materials count, whatever a rule then asks of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import BadConfiguration
from preverify.model.findings import Claim, Signing, Step
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.inventories import Bill, Inventories
from support.described import (
    BOM,
    LEFT_PAD,
    OPENSSL,
    Said,
    bill,
    by,
    by_scanner,
    check,
    unscanned,
)
from support.policies import (
    NOW,
    PROVENANCE,
    SIGNERS,
    SUBJECT,
    attestation,
    broken,
    not_obtained,
    one_policy,
    policy_set,
    policy_text,
    read_file,
    signature,
)

DENY = "deny: ['pkg:npm/left-pad']"
RELEASE = f"packages: {{by: {{any: [release]}}, {DENY}}}"
TWO = f"packages: {{by: {{atLeast: 2, of: [release, security, vendor]}}, {DENY}}}"
SCANNER = f"packages: {{scanner: true, {DENY}}}"
EITHER = f"packages: {{by: {{any: [release]}}, scanner: true, {DENY}}}"
GOOD, BAD = bill(OPENSSL), bill(OPENSSL, LEFT_PAD)


def said(demand: str, *bills: Said, **more: object) -> tuple[str, str]:
    found = check(demand, *bills, **more)  # type: ignore[arg-type]
    return found.outcome.value, found.reason.value


def test_an_attested_bill_by_a_named_signer_counts() -> None:
    found = check(RELEASE, by("release", GOOD))
    assert (found.outcome, found.reason) == (Outcome.PASSED, Reason.OK)
    assert found.evidence == ("sha256:attestation-release-0",)
    assert found.detail == "bill of materials by release"
    assert found.until is None
    assert said(RELEASE, by("release", GOOD, kind=BOM)) == ("passed", "ok")


@pytest.mark.parametrize("demand", [RELEASE, EITHER])
def test_none_at_all_is_missing(demand: str) -> None:
    assert said(demand) == ("failed", "sbom-missing")
    # Attestations of other things, and signatures, are no bills.
    others = ((attestation("release", PROVENANCE), None), (signature(), None))
    assert said(demand, *others) == ("failed", "sbom-missing")
    assert said(demand, (attestation("release", "https://openvex.dev/ns"), GOOD)) == ("failed", "sbom-missing")


def test_somebody_elses_never_counts_whatever_it_says() -> None:
    for inventory in (GOOD, BAD):
        assert said(RELEASE, by("stranger", inventory)) == ("failed", "wrong-key")
        assert said(RELEASE, by("vendor", inventory)) == ("failed", "wrong-key")
        assert said(RELEASE, by("release", GOOD), by("stranger", inventory)) == ("passed", "ok")


def test_what_could_not_be_read_establishes_nothing() -> None:
    assert said(RELEASE, by("release", None)) == ("failed", "statement-malformed")
    assert said(RELEASE, by("release", None), by("release", GOOD, n=1)) == ("passed", "ok")
    large = by("release", None, predicate=(("packages.count", "100001"),))
    assert said(RELEASE, large) == ("failed", "too-large")
    assert said(RELEASE, by("release", None, predicate=(("components.count", "100000"),)))[1] == "statement-malformed"


def test_what_was_not_obtained_is_undecided() -> None:
    assert said(RELEASE, unobtained=(not_obtained(),)) == ("undecided", "registry-unavailable")
    assert said(RELEASE, by("release", GOOD), unobtained=(not_obtained(),)) == ("passed", "ok")
    assert said(RELEASE, by("release", BAD), unobtained=(not_obtained(),)) == ("failed", "component-denied")


def test_what_limits_left_unread_is_said() -> None:
    assert said(RELEASE, truncated=True) == ("failed", "too-much-evidence")


def test_distinct_signers_are_counted() -> None:
    assert said(TWO, by("release", GOOD), by("vendor", GOOD)) == ("passed", "ok")
    assert said(TWO, by("release", GOOD), by("release", GOOD, n=1)) == ("failed", "threshold-not-met")
    assert check(TWO, by("release", GOOD), by("vendor", GOOD)).evidence == (
        "sha256:attestation-release-0",
        "sha256:attestation-vendor-0",
    )


def test_of_several_that_count_nothing_may_be_wrong_with_any() -> None:
    """They are about one image: what one names is in there, though the other does not name it."""
    for bills in ((by("release", GOOD), by("release", BAD, n=1)), (by("release", BAD), by("release", GOOD, n=1))):
        found = check(RELEASE, *bills)
        assert (found.outcome, found.reason) == (Outcome.FAILED, Reason.COMPONENT_DENIED)
        assert found.detail == "not allowed: pkg:npm/left-pad@1.3.0 (bill of materials by release)"
        (bad,) = (finding for finding, inventory in bills if inventory is BAD)
        assert found.evidence == (bad.evidence,)
    found = check(EITHER, by("release", GOOD), by_scanner(BAD))
    assert (found.reason, found.detail[-17:-1]) == (Reason.COMPONENT_DENIED, "s by our scanner")


def test_all_that_count_are_named_where_it_passes() -> None:
    found = check(RELEASE, by("release", GOOD), by("release", GOOD, n=1))
    assert found.evidence == ("sha256:attestation-release-0", "sha256:attestation-release-1")


def test_too_few_who_say_something_bad_are_enough_to_fail() -> None:
    assert said(TWO, by("release", BAD)) == ("failed", "component-denied")


def test_a_bill_that_says_too_little_counts_only_against_the_image() -> None:
    part, nothing = bill(incomplete="incomplete"), replace(GOOD, components=())
    for little in (part, nothing):
        assert said(RELEASE, by("release", little)) == ("failed", "sbom-missing")
        assert said(RELEASE, by("release", little), by("release", GOOD, n=1)) == ("passed", "ok")
    assert "'incomplete'" in check(RELEASE, by("release", part)).detail
    assert "names no component" in check(RELEASE, by("release", nothing)).detail
    assert said(RELEASE, by("release", replace(BAD, incomplete="unknown"))) == ("failed", "component-denied")


def test_our_own_scanner_counts_where_the_rule_says_so() -> None:
    found = check(SCANNER, by_scanner(GOOD))
    assert (found.outcome, found.detail) == (Outcome.PASSED, "bill of materials by our scanner")
    assert said(SCANNER, by_scanner(BAD)) == ("failed", "component-denied")
    assert said(SCANNER, by_scanner(None)) == ("failed", "statement-malformed")
    assert said(SCANNER, by_scanner(None), by_scanner(GOOD, evidence="sha256:other")) == ("passed", "ok")
    assert said(SCANNER) == ("failed", "sbom-missing")
    assert said(SCANNER, by("release", GOOD)) == ("failed", "sbom-missing")
    for inventory in (GOOD, BAD):
        assert said(RELEASE, by_scanner(inventory)) == ("failed", "sbom-missing")
        assert said(RELEASE, by_scanner(inventory), by("release", GOOD)) == ("passed", "ok")


def test_a_claim_to_be_our_scanner_is_none() -> None:
    fake = by("stranger", GOOD, format="scanner-sbom")
    assert said(SCANNER, fake) == ("failed", "sbom-missing")
    other = by("release", GOOD, claim=Claim.REPORT, format="matches", predicate_type="")
    assert said(SCANNER, other) == ("failed", "sbom-missing")
    assert said(SCANNER, by_scanner(GOOD, step=Step.PARSED)) == ("failed", "sbom-missing")


def test_what_could_not_be_scanned_is_undecided_where_nothing_else_decides() -> None:
    lack = unscanned(not_obtained(Reason.DEADLINE, what="scanner"))
    assert said(SCANNER, seen=lack) == ("undecided", "deadline")
    assert said(EITHER, seen=lack) == ("undecided", "deadline")
    assert said(EITHER, by("release", GOOD), seen=lack) == ("passed", "ok")
    assert said(EITHER, by("release", BAD), seen=lack) == ("failed", "component-denied")
    assert said(RELEASE, seen=lack) == ("failed", "sbom-missing")
    assert said(SCANNER, unobtained=(not_obtained(),)) == ("undecided", "registry-unavailable")


def test_either_is_enough_and_the_attested_one_says_why_not() -> None:
    assert said(EITHER, by("release", GOOD)) == ("passed", "ok")
    assert said(EITHER, by_scanner(GOOD)) == ("passed", "ok")
    assert said(EITHER, by("stranger", GOOD)) == ("failed", "wrong-key")
    assert said(EITHER, by_scanner(GOOD), by("release", None)) == ("passed", "ok")


def test_what_is_only_logged_gives_way_to_something_better() -> None:
    signing = Signing(anchor=attestation("release").signer, degraded=("signature-expired: over",))
    logged = by("release", GOOD, signing=signing)
    assert check(EITHER, logged).degraded
    found = check(EITHER, logged, by_scanner(GOOD))
    assert (found.degraded, found.detail) == (False, "bill of materials by our scanner")


def test_one_whose_signature_is_over_says_nothing_any_more() -> None:
    signing = Signing(anchor=attestation("release").signer, until=NOW)
    over = by("release", BAD, signing=signing)
    assert said(RELEASE, over) == ("failed", "signature-expired")
    assert said(RELEASE, over, by("release", GOOD, n=1)) == ("passed", "ok")
    soon = by("release", GOOD, signing=replace(signing, until=NOW + timedelta(hours=1)))
    assert check(RELEASE, soon).until == NOW + timedelta(hours=1)


SKIP = b"""{"version": "1.0", "trustPolicies": [{"name": "skip", "registryScopes": ["*"],
  "signatureVerification": {"level": "skip"}}]}"""


def test_a_trust_policy_that_skips_verification_makes_no_bill() -> None:
    """Its signer counts without any evidence, and then there is nothing to look at."""
    signers = SIGNERS + "  lazy: {notation: {trustPolicy: {file: skip.json}}}\n"
    demand = f"packages: {{by: {{any: [lazy]}}, {DENY}}}"
    text = policy_text(f"[{{name: it, {demand}}}]")
    (policy,) = policy_set(
        text, signers=signers, reader=lambda name: SKIP if name == "skip.json" else read_file(name)
    ).policies
    found = check(demand, policy=policy, subject=SUBJECT)
    assert (found.outcome, found.reason) == (Outcome.FAILED, Reason.SBOM_MISSING)
    assert "the trust policy of lazy skips verification here" in found.detail


def test_which_bills_count_is_told_to_other_rules() -> None:
    (rule,) = one_policy(f"[{{name: it, {EITHER}}}]").rules
    source = rule.source  # type: ignore[attr-defined]
    assert isinstance(source, Inventories)
    first, scanned = by("release", GOOD), by_scanner(BAD)
    pieces = (first, scanned, by("stranger", BAD), by("release", None, n=2), first)
    look = Look(
        findings=[finding for finding, _ in pieces],
        contents={finding.statement: each for finding, each in pieces if each is not None},
        now=NOW,
    )
    assert source.bills(look) == (
        Bill(first[0].evidence, first[0].statement, "release", GOOD),
        Bill(scanned[0].evidence, scanned[0].statement, "our scanner", BAD),
    )


@pytest.mark.parametrize(
    ("demand", "needs"),
    [
        (RELEASE, {Need.INVENTORY}),
        (SCANNER, {Need.SCANNER}),
        (EITHER, {Need.INVENTORY, Need.SCANNER}),
    ],
)
def test_what_has_to_be_gathered(demand: str, needs: set[Need]) -> None:
    (rule,) = one_policy(f"[{{name: it, {demand}}}]").rules
    assert rule.needs == needs
    assert len(rule.quorums) == (Need.INVENTORY in needs)


@pytest.mark.parametrize("source", ["", "scanner: false, ", "by: {any: [nobody]}, ", "by: {}, ", "scanner: 1, "])
@pytest.mark.parametrize("rule", [f"packages: {{%s{DENY}}}", "sbom: {%sminComponents: 1}", "licenses: {%sdeny: [MIT]}"])
def test_nobody_or_unknown_ones_do_not_load(source: str, rule: str) -> None:
    with pytest.raises(BadConfiguration):
        one_policy(f"[{{name: it, {rule % source}}}]")


invalid = st.lists(
    st.sampled_from(
        [
            by("stranger", GOOD),
            by("stranger", BAD, n=1),
            by("release", None, n=3),
            by("release", GOOD, n=4, reason=Reason.SIGNATURE_INVALID, step=Step.PARSED),
            by("release", BAD, n=5, reason=Reason.SUBJECT_MISMATCH, step=Step.PAYLOAD),
            by("release", GOOD, n=6, claim=Claim.SIGNATURE),
            by("release", GOOD, n=7, predicate_type=PROVENANCE),
            (broken(Reason.ENVELOPE_MALFORMED, Step.OBTAINED, claim=Claim.NONE), None),
        ]
    ),
    max_size=6,
)
valid = st.lists(
    st.sampled_from(
        [by("release", GOOD, n=10), by("release", BAD, n=11), by("security", GOOD, n=12), by_scanner(GOOD)]
    ),
    max_size=3,
)


@given(valid=valid, invalid=invalid, order=st.randoms(use_true_random=False))
@pytest.mark.parametrize("demand", [RELEASE, TWO, SCANNER, EITHER, "sbom: {by: {any: [release]}, minComponents: 1}"])
def test_invalid_bills_change_nothing_and_order_means_nothing(
    demand: str, valid: list[Said], invalid: list[Said], order: object
) -> None:
    alone = check(demand, *valid).outcome
    together = [*valid, *invalid]
    order.shuffle(together)  # type: ignore[attr-defined]
    assert check(demand, *together).outcome is alone
