"""Expressions that look anywhere become ones over whole values, and never match more."""

import pytest

from preverify.policy.importers.regexes import anywhere
from preverify.policy.patterns import pattern

MEANINGS = [
    # expression, what it matches, what it does not
    (
        "^https://github.com/acme/",
        ["https://github.com/acme/x", "https://githubXcom/acme/"],
        ["xhttps://github.com/acme/"],
    ),
    ("acme$", ["https://acme", "acme"], ["acme/x"]),
    ("^acme$", ["acme"], ["acme ", "xacme"]),
    ("acme", ["acme", "xacmex", "x\nacme\nx"], ["acm"]),
    ("^a|b$", ["ax", "xb"], ["xax", "bx"]),
    ("(?i)acme", ["xACMEx"], ["acm"]),
    (r"acme\$", ["acme$", "xacme$x"], ["acme"]),
    (r"^v\d+$", ["v12"], ["v", "v\u0661"]),
    (r"^v[\d.]+$", ["v1.2"], ["v\u0661"]),
    (r"^\w+@acme$", ["a_B9@acme"], ["\xe9@acme", "@acme"]),
    (r"^a\sb$", ["a b", "a\tb"], ["a\xa0b", "a\x0bb"]),
    (r"^a\D\W\Sb$", ["ax-xb"], ["a1-xb", "axxxb", "ax- b"]),
    (r"\bacme\b", ["x acme y", "acme"], ["xacme"]),
    (r"^[]a]+$", ["]a"], ["b"]),
    (r"^[^]a]x$", ["bx"], ["]x", "ax"]),
    (r"^[^a]x$", ["bx"], ["ax"]),
    (r"^[[:alpha:]-]+$", ["a-b"], ["a1", "\xe9"]),
    (r"^[\w\-\]]+$", ["a-]"], ["["]),
    (r"acme\.example/", ["acme.example/"], ["acmeXexample/"]),
]


@pytest.mark.parametrize(("expression", "matching", "others"), MEANINGS)
def test_the_same_values_match(expression: str, matching: list[str], others: list[str]) -> None:
    ours = pattern(anywhere(expression))
    assert [each for each in matching if not ours.matches(each)] == []
    assert [each for each in others if ours.matches(each)] == []


def test_people_can_read_simple_ones() -> None:
    assert anywhere("^https://github.com/acme/.*$") == "^https://github.com/acme/.*$"
    assert anywhere("^https://github.com/acme/") == "^https://github.com/acme/(?s:.*)"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (".*", "matches everybody"),
        ("", "matches everybody"),
        ("^https://", "matches everybody"),
        ("@", "matches everybody"),
        ("(", "cannot be used"),
        ("[a", "cannot be used"),
        ("[a&&b]acme", "set operation"),
        ("[a--b]acme", "set operation"),
        ("[a~~b]acme", "set operation"),
        ("[a[b]acme", "a class of its own"),
        ("[a[:b]acme", "a class of its own"),
        (r"[\D]acme", "other characters"),
        (r"\<acme", "something else"),
        (r"\Qacme\E", "something else"),
        (r"acme\b{start}", "something else"),
        (r"[\b]acme", "something else"),
        (r"\Bacme", "something else"),
        ("a" * 1100, "characters"),
        ("acme\\", "something else"),
        ("(?=acme)", "cannot be used"),
    ],
)
def test_what_would_mean_something_else_is_refused(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        anywhere(expression)
