"""Any of several demands, as rules that all have to hold."""

import pytest

from preverify.policy.importers.combine import CannotBeSaid, any_of, demand_of
from preverify.policy.importers.draft import DENY, PASS


def signed(*names: str, **more: object) -> dict[str, object]:
    return {"name": "signed", "signature": {"by": {"any": list(names)}, **more}}


def test_alike_rules_become_one_by_any_of_all() -> None:
    assert any_of([(signed("a", annotations={"x": "y"}),), (signed("b", annotations={"x": "y"}),)]) == (
        {"name": "signed", "signature": {"by": {"any": ["a", "b"]}, "annotations": {"x": "y"}}},
    )


def test_what_passes_passes_and_what_denies_does_not_take_part() -> None:
    assert any_of([(signed("a"),), (PASS,)]) == (PASS,)
    assert any_of([(DENY,), (signed("a"),)]) == (signed("a"),)
    assert any_of([(DENY,), (DENY,)]) == (DENY,)
    assert any_of([(signed("a"), signed("b")), (signed("c"), DENY)]) == (signed("a"), signed("b"))


@pytest.mark.parametrize(
    "alternatives",
    [
        [(signed("a"), signed("b")), (signed("c"),)],
        [(signed("a"),), (signed("b", annotations={"x": "y"}),)],
        [(signed("a"),), ({"name": "x", "attestation": {"type": "t", "by": {"any": ["b"]}}},)],
        [(signed("a"),), ({"name": "x", "signature": {"by": {"all": ["b"]}}},)],
    ],
)
def test_what_differs_in_more_cannot_be_said(alternatives: list[tuple[dict[str, object], ...]]) -> None:
    with pytest.raises(CannotBeSaid):
        any_of(alternatives)


def test_a_rule_has_one_demand() -> None:
    assert demand_of({"name": "a", "mode": "warn", "platforms": "each", "signature": {}}) == ("signature", {})
