"""What the strict reader reads, cbor2 reads alike; what has a second meaning is refused."""

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.verify.encodings.cbor import MAX_DEPTH, Tagged, decode, head

INTEGERS = st.integers(min_value=-(2**64), max_value=2**64 - 1)
KEYS = st.one_of(INTEGERS, st.text(max_size=8))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(INTEGERS, st.binary(max_size=40), st.text(max_size=40), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.builds(lambda tag, value: cbor2.CBORTag(tag + 100_000, value), st.integers(0, 2**32), inner),
    ),
    max_leaves=12,
)


def plain(value: Any) -> Any:
    """Bring cbor2's values into our form; `repr` of the result tells True from 1."""
    if isinstance(value, cbor2.CBORTag):
        return Tagged(value.tag, plain(value.value))
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value


@given(VALUES)
def test_reads_what_cbor2_writes(value: Any) -> None:
    assert repr(decode(cbor2.dumps(value))) == repr(plain(value))


@given(st.binary(max_size=60))
def test_what_is_accepted_means_the_same_to_cbor2(data: bytes) -> None:
    """The other direction: nothing is accepted that the other reader refuses or reads otherwise."""
    try:
        ours = decode(data)
    except MalformedEvidence:
        return
    if not tagged(ours):  # cbor2 gives known tags a meaning of their own
        assert repr(plain(cbor2.loads(data))) == repr(ours)


@given(VALUES, st.data())
def test_a_changed_byte_is_another_value_or_refused(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(cbor2.dumps(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode(bytes(encoded))
    except MalformedEvidence:
        return
    assert repr(changed) != repr(plain(value))


@given(VALUES, st.integers(min_value=1, max_value=20))
def test_cut_short_is_refused(value: Any, cut: int) -> None:
    encoded = cbor2.dumps(value)
    with pytest.raises(MalformedEvidence):
        decode(encoded[: -min(cut, len(encoded))])


@given(st.integers(0, 7), st.integers(0, 2**64 - 1))
def test_heads_are_the_shortest(major: int, value: int) -> None:
    assert head(0, value) == cbor2.dumps(value)
    assert head(major, value)[0] >> 5 == major


def tagged(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(tagged, value))
    if isinstance(value, dict):
        return any(map(tagged, value.values()))
    return isinstance(value, Tagged)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cut short"),
        (bytes.fromhex("9fff"), "indefinite length"),
        (bytes.fromhex("5f4101ff"), "indefinite length"),
        (bytes.fromhex("bfff"), "indefinite length"),
        (bytes.fromhex("1c"), "reserved form"),
        (bytes.fromhex("f93c00"), "floating point"),
        (bytes.fromhex("fb3ff0000000000000"), "floating point"),
        (bytes.fromhex("f820"), "reserved form"),
        (bytes.fromhex("f7"), "simple value 23"),
        (bytes.fromhex("e0"), "simple value 0"),
        (bytes.fromhex("1801"), "longer than it need be"),
        (bytes.fromhex("1900ff"), "longer than it need be"),
        (bytes.fromhex("1a0000ffff"), "longer than it need be"),
        (bytes.fromhex("1b00000000ffffffff"), "longer than it need be"),
        (bytes.fromhex("580141"), "longer than it need be"),
        (bytes.fromhex("a2616101616102"), "stands twice"),
        (bytes.fromhex("a2010101f6"), "stands twice"),
        (bytes.fromhex("a1f501"), "map key is bool"),
        (bytes.fromhex("a1410101"), "map key is bytes"),
        (bytes.fromhex("a18001"), "map key is list"),
        (bytes.fromhex("62c328"), "not UTF-8"),
        (bytes.fromhex("0101"), "1 bytes after"),
        (bytes.fromhex("9a7fffffff"), "a list or map of"),
        (bytes.fromhex("5b7fffffffffffffff"), "cut short"),
        (b"\x81" * (MAX_DEPTH + 1) + b"\x01", "nested deeper"),
        (b"\xc1" * (MAX_DEPTH + 1) + b"\x01", "nested deeper"),
        (
            bytes.fromhex("992000") + (bytes.fromhex("80") * 0x1FFF + bytes.fromhex("991fff") + b"\x80" * 0x1FFF),
            "list or",
        ),
        (bytes.fromhex("91") + (bytes.fromhex("990400") + b"\x01" * 0x400) * 0x11, "a list or map"),
    ],
)
def test_second_spellings_and_excess_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(MalformedEvidence, match=said) as caught:
        decode(data)
    assert caught.value.reason is Reason.ENVELOPE_MALFORMED


def test_tags_use_up_the_items_too() -> None:
    data = bytes.fromhex("99270f") + b"\xc1\x01" * 9999
    with pytest.raises(MalformedEvidence, match="more than 10000 items"):
        decode(data)


def test_depth_up_to_the_limit_is_read() -> None:
    assert repr(decode(b"\x81" * MAX_DEPTH + b"\x01")).count("[") == MAX_DEPTH
