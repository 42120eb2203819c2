"""Decisions: outcome, order of reasons, times; and the properties that hold for any evidence."""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.evidence import Unobtained
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, Verdict
from preverify.policy import undecided
from preverify.policy.decide import decide
from preverify.policy.policies import Policy
from support.policies import (
    ATTESTED,
    NOW,
    SIGNED,
    SUBJECT,
    attestation,
    broken,
    gathered,
    new_id,
    not_obtained,
    one_policy,
    policy_set,
    policy_text,
    signature,
)

BOTH = (
    "[{name: signed, signature: {by: {any: [release]}}},"
    " {name: built, attestation: {type: vuln, by: {any: [release]}}}]"
)
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"


def conclude(
    policy: Policy,
    *findings: Finding,
    unobtained: tuple[Unobtained, ...] = (),
    truncated: bool = False,
    attempts: int = 0,
) -> Verdict:
    return decide(
        policy,
        gathered(unobtained=unobtained, truncated=truncated),
        findings,
        now=NOW,
        trust_epoch="keys-only",
        new_id=new_id,
        attempts=attempts,
    )


def test_a_passed_verdict_holds_for_its_validity_and_is_due_at_half() -> None:
    policy = one_policy(SIGNED, validFor="12h")
    verdict = conclude(policy, signature())
    assert verdict.outcome is Outcome.PASSED
    assert (verdict.id, verdict.subject, verdict.policy) == ("v_1", SUBJECT, "shop-release")
    assert (verdict.policy_digest, verdict.trust_epoch, verdict.decided_at) == (policy.digest, "keys-only", NOW)
    assert verdict.valid_until == NOW + timedelta(hours=12)
    assert verdict.due_at == NOW + timedelta(hours=6)


def test_a_failed_verdict_is_looked_at_again_in_15_minutes() -> None:
    verdict = conclude(one_policy(SIGNED))
    assert (verdict.outcome, verdict.valid_until) == (Outcome.FAILED, None)
    assert verdict.due_at == NOW + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 30), (1, 60), (2, 120), (4, 480), (5, 900), (9, 900), (10_000, 900)]
)
def test_undecided_is_retried_after_30_seconds_doubling_to_15_minutes(attempts: int, seconds: int) -> None:
    verdict = conclude(one_policy(SIGNED), unobtained=(not_obtained(),), attempts=attempts)
    assert (verdict.outcome, verdict.valid_until) == (Outcome.UNDECIDED, None)
    assert verdict.due_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(("asked", "seconds"), [(10, 30), (120, 120), (1_000_000_000, 3600)])
def test_a_registry_that_asks_for_more_time_gets_it_within_reason(asked: int, seconds: int) -> None:
    places = (
        not_obtained(),
        not_obtained(retry_after=timedelta(seconds=asked)),
        not_obtained(retry_after=timedelta(0)),
    )
    assert conclude(one_policy(SIGNED), unobtained=places).due_at == NOW + timedelta(seconds=seconds)


def test_every_rule_has_to_pass() -> None:
    policy = one_policy(BOTH)
    assert conclude(policy, signature(), attestation("release", VULN)).outcome is Outcome.PASSED
    assert conclude(policy, signature()).outcome is Outcome.FAILED
    assert conclude(policy, attestation("release", VULN)).outcome is Outcome.FAILED


def test_a_missing_piece_is_undecided_even_where_another_rule_passed() -> None:
    verdict = conclude(one_policy(BOTH), signature(), unobtained=(not_obtained(),))
    assert verdict.outcome is Outcome.UNDECIDED
    assert [r.reason for r in verdict.reasons] == [Reason.REGISTRY_UNAVAILABLE]


def test_the_first_reason_is_that_of_the_evidence_that_got_furthest_whatever_the_order_of_rules() -> None:
    late = broken(Reason.SUBJECT_MISMATCH, Step.PAYLOAD, claim=Claim.ATTESTATION, signer="release")
    verdict = conclude(one_policy(BOTH), broken(Reason.SIGNATURE_INVALID, Step.PARSED), late)
    assert [(r.rule, r.reason.value) for r in verdict.reasons] == [
        ("built", "subject-mismatch"),
        ("signed", "signature-invalid"),
    ]


def test_rules_keep_their_order_where_everything_passed() -> None:
    verdict = conclude(one_policy(BOTH), attestation("release", VULN), signature())
    assert [r.rule for r in verdict.rules] == ["signed", "built"]


@pytest.mark.parametrize("mode", ["audit", "warn"])
def test_a_rule_on_trial_is_reported_and_left_out(mode: str) -> None:
    trial = BOTH.replace("name: built", f"name: built, mode: {mode}")
    verdict = conclude(one_policy(trial), signature())
    assert verdict.outcome is Outcome.PASSED
    assert {(r.rule, r.outcome.value, r.counted) for r in verdict.rules} == {
        ("signed", "passed", True),
        ("built", "failed", False),
    }
    assert [r.rule for r in verdict.reasons] == ["signed"]


def test_a_policy_without_counted_rules_never_passes() -> None:
    """Loading refuses such policies; a truth about nothing must not become a pass behind its back."""
    policy = one_policy(SIGNED)
    assert conclude(dataclasses.replace(policy, rules=()), signature()).outcome is Outcome.UNDECIDED


