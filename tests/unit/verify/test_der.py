"""DER is read in one way only, or not at all."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.verify.encodings import der


def test_the_examples_hold() -> None:
    assert doctest.testmod(der).failed == 0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("30", "no element"),
        ("3003", "3 bytes, 0 are there"),
        ("1f0100", "no element"),
        ("3080", "does not allow"),
        ("308100", "does not allow"),
        ("30817f" + "00" * 127, "does not allow"),
        ("3082007f" + "00" * 127, "does not allow"),
        ("3085000000000100", "does not allow"),
        ("3082", "does not allow"),
        ("020105ff", "no element"),
    ],
)
def test_what_der_does_not_allow_is_refused(data: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        der.elements(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("data", "why"), [("", "tag missing"), ("0401ff", "tag 04, expected 02"), ("02010500", "1 bytes after")]
)
def test_one_element_means_one(data: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        der.only(bytes.fromhex(data), der.INTEGER)


def test_an_element_of_another_tag_has_nothing_inside() -> None:
    (each,) = der.elements(bytes.fromhex("020105"))
    assert der.inside(each, der.INTEGER) == b"\x05"
    with pytest.raises(ValueError, match="tag 02, expected 04"):
        der.inside(each, der.OCTET_STRING)


@pytest.mark.parametrize("content", ["", "80", "2a86", "2a8003", "2a" * 65])
def test_what_is_no_object_identifier(content: str) -> None:
    with pytest.raises(ValueError, match="no object identifier"):
        der.dotted(bytes.fromhex(content))


def test_object_identifiers_of_every_arc() -> None:
    assert der.dotted(bytes.fromhex("0603")) == "0.6.3"
    assert der.dotted(bytes.fromhex("883703")) == "2.999.3"
    assert der.dotted(bytes.fromhex("551d0f")) == "2.5.29.15"


@given(contents=st.lists(st.binary(max_size=300), max_size=4), tag=st.sampled_from([der.SEQUENCE, der.SET, 0xA0]))
def test_what_is_written_is_what_is_read(contents: list[bytes], tag: int) -> None:
    inner = [der.element(der.OCTET_STRING, each) for each in contents]
    whole = der.element(tag, *inner)
    assert [each.content for each in der.elements(der.only(whole, tag))] == contents
    assert [each.whole for each in der.elements(whole)] == [whole]


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 70_000])
def test_lengths_of_every_size(size: int) -> None:
    assert der.only(der.element(der.OCTET_STRING, bytes(size)), der.OCTET_STRING) == bytes(size)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_whole_or_refused(data: bytes) -> None:
    try:
        found = der.elements(data)
    except ValueError:
        return
    assert b"".join(each.whole for each in found) == data
