"""CEL over the facts about an image: strict in every direction in which the language or its engine is not.

An error is never true, here as in the engine's values, where an error is a text and every text counts as true. What an
expression may cost is bounded: at load by its form, at evaluation by the sizes of the facts and by the engine's own
limit of 10,000 rounds of loops. Nothing is asked but the facts: no clock but `now`, no time zones, no file, no
environment.

CEL's logic is kept: `error || true` is true and `error && false` is false, whatever stood in the place of the error.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from preverify.model.validation import nearest
from preverify.model.verdicts import Outcome
from preverify.policy.cel import bounds, names, tree
from preverify.policy.cel.facts import VARIABLES, Facts, Measure, variables, written

MAX_EXPRESSION: Final = 4096
"""Bytes of an expression."""
MAX_NESTED: Final = 2
"""Loops (`all`, `exists`, `exists_one`, `filter`, `map`) inside of one another."""
MAX_LOOPS: Final = 8
MAX_DETAIL: Final = 300

_ISSUE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^'.]*)")
_ENGINE_WORD = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_NOT_INSTALLED = "CEL expressions need the extra `cel`: pip install 'preverify[cel]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an expression says of the facts: holds, does not hold, or undecided because it could not be evaluated."""

    outcome: Outcome
    detail: str


class Expression:
    """A compiled expression. Evaluating it the same way gives the same judgement, on every machine and at any time."""

    def __init__(self, text: str) -> None:
        """Compile; see `compiled`."""
        self.text = text
        if not 0 < len(text.encode()) <= MAX_EXPRESSION:
            raise ValueError(f"an expression of {len(text.encode())} bytes, expected 1 to {MAX_EXPRESSION}")
        self._engine = _engine()
        self._program = self._engine.compile(text)
        self._tree = tree.read(self._program.serialize())
        self._check()
        self.names: frozenset[str] = frozenset(
            each.name for each in tree.walk(self._tree) if isinstance(each, tree.Name) and each.name in VARIABLES
        )
        """Variables that it asks for: no other facts are looked at."""

    def asks_only_for(self, variable: str, fields: Container[str]) -> bool:
        """Say whether nothing of a variable is looked at but some of its fields; in doubt, no."""
        nodes = tuple(tree.walk(self._tree))
        named = sum(each == tree.Name(name=variable) for each in nodes)
        fielded = sum(
            isinstance(each, tree.Select) and each.operand == tree.Name(name=variable) and each.field in fields
            for each in nodes
        )
        return named == fielded

    def evaluate(self, facts: Facts | Mapping[str, object]) -> Judgement:
        """Judge the facts about one subject. Never raises for what they hold.

        Args:
            facts: Values by variable: JSON, and aware times where `variables` says timestamp. What is not known is left
                out or None. Give `Facts` where several expressions ask about one subject.
        """
        facts = facts if isinstance(facts, Facts) else Facts(facts)
        try:
            data = {name: ready.value for name in self.names if (ready := facts.ready((name,))) is not None}
            bounds.check(self._tree, lambda path: _measured(facts, path))
            value = self._program.eval(data=data)
        except (RuntimeError, TypeError, ValueError) as error:
            return _undecided(str(error))
        result = value.value()
        if value.type() != self._engine.kind.BOOL or not isinstance(result, bool):
            return _undecided(str(result))
        if result:
            return Judgement(outcome=Outcome.PASSED, detail="the expression holds")
        return Judgement(outcome=Outcome.FAILED, detail="the expression does not hold")

    def _check(self) -> None:
        if self._program.return_type() != self._engine.kind.BOOL:
            seen = self._program.return_type().name().lower()
            raise ValueError(f"the expression is of type {seen}, expected bool; compare a fact with == true or a value")
        loops = [each for each in tree.walk(self._tree) if isinstance(each, tree.Loop)]
        if len(loops) > MAX_LOOPS:
            raise ValueError(f"the expression has {len(loops)} loops, at most {MAX_LOOPS} are evaluated")
        if (nested := _nested(self._tree)) > MAX_NESTED:
            raise ValueError(
                f"the expression has {nested} loops inside of one another, at most {MAX_NESTED} are evaluated"
            )
        for each in tree.walk(self._tree):
            self._check_node(each)
        names.check(self._tree)
        bounds.check(self._tree, bounds.small)

    def _check_node(self, node: tree.Node) -> None:
        if isinstance(node, tree.Aggregate) and node.message:
            raise ValueError(
                f"{node.message[:80]} cannot be made here; write duration('1h') and timestamp('…') instead"
            )
        if not isinstance(node, tree.Call):
            return
        if any(overload.endswith("_with_tz") for overload in node.overloads):
            raise ValueError(
                f"{node.function} takes no time zone here: zones are files of the machine; times are in UTC"
            )
        if node.function == "matches":
            self._engine.check_pattern(bounds.literal_pattern(node))


