"""Strict JSON: one meaning or none. Every document from outside that decides something is read here."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason

Keep = Callable[[dict[str, Any]], bool]

MAX_INTEGER = 2**53
_INTEGER_DIGITS = len(str(MAX_INTEGER)) + 1  # and a sign
# The closing quote is optional on purpose: an unterminated string swallows the rest, so no quote is looked at twice.
_SPACE = " \t\n\r"
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class _Refused(ValueError):
    """Raised inside the decoder's hooks; never leaves this module."""


def parse(
    data: bytes,
    *,
    max_bytes: int,
    max_depth: int = 64,
    max_keys: int = 100_000,
    max_items: int | None = None,
    reason: Reason = Reason.PAYLOAD_MALFORMED,
    keep: Keep | None = None,
) -> object:
    """Read one JSON document that every strict reader understands alike.

    Refused besides what RFC 8259 refuses: a byte order mark, other encodings than UTF-8, duplicate keys, NaN and
    Infinity, integers beyond 2^53, floats beyond the double range, escaped lone surrogates.

    Args:
        data: The bytes as received.
        max_bytes: Longer data is refused unread (`too-large`).
        max_depth: Deepest nesting of arrays and objects; at most 500, so that no recursion limit is ever met.
        max_keys: Members of all objects together.
        max_items: Elements and members of all arrays and objects together, for documents that consist of a few long
            strings: an empty array takes twenty times the memory of its two characters. Counted before anything is
            made of the text, so that brackets and commas inside of strings count too.
        reason: What a refusal is called, for callers whose documents have a word of their own.
        keep: Says of each object, innermost first, whether its members are wanted. The others are read and checked all
            the same and become empty, so that a large document costs little more memory than its text.

    Raises:
        MalformedEvidence: says what was seen and where.

    Spec:
        RFC 8259; RFC 7493 (I-JSON) sections 2.1 to 2.3.

    >>> parse(b'{"a": [1, 2.5, null]}', max_bytes=100)
    {'a': [1, 2.5, None]}
    """
    if len(data) > max_bytes:
        raise MalformedEvidence(Reason.TOO_LARGE, f"document of {len(data)} bytes, at most {max_bytes} are read")
    try:
        text = data.decode("utf-8")
        # No document has more elements, levels or members than characters: the common case needs no count.
        if max_items is not None and len(text) > max_items:
            _check_items(text, max_items)
        if text.count("[") + text.count("{") > max_depth:
            _check_depth(text, max_depth)
        few = len(text) <= max_keys or text.count(":") <= max_keys
        decoder = _DECODER if few and keep is None else _decoder(partial(_kept_object, [max_keys], max_keys, keep))
        value: object = _decoded(decoder, text)
        if "\\u" in text:
            _check_surrogates(value)
    except UnicodeDecodeError as error:
        raise MalformedEvidence(reason, f"not UTF-8 text: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise MalformedEvidence(
            reason, f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos}"
        ) from error
    except _Refused as error:
        raise MalformedEvidence(reason, str(error)) from error
    return value


def _decoded(decoder: json.JSONDecoder, text: str) -> object:
    """Return the one value that a text consists of, as `decoder.decode` does, with white space around it or without."""
    if text[:1] in _SPACE:
        return decoder.decode(text)
    value, end = decoder.raw_decode(text)
    if end != len(text) and text[end:].strip(_SPACE):
        raise json.JSONDecodeError("Extra data", text, end + len(text[end:]) - len(text[end:].lstrip(_SPACE)))
    return value


def _check_items(text: str, max_items: int) -> None:
    """Refuse a flood of values before the decoder makes any of them."""
    if sum(map(text.count, ",[{")) > max_items:
        raise _Refused(f"more than {max_items} elements")


def _check_depth(text: str, max_depth: int) -> None:
    """Refuse nesting beyond `max_depth` before the decoder recurses into it."""
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        first = text[match.start()]
        if first in "[{":
            depth += 1
            if depth > max_depth:
                raise _Refused(f"nested deeper than {max_depth} levels at character {match.start()}")
        elif first != '"':
            depth -= 1


def _check_surrogates(value: object) -> None:
    """Refuse half a surrogate pair: such text has no UTF-8 form, and readers disagree on what it becomes."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _Refused("a string holds half a surrogate pair") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _Refused(f"key {twice[:80]!r} stands twice in one object")
    return members


def _integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS or abs(int(text)) > MAX_INTEGER:
        raise _Refused(f"integer {text[:24]} is beyond 2^53")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"number {text[:24]} is beyond the double range")
    return number


def _constant(text: str) -> NoReturn:
    raise _Refused(f"{text} is not JSON")


def _decoder(pairs_hook: Any) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=pairs_hook, parse_int=_integer, parse_float=_float, parse_constant=_constant
    )


def _kept_object(budget: list[int], max_keys: int, keep: Keep | None, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    budget[0] -= len(pairs)
    if budget[0] < 0:
        raise _Refused(f"more than {max_keys} keys")
    members = _object(pairs)
    return members if keep is None or keep(members) else {}


_DECODER = _decoder(_object)
