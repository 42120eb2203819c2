"""A change of policies, over everything that is known: simulated, brought into force, and what was decided replayed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from preverify.concluding import (
    Examined,
    decided,
    examine,
    examined_before,
    gathers,
    needed,
    tagged_by,
    tags_for,
)
from preverify.model.errors import MalformedEvidence, NotFound, Unavailable
from preverify.model.evidence import Format, Gathered
from preverify.model.needs import Need
from preverify.model.reference import Subject
from preverify.model.verdicts import Outcome, Verdict
from preverify.pipeline import Standing, gather_for, publication, standings
from preverify.policy.decide import decide
from preverify.policy.policies import PolicySet
from preverify.policy.simulate import Known, Report, compare
from preverify.ports import (
    Clock,
    GenerationRow,
    Generations,
    History,
    KnownSubject,
    Past,
    Recording,
    Registry,
    Revocations,
    Scanner,
    Statements,
    Stored,
    Vulnerabilities,
)
from preverify.verify.contents import content_names

_BATCH = 200

Complete = Callable[[str, Gathered, Sequence[PolicySet]], Gathered]
"""Returns a stored gathering of a source with what policies have to know, or as it is where that cannot be had."""


# --- simulation -------------------------------------------------------------------------------------------------------


def simulate(
    history: History,
    current: PolicySet,
    new: PolicySet,
    *,
    clock: Clock,
    at: datetime | None = None,
    database: Vulnerabilities | None = None,
) -> Report:
    """Compare two policy sets over everything that history knows; nothing is fetched, nothing is stored.

    Signers that only one set names are verified over the stored evidence. Subjects that were never gathered have
    nothing that could be compared and are left out.

    Args:
        history: What is known.
        current: What is compared with.
        new: What is asked about.
        clock: For the time of the decisions.
        at: A moment in the past: what was known then is decided as of then.
        database: What is matched for needs that only one set has; None: what was matched before stands.
    """
    sets, now = (current, new), at or clock.now()
    return compare(current, new, _known(history, sets, now, database=database, past=at is not None), now=now)


def _known(
    history: History, sets: Sequence[PolicySet], now: datetime, *, database: Vulnerabilities | None, past: bool
) -> Iterator[Known]:
    tagged = tagged_by(history, past=past)
    for batch in _batches(history.subjects()):
        pairs = _as_of(history, batch, sets, now) if past else _as_stored(history, batch, sets, now, database)
        for known, examined, _ in pairs:
            policies = [policy for each in sets for policy in each.matching(known.subject.repository)]
            yield Known(
                gathered=examined.gathered,
                findings=examined.findings,
                contents=examined.contents,
                tags=tags_for(known.subject, policies, now, tagged),
            )


def _as_stored(
    history: History,
    batch: Sequence[KnownSubject],
    sets: Sequence[PolicySet],
    now: datetime,
    database: Vulnerabilities | None,
) -> Iterator[tuple[KnownSubject, Examined, Gathered]]:
    """Yield what is known of subjects: from what was concluded, or from bytes where somebody new is asked about.

    With each the stored gathering that it is concluded from.
    """
    needs = {known.subject: needed(sets, known.subject.repository) for known in batch}
    stored = history.stored([known.subject for known in batch], configs=any(Need.CONFIG in n for n in needs.values()))
    for known, before in zip(batch, _from_stored(history, batch, stored, sets), strict=True):
        gathered = None if before is not None else history.gathered(known.subject)
        examined = before if gathered is None else examine(gathered, sets, now, database=database)
        if examined is not None and known.subject in stored:
            yield known, examined, stored[known.subject].gathered


def _as_of(
    history: History, batch: Sequence[KnownSubject], sets: Sequence[PolicySet], at: datetime
) -> Iterator[tuple[KnownSubject, Examined, Gathered]]:
    """Yield what was known of subjects at a moment; those that nobody had decided by then are left out."""
    ids = history.decided_before([known.subject for known in batch], at)
    past = history.past(list(ids.values()))
    stored = {subject: past[name].stored for subject, name in ids.items() if name in past}
    for known, before in zip(batch, _from_stored(history, batch, stored, sets), strict=True):
        stands = None if before is not None else stored.get(known.subject)
        examined = before if stands is None else examine(stands.gathered, sets, at, asked=True)
        if examined is not None:
            yield known, examined, examined.gathered


def _from_stored(
    history: History, batch: Sequence[KnownSubject], stored: Mapping[Subject, Stored], sets: Sequence[PolicySet]
) -> list[Examined | None]:
    names = {
        subject: content_names(each.findings, needed(sets, subject.repository)) for subject, each in stored.items()
    }
    contents = history.contents({name for each in names.values() for name in each})
    return [
        None
        if known.subject not in stored
        else examined_before(
            stored[known.subject], sets, {n: contents[n] for n in names[known.subject] if n in contents}
        )
        for known in batch
    ]


# --- bringing into force ----------------------------------------------------------------------------------------------


def activate(  # one procedure, told in its order
    history: History,
    statements: Statements,
    generations: Generations,
    staged: GenerationRow,
    *,
    clock: Clock,
    publishing: Callable[[str], bool],
    more: Complete = lambda _source, stored, _sets: stored,
    database: Vulnerabilities | None = None,
    at_once: bool = False,
) -> int:
    """Decide what a staged generation changes, then move the pointer. Returns how many subjects were decided.

    Only subjects are decided that some policy is about which has not decided them yet: an edit of one policy touches
    nobody else's. They are decided over stored findings; bytes are read again for signers that are new. What was never
    gathered (children of an index, configurations, where nobody asked for them so far) is gathered first, by `more`.
    Verdicts of the staged policies are stored beside the active ones, so that answers switch whole when the pointer
    moves and nobody sees `unknown` in between. Publications follow after the switch.

    Args:
        history: What is known, and where verdicts go.
        statements: What is published.
        generations: Where the pointer stands.
        staged: What comes into force.
        clock: Time of the decisions.
        publishing: Whether statements are published to a source.
        more: Gathers what is missing.
        database: What is matched for needs that are new.
        at_once: The pointer moves first: what changed answers `unknown` until it is decided anew, instead of going on
            under what must not hold any longer (a revoked key, an exception withdrawn).
    """
    policies = PolicySet.from_document(staged.document)
    active = generations.active()
    # The staged set comes first: where only its trust is new, it is under that trust that a policy is decided.
    sets = (policies,) if active is None else (policies, PolicySet.from_document(active.document))
    if at_once:
        generations.activate(staged.number, now=clock.now())
    count = 0
    for batch in _batches(history.subjects()):
        recordings = list(_decided_for(history, batch, staged, sets, clock=clock, more=more, database=database))
        history.record(recordings, now=clock.now())
        count += len(recordings)
    if not at_once:
        generations.activate(staged.number, now=clock.now())
    for batch in _batches(history.subjects()):
        stands = standings(history, statements, [known.subject for known in batch])
        republished = [
            _republish(policies, known, stands[known.subject], staged.number, clock, publishing(known.source))
            for known in batch
        ]
        history.record([recording for recording in republished if recording is not None], now=clock.now())
    return count


def _decided_for(
    history: History,
    batch: Sequence[KnownSubject],
    staged: GenerationRow,
    sets: Sequence[PolicySet],
    *,
    clock: Clock,
    more: Complete,
    database: Vulnerabilities | None,
) -> Iterator[Recording]:
    """Yield what a batch of subjects needs for the first of `sets`; those that need nothing are left out."""
    current = history.current_of([known.subject for known in batch])
    decided_by = {
        subject: {(v.policy_digest, v.trust_epoch) for v in verdicts} for subject, verdicts in current.items()
    }
    touched = [
        known
        for known in batch
        if any(
            (policy.digest, policy.trust_epoch) not in decided_by.get(known.subject, set())
            for policy in sets[0].matching(known.subject.repository)
        )
    ]
    if not touched:
        return
    now = clock.now()
    for known, before, base in _as_stored(history, touched, sets, now, None):
        examined, fresh, fetched = _completed(history, known, before, sets, now, more=more, database=database)
        look = decided(examined, sets, clock, clock.now(), tagged=tagged_by(history))
        done = decided_by.get(known.subject, set())
        yield Recording(
            source=known.source,
            subject=known.subject,
            gathered=examined.gathered if fresh else None,
            based_on=None if fetched else base,
            findings=examined.findings if fresh else None,
            verdicts=tuple(v for v in look.verdicts if (v.policy_digest, v.trust_epoch) not in done),
            anchors=examined.anchors,
            contents=examined.contents if fresh else {},
            packages=examined.packages if fresh else {},
            cause="policy",
            generation=staged.number,
        )


def _completed(
    history: History,
    known: KnownSubject,
    before: Examined,
    sets: Sequence[PolicySet],
    now: datetime,
    *,
    more: Complete,
    database: Vulnerabilities | None,
) -> tuple[Examined, bool, bool]:
    """Return what is known of a subject with what new policies have to know.

    And whether that is more than what is stored, and whether anything was fetched for it.
    """
    repository = known.subject.repository
    needs, platforms = needed(sets, repository), gathers(sets, repository)
    unmatched = Need.MATCHES in needs and database is not None and not _has_matches(before)
    if not (before.gathered.lacks(platforms, needs) or unmatched):
        return before, bool(before.gathered.image.manifest), False  # with bytes: it was verified anew
    stored = history.gathered(known.subject)
    if stored is None:
        return before, False, False
    whole = more(known.source, stored, sets)
    return examine(whole, sets, now, database=database), True, whole is not stored


def _has_matches(examined: Examined) -> bool:
    gathered = examined.gathered
    return any(each.format is Format.MATCHES for each in gathered.everything)


def completing(
    reach: Callable[[str], Registry | None],
    *,
    revocations: Revocations | None,
    clock: Clock,
    scanner: Scanner | None = None,
) -> Complete:
    """Return what looks again at images of which some policy has to know what nobody ever looked at.

    A source that is away is asked once only: a new generation does not wait for it, its images become undecided.
    """
    away: set[str] = set()

    def complete(source: str, stored: Gathered, sets: Sequence[PolicySet]) -> Gathered:
        repository = stored.image.subject.repository
        platforms, needs = gathers(sets, repository), needed(sets, repository)
        registry = reach(source) if stored.lacks(platforms, needs) and source not in away else None
        if registry is None:
            return stored
        try:
            image = registry.fetch(stored.image.subject)
            return gather_for(registry, sets, image, clock=clock, revocations=revocations, scanner=scanner)
        except Unavailable:
            away.add(source)
            return stored
        except (MalformedEvidence, NotFound):
            return stored

    return complete


def _republish(
    policies: PolicySet, known: KnownSubject, stands: Standing, generation: int, clock: Clock, publishing: bool
) -> Recording | None:
    """Return what a new generation changes about a subject's publication; None for nothing."""
    publish, withdraw = publication(policies, known.subject, stands.current, stands.live, publishing, clock)
    if publish is None and not withdraw:
        return None
    return Recording(
        source=known.source,
        subject=known.subject,
        gathered=None,
        findings=None,
        verdicts=(),
        publish=publish,
        withdraw=withdraw,
        cause="policy",
        generation=generation,
    )


