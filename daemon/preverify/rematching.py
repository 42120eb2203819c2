"""A new database of vulnerabilities: whom it says something else about is matched with it again."""

from collections.abc import Callable
from pathlib import Path

from preverify.model.digest import Digest
from preverify.model.needs import Need
from preverify.policy.policies import PolicySet
from preverify.ports import Clock, History, Job, JobKind, Marks, Work

MARK = "vulnerability-database"
_PRIORITY = 40  # before what time makes due: a new vulnerability is why this daemon exists


def rematch(
    history: History,
    marks: Marks,
    work: Work,
    policies: PolicySet,
    present: tuple[Digest, Path] | None,
    *,
    before: Callable[[Digest], Path | None],
    changed: Callable[[Path, Path], frozenset[str]],
    clock: Clock,
) -> int:
    """Make due whatever a database that is new has something else to say about; returns how many subjects.

    Exactly the subjects are touched one of whose documents names a package or vulnerability about which the two
    databases differ. Where the former one is not there any more, all are that some policy wants matched.

    Args:
        history: Which documents name what.
        marks: With which database subjects were compared last.
        work: Where jobs go.
        policies: In force.
        present: Digest and file of the present database; None: there is none.
        before: Returns the file of a former database; None where it is gone.
        changed: Returns the keys that two databases answer differently.
        clock: Time.
    """
    if present is None:
        return 0
    digest, path = present
    last = marks.mark(MARK)
    if last == str(digest):
        return 0
    former = None if last is None else before(Digest.parse(last))
    if former is None:
        touched = [
            (known.source, known.subject)
            for known in history.subjects()
            if Need.MATCHES in policies.needs(known.subject.repository)
        ]
    else:
        touched = list(history.naming(changed(former, path)))
    now = clock.now()
    jobs = [
        Job(
            source=source,
            kind=JobKind.REMATCH,
            repository=subject.repository.path,
            key=str(subject.digest),
            cause="database",
            priority=_PRIORITY,
        )
        for source, subject in touched
    ]
    if jobs:
        work.add(jobs, run_at=now, now=now)
    marks.set_mark(MARK, str(digest), now=now)  # after: what is done twice changes nothing
    return len(jobs)
