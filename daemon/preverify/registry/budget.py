"""What we allow ourselves towards one registry: a rate, requests under way, and silence when it asks for some."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from preverify.model.errors import Unavailable
from preverify.ports import Clock
from preverify.settings import Budget as BudgetSettings

MAX_RETRY_AFTER = timedelta(minutes=15)
_BURST_SECONDS = 2.0
_MIN_BURST = 40.0


class Budget:
    """A token bucket with a limit on concurrency, shared by the threads of this process."""

    def __init__(self, settings: BudgetSettings, clock: Clock) -> None:
        self._rate = settings.requests_per_second
        self._burst = max(self._rate * _BURST_SECONDS, _MIN_BURST)
        self._clock = clock
        self._slots = threading.BoundedSemaphore(settings.concurrent)
        self._lock = threading.Lock()
        self._tokens = self._burst
        self._filled = clock.monotonic()
        self._silent_until = 0.0

    @contextmanager
    def request(self, what: str) -> Iterator[None]:
        """Wait for our turn; leave the slot when done.

        Raises:
            Unavailable: the registry asked us to stay away and that time is not over.
        """
        with self._slots:
            delay = self._take(what)
            if delay > 0:
                time.sleep(delay)
            yield

    def _take(self, what: str) -> float:
        with self._lock:
            now = self._clock.monotonic()
            if now < self._silent_until:
                left = timedelta(seconds=self._silent_until - now)
                raise Unavailable(f"{what} not asked: the registry wants to be left alone", retry_after=left)
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
            self._filled = now
            self._tokens -= 1
            return max(0.0, -self._tokens / self._rate)

    def silence(self, duration: timedelta) -> None:
        """Ask nothing for `duration`: the registry said `Retry-After`."""
        with self._lock:
            until = self._clock.monotonic() + min(duration, MAX_RETRY_AFTER).total_seconds()
            self._silent_until = max(self._silent_until, until)