# --- replay -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A verdict, derived again from what it rests on. `again` is None where that cannot be had; `why` says it."""

    verdict: Verdict
    again: Verdict | None
    why: str = ""

    @property
    def same(self) -> bool:
        """Say whether it is the same, byte for byte: outcome, rules, reasons, evidence, how long it holds."""
        return self.again is not None and self.again == self.verdict


def replay(history: History, generations: Generations, verdict_ids: Sequence[str]) -> Iterator[Replay]:
    """Derive verdicts again: the findings, contents, policy, tags and time of then. Unknown ids are left out.

    An undecided verdict's next look depends on how often it had been tried, which is not kept: that one time is taken
    from the verdict.
    """
    past = history.past(verdict_ids)
    sets: dict[int, PolicySet | None] = {}
    for name in verdict_ids:
        if name not in past:
            continue
        then = past[name]
        if then.generation not in sets:
            row = generations.numbered(then.generation)
            sets[then.generation] = None if row is None else PolicySet.from_document(row.document)
        yield _replayed(history, then, sets[then.generation])


def _replayed(history: History, then: Past, policies: PolicySet | None) -> Replay:
    verdict, stored = then.verdict, then.stored
    policy = None if policies is None else policies.named(verdict.policy)
    if policy is None or policy.digest != verdict.policy_digest:
        why = f"generation {then.generation} does not hold {verdict.policy}@{verdict.policy_digest}"
        return Replay(verdict=verdict, again=None, why=why)
    contents = history.contents(content_names(stored.findings, policy.needs))
    again = decide(
        policy,
        stored.gathered,
        stored.findings,
        now=verdict.decided_at,
        trust_epoch=verdict.trust_epoch,
        new_id=lambda _: verdict.id,
        contents=contents,
        tags=tags_for(verdict.subject, (policy,), verdict.decided_at, tagged_by(history, past=True)),
    )
    if verdict.outcome is Outcome.UNDECIDED:
        again = replace(again, due_at=verdict.due_at)
    return Replay(verdict=verdict, again=again)


def _batches(items: Iterator[KnownSubject]) -> Iterator[list[KnownSubject]]:
    while batch := list(islice(items, _BATCH)):
        yield batch
