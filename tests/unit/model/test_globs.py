"""Globs: the written grammar, and a matcher that never takes long."""

import time

import pytest

from preverify.model import globs
from preverify.model.errors import BadInput


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a.example/shop", "a.example/shop", True),
        ("a.example/shop", "a.example/shops", False),
        ("a.example/shop", "b.a.example/shop", False),
        ("a.example/*", "a.example/shop", True),
        ("a.example/*", "a.example/shop/api", False),
        ("a.example/**", "a.example/shop/api", True),
        ("a.example/**", "a.example", False),
        ("a.example/**/api", "a.example/x/y/api", True),
        ("a.example/**/api", "a.example/api", False),
        ("a.example/shop-*", "a.example/shop-", True),
        ("a.example/*-api", "a.example/shop-api", True),
        ("a.example/*-api", "a.example/shop-apis", False),
        ("*/shop", "a.example:5000/shop", True),
        ("*/shop", "a.example/x/shop", False),
        ("**", "", True),
        ("*", "", True),
        ("*", "a/b", False),
        ("**/b*c", "a/a/bbc", True),
        ("a.example/s.op", "a.example/shop", False),  # a dot is a dot
        ("prod-*", "prod-eu", True),
        ("prod-*", "preprod-eu", False),
    ],
)
def test_the_grammar(pattern: str, name: str, expected: bool) -> None:
    assert globs.matches(pattern, name) is expected


@pytest.mark.parametrize("pattern", ["a", "a.example:5000/*/x-**", "[::1]:5000/**", "*", "**", "*/**"])
def test_patterns_of_the_grammar_are_taken(pattern: str) -> None:
    assert globs.check(pattern) == pattern


@pytest.mark.parametrize(
    "pattern", ["", "a***", "a?", "{a,b}", "!a", "^a$", "a|b", "a b", "a\n", "é", "a\\*", "(a)", "a" * 301]
)
def test_what_other_dialects_give_a_meaning_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput):
        globs.check(pattern)


def test_no_pattern_is_slow() -> None:
    """A backtracking matcher needs centuries for this one."""
    pattern, name = "*a" * 100 + "b", "a" * 250
    started = time.monotonic()
    assert not globs.matches(pattern, name)
    assert time.monotonic() - started < 1
