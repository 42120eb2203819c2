"""The order of Maven versions. The one in `univers` is of an older Maven: `1.0.RELEASE` and `1.x` went wrong in it."""

import re
from functools import total_ordering
from itertools import zip_longest
from typing import Union

Item = Union[int, str, "list[Item]"]

_QUALIFIERS = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")
_ALIASES = {"ga": "", "final": "", "release": "", "cr": "rc"}
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}
_VERSION = re.compile(r"[a-z0-9._+-]*\d[a-z0-9._+-]*", re.ASCII)
_DEEPER = "-"
_BETWEEN = (".", _DEEPER)
_TOKEN = re.compile(r"\d+|[^\d.-]+|[.-]", re.ASCII)


@total_ordering
class MavenVersion:
    """A version with Maven's order.

    Spec:
        Maven, "POM Reference", "Version Order Specification"; ComparableVersion of Maven 3.8.

    Raises:
        ValueError: no version: without any digit, or with other characters than names of files have.
    """

    __slots__ = ("_items",)

    def __init__(self, text: str) -> None:
        lowered = text.lower()
        if _VERSION.fullmatch(lowered) is None:
            raise ValueError("not a version of Maven")
        self._items = _parsed(lowered)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MavenVersion) and _compare(self._items, other._items) == 0

    def __lt__(self, other: "MavenVersion") -> bool:
        return _compare(self._items, other._items) < 0

    __hash__ = None  # type: ignore[assignment]  # equal versions are written in many ways


def _parsed(text: str) -> "list[Item]":
    root: list[Item] = []
    lists = [root]

    def deeper() -> None:
        inner: list[Item] = []
        lists[-1].append(inner)
        lists.append(inner)

    tokens = _TOKEN.findall(text)
    before = "."
    for position, token in enumerate(tokens):
        following = tokens[position + 1] if position + 1 < len(tokens) else ""
        if token in _BETWEEN:
            if before in _BETWEEN:
                lists[-1].append(0)
            if token == _DEEPER:
                deeper()
        else:
            if before not in _BETWEEN or (not token.isdigit() and lists[-1] and following not in _BETWEEN):
                deeper()
            lists[-1].append(int(token) if token.isdigit() else _qualifier(token, following.isdigit()))
        before = token
    for each in reversed(lists):
        _trim(each)
    return root


def _qualifier(text: str, before_digit: bool) -> str:
    word = _SHORT.get(text, text) if before_digit else text
    return _ALIASES.get(word, word)


def _trim(items: "list[Item]") -> None:
    """Take away zeros, empty qualifiers and empty lists at the end: they mean nothing."""
    for position in range(len(items) - 1, -1, -1):
        if not items[position]:
            del items[position]
        elif not isinstance(items[position], list):
            return


def _compare(one: Item | None, other: Item | None) -> int:
    if one is None:
        return 0 if other is None else -_compare(other, None)
    if other is None:
        return _against_nothing(one)
    rank, other_rank = _rank(one), _rank(other)
    if rank != other_rank:
        return 1 if rank > other_rank else -1
    if isinstance(one, list) and isinstance(other, list):
        return next((c for a, b in zip_longest(one, other) if (c := _compare(a, b))), 0)
    if isinstance(one, str) and isinstance(other, str):
        first, second = _place(one), _place(other)
        return (first > second) - (first < second)
    assert isinstance(one, int) and isinstance(other, int)  # noqa: S101, PT018 - for the type checker
    return (one > other) - (one < other)


def _against_nothing(item: Item) -> int:
    if isinstance(item, list):
        return next((c for each in item if (c := _compare(each, None))), 0)
    if isinstance(item, str):
        place, release = _place(item), _place("")
        return (place > release) - (place < release)
    return int(item > 0)


def _rank(item: Item) -> int:
    return 2 if isinstance(item, int) else int(isinstance(item, list))


def _place(word: str) -> tuple[int, str]:
    return (_QUALIFIERS.index(word), "") if word in _QUALIFIERS else (len(_QUALIFIERS), word)
