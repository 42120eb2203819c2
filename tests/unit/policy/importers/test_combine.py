"""Rules that are put together of several: as one by any of all signers, or as alternatives."""

from preverify.policy.importers.combine import any_of, at_least, demand_of
from preverify.policy.importers.draft import DENY, PASS


def signed(*names: str, **more: object) -> dict[str, object]:
    return {"name": "signed", "signature": {"by": {"any": list(names)}, **more}}


ATTESTED = {"name": "x", "attestation": {"type": "t", "by": {"any": ["b"]}}}


def test_alike_rules_become_one_by_any_of_all() -> None:
    assert any_of([(signed("a", annotations={"x": "y"}),), (signed("b", annotations={"x": "y"}),)]) == (
        {"name": "signed", "signature": {"by": {"any": ["a", "b"]}, "annotations": {"x": "y"}}},
    )
    each = [{**signed(name), "platforms": "each"} for name in "ab"]
    assert any_of([(rule,) for rule in each]) == ({**signed("a", "b"), "platforms": "each"},)


def test_what_passes_passes_and_what_denies_does_not_take_part() -> None:
    assert any_of([(signed("a"),), (PASS,)]) == (PASS,)
    assert any_of([(DENY,), (signed("a"),)]) == (signed("a"),)
    assert any_of([(DENY,), (DENY,)]) == (DENY,)
    assert any_of([(signed("a"), signed("b")), (signed("c"), DENY)]) == (signed("a"), signed("b"))


def test_what_differs_in_more_becomes_alternatives() -> None:
    a, b = signed("a"), signed("b")
    for other in (ATTESTED, signed("b", annotations={"x": "y"}), {"name": "x", "signature": {"by": {"all": ["b"]}}}):
        assert any_of([(a,), (other,)]) == ({"name": "any", "anyOf": [a, other]},)
    assert any_of([(a, b), (ATTESTED,)]) == ({"name": "any", "anyOf": [{"allOf": [a, b]}, ATTESTED]},)
    assert any_of([(ATTESTED,), (a, b)]) == ({"name": "any", "anyOf": [ATTESTED, {"allOf": [a, b]}]},)
    inner = {"name": "any", "anyOf": [a, ATTESTED]}
    assert any_of([(inner,), (b,)]) == ({"name": "any", "anyOf": [inner, b]},)


def test_so_many_of_several() -> None:
    three = [(signed(name),) for name in "abc"]
    assert at_least(3, three) == tuple(signed(name) for name in "abc")
    assert at_least(2, three) == (
        {"name": "enough", "atLeast": {"atLeast": 2, "of": [signed(name) for name in "abc"]}},
    )
    assert at_least(2, [*three, (PASS,)]) == (signed("a", "b", "c"),)
    assert at_least(1, [*three, (PASS,)]) == (PASS,)
    assert at_least(3, [*three[:2], (DENY,)]) == (DENY,)


def test_a_rule_has_one_demand() -> None:
    assert demand_of({"name": "a", "platforms": "each", "signature": {}}) == ("signature", {})
