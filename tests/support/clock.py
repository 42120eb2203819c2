"""A clock that moves only when told to."""

from datetime import UTC, datetime, timedelta


class Stopped:
    """Stands at 2026-01-02T10:00:00Z until `forward`."""

    def __init__(self, now: datetime = datetime(2026, 1, 2, 10, tzinfo=UTC)) -> None:
        self._now = now
        self._passed = 1000.0
        self._count = 0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._passed

    def new_id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count:026d}"

    def forward(self, seconds: float) -> None:
        self._passed += seconds
        self._now += timedelta(seconds=seconds)
