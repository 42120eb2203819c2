"""Patterns over identities: whole values, in linear time, never everybody."""

import time

import pytest

from preverify.policy.patterns import MAX_PATTERN, Pattern, pattern


def test_a_pattern_covers_whole_values() -> None:
    wanted = pattern(r"https://github\.com/acme/[^@]*@refs/tags/v.*")
    assert wanted.matches("https://github.com/acme/x/.github/workflows/r.yml@refs/tags/v1")
    assert not wanted.matches("https://evil.example/?https://github.com/acme/x@refs/tags/v1")
    assert not wanted.matches("https://github.com/acme/x@refs/heads/main")
    assert not Pattern("a|b").matches("ab")


def test_a_line_break_does_not_end_a_value() -> None:
    assert not pattern("[a-z]+@acme.test").matches("alice@acme.test\n")
    assert not pattern("(?m)^alice@acme.test$").matches("evil\nalice@acme.test")


@pytest.mark.parametrize("text", ["", "a" * (MAX_PATTERN + 1)])
def test_a_pattern_has_a_length(text: str) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to {MAX_PATTERN}"):
        Pattern(text)


@pytest.mark.parametrize("text", ["[", "a)|(b", "(?=a)b", r"(a)\1", "(?x) a # b\n)|(?:.*"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    """`a)|(b` would close our own parentheses, and its second half would not be anchored."""
    with pytest.raises(ValueError, match="cannot be used"):
        Pattern(text)


@pytest.mark.parametrize("text", [".*", "(?s).*", "x|.*", ".+|", "[^a]*", "https://.*|.*", "[ -~]+", "[^@]+@[^@]+"])
def test_a_pattern_for_everybody_is_refused(text: str) -> None:
    """RT-19: such a signer would trust anyone who can get a certificate."""
    with pytest.raises(ValueError, match="matches everybody"):
        Pattern(text)


def test_no_pattern_takes_more_than_linear_time() -> None:
    """An engine that goes back would need 2^40 steps for this one."""
    began = time.monotonic()
    assert not Pattern("(a+)+b").matches("a" * 40_000)
    assert time.monotonic() - began < 5
