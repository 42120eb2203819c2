"""How far something that is done bit by bit has come."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from preverify.store import tables as t
from preverify.store.engine import reading, writing
from preverify.store.sql import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlMarks:
    """`ports.Marks` on the database."""

    engine: Engine
    tenant: str

    def mark(self, name: str) -> str | None:
        """Return what was set last under a name."""
        m = t.mark.c
        with reading(self.engine) as connection:
            value: str | None = connection.execute(
                select(m.value).where(m.tenant == self.tenant, m.name == name)
            ).scalar_one_or_none()
            return value

    def set_mark(self, name: str, value: str, *, now: datetime) -> None:
        """Set a text under a name."""
        with writing(self.engine) as connection:
            row = {"tenant": self.tenant, "name": name, "value": value, "set_at": now}
            upsert(connection, t.mark, [row], "value", "set_at")
