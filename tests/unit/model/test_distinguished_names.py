"""Names as trust policies write them; nothing that two readers could understand differently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.distinguished_names import MAX_NAME, TYPES, Name, covers, parse_name
from preverify.model.errors import BadInput

BASE = "C=US, ST=WA, O=acme"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BASE, {"C": "US", "ST": "WA", "O": "acme"}),
        ("c=US,s=WA,o=acme", {"C": "US", "ST": "WA", "O": "acme"}),
        (r"C=US, ST=WA, O=a\, CN\=b", {"C": "US", "ST": "WA", "O": "a, CN=b"}),
        ("C=US, ST=WA, O=a=b", {"C": "US", "ST": "WA", "O": "a=b"}),
        (r"C=US, ST=WA, O=a\ ", {"C": "US", "ST": "WA", "O": "a "}),
        (r"C=US, ST=WA, O=a\\ ", {"C": "US", "ST": "WA", "O": "a\\"}),
        (r"C=US, ST=WA, O=\ a", {"C": "US", "ST": "WA", "O": " a"}),
        (r"C=US, ST=WA, O=\C3\a9", {"C": "US", "ST": "WA", "O": "é"}),
        (r"C=US, ST=WA, O=\#a\"\;\<\>\+", {"C": "US", "ST": "WA", "O": '#a";<>+'}),
        ("C=US,  ST = W A ,O=acme , OU=x", {"C": "US", "ST": "W A", "O": "acme", "OU": "x"}),
    ],
)
def test_names_are_read(text: str, expected: dict[str, str]) -> None:
    assert parse_name(text) == tuple(sorted(expected.items()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no attribute"),
        ("C=US, ST=WA", "O is missing"),
        ("O=acme", "C, ST is missing"),
        (f"{BASE},", "no attribute"),
        (f"{BASE}, O=other", "O stands twice"),
        ("C=US, ST=WA, S=OR, O=a", "ST stands twice"),
        ("C=US, ST=WA + L=x, O=a", "another attribute"),
        ("C=US, ST=WA, O=#0c01", "hexadecimal"),
        ("C=US, ST=WA, O=", "empty"),
        ("C=US, ST=, O=a", "empty"),
        (r"C=US, ST=WA, O=\zz", "no escape"),
        ("C=US, ST=WA, O=a\\", "no escape"),
        (r"C=US, ST=WA, O=\ff", "not UTF-8"),
        ('C=US, ST=WA, O=a"b', "has to be written"),
        ("C=US, ST=WA, O=a;b", "has to be written"),
        ("C=US, ST=WA, O=a\0b", "has to be written"),
        (f"{BASE}, emailAddress=a@b", "is not compared"),
        (f"{BASE}, 2.5.4.3=a", "is not compared"),
        (f"{BASE}, OU={'x' * MAX_NAME}", "at most"),
    ],
)
def test_what_is_no_name_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse_name(text)


@given(
    st.dictionaries(
        st.sampled_from(sorted(TYPES.values())), st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
    )
)
def test_every_value_has_a_spelling(values: dict[str, str]) -> None:
    """Written in escapes throughout, any text comes back exactly: no value can break out of its attribute."""
    values = {"C": "US", "ST": "WA", "O": "acme"} | values
    written = {kind: "".join(f"{chr(92)}{byte:02x}" for byte in value.encode()) for kind, value in values.items()}
    text = ",".join(f"{kind}={value}" for kind, value in written.items())
    if len(text) <= MAX_NAME:
        assert parse_name(text) == tuple(sorted(values.items()))


@given(st.text(max_size=120))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    for each in (text, f"{BASE},{text}"):
        try:
            name: Name = parse_name(each)
        except BadInput:
            continue
        assert {"C", "ST", "O"} <= dict(name).keys()


def test_covering_is_by_whole_attributes() -> None:
    """`O=ac` is part of the text `O=acme` and of nothing else."""
    subject = parse_name(f"{BASE}, CN=a")
    assert covers(parse_name(BASE), subject)
    assert covers(subject, subject)
    assert not covers(subject, parse_name(BASE))
    assert not covers(parse_name("C=US, ST=WA, O=ac"), subject)
    assert not covers(parse_name("C=US, ST=WA, O=Acme"), subject)
