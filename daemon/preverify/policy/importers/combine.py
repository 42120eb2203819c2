"""Rules that are put together: any of several demands, or so many of them."""

from collections.abc import Sequence
from typing import Any

from preverify.policy.importers.draft import DENY, PASS, Form

Rules = tuple[Form, ...]
"""Rules that all have to hold."""


def any_of(alternatives: Sequence[Rules]) -> Rules:
    """Return rules that hold where those of one alternative do."""
    return at_least(1, alternatives)


def at_least(needed: int, alternatives: Sequence[Rules]) -> Rules:
    """Return rules that hold where those of so many alternatives do, alternatives that say the same counted apart."""
    passing = sum(rules == (PASS,) for rules in alternatives)
    possible = [rules for rules in alternatives if rules != (PASS,) and DENY not in rules]
    needed -= passing
    if needed <= 0:
        return (PASS,)
    if needed > len(possible):
        return (DENY,)
    if needed == len(possible):
        return tuple(rule for rules in possible for rule in rules)
    if needed > 1:
        return ({"name": "enough", "atLeast": {"atLeast": needed, "of": [_one(rules) for rules in possible]}},)
    merged = _merged(possible)
    return ({"name": "any", "anyOf": [_one(rules) for rules in possible]} if merged is None else merged,)


def demand_of(rule: Form) -> tuple[str, Any]:
    """Return what kind of demand a written rule is, and its body."""
    ((kind, body),) = ((key, value) for key, value in rule.items() if key not in ("name", "platforms"))
    return kind, body


def _one(rules: Rules) -> Form:
    """Return rules that all have to hold as one demand inside of another."""
    return rules[0] if len(rules) == 1 else {"allOf": list(rules)}


def _merged(alternatives: Sequence[Rules]) -> Form | None:
    """Return one rule by any of all signers, where alternatives are one rule each and alike but for `by: {any: …}`."""
    whom: list[Any] = []
    alike: Form = {}
    for rules in alternatives:
        kind, body = demand_of(rules[0])
        if len(rules) != 1 or kind not in ("signature", "attestation") or set(body["by"]) != {"any"}:
            return None
        bare = {**rules[0], "name": "", kind: {**body, "by": {}}}
        if bare != (alike or bare):
            return None
        alike = bare
        whom += body["by"]["any"]
    kind, body = demand_of(alternatives[0][0])
    return {**alternatives[0][0], kind: {**body, "by": {"any": whom}}}
