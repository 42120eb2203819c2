"""How much an expression can cost at most, before it is evaluated: the engine counts rounds of loops and nothing else.

A unit is one value or sixteen bytes of text that are looked at or made. The bound is computed over the tree of the
expression with the sizes of the facts at hand; it is never less than what the engine does, and often more.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from preverify.policy.cel.facts import BYTES_PER_UNIT, Measure
from preverify.policy.cel.names import kept_elements
from preverify.policy.cel.tree import ACCUMULATOR, Aggregate, Call, Constant, Loop, Name, Node, Select

MAX_COST: Final = 5_000_000
"""Units. Well below a second of time, and at most 80 MiB of new texts."""
_ONE = Measure()
_SMALL = Measure(weight=200, length=10, longest=10, largest=20)
_CHEAP = frozenset({"_&&_", "_||_", "!_", "_?_:_", "@not_strictly_false", "_[_]", "type", "dyn"})
_COUNTED = frozenset({"size_list", "list_size", "size_map", "map_size"})
"""Ways to ask for a size that is stored; those of texts are counted each time."""
_REPEATED = re.compile(r"(\)?)\{(\d+)(?:,(\d*))?\}")
_CLASS = 16
"""Steps of a pattern that one set of characters becomes at most, roughly."""

Known = Callable[[tuple[str, ...]], Measure | None]
"""Gives the measure of the fact at a path, where there is one."""


def check(node: Node, known: Known) -> None:
    """Refuse an expression that may cost too much over some facts.

    Raises:
        ValueError: says how much.
    """
    cost, _ = _Bound(known).of(node, {})
    if cost > MAX_COST:
        raise ValueError(
            f"it costs up to {cost:.1g} units, at most {MAX_COST} are spent: compare less, or over shorter lists"
        )


def small(path: tuple[str, ...]) -> Measure | None:
    """Give the measure of small facts, for what is refused already when a policy loads."""
    return _SMALL if len(path) == 1 else None


def literal_pattern(node: Call) -> str:
    """Return the pattern of a call of `matches`; only literals are allowed, so that no image brings its own.

    Raises:
        ValueError: it is not a literal.
    """
    pattern = node.arguments[-1]
    if not isinstance(pattern, Constant) or pattern.text is None:
        raise ValueError(
            "matches takes a pattern that is written out, not one that is put together or read from a fact"
        )
    return pattern.text


def _matching(pattern: str, text: Measure) -> int:
    """Return the units of a regular expression.

    The engine compiles it anew at each call, and may step through all of it at each character.
    """
    single, groups = 0, 1
    for group, low, high in _REPEATED.findall(pattern):
        times = max(int(low), int(high or 0), 1)
        single, groups = (single, groups * times) if group else (single + times, groups)
    program = (len(pattern) + _CLASS * single) * groups
    return 8 + 4 * program + max(4, program // 64) * text.weight


class _Bound:
    def __init__(self, known: Known) -> None:
        self._known = known

    def of(self, node: Node, scope: Mapping[str, Measure]) -> tuple[float, Measure]:
        """Return the cost of a node and the measure of its value."""
        match node:
            case Constant():
                return 1, Measure(weight=1 + node.size // BYTES_PER_UNIT)
            case Name():
                return 1, scope.get(node.name) or self._known((node.name,)) or _ONE
            case Select():
                cost, measure = self.of(node.operand, scope)
                return cost + 1, self._exactly(node, scope) or measure.element
            case Call():
                return self._call(node, scope)
            case Aggregate():
                costs, measures = self._all(node.parts, scope)
                return costs + 1, _together(measures)
            case _:
                return self._loop(node, scope)

    def _all(self, nodes: tuple[Node, ...], scope: Mapping[str, Measure]) -> tuple[float, list[Measure]]:
        both = [self.of(each, scope) for each in nodes]
        return sum(cost for cost, _ in both), [measure for _, measure in both]

    def _exactly(self, node: Node, scope: Mapping[str, Measure]) -> Measure | None:
        """Return the measure of the very fact that is selected, where it is one."""
        path: tuple[str, ...] = ()
        while isinstance(node, Select):
            path, node = (node.field, *path), node.operand
        if not isinstance(node, Name) or node.name in scope:
            return None
        return self._known((node.name, *path))

    def _call(self, node: Call, scope: Mapping[str, Measure]) -> tuple[float, Measure]:
        cost, measures = self._all(node.arguments, scope)
        if node.function not in _CHEAP and not (node.overloads and _COUNTED.issuperset(node.overloads)):
            cost += sum(each.weight for each in measures)
        cost += 1
        match node.function:
            case "_+_":
                return cost, _joined(measures)
            case "_?_:_":
                return cost, _either(measures[1:])
            case "_[_]":
                return cost, measures[0].element
            case "dyn":
                return cost, measures[0]
            case "contains":
                # Searched for place by place: an image that brings both texts can make each place take long.
                return cost + measures[0].weight * measures[1].weight // 8, _ONE
            case "matches":
                return cost + _matching(literal_pattern(node), measures[0]), _ONE
            case "string" | "bytes":
                return cost, Measure(weight=4 + measures[0].weight)
            case _:
                return cost, _ONE

    def _loop(self, node: Loop, scope: Mapping[str, Measure]) -> tuple[float, Measure]:
        cost, over = self.of(node.over, scope)
        rounds = over.length
        inner = {**scope, node.variable: over.element, ACCUMULATOR: _ONE}
        condition, _ = self.of(node.condition, inner)
        step, made = self.of(node.step, inner)
        cost += 4 + rounds * (condition + step + 2)
        if isinstance(node.start, Constant):
            return cost, _ONE
        # The engine copies the list that it has made so far at each round, and keeps every copy until the end.
        cost += 2 * rounds * rounds
        if kept_elements(node):
            return cost, over
        weight = 1 + rounds * made.weight
        return cost, Measure(weight=weight, length=rounds, longest=max(made.length, made.longest), largest=made.weight)


def _together(measures: list[Measure]) -> Measure:
    return Measure(
        weight=1 + sum(each.weight for each in measures),
        length=len(measures),
        longest=max((max(each.length, each.longest) for each in measures), default=0),
        largest=max((each.weight for each in measures), default=1),
    )


def _joined(measures: list[Measure]) -> Measure:
    return Measure(
        weight=sum(each.weight for each in measures),
        length=sum(each.length for each in measures),
        longest=max(each.longest for each in measures),
        largest=max(each.largest for each in measures),
    )


def _either(measures: list[Measure]) -> Measure:
    return Measure(
        weight=max(each.weight for each in measures),
        length=max(each.length for each in measures),
        longest=max(each.longest for each in measures),
        largest=max(each.largest for each in measures),
    )
