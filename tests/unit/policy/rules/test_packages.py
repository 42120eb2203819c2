"""The rule `packages`."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.contents import Component
from preverify.model.errors import BadConfiguration
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome
from preverify.policy.policies import PolicySet
from support.described import LEFT_PAD, OPENSSL, answer, bill, by, check
from support.policies import one_policy, policy_set, policy_text

DENIED, UNSURE = "component-denied", "sbom-missing"


def rule(deny: Sequence[str] = (), allow: Sequence[str] | None = None) -> str:
    lists = [f"{name}: {list(each)}" for name, each in (("deny", deny), ("allow", allow)) if each]
    return f"packages: {{by: {{any: [release]}}, {', '.join(lists)}}}"


def component(purl: str = "", name: str = "event-stream", version: str = "") -> Component:
    return Component(name=name, version=version, purl=purl)


def seen(demand: str, *components: Component) -> str:
    found = check(demand, by("release", bill(*components)))
    assert (found.outcome is Outcome.PASSED) == (found.reason is Reason.OK)
    return found.reason.value


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (component("pkg:npm/event-stream@3.3.6"), DENIED),
        (component("pkg:npm/event-stream@3.3.5"), "ok"),
        (component("pkg:npm/event-stream@3.3.5", version="3.3.6"), DENIED),
        (component("pkg:npm/event-stream", version="v3.3.6"), DENIED),
        (component("pkg:npm/event-stream"), UNSURE),
        (component("pkg:npm/Event-Stream@3.3.6?x=y#z"), DENIED),
        (component(version="3.3.6"), UNSURE),
        (component(), UNSURE),
        (component(version="3.3.5"), "ok"),
        (component("http://event-stream"), UNSURE),
        (component(name="left-pad"), "ok"),
        (component("pkg:npm/left-pad"), "ok"),
    ],
)
def test_denied_versions(one: Component, reason: str) -> None:
    assert seen(rule(["pkg:npm/event-stream@3.3.6"]), OPENSSL, one) == reason


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (component("pkg:golang/github.com/evil/a@v1"), DENIED),
        (component("pkg:golang/github.com/evil/a"), DENIED),
        (component("pkg:golang/github.com/good/a@v1"), "ok"),
        (component(name="github.com/evil/a"), UNSURE),
        (component(name="a"), UNSURE),
    ],
)
def test_denied_families(one: Component, reason: str) -> None:
    assert seen(rule(["pkg:golang/github.com/evil/**"]), one) == reason


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (OPENSSL, "ok"),
        (LEFT_PAD, "ok"),
        (component("pkg:npm/left-pad@1.3.1"), DENIED),
        (component("pkg:npm/left-pad@1.3.1", version="1.3.0"), DENIED),
        (component("pkg:npm/left-pad", version="1.3.0"), "ok"),
        (component("pkg:npm/left-pad"), DENIED),
        (component("pkg:npm/event-stream@3.3.6"), DENIED),
        (component(), UNSURE),
        (component("not a purl"), UNSURE),
        (component("pkg:npm/a@1/2"), UNSURE),
    ],
)
def test_nothing_but_what_is_allowed(one: Component, reason: str) -> None:
    assert seen(rule(allow=["pkg:deb/debian/*", "pkg:npm/left-pad@1.3.0"]), OPENSSL, one) == reason


def test_denied_goes_before_allowed() -> None:
    assert seen(rule(["pkg:npm/left-pad"], ["pkg:npm/**"]), LEFT_PAD) == DENIED
    assert seen(rule(["pkg:npm/left-pad@1.2.0"], ["pkg:npm/**"]), LEFT_PAD) == "ok"


def test_what_is_known_to_be_denied_is_said_before_what_is_not_known() -> None:
    bad = component("pkg:npm/event-stream@3.3.6")
    assert seen(rule(["pkg:npm/event-stream"]), component(), bad) == DENIED
    unsure, denied = by("release", bill(component())), by("release", bill(bad), n=1)
    assert check(rule(["pkg:npm/event-stream"]), unsure, denied).reason is Reason.COMPONENT_DENIED


def test_names_the_first_of_those_that_are_denied() -> None:
    many = [component(f"pkg:npm/evil-{i}@1") for i in range(9)]
    found = check(rule(["pkg:npm/evil-*"]), by("release", bill(*many)))
    shown = ", ".join(f"pkg:npm/evil-{i}@1" for i in range(5))
    assert found.detail == f"not allowed: {shown} and 4 more (bill of materials by release)"
    unsure = check(rule(["pkg:npm/evil"]), by("release", bill(component(name="evil", version="1"))))
    assert unsure.detail.startswith("named without what has to be compared (a package URL, a version): evil 1")


def test_the_contrary_needs_something_that_is_known_to_be_there() -> None:
    contrary = f"not: {{{rule(['pkg:npm/event-stream'])}}}"
    for components, admit in (
        ([component("pkg:npm/event-stream@1")], True),
        ([component()], False),
        ([OPENSSL], False),
    ):
        assert answer(contrary, [by("release", bill(*components))]).admit is admit


@pytest.mark.parametrize(
    "lists",
    [
        "",
        "deny: []",
        "allow: []",
        "deny: [event-stream]",
        "deny: ['pkg:npm/a@vers:npm/<2']",
        "allow: ['pkg:npm/a@1.*']",
        "deny: [1]",
        "deny: ['pkg:npm/a'], allow: ['pkg:npm/b', 'pkg:npm/a']",
        "denied: ['pkg:npm/a']",
    ],
)
def test_what_cannot_be_meant_does_not_load(lists: str) -> None:
    with pytest.raises(BadConfiguration):
        one_policy(f"[{{name: it, packages: {{by: {{any: [release]}}, {lists}}}}}]")


@pytest.mark.parametrize(
    "demand", [rule(["pkg:npm/b", "pkg:npm/a@1"]), rule(allow=["pkg:npm/**"]), rule(["pkg:npm/a"], ["pkg:npm/*"])]
)
def test_round_trip(demand: str) -> None:
    loaded = policy_set(policy_text(f"[{{name: it, {demand}}}]"))
    assert PolicySet.from_document(loaded.document) == loaded
    (policy,) = loaded.policies
    assert policy.rules[0].canonical().keys() <= {"by", "deny", "allow"}


@given(st.permutations([OPENSSL, LEFT_PAD, component("pkg:npm/event-stream@3.3.6"), component()]), st.integers(0, 4))
def test_more_components_never_make_it_pass(components: list[Component], few: int) -> None:
    for demand in (rule(["pkg:npm/event-stream@3.3.6"]), rule(allow=["pkg:deb/**", "pkg:npm/left-pad"])):
        part = seen(demand, *components[:few]) if few else "ok"
        assert seen(demand, *components) == DENIED
        assert seen(demand, *components, *components[:few]) == DENIED
        assert (part == "ok") == all(each in (OPENSSL, LEFT_PAD) for each in components[:few])
