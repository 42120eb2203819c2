"""What a scrape shows and is slow to read: read in a thread of its own, cached, waited for only so long."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from preverify.ports import Clock

CACHE_SECONDS = 5.0
WAIT_SECONDS = 2.0
_REST = 10  # what took a second is not read again for ten: it may take at most a tenth of the time of whom it asks
_T = TypeVar("_T")


class Reading(Generic[_T]):
    """One thing to read, at most once at a time.

    Attributes:
        value: What was read last; None before the first time. What fails or takes long leaves it as it is.
        up: The last look at it was answered, and in time.
        running: The thread that reads, or read last.
    """

    def __init__(
        self, name: str, read: Callable[[], _T], clock: Clock, *, cache_seconds: float, wait_seconds: float
    ) -> None:
        self.value: _T | None = None
        self.up = False
        self.running: threading.Thread | None = None
        self._name = name
        self._read = read
        self._clock = clock
        self._cache_seconds = cache_seconds
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._hold = cache_seconds

    def refresh(self) -> None:
        """Read anew what is old; wait for it only so long."""
        with self._lock:
            if self._clock.monotonic() - self._read_at < self._hold:
                return
            if self.running is None or not self.running.is_alive():
                self.running = threading.Thread(target=self._take, name=self._name, daemon=True)
                self.running.start()
            running = self.running
        running.join(self._wait_seconds)
        if running.is_alive():
            self.up = False

    def _take(self) -> None:
        try:
            start = self._clock.monotonic()
            value = self._read()
        except Exception:  # noqa: BLE001 - whatever it raises: `up` says so and scrapes go on
            self.up = False
            return
        end = self._clock.monotonic()
        self._hold = max(self._cache_seconds, _REST * (end - start))
        self.value, self._read_at, self.up = value, end, True
