"""Leases: one holder at a time, by compare-and-set on a row."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, or_, select, update

from preverify.store import tables as t
from preverify.store.engine import writing
from preverify.store.sql import insert_new


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlLease:
    """`ports.Lease` on the database."""

    engine: Engine
    tenant: str

    def take(self, name: str, holder: str, *, ttl: timedelta, now: datetime) -> int | None:
        """Take or renew; the fence grows with every change of holder and after every gap, never on renewal."""
        c = t.lease.c
        here = (c.tenant == self.tenant, c.name == name)
        with writing(self.engine) as connection:
            renewed = connection.execute(
                update(t.lease).where(*here, c.holder == holder, c.until > now).values(until=now + ttl)
            )
            if renewed.rowcount == 0:
                insert_new(
                    connection,
                    t.lease,
                    [{"tenant": self.tenant, "name": name, "holder": "", "until": now, "fence": 0}],
                )
                taken = connection.execute(
                    update(t.lease)
                    .where(*here, or_(c.until <= now, c.holder == ""))
                    .values(holder=holder, until=now + ttl, fence=c.fence + 1)
                )
                if taken.rowcount == 0:
                    return None
            return int(connection.execute(select(c.fence).where(*here)).scalar_one())

    def release(self, name: str, holder: str) -> None:
        """Let go, if it is ours. The row stays: fences never start again."""
        c = t.lease.c
        with writing(self.engine) as connection:
            connection.execute(
                update(t.lease).where(c.tenant == self.tenant, c.name == name, c.holder == holder).values(holder="")
            )
