"""Durations are written and read with their unit."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.durations import format_duration, parse_duration


@pytest.mark.parametrize("text", ["0s", "1ms", "999ms", "1s", "90s", "90m", "25h", "7d"])
def test_what_is_written_is_read(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


@given(st.integers(0, 10**9))
def test_writing_keeps_every_millisecond(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize("value", ["", "10", 10, 1.5, "1.5h", "-1s", "1 s", "1w", "1h30m", None, True, "9999999999s"])
def test_everything_else_is_refused_with_what_was_expected(value: object) -> None:
    with pytest.raises(ValueError, match="expected a number and a unit: 500ms, 90s, 10m, 24h or 7d"):
        parse_duration(value)


def test_a_duration_stays_what_it_is() -> None:
    assert parse_duration(timedelta(hours=2)) == timedelta(hours=2)
