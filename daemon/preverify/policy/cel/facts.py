"""What expressions can ask about: the facts with their types, and facts made ready for the engine."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

MAX_VALUES: Final = 500_000
"""Values of one variable that an expression is evaluated over."""
MAX_TEXT: Final = 64 << 10
"""Bytes of one text that an expression is evaluated over."""
MAX_LEVELS: Final = 16
BYTES_PER_UNIT: Final = 16
_INT = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A single value: `string`, `double`, `bool` or `timestamp`; `time` marks a text that is a time of RFC 3339."""

    cel: str
    time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list of values of one type."""

    item: "Type"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf:
    """A map from texts that the image or the evidence names."""

    item: "Type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A value with fields of known names."""

    fields: Mapping[str, "Type"]


Type = Scalar | ListOf | MapOf | Record

_STRING = Scalar(cel="string")
_DOUBLE = Scalar(cel="double")
_TIME = Scalar(cel="string", time=True)
_STRINGS = ListOf(item=_STRING)
_TEXTS = MapOf(item=_STRING)

VARIABLES: Final[Mapping[str, Type]] = {
    "image": Record(
        fields={
            "registry": _STRING,
            "repository": _STRING,
            "digest": _STRING,
            "annotations": _TEXTS,
            "config": Record(
                fields={
                    "user": _STRING,
                    "env": _STRINGS,
                    "labels": _TEXTS,
                    "entrypoint": _STRINGS,
                    "cmd": _STRINGS,
                    "exposedPorts": _STRINGS,
                    "created": _TIME,
                    "os": _STRING,
                    "architecture": _STRING,
                }
            ),
        }
    ),
    "tags": _STRINGS,
    "signatures": ListOf(
        item=Record(
            fields={
                "format": _STRING,
                "signers": _STRINGS,
                "identity": _STRING,
                "issuer": _STRING,
                "key": _STRING,
                "annotations": _TEXTS,
                "times": ListOf(item=_TIME),
            }
        )
    ),
    "attestations": ListOf(
        item=Record(
            fields={
                "type": _STRING,
                "signers": _STRINGS,
                "identity": _STRING,
                "issuer": _STRING,
                "predicate": _TEXTS,
            }
        )
    ),
    "components": ListOf(
        item=Record(fields={"name": _STRING, "version": _STRING, "purl": _STRING, "licenses": _STRINGS})
    ),
    "vulnerabilities": ListOf(
        item=Record(
            fields={
                "id": _STRING,
                "aliases": _STRINGS,
                "severity": _STRING,
                "score": _DOUBLE,
                "fixed": _STRINGS,
                "published": _TIME,
                "epss": _DOUBLE,
                "exploited": Scalar(cel="bool"),
                "package": _STRING,
                "purl": _STRING,
            }
        )
    ),
    "now": Scalar(cel="timestamp"),
}
"""Every variable. What is not known of one subject is left out, so that asking for it is an error, never a value."""


def variables() -> Mapping[str, str]:
    """Return each variable and each field, as `vulnerabilities[].score`, with its CEL type."""
    listed: dict[str, str] = {}
    for name, kind in VARIABLES.items():
        _list(name, kind, listed)
    return listed


def written(kind: Type) -> str:
    """Return a type as CEL writes it. Records are maps there."""
    match kind:
        case Scalar():
            return kind.cel
        case ListOf():
            return f"list<{written(kind.item)}>"
        case MapOf():
            return f"map<string, {written(kind.item)}>"
        case _:
            return "map<string, dyn>"


