"""The flow: resolve, gather, verify, decide, record, publish. Each line of it is a room of the house."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from preverify.concluding import Look, Tagged, conclude, gathers, needed, trusted, with_revocations
from preverify.model.errors import BadInput
from preverify.model.evidence import Evidence, Gathered, Image, Unobtained
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Subject
from preverify.model.verdicts import Outcome, RuleResult, Verdict
from preverify.policy.policies import PolicySet
from preverify.ports import (
    Clock,
    History,
    Recording,
    Registry,
    Renewal,
    Revocations,
    Scanner,
    Statements,
    StoredStatement,
    Vulnerabilities,
)

__all__ = ["Look", "Standing", "gather_for", "look", "publication", "settle", "standings", "verify_reference"]


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
    scanner: Scanner | None = None,
    database: Vulnerabilities | None = None,
    tagged: Tagged | None = None,
    attempts: int = 0,
) -> Look:
    """Gather, verify and decide one image under every policy of `sets` that matches it.

    Args:
        registry: The source that holds the image.
        sets: The active policy set and, while one is staged, that one too.
        image: The subject, hashed by us.
        clock: Time of the decision.
        revocations: Where CRLs and OCSP responses come from; None: none are fetched, what needs them stays unknown.
        scanner: What makes bills of materials where a policy asks for them.
        database: What bills of materials and scans are matched with.
        tagged: What is known of tags.
        attempts: How often in a row the subject stayed undecided; spaces the retries.
    """
    return conclude(
        gather_for(registry, sets, image, clock=clock, revocations=revocations, scanner=scanner),
        sets,
        clock,
        attempts=attempts,
        asked=revocations is not None,
        database=database,
        tagged=tagged,
    )


def gather_for(
    registry: Registry,
    sets: Sequence[PolicySet],
    image: Image,
    *,
    clock: Clock,
    revocations: Revocations | None,
    scanner: Scanner | None,
) -> Gathered:
    """Gather all that some policy of `sets` has to know: evidence, revocations, and what we see ourselves."""
    repository = image.subject.repository
    needs = needed(sets, repository)
    gathered = registry.gather(image, platforms=gathers(sets, repository), needs=needs)
    if revocations is not None:
        gathered = with_revocations(gathered, trusted(sets), revocations, clock)
    return _scanned(gathered, registry, scanner) if Need.SCANNER in needs else gathered


def _scanned(gathered: Gathered, registry: Registry, scanner: Scanner | None) -> Gathered:
    """Put a bill of materials made here beside each manifest that could be run."""
    children = tuple(_scanned(child, registry, scanner) for child in gathered.children)
    gathered = replace(gathered, children=children)
    if gathered.image.is_index or not gathered.held:
        return gathered
    found: Evidence | Unobtained
    if scanner is None:
        detail = "no scanner is configured; set `vulnerabilities.scanner` in the configuration"
        found = Unobtained(what="scanner", reason=Reason.SCAN_MISSING, detail=detail)
    else:
        found = scanner.sbom(registry, gathered.image)
    if isinstance(found, Unobtained):
        return replace(gathered, unscanned=(*gathered.unscanned, found))
    return replace(gathered, evidence=(*gathered.evidence, found))


def verify_reference(
    registry: Registry,
    policies: PolicySet,
    reference: Reference,
    *,
    clock: Clock,
    revocations: Revocations | None = None,
    scanner: Scanner | None = None,
    database: Vulnerabilities | None = None,
    tagged: Tagged | None = None,
) -> Look:
    """Resolve a reference and look at what it names. With a digest, the tag is only a name."""
    if reference.digest is not None:
        image = registry.fetch(Subject(reference.repository, reference.digest))
    elif reference.tag is not None:
        image = registry.resolve(reference.repository, reference.tag)
    else:
        raise BadInput(f"{reference} names neither tag nor digest")
    return look(
        registry,
        (policies,),
        image,
        clock=clock,
        revocations=revocations,
        scanner=scanner,
        database=database,
        tagged=tagged,
    )


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
    # A statement that ends with an exception cannot hold for longer: no other one is better.
    last = {end for v in seen.verdicts if (p := active.named(v.policy)) for end in p.exceptions_ending(v.excepted)}
    ends = {s.valid_until for s in standing.live if s.valid_until is not None} - last
    reissue = any(end - now < renew_before for end in ends)
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
    publish, withdraw = publication(active, seen.subject, tuple(stands.values()), standing.live, publishing, clock)
    return Recording(
        source=source,
        subject=seen.subject,
        gathered=seen.gathered,
        findings=seen.findings,
        verdicts=tuple(fresh),
        anchors=seen.anchors,
        contents=seen.contents,
        packages=seen.packages,
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


def publication(
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
