"""Verdicts and answers: what a policy concluded, what a caller gets."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from preverify.model.reasons import Reason
from preverify.model.reference import Subject


class Outcome(StrEnum):
    """What a rule or a policy concluded about one subject."""

    PASSED = "passed"
    FAILED = "failed"  # evidence was read and does not satisfy the rule
    UNDECIDED = "undecided"  # evidence could not be obtained; a retry may change this


class Mode(StrEnum):
    """What a policy's verdict does to an answer. It never changes the verdict."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"


class AnswerState(StrEnum):
    """What a caller gets."""

    VERIFIED = "verified"
    DENIED = "denied"
    UNKNOWN = "unknown"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One row of a verdict; `reason` is what an operator searches for.

    `counted` is False for audit rules: evaluated, reported and left out of the verdict.
    `evidence` lists the ids of the evidence that the outcome rests on. `degraded`: passed although something failed
    that its trust policy only logs; nothing is published on it. `until`: passed, but time alone ends it then (None:
    never); it is part of the verdict's `valid_until`, and not kept here. `excepted`: passed only because of these
    exceptions. `warns`: a rule in warn mode, which answers tell where it does not hold.
    """

    rule: str
    outcome: Outcome
    reason: Reason
    detail: str
    counted: bool = True
    evidence: tuple[str, ...] = ()
    degraded: bool = False
    until: datetime | None = None
    excepted: tuple[str, ...] = ()
    warns: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A policy's conclusion on one subject under one policy digest and trust epoch. Append-only.

    Attributes:
        id: `v_` and a sortable unique text; empty until recorded.
        valid_until: Until when a passed verdict holds; None unless passed.
        due_at: The earliest moment at which time alone can change it (expiry, retry of undecided); None for never.
    """

    id: str
    subject: Subject
    policy: str
    policy_digest: str
    trust_epoch: str
    outcome: Outcome
    rules: tuple[RuleResult, ...]
    decided_at: datetime
    valid_until: datetime | None
    due_at: datetime | None

    @property
    def degraded(self) -> bool:
        """Say whether the verdict passed on something that its trust policy only logs: no reason to publish it."""
        return any(r.degraded for r in self.rules if r.counted)

    @property
    def excepted(self) -> tuple[str, ...]:
        """Return the names of the exceptions that the verdict rests on, sorted."""
        return tuple(sorted({name for r in self.rules if r.counted for name in r.excepted}))

    @property
    def reasons(self) -> tuple[RuleResult, ...]:
        """Return the counted results that keep this verdict from passing, worst evidence first; all where passed."""
        counted = tuple(r for r in self.rules if r.counted)
        return (
            counted if self.outcome is Outcome.PASSED else tuple(r for r in counted if r.outcome is not Outcome.PASSED)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """One policy's part of an answer."""

    policy: str
    policy_digest: str
    mode: Mode
    verdict: str  # passed, failed, undecided, expired or unknown
    verdict_id: str
    decided_at: datetime | None
    valid_until: datetime | None
    reasons: tuple[tuple[str, str, str], ...]  # (rule, reason code, detail)
    warnings: tuple[str, ...] = ()  # rules in warn mode that do not hold, and exceptions that were needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to "may this digest run?". Only `state` VERIFIED or `enforced` False admits by itself."""

    state: AnswerState
    admit: bool
    enforced: bool
    generation: int
    image: str
    digest: str
    valid_until: datetime | None = None
    stale_since: datetime | None = None
    policies: tuple[PolicyAnswer, ...] = ()
    reason: str = ""  # `no-policy`, or the first reason code of the deciding policy
    detail: str = ""
    via: str = ""  # digest of the index through which a child without a verdict of its own is answered
    considered: int = 1  # repositories that were considered where the caller named none
    warnings: tuple[str, ...] = ()