def _list(path: str, kind: Type, listed: dict[str, str]) -> None:
    item = kind.item if isinstance(kind, ListOf) else kind
    listed[path] = written(kind) + (", RFC 3339" if isinstance(item, Scalar) and item.time else "")
    if isinstance(kind, ListOf):
        path, kind = f"{path}[]", kind.item
    if isinstance(kind, Record):
        for name, inner in kind.fields.items():
            _list(f"{path}.{name}", inner, listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How much a value is.

    Attributes:
        weight: Values in it, and one more for every 16 bytes of text.
        length: Elements of itself; 0 for single values.
        longest: Most elements of anything below it.
        largest: Most weight of one of its elements.
    """

    weight: int = 1
    length: int = 0
    longest: int = 0
    largest: int = 1

    @property
    def element(self) -> "Measure":
        """Return what any element or field of it is at most."""
        return Measure(weight=self.largest, length=self.longest, longest=self.longest, largest=self.largest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One value as the engine takes it, measured."""

    value: object
    measure: Measure


class Facts:
    """The facts about one subject. Made ready once for all expressions that ask about it, variable by variable."""

    def __init__(self, facts: Mapping[str, object]) -> None:
        """Keep what is known, by variable; nothing is looked at yet."""
        self._facts = facts
        self._ready: dict[tuple[str, ...], Ready | None] = {}

    def ready(self, path: tuple[str, ...]) -> Ready | None:
        """Return the fact at a path made ready; None where it is not known.

        Raises:
            ValueError: it holds what the engine cannot take, or too much of it.
        """
        if path not in self._ready:
            self._ready[path] = self._made(path)
        return self._ready[path]

    def _made(self, path: tuple[str, ...]) -> Ready | None:
        value: object = self._facts
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            return None
        if path == ("now",) and isinstance(value, datetime) and value.tzinfo is not None:
            # Only variables can be times for the engine; within lists and maps of facts it takes JSON alone.
            return Ready(value=value, measure=Measure())
        cleaned, *sizes = _Cleaning(path[0]).clean(value, 0)
        weight, length, longest, largest = sizes
        return Ready(value=cleaned, measure=Measure(weight=weight, length=length, longest=longest, largest=largest))


_Cleaned = tuple[object, int, int, int, int]
"""A value and the four numbers of its measure; plain, because there are very many of them."""


class _Cleaning:
    """Copies a value of JSON and times for the engine: without what is unknown, within the limits."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = MAX_VALUES

    def clean(self, value: object, level: int) -> _Cleaned:
        if isinstance(value, str):
            return value, 1 + self._text(value) // BYTES_PER_UNIT, 0, 0, 1
        if isinstance(value, Mapping | list | tuple):
            self._left -= len(value)
            if self._left < 0:
                raise ValueError(f"{self._name} has more than {MAX_VALUES} values")
            if level == MAX_LEVELS:
                raise ValueError(f"{self._name} is nested deeper than {MAX_LEVELS} levels")
            return self._map(value, level + 1) if isinstance(value, Mapping) else self._list(value, level + 1)
        return self._scalar(value), 2, 0, 0, 1

    def _text(self, value: str) -> int:
        try:
            size = len(value) if value.isascii() else len(value.encode())
        except UnicodeEncodeError as error:
            raise ValueError(f"{self._name} has a text that is no Unicode text") from error
        if size > MAX_TEXT:
            raise ValueError(f"{self._name} has a text of {size} bytes, at most {MAX_TEXT} are looked at")
        return size

    def _scalar(self, value: object) -> object:
        if isinstance(value, datetime) and value.tzinfo is not None:
            return rfc3339(value)
        if isinstance(value, bool) or (isinstance(value, int) and value in _INT):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        raise ValueError(
            f"{self._name} has {str(value)[:40]!r} of type {type(value).__name__}, expected texts, finite numbers of "
            "64 bits, times with a zone, lists and maps of texts"
        )

    def _list(self, value: Sequence[object], level: int) -> _Cleaned:
        # None is refused here: a list with a gap is a list of something else.
        made, total, longest, largest = [], 1, 0, 1
        for each in value:
            cleaned, weight, length, below, _ = self.clean(each, level)
            made.append(cleaned)
            total += weight
            longest = max(longest, length, below)
            largest = max(largest, weight)
        return made, total, len(made), longest, largest

    def _map(self, value: Mapping[object, object], level: int) -> _Cleaned:
        made, total, longest, largest = {}, 1, 0, 1
        for key, each in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{self._name} has the key {str(key)[:40]!r}, expected a text")  # noqa: TRY004
            if each is None:
                continue
            named = 1 + self._text(key) // BYTES_PER_UNIT
            made[key], weight, length, below, _ = self.clean(each, level)
            total += named + weight
            longest = max(longest, length, below)
            largest = max(largest, weight, named)  # for loops, the elements of a map are its keys
        return made, total, len(made), longest, largest


def rfc3339(at: datetime) -> str:
    """Write a time as facts hold it: in UTC and whole seconds, so that texts are in the order of their times."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
