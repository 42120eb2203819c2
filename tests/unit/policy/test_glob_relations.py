"""Relations of globs, compared with what matches."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model import globs
from preverify.policy.lint.glob_relations import covers, meet

TEXTS = ["".join(each) for n in range(6) for each in product("a/", repeat=n)]
PIECES = st.lists(st.sampled_from(["a", "/", "*", "**"]), min_size=1, max_size=5).map("".join)
GLOBS = PIECES.filter(lambda text: not re.search(r"\*{3}", text))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a.test/shop/**", "a.test/shop/api", True),
        ("a.test/shop/**", "b.test/**", False),
        ("**", "oci:/x", True),
        ("a.test/*", "a.test/*/b", False),
        ("a.test/*x", "a.test/y*", True),
        ("*a", "b*", True),
        ("a", "b", False),
        ("a**b", "a/b", True),
        ("a*b", "a/b", False),
        ("a/b", "a*b", False),
        ("a/b", "a**b", True),
    ],
)
def test_globs_meet(one: str, other: str, expected: bool) -> None:
    assert meet(one, other) == meet(other, one) == expected


@given(GLOBS, GLOBS)
def test_they_meet_where_something_matches_both(one: str, other: str) -> None:
    if any(globs.matches(one, text) and globs.matches(other, text) for text in TEXTS):
        assert meet(one, other)


@given(GLOBS, st.sampled_from(TEXTS[1:]))
def test_a_name_meets_exactly_what_matches_it(glob: str, name: str) -> None:
    assert meet(glob, name) == globs.matches(glob, name)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a.test/**", "a.test/shop/*", True),
        ("a.test/**", "a.test/**", True),
        ("**", "a.test/**", True),
        ("a.test/*", "a.test/api", True),
        ("a.test/*", "a.test/shop/api", False),
        ("a.test/shop/**", "a.test/**", False),
        ("a.*/**", "a.test/*", False),
    ],
)
def test_globs_cover(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) == expected


@given(GLOBS, GLOBS)
def test_what_covers_matches_all_that_the_other_does(wide: str, narrow: str) -> None:
    if covers(wide, narrow):
        assert all(globs.matches(wide, text) for text in TEXTS if globs.matches(narrow, text))