def test_decisions_can_be_computed_again_byte_for_byte() -> None:
    policy, findings = one_policy(BOTH), (broken(Reason.WRONG_KEY, Step.PARSED), signature(), attestation())
    assert conclude(policy, *findings) == conclude(policy, *findings)


def test_a_subject_that_could_not_be_looked_at_is_undecided_under_every_rule() -> None:
    policy = one_policy(BOTH.replace("name: built", "name: built, mode: audit"))
    verdict = undecided(
        policy,
        SUBJECT,
        Reason.INTERNAL_ERROR,
        "the verifier broke",
        now=NOW,
        trust_epoch="keys-only",
        new_id=new_id,
        attempts=1,
        retry_after=timedelta(minutes=3),
    )
    assert (verdict.outcome, verdict.valid_until, verdict.due_at) == (
        Outcome.UNDECIDED,
        None,
        NOW + timedelta(minutes=3),
    )
    assert [(r.rule, r.reason.value, r.detail, r.counted) for r in verdict.rules] == [
        ("signed", "internal-error", "the verifier broke", True),
        ("built", "internal-error", "the verifier broke", False),
    ]


# --- properties ---

SIGNERS = st.sampled_from(["release", "security", "vendor", "stranger"])
BAD_REASONS = st.sampled_from([r for r in Reason if r is not Reason.OK])
EARLY = st.sampled_from([s for s in Step if s is not Step.ESTABLISHED])
CLAIMS = st.sampled_from(list(Claim))
good = st.one_of(
    st.builds(signature, SIGNERS, annotations=st.sampled_from([None, {"stage": "production"}]), n=st.integers(0, 3)),
    st.builds(attestation, SIGNERS, st.sampled_from([VULN, "https://spdx.dev/Document"]), n=st.integers(0, 3)),
)
bad = st.builds(broken, BAD_REASONS, EARLY, claim=CLAIMS, signer=st.one_of(st.just(""), SIGNERS), n=st.integers(0, 3))
POLICIES = [
    one_policy(require)
    for require in (
        SIGNED,
        ATTESTED,
        BOTH,
        "[{name: two, signature: {by: {atLeast: 2, of: [release, security, vendor]}}}]",
        "[{name: all, signature: {by: {all: [release, security]}, annotations: {stage: production}}}]",
        "[{name: scan, attestation: {type: vuln, by: {all: [release, security]}}},"  # noqa: ISC004 - one text
        " {name: sbom, mode: audit, attestation: {type: spdx, by: {any: [vendor]}}}]",
    )
]
policies = st.sampled_from(POLICIES)


@given(policy=policies, findings=st.lists(st.one_of(good, bad), max_size=8), data=st.data())
def test_the_order_of_evidence_never_matters(policy: Policy, findings: list[Finding], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(findings))
    assert conclude(policy, *findings).outcome is conclude(policy, *shuffled).outcome


@given(policy=policies, findings=st.lists(st.one_of(good, bad), max_size=8), data=st.data())
def test_the_order_of_rules_never_matters(policy: Policy, findings: list[Finding], data: st.DataObject) -> None:
    shuffled = dataclasses.replace(policy, rules=tuple(data.draw(st.permutations(policy.rules))))
    one, other = conclude(policy, *findings), conclude(shuffled, *findings)
    assert one.outcome is other.outcome
    assert sorted(one.rules, key=lambda r: r.rule) == sorted(other.rules, key=lambda r: r.rule)


@given(
    policy=policies,
    findings=st.lists(good, max_size=4),
    more=st.lists(bad, max_size=6),
    where=st.integers(0, 4),
    truncated=st.booleans(),
)
def test_invalid_evidence_changes_no_outcome(
    policy: Policy, findings: list[Finding], more: list[Finding], where: int, truncated: bool
) -> None:
    """Bad evidence never spoils good, and is never better than none."""
    mixed = [*findings[:where], *more, *findings[where:]]
    before, after = conclude(policy, *findings, truncated=truncated), conclude(policy, *mixed, truncated=truncated)
    assert before.outcome is after.outcome


@given(policy=policies, findings=st.lists(st.one_of(good, bad), max_size=8), missing=st.integers(0, 2))
def test_what_could_not_be_obtained_never_helps_and_never_condemns(
    policy: Policy, findings: list[Finding], missing: int
) -> None:
    whole = conclude(policy, *findings)
    partial = conclude(policy, *findings, unobtained=(not_obtained(),) * missing)
    if missing and whole.outcome is Outcome.FAILED:
        assert partial.outcome is Outcome.UNDECIDED
    else:
        assert partial.outcome is whole.outcome


@given(policy=policies, findings=st.lists(st.one_of(good, bad), max_size=6), extra=good)
def test_more_good_evidence_never_hurts(policy: Policy, findings: list[Finding], extra: Finding) -> None:
    if conclude(policy, *findings).outcome is Outcome.PASSED:
        assert conclude(policy, *findings, extra).outcome is Outcome.PASSED


@given(order=st.permutations([("a", SIGNED), ("b", ATTESTED), ("c", BOTH)]))
def test_the_order_of_policies_never_matters(order: list[tuple[str, str]]) -> None:
    loaded = policy_set(*(policy_text(require, name=name) for name, require in order))
    assert loaded == policy_set(*(policy_text(r, name=n) for n, r in (("a", SIGNED), ("b", ATTESTED), ("c", BOTH))))
