"""RT-14: a threshold that anybody meets, or that nobody can, is refused when it is read (CVE-2026-23992)."""

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.policies import PolicySet
from support.policies import policy_set, policy_text

RULES = ["signature: {by: %s}", "attestation: {type: vuln, by: %s}"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "by",
    [
        "{atLeast: 0, of: [release, vendor]}",
        "{atLeast: -1, of: [release, vendor]}",
        "{atLeast: 3, of: [release, vendor]}",
        "{atLeast: 2, of: [release, release-again]}",
        "{atLeast: 2, of: [release, release]}",
        "{all: [release, release-again]}",
        "{atLeast: 1, of: []}",
        "{any: []}",
        "{all: []}",
        "{atLeast: 1}",
        "{of: [release]}",
        "{}",
        "{atLeast: 1.0, of: [release]}",
        "{atLeast: '1', of: [release]}",
        "{atLeast: true, of: [release]}",
        "{atLeast: null, of: [release]}",
        "{any: [release], atLeast: 0, of: [release]}",
        "null",
        "release",
    ],
)
def test_the_policy_does_not_load(rule: str, by: str) -> None:
    with pytest.raises(BadConfiguration):
        policy_set(policy_text(f"[{{name: a, {rule % by}}}]"))


@pytest.mark.parametrize("rule", RULES)
def test_the_least_and_the_most_that_make_sense_load(rule: str) -> None:
    for by in (
        "{atLeast: 1, of: [release, vendor]}",
        "{atLeast: 2, of: [release, vendor]}",
        "{all: [release, vendor]}",
    ):
        assert len(policy_set(policy_text(f"[{{name: a, {rule % by}}}]")).policies) == 1


@pytest.mark.parametrize("needed", [b"0", b"-1", b"3", b"1.5", b'"1"', b"true", b"null"])
def test_a_stored_policy_set_is_held_to_the_same(needed: bytes) -> None:
    document = policy_set(policy_text("[{name: a, signature: {by: {all: [release, vendor]}}}]")).document
    assert b'"atLeast":2' in document
    with pytest.raises(BadConfiguration):
        PolicySet.from_document(document.replace(b'"atLeast":2', b'"atLeast":' + needed))
