"""Policy generations: numbered, monotonic, one staged and one active at most."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, literal, select, update

from preverify.model.errors import BadInput
from preverify.policy.policies import PolicySet
from preverify.ports import GenerationRow
from preverify.store import tables as t
from preverify.store.audit import note
from preverify.store.changes import note_generation
from preverify.store.engine import reading, writing

_COLUMNS = [t.policy_generation.c[name] for name in ("number", "digest", "document", "state", "created_at")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlGenerations:
    """`ports.Generations` on the database."""

    engine: Engine
    tenant: str

    def active(self) -> GenerationRow | None:
        """Return the generation that answers are computed under."""
        return self._in_state("active")

    def active_at(self, moment: datetime) -> GenerationRow | None:
        """Return the generation that was active at a moment: the last one that was activated by then."""
        g = t.policy_generation.c
        query = select(*_COLUMNS).where(g.tenant == self.tenant, g.activated_at <= moment)
        with reading(self.engine) as connection:
            row = connection.execute(query.order_by(g.activated_at.desc(), g.number.desc()).limit(1)).one_or_none()
            return None if row is None else _row(row)

    def numbered(self, number: int) -> GenerationRow | None:
        """Return a generation by its number."""
        g = t.policy_generation.c
        with reading(self.engine) as connection:
            row = connection.execute(select(*_COLUMNS).where(g.tenant == self.tenant, g.number == number)).one_or_none()
            return None if row is None else _row(row)

    def staged(self) -> GenerationRow | None:
        """Return the generation that is being prepared."""
        return self._in_state("staged")

    def stage(self, document: bytes, digest: str, *, now: datetime) -> GenerationRow:
        """Store a new set as staged (or return the staged or active row that has this digest already).

        Another staged set is retired unused. Current verdicts that an earlier life of one of the new policies left
        behind are dropped: evidence may have changed since, and every policy of the new set is decided anew.

        Raises:
            BadConfiguration: `document` is no policy set in canonical form.
        """
        policies = PolicySet.from_document(document).policies
        g = t.policy_generation.c
        with writing(self.engine) as connection:
            self._lock(connection)
            standing = connection.execute(
                select(*_COLUMNS).where(g.tenant == self.tenant, g.digest == digest, g.state.in_(("staged", "active")))
            ).first()
            if standing is not None:
                return _row(standing)
            connection.execute(
                update(t.policy_generation).where(g.tenant == self.tenant, g.state == "staged").values(state="retired")
            )
            number = 1 + (
                connection.execute(select(func.max(g.number)).where(g.tenant == self.tenant)).scalar_one() or 0
            )
            new = {
                "number": number,
                "digest": digest,
                "document": document,
                "state": "staged",
                "created_at": now,
            }
            note(connection, self.tenant, "generations", "generation.staged", {"number": number, "digest": digest}, now)
            self._drop_but_active(connection, now)
            connection.execute(insert(t.policy_generation).values(tenant=self.tenant, **new))
            rows = [
                {
                    "tenant": self.tenant,
                    "number": number,
                    "policy": p.name,
                    "policy_digest": p.digest,
                    "mode": p.mode.value,
                }
                for p in policies
            ]
            if rows:
                connection.execute(insert(t.generation_policy), rows)
        return GenerationRow(number=number, digest=digest, document=document, state="staged", created_at=now)

    def activate(self, number: int, *, now: datetime) -> None:
        """Move the pointer in one transaction: staged becomes active, active becomes retired, the feed is told.

        Raises:
            BadInput: `number` is not the staged generation.
        """
        g = t.policy_generation.c
        with writing(self.engine) as connection:
            self._lock(connection)
            here = (g.tenant == self.tenant, g.number == number)
            state = connection.execute(select(g.state).where(*here)).scalar_one_or_none()
            if state != "staged":
                raise BadInput(
                    f"generation {number} is {state or 'not known'}, only the staged generation can be activated"
                )
            note(connection, self.tenant, "generations", "generation.activated", {"number": number}, now)
            connection.execute(
                update(t.policy_generation).where(g.tenant == self.tenant, g.state == "active").values(state="retired")
            )
            connection.execute(update(t.policy_generation).where(*here).values(state="active", activated_at=now))
            note_generation(connection, self.tenant, number, now=now)
            self._drop_but_active(connection, now)

    def _in_state(self, state: str) -> GenerationRow | None:
        g = t.policy_generation.c
        with reading(self.engine) as connection:
            row = connection.execute(select(*_COLUMNS).where(g.tenant == self.tenant, g.state == state)).one_or_none()
            return None if row is None else _row(row)

    def _lock(self, connection: Connection) -> None:
        """One change of generations at a time. SQLite's write lock is that already."""
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(literal(f"preverify {self.tenant}")))))

    def _drop_but_active(self, connection: Connection, now: datetime) -> None:
        """Drop current verdicts of policies that are not active, and tell the feed whose they were."""
        g, p, c = t.policy_generation.c, t.generation_policy.c, t.current_verdict.c
        active = (
            select(p.policy_digest)
            .join(t.policy_generation, (g.tenant == p.tenant) & (g.number == p.number))
            .where(p.tenant == self.tenant, g.state == "active")
        )
        known = select(p.policy_digest).where(p.tenant == self.tenant)
        stale = (c.tenant == self.tenant, c.policy_digest.in_(known.except_(active)))
        subjects = select(*(c[name] for name in t.SUBJECT), literal("subject"), literal(now, t.change.c.at.type)).where(
            *stale
        )
        connection.execute(insert(t.change).from_select([*t.SUBJECT, "kind", "at"], subjects.distinct()))
        connection.execute(delete(t.current_verdict).where(*stale))


def _row(row: Any) -> GenerationRow:
    return GenerationRow(
        number=row.number,
        digest=row.digest,
        document=bytes(row.document),
        state=row.state,
        created_at=row.created_at,
    )
