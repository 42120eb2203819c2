"""The rule `repositories`: where images may come from."""

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules.evidence import Look
from support.policies import SUBJECT, one_policy, policy_set, policy_text


def check(demand: str, look: Look | None = None) -> RuleResult:
    (rule,) = one_policy(f"[{{name: x, repositories: {{{demand}}}}}]").rules
    return rule.check(look or Look(findings=(), subject=SUBJECT))


@pytest.mark.parametrize(
    ("demand", "good"),
    [
        ("allow: ['registry.example/shop/**']", True),
        ("allow: ['docker.io/**', 'registry.example/**']", True),
        ("allow: ['docker.io/**']", False),
        ("allow: ['registry.example/shop']", False),
        ("deny: ['docker.io/**']", True),
        ("deny: ['**/api']", False),
        ("allow: ['registry.example/**'], deny: ['registry.example/shop/*']", False),
    ],
)
def test_the_name_of_the_image_is_what_is_compared(demand: str, *, good: bool) -> None:
    result = check(demand)
    assert (result.outcome is Outcome.PASSED) == good
    assert result.reason is (Reason.OK if good else Reason.CONFIG_DENIED)
    assert "registry.example/shop/api" in result.detail


def test_what_is_allowed_is_said() -> None:
    assert check("allow: ['index.docker.io/b/**', 'a.test/**']").detail == (
        "comes from registry.example/shop/api, expected a.test/** or docker.io/b/**"
    )
    assert check("deny: ['**']").detail == "comes from registry.example/shop/api, and ** is denied"


def test_without_a_name_nothing_passes() -> None:
    result = check("allow: ['**']", Look(findings=()))
    assert (result.outcome, result.reason) == (Outcome.UNDECIDED, Reason.INTERNAL_ERROR)


def test_it_looks_at_nothing_else() -> None:
    policy = one_policy("[{name: x, repositories: {allow: ['**']}}]")
    assert (policy.needs, policy.signers, policy.own_platforms) == (frozenset(), (), ())


@pytest.mark.parametrize("demand", ["allow: ['b.test/**', 'a.test/**']", "deny: ['a.test/**']"])
def test_a_rule_is_rebuilt_from_its_canonical_form(demand: str) -> None:
    policies = policy_set(policy_text(f"[{{name: x, repositories: {{{demand}}}}}]"))
    assert PolicySet.from_document(policies.document) == policies


@pytest.mark.parametrize(
    ("demand", "sentence"),
    [
        ("", "demands nothing"),
        ("allow: []", "allow"),
        ("allow: ['shop/**']", "starts with no registry"),
        ("allow: ['registry.example/shop/api:1.0']", "names a tag"),
        ("deny: ['registry.example/{a}']", "holds"),
        ("denied: ['**']", "did you mean 'deny'"),
    ],
)
def test_what_is_not_understood_does_not_load(demand: str, sentence: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        check(demand)
    assert sentence in str(refused.value)
