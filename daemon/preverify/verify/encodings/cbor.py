"""Strict CBOR: the part that COSE signatures need, one meaning or none.

Refused besides what is not well-formed: indefinite lengths, heads that are longer than they need be, floating point
numbers and simple values other than false, true and null, map keys that are neither integers nor texts, keys that stand
twice, text that is not UTF-8, and anything beyond the limits.
"""

from dataclasses import dataclass

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason

MAX_DEPTH = 16
MAX_ITEMS = 10_000
_SIMPLE: dict[int, object] = {20: False, 21: True, 22: None}
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = range(8)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value with a tag."""

    tag: int
    value: object


def decode(data: bytes) -> object:
    """Read one item that takes up `data` whole: int, bytes, str, list, dict, bool, None or `Tagged`.

    Args:
        data: As received; its length bounds memory, for no length in it is believed before the bytes are there.

    Raises:
        MalformedEvidence: `envelope-malformed`.

    Spec:
        RFC 8949, sections 3 and 4.2.1 (heads and lengths; the order of keys is free, as COSE leaves it).

    >>> decode(bytes.fromhex("d28301a16161f6f5"))
    Tagged(tag=18, value=[1, {'a': None}, True])
    """
    reader = _Reader(data)
    value = reader.item(MAX_DEPTH)
    if reader.at != len(data):
        raise _malformed(f"{len(data) - reader.at} bytes after the item")
    return value


def head(major: int, value: int) -> bytes:
    """Return the shortest head of an item: what lengths and integers are written with.

    >>> head(2, 300).hex()
    '59012c'
    """
    if value < 24:
        return bytes(((major << 5) | value,))
    size = next(size for size in range(4) if value < 1 << (8 << size))
    return bytes(((major << 5) | (24 + size),)) + value.to_bytes(1 << size, "big")


class _Reader:
    """A position in the bytes, and how many items may still come."""

    __slots__ = ("at", "data", "left")

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.left = data, 0, MAX_ITEMS

    def item(self, depth: int) -> object:
        """Read the item at the position; `depth` levels may be nested in it."""
        self.left -= 1
        if self.left < 0:
            raise _malformed(f"more than {MAX_ITEMS} items")
        if depth < 0:
            raise _malformed(f"nested deeper than {MAX_DEPTH} levels")
        major, value = self._head()
        if major in (_UNSIGNED, _NEGATIVE):
            return value if major == _UNSIGNED else -1 - value
        if major in (_BYTES, _TEXT):
            return self._string(major, value)
        if major == _ARRAY:
            return [self.item(depth - 1) for _ in range(self._count(value))]
        if major == _MAP:
            return self._map(self._count(value), depth)
        if major == _TAG:
            return Tagged(value, self.item(depth - 1))
        if value not in _SIMPLE:
            raise _malformed(f"simple value {value}, expected false, true or null")
        return _SIMPLE[value]

    def _head(self) -> tuple[int, int]:
        first = self._take(1)[0]
        major, more = first >> 5, first & 31
        if more < 24:
            return major, more
        if more > 27 or major == _OTHER:
            what = "an indefinite length" if more == 31 else "a floating point number or a reserved form"
            raise _malformed(f"{what} at byte {self.at - 1}")
        size = 1 << (more - 24)
        value = int.from_bytes(self._take(size), "big")
        if value < (24 if size == 1 else 1 << (4 * size)):
            raise _malformed(f"a number or length at byte {self.at - size - 1} is longer than it need be")
        return major, value

    def _take(self, size: int) -> bytes:
        taken = self.data[self.at : self.at + size]
        if len(taken) != size:
            raise _malformed(f"cut short at byte {len(self.data)}")
        self.at += size
        return taken

    def _string(self, major: int, size: int) -> object:
        taken = self._take(size)
        if major == _BYTES:
            return taken
        try:
            return taken.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _malformed(f"a text is not UTF-8: {error.reason}") from error

    def _count(self, value: int) -> int:
        if value > self.left:
            raise _malformed(f"a list or map of {value} entries, at most {MAX_ITEMS} items are read")
        return value

    def _map(self, count: int, depth: int) -> dict[int | str, object]:
        found: dict[int | str, object] = {}
        for _ in range(count):
            key = self.item(depth - 1)
            if not isinstance(key, int | str) or isinstance(key, bool):
                raise _malformed(f"a map key is {type(key).__name__}, expected an integer or a text")
            if key in found:
                raise _malformed(f"key {str(key)[:80]!r} stands twice in one map")
            found[key] = self.item(depth - 1)
        return found


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.ENVELOPE_MALFORMED, f"not CBOR as signatures have it: {detail}")
