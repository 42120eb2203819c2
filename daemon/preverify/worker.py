"""The worker loop: lease jobs, carry them out in threads, store what they led to in batches."""

import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from preverify import pipeline
from preverify.concluding import Tagged, decide_anew
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, NotFound, PreverifyError, Unavailable
from preverify.model.evidence import Gathered, Image
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome
from preverify.policy.decide import undecided
from preverify.policy.policies import PolicySet
from preverify.ports import (
    Bell,
    Clock,
    Generations,
    History,
    Job,
    JobKind,
    Layout,
    LeasedJob,
    Observer,
    PublishState,
    Recording,
    Registry,
    Revocations,
    Scanner,
    Signing,
    Statements,
    StoredStatement,
    Vulnerabilities,
    Work,
)
from preverify.settings import Publish, Source
from preverify.sweeps import Seen, Sweep, sweep_evidence, sweep_tags

_LEASE = timedelta(seconds=30)
_EXTEND_AT = timedelta(seconds=20)
_POLL_SECONDS = 1.0
_BUSY_SECONDS = 0.05
_PATIENCE_SECONDS = 0.01
_RETRY_FIRST, _RETRY_MAX = timedelta(seconds=30), timedelta(minutes=15)
_INDEX_FOLLOWS, _INDEX_AWAITED = timedelta(seconds=30), 3
_MOST_PARENTS = 16
_QUICK_RETRY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A source with the adapter that reaches it."""

    name: str
    settings: Source
    registry: Registry

    def repository(self, path: str) -> Repository:
        """Return the repository at `path` of this source."""
        return Repository(self.settings.registry, path)

    @property
    def layout(self) -> Layout:
        """Return where statements go."""
        return Layout(self.settings.publish.layout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Force:
    """The policies in force when a batch of jobs was leased: the active set, then the staged one while there is one."""

    active: int
    newest: int
    sets: tuple[PolicySet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A look that is to be settled against what stands, together with its batch.

    `based_on`: the stored gathering that it was concluded from, where nothing was fetched.
    """

    watched: Watched
    look: pipeline.Look
    force: Force
    tags: tuple[str, ...]
    based_on: Gathered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What carrying out one job led to. With `retry_at` the job is given back instead of finished."""

    looked: Looked | None = None
    recordings: tuple[Recording, ...] = ()
    jobs: tuple[Job, ...] = ()
    seen: tuple[Seen, ...] = ()
    retry_at: datetime | None = None
    error: str = ""


@dataclass(slots=True, kw_only=True)
class Worker:
    """One worker process. Everything that it does is idempotent: a job may be carried out twice, never lost."""

    name: str
    work: Work
    history: History
    statements: Statements
    generations: Generations
    sources: Mapping[str, Watched]
    signing: Signing | None
    published_validity: timedelta
    clock: Clock
    observer: Observer
    bell: Bell
    revocations: Revocations | None = None
    scanner: Scanner | None = None
    database: Vulnerabilities | None = None
    threads: int = 16
    _sets: dict[str, PolicySet] = field(default_factory=dict)
    _force: Force | None = None

    def run(self, stop: Callable[[], bool]) -> None:
        """Work until `stop()`; what is under way is finished first."""
        # A former process of this name is dead: the supervisor runs one at a time. What it held is free at once.
        self.work.abandon(self.name, now=self.clock.now())
        flying: dict[Future[Result], LeasedJob] = {}
        with ThreadPoolExecutor(self.threads, thread_name_prefix="look") as pool:
            while flying or not stop():
                if not stop():
                    self._fill(pool, flying)
                if not flying:
                    self.bell.wait(_POLL_SECONDS)
                    continue
                finished, rest = wait(flying, timeout=_BUSY_SECONDS, return_when=FIRST_COMPLETED)
                if finished and rest:  # under load, a moment's patience makes one transaction of many
                    finished, _ = wait(flying, timeout=_PATIENCE_SECONDS)
                self._finish([(flying.pop(future), future.result()) for future in finished])
                self._extend(flying)

    def run_once(self) -> int:
        """Carry out everything that is open now, one job after the other; returns how many. For tests and commands."""
        count = 0
        while leased := self._lease(1):
            self._finish([(job, self._carry_out(job)) for job in leased])
            count += len(leased)
        return count

    # --- leasing and finishing ---------------------------------------------------------------------------------------

    def _lease(self, limit: int) -> tuple[LeasedJob, ...]:
        now = self.clock.now()
        leased = self.work.lease(worker=self.name, until=now + _LEASE, now=now, limit=limit)
        if leased:
            self._force = self._in_force()
        return leased

    def _fill(self, pool: ThreadPoolExecutor, flying: dict[Future[Result], LeasedJob]) -> None:
        free = self.threads - len(flying)
        if free > 0:
            for leased in self._lease(free):
                flying[pool.submit(self._carry_out, leased)] = leased

    def _extend(self, flying: dict[Future[Result], LeasedJob]) -> None:
        now = self.clock.now()
        for future, leased in list(flying.items()):
            if leased.until - now < _EXTEND_AT:
                self.work.extend(leased, until=now + _LEASE)
                flying[future] = replace(leased, until=now + _LEASE)

    def _finish(self, results: list[tuple[LeasedJob, Result]]) -> None:
        """Store first, then let go of the jobs: a crash in between repeats work, it does not lose any."""
        if not results:
            return
        now = self.clock.now()
        settled = self._settle(results)
        recordings = [
            replace(recording, lease=(leased.id, leased.fence))
            for (leased, result), (settlement, _) in zip(results, settled, strict=True)
            for recording in (*settlement, *result.recordings)
        ]
        if recordings:
            self.history.record(recordings, now=now)
            self._tell(recordings)
        follow = [job for _, result in results for job in result.jobs] + [job for _, jobs in settled for job in jobs]
        if follow:
            self.work.add(follow, run_at=now, now=now)
        for seen in (one for _, result in results for one in result.seen):
            self.history.observe_tag(seen.source, seen.repository, seen.tag, seen.digest, now=now)
        for leased, result in results:
            outcome = "done" if result.retry_at is None else "retried"
            self.observer.count("jobs_total", kind=leased.job.kind.value, result=outcome)
            if leased.job.cause == "push" and result.looked is not None:
                seconds = (now - leased.created_at).total_seconds()
                self.observer.took("event_to_verdict_seconds", seconds, source=leased.job.source)
            if result.retry_at is not None:
                self.work.retry(leased, at=result.retry_at, error=result.error, now=now)
        self.work.finish([leased for leased, result in results if result.retry_at is None], now=now)
        self.bell.ring("timer")

    def _settle(self, results: list[tuple[LeasedJob, Result]]) -> list[tuple[tuple[Recording, ...], tuple[Job, ...]]]:
        """Turn the looks of a batch into recordings, and into jobs that move statements; read what stands only once."""
        subjects = [result.looked.look.subject for _, result in results if result.looked is not None]
        stands = pipeline.standings(self.history, self.statements, subjects) if subjects else {}
        settled: list[tuple[tuple[Recording, ...], tuple[Job, ...]]] = []
        for leased, result in results:
            if result.looked is None:
                settled.append(((), ()))
                continue
            subject = result.looked.look.subject
            recording, moves = self._settle_one(leased, result.looked, stands[subject])
            stands[subject] = stands[subject].after(recording)
            settled.append(((recording,), moves))
        return settled

    def _settle_one(
        self, leased: LeasedJob, looked: Looked, stands: pipeline.Standing
    ) -> tuple[Recording, tuple[Job, ...]]:
        watched = looked.watched
        recording = pipeline.settle(
            looked.look,
            stands,
            looked.force.sets[0],
            source=watched.name,
            cause=leased.job.cause,
            generation=looked.force.active,
            considered=looked.force.newest,
            clock=self.clock,
            publishing=self.signing is not None and watched.layout is not Layout.NONE,
            renew_before=self.published_validity / 2,
            tags=looked.tags,
        )
        moves = tuple(
            Job(source=watched.name, kind=JobKind.PUBLISH, repository=leased.job.repository, key=s.id, cause="evidence")
            for s in stands.live
            if _must_move(s, watched.settings.publish, looked.look.gathered)
        )
        return replace(recording, based_on=looked.based_on), moves

    def _tell(self, recordings: Iterable[Recording]) -> None:
        for recording in recordings:
            for finding in recording.findings or ():
                established = "yes" if finding.established else "no"
                self.observer.count("evidence_total", established=established, reason=finding.reason.value)
            for verdict in recording.verdicts:
                reasons = verdict.reasons
                reason = (reasons[0].reason if reasons else Reason.OK).value
                self.observer.count(
                    "verdicts_total", source=recording.source, outcome=verdict.outcome.value, reason=reason
                )
                self.observer.event(
                    "verdict.recorded",
                    source=recording.source,
                    subject=str(recording.subject),
                    policy=verdict.policy,
                    outcome=verdict.outcome.value,
                    reason=reason,
                    generation=recording.generation,
                    cause=recording.cause,
                )

    # --- carrying out -------------------------------------------------------------------------------------------------

    def _carry_out(self, leased: LeasedJob) -> Result:
        """Do one job. The only place that catches everything: what went wrong inside is recorded as undecided."""
        watched = self.sources.get(leased.job.source)
        if watched is None:
            self.observer.event("job.dropped", source=leased.job.source, why="no such source is configured any more")
            return Result()
        try:
            with self.observer.time("job_seconds", kind=leased.job.kind.value):
                return _HANDLERS[leased.job.kind](self, watched, leased)
        except Unavailable as error:
            self.observer.event(
                "registry.unavailable",
                source=watched.name,
                what=str(error),
                reason=error.reason.value,
                job=leased.job.key,
            )
            return self._could_not(watched, leased, error.reason, str(error), error.retry_after)
        except Exception as error:  # noqa: BLE001 - see the docstring
            self.observer.count("internal_errors_total", where="worker")
            self.observer.event(
                "job.failed",
                source=watched.name,
                kind=leased.job.kind.value,
                error=repr(error),
                exception="".join(traceback.format_exception(error)),
            )
            return self._could_not(watched, leased, Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}", None)

    def _could_not(
        self, watched: Watched, leased: LeasedJob, reason: Reason, detail: str, retry_after: timedelta | None
    ) -> Result:
        """Give a job back; a subject that has no verdict that holds gets an undecided one, so that people see why."""
        now = self.clock.now()
        pause = max(retry_after or timedelta(0), min(_RETRY_FIRST * 2**leased.attempts, _RETRY_MAX))
        recordings: tuple[Recording, ...] = ()
        if leased.job.kind is JobKind.SUBJECT:
            subject = Subject(watched.repository(leased.job.repository), Digest.parse(leased.job.key))
            recordings = self._undecided(watched, subject, leased, reason, detail)
        return Result(recordings=recordings, retry_at=now + pause, error=f"{reason.value}: {detail}"[:1000])

    def _undecided(
        self, watched: Watched, subject: Subject, leased: LeasedJob, reason: Reason, detail: str
    ) -> tuple[Recording, ...]:
        force = self._policies()
        decided = {v.policy_digest for v in self.history.current(subject)}
        verdicts = tuple(
            undecided(
                policy,
                subject,
                reason,
                detail,
                now=self.clock.now(),
                trust_epoch=policy.trust_epoch,
                new_id=self.clock.new_id,
                attempts=leased.attempts,
            )
            for policies in force.sets
            for policy in policies.matching(subject.repository)
            if policy.digest not in decided
        )
        if not verdicts:
            return ()
        return (
            Recording(
                source=watched.name,
                subject=subject,
                gathered=None,
                findings=None,
                verdicts=verdicts,
                cause=leased.job.cause,
                generation=force.active,
                considered=force.newest,
            ),
        )

    def _tag(self, watched: Watched, leased: LeasedJob) -> Result:
        repository = watched.repository(leased.job.repository)
        try:
            image = watched.registry.resolve(repository, leased.job.key)
        except NotFound:
            self.history.observe_tag(watched.name, repository, leased.job.key, None, now=self.clock.now())
            return Result()
        except MalformedEvidence as error:
            self.observer.count("bad_input_total", where="registry")
            self.observer.event(
                "tag.unusable", source=watched.name, repository=str(repository), tag=leased.job.key, why=str(error)
            )
            return Result()
        return self._look(watched, image, leased, tags=(leased.job.key,))

    def _subject(self, watched: Watched, leased: LeasedJob) -> Result:
        subject = Subject(watched.repository(leased.job.repository), Digest.parse(leased.job.key))
        try:
            image = watched.registry.fetch(subject)
        except NotFound:
            self.observer.event("subject.gone", source=watched.name, subject=str(subject))
            return Result()
        except MalformedEvidence as error:
            return Result(recordings=self._undecided(watched, subject, leased, error.reason, str(error)))
        if image.refers_to is not None and leased.job.cause == "push":
            # A push by digest does not say that it brought evidence; what the evidence is about is looked at instead.
            attached = replace(leased.job, key=str(image.refers_to), cause="evidence")
            return Result(jobs=(attached,))
        if leased.job.cause in {"time", "policy"} or self.history.current(subject):
            return self._look(watched, image, leased, tags=())
        return self._untagged(watched, image, leased)

    def _untagged(self, watched: Watched, image: Image, leased: LeasedJob) -> Result:
        """Look at a digest that has no verdict and that no tag led to: perhaps it is a child of an index.

        A child gets no verdict of its own that is not passed, for it would answer for itself then, and not through its
        index. Evidence that came to it is looked at with the indexes that read it. Manifests are pushed before the
        index that names them, and may be attested before: what does not pass is given the time for that.
        """
        parents, asked = self.history.parents(image.subject), leased.job.cause not in {"push", "evidence"}
        if parents and not asked:
            reading = [str(digest) for digest, gathered in parents.items() if gathered][:_MOST_PARENTS]
            return Result(jobs=tuple(replace(leased.job, key=digest, cause="evidence") for digest in reading))
        result = self._look(watched, image, leased, tags=())
        verdicts = () if result.looked is None else result.looked.look.verdicts
        if not verdicts or all(verdict.outcome is Outcome.PASSED for verdict in verdicts):
            return result
        if parents:
            return Result()
        if not asked and leased.attempts < _INDEX_AWAITED:
            return Result(retry_at=self.clock.now() + _INDEX_FOLLOWS, error="perhaps a child of an index that follows")
        return result

    def _look(self, watched: Watched, image: Image, leased: LeasedJob, *, tags: tuple[str, ...]) -> Result:
        force = self._policies()
        with self.observer.time("verification_seconds", source=watched.name):
            seen = pipeline.look(
                watched.registry,
                force.sets,
                image,
                clock=self.clock,
                revocations=self.revocations,
                scanner=self.scanner,
                database=self.database,
                tagged=self._tagged(tags),
                attempts=leased.attempts,
            )
        looked = Looked(watched=watched, look=seen, force=force, tags=tags)
        waiting = [v.due_at for v in seen.verdicts if v.outcome is Outcome.UNDECIDED and v.due_at is not None]
        if waiting and leased.job.kind is JobKind.SUBJECT:
            return Result(looked=looked, retry_at=min(waiting), error="undecided")
        return Result(looked=looked)

    def _tagged(self, seen: tuple[str, ...]) -> Tagged:
        """Return what is known of tags, with those that were seen just now and are stored with the look."""
        return lambda subject, now: self.history.tags_of(subject, seen=seen, seen_at=now)

    def _rematch(self, watched: Watched, leased: LeasedJob) -> Result:
        """Match what is stored of a subject with the present database, and decide it anew: no registry is asked."""
        subject = Subject(watched.repository(leased.job.repository), Digest.parse(leased.job.key))
        stored = self.history.stored([subject]).get(subject)
        force = self._policies()
        if stored is None or self.database is None:
            return Result()
        seen = decide_anew(self.history, force.sets, subject, clock=self.clock, database=self.database)
        if seen is None:
            return Result()
        return Result(looked=Looked(watched=watched, look=seen, force=force, tags=(), based_on=stored.gathered))

    def _publish(self, watched: Watched, leased: LeasedJob) -> Result:
        """Sign (once), then push the stored bytes until the registry has them."""
        statement = self.statements.statement(leased.job.key)
        if statement is None or statement.state not in {"wanted", "signed", "published"} or self.signing is None:
            return Result()
        if not statement.envelope:
            try:
                signed = self.signing.sign(statement.id)
            except BadInput as error:
                self.observer.count("signatures_total", result="refused")
                self.observer.event("signing.refused", subject=str(statement.subject), why=str(error))
                return Result()
            except Unavailable:
                self.observer.count("signatures_total", result="unavailable")
                raise
            self.observer.count("signatures_total", result="signed")
            self.statements.signed(statement.id, signed.envelope, signed.key_id, signed.valid_until)
            statement = self.statements.statement(leased.job.key)
            if statement is None:
                return Result()
        older = [
            s
            for s in self.statements.live(statement.subject)
            if s.id != statement.id and s.profile == statement.profile
        ]
        publication = watched.registry.publish(
            statement.subject,
            statement.envelope,
            watched.layout,
            supersedes=tuple(dict.fromkeys(m for s in (statement, *older) for m in s.manifests)),
        )
        self.statements.settled(statement.id, publication, now=self.clock.now())
        self._published(watched.name, "statement.published", statement, publication.state, publication.detail)
        return Result()

    def _withdraw(self, watched: Watched, leased: LeasedJob) -> Result:
        statement = self.statements.statement(leased.job.key)
        if statement is None or statement.state not in {"withdrawing", "not-withdrawn"}:
            return Result()
        publication = watched.registry.withdraw(statement.subject, statement.manifests)
        self.statements.settled(statement.id, publication, now=self.clock.now())
        self._published(watched.name, "statement.withdrawn", statement, publication.state, publication.detail)
        if publication.state is PublishState.NOT_WITHDRAWN:
            pause = min(_RETRY_FIRST * 2**leased.attempts, _RETRY_MAX)
            return Result(retry_at=self.clock.now() + pause, error=publication.detail)
        return Result()

    def _published(self, source: str, event: str, statement: StoredStatement, state: PublishState, detail: str) -> None:
        self.observer.count("publications_total", source=source, state=state.value)
        self.observer.event(
            event, subject=str(statement.subject), state=state.value, detail=detail, statement=statement.id
        )

    def _sweep_tags(self, watched: Watched, leased: LeasedJob) -> Result:
        return self._swept("tags", sweep_tags, watched, leased)

    def _sweep_evidence(self, watched: Watched, leased: LeasedJob) -> Result:
        return self._swept("evidence", sweep_evidence, watched, leased)

    def _swept(self, name: str, sweep: Sweep, watched: Watched, leased: LeasedJob) -> Result:
        found = sweep(watched.name, watched.registry, self.history, watched.repository, leased.job, clock=self.clock)
        self.observer.count("sweeps_total", source=watched.name, sweep=name, result="done")
        self.observer.event(
            "sweep.finished", source=watched.name, sweep=name, repository=leased.job.repository, found=len(found.jobs)
        )
        return Result(jobs=found.jobs, seen=found.seen)

    def _policies(self) -> Force:
        if self._force is None:
            raise NoGeneration("no policy generation is active yet; the daemon has not finished its first start")
        return self._force

    def _in_force(self) -> Force | None:
        active, staged = self.generations.active(), self.generations.staged()
        if active is None:
            return None
        rows = [active] if staged is None else [active, staged]
        self._sets = {row.digest: self._sets.get(row.digest) or PolicySet.from_document(row.document) for row in rows}
        return Force(active=active.number, newest=rows[-1].number, sets=tuple(self._sets[row.digest] for row in rows))


class NoGeneration(PreverifyError):
    """No policy generation is active yet: the daemon has not finished its first start."""


def _must_move(statement: StoredStatement, settings: Publish, gathered: Gathered) -> bool:
    """Say whether a published statement lies where it hides, or is hidden by, what others have attached since.

    `auto` follows foreign bundles, both ways; `bundle` and `both` give way to foreign legacy signatures. Publishing the
    same statement again finds its right place.
    """
    layout = Layout(settings.layout)
    if statement.state != "published" or gathered.unobtained or Layout.DETACHED in statement.layouts:
        return False
    if layout is Layout.AUTO:
        return (Layout.BUNDLE if gathered.foreign_bundle else Layout.ATT) not in statement.layouts
    return layout in {Layout.BUNDLE, Layout.BOTH} and gathered.foreign_legacy and not settings.allow_shadowing


_HANDLERS: Mapping[JobKind, Callable[[Worker, Watched, LeasedJob], Result]] = {
    JobKind.TAG: Worker._tag,  # noqa: SLF001 - the table of this class's own methods
    JobKind.SUBJECT: Worker._subject,  # noqa: SLF001
    JobKind.REMATCH: Worker._rematch,  # noqa: SLF001
    JobKind.PUBLISH: Worker._publish,  # noqa: SLF001
    JobKind.WITHDRAW: Worker._withdraw,  # noqa: SLF001
    JobKind.SWEEP_TAGS: Worker._sweep_tags,  # noqa: SLF001
    JobKind.SWEEP_EVIDENCE: Worker._sweep_evidence,  # noqa: SLF001
}
