"""TSTInfo: what a time stamp says. Read strictly, whole, from bytes that are signed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from preverify.verify.encodings import der
from preverify.verify.encodings.der import INTEGER, OBJECT, OCTET_STRING, SEQUENCE, Element
from preverify.verify.keys.algorithms import HASHES, Hash

_BOOLEAN, _TIME = 0x01, 0x18
_MILLIS, _MICROS = 0x80, 0x81
_TSA, _EXTENSIONS = 0xA0, 0xA1
_TRUE = b"\x01\x01\xff"
_BEHIND = {tag: place for place, tag in enumerate((SEQUENCE, _BOOLEAN, INTEGER, _TSA, _EXTENSIONS))}
_ONE = der.element(INTEGER, b"\x01")
_MOMENT = re.compile(rb"\d{14}(?:\.(\d{0,5}[1-9]))?Z")
_NAMES = frozenset((0xA0, 0x81, 0x82, 0xA3, 0xA4, 0xA5, 0x86, 0x87, 0x88))
"""Tags of a GeneralName."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What was stamped when.

    Attributes:
        at: The time in it.
        accuracy: How far the time may be off; None where it does not say.
        hash: Hash function of what was stamped.
        digest: Hash value of what was stamped.
    """

    at: datetime
    accuracy: timedelta | None
    hash: Hash
    digest: bytes


def read_info(data: bytes) -> Info:
    """Read a TSTInfo (DER).

    Raises:
        ValueError: not version 1, or not of its form; a hash function that we do not accept.

    Spec:
        RFC 3161, section 2.4.2.
    """
    version, policy, imprint, serial, moment, *rest = der.elements(der.only(data, SEQUENCE))
    if version.whole != _ONE:
        raise ValueError("not version 1")
    der.dotted(der.inside(policy, OBJECT))
    integer(der.inside(serial, INTEGER))
    algorithm, value = der.elements(der.inside(imprint, SEQUENCE))
    return Info(
        at=_moment(moment),
        accuracy=_optional(rest),
        hash=hash_of(algorithm),
        digest=der.inside(value, OCTET_STRING),
    )


def hash_of(algorithm: Element) -> Hash:
    """Return the hash function of an AlgorithmIdentifier. Raises ValueError for those that we do not accept."""
    found = HASHES.get(algorithm.whole)
    if found is None:
        raise ValueError(f"hashed with {named(algorithm)}, expected SHA-256, SHA-384 or SHA-512")
    return found


def named(algorithm: Element) -> str:
    """Return the object identifier of an AlgorithmIdentifier, for people. Raises ValueError."""
    return der.dotted(der.elements(algorithm.content)[0].content)[:100]


def integer(content: bytes) -> int:
    """Return the value of an INTEGER. Raises ValueError where it is not as short as it can be."""
    if not content or (len(content) > 1 and content[0] in (0x00, 0xFF) and (content[0] ^ content[1]) < 0x80):
        raise ValueError(f"an integer {content.hex()[:40]} that DER does not allow")
    return int.from_bytes(content, "big", signed=True)


def _moment(each: Element) -> datetime:
    found = _MOMENT.fullmatch(each.content)
    if each.tag != _TIME or found is None:
        raise ValueError(f"a time {ascii(each.content)[:40]} that DER does not allow")
    whole = datetime.fromisoformat(f"{each.content[:8].decode()}T{each.content[8:14].decode()}+00:00")
    return whole.replace(microsecond=int(found[1].ljust(6, b"0"))) if found[1] else whole


def _optional(rest: Sequence[Element]) -> timedelta | None:
    """Read what may stand behind the time, each at most once and in order; return the accuracy."""
    accuracy = None
    before = -1
    for each in rest:
        place = _BEHIND.get(each.tag, -1)
        if place <= before:
            raise ValueError(f"tag {each.tag:02x} behind the time, where nothing of it may stand")
        before = place
        if each.tag == SEQUENCE:
            accuracy = _accuracy(each.content)
        elif each.tag == _BOOLEAN and each.whole != _TRUE:  # false goes without saying, and so must
            raise ValueError("an ordering that DER does not allow")
        elif each.tag == INTEGER and integer(each.content) < 0:
            raise ValueError("a negative nonce")
        elif each.tag == _TSA:
            _check_name(each.content)
        elif each.tag == _EXTENSIONS:
            for extension in der.elements(each.content):
                _check_extension(extension)
    return accuracy


def _check_name(content: bytes) -> None:
    (name,) = der.elements(content)
    if name.tag not in _NAMES:
        raise ValueError(f"the authority is named by tag {name.tag:02x}, expected a general name")


def _check_extension(extension: Element) -> None:
    kind, *critical, value = der.elements(der.inside(extension, SEQUENCE))
    der.dotted(der.inside(kind, OBJECT))
    der.inside(value, OCTET_STRING)
    if [each.whole for each in critical] not in ([], [_TRUE]):
        raise ValueError("an extension that DER does not allow")


def _accuracy(content: bytes) -> timedelta:
    parts = der.elements(content)
    tags = [each.tag for each in parts]
    values = {each.tag: integer(each.content) for each in parts}
    seconds, millis, micros = values.get(INTEGER, 0), values.get(_MILLIS, 1), values.get(_MICROS, 1)
    if tags != [each for each in (INTEGER, _MILLIS, _MICROS) if each in values]:
        raise ValueError("an accuracy that DER does not allow")
    if not (0 <= seconds <= 86_400 and 1 <= millis < 1000 and 1 <= micros < 1000):
        raise ValueError("an accuracy that cannot be, or of more than a day")
    return timedelta(seconds=seconds, milliseconds=values.get(_MILLIS, 0), microseconds=values.get(_MICROS, 0))
