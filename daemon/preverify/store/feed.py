"""The feed: committed changes in one gapless order, and the present state as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, tuple_, update

from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Mode, Outcome, PolicyAnswer, RuleResult
from preverify.ports import Change, GenerationState, SubjectState, TagState
from preverify.store import tables as t
from preverify.store.columns import decode
from preverify.store.engine import reading, writing
from preverify.store.live import live_policies
from preverify.store.sql import AnyRow, chunks, insert_new, matches

KEEP = 200_000
_TRIM = 20_000
_PAGE = 500
_Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlFeed:
    """`ports.Feed` on the database.

    Attributes:
        keep: Numbered changes that stay for readers; who is further behind starts from a snapshot.
    """

    engine: Engine
    tenant: str
    keep: int = KEEP

    def sequence(self, *, fence: int, now: datetime) -> int:  # noqa: ARG002 - part of the port
        """Number what has been committed since; returns the last number.

        Numbers are given here and not by a column's own counter: on Postgres a counter's order is not the order of
        commits, and a reader would skip what commits late. The sequencer's row is locked, so numbers have one giver.

        Raises:
            BadInput: `fence` is older than one that has numbered already: the lease is somebody else's now.
        """
        s, c = t.sequencer.c, t.change.c
        with reading(self.engine) as connection:
            last = connection.execute(
                select(s.last).where(s.tenant == self.tenant, s.fence == fence)
            ).scalar_one_or_none()
            waiting = connection.execute(
                select(c.id).where(c.tenant == self.tenant, c.number.is_(None)).limit(1)
            ).first()
            if last is not None and waiting is None:
                return int(last)
        with writing(self.engine) as connection:
            insert_new(connection, t.sequencer, [{"tenant": self.tenant, "last": 0, "fence": 0}])
            held = connection.execute(
                update(t.sequencer).where(s.tenant == self.tenant, s.fence <= fence).values(fence=fence)
            )
            if held.rowcount == 0:
                raise BadInput(f"fence {fence} is stale: another process holds the lease and numbers changes now")
            last = connection.execute(select(s.last).where(s.tenant == self.tenant)).scalar_one()
            fresh = (
                select(c.id, (func.row_number().over(order_by=c.id) + last).label("number"))
                .where(c.tenant == self.tenant, c.number.is_(None))
                .subquery()
            )
            numbered = connection.execute(
                update(t.change).where(c.id == fresh.c.id).values(number=fresh.c.number)
            ).rowcount
            last += numbered
            connection.execute(update(t.sequencer).where(s.tenant == self.tenant).values(last=last))
            self._trim(connection, last)
            return int(last)

    def _trim(self, connection: Connection, last: int) -> None:
        c = t.change.c
        first = connection.execute(
            select(func.min(c.number)).where(c.tenant == self.tenant, c.number.is_not(None))
        ).scalar_one()
        if first is not None and last - first > self.keep + min(_TRIM, self.keep):
            connection.execute(
                delete(t.change).where(c.tenant == self.tenant, c.number <= min(last - self.keep, first + _TRIM))
            )

    def changes(self, after: int, *, limit: int) -> tuple[Change, ...]:
        """Return numbered changes after `after`, in order. A subject's state is its newest at the time of reading.

        Raises:
            BadInput: changes that follow `after` are not kept any more, or `after` is ahead of the feed (it was
                restored from an older copy): start from a snapshot.
        """
        c = t.change.c
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(c.number, c.at, c.kind, c.registry, c.repository, c.digest, c.tag, c.generation)
                .where(c.tenant == self.tenant, c.number > after)
                .order_by(c.number)
                .limit(limit)
            ).all()
            if (rows and rows[0].number != after + 1) or (not rows and self._last(connection) != after):
                raise BadInput(f"the feed does not go on from {after}: start from a snapshot")
            subjects = self._subjects(connection, [_key(self.tenant, r) for r in rows if r.kind == "subject"])
            tags = self._tags(connection, [r for r in rows if r.kind == "tag"])
            generations = self._generations(connection, {r.generation for r in rows if r.kind == "generation"})
        return tuple(
            Change(number=row.number, at=row.at, what=_what(row, self.tenant, subjects, tags, generations))
            for row in rows
        )

    def snapshot(self) -> Iterator[Change]:
        """Yield the whole present state (generation first), each with the number to resume from.

        The number is read first: what changes while pages are read is read again from there, and repeating a state
        changes nothing.
        """
        g, s, tag = t.policy_generation.c, t.subject.c, t.tag.c
        with reading(self.engine) as connection:
            last = self._last(connection)
            active = connection.execute(
                select(g.number, g.document, g.activated_at).where(g.tenant == self.tenant, g.state == "active")
            ).one_or_none()
        if active is not None:
            yield Change(
                number=last,
                at=active.activated_at,
                what=GenerationState(number=active.number, document=bytes(active.document)),
            )
        for rows, states in self._pages(t.subject, [s.registry, s.repository, s.digest], s.looked_at):
            for row in rows:
                yield Change(number=last, at=row.at, what=states[_key(self.tenant, row)])
        for rows, _ in self._pages(
            t.tag, [tag.registry, tag.repository, tag.tag], tag.moved_at, tag.digest.is_not(None)
        ):
            for row in rows:
                yield Change(number=last, at=row.at, what=_tag_state(row))

    def last(self) -> int:
        """Return the last number given."""
        with reading(self.engine) as connection:
            return self._last(connection)

    def _last(self, connection: Connection) -> int:
        s = t.sequencer.c
        return connection.execute(select(s.last).where(s.tenant == self.tenant)).scalar_one_or_none() or 0

    def _pages(
        self, table: Any, key: Sequence[Any], at: Any, *conditions: Any
    ) -> Iterator[tuple[Sequence[AnyRow], dict[_Key, SubjectState]]]:
        after: tuple[str, ...] | None = None
        while True:
            where = [table.c.tenant == self.tenant, *conditions]
            if after is not None:
                where.append(tuple_(*key) > after)
            with reading(self.engine) as connection:
                columns = dict.fromkeys([*key, table.c.digest])
                rows = connection.execute(
                    select(*columns, at.label("at")).where(*where).order_by(*key).limit(_PAGE)
                ).all()
                keys = [_key(self.tenant, r) for r in rows]
                states = self._subjects(connection, keys) if table is t.subject else {}
            yield rows, states
            if len(rows) < _PAGE:
                return
            after = tuple(rows[-1][:3])

    # --- states -------------------------------------------------------------------------------------------------------

    def _subjects(self, connection: Connection, keys: Sequence[_Key]) -> dict[_Key, SubjectState]:
        v, c, e = t.verdict.c, t.current_verdict.c, t.edge.c
        answers: dict[_Key, list[PolicyAnswer]] = {key: [] for key in keys}
        children: dict[_Key, list[tuple[Digest, str]]] = {}
        modes = live_policies(connection, [self.tenant]).modes.get(self.tenant, {}) if keys else {}
        for part in chunks(answers):
            columns = [c[name] for name in t.SUBJECT]
            rows = connection.execute(
                select(
                    *columns, c.policy, c.policy_digest, c.verdict_id, c.valid_until, v.outcome, v.rules, v.decided_at
                )
                .select_from(t.current_verdict.join(t.verdict, (v.tenant == c.tenant) & (v.id == c.verdict_id)))
                .where(matches(columns, part))
                .order_by(c.policy, c.policy_digest)
            )
            for row in rows:
                answers[_key(self.tenant, row)].append(policy_answer(row, modes))
            columns = [e[name] for name in t.SUBJECT]
            edges = select(*columns, e.child, e.platform).where(matches(columns, part)).order_by(e.position)
            for row in connection.execute(edges):
                named = children.setdefault(_key(self.tenant, row), [])
                named.append((Digest.parse(row.child), row.platform or ""))
        return {
            key: SubjectState(
                subject=Subject(Repository(key[1], key[2]), Digest.parse(key[3])),
                policies=tuple(found),
                children=tuple(child for child, _ in children.get(key, ())),
                platforms=tuple(platform for _, platform in children.get(key, ())),
            )
            for key, found in answers.items()
        }

    def _tags(self, connection: Connection, rows: Sequence[AnyRow]) -> dict[_Key, str | None]:
        c = t.tag.c
        columns = [c.tenant, c.registry, c.repository, c.tag]
        names: dict[_Key, str | None] = {}
        for part in chunks({(self.tenant, r.registry, r.repository, r.tag) for r in rows}):
            for row in connection.execute(select(*columns, c.digest).where(matches(columns, part))):
                names[row.tenant, row.registry, row.repository, row.tag] = row.digest
        return names

    def _generations(self, connection: Connection, numbers: set[int]) -> dict[int, bytes]:
        g = t.policy_generation.c
        if not numbers:
            return {}
        rows = connection.execute(
            select(g.number, g.document).where(g.tenant == self.tenant, g.number.in_(sorted(numbers)))
        )
        return {row.number: bytes(row.document) for row in rows}


def _what(
    row: AnyRow,
    tenant: str,
    subjects: dict[_Key, SubjectState],
    tags: dict[_Key, str | None],
    generations: dict[int, bytes],
) -> SubjectState | TagState | GenerationState:
    if row.kind == "subject":
        return subjects[_key(tenant, row)]
    if row.kind == "generation":
        return GenerationState(number=row.generation, document=generations[row.generation])
    digest = tags.get((tenant, row.registry, row.repository, row.tag))
    return TagState(
        repository=Repository(row.registry, row.repository),
        tag=row.tag,
        digest=None if digest is None else Digest.parse(digest),
    )


def _tag_state(row: AnyRow) -> TagState:
    return TagState(repository=Repository(row.registry, row.repository), tag=row.tag, digest=Digest.parse(row.digest))


def _key(tenant: str, row: AnyRow) -> _Key:
    return tenant, row.registry, row.repository, row.digest


def policy_answer(row: AnyRow, modes: Mapping[str, str]) -> PolicyAnswer:
    """Return the part of an answer that a joined row of current verdict and verdict holds."""
    rules = decode(row.rules, tuple[RuleResult, ...])
    passed = row.outcome == Outcome.PASSED
    return PolicyAnswer(
        policy=row.policy,
        policy_digest=row.policy_digest,
        mode=Mode(modes.get(row.policy_digest, Mode.ENFORCE.value)),
        verdict=row.outcome,
        verdict_id=row.verdict_id,
        decided_at=row.decided_at,
        valid_until=row.valid_until,
        reasons=tuple(
            (r.rule, r.reason.value, r.detail)
            for r in rules
            if r.counted and (passed or r.outcome is not Outcome.PASSED)
        ),
    )
