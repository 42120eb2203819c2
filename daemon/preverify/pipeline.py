"""The flow: resolve, gather, verify, decide, record, publish. Each line of it is a room of the house."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import islice
from operator import or_

from preverify.model.anchors import Anchor
from preverify.model.errors import BadInput, MalformedEvidence, NotFound, Unavailable
from preverify.model.evidence import DESCRIBED_CHILD, Format, Gathered, Image, Unobtained
from preverify.model.findings import Finding
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository, Subject
from preverify.model.revocation import Wanted
from preverify.model.trust import Trust
from preverify.model.verdicts import Outcome, RuleResult, Verdict
from preverify.policy.decide import decide
from preverify.policy.documents import PolicySet
from preverify.ports import (
    Clock,
    GenerationRow,
    Generations,
    History,
    KnownSubject,
    Recording,
    Registry,
    Renewal,
    Revocations,
    Statements,
    StoredStatement,
)
from preverify.verify import MAX_ROUNDS, verify, wanted

_BATCH = 200

Complete = Callable[[str, Gathered, Sequence[PolicySet]], Gathered]
"""Returns a stored gathering of a source with what policies have to know, or as it is where that cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at one subject, before anything is stored."""

    gathered: Gathered
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def subject(self) -> Subject:
        """Return what was looked at."""
        return self.gathered.image.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a subject's history says before a look is settled."""

    current: tuple[Verdict, ...]
    live: tuple[StoredStatement, ...]

    def after(self, recording: Recording) -> "Standing":
        """Return what stands once `recording` is stored: two looks of one batch at one subject are one decision."""
        stands = {_key(v): v for v in (*self.current, *recording.verdicts)}
        return replace(self, current=tuple(stands.values()))


def look(
    registry: Registry,
    sets: Sequence[PolicySet],
    image: Image,
    *,
    clock: Clock,
    revocations: Revocations | None = None,
    attempts: int = 0,
) -> Look:
    """Gather, verify and decide one image under every policy of `sets` that matches it.

    Args:
        registry: The source that holds the image.
        sets: The active policy set and, while one is staged, that one too.
        image: The subject, hashed by us.
        clock: Time of the decision.
        revocations: Where CRLs and OCSP responses come from; None: none are fetched, what needs them stays unknown.
        attempts: How often in a row the subject stayed undecided; spaces the retries.
    """
    gathered = registry.gather(image, platforms=_gathers(sets, image.subject.repository))
    if revocations is not None:
        gathered = _with_revocations(gathered, _trusted(sets), revocations, clock)
    return _conclude(gathered, sets, clock, attempts=attempts, asked=revocations is not None)


def verify_reference(
    registry: Registry,
    policies: PolicySet,
    reference: Reference,
    *,
    clock: Clock,
    revocations: Revocations | None = None,
) -> Look:
    """Resolve a reference and look at what it names. With a digest, the tag is only a name."""
    if reference.digest is not None:
        image = registry.fetch(Subject(reference.repository, reference.digest))
    elif reference.tag is not None:
        image = registry.resolve(reference.repository, reference.tag)
    else:
        raise BadInput(f"{reference} names neither tag nor digest")
    return look(registry, (policies,), image, clock=clock, revocations=revocations)


