"""Documents in proto3 JSON that configure trust, read strictly: errors say where, unknown members are refused."""

import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import dotted
from preverify.model.validation import unknown_key

MAX_ELEMENTS = 256
"""Of any one list."""

Members = dict[str, object]
Path = tuple[str | int, ...]

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_T = TypeVar("_T")


class Reading:
    """One document being read, called `name` in errors. All methods raise `BadConfiguration` with the path."""

    def __init__(self, name: str) -> None:
        self.name = name

    def moment(self, members: Members, path: Path, name: str) -> datetime:
        """Read an RFC 3339 time that has to be there."""
        text = self.text(members, path, name)
        bad = self.bad((*path, name), f"{text[:80]!r} is no time, expected RFC 3339")
        match = _TIME.fullmatch(text)
        if match is None:
            raise bad
        fraction = (match[2] or "").ljust(6, "0")[:6]  # of nanoseconds, microseconds are kept
        try:
            return datetime.fromisoformat(f"{match[1]}.{fraction}{match[3]}").astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise bad from error

    def listed(self, members: Members, path: Path, name: str, read: Callable[[object, Path], _T]) -> tuple[_T, ...]:
        """Read a list's elements; an absent list is an empty one, as proto3 JSON has it."""
        elements, where = members.get(name), (*path, name)
        if elements is None:
            return ()
        if not isinstance(elements, list) or len(elements) > MAX_ELEMENTS:
            raise self.bad(where, f"expected a list of at most {MAX_ELEMENTS} elements")
        return tuple(read(each, (*where, index)) for index, each in enumerate(elements))

    def members(self, document: object, path: Path, known: tuple[str, ...]) -> Members:
        """Return an object that has to be there and has no other members than `known`."""
        if document is None:
            raise self.bad(path, "is required and missing")
        if not isinstance(document, dict):
            raise self.bad(path, f"is {type(document).__name__}, expected an object")
        for key in sorted(document.keys() - set(known)):
            raise self.bad(path, unknown_key(key, known))
        return document

    def text(self, members: Members, path: Path, name: str) -> str:
        """Read text that has to be there."""
        value = members.get(name)
        if not isinstance(value, str) or not value:
            raise self.bad((*path, name), "expected text that is not empty")
        return value

    def raw(self, members: Members, path: Path, name: str) -> bytes:
        """Read base64 that has to be there, in the standard alphabet and with padding."""
        text = self.text(members, path, name)
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except ValueError as error:  # binascii.Error is one; others come of non-ASCII text
            raise self.bad((*path, name), f"not base64: {error}") from error

    def bad(self, path: Path, detail: str) -> BadConfiguration:
        """Return the error that says what is wrong at `path`."""
        text = dotted(path)
        return BadConfiguration(detail, where=f"{self.name}: {text}" if text else self.name)
