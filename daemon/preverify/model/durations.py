"""Durations as people write them: `90s`, `10m`, `24h`, `7d`."""

import re
from datetime import timedelta

_FORM = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: object) -> timedelta:
    """Return the duration that `value` writes.

    Raises:
        ValueError: any other form; plain numbers are refused because their unit cannot be seen.

    >>> parse_duration("90s")
    datetime.timedelta(seconds=90)
    """
    if isinstance(value, timedelta):
        return value
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration, expected a number and a unit: 500ms, 90s, 10m, 24h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest unit that holds it whole.

    >>> format_duration(timedelta(minutes=90))
    '90m'
    """
    milliseconds = value // timedelta(milliseconds=1)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"