def settle(
    seen: Look,
    standing: Standing,
    active: PolicySet,
    *,
    source: str,
    cause: str,
    generation: int,
    clock: Clock,
    publishing: bool,
    renew_before: timedelta,
    considered: int = 0,
    tags: tuple[str, ...] = (),
) -> Recording:
    """Turn a look into what is to be stored, given what stands already.

    - An undecided look never replaces a passed verdict that still holds: outages do not take answers away.
    - A look that confirms a verdict renews it in place, unless its publication is due: then it is a new decision.
    - The default profile passed: a statement over exactly these verdicts is wanted. Failed: live ones are withdrawn.
    """
    now = clock.now()
    before = {_key(v): v for v in standing.current}
    reissue = any(s.valid_until is not None and s.valid_until - now < renew_before for s in standing.live)
    fresh: list[Verdict] = []
    renewals: list[Renewal] = []
    stands = dict(before)
    for verdict in seen.verdicts:
        prior = before.get(_key(verdict))
        if prior is not None and _still_holds(prior, verdict, clock):
            continue
        if prior is not None and _same(prior, verdict) and not (reissue and verdict.outcome is Outcome.PASSED):
            renewals.append(Renewal(verdict_id=prior.id, valid_until=verdict.valid_until, due_at=verdict.due_at))
            stands[_key(verdict)] = replace(prior, valid_until=verdict.valid_until, due_at=verdict.due_at)
        else:
            fresh.append(verdict)
            stands[_key(verdict)] = verdict
    publish, withdraw = _publication(active, seen.subject, tuple(stands.values()), standing.live, publishing, clock)
    return Recording(
        source=source,
        subject=seen.subject,
        gathered=seen.gathered,
        findings=seen.findings,
        verdicts=tuple(fresh),
        renewals=tuple(renewals),
        tags=tags,
        publish=publish,
        withdraw=withdraw,
        cause=cause,
        generation=generation,
        considered=considered,
    )


def standings(history: History, statements: Statements, subjects: Sequence[Subject]) -> dict[Subject, Standing]:
    """Read what history says of many subjects."""
    current, live = history.current_of(subjects), statements.live_of(subjects)
    return {s: Standing(current=current.get(s, ()), live=live.get(s, ())) for s in subjects}


def decide_anew(history: History, sets: Sequence[PolicySet], subject: Subject, *, clock: Clock) -> Look | None:
    """Decide a known subject under `sets` from stored evidence, without network; None when never gathered."""
    gathered = history.gathered(subject)
    return None if gathered is None else _conclude(gathered, sets, clock, attempts=0)


def activate(  # one procedure, told in its order
    history: History,
    statements: Statements,
    generations: Generations,
    staged: GenerationRow,
    *,
    clock: Clock,
    publishing: Callable[[str], bool],
    more: Complete = lambda _source, stored, _sets: stored,
) -> int:
    """Decide every known subject under a staged generation, then move the pointer. Returns how many were decided.

    What was never gathered (children of an index, where only its own evidence counted so far) is gathered first,
    by `more`. Verdicts of the staged policies are stored beside the active ones, so that answers switch whole when the
    pointer moves and nobody sees `unknown` in between. Publications follow after the switch.
    """
    policies = PolicySet.from_document(staged.document)
    active = generations.active()
    # The staged set comes first: where only its trust is new, it is under that trust that a policy is decided.
    sets = (policies,) if active is None else (policies, PolicySet.from_document(active.document))
    count = 0
    for batch in _batches(history.subjects()):
        recordings = []
        current = history.current_of([known.subject for known in batch])
        for known in batch:
            stored = history.gathered(known.subject)
            if stored is None:
                continue
            gathered = more(known.source, stored, sets)
            seen = _conclude(gathered, sets, clock, attempts=0)
            decided = {(v.policy_digest, v.trust_epoch) for v in current.get(known.subject, ())}
            wanted = tuple(v for v in seen.verdicts if (v.policy_digest, v.trust_epoch) not in decided)
            recordings.append(
                Recording(
                    source=known.source,
                    subject=known.subject,
                    gathered=None if gathered is stored else gathered,
                    findings=seen.findings,
                    verdicts=wanted,
                    cause="policy",
                    generation=staged.number,
                )
            )
        history.record(recordings, now=clock.now())
        count += len(recordings)
    generations.activate(staged.number, now=clock.now())
    for batch in _batches(history.subjects()):
        stands = standings(history, statements, [known.subject for known in batch])
        republished = [
            _republish(policies, known, stands[known.subject], staged.number, clock, publishing(known.source))
            for known in batch
        ]
        history.record([recording for recording in republished if recording is not None], now=clock.now())
    return count


