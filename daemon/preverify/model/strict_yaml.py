"""Strict YAML: configuration and policies are read here. One meaning or none, and every value knows its line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from preverify.model.errors import BadConfiguration

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_ALIASES = 100
MAX_NODES = 100_000
_CORE = "tag:yaml.org,2002:"
_SCALARS = ("str", "timestamp", "null", "bool", "int", "float")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_MAX_INTEGER = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document as plain values, with the line of every value.

    Attributes:
        name: The file's name, for people.
        value: Mappings with text keys, lists, text, integers, floats, booleans and None.
        lines: Line of each value, by its path.
    """

    name: str
    value: object
    lines: Mapping[tuple[str | int, ...], int]

    def where(self, path: tuple[str | int, ...]) -> str:
        """Say where the value at `path` (or the nearest thing above it) stands: `file:line: a.b[0]`."""
        above = path
        while above and above not in self.lines:
            above = above[:-1]
        text = dotted(path)
        place = f"{self.name}:{self.lines.get(above, 1)}"
        return f"{place}: {text}" if text else place


def dotted(path: tuple[str | int, ...]) -> str:
    """Write a path as people do.

    >>> dotted(("spec", "images", 0))
    'spec.images[0]'
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def read(data: bytes, *, name: str) -> tuple[Document, ...]:
    """Read every document of a file; empty ones are left out.

    Refused besides what YAML refuses: other encodings than UTF-8, duplicate keys, keys that are not text, merge keys,
    tags, more than 100 aliases or 100,000 nodes once aliases are followed, depth beyond 64, and plain scalars that YAML
    versions read differently (`yes`, `on`, `0o7`, `1_000`, `22:30`): these are to be quoted.

    Raises:
        BadConfiguration: with file and line.
    """
    if len(data) > MAX_BYTES:
        raise BadConfiguration(f"file of {len(data)} bytes, at most {MAX_BYTES} are read", where=name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadConfiguration(f"not UTF-8 text: {error.reason} at byte {error.start}", where=name) from error
    try:
        loader = _Loader(text)
        try:
            documents = []
            while loader.check_node():
                node = loader.get_node()
                documents.append(_Reading(name).document(node))  # type: ignore[arg-type]  # check_node says there is one
        finally:
            loader.dispose()
    except _TooMuch as error:
        raise BadConfiguration(str(error), where=f"{name}:{error.line}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark is not None else name
        raise BadConfiguration(f"not YAML: {error.problem or error.context}", where=where) from error
    except yaml.YAMLError as error:
        raise BadConfiguration(f"not YAML: {' '.join(str(error).split())[:200]}", where=name) from error
    return tuple(d for d in documents if d.value is not None)


def scalar(text: str) -> object:
    """Read one plain scalar or flow collection, as environment variables carry them.

    Raises:
        BadConfiguration: as `read`; also for more than one document.
    """
    documents = read(text.encode("utf-8", "surrogateescape"), name="value")
    if len(documents) > 1:
        raise BadConfiguration("holds several YAML documents, expected one value")
    return documents[0].value if documents else None


class _TooMuch(Exception):
    def __init__(self, detail: str, line: int) -> None:
        super().__init__(detail)
        self.line = line


class _Loader(yaml.SafeLoader):
    """The safe loader, only used to compose nodes, that counts while it composes: nothing large is built first."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        line = self.get_mark().line + 1
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                raise _TooMuch(f"more than {MAX_ALIASES} aliases", line)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooMuch(f"nested deeper than {MAX_DEPTH} levels", line)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reading:
    """Turns composed nodes into values. Aliased nodes are walked each time, so that the node limit sees their sum."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes = 0
        self._lines: dict[tuple[str | int, ...], int] = {}

    def document(self, node: yaml.Node) -> Document:
        return Document(name=self._name, value=self._value(node, ()), lines=self._lines)

    def _value(self, node: yaml.Node, path: tuple[str | int, ...]) -> object:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooMuch(f"more than {MAX_NODES} values, aliases followed", line)
        if len(path) > MAX_DEPTH:  # composing bounds the written depth; an alias inside its own anchor has no end
            raise _TooMuch(f"nested deeper than {MAX_DEPTH} levels, aliases followed", line)
        self._lines[path] = line
        if not node.tag.startswith(_CORE):
            raise self._refuse(path, f"has the tag {node.tag[:60]!r}, expected a plain value")
        kind = node.tag.removeprefix(_CORE)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self._value(child, (*path, i)) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            return self._scalar(node, kind, path)
        raise self._refuse(path, f"has the tag !!{kind[:60]}, expected a plain value")

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, object]:
        members: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_CORE}str":
                self._lines[path] = line
                raise self._refuse(path, "holds a key that is not text; keys like yes, 1 or << are to be quoted")
            key = key_node.value
            if key in members:
                self._lines[(*path, key)] = line
                raise self._refuse((*path, key), "this key stands twice in one mapping")
            members[key] = self._value(value_node, (*path, key))
            self._lines[(*path, key)] = line
        return members

    def _scalar(self, node: yaml.ScalarNode, kind: str, path: tuple[str | int, ...]) -> object:
        text: str = node.value
        if kind in ("str", "timestamp"):
            return text
        if kind == "null" and text in ("", "~", "null"):
            return None
        if kind == "bool" and text in ("true", "false"):
            return text == "true"
        if kind == "int" and _DECIMAL.fullmatch(text) and len(text) < 18 and abs(int(text)) <= _MAX_INTEGER:
            return int(text)
        if kind == "float" and _FLOAT.fullmatch(text) and len(text) < 40:
            return float(text)
        raise self._refuse(
            path, f"{text[:40]!r} has several readings in YAML; write true, false or a decimal, or quote it"
        )

    def _refuse(self, path: tuple[str | int, ...], detail: str) -> BadConfiguration:
        place = Document(name=self._name, value=None, lines=self._lines)
        return BadConfiguration(detail, where=place.where(path))
