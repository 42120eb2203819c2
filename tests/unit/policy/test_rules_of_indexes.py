"""Rules about configurations, decided about an index: each child that runs answers for itself."""

from dataclasses import replace
from typing import Any

import pytest

from preverify.model.evidence import Gathered
from preverify.model.reasons import Reason
from preverify.model.tags import Tags
from preverify.model.verdicts import Outcome, Verdict
from preverify.policy.decide import decide
from preverify.policy.rules.base_image import NAME
from support.configured import document, image, index
from support.policies import NOW, SIGNED, new_id, not_obtained, one_policy, signature

AMD64 = image(document({"User": "1000"}), annotations={NAME: "quay.io/base/one"})
ARM64 = image(document({"User": "1000"}, architecture="arm64"), annotations={NAME: "quay.io/base/two"})
ROOT = image(document({"User": ""}, architecture="arm64"))


def verdict(require: str, seen: Gathered, *, spec: dict[str, str] | None = None, **more: Any) -> Verdict:
    policy = one_policy(require, **(spec or {}))
    findings = (signature(),)
    return decide(policy, seen, findings, now=NOW, trust_epoch="keys-only", new_id=new_id, **more)


@pytest.mark.parametrize(
    "demand",
    [
        "config: {nonRoot: true}",
        "imageAge: {maxAge: 30d}",
        "baseImage: {repositories: ['quay.io/base/*']}",
        "cel: \"image.config.user == '1000'\"",
        "not: {config: {users: ['0']}}",
        "anyOf: [{config: {users: ['7']}}, {config: {nonRoot: true}}]",
    ],
)
def test_every_child_has_to_satisfy_the_rule(demand: str) -> None:
    good = verdict(f"[{{name: x, {demand}}}]", index({"linux/amd64": AMD64, "linux/arm64": ARM64}))
    (row,) = good.rules
    assert (good.outcome, row.reason) == (Outcome.PASSED, Reason.OK)
    assert "for linux/amd64, linux/arm64" in row.detail


def test_one_bad_child_fails_the_index_and_is_named() -> None:
    bad = verdict("[{name: x, config: {nonRoot: true}}]", index({"linux/amd64": AMD64, "linux/arm64": ROOT}))
    assert (bad.outcome, bad.rules[0].reason) == (Outcome.FAILED, Reason.CONFIG_DENIED)
    assert bad.rules[0].detail == "linux/arm64: runs as root, because no user is set"


def test_only_named_platforms_are_looked_at() -> None:
    seen = index({"linux/amd64": AMD64, "linux/arm64": ROOT})
    require = "[{name: x, platforms: [linux/amd64], config: {nonRoot: true}}]"
    assert verdict(require, seen).outcome is Outcome.PASSED
    missing = verdict(require.replace("amd64", "s390x"), seen)
    assert (missing.outcome, missing.rules[0].reason) == (Outcome.FAILED, Reason.PLATFORM_MISSING)


def test_one_child_whose_configuration_is_not_there_is_undecided() -> None:
    unread = replace(ARM64, config=None, unobtained=(not_obtained(what="configuration"),))
    found = verdict("[{name: x, config: {nonRoot: true}}]", index({"linux/amd64": AMD64, "linux/arm64": unread}))
    assert (found.outcome, found.rules[0].reason) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)
    failed = index({"linux/amd64": ROOT, "linux/arm64": unread})
    assert verdict("[{name: x, config: {nonRoot: true}}]", failed).outcome is Outcome.FAILED


def test_signatures_and_tags_are_those_of_the_index_beside_it() -> None:
    require = SIGNED.replace(
        "]}}}]", "]}}}, {name: user, config: {nonRoot: true}}, {name: tags, tags: {semver: true}}]"
    )
    seen = index({"linux/amd64": AMD64, "linux/arm64": ARM64})
    assert verdict(require, seen, tags=Tags(names=("v1.0.0",))).outcome is Outcome.PASSED
    assert verdict(require, seen, tags=Tags(names=("v1",))).outcome is Outcome.FAILED
    unknown = verdict(require, seen)
    assert (unknown.outcome, [row.rule for row in unknown.reasons]) == (Outcome.UNDECIDED, ["tags"])


def test_a_manifest_that_is_deployed_alone_answers_for_itself() -> None:
    assert verdict("[{name: x, config: {nonRoot: true}}]", AMD64).outcome is Outcome.PASSED
    assert verdict("[{name: x, config: {nonRoot: true}}]", ROOT).outcome is Outcome.FAILED


def test_a_verdict_ends_when_the_image_grows_too_old() -> None:
    seen = index({"linux/amd64": AMD64, "linux/arm64": ARM64})
    found = verdict("[{name: x, imageAge: {maxAge: 25h}}]", seen)
    assert found.valid_until is not None
    assert (found.valid_until - NOW).total_seconds() == 3600
    young = verdict("[{name: x, imageAge: {minAge: 86460s}}]", seen)
    assert young.outcome is Outcome.FAILED
    assert young.due_at is not None
    assert (young.due_at - NOW).total_seconds() == 60
