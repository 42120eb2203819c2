"""What a change of policies would do to images that we know: both sets decided over the same evidence. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache

from preverify.model.contents import Content
from preverify.model.evidence import Gathered
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.tags import Tags
from preverify.model.verdicts import Answer, AnswerState, PolicyAnswer
from preverify.policy.answers import compose, part_of
from preverify.policy.decide import decide
from preverify.policy.policies import PolicySet

_SAMPLE = "x"
_Keys = Mapping[int, tuple[str, str]]
"""Of each policy object of both sets (they live as long as the comparison): its digest and trust epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A subject as last gathered, with the findings of every signer that either set names."""

    gathered: Gathered
    findings: tuple[Finding, ...]
    contents: Mapping[str, Content] = field(default_factory=dict)
    tags: Tags | None = None


class Effect(StrEnum):
    """What a change does to one answer."""

    NEWLY_DENIED = "newly-denied"  # was admitted and no longer would be
    NEWLY_ALLOWED = "newly-allowed"  # the other way round
    CHANGED = "changed"  # another answer, the same admission
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One answer before and after.

    `namespace` is the namespace glob of a namespace-bound policy, or empty for everywhere else.
    """

    subject: Subject
    namespace: str
    effect: Effect
    before: AnswerState
    after: AnswerState
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All differences, and how many answers stay.

    Attributes:
        considered: Subjects looked at.
        unchanged: Answers that stay as they are.
        undecided: Answers that would be `unknown`, because something could not be obtained when last gathered.
    """

    considered: int
    unchanged: int
    undecided: int
    differences: tuple[Difference, ...]

    def having(self, effect: Effect) -> tuple[Difference, ...]:
        """Return the differences with one effect."""
        return tuple(d for d in self.differences if d.effect is effect)


def compare(old: PolicySet, new: PolicySet, subjects: Iterable[Known], *, now: datetime) -> Report:
    """Decide every subject under both sets as if it were looked at now, and compare what callers would get."""
    considered = unchanged = undecided = 0
    differences: list[Difference] = []
    keys = {id(policy): (policy.digest, policy.trust_epoch) for each in (old, new) for policy in each.policies}
    bound = cache(lambda repository: _namespaces((old, new), repository))
    for known in subjects:
        considered += 1
        subject = known.gathered.image.subject
        parts = _parts((old, new), known, keys, now)
        for namespace in bound(subject.repository):
            before = _answer(old, subject, parts, keys, namespace, now)
            after = _answer(new, subject, parts, keys, namespace, now)
            effect = _effect(before, after)
            undecided += after.state is AnswerState.UNKNOWN
            if effect is Effect.UNCHANGED:
                unchanged += 1
                continue
            differences.append(
                Difference(
                    subject=subject,
                    namespace=namespace,
                    effect=effect,
                    before=before.state,
                    after=after.state,
                    reason=after.reason,
                    detail=after.detail,
                )
            )
    return Report(considered=considered, unchanged=unchanged, undecided=undecided, differences=tuple(differences))


def _parts(
    sets: Sequence[PolicySet], known: Known, keys: _Keys, now: datetime
) -> Mapping[tuple[str, str], PolicyAnswer]:
    """Decide once under each policy digest and trust epoch: what both sets share needs no second look."""
    repository = known.gathered.image.subject.repository
    policies = {keys[id(policy)]: policy for policy_set in sets for policy in policy_set.matching(repository)}
    return {
        key: part_of(
            decide(
                policy,
                known.gathered,
                known.findings,
                now=now,
                trust_epoch="",
                new_id=lambda _: "",
                contents=known.contents,
                tags=known.tags,
            ),
            policy.mode,
        )
        for key, policy in policies.items()
    }


def _namespaces(sets: Sequence[PolicySet], repository: Repository) -> tuple[str, ...]:
    bound = {glob for policy_set in sets for policy in policy_set.matching(repository) for glob in policy.namespaces}
    return ("", *sorted(bound))


def _answer(
    policy_set: PolicySet,
    subject: Subject,
    parts: Mapping[tuple[str, str], PolicyAnswer],
    keys: _Keys,
    namespace: str,
    now: datetime,
) -> Answer:
    # A namespace that the glob matches stands for all of them.
    concrete = namespace.replace("*", _SAMPLE) if namespace else None
    verdicts = {p.name: parts[keys[id(p)]] for p in policy_set.matching(subject.repository)}
    return compose(
        policy_set,
        subject.repository,
        subject.digest,
        verdicts,
        image=str(subject.repository),
        generation=0,
        namespaces=concrete,
        now=now,
    )


def _effect(before: Answer, after: Answer) -> Effect:
    if before.admit and not after.admit:
        return Effect.NEWLY_DENIED
    if after.admit and not before.admit:
        return Effect.NEWLY_ALLOWED
    if (before.state, before.enforced) != (after.state, after.enforced):
        return Effect.CHANGED
    return Effect.UNCHANGED
