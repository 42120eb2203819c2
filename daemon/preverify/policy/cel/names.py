"""What can never be meant: fields that no fact has, comparisons that no value satisfies. Refused when a policy loads.

CEL itself would say at evaluation that a key is missing, and that values of two types are unequal: so that a typo in an
expression with `!=` holds for every image.
"""

from collections.abc import Mapping

from preverify.model.validation import nearest
from preverify.policy.cel.facts import VARIABLES, ListOf, MapOf, Record, Scalar, Type, written
from preverify.policy.cel.tree import ACCUMULATOR, Aggregate, Call, Constant, Loop, Name, Node, Select, children

_EQUAL = frozenset({"_==_", "_!=_"})
_ORDERED = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
_NUMBERS = frozenset({"int", "uint", "double"})


def check(node: Node, scope: Mapping[str, Type | None] = VARIABLES) -> Type | None:
    """Follow the types of the facts through an expression; return its own, None where it is another.

    Raises:
        ValueError: a field of a fact is asked for that facts of its kind do not have.
    """
    match node:
        case Constant():
            return Scalar(cel=node.kind)
        case Name():
            return scope.get(node.name)
        case Select():
            return _field(check(node.operand, scope), node.field)
        case Call():
            return _called(node, scope)
        case Loop():
            return _loop(node, scope)
        case _:
            for each in children(node):
                check(each, scope)
            return None


def _field(kind: Type | None, name: str) -> Type | None:
    if isinstance(kind, MapOf):
        return kind.item
    if not isinstance(kind, Record):
        return None
    if name not in kind.fields:
        near = nearest(name, kind.fields)
        hint = f"did you mean {near!r}?" if near else f"expected one of: {', '.join(sorted(kind.fields))}"
        raise ValueError(f"unknown field {name[:80]!r}, {hint}")
    return kind.fields[name]


def _called(node: Call, scope: Mapping[str, Type | None]) -> Type | None:
    kinds = [check(each, scope) for each in node.arguments]
    if node.function == "_[_]":
        key = node.arguments[1]
        if isinstance(kinds[0], ListOf):
            return kinds[0].item
        return _field(kinds[0], key.text) if isinstance(key, Constant) and key.text is not None else None
    if node.function in _EQUAL | _ORDERED:
        _compared(node.function.strip("_"), kinds[0], kinds[1])
    if node.function == "@in" and isinstance(kinds[1], ListOf):
        _compared("in", kinds[0], kinds[1].item)
    if node.function in {"_+_", "_-_"} and any(isinstance(kind, Scalar) and kind.time for kind in kinds):
        raise ValueError("times of facts are texts; write timestamp(…) around one to reckon with it")
    if node.kind:
        return Scalar(cel=node.kind)
    return kinds[0] if node.function == "_+_" else None


def _compared(operator: str, left: Type | None, right: Type | None) -> None:
    """Refuse the comparison of two types whose values never compare."""
    if left is None or right is None:
        return
    names = written(left), written(right)
    if "null" in names:
        raise ValueError("nothing is null here: what is not known is missing; ask for it with has(…)")
    if names[0] == names[1] or _NUMBERS.issuperset(names):
        return
    if "timestamp" in names and any(isinstance(kind, Scalar) and kind.time for kind in (left, right)):
        raise ValueError(f"{operator} compares a time with a text; write timestamp(…) around the fact")
    raise ValueError(f"{operator} compares {names[0]} with {names[1]}: these are never equal and have no order")


def _loop(node: Loop, scope: Mapping[str, Type | None]) -> Type | None:
    over = check(node.over, scope)
    # Over a map go its keys, which are plain texts.
    inner = {**scope, node.variable: over.item if isinstance(over, ListOf) else None, ACCUMULATOR: None}
    check(node.condition, inner)
    check(node.step, inner)
    return over if kept_elements(node) else None


def kept_elements(node: Loop) -> bool:
    """Say whether a loop gives a part of the list that it goes over: that is what `filter` is."""
    step = node.step
    if not (isinstance(step, Call) and step.function == "_?_:_" and isinstance(step.arguments[1], Call)):
        return False
    return step.arguments[1].arguments[1:] == (Aggregate(parts=(Name(name=node.variable),)),)
