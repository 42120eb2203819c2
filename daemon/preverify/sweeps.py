"""The guarantee: what no notification told us is found by listing. A sweep only makes work due."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from preverify.model.digest import Digest
from preverify.model.errors import NotFound
from preverify.model.evidence_tags import is_evidence_tag, subject_of_evidence_tag
from preverify.model.reference import Repository
from preverify.ports import Clock, History, Job, JobKind, Registry

_MAX_PASSES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a tag was seen to name; None: it is gone."""

    source: str
    repository: Repository
    tag: str
    digest: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a sweep leads to. `seen` is stored after `jobs`: what is noted as seen is not looked at again."""

    jobs: tuple[Job, ...] = ()
    seen: tuple[Seen, ...] = ()


class Sweep(Protocol):
    """A sweep: one job in, what it leads to out. Stores nothing."""

    def __call__(
        self,
        source: str,
        registry: Registry,
        history: History,
        repository_at: Callable[[str], Repository],
        job: Job,
        *,
        clock: Clock,
    ) -> Found: ...


def sweep_tags(
    source: str,
    registry: Registry,
    history: History,
    repository_at: Callable[[str], Repository],
    job: Job,
    *,
    clock: Clock,  # noqa: ARG001 - one form for every sweep
) -> Found:
    """List one repository (or, for the whole source, name its repositories) and return what is to be looked at.

    At most one HEAD per listed tag beside the pages of the listing. A moved or new tag is looked at; a moved, new or
    vanished evidence tag (`sha256-….sig`, `.att`, fallback) has its subject looked at; a tag that is gone is noted so.
    """
    if not job.repository:
        return _repositories(source, JobKind.SWEEP_TAGS, registry)
    repository = repository_at(job.repository)
    known = history.known_tags(source, repository)
    listed, complete = _list(registry, repository)
    tags: dict[str, Digest] = {}  # image tags that name something new
    seen: list[Seen] = []
    touched: dict[Digest, None] = {}  # subjects whose evidence tags moved or went
    for tag in listed:
        if not is_evidence_tag(tag) and (named := _moved(registry, repository, tag, known)) is not None:
            tags[tag] = named
    looked_at_anyway = set(tags.values())
    for tag in listed:
        subject = subject_of_evidence_tag(tag)
        if not is_evidence_tag(tag) or subject in looked_at_anyway:
            continue  # a look notes the evidence tags that it reads
        if (named := _moved(registry, repository, tag, known)) is not None:
            seen.append(Seen(source=source, repository=repository, tag=tag, digest=named))
            touched |= _subject_of(tag)
    for tag in known.keys() - set(listed) if complete else ():
        seen.append(Seen(source=source, repository=repository, tag=tag, digest=None))
        touched |= _subject_of(tag)
    jobs = [_job(source, job, JobKind.TAG, tag, "sweep") for tag in tags]
    jobs += [_job(source, job, JobKind.SUBJECT, str(d), "evidence") for d in touched if d not in looked_at_anyway]
    return Found(jobs=tuple(jobs), seen=tuple(seen))


def sweep_evidence(
    source: str,
    registry: Registry,
    history: History,
    repository_at: Callable[[str], Repository],
    job: Job,
    *,
    clock: Clock,
) -> Found:
    """Compare the evidence listing of every tagged subject with what was gathered; return the subjects that differ.

    Subjects whose time has come (`due_at`) are returned too: a parked retry is taken up again here.
    """
    if not job.repository:
        return _repositories(source, JobKind.SWEEP_EVIDENCE, registry)
    repository = repository_at(job.repository)
    now = clock.now()
    found = []
    tags: frozenset[str] | None = None
    for known in history.subjects(source=source, repository=repository, tagged=True):
        overdue = known.due_at is not None and known.due_at <= now
        if not overdue:
            if tags is None:
                tags = frozenset(_list(registry, repository)[0])
            if registry.evidence_fingerprint(known.subject, tags, known.children) == known.fingerprint:
                continue
        found.append(_job(source, job, JobKind.SUBJECT, str(known.subject.digest), "evidence"))
    return Found(jobs=tuple(found))


def _repositories(source: str, kind: JobKind, registry: Registry) -> Found:
    """Return one sweep for each repository of the source."""
    return Found(
        jobs=tuple(
            Job(source=source, kind=kind, repository=repository.path, key="", cause="sweep")
            for repository in registry.repositories()
        )
    )


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


def _moved(registry: Registry, repository: Repository, tag: str, known: Mapping[str, Digest]) -> Digest | None:
    """Ask what `tag` names; None where that is what we knew, or nothing."""
    named = registry.head(repository, tag)
    return None if named == known.get(tag) else named


def _subject_of(tag: str) -> dict[Digest, None]:
    subject = subject_of_evidence_tag(tag)
    return {} if subject is None else {subject: None}


def _job(source: str, job: Job, kind: JobKind, key: str, cause: str) -> Job:
    return Job(source=source, kind=kind, repository=job.repository, key=key, cause=cause)
