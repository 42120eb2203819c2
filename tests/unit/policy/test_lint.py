"""Remarks about what is allowed to be written and still looks like a mistake."""

import pytest

from preverify.policy.lint import Level, lint
from support.policies import ATTESTED, NOW, SIGNED, SIGNERS, policy_set, policy_text

QUIET = SIGNERS.replace("  release-again: {key: {file: keys/release-again.pub}, tlog: none}\n", "")
ALL_USED = "[{name: signed, signature: {by: {any: [release, security, vendor]}}}]"


def codes(*documents: str, signers: str = QUIET) -> set[tuple[str, str]]:
    return {(remark.code, remark.about) for remark in lint(policy_set(*documents, signers=signers), now=NOW)}


def test_a_sound_set_has_no_remarks() -> None:
    assert codes(policy_text(ALL_USED, images="['registry.example/**', 'docker.io/*/x', 'oci:/srv/L/**']")) == set()


@pytest.mark.parametrize("glob", ["**", "*/**", "*/shop/api", "*.example/**"])
def test_globs_over_any_registry(glob: str) -> None:
    assert codes(policy_text(ALL_USED, images=f"['{glob}']")) == {("catch-all-images", "shop-release")}


@pytest.mark.parametrize(
    "glob",
    ["docker.io/nginx", "docker.io/*", "registry.example/shop//api", "registry.example/shop/", "registry.example/-a"],
)
def test_globs_that_no_name_can_match(glob: str) -> None:
    assert codes(policy_text(ALL_USED, images=f"['{glob}']")) == {("matches-nothing", "shop-release")}


def test_globs_that_another_one_covers() -> None:
    found = codes(policy_text(ALL_USED, images="['**', 'registry.example/**']"))
    assert ("glob-without-effect", "shop-release") in found


def test_very_short_validity() -> None:
    assert codes(policy_text(ALL_USED, validFor="1m")) == {("short-validity", "shop-release")}


def test_one_key_under_two_names() -> None:
    rule = "[{name: s, signature: {by: {any: [release, release-again, security, vendor]}}}]"
    assert codes(policy_text(rule), signers=SIGNERS) == {("same-key-in-rule", "shop-release"), ("same-key", "release")}


def test_signers_that_nobody_names() -> None:
    assert codes(policy_text(SIGNED)) == {("unused-signer", "security"), ("unused-signer", "vendor")}


def test_sets_that_enforce_nothing() -> None:
    assert ("no-policies", "") in codes()
    assert codes(policy_text(ALL_USED, mode="warn")) == {("nothing-enforced", "")}


def test_two_policies_that_demand_the_same() -> None:
    found = codes(*(policy_text(ALL_USED, name=name) for name in ("a", "b", "c")), policy_text(ATTESTED, name="d"))
    assert found == {("duplicate-policy", "b"), ("duplicate-policy", "c")}


def test_remarks_say_how_sure_they_are() -> None:
    levels = {remark.code: remark.level for remark in lint(policy_set(policy_text(SIGNED, images="['**']")), now=NOW)}
    assert levels["catch-all-images"] is Level.WARNING
    assert levels["unused-signer"] is Level.NOTE


def test_one_signer_in_two_places_of_a_rule_is_one_name() -> None:
    demand = "{scans: {by: {any: [release]}}, matched: {by: {any: [release]}}, maxSeverity: high}"
    remarks = codes(policy_text(f"[{{name: x, vulnerabilities: {demand}}}]"), signers=SIGNERS)
    assert "same-key-in-rule" not in {code for code, _ in remarks}