def completing(reach: Callable[[str], Registry | None], *, revocations: Revocations | None, clock: Clock) -> Complete:
    """Return what looks again at images whose children some policy has to know and nobody ever looked at.

    A source that is away is asked once only: a new generation does not wait for it, its images become undecided.
    """
    away: set[str] = set()

    def complete(source: str, stored: Gathered, sets: Sequence[PolicySet]) -> Gathered:
        platforms = _gathers(sets, stored.image.subject.repository)
        registry = reach(source) if stored.lacks(platforms) and source not in away else None
        if registry is None:
            return stored
        try:
            gathered = registry.gather(registry.fetch(stored.image.subject), platforms=platforms)
        except Unavailable:
            away.add(source)
            return stored
        except (MalformedEvidence, NotFound):
            return stored
        return gathered if revocations is None else _with_revocations(gathered, _trusted(sets), revocations, clock)

    return complete


def _republish(
    policies: PolicySet, known: KnownSubject, stands: Standing, generation: int, clock: Clock, publishing: bool
) -> Recording | None:
    """Return what a new generation changes about a subject's publication; None for nothing."""
    publish, withdraw = _publication(policies, known.subject, stands.current, stands.live, publishing, clock)
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


def _publication(
    active: PolicySet,
    subject: Subject,
    stands: Sequence[Verdict],
    live: Sequence[StoredStatement],
    publishing: bool,
    clock: Clock,
) -> tuple[tuple[str, ...] | None, bool]:
    """Say which verdicts are to be published (None: none) and whether live statements are to be withdrawn."""
    now = clock.now()
    profile = active.profile(subject.repository)
    by_policy = {(v.policy_digest, v.trust_epoch): v for v in stands}
    mine = [by_policy.get((policy.digest, policy.trust_epoch)) for policy in profile]
    passed = bool(mine) and all(
        v is not None and v.outcome is Outcome.PASSED and v.valid_until is not None and v.valid_until > now
        for v in mine
    )
    if any(v is not None and v.degraded for v in mine):
        # Passed only because a trust policy logs what it might enforce: no statement of ours says so to others.
        return None, bool(live)
    if passed:
        return (tuple(sorted(v.id for v in mine if v is not None)) if publishing else None), False
    stopped = not mine or any(v is not None and v.outcome is Outcome.FAILED for v in mine)
    return None, bool(live) and stopped


def _with_revocations(
    gathered: Gathered, trusted: tuple[Trust, tuple[Anchor, ...]], revocations: Revocations, clock: Clock
) -> Gathered:
    """Add the revocation data that certificates of anchored chains ask for. What cannot be had is noted as such.

    Children have certificates of their own: each gets what its own evidence asks for.
    """
    trust, anchors = trusted
    now, asked = clock.now(), set[Wanted]()
    evidence, missing = gathered.evidence, list[Unobtained]()
    for _ in range(MAX_ROUNDS):
        needed = wanted(gathered.image, evidence, anchors, trust=trust, now=now, asked=asked)
        if not needed:
            break
        found, away = revocations.fetch(needed)
        asked.update(needed)
        evidence = (*evidence, *found)
        missing += away
    if missing:
        # One of two ways to the same answer may be closed: only what is still unknown keeps a verdict open.
        findings = verify(gathered.image, evidence, anchors, trust=trust, now=now)
        if not any(finding.reason is Reason.REVOCATION_UNKNOWN for finding in findings):
            missing.clear()
    children = tuple(_with_revocations(child, trusted, revocations, clock) for child in gathered.children)
    unobtained = (*gathered.unobtained, *missing)
    return replace(gathered, evidence=evidence, unobtained=unobtained, children=children)


