"""The statements table as the publisher sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, select, update

from preverify.model.errors import BadInput
from preverify.model.reference import Subject
from preverify.ports import Clock, Layout, Publication, PublishState, StoredStatement
from preverify.store import tables as t
from preverify.store.codecs import keys_of, subject_of
from preverify.store.columns import decode, encode
from preverify.store.engine import reading, writing
from preverify.store.jobs import make_due
from preverify.store.outbox import publish_job, withdraw_job
from preverify.store.sql import AnyRow, chunks, matches

_LIVE = ("signed", "published", "withdrawing", "not-withdrawn")
_GIVEN_UP = ("withdrawing", "withdrawn", "not-withdrawn")
_REPLACEABLE = ("wanted", "signed", "published", "would-shadow", "unpublished", "withdrawing", "not-withdrawn")
_COLUMNS = [c for c in t.statement.c if c.name not in ("created_at", "changed_at", "generation")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStatements:
    """`ports.Statements` on the database."""

    engine: Engine
    clock: Clock
    tenant: str

    def statement(self, statement_id: str) -> StoredStatement | None:
        """Return one row."""
        c = t.statement.c
        with reading(self.engine) as connection:
            rows = connection.execute(select(*_COLUMNS).where(c.tenant == self.tenant, c.id == statement_id)).all()
            return next(iter(self._values(connection, rows)), None)

    def live(self, subject: Subject) -> tuple[StoredStatement, ...]:
        """Return statements of a subject that a registry holds or may hold, oldest first."""
        return self.live_of((subject,)).get(subject, ())

    def live_of(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[StoredStatement, ...]]:
        """Return the live statements of many subjects; those without any are left out."""
        c = t.statement.c
        columns = [c[name] for name in t.SUBJECT]
        found: dict[Subject, list[StoredStatement]] = {}
        with reading(self.engine) as connection:
            for part in chunks(subjects):
                rows = connection.execute(
                    select(*_COLUMNS)
                    .where(matches(columns, keys_of(self.tenant, part)), c.state.in_(_LIVE))
                    .order_by(c.created_at, c.id)
                ).all()
                for statement in self._values(connection, rows):
                    found.setdefault(statement.subject, []).append(statement)
        return {subject: tuple(statements) for subject, statements in found.items()}

    def signed(self, statement_id: str, envelope: bytes, key_id: str, valid_until: datetime) -> bool:
        """Store the envelope before its first PUT; False when one is stored already, or none is wanted any more."""
        if not envelope:
            raise BadInput(f"an empty envelope for statement {statement_id}")
        c = t.statement.c
        now = self.clock.now()
        with writing(self.engine) as connection:
            done = connection.execute(
                update(t.statement)
                .where(c.tenant == self.tenant, c.id == statement_id, c.envelope.is_(None), c.state == "wanted")
                .values(state="signed", envelope=envelope, key_id=key_id, valid_until=valid_until, changed_at=now)
            )
            return done.rowcount == 1

    def settled(self, statement_id: str, publication: Publication, *, now: datetime) -> None:
        """Store what became of a publication or withdrawal.

        A publication that ends after its withdrawal was wanted is withdrawn (again): the registry has it now. One that
        ends after a newer one makes the newer one be published again, which takes this one from what readers see.
        """
        c = t.statement.c
        with writing(self.engine) as connection:
            row = connection.execute(
                select(*_COLUMNS, c.created_at).where(c.tenant == self.tenant, c.id == statement_id).with_for_update()
            ).one_or_none()
            if row is None:
                raise BadInput(f"there is no statement {statement_id}")
            if publication.state is PublishState.PUBLISHED:
                self._published(connection, row, publication, now)
            elif publication.state in (PublishState.WITHDRAWN, PublishState.NOT_WITHDRAWN):
                self._withdrawn(connection, row, publication, now)
            else:
                self._write(connection, row.id, publication.state.value, publication, now)

    def _published(self, connection: Connection, row: AnyRow, publication: Publication, now: datetime) -> None:
        if not row.envelope:
            raise BadInput(f"statement {row.id} was published without having been signed")
        if row.state in _GIVEN_UP:
            self._write(connection, row.id, "withdrawing", publication, now)
            make_due(connection, [(withdraw_job(row), now)], now=now)
            return
        self._write(connection, row.id, "published", publication, now)
        c = t.statement.c
        same = (
            *(c[name] == getattr(row, name) for name in ("tenant", "registry", "repository", "digest", "profile")),
            c.id != row.id,
        )
        if row.state == "superseded":
            newer = connection.execute(
                select(*_COLUMNS)
                .where(*same, c.state == "published")
                .order_by(c.created_at.desc(), c.id.desc())
                .limit(1)
            ).one_or_none()
            if newer is not None:
                make_due(connection, [(publish_job(newer), now)], now=now)
                return
        connection.execute(
            update(t.statement)
            .where(*same, c.created_at <= row.created_at, c.state.in_(_REPLACEABLE))
            .values(state="superseded", changed_at=now)
        )

    def _withdrawn(self, connection: Connection, row: AnyRow, publication: Publication, now: datetime) -> None:
        """A withdrawal that ends after the statement was wanted anew does not take that wish away."""
        if row.state in _GIVEN_UP:
            self._write(connection, row.id, publication.state.value, publication, now)
        elif row.state in ("signed", "published"):
            self._write(connection, row.id, "signed", publication, now)
            make_due(connection, [(publish_job(row), now)], now=now)

    def _write(
        self, connection: Connection, statement_id: str, state: str, publication: Publication, now: datetime
    ) -> None:
        c = t.statement.c
        connection.execute(
            update(t.statement)
            .where(c.tenant == self.tenant, c.id == statement_id)
            .values(
                state=state,
                layouts=encode(publication.layouts),
                manifests=encode(publication.manifests),
                detail=publication.detail,
                attempts=c.attempts + 1,
                changed_at=now,
            )
        )

    def _values(self, connection: Connection, rows: Sequence[AnyRow]) -> tuple[StoredStatement, ...]:
        if not rows:
            return ()
        sv = t.statement_verdict.c
        sets: dict[str, list[str]] = {}
        found = connection.execute(
            select(sv.statement, sv.verdict).where(sv.tenant == self.tenant, sv.statement.in_([r.id for r in rows]))
        )
        for statement_id, verdict_id in found:
            sets.setdefault(statement_id, []).append(verdict_id)
        return tuple(_value(row, tuple(sorted(sets.get(row.id, ())))) for row in rows)


def _value(row: AnyRow, verdicts: tuple[str, ...]) -> StoredStatement:
    return StoredStatement(
        id=row.id,
        source=row.source,
        subject=subject_of(row),
        profile=row.profile,
        set_id=row.set_id,
        verdicts=verdicts,
        state=row.state,
        envelope=bytes(row.envelope or b""),
        key_id=row.key_id,
        layouts=decode(row.layouts, tuple[Layout, ...]),
        manifests=decode(row.manifests, tuple[str, ...]),
        attempts=row.attempts,
        valid_until=row.valid_until,
        detail=row.detail,
    )
