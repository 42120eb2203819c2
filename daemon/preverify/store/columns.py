"""Column types that mean the same on SQLite and Postgres, and the JSON that rows carry."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
T = TypeVar("T")


class Instant(TypeDecorator[datetime]):
    """An aware time as whole microseconds since 1970 UTC: exact, sortable, and without a session time zone."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Refuse naive times: they would silently be somebody's local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone, expected an aware time")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return aware UTC."""
        return None if value is None else _EPOCH + value * _MICROSECOND


def encode(value: Any) -> str:
    """Return `value` (our frozen values, enums and times included) as JSON text."""
    return msgspec.json.encode(value).decode()


def decode(text: str, kind: type[T]) -> T:
    """Read what `encode` wrote, strictly as `kind`."""
    return msgspec.json.decode(text, type=kind)
