"""Tests of policies are compared with answers: everything that was expected, and nothing else, goes well."""

from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.findings import Finding
from preverify.model.verdicts import AnswerState
from preverify.policy.answers import compose, policy_answer
from preverify.policy.decide import decide
from preverify.policy.policies import PolicySet
from preverify.policy.policy_tests import CaseSpec, Seen, Tried, judge, read_tests, repository_of
from support.policies import (
    NOW,
    REPOSITORY,
    SIGNED,
    SUBJECT,
    attestation,
    gathered,
    new_id,
    not_obtained,
    policy_set,
    policy_text,
    signature,
)

VENDOR = "[{name: built, attestation: {type: slsa-provenance, by: {any: [vendor]}}}]"
BOTH = policy_set(policy_text(SIGNED), policy_text(VENDOR, name="other"))
EXCEPTED = policy_set(
    policy_text(SIGNED),
    "apiVersion: preverify/v1\nkind: Exception\nmetadata: {name: hotfix}\nspec: {policies: [shop-release], "
    'images: ["registry.example/**"], owner: o, reason: r, notBefore: "2026-01-01T00:00:00Z", '
    'expires: "2026-02-01T00:00:00Z"}\n',
)


def case(**keys: Any) -> CaseSpec:
    form = {"name": "c", "layout": "x", "tag": "v1", "as": "registry.example/shop/api", "expect": "verified", **keys}
    return CaseSpec.model_validate(form, by_alias=True, by_name=False)


def seen(policies: PolicySet, *findings: Finding, **more: Any) -> Seen:
    verdicts = [
        decide(policy, gathered(**more), findings, now=NOW, trust_epoch="keys-only", new_id=new_id)
        for policy in policies.policies
    ]
    answer = compose(
        policies,
        REPOSITORY,
        SUBJECT.digest,
        {v.policy: policy_answer(policies, v) for v in verdicts},
        image="",
        generation=0,
        namespaces=None,
        now=NOW,
    )
    return Seen(answer=answer, excepted={v.policy: v.excepted for v in verdicts})


def tried(what: Seen, **keys: Any) -> Tried:
    return judge("t", case(**keys), what)


PASSED = seen(BOTH, signature(), attestation("vendor"))
HALF = seen(BOTH, signature())
STRANGER = seen(BOTH, signature("security"), attestation("vendor"))


@pytest.mark.parametrize(
    ("what", "keys"),
    [
        (PASSED, {}),
        (PASSED, {"namespace": "prod"}),
        (PASSED, {"policy": "other"}),
        (PASSED, {"rule": "built", "reason": "ok"}),
        (HALF, {"expect": "denied"}),
        (HALF, {"expect": "denied", "reason": "attestation-missing"}),
        (HALF, {"expect": "denied", "rule": "built", "reason": "attestation-missing", "policy": "other"}),
        (HALF, {"policy": "shop-release"}),
        (STRANGER, {"expect": "denied", "rule": "signed", "reason": "wrong-key"}),
        (seen(BOTH, unobtained=(not_obtained(),)), {"expect": "unknown", "reason": "registry-unavailable"}),
        (seen(BOTH, unobtained=(not_obtained(),)), {"expect": "unknown", "policy": "other"}),
        (seen(EXCEPTED), {"exceptions": ["hotfix"]}),
        (seen(EXCEPTED, signature()), {}),
    ],
)
def test_what_was_expected_goes_well(what: Seen, keys: dict[str, Any]) -> None:
    assert tried(what, **keys).problems == ()


