"""The rule `licenses`."""

from dataclasses import replace

import pytest

from preverify.model.contents import Component
from preverify.model.errors import BadConfiguration
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.policy.policies import PolicySet
from support.described import OPENSSL, answer, bill, by, check
from support.policies import one_policy, policy_set, policy_text

DENIED, UNSURE = "license-denied", "sbom-missing"


def rule(lists: str) -> str:
    return f"licenses: {{by: {{any: [release]}}, {lists}}}"


def under(*licenses: str) -> Component:
    return replace(OPENSSL, licenses=licenses)


def seen(lists: str, *components: Component) -> str:
    found = check(rule(lists), by("release", bill(*components)))
    assert (found.outcome is Outcome.PASSED) == (found.reason is Reason.OK)
    return found.reason.value


@pytest.mark.parametrize(
    ("lists", "one", "reason"),
    [
        ("allow: [MIT]", under("MIT"), "ok"),
        ("allow: [MIT]", under("Apache-2.0"), DENIED),
        ("allow: [MIT]", under("MIT OR Apache-2.0"), "ok"),
        ("allow: [MIT]", under("MIT AND Apache-2.0"), DENIED),
        ("allow: [MIT]", under("MIT", "Apache-2.0"), DENIED),
        ("allow: [MIT]", under(), UNSURE),
        ("allow: [MIT]", under("Apache License"), UNSURE),
        ("allow: [MIT, Apache License]", under("Apache License"), "ok"),
        ("allow: [MIT], unknown: allow", under(), "ok"),
        ("allow: [MIT], unknown: allow", under("MIT AND Foo"), "ok"),
        ("allow: [MIT], unknown: allow", under("Apache-2.0"), DENIED),
        ("deny: ['AGPL-*']", under("MIT"), "ok"),
        ("deny: ['AGPL-*']", under("AGPL-3.0-only"), DENIED),
        ("deny: ['AGPL-*']", under("AGPL-3.0-only OR MIT"), "ok"),
        ("deny: ['AGPL-*']", under(), UNSURE),
        ("deny: ['AGPL-*'], unknown: deny", under("NOASSERTION"), UNSURE),
        ("deny: ['AGPL-*'], unknown: allow", under(), "ok"),
        ("deny: ['AGPL-*'], unknown: allow", under("AGPL-3.0-only AND Foo"), DENIED),
        ("allow: [MIT], exceptions: ['pkg:deb/debian/openssl']", under("Apache-2.0"), "ok"),
        ("allow: [MIT], exceptions: ['pkg:deb/debian/openssl']", under(), "ok"),
        ("allow: [MIT], exceptions: ['pkg:deb/debian/openssl@3.0.1']", under(), "ok"),
        ("allow: [MIT], exceptions: ['pkg:deb/debian/openssl@3.0.2']", under(), UNSURE),
        ("allow: [MIT], exceptions: ['pkg:deb/debian/openssl']", replace(under(), purl=""), UNSURE),
        ("allow: [MIT], exceptions: ['pkg:deb/debian/openssl']", replace(under("Apache-2.0"), purl=""), DENIED),
    ],
)
def test_components(lists: str, one: Component, reason: str) -> None:
    assert seen(lists, under("MIT"), one) == reason


def test_says_which_licence_and_which_components() -> None:
    many = [Component(name=f"a{i}", licenses=("MIT", "AGPL-3.0-only")) for i in range(6)]
    found = check(rule("deny: [AGPL-3.0-only]"), by("release", bill(*many)))
    named = "a0, a1, a2, a3, a4 and 1 more"
    assert found.detail == f"not allowed: MIT AND AGPL-3.0-only of {named} (bill of materials by release)"
    unknown = check(rule("deny: [MIT]"), by("release", bill(Component(name="a"))))
    assert unknown.detail == "no licence that is known of a (bill of materials by release)"


def test_what_is_denied_is_said_before_what_is_unknown() -> None:
    assert seen("deny: [MIT]", under(), under("MIT")) == DENIED


def test_the_contrary_needs_a_licence_that_is_known() -> None:
    contrary = f"not: {{{rule('deny: [MIT]')}}}"
    for one, admit in ((under("MIT"), True), (under(), False), (under("Apache-2.0"), False)):
        assert answer(contrary, [by("release", bill(one))]).admit is admit


@pytest.mark.parametrize(
    "lists",
    [
        "unknown: allow",
        "deny: []",
        "allow: []",
        "deny: [GPLv2]",
        "deny: [MIT OR Apache-2.0]",
        "allow: ['*']",
        "allow: [MIT], unknown: maybe",
        "allow: [MIT], exceptions: [openssl]",
        "allow: [MIT], exceptions: []",
        "allow: [1]",
        "deny: [MIT], allow: [MIT]",
    ],
)
def test_what_cannot_be_meant_does_not_load(lists: str) -> None:
    with pytest.raises(BadConfiguration):
        one_policy(f"[{{name: it, {rule(lists)}}}]")


@pytest.mark.parametrize(
    "lists",
    ["deny: [MIT, 'GPL-*']", "allow: [MIT]", "deny: [MIT], allow: [ISC], unknown: allow, exceptions: ['pkg:npm/a']"],
)
def test_round_trip(lists: str) -> None:
    loaded = policy_set(policy_text(f"[{{name: it, {rule(lists)}}}]"))
    assert PolicySet.from_document(loaded.document) == loaded
    (plain,) = one_policy(f"[{{name: it, {rule('deny: [MIT], unknown: deny')}}}]").rules
    assert plain.canonical() == {"by": {"atLeast": 1, "of": ["release"]}, "deny": ["MIT"]}
