"""Rules that stand for each other: any of several demands, as rules that all have to hold."""

from collections.abc import Sequence
from typing import Any

from preverify.policy.importers.draft import DENY, PASS, Form

Rules = tuple[Form, ...]
"""Rules that all have to hold."""


class CannotBeSaid(ValueError):
    """No rule says this. Importers turn it into a refusal of the field that it comes from."""


def any_of(alternatives: Sequence[Rules]) -> Rules:
    """Return rules that hold where those of one alternative do.

    Raises:
        CannotBeSaid: alternatives differ in more than whom they trust.
    """
    if PASS in [rule for rules in alternatives if len(rules) == 1 for rule in rules]:
        return (PASS,)
    possible = [rules for rules in alternatives if DENY not in rules]
    if not possible:
        return (DENY,)
    if len(possible) == 1:
        return possible[0]
    merged = _merged(possible)
    if merged is None:
        raise CannotBeSaid("demands differ in more than who may sign, and one rule cannot say: either of them")
    return (merged,)


def _merged(alternatives: Sequence[Rules]) -> Form | None:
    """Return one rule by any of all signers, where alternatives are one rule each and alike but for `by: {any: …}`."""
    whom: list[Any] = []
    demand: tuple[str, Form] | None = None
    for rules in alternatives:
        if len(rules) != 1:
            return None
        kind, body = demand_of(rules[0])
        rest: Form = {key: value for key, value in body.items() if key != "by"}
        if set(body.get("by", ())) != {"any"} or (demand is not None and demand != (kind, rest)):
            return None
        demand = kind, rest
        whom += body["by"]["any"]
    assert demand is not None  # noqa: S101 - there are alternatives
    kind, rest = demand
    return {"name": alternatives[0][0]["name"], kind: {"by": {"any": whom}, **rest}}


def demand_of(rule: Form) -> tuple[str, Form]:
    """Return what kind of demand a written rule is, and its body."""
    ((kind, body),) = ((key, value) for key, value in rule.items() if key not in ("name", "mode", "platforms"))
    return kind, body