def compiled(expression: str) -> Expression:
    """Return an expression ready to be evaluated.

    Raises:
        ValueError: it is not CEL, asks for what is no fact, is not of type bool, may cost too much, or rests on
            something else than the facts; or the engine is not installed.
    """
    return Expression(expression)


class _Engine:
    """The one place that knows the engine."""

    def __init__(self) -> None:
        try:
            from cel_expr_python import cel
        except ImportError as error:
            raise ValueError(_NOT_INSTALLED) from error
        self.kind = cel.Type
        declared = {name: cel.Type(written(kind)) for name, kind in VARIABLES.items()}
        self._facts = cel.NewEnv(variables=declared)
        self._pattern = cel.NewEnv(variables={"pattern": cel.Type.STRING}).compile("''.matches(pattern)")

    def compile(self, text: str) -> Any:
        try:
            return self._facts.compile(text)
        except RuntimeError as error:
            raise ValueError(_sentence(str(error))) from error

    def check_pattern(self, pattern: str) -> None:
        value = self._pattern.eval(data={"pattern": pattern})
        if value.type() != self.kind.BOOL:
            raise ValueError(f"pattern {pattern[:80]!r}: {_plain(str(value.value()))}")


@cache
def _engine() -> _Engine:
    return _Engine()


def _measured(facts: Facts, path: tuple[str, ...]) -> Measure | None:
    ready = facts.ready(path) if path[0] in VARIABLES else None
    return None if ready is None else ready.measure


def _nested(node: tree.Node) -> int:
    if isinstance(node, tree.Loop):
        body = max(_nested(node.condition), _nested(node.step), _nested(node.result))
        return max(_nested(node.over), 1 + body)
    return max(map(_nested, tree.children(node)), default=0)


def _sentence(message: str) -> str:
    """Write what the engine's compiler says as one sentence with the place."""
    issue = _ISSUE.search(message)
    if issue is None:
        return f"the expression cannot be used: {_plain(message.splitlines()[0])}"
    line, column, detail = issue.groups()
    place = f"line {line}, column {column}: " if int(line) > 0 else ""
    undeclared = _UNDECLARED.match(detail)
    if undeclared is None:
        return f"{place}{detail[:MAX_DETAIL]}"
    name = undeclared[1]
    if name in VARIABLES:
        return f"{place}{name!r} is a fact, not a function"
    near = nearest(name, VARIABLES)
    hint = f"did you mean {near!r}?" if near else f"expected one of: {', '.join(sorted(VARIABLES))}"
    return f"{place}there is no fact or function {name[:80]!r}, {hint}"


def _undecided(reason: str) -> Judgement:
    return Judgement(outcome=Outcome.UNDECIDED, detail=f"the expression cannot be evaluated: {_plain(reason)}")


def _plain(message: str) -> str:
    """Take the words of the engine's status codes away."""
    return _ENGINE_WORD.sub("", message)[:MAX_DETAIL]


__all__ = ["Expression", "Facts", "Judgement", "compiled", "variables"]
