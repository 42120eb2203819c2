"""The rule `sbom`."""

from dataclasses import replace
from datetime import timedelta

import pytest

from preverify.model.contents import Component
from preverify.model.errors import BadConfiguration
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.policy.policies import PolicySet
from support.described import BOM, LEFT_PAD, OPENSSL, answer, bill, by, by_scanner, check
from support.policies import NOW, one_policy, policy_set, policy_text

BARE = Component(name="bare")


def rule(more: str = "") -> str:
    return f"sbom: {{by: {{any: [release]}}{more and ', '}{more}}}"


@pytest.mark.parametrize(
    ("demand", "good", "bad", "why"),
    [
        ("formats: [cyclonedx]", bill(format="cyclonedx"), bill(), "is spdx, expected cyclonedx"),
        ("minComponents: 2", bill(OPENSSL, LEFT_PAD), bill(), "names 1 components, expected at least 2"),
        ("complete: [version]", bill(), bill(OPENSSL, BARE), "no version of bare"),
        ("complete: [purl]", bill(), bill(BARE), "no package URL of bare"),
        ("complete: [license]", bill(), bill(replace(OPENSSL, licenses=())), "no licence of pkg:deb/debian/openssl"),
        ("complete: [license]", bill(), bill(replace(OPENSSL, licenses=("NONE",))), "no licence of pkg:deb"),
        ("complete: [purl, version]", bill(), bill(replace(OPENSSL, version="")), "no version of pkg:deb"),
        ("complete: [version]", bill(), bill(incomplete="incomplete"), "calls itself 'incomplete'"),
        ("complete: [version]", bill(), replace(bill(), components=()), "names no component"),
        ("maxAge: 2h", bill(), bill(created=NOW - timedelta(hours=2)), "at most 2h ago are allowed"),
        ("maxAge: 2h", bill(created=NOW + timedelta(minutes=5)), bill(created=None), "does not say when"),
        ("maxAge: 2h", bill(), bill(created=NOW + timedelta(minutes=6)), "in the future"),
    ],
)
def test_each_demand(demand: str, good: object, bad: object, why: str) -> None:
    assert check(rule(demand), by("release", good)).outcome is Outcome.PASSED  # type: ignore[arg-type]
    found = check(rule(demand), by("release", bad))  # type: ignore[arg-type]
    assert (found.outcome, found.reason) == (Outcome.FAILED, Reason.SBOM_MISSING)
    assert why in found.detail
    # One that says less spoils nothing; one by a stranger that says more helps nothing.
    assert check(rule(demand), by("release", bad), by("release", good, n=1)).outcome is Outcome.PASSED  # type: ignore[arg-type]
    assert check(rule(demand), by("release", bad), by("stranger", good)).outcome is Outcome.FAILED  # type: ignore[arg-type]
    own = rule(demand).replace("by: {any: [release]}", "scanner: true")
    assert check(own, by_scanner(good)).outcome is Outcome.PASSED  # type: ignore[arg-type]
    assert check(own, by_scanner(bad)).reason is Reason.SBOM_MISSING  # type: ignore[arg-type]


def test_without_demands_it_has_to_be_there() -> None:
    assert check(rule(), by("release", bill(BARE, incomplete="x", created=None), kind=BOM)).outcome is Outcome.PASSED
    assert check(rule()).reason is Reason.SBOM_MISSING


def test_it_grows_too_old() -> None:
    found = check(rule("maxAge: 2h"), by("release", bill(created=NOW - timedelta(hours=1))))
    assert found.until == NOW + timedelta(hours=1)
    own = check("sbom: {scanner: true, maxAge: 2h}", by_scanner(bill()))
    assert own.until == NOW + timedelta(hours=1)
    assert check(rule(), by("release", bill())).until is None
    both = [by("release", bill(created=NOW - timedelta(hours=1))), by("release", bill(created=NOW), n=1)]
    assert check(rule("maxAge: 2h"), *both).until == NOW + timedelta(hours=2)
    said = [by("release", bill())]
    assert answer(rule("maxAge: 2h"), said, later_hours=0.99).admit
    assert not answer(rule("maxAge: 2h"), said, later_hours=1).admit


@pytest.mark.parametrize(
    "demand",
    [
        "formats: []",
        "formats: [spdx, swid]",
        "complete: []",
        "complete: [name]",
        "complete: true",
        "minComponents: 0",
        "minComponents: 1.5",
        "maxAge: 0s",
        "maxAge: 12",
        "present: true",
    ],
)
def test_what_cannot_be_meant_does_not_load(demand: str) -> None:
    with pytest.raises(BadConfiguration):
        one_policy(f"[{{name: it, {rule(demand)}}}]")


@pytest.mark.parametrize(
    "demand",
    ["", "formats: [spdx, cyclonedx]", "complete: [purl, version, license], minComponents: 3", "maxAge: 30d"],
)
def test_round_trip(demand: str) -> None:
    for source in ("by: {any: [release]}", "scanner: true", "by: {all: [release, vendor]}, scanner: true"):
        written = rule(demand).replace("by: {any: [release]}", source)
        loaded = policy_set(policy_text(f"[{{name: it, {written}}}]"))
        assert PolicySet.from_document(loaded.document) == loaded


def test_only_what_is_demanded_is_part_of_the_policys_digest() -> None:
    (plain,) = one_policy(f"[{{name: it, {rule()}}}]").rules
    assert plain.canonical() == {"by": {"atLeast": 1, "of": ["release"]}}
    (full,) = one_policy(f"[{{name: it, {rule('formats: [spdx, spdx], maxAge: 1h')}}}]").rules
    assert full.canonical() == {"by": {"atLeast": 1, "of": ["release"]}, "formats": ["spdx"], "maxAgeSeconds": 3600}
