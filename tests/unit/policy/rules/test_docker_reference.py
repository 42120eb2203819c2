"""Which image name a signature's payload has to state."""

from dataclasses import replace

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules.evidence import Look
from support.policies import SUBJECT, one_policy, policy_set, policy_text, signature

DIGEST = str(SUBJECT.digest)
OWN = "registry.example/shop/api"


def rule(wanted: str) -> str:
    return f"[{{name: signed, signature: {{by: {{any: [release]}}, dockerReference: '{wanted}'}}}}]"


def stating(name: str | None) -> Finding:
    return replace(signature(), predicate=() if name is None else (("dockerReference", name),))


def check(wanted: str, name: str | None, subject: Subject | None = SUBJECT) -> RuleResult:
    (each,) = one_policy(rule(wanted)).rules
    return each.check(Look(findings=(stating(name),), subject=subject))


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("same-repository", OWN),
        ("same-repository", f"{OWN}:v1"),
        ("same-repository", f"{OWN}@{DIGEST}"),
        ("same-repository:*", f"{OWN}:v1"),
        ("same-repository:*", f"{OWN}@{DIGEST}"),
        ("registry.example/other", "registry.example/other"),
        ("registry.example/other", "registry.example/other:v1"),
        ("docker.io/busybox", "busybox"),
        ("docker.io/library/busybox", "index.docker.io/library/busybox:1"),
        ("registry.example/other:v1", "registry.example/other:v1"),
        (f"registry.example/other@{DIGEST}", f"registry.example/other@{DIGEST}"),
        ("registry.example:5000/other:v1", "registry.example:5000/other:v1"),
    ],
)
def test_the_name_is_the_demanded_one(wanted: str, name: str) -> None:
    assert check(wanted, name).outcome == "passed"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("same-repository", "registry.example/shop/web"),
        ("same-repository", "registry.example/shop/api/more"),
        ("same-repository", "elsewhere.example/shop/api"),
        ("same-repository", "bogus name"),
        ("same-repository", None),
        ("same-repository:*", OWN),
        ("same-repository:*", "registry.example/shop/web:v1"),
        ("registry.example/other", OWN),
        ("registry.example/other", None),
        ("registry.example/other:v1", "registry.example/other:v2"),
        ("registry.example/other:v1", "registry.example/other"),
        ("registry.example/other:latest", "registry.example/other"),
        ("registry.example/other:v1", f"registry.example/other:v1@{DIGEST}"),
        (f"registry.example/other@{DIGEST}", "registry.example/other:v1"),
        ("registry.example:5000/other:v1", "registry.example/other:v1"),
    ],
)
def test_another_name_or_none_is_not(wanted: str, name: str | None) -> None:
    """A signature that was made for one repository and copied to another one vouches for nothing there."""
    result = check(wanted, name)
    assert (result.outcome, result.reason) == ("failed", "subject-mismatch")
    assert (repr(name) if name else "names no image") in result.detail
    assert wanted in result.detail


def test_the_own_repository_is_that_of_the_image_in_question() -> None:
    elsewhere = Subject(Repository("elsewhere.example", "mirror/api"), SUBJECT.digest)
    assert check("same-repository", OWN, elsewhere).outcome == "failed"
    assert check("same-repository", "elsewhere.example/mirror/api:v1", elsewhere).outcome == "passed"
    assert check("same-repository", OWN, None).outcome == "failed"


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "own",
        "same-repository:v1",
        "shop/api",
        "registry.example",
        "registry.example/",
        "registry.example/A",
        "r.example/a:*",
    ],
)
def test_what_is_no_name_does_not_load(wanted: str) -> None:
    with pytest.raises(BadConfiguration, match="dockerReference"):
        policy_set(policy_text(rule(wanted)))


def test_the_demand_is_part_of_the_policy() -> None:
    plain = policy_set(policy_text("[{name: signed, signature: {by: {any: [release]}}}]"))
    loaded = policy_set(policy_text(rule("docker.io/busybox")))
    assert loaded.digest != plain.digest
    assert PolicySet.from_document(loaded.document) == loaded
    assert b'"dockerReference":"docker.io/library/busybox"' in loaded.document
    assert b"dockerReference" not in plain.document
