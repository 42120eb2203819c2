"""SPDX licence expressions, and the lists that say which licences are allowed."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from preverify.model import globs

MAX_LENGTH = 2048
MAX_DEPTH = 32
_TOKEN = re.compile(r"\s*([()]|[A-Za-z0-9.+:-]+)")
_OPERATORS = frozenset({"AND", "OR", "WITH"})
_NOT_SAID = frozenset({"", "noassertion", "none"})
_REFERENCE = re.compile(r"(?:documentref-[a-z0-9.-]+:)?licenseref-[a-z0-9.-]+")
_GNU = re.compile(r"((?:[al]?gpl|gfdl)-[0-9]\.[0-9])(\+|-only|-or-later)?")
_GNU_WITH = re.compile(r"(gpl-[0-9]\.[0-9])-with-([a-z]+)-exception")


class Judged(IntEnum):
    """What a list says of a licence. Of several that all apply the lowest counts, of alternatives the highest."""

    DENIED = 0
    UNKNOWN = 1
    ALLOWED = 2


class License(NamedTuple):
    """One licence in an expression, as it is compared; `exception` is what stands behind `WITH`."""

    name: str
    exception: str = ""

    @property
    def whole(self) -> str:
        """Return both."""
        return f"{self.name} with {self.exception}" if self.exception else self.name


class _UnreadableError(ValueError):
    """The text is no expression; never leaves this module."""


def is_known(licenses: Sequence[str]) -> bool:
    """Say whether a component names its licence at all, in whatever words."""
    return bool(licenses) and all(each.casefold() not in _NOT_SAID for each in licenses)


class Entries:
    """Licences that a rule lists: SPDX identifiers, with `WITH`, with stars, or names that are not SPDX's."""

    def __init__(self, entries: Iterable[str]) -> None:
        written = [_plain(each) for each in entries]
        self._globs = tuple(each for each in written if "*" in each)
        self._names = frozenset(name for each in written if "*" not in each for name in (each, _normal(each)))

    def name(self, text: str) -> bool:
        """Say whether exactly this stands there."""
        return text in self._names

    def have(self, name: str) -> bool:
        """Say whether a single licence is meant by some entry."""
        return name in self._names or any(globs.matches(each, name) for each in self._globs)


class Terms:
    """What a rule says of licences: which it denies, and which alone it allows."""

    def __init__(self, deny: Sequence[str], allow: Sequence[str] | None) -> None:
        self._deny = Entries(deny)
        self._allow = None if allow is None else Entries(allow)

    def judge(self, licenses: Sequence[str]) -> Judged:
        """Return what these terms say of a component. All its licences apply; nobody says that one may choose."""
        judged = (_judged(self, each) if len(each) <= MAX_LENGTH else Judged.UNKNOWN for each in licenses)
        return min(judged, default=Judged.UNKNOWN)

    def text(self, text: str) -> Judged:
        """Return what they say of one text."""
        plain = _plain(text)
        if plain in _NOT_SAID:
            return Judged.UNKNOWN
        try:
            return self._node(_read(text))
        except _UnreadableError:
            return Judged.ALLOWED if self._allow is not None and self._allow.name(plain) else Judged.UNKNOWN

    def _node(self, node: "_Node") -> Judged:
        if isinstance(node, License):
            return self._one(node)
        operator, parts = node
        judged = [self._node(each) for each in parts]
        return max(judged) if operator == "OR" else min(judged)

    def _one(self, license_: License) -> Judged:
        """Judge one licence. What is granted beside it makes it no worse, where it is known what that is."""
        if license_.exception and self._deny.name(license_.whole):
            return Judged.DENIED
        if license_.exception and self._allow is not None and self._allow.name(license_.whole):
            return Judged.ALLOWED
        if self._deny.have(license_.name):
            return Judged.DENIED
        granted = not license_.exception or _spdx_has(f"mit with {license_.exception}")
        if granted and self._allow is not None and self._allow.have(license_.name):
            return Judged.ALLOWED
        if not granted or not _spdx_has(license_.name):
            return Judged.UNKNOWN
        return Judged.ALLOWED if self._allow is None else Judged.DENIED


