"""Whether a lookup file has changed since it was read, without asking SQLite."""

import contextlib
import mmap
from itertools import count
from pathlib import Path

_HEADER = 96  # both copies of the WAL-index header: a writer changes the second first, readers trust them when equal
_VERSION = (3_007_000).to_bytes(4, "little"), (3_007_000).to_bytes(4, "big")
_numbers = count()

Moment = tuple[int, bytes]


class Watch:
    """Looks at the counters that SQLite keeps of a database in WAL mode, in the memory that its processes share.

    Every commit changes them before it returns, and no other thing does that changes an answer. So what was read at or
    after one moment is what would be read now, as long as the moment is still the same. Moments of two watches are
    never equal.

    Spec:
        SQLite, "WAL-mode File Format", section 2.2.1, the WAL-index header.
    """

    __slots__ = ("_header", "_number")

    def __init__(self, database: Path) -> None:
        """Watch the file of an open connection that has read already. Without shared counters nothing is known."""
        self._number = next(_numbers)
        self._header: mmap.mmap | None = None
        with (
            contextlib.suppress(OSError, ValueError),  # no such file, or an empty one: not in WAL mode
            database.with_name(database.name + "-shm").open("rb") as file,
        ):
            self._header = mmap.mmap(file.fileno(), _HEADER, access=mmap.ACCESS_READ)

    def moment(self) -> Moment | None:
        """Return the present moment, None where it cannot be told from others."""
        if self._header is None:
            return None
        seen = self._header[:_HEADER]
        return (self._number, seen) if seen[:4] in _VERSION else None

    def close(self) -> None:
        """Let go of the memory."""
        if self._header is not None:
            self._header.close()
            self._header = None
