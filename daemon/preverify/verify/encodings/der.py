"""The little of DER that no library reads for us: which bytes an element has, and what lies in it. Strictly."""

from functools import lru_cache
from typing import NamedTuple

INTEGER, OCTET_STRING, OBJECT, UTF8, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x0C, 0x30, 0x31


class Element(NamedTuple):
    """One element. `whole` are its bytes as sent, `content` those after tag and length."""

    tag: int
    whole: bytes
    content: bytes


_new = tuple.__new__  # a certificate has dozens of elements, and this takes half the time


def elements(data: bytes) -> list[Element]:
    r"""Split `data` into the elements that it consists of.

    Raises:
        ValueError: cut short, trailing bytes, a length that is not minimal or indefinite, or a tag of several bytes.

    >>> [(each.tag, each.content) for each in elements(bytes.fromhex("0201050c026869"))]
    [(2, b'\x05'), (12, b'hi')]
    """
    found: list[Element] = []
    at, size = 0, len(data)
    while at < size:
        start = at + 2
        # Nearly all are short. What is not, or is broken, is looked at below.
        if start > size or (length := data[at + 1]) > 0x7F or start + length > size or data[at] & 0x1F == 0x1F:
            start, end = _content(data, at)
        else:
            end = start + length
        found.append(_new(Element, (data[at], data[at:end], data[start:end])))
        at = end
    return found


def only(data: bytes, tag: int) -> bytes:
    """Return the content of the one element, of this tag, that `data` consists of. Raises ValueError."""
    if not data or data[0] != tag:
        raise ValueError(f"tag {data[:1].hex() or 'missing'}, expected {tag:02x}")
    if 2 <= len(data) == data[1] + 2 < 0x82 and tag & 0x1F != 0x1F:  # short, as nearly all are
        return data[2:]
    start, end = _content(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the element")
    return data[start:end]


def inside(each: Element, tag: int) -> bytes:
    """Return the content of an element that has to be of this tag. Raises ValueError."""
    if each.tag != tag:
        raise ValueError(f"tag {each.tag:02x}, expected {tag:02x}")
    return each.content


@lru_cache(maxsize=512)
def dotted(content: bytes) -> str:
    """Return the content of an object identifier as people write it. Raises ValueError.

    >>> dotted(bytes.fromhex("2a864886f70d01010b"))
    '1.2.840.113549.1.1.11'
    """
    numbers: list[int] = []
    value = 0
    for byte in content:
        if byte == 0x80 and not value:
            raise ValueError("no object identifier: a number in it begins with nothing")
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    if not numbers or content[-1] & 0x80 or len(content) > 64:
        raise ValueError("no object identifier")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _content(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at `at` begins and ends."""
    start = at + 2
    if start > len(data) or data[at] & 0x1F == 0x1F:
        raise ValueError(f"no element at byte {at}")
    length = data[at + 1]
    if length & 0x80:
        size = length & 0x7F
        start, digits = start + size, data[start : start + size]
        length = int.from_bytes(digits, "big")
        if not 1 <= size <= 4 or len(digits) != size or not digits[0] or length < 0x80:
            raise ValueError(f"a length at byte {at} that DER does not allow")
    if start + length > len(data):
        raise ValueError(f"an element at byte {at} of {length} bytes, {len(data) - start} are there")
    return start, start + length


def element(tag: int, *contents: bytes) -> bytes:
    r"""Return an element with these contents, one after the other.

    >>> element(SEQUENCE, element(INTEGER, b"\x05")).hex()
    '3003020105'
    """
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content