def _trusted(sets: Sequence[PolicySet]) -> tuple[Trust, tuple[Anchor, ...]]:
    """Return the trust and anchors of several sets together; anchors name roots by content, so they never mix."""
    trust, anchors = Trust(), dict[str, Anchor]()
    for policies in sets:
        trust |= policies.trust
        anchors.update((anchor.id, anchor) for anchor in policies.anchors)
    return trust, tuple(anchors.values())


def _gathers(sets: Sequence[PolicySet], repository: Repository) -> Platforms:
    """Return which children of an index some policy of `sets` has to know about."""
    return reduce(or_, (policies.gathers(repository) for policies in sets), THE_INDEX)


def _findings(gathered: Gathered, anchors: Sequence[Anchor], *, trust: Trust, now: datetime) -> Iterator[Finding]:
    """Verify the evidence of a subject, then that of each of its children, which says whom it is about."""
    statements = (e for e in gathered.evidence if e.format is Format.BUILDKIT_STATEMENT)
    described = {e.id: e.annotation(DESCRIBED_CHILD) or "" for e in statements}
    for finding in verify(gathered.image, gathered.evidence, anchors, trust=trust, now=now):
        about = described.get(finding.evidence, "")
        yield replace(finding, about=about) if about else finding
    for child in gathered.children:
        about = str(child.image.subject.digest)
        for finding in verify(child.image, child.evidence, anchors, trust=trust, now=now) if child.held else ():
            yield replace(finding, about=about)


def _conclude(
    gathered: Gathered, sets: Sequence[PolicySet], clock: Clock, *, attempts: int, asked: bool = False
) -> Look:
    """Verify and decide: pure but for the time. Two sets that share an anchor or a policy share its work.

    Where two sets hold one policy under different trust, the first set's counts. `asked`: revocations were asked about
    just now. Otherwise what is unknown of them may only be old, and keeps a verdict open.
    """
    repository = gathered.image.subject.repository
    trust, anchors = _trusted(sets)
    policies = {policy.digest: policy for policies in reversed(sets) for policy in policies.matching(repository)}
    now = clock.now()
    findings = tuple(_findings(gathered, anchors, trust=trust, now=now))
    if not asked and any(finding.reason is Reason.REVOCATION_UNKNOWN for finding in findings):
        old = Unobtained(what="revocation data", reason=Reason.TRUST_UNAVAILABLE, detail="was not asked for again")
        children = tuple(replace(child, unobtained=(*child.unobtained, old)) for child in gathered.children)
        gathered = replace(gathered, unobtained=(*gathered.unobtained, old), children=children)
    verdicts = tuple(
        decide(
            policy,
            gathered,
            findings,
            now=now,
            trust_epoch=policy.trust_epoch,
            new_id=clock.new_id,
            attempts=attempts,
        )
        for policy in policies.values()
    )
    return Look(gathered=gathered, findings=findings, verdicts=verdicts)


def _still_holds(prior: Verdict, verdict: Verdict, clock: Clock) -> bool:
    return (
        verdict.outcome is Outcome.UNDECIDED
        and prior.outcome is Outcome.PASSED
        and prior.valid_until is not None
        and prior.valid_until > clock.now()
    )


def _same(prior: Verdict, verdict: Verdict) -> bool:
    """Say whether the conclusion is the same.

    Which objects it rests on is left out: our own statement changes the manifest that holds other people's layers, and
    with it their ids. Were that a new decision, each publication would cause the next, for ever.
    """
    return prior.outcome is verdict.outcome and _conclusion(prior) == _conclusion(verdict)


def _conclusion(verdict: Verdict) -> tuple[RuleResult, ...]:
    return tuple(replace(result, evidence=()) for result in verdict.rules)


def _key(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.policy, verdict.policy_digest, verdict.trust_epoch


def _batches(items: Iterator[KnownSubject]) -> Iterator[list[KnownSubject]]:
    while batch := list(islice(items, _BATCH)):
        yield batch
