"""Demands that are put together: what holds, what does not, what cannot be told, and until when."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Unobtained
from preverify.model.findings import Claim, Finding, Step
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules import NESTED, SPECS, Rule
from preverify.policy.rules.combined import MAX_DEMANDS, Not, Several
from preverify.policy.rules.evidence import Look
from preverify.policy.schema import json_schema
from support.policies import (
    NOW,
    attestation,
    broken,
    gathered,
    key,
    not_obtained,
    one_policy,
    policy_set,
    policy_text,
    signature,
)

BY_RELEASE = "{signature: {by: {any: [release]}}}"
BY_VENDOR = "{name: vendors, signature: {by: {any: [vendor]}}}"
BUILT = "{attestation: {type: slsa-provenance, by: {any: [release]}}}"
EITHER = f"anyOf: [{BY_RELEASE}, {BUILT}]"
BOTH = f"allOf: [{BY_RELEASE}, {BUILT}]"
TWO = f"atLeast: {{atLeast: 2, of: [{BY_RELEASE}, {BY_VENDOR}, {BUILT}]}}"
NOT_VENDOR = f"not: {BY_VENDOR}"


def rule(demand: str) -> Rule:
    return one_policy(f"[{{name: x, {demand}}}]").rules[0]


def check(
    demand: str, *findings: Finding, truncated: bool = False, unobtained: Sequence[Unobtained] = ()
) -> RuleResult:
    return rule(demand).check(Look(findings=findings, truncated=truncated, unobtained=unobtained, now=NOW))


def say(result: RuleResult) -> tuple[str, str]:
    return result.outcome.value, result.reason.value


PASSED = ("passed", "ok")


@pytest.mark.parametrize(
    ("demand", "findings", "expected"),
    [
        (EITHER, [signature()], PASSED),
        (EITHER, [attestation()], PASSED),
        (EITHER, [signature("vendor"), attestation("vendor")], ("failed", "wrong-key")),
        (EITHER, [], ("failed", "no-signature")),
        (BOTH, [signature()], ("failed", "attestation-missing")),
        (BOTH, [attestation()], ("failed", "no-signature")),
        (BOTH, [signature(), attestation()], PASSED),
        (TWO, [signature(), signature("vendor")], PASSED),
        (TWO, [signature(), attestation()], PASSED),
        (TWO, [signature(), signature("release", n=2)], ("failed", "wrong-key")),
        (TWO, [attestation("vendor"), attestation()], ("failed", "no-signature")),
    ],
)
def test_as_many_have_to_hold_as_are_demanded(demand: str, findings: list[Finding], expected: tuple[str, str]) -> None:
    for order in permutations(findings):
        assert say(check(demand, *order)) == expected


def test_what_passes_names_each_demand_that_holds_and_rests_on_its_evidence() -> None:
    result = check(EITHER, signature(), attestation())
    assert result.rule == "x"
    assert result.detail == "signature: signature by release; attestation: attestation by release"
    assert result.evidence == (signature().evidence, attestation().evidence)


def test_the_reason_is_that_of_the_demand_whose_evidence_got_furthest() -> None:
    late = broken(Reason.SUBJECT_MISMATCH, Step.PAYLOAD, claim=Claim.ATTESTATION, signer="release", detail="of another")
    result = check(EITHER, broken(Reason.SIGNATURE_INVALID, Step.PARSED), late)
    assert say(result) == ("failed", "subject-mismatch")
    assert result.detail == "attestation (and 1 more of 2 do not hold): of another"
    assert result.evidence == (late.evidence,)


def test_what_could_not_be_obtained_leaves_open_what_it_could_change() -> None:
    missing = (not_obtained(),)
    assert say(check(EITHER, unobtained=missing)) == ("undecided", "registry-unavailable")
    assert say(check(EITHER, signature(), unobtained=missing)) == PASSED
    assert say(check(BOTH, signature(), unobtained=missing)) == ("undecided", "registry-unavailable")


class Fixed:
    """A rule with a given result. Its evidence has the step that the result's detail says."""

    KIND = "fixed"
    name = "fixed"
    mode = Mode.ENFORCE
    quorums = ()
    needs = frozenset({Need.MATCHES})

    def __init__(
        self,
        outcome: Outcome,
        *,
        hours: int | None = None,
        degraded: bool = False,
        reason: Reason = Reason.CONFIG_DENIED,
    ) -> None:
        self.result = RuleResult(
            rule=self.name,
            outcome=outcome,
            reason=Reason.OK if outcome is Outcome.PASSED else reason,
            detail="",
            degraded=degraded,
            until=None if hours is None else at(hours),
        )

    def check(self, look: Look) -> RuleResult:
        del look
        return self.result

    def canonical(self) -> dict[str, int]:
        return {"id": id(self)}


