"""Counts over the whole database, for metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, select, tuple_

from preverify.model.digest import Digest
from preverify.model.evidence_tags import is_evidence_tag
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState, PolicyAnswer
from preverify.policy.answers import compose
from preverify.policy.policies import PolicySet
from preverify.ports import CensusRows, SweepMark, TagCount
from preverify.store import tables as t
from preverify.store.engine import reading
from preverify.store.feed import policy_answer
from preverify.store.sql import AnyRow, chunks, matches

_PAGE = 1000
_LEASE_NAME = "timer"


@dataclass(slots=True)
class _Tally:
    tags: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlCensus:
    """`ports.Census` on the database."""

    engine: Engine
    tenant: str

    def take(self, *, now: datetime) -> CensusRows:
        """Count everything, page by page."""
        tallies: dict[tuple[str, str, str, str], _Tally] = {}
        expired: dict[str, int] = {}
        number, policies = self._active()
        for page in self._pages():
            answers = self._answers(page, policies, number, now)
            for row in page:
                answer = answers[row.registry, row.repository, row.digest]
                verified = answer.state is AnswerState.VERIFIED
                reason = "ok" if verified else answer.reason
                tally = tallies.setdefault((row.source, row.repository, answer.state.value, reason), _Tally())
                tally.tags += 1
                if not verified:
                    tally.since = row.moved_at if tally.since is None else min(tally.since, row.moved_at)
            for source, _ in {
                (row.source, (row.registry, row.repository, row.digest))
                for row in page
                if answers[row.registry, row.repository, row.digest].state is AnswerState.EXPIRED
            }:
                expired[source] = expired.get(source, 0) + 1
        with reading(self.engine) as connection:
            return CensusRows(
                tags=tuple(
                    TagCount(source=s, repository=r, answer=a, reason=why, tags=tally.tags, since=tally.since)
                    for (s, r, a, why), tally in sorted(tallies.items())
                ),
                expired=expired,
                sweeps=self._sweeps(connection),
                statements=self._statements(connection),
                generation=number,
                leader=self._led(connection, now),
            )

    def _active(self) -> tuple[int, PolicySet | None]:
        g = t.policy_generation.c
        with reading(self.engine) as connection:
            row = connection.execute(
                select(g.number, g.document).where(g.tenant == self.tenant, g.state == "active")
            ).one_or_none()
        return (0, None) if row is None else (row.number, PolicySet.from_document(bytes(row.document)))

    def _pages(self) -> Iterator[list[AnyRow]]:
        """Yield live image tags by digest, so that a subject's tags come together."""
        c = t.tag.c
        key = (c.registry, c.repository, c.digest, c.tag)
        after: tuple[str, ...] | None = None
        while True:
            where = [c.tenant == self.tenant, c.digest.is_not(None)]
            if after is not None:
                where.append(tuple_(*key) > after)
            with reading(self.engine) as connection:
                rows = connection.execute(
                    select(*key, c.source, c.moved_at).where(*where).order_by(*key).limit(_PAGE)
                ).all()
            yield [row for row in rows if not is_evidence_tag(row.tag)]
            if len(rows) < _PAGE:
                return
            after = tuple(rows[-1][:4])

    def _answers(
        self, page: list[AnyRow], policies: PolicySet | None, number: int, now: datetime
    ) -> dict[tuple[str, str, str], Answer]:
        keys = {(self.tenant, row.registry, row.repository, row.digest) for row in page}
        v, c = t.verdict.c, t.current_verdict.c
        columns = [c[name] for name in t.SUBJECT]
        found: dict[tuple[str, str, str], dict[str, PolicyAnswer]] = {key[1:]: {} for key in keys}
        live = {p.name: p.digest for p in policies.policies} if policies is not None else {}
        with reading(self.engine) as connection:
            for part in chunks(keys):
                rows = connection.execute(
                    select(
                        *columns,
                        c.policy,
                        c.policy_digest,
                        c.verdict_id,
                        c.valid_until,
                        v.outcome,
                        v.rules,
                        v.decided_at,
                    )
                    .select_from(t.current_verdict.join(t.verdict, (v.tenant == c.tenant) & (v.id == c.verdict_id)))
                    .where(matches(columns, part))
                )
                for row in rows:
                    if live.get(row.policy) == row.policy_digest:
                        found[row.registry, row.repository, row.digest][row.policy] = policy_answer(row, {})
        empty = PolicySet.of({}, {}) if policies is None else policies
        return {
            key: compose(
                empty,
                Repository(key[0], key[1]),
                Digest.parse(key[2]),
                verdicts,
                image="",
                generation=number,
                namespaces=None,
                now=now,
                expired_grace=timedelta(0),
            )
            for key, verdicts in found.items()
        }

    def _sweeps(self, connection: Connection) -> tuple[SweepMark, ...]:
        m = t.sweep_mark.c
        rows = connection.execute(
            select(m.source, m.kind, m.finished_at).where(m.tenant == self.tenant).order_by(m.source, m.kind)
        )
        return tuple(SweepMark(source=source, sweep=kind.removeprefix("sweep-"), at=at) for source, kind, at in rows)

    def _statements(self, connection: Connection) -> dict[str, int]:
        s = t.statement.c
        rows = connection.execute(select(s.state, func.count()).where(s.tenant == self.tenant).group_by(s.state))
        return {row[0]: row[1] for row in rows}

    def _led(self, connection: Connection, now: datetime) -> bool:
        c = t.lease.c
        held = select(c.holder).where(c.tenant == self.tenant, c.name == _LEASE_NAME, c.until > now, c.holder != "")
        return connection.execute(held).first() is not None
