"""Simulation: what would change, for whom, without deciding anything."""

import pytest

from preverify.model.findings import Finding
from preverify.model.verdicts import AnswerState
from preverify.policy.policies import PolicySet
from preverify.policy.simulate import Effect, Known, Report, compare
from support.policies import (
    ATTESTED,
    NOW,
    SIGNED,
    attestation,
    gathered,
    not_obtained,
    policy_set,
    policy_text,
    signature,
)

SIGNED_SET = policy_set(policy_text(SIGNED))
STRICTER = policy_set(policy_text(SIGNED), policy_text(ATTESTED, name="built"))


def simulate(old: PolicySet, new: PolicySet, *findings: Finding, cut_off: bool = False) -> Report:
    unobtained = (not_obtained(),) if cut_off else ()
    known = Known(gathered=gathered(unobtained=unobtained), findings=findings)
    return compare(old, new, [known], now=NOW)


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        (SIGNED_SET, STRICTER, Effect.NEWLY_DENIED),
        (STRICTER, SIGNED_SET, Effect.NEWLY_ALLOWED),
        (SIGNED_SET, policy_set(policy_text(SIGNED, mode="warn")), Effect.CHANGED),
        (SIGNED_SET, policy_set(), Effect.NEWLY_DENIED),
        (policy_set(), SIGNED_SET, Effect.NEWLY_ALLOWED),
    ],
)
def test_a_signed_image_meets_another_set(old: PolicySet, new: PolicySet, effect: Effect) -> None:
    report = simulate(old, new, signature())
    (difference,) = report.differences
    assert (difference.effect, difference.namespace, report.unchanged, report.considered) == (effect, "", 0, 1)
    assert report.having(effect) == (difference,)


def test_a_difference_says_what_would_be_answered_and_why() -> None:
    (difference,) = simulate(SIGNED_SET, STRICTER, signature()).differences
    assert (difference.before, difference.after) == (AnswerState.VERIFIED, AnswerState.DENIED)
    assert (difference.reason, difference.detail) == ("attestation-missing", "built: no attestation was found")


def test_the_same_set_changes_nothing() -> None:
    report = simulate(STRICTER, STRICTER, signature(), attestation())
    assert (report.differences, report.unchanged, report.undecided) == ((), 1, 0)


def test_what_could_not_be_obtained_is_counted_as_undecided() -> None:
    report = simulate(SIGNED_SET, STRICTER, signature(), cut_off=True)
    assert report.undecided == 1
    assert [d.after for d in report.differences] == [AnswerState.UNKNOWN]


def test_namespaces_of_bound_policies_are_looked_at_one_by_one() -> None:
    bound = policy_set(policy_text(SIGNED), policy_text(ATTESTED, name="built", namespaces="['prod-*', test]"))
    report = simulate(SIGNED_SET, bound, signature())
    assert {(d.namespace, d.effect) for d in report.differences} == {
        ("prod-*", Effect.NEWLY_DENIED),
        ("test", Effect.NEWLY_DENIED),
    }
    assert (report.considered, report.unchanged) == (1, 1)