@pytest.mark.parametrize(
    ("what", "keys", "problem"),
    [
        (PASSED, {"expect": "denied"}, "is verified, expected denied"),
        (HALF, {}, "is denied, expected verified"),
        (HALF, {"policy": "other"}, "is denied, expected verified"),
        (HALF, {"policy": "nobody"}, "policy nobody does not apply to registry.example/shop/api"),
        (HALF, {"expect": "denied", "rule": "sined"}, "rule sined is not named, only built, signed"),
        (HALF, {"expect": "denied", "reason": "wrong-key"}, "the reason is attestation-missing, expected wrong-key"),
        (STRANGER, {"expect": "denied", "rule": "signed", "reason": "no-signature"}, "the reason is wrong-key"),
        (seen(EXCEPTED), {}, "passes by the exceptions hotfix, expected none"),
        (seen(EXCEPTED, signature()), {"exceptions": ["hotfix"]}, "passes by the exceptions none, expected hotfix"),
        (seen(policy_set()), {"expect": "denied", "rule": "x"}, "rule x is not named, only no rule"),
    ],
)
def test_what_was_not_expected_is_said(what: Seen, keys: dict[str, Any], problem: str) -> None:
    assert any(each.startswith(problem) for each in tried(what, **keys).problems), tried(what, **keys)


def test_what_was_seen_is_told() -> None:
    assert tried(PASSED).seen == "verified: ok: other: attestation by vendor"
    assert tried(HALF, expect="denied").seen == "denied: attestation-missing: other: no attestation was found"
    assert tried(HALF, policy="other", expect="denied").seen == "denied: attestation-missing: no attestation was found"
    never = seen(BOTH)
    bare = Seen(answer=never.answer, excepted={})
    assert tried(bare, policy="nobody").seen.startswith("denied: ")


def test_a_policy_without_a_verdict_is_unknown() -> None:
    answer = compose(BOTH, REPOSITORY, SUBJECT.digest, {}, image="", generation=0, namespaces=None, now=NOW)
    what = Seen(answer=answer, excepted={})
    assert tried(what, policy="other", expect="unknown").seen == "unknown: : unknown"
    assert answer.state is AnswerState.UNKNOWN


HEAD = "apiVersion: preverify/v1\nkind: PolicyTest\nmetadata: {name: t}\n"
CASE = "name: signed, layout: images/api, tag: v1, as: registry.example/shop/api, expect: verified"


def text(case: str = CASE, at: str = '"2026-01-02T10:00:00Z"') -> bytes:
    return f"{HEAD}spec:\n  at: {at}\n  cases:\n    - {{{case}}}\n".encode()


def test_a_file_holds_tests() -> None:
    (test,) = read_tests(text(), name="x.test.yaml")
    (one,) = test.spec.cases
    assert (test.metadata.name, one.name, one.tag, str(repository_of(one))) == (
        "t",
        "signed",
        "v1",
        "registry.example/shop/api",
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[]", "x.test.yaml:1: expected apiVersion preverify/v1 and kind PolicyTest"),
        (b"apiVersion: preverify/v1\nkind: Policy\n", "kind PolicyTest"),
        (b"apiVersion: v1\nkind: PolicyTest\n", "kind PolicyTest"),
        (text(at="now"), "x.test.yaml:5: spec.at: 'now' is no moment"),
        (text(CASE.replace("tag: v1, ", "")), "x.test.yaml:7: spec.cases[0]: expected exactly one of 'tag' and"),
        (text(f"{CASE}, digest: 'sha256:{'0' * 64}'"), "expected exactly one of 'tag' and 'digest'"),
        (text(CASE.replace("v1", "'v 1'")), "'v 1' is no tag"),
        (text(CASE.replace("shop/api", "shop/api:v1")), "names a tag or digest, expected registry/repository"),
        (text(CASE.replace("shop/api", "Shop/api")), "spec.cases[0].as"),
        (text(f"{CASE}, namespace: Prod"), "'Prod' is no namespace"),
        (text(f"{CASE}, reason: wrong"), "spec.cases[0].reason"),
        (text(CASE.replace("verified", "expired")), "spec.cases[0].expect"),
        (text(f"{CASE}, reasons: x"), "unknown key 'reasons', did you mean 'reason'?"),
    ],
)
def test_a_test_with_a_mistake_is_refused(data: bytes, expected: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        read_tests(data, name="x.test.yaml")
    assert expected in str(refused.value)
