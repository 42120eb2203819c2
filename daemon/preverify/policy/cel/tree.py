"""The checked form of an expression as a tree: what the engine's compiler understood, read from its own bytes.

Limits are judged on this, never on the text: a parser of our own would read some expression otherwise than the engine.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

ACCUMULATOR = "@result"
"""What the engine's macros collect in. No expression can write this name."""
_CHECKED = b"type.googleapis.com/cel.expr.CheckedExpr"
_KINDS = ("", "null", "bool", "int", "uint", "double", "string", "bytes", "duration", "timestamp")
"""Types of literals by their numbers in syntax.proto."""
_PRIMITIVES = ("", "bool", "int", "uint", "double", "string", "bytes")
_WELL_KNOWN = ("", "", "timestamp", "duration")
"""Types by their numbers in checked.proto."""
_VARINT, _FIXED64, _BYTES = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A literal of a CEL type; `size` counts the bytes of its text, `text` is set where it is a string."""

    kind: str
    size: int
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A variable: a fact, or one that a macro introduced."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """A field of a value."""

    operand: "Node"
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function or operator, its target first, with the overloads that may be meant; `kind` is its type if single."""

    function: str
    arguments: tuple["Node", ...]
    overloads: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A list or map that the expression writes; `message` names the type where it is neither."""

    parts: tuple["Node", ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What `all`, `exists`, `exists_one`, `filter` and `map` become."""

    variable: str
    over: "Node"
    start: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node = Constant | Name | Select | Call | Aggregate | Loop


def children(node: Node) -> tuple[Node, ...]:
    """Return the parts of a node."""
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return node.arguments
        case Aggregate():
            return node.parts
        case Loop():
            return (node.over, node.start, node.condition, node.step, node.result)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def read(serialized: bytes) -> Node:
    """Return the tree of what the engine's `Expression.serialize` wrote.

    Raises:
        ValueError: it is not a checked expression: another version of the engine writes another form.

    Spec:
        cel-spec, proto/cel/expr/checked.proto and syntax.proto; the bytes are a `google.protobuf.Any` around them.
    """
    wrapped = _Message(serialized)
    if wrapped.one(1) != _CHECKED:
        raise ValueError("the CEL engine writes a form that this version does not know, expected cel-expr-python 0.1")
    checked = _Message(wrapped.one(2))
    known = _Known()
    for entry in map(_Message, checked.all(2)):
        known.overloads[entry.number(1)] = tuple(name.decode() for name in _Message(entry.one(2)).all(3))
    for entry in map(_Message, checked.all(3)):
        kind = _Message(entry.one(2))
        known.kinds[entry.number(1)] = _PRIMITIVES[kind.number(3)] or _WELL_KNOWN[kind.number(5)]
    return _node(_Message(checked.one(4)), known)


@dataclass(slots=True)
class _Known:
    """What the checker found out, by the ids of expressions."""

    overloads: dict[int, tuple[str, ...]] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Message:
    """The fields of one message by number; the last of several single ones counts, as in every reader."""

    data: bytes
    fields: dict[int, list[bytes | int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at = 0
        while at < len(self.data):
            key, at = _varint(self.data, at)
            value: bytes | int
            if key & 7 == _VARINT:
                value, at = _varint(self.data, at)
            elif key & 7 == _BYTES:
                size, at = _varint(self.data, at)
                value, at = self.data[at : at + size], at + size
            elif key & 7 == _FIXED64:
                value, at = self.data[at : at + 8], at + 8
            else:
                raise ValueError(f"the CEL engine wrote a field of wire type {key & 7}, expected 0, 1 or 2")
            self.fields.setdefault(key >> 3, []).append(value)

    def all(self, number: int) -> tuple[bytes, ...]:
        return tuple(value for value in self.fields.get(number, ()) if isinstance(value, bytes))

    def one(self, number: int) -> bytes:
        return (b"", *self.all(number))[-1]

    def number(self, number: int) -> int:
        value = self.fields.get(number, [0])[-1]
        return value if isinstance(value, int) else 0

    def text(self, number: int) -> str:
        return self.one(number).decode()


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _node(message: _Message, known: _Known) -> Node:
    def at(parent: _Message, number: int) -> Node:
        return _node(_Message(parent.one(number)), known)

    if 4 in message.fields:
        return Name(name=_Message(message.one(4)).text(1).removeprefix("."))
    if 5 in message.fields:
        inner = _Message(message.one(5))
        return Select(operand=at(inner, 1), field=inner.text(2))
    if 6 in message.fields:
        inner = _Message(message.one(6))
        target = (at(inner, 1),) if 1 in inner.fields else ()
        rest = tuple(_node(_Message(each), known) for each in inner.all(3))
        return Call(
            function=inner.text(2),
            arguments=target + rest,
            overloads=known.overloads.get(message.number(2), ()),
            kind=known.kinds.get(message.number(2), ""),
        )
    if 7 in message.fields:
        inner = _Message(message.one(7))
        return Aggregate(parts=tuple(_node(_Message(each), known) for each in inner.all(1)))
    if 8 in message.fields:
        inner = _Message(message.one(8))
        entries = [_Message(each) for each in inner.all(2)]
        parts = [at(entry, number) for entry in entries for number in (3, 4) if number in entry.fields]
        return Aggregate(parts=tuple(parts), message=inner.text(1))
    if 9 in message.fields:
        inner = _Message(message.one(9))
        return Loop(
            variable=inner.text(1),
            over=at(inner, 2),
            start=at(inner, 4),
            condition=at(inner, 5),
            step=at(inner, 6),
            result=at(inner, 7),
        )
    literal = _Message(message.one(3))
    number = next(iter(literal.fields), 0)
    text = literal.text(6) if _KINDS[number] == "string" else None
    return Constant(kind=_KINDS[number], size=len(literal.one(number)), text=text)
