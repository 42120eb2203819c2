"""Reading predicates: members by name, strictly, and facts of bounded length."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import rfc8785

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason

Pairs = tuple[tuple[str, str], ...]

MAX_VALUE = 4096
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.(\d{1,18}))?(?:[Zz]|[+-]\d\d:\d\d)")


def malformed(detail: str) -> MalformedEvidence:
    """Return the refusal of a predicate that has not the shape of its kind."""
    return MalformedEvidence(Reason.STATEMENT_MALFORMED, detail)


class Facts:
    """Facts under construction. Names are words with dots between them, values are text of at most 4096 characters."""

    def __init__(self) -> None:
        self._facts: dict[str, str] = {}
        self._left_out: list[str] = []

    def decide(self, name: str, value: str | int | None) -> None:
        """Add a fact on which decisions rest. It cannot be left out for its length: that would be another statement.

        Raises:
            MalformedEvidence: too long, or no text that every store can hold.
        """
        text = _text(name, value)
        if len(text) > MAX_VALUE:
            raise malformed(f"{name} has {len(text)} characters, at most {MAX_VALUE} are read")
        if text:
            self._facts[name] = text

    def tell(self, name: str, value: str | int | None) -> None:
        """Add a fact for people. One that is too long is left out, and `truncated` says so."""
        text = _text(name, value)
        if len(text) > MAX_VALUE:
            self._left_out.append(name)
        elif text:
            self._facts[name] = text

    def count(self, prefix: str, words: Mapping[str, int]) -> None:
        """Add counts by word; the words are of a closed list."""
        for word, number in words.items():
            self.decide(f"{prefix}.{word}", number)

    def done(self) -> Pairs:
        """Return all facts, sorted by name."""
        left_out = {"truncated": ",".join(sorted(set(self._left_out)))} if self._left_out else {}
        return tuple(sorted({**self._facts, **left_out}.items()))


def _text(name: str, value: str | int | None) -> str:
    if value is None:
        return ""
    text = str(value)
    if "\x00" in text:
        raise malformed(f"{name} holds a zero character")
    return text


class Node:
    """An object of a predicate, with the path that leads to it. Unset, null and empty are one (SLSA, parsing rules)."""

    def __init__(self, value: object, path: str, known: Iterable[str]) -> None:
        """Take an object whose `known` members are spelled exactly; all others are somebody else's.

        Raises:
            MalformedEvidence: no object, or a known member in another spelling. Readers that ignore case would take it
                for the known one: such an object has two meanings.
        """
        if not isinstance(value, dict):
            raise malformed(f"{path} is {_kind(value)}, expected an object")
        names = frozenset(known)
        folded = {name.casefold(): name for name in names}
        for key in value.keys() - names:
            right = folded.get(key.casefold())
            if right is not None:
                raise malformed(f"{path} has a member {key[:40]!r}, expected {right!r}")
        self.path = path
        self.members: dict[str, object] = value

    def __contains__(self, name: str) -> bool:
        return self.members.get(name) not in (None, "", [], {})

    def text(self, name: str) -> str:
        """Return a member that is text; empty where it is not set."""
        value = self.members.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise malformed(f"{self.path}.{name} is {_kind(value)}, expected text")
        return value

    def required(self, name: str) -> str:
        """Return a member that is text and not empty."""
        value = self.text(name)
        if not value:
            raise malformed(f"{self.path}.{name} is missing")
        return value

    def instant(self, name: str) -> str:
        """Return a time in UTC as RFC 3339 writes it; empty where it is not set."""
        value = self.text(name)
        return instant(f"{self.path}.{name}", value) if value else ""

    def node(self, name: str, known: Iterable[str] = ()) -> "Node":
        """Return a member that is an object; an empty one where it is not set."""
        value = self.members.get(name)
        return Node({} if value is None else value, f"{self.path}.{name}", known)

    def maybe(self, name: str, known: Iterable[str] = ()) -> "Node":
        """Return a member that is an object for some builders; an empty one where it is anything else."""
        value = self.members.get(name)
        return Node(value if isinstance(value, dict) else {}, f"{self.path}.{name}", known)

    def items(self, name: str) -> list[object]:
        """Return a member that is a list; an empty one where it is not set."""
        value = self.members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise malformed(f"{self.path}.{name} is {_kind(value)}, expected a list")
        return value

    def nodes(self, name: str, known: Iterable[str] = ()) -> "list[Node]":
        """Return a member that is a list of objects."""
        names = frozenset(known)
        return [Node(each, f"{self.path}.{name}[{i}]", names) for i, each in enumerate(self.items(name))]

    def number_of(self, name: str) -> int:
        """Return how many objects a list has, without a look into them."""
        items = self.items(name)
        if not all(isinstance(each, dict) for each in items):
            raise malformed(f"{self.path}.{name} holds something else than objects")
        return len(items)

    def words(self, name: str) -> list[str]:
        """Return a member that is a list of texts."""
        items = self.items(name)
        for each in items:
            if not isinstance(each, str) or not each:
                raise malformed(f"{self.path}.{name} holds {_kind(each)}, expected only texts")
        return [str(each) for each in items]


def instant(what: str, value: str) -> str:
    """Return a time in UTC; digits beyond microseconds are cut.

    Raises:
        MalformedEvidence: not as RFC 3339 writes times.

    >>> instant("t", "2026-03-01T11:00:00+01:00")
    '2026-03-01T10:00:00Z'
    """
    match = _INSTANT.fullmatch(value)
    try:
        moment = datetime.fromisoformat(value.upper()).astimezone(UTC) if match is not None else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise malformed(f"{what} is {value[:40]!r}, expected a time like 2026-01-02T10:00:00Z")
    return moment.isoformat().replace("+00:00", "Z")


def canonical(value: object) -> str:
    """Write a value of a predicate in its one canonical form (RFC 8785).

    Raises:
        MalformedEvidence: a number that this form cannot hold.
    """
    try:
        return rfc8785.dumps(value).decode()  # type: ignore[arg-type]  # checked there
    except rfc8785.CanonicalizationError as error:
        raise malformed(f"a value cannot be written canonically: {error}") from error


def is_set(value: object) -> bool:
    """Say whether a parameter was given: unset, null and empty are one.

    Spec:
        SLSA, provenance v1, "Parsing rules".
    """
    return value not in (None, "", [], {})


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    names: Mapping[type, str] = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names[type(value)]
