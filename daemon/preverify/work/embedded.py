"""The embedded engine: `due` says what is to be done and when, `job` is the bounded window of it that workers see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, case, delete, func, insert, literal, select, update

from preverify.model.hints import Hint
from preverify.ports import TENANT, Backlog, Clock, Job, JobKind, LeasedJob
from preverify.store import tables as t
from preverify.store.engine import reading, writing
from preverify.store.jobs import make_due
from preverify.store.sql import AnyRow, insert_new, least, upsert
from preverify.work.window import open_due

PARK_AFTER = 8
_MAX_ERROR = 1000
_MOMENT = timedelta(microseconds=1)
_KEY = ("tenant", "source", "kind", "repository", "key")
_SWEEPS = (JobKind.SWEEP_TAGS.value, JobKind.SWEEP_EVIDENCE.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedWork:
    """`ports.Work` on the database of history, so that a row and its job are one transaction."""

    engine: Engine
    clock: Clock

    # --- coming in ----------------------------------------------------------------------------------------------------

    def add(self, jobs: Sequence[Job], *, run_at: datetime, now: datetime) -> int:
        """Make jobs due; returns how many are new."""
        with writing(self.engine) as connection:
            return make_due(connection, [(job, run_at) for job in jobs], now=now)

    def accept(self, source: str, hints: Sequence[Hint], jobs: Sequence[Job], *, now: datetime) -> int:
        """Store hints and the jobs that they cause in one transaction (the inbox). Returns how many jobs are new."""
        rows = [
            {
                "tenant": TENANT,
                "id": self.clock.new_id("h"),
                "source": source,
                "repository": hint.repository,
                "tag": hint.tag,
                "digest": hint.digest,
                "deleted": hint.deleted,
                "delivery": hint.delivery,
                "registry": hint.registry,
                "received_at": now,
            }
            for hint in hints
        ]
        with writing(self.engine) as connection:
            if rows:
                connection.execute(insert(t.hint), rows)
            return make_due(connection, [(job, now) for job in jobs], now=now)

    # --- the window ---------------------------------------------------------------------------------------------------

    def dispatch(self, *, now: datetime, window: int) -> int:
        """Open due jobs up to `window` open ones, round-robin over (tenant, source)."""
        with writing(self.engine) as connection:
            _park_killers(connection, now)
            return open_due(connection, now=now, window=window)

    def lease(self, *, worker: str, until: datetime, now: datetime, limit: int) -> tuple[LeasedJob, ...]:
        """Claim up to `limit` open jobs that are free or whose lease ended before `now`.

        A job whose lease ended without a word counts as an attempt: it may be what ended its worker.
        """
        j = t.job.c
        free = (j.lease_until.is_(None)) | (j.lease_until < now)
        with reading(self.engine) as connection:
            if connection.execute(select(j.id).where(free).limit(1)).first() is None:
                return ()  # an idle worker that polls takes no write lock
        picked = (
            select(j.id)
            .where(free)
            .order_by(j.priority, j.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("picked")
            # Else the planner may run the limited select once more for each row, and claim more than the limit.
            .prefix_with("MATERIALIZED")
        )
        statement = (
            update(t.job)
            .where(j.id.in_(select(picked.c.id)))
            .values(
                worker=worker,
                lease_until=until,
                fence=j.fence + 1,
                attempts=j.attempts + case((j.lease_until.is_not(None), 1), else_=0),
            )
            .returning(t.job)
        )
        with writing(self.engine) as connection:
            rows = connection.execute(statement).all()
        return tuple(_leased(row) for row in sorted(rows, key=lambda row: (row.priority, row.id)))

    def abandon(self, worker: str, *, now: datetime) -> int:
        """End the leases of a worker that is dead, so that its jobs need not wait for that; returns how many."""
        j = t.job.c
        with writing(self.engine) as connection:
            ended = connection.execute(
                update(t.job).where(j.worker == worker, j.lease_until >= now).values(lease_until=now - _MOMENT)
            )
            return int(ended.rowcount)

    def extend(self, leased: LeasedJob, *, until: datetime) -> bool:
        """Hold on for longer; False when somebody else has it."""
        with writing(self.engine) as connection:
            return connection.execute(update(t.job).where(*_mine(leased)).values(lease_until=until)).rowcount == 1

    def done(self, leased: LeasedJob, *, now: datetime) -> bool:
        """Finish; False when somebody else has it. Work made due meanwhile stays due."""
        return self.finish((leased,), now=now) == 1

    def finish(self, leased: Sequence[LeasedJob], *, now: datetime) -> int:
        """Finish several in one transaction; returns how many were still ours."""
        finished = 0
        with writing(self.engine) as connection:
            for one in leased:
                if connection.execute(delete(t.job).where(*_mine(one))).rowcount == 1:
                    finished += 1
                    if one.job.kind.value in _SWEEPS:
                        _mark_sweep(connection, one.job, now)
        return finished

    def retry(self, leased: LeasedJob, *, at: datetime, error: str, now: datetime) -> bool:  # noqa: ARG002 - the port's
        """Give back with an error, to run at `at`; counted in `attempts`. After eight it is parked until made due."""
        with writing(self.engine) as connection:
            return _give_back(connection, leased, at=at, error=error)

    # --- numbers ------------------------------------------------------------------------------------------------------

    def backlog(self, *, now: datetime) -> Backlog:
        """Count what waits. Work that is due in the future waits for nobody and is not counted."""
        d, j = t.due.c, t.job.c
        by_kind: dict[str, int] = {}
        with reading(self.engine) as connection:
            due_rows = connection.execute(
                select(d.kind, func.count(), func.min(d.run_at)).where(d.run_at <= now).group_by(d.kind)
            ).all()
            open_rows = connection.execute(select(j.kind, func.count(), func.min(j.created_at)).group_by(j.kind)).all()
            parked = connection.execute(select(func.count()).select_from(t.due).where(d.run_at.is_(None))).scalar_one()
            hinted = [
                connection.execute(select(func.min(d.created_at)).where(d.cause == "push")).scalar_one(),
                connection.execute(select(func.min(j.created_at)).where(j.cause == "push")).scalar_one(),
            ]
        for kind, count, _ in (*due_rows, *open_rows):
            by_kind[kind] = by_kind.get(kind, 0) + count
        oldest = min((at for _, _, at in (*due_rows, *open_rows)), default=now)
        oldest_hint = min((at for at in hinted if at is not None), default=now)
        return Backlog(
            due=sum(count for _, count, _ in due_rows),
            open=sum(count for _, count, _ in open_rows),
            parked=parked,
            oldest_seconds=max((now - oldest).total_seconds(), 0.0),
            oldest_hint_seconds=max((now - oldest_hint).total_seconds(), 0.0),
            by_kind=by_kind,
        )


def _mine(leased: LeasedJob) -> tuple[Any, Any]:
    return t.job.c.id == leased.id, t.job.c.fence == leased.fence


def _leased(row: AnyRow) -> LeasedJob:
    return LeasedJob(
        id=row.id,
        job=Job(
            tenant=row.tenant,
            source=row.source,
            kind=JobKind(row.kind),
            repository=row.repository,
            key=row.key,
            cause=row.cause,
            priority=row.priority,
        ),
        fence=row.fence,
        attempts=row.attempts,
        until=row.lease_until,
        created_at=row.created_at,
    )


def _give_back(connection: Connection, leased: LeasedJob, *, at: datetime, error: str) -> bool:
    row = connection.execute(delete(t.job).where(*_mine(leased)).returning(t.job)).one_or_none()
    if row is None:
        return False
    attempts = row.attempts + 1
    told = {"attempts": attempts, "error": error[:_MAX_ERROR]}
    d = t.due.c
    again: dict[str, Any] = dict(told)
    if attempts < PARK_AFTER:  # made due meanwhile: the earlier of both times
        again["run_at"] = least(d.run_at, literal(at, d.run_at.type))
    key = {name: getattr(row, name) for name in _KEY}
    merged = connection.execute(update(t.due).where(*(d[name] == value for name, value in key.items())).values(again))
    if merged.rowcount == 0:
        run_at = at if attempts < PARK_AFTER else None
        insert_new(connection, t.due, [{**_back(row), **told, "run_at": run_at}])
    return True


def _back(row: AnyRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in (*_KEY, "cause", "priority", "created_at")}


def _park_killers(connection: Connection, now: datetime) -> None:
    """Park jobs that ended worker after worker without a word."""
    j = t.job.c
    rows = connection.execute(
        delete(t.job).where(j.lease_until < now, j.attempts >= PARK_AFTER - 1).returning(t.job)
    ).all()
    insert_new(
        connection,
        t.due,
        [
            {
                **_back(row),
                "run_at": None,
                "attempts": row.attempts + 1,
                "error": f"its lease ended without a word {row.attempts + 1} times, last with {row.worker}",
            }
            for row in rows
        ],
    )


def _mark_sweep(connection: Connection, job: Job, now: datetime) -> None:
    """Note the end of a sweep once no part of it is left."""
    for table in (t.due, t.job):
        c = table.c
        left = select(c.key).where(c.tenant == job.tenant, c.source == job.source, c.kind == job.kind.value)
        if table is t.due:
            left = left.where(c.run_at <= now)
        if connection.execute(left.limit(1)).first() is not None:
            return
    row = {"tenant": job.tenant, "source": job.source, "kind": job.kind.value, "finished_at": now}
    upsert(connection, t.sweep_mark, [row], "finished_at")