@lru_cache(maxsize=256)
def terms(deny: tuple[str, ...], allow: tuple[str, ...] | None) -> Terms:
    """Return the terms of a rule."""
    return Terms(deny, allow)


@lru_cache(maxsize=16_384)
def _judged(ours: Terms, text: str) -> Judged:
    """Return what terms say of a text: many components have few licences."""
    return ours.text(text)


def check_entry(text: str, *, free: bool) -> str:
    """Return an entry of a list as written.

    Args:
        text: The entry.
        free: Whether names that SPDX does not know may stand there. To deny a word that nobody writes denies nothing.

    Raises:
        ValueError: it cannot be compared, or is unknown where only known ones may stand.
    """
    shown = repr(text[:80])
    if not text.strip() or len(text) > MAX_LENGTH:
        raise ValueError(f"{shown} is no licence")
    if "*" in text:
        if not text.strip("*") or re.search(r"\s|\*\*", text):
            raise ValueError(f"{shown} is no licence with stars, expected one word like GPL-*")
        return text
    try:
        read = _read(text)
    except _UnreadableError:
        read = License("")
    if not isinstance(read, License):
        raise ValueError(f"{shown} is an expression; list its licences one by one")  # noqa: TRY004 - pydantic's
    known = _REFERENCE.fullmatch(read.name) is not None or _spdx_has(read.name)
    granted = not read.exception or _spdx_has(f"mit with {read.exception}")
    if not free and not (known and granted):
        raise ValueError(f"{shown} is no licence that SPDX knows, expected an identifier like GPL-3.0-only, or GPL-*")
    return text


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


@lru_cache(maxsize=4096)
def _spdx_has(text: str) -> bool:
    if _REFERENCE.match(text) is not None:  # anybody can make these up
        return False
    try:
        canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return False
    return True


_Node = License | tuple[str, tuple["_Node", ...]]


@lru_cache(maxsize=4096)
def _read(text: str) -> _Node:
    """Read an expression.

    Raises:
        _UnreadableError: it is none.

    Spec:
        SPDX 2.3, annex D: WITH binds before AND, AND before OR.
    """
    tokens = list(_tokens(text))
    node = _alternatives(tokens, MAX_DEPTH)
    if tokens:
        raise _UnreadableError
    return node


def _tokens(text: str) -> Iterator[str]:
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise _UnreadableError
        word = match[1]
        yield word.upper() if word.upper() in _OPERATORS and word in (word.upper(), word.lower()) else word
        at = match.end()


def _alternatives(tokens: list[str], depth: int) -> _Node:
    return _chain(tokens, "OR", lambda: _chain(tokens, "AND", lambda: _single(tokens, depth)))


def _chain(tokens: list[str], operator: str, part: Callable[[], _Node]) -> _Node:
    parts = [part()]
    while tokens[:1] == [operator]:
        del tokens[0]
        parts.append(part())
    return parts[0] if len(parts) == 1 else (operator, tuple(parts))


def _single(tokens: list[str], depth: int) -> _Node:
    word = tokens.pop(0) if tokens else ""
    if word == "(" and depth:
        node = _alternatives(tokens, depth - 1)
        if tokens[:1] != [")"]:
            raise _UnreadableError
        del tokens[0]
        return node
    if word in ("", "(", ")") or word in _OPERATORS:
        raise _UnreadableError
    exception = ""
    if tokens[:1] == ["WITH"]:
        exception = tokens[1] if len(tokens) > 1 else ""
        if exception in ("", "(", ")") or exception in _OPERATORS:
            raise _UnreadableError
        del tokens[:2]
    return _license(word.casefold(), exception.casefold())


def _license(name: str, exception: str = "") -> License:
    """Return a licence under its one name: GNU licences have several, old ones among them."""
    old = _GNU_WITH.fullmatch(name)
    if old is not None and not exception:
        return License(f"{old[1]}-only", f"{old[2]}-exception")
    gnu = _GNU.fullmatch(name)
    if gnu is None:
        return License(name, exception)
    later = gnu[2] in ("+", "-or-later")
    return License(f"{gnu[1]}-{'or-later' if later else 'only'}", exception)


def _normal(entry: str) -> str:
    name, _, exception = entry.partition(" with ")
    return _license(name, exception).whole
