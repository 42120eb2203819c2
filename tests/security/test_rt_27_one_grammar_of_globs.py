"""RT-27: our matcher has one written grammar, and agrees with two others made from it (GHSA-pmwq-pjrm-6p5r)."""

import re
from functools import cache

from hypothesis import example, given
from hypothesis import strategies as st

from preverify.model import globs

# Small alphabets make collisions likely; every character that means something to regular expressions is in them.
NAMES = st.text(alphabet="ab/.-:[]", max_size=14)
PATTERNS = (
    st.lists(st.sampled_from(["a", "b", "/", ".", "-", ":", "[", "]", "*", "**"]), max_size=10)
    .map("".join)
    .filter(lambda pattern: "***" not in pattern)
)


def by_regular_expression(pattern: str, name: str) -> bool:
    """The grammar, translated piece by piece for Python's engine."""
    pieces = re.split(r"(\*\*|\*)", pattern)
    meaning = {"**": ".*", "*": "[^/]*"}
    return re.fullmatch("".join(meaning.get(piece, re.escape(piece)) for piece in pieces), name, re.DOTALL) is not None


def by_recursion(pattern: str, name: str) -> bool:
    """The grammar, word for word: what may a star stand for?"""

    @cache
    def match(p: int, n: int) -> bool:
        if p == len(pattern):
            return n == len(name)
        if pattern.startswith("**", p):
            return any(match(p + 2, m) for m in range(n, len(name) + 1))
        if pattern[p] == "*":
            end = name.find("/", n)
            return any(match(p + 1, m) for m in range(n, (len(name) if end < 0 else end) + 1))
        return n < len(name) and name[n] == pattern[p] and match(p + 1, n + 1)

    return match(0, 0)


@given(pattern=PATTERNS, name=NAMES)
@example(pattern="**a", name="")
@example(pattern="*/**", name="a/")
@example(pattern="**/*", name="/")
def test_three_matchers_agree(pattern: str, name: str) -> None:
    expected = by_recursion(pattern, name)
    assert by_regular_expression(pattern, name) is expected
    assert globs.matches(pattern, name) is expected


@given(name=NAMES, data=st.data())
def test_three_matchers_agree_on_patterns_made_from_the_name(name: str, data: st.DataObject) -> None:
    """Random patterns rarely match; these often do."""
    start, end = sorted((data.draw(st.integers(0, len(name))), data.draw(st.integers(0, len(name)))))
    pattern = name[:start] + data.draw(st.sampled_from(["*", "**"])) + name[end:]
    expected = by_recursion(pattern, name)
    assert by_regular_expression(pattern, name) is expected
    assert globs.matches(pattern, name) is expected


@given(pattern=PATTERNS.filter(bool), name=NAMES)
def test_there_is_no_negation_and_no_class(pattern: str, name: str) -> None:
    """What does not hold a star is compared as text, brackets and dots included."""
    if "*" not in pattern:
        assert globs.matches(pattern, name) is (pattern == name)
