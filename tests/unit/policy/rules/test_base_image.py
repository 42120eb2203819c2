"""The rule `baseImage`: what an image says that it was built on."""

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Gathered
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules.base_image import DIGEST, NAME
from preverify.policy.rules.evidence import Look
from support.configured import document, image
from support.policies import one_policy, policy_set, policy_text
from support.values import digest_of_number

ONE, TWO = str(digest_of_number(1)), str(digest_of_number(2))
SEEN = image(annotations={NAME: "alpine:3.23", DIGEST: ONE})
PASSED = (Outcome.PASSED, Reason.OK)
DENIED = (Outcome.FAILED, Reason.CONFIG_DENIED)
SILENT = (Outcome.FAILED, Reason.ATTESTATION_MISSING)


def check(demand: str, seen: Gathered | None = SEEN, *, inside_not: bool = False) -> RuleResult:
    whole = f"baseImage: {{{demand}}}"
    (rule,) = one_policy(f"[{{name: x, {f'not: {{{whole}}}' if inside_not else whole}}}]").rules
    return rule.check(Look(findings=(), gathered=seen))


def say(result: RuleResult) -> tuple[Outcome, Reason]:
    return result.outcome, result.reason


def test_the_name_is_compared_as_a_repository() -> None:
    result = check("repositories: ['docker.io/library/*']")
    assert (say(result), result.detail) == (PASSED, "built on alpine:3.23")
    result = check("repositories: ['registry.example/base/**']")
    assert (say(result), result.detail) == (
        DENIED,
        "built on docker.io/library/alpine, expected registry.example/base/**",
    )


def test_the_digest_is_compared_exactly() -> None:
    assert say(check(f"digests: ['{TWO}', '{ONE}']")) == PASSED
    result = check(f"digests: ['{TWO}']")
    assert say(result) == DENIED
    assert ONE in result.detail
    both = f"repositories: ['docker.io/**'], digests: ['{ONE}']"
    assert check(both).detail == f"built on alpine:3.23, {ONE}"


def test_both_have_to_hold() -> None:
    for demand in (
        f"repositories: ['docker.io/**'], digests: ['{TWO}']",
        f"repositories: ['quay.io/**'], digests: ['{ONE}']",
    ):
        assert say(check(demand)) == DENIED


def test_what_nobody_says_is_not_known_and_no_contradiction_either() -> None:
    for demand, annotations in (
        ("repositories: ['**']", {DIGEST: ONE}),
        (f"digests: ['{ONE}']", {NAME: "alpine"}),
        (f"repositories: ['**'], digests: ['{ONE}']", {NAME: "alpine"}),
    ):
        seen = image(annotations=annotations)
        assert say(check(demand, seen)) == SILENT
        assert say(check(demand, seen, inside_not=True))[0] is Outcome.FAILED
    assert say(check("repositories: ['quay.io/**']", inside_not=True)) == PASSED


def test_inherited_labels_say_nothing() -> None:
    labelled = image(document({"Labels": {NAME: "alpine:3.23", DIGEST: ONE}}))
    assert say(check("repositories: ['docker.io/**']", labelled)) == SILENT


def test_a_name_that_is_none_is_denied() -> None:
    result = check("repositories: ['**']", image(annotations={NAME: "not an image"}))
    assert say(result) == DENIED
    assert "built on what is no image" in result.detail


def test_without_a_manifest_nothing_passes() -> None:
    assert say(check("repositories: ['**']", None)) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)
    broken = image(manifest=b"[]")
    assert say(check("repositories: ['**']", broken)) == (Outcome.FAILED, Reason.PAYLOAD_MALFORMED)


def test_each_manifest_of_an_index_is_asked() -> None:
    policy = one_policy("[{name: x, baseImage: {repositories: ['**']}}]")
    assert (policy.needs, policy.signers) == ({Need.CONFIG}, ())
    assert policy.platforms_of("x").each


@pytest.mark.parametrize(
    "demand", [f"repositories: ['b.test/**', 'a.test/**'], digests: ['{ONE}']", f"digests: ['{ONE}']"]
)
def test_a_rule_is_rebuilt_from_its_canonical_form(demand: str) -> None:
    policies = policy_set(policy_text(f"[{{name: x, baseImage: {{{demand}}}}}]"))
    assert PolicySet.from_document(policies.document) == policies


@pytest.mark.parametrize(
    ("demand", "sentence"),
    [
        ("", "demands nothing"),
        ("repositories: ['alpine']", "starts with no registry"),
        ("digests: ['sha256:1']", "digests"),
        ("digest: ['sha256:1']", "did you mean 'digests'"),
    ],
)
def test_what_is_not_understood_does_not_load(demand: str, sentence: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        check(demand)
    assert sentence in str(refused.value)