def at(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def several(needed: int, *of: Fixed) -> Several:
    return Several.of_parts("x", Mode.ENFORCE, needed, of)  # type: ignore[arg-type]  # never rebuilt


PASS, FAIL, OPEN = Outcome.PASSED, Outcome.FAILED, Outcome.UNDECIDED


@pytest.mark.parametrize("needed", [1, 2, 3])
def test_it_is_decided_exactly_where_what_is_open_cannot_change_it(needed: int) -> None:
    """The definition: passed or failed where every way to decide the open ones agrees."""
    for outcomes in product((PASS, FAIL, OPEN), repeat=3):
        worlds = product(*[(PASS, FAIL) if each is OPEN else (each,) for each in outcomes])
        held = {sum(each is PASS for each in world) >= needed for world in worlds}
        expected = OPEN if len(held) == 2 else PASS if True in held else FAIL
        result = several(needed, *map(Fixed, outcomes)).check(Look(findings=()))
        assert result.outcome is expected, outcomes


@pytest.mark.parametrize(
    ("needed", "ends", "until"),
    [
        (1, [1, 2, 3], 3),
        (1, [1, None, 3], None),
        (2, [1, 2, 3], 2),
        (2, [1, None, 3], 3),
        (3, [1, None, 3], 1),
        (3, [None, None, None], None),
    ],
)
def test_it_holds_until_too_few_of_the_demands_do(needed: int, ends: list[int | None], until: int | None) -> None:
    result = several(needed, *[Fixed(PASS, hours=hours) for hours in ends]).check(Look(findings=()))
    assert result.until == (None if until is None else at(until))


def test_what_does_not_hold_is_looked_at_again_where_time_alone_may_change_a_part() -> None:
    failed = several(2, Fixed(PASS, hours=3), Fixed(FAIL, hours=2), Fixed(FAIL)).check(Look(findings=()))
    assert (failed.outcome, failed.until) == (FAIL, at(2))
    undecided = several(1, Fixed(OPEN), Fixed(FAIL, hours=4)).check(Look(findings=()))
    assert (undecided.outcome, undecided.until) == (OPEN, at(4))


def test_it_is_degraded_only_where_it_needs_what_is() -> None:
    look = Look(findings=())
    bad, good = Fixed(PASS, degraded=True), Fixed(PASS)
    assert several(1, bad, good).check(look).degraded is False
    assert several(2, bad, good).check(look).degraded is True
    assert several(1, bad, Fixed(FAIL)).check(look).degraded is True


def test_an_audit_rule_is_not_counted() -> None:
    (_, audited) = one_policy(f"[{{name: x, {EITHER}}}, {{name: y, mode: audit, {NOT_VENDOR}}}]").rules
    assert not audited.check(Look(findings=())).counted
    (_, audited) = one_policy(f"[{{name: x, {EITHER}}}, {{name: y, mode: audit, {BOTH}}}]").rules
    assert not audited.check(Look(findings=())).counted
    assert not audited.check(Look(findings=(signature(), attestation()))).counted


# --- not --------------------------------------------------------------------------------------------------------------


NOT_TESTED = "not: {name: tested, signature: {by: {any: [release]}, annotations: {stage: test}}}"
PRODUCTION = signature(annotations={"stage": "production"})


def test_not_holds_where_established_evidence_says_otherwise() -> None:
    result = check(NOT_TESTED, PRODUCTION)
    assert say(result) == PASSED
    assert result.detail == "not tested: annotation 'stage' is 'production', expected 'test'"
    assert result.evidence == (PRODUCTION.evidence,)
    inside = "not: {attestation: {type: slsa-provenance, by: {any: [release]}, predicate: {trigger: push}}}"
    assert say(check(inside, attestation())) == PASSED


def test_not_fails_where_the_demand_holds() -> None:
    result = check(NOT_VENDOR, signature(), signature("vendor"))
    assert say(result) == ("failed", "content-mismatch")
    assert result.detail == "vendors holds and must not: signature by vendor"


def test_absence_proves_nothing() -> None:
    """Whoever may write to the registry can take evidence away: that must not be what makes it pass."""
    assert say(check(NOT_VENDOR)) == ("failed", "no-signature")
    assert say(check(NOT_VENDOR, attestation())) == ("failed", "no-signature")


@pytest.mark.parametrize("demand", [NOT_VENDOR, "not: {packages: {by: {any: [vendor]}, deny: ['pkg:npm/left-pad']}}"])
def test_what_somebody_else_says_proves_nothing(demand: str) -> None:
    """Found by the properties of all rules: whoever some other policy trusts could make a `not` of this one pass."""
    for other in (signature(), attestation("release", "https://spdx.dev/Document"), signature("stranger")):
        assert check(demand, other).outcome is FAIL


@pytest.mark.parametrize("step", [Step.OBTAINED, Step.SIGNED, Step.SUBJECT])
def test_broken_evidence_neither_helps_nor_spoils(step: Step) -> None:
    bad = broken(Reason.ANNOTATION_MISMATCH, step, signer="release")
    assert say(check(NOT_TESTED, bad)) == ("failed", "no-signature")
    assert say(check(NOT_TESTED, bad, PRODUCTION)) == PASSED


def test_not_needs_that_everything_was_read() -> None:
    missing = (not_obtained(),)
    assert say(check(NOT_TESTED, PRODUCTION, unobtained=missing)) == ("undecided", "registry-unavailable")
    assert say(check(NOT_TESTED, PRODUCTION, truncated=True)) == ("failed", "too-much-evidence")
    assert say(check(NOT_VENDOR, signature("vendor"), truncated=True)) == ("failed", "content-mismatch")


def negated(inner: Fixed) -> Not:
    return Not.of_part("x", Mode.ENFORCE, inner)  # type: ignore[arg-type]  # never rebuilt


def test_not_over_documents_needs_that_all_were_read() -> None:
    report = replace(signature(), claim=Claim.REPORT, evidence="sha256:report")
    inner = Fixed(FAIL, reason=Reason.VULNERABILITY_FOUND)
    inner.result = replace(inner.result, evidence=("sha256:report",))
    look = Look(findings=(report,), gathered=gathered())
    assert negated(inner).check(look).outcome is PASS
    assert say(negated(inner).check(replace(look, truncated=True))) == ("failed", "too-much-evidence")
    assert negated(inner).check(replace(look, unobtained=(not_obtained(),))).outcome is OPEN


def test_not_over_facts_of_the_image_does_not_care_for_evidence() -> None:
    """Whoever floods an image with evidence, or a registry that is slow to list it, changes nothing about them."""
    inner = Fixed(FAIL)
    inner.needs = frozenset({Need.CONFIG})
    look = Look(findings=(), gathered=gathered(), unobtained=(not_obtained(),), truncated=True)
    assert negated(inner).check(look).outcome is PASS


def test_not_over_facts_of_the_image_itself_needs_no_evidence() -> None:
    inner = Fixed(FAIL, hours=2)
    inner.needs = frozenset({Need.CONFIG, Need.TAGS})
    result = negated(inner).check(Look(findings=(), gathered=gathered()))
    assert (result.outcome, result.until) == (PASS, at(2))
    malformed = Fixed(FAIL, reason=Reason.PAYLOAD_MALFORMED)
    malformed.needs = inner.needs
    assert say(negated(malformed).check(Look(findings=()))) == ("failed", "payload-malformed")


def test_not_over_own_scans_waits_for_what_could_not_be_scanned() -> None:
    seen = replace(gathered(), unscanned=(not_obtained(Reason.DEADLINE, what="scanner"),))
    inner = Fixed(FAIL, reason=Reason.VULNERABILITY_FOUND)
    assert say(negated(inner).check(Look(findings=(), gathered=seen))) == ("undecided", "deadline")
    assert say(negated(inner).check(Look(findings=(), gathered=gathered()))) == ("failed", "vulnerability-found")
    report = replace(signature(), claim=Claim.REPORT, evidence="sha256:report")
    inner.result = replace(inner.result, evidence=("sha256:report",))
    assert negated(inner).check(Look(findings=(report,), gathered=gathered())).outcome is PASS


def test_not_leaves_open_what_is_open_and_says_why() -> None:
    result = negated(Fixed(OPEN, hours=1, reason=Reason.DEADLINE)).check(Look(findings=()))
    assert (*say(result), result.until) == ("undecided", "deadline", at(1))


# --- what may be written ----------------------------------------------------------------------------------------------


NESTED_DEMANDS = f"anyOf: [{BY_RELEASE}, {{name: both, allOf: [{BUILT}, {{{NOT_VENDOR}}}]}}, {{{TWO}}}]"


@pytest.mark.parametrize("demand", [EITHER, BOTH, TWO, NOT_VENDOR, NESTED_DEMANDS])
def test_the_canonical_form_is_the_same_rule_again(demand: str) -> None:
    policies = policy_set(policy_text(f"[{{name: x, {demand}}}]"))
    again = PolicySet.from_document(policies.document)
    assert again == policies
    assert again.policies[0].rules == policies.policies[0].rules


def test_any_of_and_all_of_are_numbers() -> None:
    one = rule(f"atLeast: {{atLeast: 1, of: [{BY_RELEASE}, {BUILT}]}}")
    assert rule(EITHER) == one
    assert rule(BOTH) == rule(f"atLeast: {{atLeast: 2, of: [{BY_RELEASE}, {BUILT}]}}")
    assert one.canonical()["of"][0] == {
        "name": "signature",
        "signature": {"by": {"atLeast": 1, "of": ["release"]}, "annotations": {}},
    }


def test_signers_of_all_parts_are_the_policys_own() -> None:
    policy = one_policy(f"[{{name: x, {NESTED_DEMANDS}}}]")
    assert [signer.name for signer in policy.signers] == ["release", "vendor"]
    assert {anchor.id for anchor in policy.anchors} == {key("release").id, key("vendor").id}


def test_what_any_part_needs_is_needed() -> None:
    inner = Fixed(FAIL)
    assert negated(inner).needs == several(1, inner, Fixed(PASS)).needs == {Need.MATCHES}


def deep(levels: int) -> str:
    demand = BY_RELEASE
    for _ in range(levels):
        demand = f"{{anyOf: [{demand}]}}"
    return f"[{{name: x, {demand[1:-1]}}}]"


@pytest.mark.parametrize(
    ("require", "expected"),
    [
        (f"[{{name: x, not: {{{NOT_VENDOR}}}}}]", "require[0].not: is about one plain demand"),
        (f"[{{name: x, not: {{{EITHER}}}}}]", "is about one plain demand"),
        (f"[{{name: x, not: [{BY_RELEASE}]}}]", "require[0].not"),
        (f"[{{name: x, anyOf: [{BY_RELEASE}, {BY_RELEASE}]}}]", "[1] demands the same as one before it"),
        (
            f"[{{name: x, atLeast: {{atLeast: 2, of: [{BY_RELEASE}, {{name: y, {BY_RELEASE[1:]}]}}}}]",
            "[1] demands the same",
        ),
        (f"[{{name: x, atLeast: {{atLeast: 3, of: [{BY_RELEASE}, {BUILT}]}}}}]", "needs 3 of 2 demands"),
        (f"[{{name: x, atLeast: {{atLeast: 0, of: [{BY_RELEASE}]}}}}]", "require[0].atLeast.atLeast"),
        (f"[{{name: x, atLeast: {{of: [{BY_RELEASE}]}}}}]", "atLeast.atLeast: is required and missing"),
        ("[{name: x, anyOf: []}]", "require[0].anyOf"),
        ("[{name: x, anyOf: [{}]}]", "require[0].anyOf[0]: demands nothing, expected exactly one of: allOf, anyOf"),
        (f"[{{name: x, anyOf: [{{mode: warn, {BY_RELEASE[1:]}]}}]", "anyOf[0].mode: unknown key 'mode'"),
        (f"[{{name: x, anyOf: [{{platforms: each, {BY_RELEASE[1:]}]}}]", "unknown key 'platforms'"),
        (
            "[{name: x, allOf: [{anyOf: [{signature: {by: {any: [releas]}}}]}]}]",
            "require[0].allOf[0].anyOf[0].signature.by: there is no signer 'releas'",
        ),
        (
            "[{name: x, atLeast: {atLeast: 1, of: [{signature: {by: {any: [releas]}}}]}}]",
            "require[0].atLeast.of[0].signature.by: there is no signer",
        ),
        ("[{name: x, not: {signature: {by: {any: [nobody]}}}}]", "require[0].not.signature.by: there is no signer"),
        (
            "[{name: x, anyOf: [{allOf: [{atLeast: {atLeast: 2, of: [{signature: {by: {any: [release]}}}]}}]}]}]",
            "require[0].anyOf: [0].allOf: [0].atLeast: needs 2 of 1",
        ),
        (deep(5), "5 deep, at most 4"),
    ],
)
def test_what_can_never_hold_or_is_unclear_does_not_load(require: str, expected: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        policy_set(policy_text(require))
    assert expected in str(refused.value)


def test_depth_and_number_are_bounded() -> None:
    assert one_policy(deep(4)).rules

    def wide(n: int) -> str:
        each = "{name: n, signature: {by: {any: [release]}, annotations: {n: '%d'}}}"
        halves = [", ".join(each % i for i in range(start, n, 3)) for start in range(3)]
        return f"[{{name: x, anyOf: [{', '.join(f'{{anyOf: [{half}]}}' for half in halves)}]}}]"

    assert one_policy(wide(MAX_DEMANDS - 3)).rules
    with pytest.raises(BadConfiguration, match=f"holds {MAX_DEMANDS + 1} demands, at most {MAX_DEMANDS}"):
        one_policy(wide(MAX_DEMANDS - 2))


def test_a_stored_form_is_held_to_the_same() -> None:
    policies = policy_set(policy_text(f"[{{name: x, {TWO}}}]"))
    for bad in ("true", "0", "4", "1.5"):
        stored = policies.document.replace(b'"atLeast":{"atLeast":2', b'"atLeast":{"atLeast":' + bad.encode())
        assert stored != policies.document
        with pytest.raises(BadConfiguration):
            PolicySet.from_document(stored)


def test_every_kind_may_stand_inside_another_and_editors_know() -> None:
    assert set(NESTED.model_fields) - {"name"} == set(SPECS)
    definitions = json_schema("Policy")["$defs"]
    assert set(definitions["NestedSpec"]["properties"]) == {"name", *SPECS}
    assert definitions["AnyOfSpec"]["items"] == {"$ref": "#/$defs/NestedSpec"}
    assert json.dumps(definitions["NotSpec"]).count("NestedSpec") == 1


# --- properties -------------------------------------------------------------------------------------------------------

GOOD = [signature(), signature("vendor"), attestation(), attestation("vendor")]
BAD = [
    broken(reason, step, claim=claim, signer=signer)
    for reason, step in ((Reason.WRONG_KEY, Step.PARSED), (Reason.SUBJECT_MISMATCH, Step.PAYLOAD))
    for claim in (Claim.SIGNATURE, Claim.ATTESTATION, Claim.NONE)
    for signer in ("", "release", "vendor")
]
NOT_RELEASE = f"not: {BY_RELEASE}"
DEMANDS = [
    EITHER,
    BOTH,
    TWO,
    NOT_VENDOR,
    NESTED_DEMANDS,
    f"anyOf: [{{{NOT_VENDOR}}}, {{{NOT_RELEASE}}}]",
    f"anyOf: [{{{NOT_VENDOR}}}, {BY_RELEASE}]",
    f"allOf: [{{{NOT_VENDOR}}}, {BUILT}]",
    f"anyOf: [{{allOf: [{{{NOT_VENDOR}}}, {BY_RELEASE}]}}, {BUILT}]",
]
RULES = [rule(demand) for demand in DEMANDS]


@given(
    st.sampled_from(RULES),
    st.lists(st.sampled_from(GOOD), unique=True),
    st.lists(st.sampled_from(BAD), unique=True),
    st.randoms(use_true_random=False),
)
def test_invalid_evidence_never_changes_the_outcome_nor_does_order(
    whole: Rule, good: list[Finding], bad: list[Finding], random: object
) -> None:
    mixed = [*good, *bad]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert whole.check(Look(findings=mixed)).outcome is whole.check(Look(findings=good)).outcome


@given(st.sampled_from(RULES), st.permutations([*GOOD, signature("security")]), st.integers(0, 5))
def test_what_passed_passes_alike_on_nothing_but_the_evidence_that_it_names(
    whole: Rule, findings: list[Finding], n: int
) -> None:
    """Signing derives a verdict again from exactly that."""
    result = whole.check(Look(findings=findings[:n]))
    if result.outcome is Outcome.PASSED:
        named = [each for each in findings[:n] if each.evidence in result.evidence]
        assert whole.check(Look(findings=named)) == result
