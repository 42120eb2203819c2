"""The guarantee: what no notification told us is found by listing. A sweep only makes work due."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from preverify.model.errors import NotFound
from preverify.model.evidence_tags import is_evidence_tag, subject_of_evidence_tag
from preverify.model.reference import Repository
from preverify.ports import Clock, History, Job, JobKind, Registry

_MAX_PASSES = 100


class Sweep(Protocol):
    """A sweep: one job in, the jobs that it leads to out."""

    def __call__(
        self,
        source: str,
        registry: Registry,
        history: History,
        repository_at: Callable[[str], Repository],
        job: Job,
        *,
        clock: Clock,
    ) -> tuple[Job, ...]: ...


def sweep_tags(
    source: str,
    registry: Registry,
    history: History,
    repository_at: Callable[[str], Repository],
    job: Job,
    *,
    clock: Clock,
) -> tuple[Job, ...]:
    """List one repository (or, for the whole source, name its repositories) and return what is to be looked at.

    One HEAD per listed tag beside the pages of the listing. A moved or new tag is looked at; a moved or new evidence tag
    (`sha256-….sig`, `.att`, fallback) has its subject looked at; a tag that is gone is noted as gone.
    """
    if not job.repository:
        return tuple(
            Job(source=source, kind=JobKind.SWEEP_TAGS, repository=repository.path, key="", cause="sweep")
            for repository in registry.repositories()
        )
    repository = repository_at(job.repository)
    known = history.known_tags(source, repository)
    now = clock.now()
    listed, complete = _list(registry, repository)
    jobs: dict[tuple[JobKind, str], Job] = {}
    moved: set[str] = set()  # digests that are looked at anyway, because a tag has come to name them
    touched: dict[str, None] = {}  # digests whose evidence tags moved
    for tag in listed:
        named = registry.head(repository, tag)
        if named is None or known.get(tag) == named:
            continue
        subject = subject_of_evidence_tag(tag)
        if subject is not None:
            history.observe_tag(source, repository, tag, named, now=now)
            touched[str(subject)] = None
        elif not is_evidence_tag(tag):
            moved.add(str(named))
            jobs[JobKind.TAG, tag] = _job(source, job, JobKind.TAG, tag, "sweep")
    for digest in touched:
        if digest not in moved:
            jobs[JobKind.SUBJECT, digest] = _job(source, job, JobKind.SUBJECT, digest, "evidence")
    if complete:
        jobs.update(_gone(source, history, repository, job, known.keys() - set(listed), now))
    return tuple(jobs.values())


def sweep_evidence(
    source: str,
    registry: Registry,
    history: History,
    repository_at: Callable[[str], Repository],
    job: Job,
    *,
    clock: Clock,
) -> tuple[Job, ...]:
    """Compare the evidence listing of every tagged subject with what was gathered; return the subjects that differ.

    Subjects whose time has come (`due_at`) are returned too: a parked retry is taken up again here.
    """
    if not job.repository:
        return tuple(
            Job(source=source, kind=JobKind.SWEEP_EVIDENCE, repository=repository.path, key="", cause="sweep")
            for repository in registry.repositories()
        )
    repository = repository_at(job.repository)
    now = clock.now()
    found = []
    tags: frozenset[str] | None = None
    for known in history.subjects(source=source, repository=repository, tagged=True):
        overdue = known.due_at is not None and known.due_at <= now
        if not overdue:
            if tags is None:
                tags = frozenset(_list(registry, repository)[0])
            gathered = history.gathered(known.subject)
            if gathered is not None and registry.evidence_fingerprint(gathered.image, tags) == known.fingerprint:
                continue
        found.append(_job(source, job, JobKind.SUBJECT, str(known.subject.digest), "evidence"))
    return tuple(found)


def _list(registry: Registry, repository: Repository) -> tuple[tuple[str, ...], bool]:
    """Return all tags, and whether the listing came to its end."""
    tags: list[str] = []
    after: str | None = None
    for _ in range(_MAX_PASSES):
        try:
            page = registry.tags(repository, after=after)
        except NotFound:
            return tuple(tags), True
        tags.extend(page.tags)
        if page.next_after is None:
            return tuple(dict.fromkeys(tags)), not page.truncated
        after = page.next_after
    return tuple(dict.fromkeys(tags)), False


def _gone(
    source: str, history: History, repository: Repository, job: Job, missing: set[str], now: datetime
) -> dict[tuple[JobKind, str], Job]:
    """Note tags that are no longer listed; the subject of a vanished evidence tag is looked at again."""
    jobs: dict[tuple[JobKind, str], Job] = {}
    for tag in missing:
        history.observe_tag(source, repository, tag, None, now=now)
        subject = subject_of_evidence_tag(tag)
        if subject is not None:
            jobs[JobKind.SUBJECT, str(subject)] = _job(source, job, JobKind.SUBJECT, str(subject), "evidence")
    return jobs


def _job(source: str, job: Job, kind: JobKind, key: str, cause: str) -> Job:
    return Job(source=source, kind=kind, repository=job.repository, key=key, cause=cause)
