"""Time and identifiers: the only place that asks the machine for either."""

import os
import time
from datetime import UTC, datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class SystemClock:
    """The machine's clock, aware UTC."""

    def now(self) -> datetime:
        """Return the current time, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations only."""
        return time.monotonic()

    def new_id(self, prefix: str) -> str:
        """Return `prefix_` and 26 characters that sort by time (ULID: 48 bits of milliseconds, 80 random bits)."""
        number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
        return prefix + "_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
