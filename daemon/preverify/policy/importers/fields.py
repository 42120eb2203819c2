"""Reads documents of other tools member by member: what was not read when a mapping is done with is refused."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from preverify.model import strict_json, strict_yaml
from preverify.model.errors import BadConfiguration, MalformedEvidence
from preverify.model.strict_yaml import Document
from preverify.policy.places import Path, refusal

ReadFile = Callable[[str], bytes]
"""Returns the content of a file that a document names. It may raise `BadConfiguration` or `OSError`."""
ListFiles = Callable[[str], Sequence[str]]
"""Returns the names of the files in a directory, last parts only. It may raise the same."""

_LISTED = "List"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Files:
    """The files and directories that documents name. Called with a name, it returns a file."""

    read: ReadFile
    listing: ListFiles | None = None

    def __call__(self, name: str) -> bytes:
        """Return the content of a file."""
        return self.read(name)

    def names_in(self, directory: str) -> Sequence[str]:
        """Return the names of the files in a directory."""
        if self.listing is None:
            raise BadConfiguration("directories cannot be listed here")
        return self.listing(directory)


def documents(name: str, data: bytes) -> tuple[Document, ...]:
    """Read a file of one JSON or of any number of YAML documents; items of Kubernetes lists become documents.

    Raises:
        BadConfiguration: not strict JSON or YAML.
    """
    if not data.lstrip(b" \t\r\n").startswith(b"{"):
        return tuple(item for each in strict_yaml.read(data, name=name) for item in _items(each))
    try:
        value = strict_json.parse(data, max_bytes=strict_yaml.MAX_BYTES)
    except MalformedEvidence as error:
        raise BadConfiguration(f"not JSON: {error}", where=name) from error
    return tuple(_items(Document(name=name, value=value, lines={})))


def _items(document: Document) -> Iterable[Document]:
    value = document.value
    if not isinstance(value, dict) or value.get("kind") != _LISTED or not isinstance(value.get("items"), list):
        yield document
        return
    for i, item in enumerate(value["items"]):
        lines = {path[2:]: line for path, line in document.lines.items() if path[:2] == ("items", i)}
        yield replace(document, value=item, lines=lines)


class Fields:
    """A mapping. Used as a context: at its end, without an error, every member must have been read.

    A member that is null is one that is absent, as Kubernetes has it.
    """

    __slots__ = ("_left", "_members", "document", "path")

    def __init__(self, document: Document, path: Path, value: object) -> None:
        """Take a value that has to be a mapping."""
        self.document = document
        self.path = path
        if not isinstance(value, dict):
            raise refusal(document, path, f"is {_kind(value)}, expected a mapping")
        self._members = {key: each for key, each in value.items() if each is not None}
        self._left = dict.fromkeys(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.done()

    def done(self) -> None:
        """Refuse what was never read."""
        for name in self._left:
            raise self.refusal(name, "is not understood here, so that what it demands would be lost")

    def give_up(self) -> None:
        """Count everything as read: the whole is refused or denied anyway."""
        self._left.clear()

    def refusal(self, name: str | int, why: str) -> BadConfiguration:
        """Return the error about a member, or about an element of one where `name` is its number."""
        return refusal(self.document, (*self.path, name), why)

    def refuse(self, why: str) -> BadConfiguration:
        """Return the error about the whole mapping."""
        return refusal(self.document, self.path, why)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def names(self) -> tuple[str, ...]:
        """Return the names of the members that are not null."""
        return tuple(self._members)

    def take(self, name: str) -> object:
        """Return a member as it is; None where it is absent."""
        self._left.pop(name, None)
        return self._members.get(name)

    def ignore(self, *names: str) -> None:
        """Count members as read that change nothing about which images pass."""
        for name in names:
            self._left.pop(name, None)

    def forbid(self, name: str, why: str) -> None:
        """Refuse a member unless it is absent or says nothing: false, 0, empty."""
        if self.take(name):
            raise self.refusal(name, why)

    def text(self, name: str) -> str:
        """Return a member that is text; empty where it is absent."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            raise self.refusal(name, f"is {_kind(value)}, expected text")
        return value or ""

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a member that is true or false."""
        value = self.take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refusal(name, f"is {_kind(value)}, expected true or false")
        return value

    def number(self, name: str) -> int | None:
        """Return a member that is a whole number; None where it is absent."""
        value = self.take(name)
        if value is not None and type(value) is not int:
            raise self.refusal(name, f"is {_kind(value)}, expected a whole number")
        return value

    def word(self, name: str, known: Iterable[str], *, default: str) -> str:
        """Return a member that is one of some words."""
        words = tuple(known)
        value = self.text(name) or default
        if value not in words:
            raise self.refusal(name, f"is {value[:_SHOWN]!r}, expected one of: {', '.join(words)}")
        return value

    def elements(self, name: str) -> tuple[object, ...]:
        """Return a member that is a list; empty where it is absent."""
        value = self.take(name)
        if value is not None and not isinstance(value, list):
            raise self.refusal(name, f"is {_kind(value)}, expected a list")
        return tuple(value or ())

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a member that is a list of texts."""
        found = self.elements(name)
        for i, each in enumerate(found):
            if not isinstance(each, str):
                raise refusal(self.document, (*self.path, name, i), f"is {_kind(each)}, expected text")
        return tuple(str(each) for each in found)

    def part(self, name: str) -> "Fields | None":
        """Return a member that is a mapping; None where it is absent. Empty ones are there."""
        value = self.take(name)
        return None if value is None else Fields(self.document, (*self.path, name), value)

    def parts(self, name: str) -> tuple["Fields", ...]:
        """Return a member that is a list of mappings."""
        return tuple(Fields(self.document, (*self.path, name, i), each) for i, each in enumerate(self.elements(name)))

    def pairs(self, name: str) -> dict[str, str]:
        """Return a member that maps texts to texts."""
        inside = self.part(name)
        return {} if inside is None else {key: inside.text(key) for key in inside.names()}


def whole(document: Document) -> Fields:
    """Return a document's own mapping."""
    return Fields(document, (), document.value)


def member(document: Document, name: str) -> object:
    """Return a member of a document that may be anything; None where there is none."""
    return document.value.get(name) if isinstance(document.value, dict) else None


def kubernetes(document: Document, groups: Iterable[str], kinds: Iterable[str]) -> bool:
    """Say whether a document is an object of one of these API groups and kinds, of whatever version."""
    version, kind = member(document, "apiVersion"), member(document, "kind")
    return isinstance(version, str) and version.partition("/")[0] in tuple(groups) and kind in tuple(kinds)


def object_name(fields: Fields) -> str:
    """Return `metadata.name` of a Kubernetes object; what else stands there demands nothing of images."""
    metadata = fields.part("metadata")
    name = "" if metadata is None else metadata.text("name")
    if not name:
        raise fields.refusal("metadata", "has no name, expected metadata.name")
    fields.ignore("apiVersion", "kind", "status")
    return name


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")
