"""Counts over the whole database, for metrics: what a lookup would answer for every live tag, and what is under way."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, and_, func, select

from preverify.model.digest import Digest
from preverify.model.reference import Repository
from preverify.model.verdicts import AnswerState, Mode, Outcome, PolicyAnswer, RuleResult
from preverify.policy.answers import compose
from preverify.policy.policies import PolicySet
from preverify.ports import TENANT, CensusRows, JobKind, SweepMark, TagCount
from preverify.store import tables as t
from preverify.store.columns import decode
from preverify.store.engine import reading

NO_REASON = "none"
_BATCH = 1_000
_LEADER = "timer"
_SWEEPS = {JobKind.SWEEP_TAGS.value: "tags", JobKind.SWEEP_EVIDENCE.value: "evidence"}


class DatabaseCensus:
    """`ports.Census` over the tables. Reads in one transaction, row by row; its memory does not grow with the tags."""

    def __init__(self, engine: Engine, *, tenant: str = TENANT) -> None:
        self._engine = engine
        self._tenant = tenant

    def take(self, *, now: datetime) -> CensusRows:
        """Count everything as it stands at `now`."""
        with reading(self._engine) as connection:
            number, policies = self._active(connection)
            tags, expired = self._tags(connection, number, policies, now)
            return CensusRows(
                tags=tags,
                expired=expired,
                sweeps=self._sweeps(connection),
                statements=self._statements(connection),
                generation=number,
                leader=self._led(connection, now),
            )

    def _active(self, connection: Connection) -> tuple[int, PolicySet]:
        g = t.policy_generation.c
        row = connection.execute(
            select(g.number, g.document).where(g.tenant == self._tenant, g.state == "active")
        ).one_or_none()
        return (0, PolicySet.of({}, {})) if row is None else (row.number, _policies(row.document))

    def _tags(
        self, connection: Connection, number: int, policies: PolicySet, now: datetime
    ) -> tuple[tuple[TagCount, ...], dict[str, int]]:
        counts: dict[tuple[str, str, str, str], tuple[int, datetime | None]] = {}
        expired: dict[str, int] = {}
        rows = connection.execution_options(yield_per=_BATCH).execute(_every_tagged_digest(self._tenant, number))
        for (source, registry, path, digest), group in groupby(rows, key=lambda r: (r[0], r[1], r[2], r[3])):
            same = list(group)
            repository = Repository(registry, path)
            answer = compose(
                policies,
                repository,
                Digest.parse(digest),
                {row.policy: _part(row) for row in same if row.policy is not None},
                image=str(repository),
                generation=number,
                namespaces=None,
                now=now,
            )
            if any(part.verdict == AnswerState.EXPIRED.value for part in answer.policies):
                expired[source] = expired.get(source, 0) + 1
            key = (source, str(repository), answer.state.value, answer.reason or NO_REASON)
            tags, since = counts.get(key, (0, None))
            moved = None if answer.state is AnswerState.VERIFIED else same[0].since
            counts[key] = (tags + same[0].tags, moved if since is None else min(since, moved or since))
        listed = tuple(
            TagCount(source=source, repository=repository, answer=answer, reason=reason, tags=tags, since=since)
            for (source, repository, answer, reason), (tags, since) in counts.items()
        )
        return listed, expired

    def _sweeps(self, connection: Connection) -> tuple[SweepMark, ...]:
        m = t.sweep_mark.c
        rows = connection.execute(select(m.source, m.kind, m.finished_at).where(m.tenant == self._tenant))
        return tuple(
            SweepMark(source=row.source, sweep=_SWEEPS[row.kind], at=row.finished_at)
            for row in rows
            if row.kind in _SWEEPS
        )

    def _statements(self, connection: Connection) -> dict[str, int]:
        s = t.statement.c
        rows = connection.execute(select(s.state, func.count()).where(s.tenant == self._tenant).group_by(s.state))
        return {row[0]: row[1] for row in rows}

    def _led(self, connection: Connection, now: datetime) -> bool:
        lease = t.lease.c
        held = select(func.count()).where(lease.tenant == self._tenant, lease.name == _LEADER, lease.until > now)
        return bool(connection.execute(held).scalar_one())


def _every_tagged_digest(tenant: str, number: int) -> Select[Any]:
    """Each digest that live tags name, with its verdicts under the policies of generation `number`, side by side."""
    tag, cv, v, gp = t.tag.c, t.current_verdict.c, t.verdict.c, t.generation_policy.c
    named = (
        select(
            tag.source,
            tag.registry,
            tag.repository,
            tag.digest,
            func.count().label("tags"),
            func.min(tag.moved_at, type_=tag.moved_at.type).label("since"),
        )
        .where(tag.tenant == tenant, tag.digest.is_not(None))
        .group_by(tag.source, tag.registry, tag.repository, tag.digest)
        .subquery("named")
    )
    decided = (
        select(
            cv.registry,
            cv.repository,
            cv.digest,
            cv.policy,
            cv.policy_digest,
            cv.verdict_id,
            cv.valid_until,
            gp.mode,
            v.outcome,
            v.rules,
            v.decided_at,
        )
        .join(
            gp.tenant.table, and_(gp.tenant == cv.tenant, gp.policy == cv.policy, gp.policy_digest == cv.policy_digest)
        )
        .join(v.id.table, and_(v.tenant == cv.tenant, v.id == cv.verdict_id))
        .where(cv.tenant == tenant, gp.number == number)
        .subquery("decided")
    )
    n, d = named.c, decided.c
    return (
        select(
            n.source,
            n.registry,
            n.repository,
            n.digest,
            n.tags,
            n.since,
            d.policy,
            d.policy_digest,
            d.verdict_id,
            d.valid_until,
            d.mode,
            d.outcome,
            d.rules,
            d.decided_at,
        )
        .select_from(
            named.outerjoin(decided, and_(n.registry == d.registry, n.repository == d.repository, n.digest == d.digest))
        )
        .order_by(n.source, n.registry, n.repository, n.digest)
    )


def _part(row: Row[Any]) -> PolicyAnswer:
    return PolicyAnswer(
        policy=row.policy,
        policy_digest=row.policy_digest,
        mode=Mode(row.mode),
        verdict=row.outcome,
        verdict_id=row.verdict_id,
        decided_at=row.decided_at,
        valid_until=row.valid_until,
        reasons=() if row.outcome == Outcome.PASSED.value else _reasons(row.rules),
    )


@lru_cache(maxsize=1_024)
def _reasons(rules: str) -> tuple[tuple[str, str, str], ...]:
    results: Sequence[RuleResult] = decode(rules, tuple[RuleResult, ...])
    return tuple((r.rule, r.reason.value, r.detail) for r in _kept_from_passing(results))


def _kept_from_passing(results: Sequence[RuleResult]) -> Iterator[RuleResult]:
    return (r for r in results if r.counted and r.outcome is not Outcome.PASSED)


@lru_cache(maxsize=4)
def _policies(document: bytes) -> PolicySet:
    return PolicySet.from_document(document)
