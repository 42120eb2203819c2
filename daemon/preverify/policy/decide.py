"""Findings and time to a verdict. Re-computable: the same input gives the same verdict, byte for byte but its id."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from preverify.model.contents import Content
from preverify.model.evidence import Gathered
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.model.tags import Tags
from preverify.model.verdicts import Mode, Outcome, RuleResult, Verdict
from preverify.policy.exceptions import excused
from preverify.policy.policies import Policy
from preverify.policy.rules import Rule
from preverify.policy.rules.evidence import earliest, reached
from preverify.policy.rules.results import result
from preverify.policy.views import Views

RECHECK_FAILED = timedelta(minutes=15)
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=15)
_NOTHING: Mapping[str, Content] = {}
LONGEST_WAIT = timedelta(hours=1)  # however long a registry asks us to wait


def decide(
    policy: Policy,
    gathered: Gathered,
    findings: Sequence[Finding],
    *,
    now: datetime,
    trust_epoch: str,
    new_id: Callable[[str], str],
    attempts: int = 0,
    contents: Mapping[str, Content] = _NOTHING,
    tags: Tags | None = None,
) -> Verdict:
    """Conclude what `policy` says of the gathered subject.

    Args:
        policy: A policy that matches the subject's repository; the caller has checked that.
        gathered: What was found beside the subject and its children, and what could not be obtained.
        findings: What the evidence establishes, in the order of the evidence; each says which digest it is about.
        now: Time of the decision.
        trust_epoch: Which trust the findings rest on.
        new_id: Makes the verdict's id from a prefix.
        attempts: How often in a row this subject was undecided before; spaces the retries.
        contents: What long documents say, by the digest of their statement.
        tags: What is known of the subject's tags; None where nobody asked.
    """
    views = Views(gathered, findings, now, contents, tags)
    checked = tuple(_checked(policy, rule, views) for rule in policy.rules)
    ends = earliest(r.until for r in checked if r.counted)
    results = tuple(r if r.until is None else replace(r, until=None) for r in checked)
    outcome = _outcome(results)
    if outcome is not Outcome.PASSED:
        results = _furthest_first(results, findings)
    places = (gathered, *gathered.children)
    waits = [u.retry_after for place in places for u in place.unobtained if u.retry_after is not None]
    return Verdict(
        id=new_id("v"),
        subject=gathered.image.subject,
        policy=policy.name,
        policy_digest=policy.digest,
        trust_epoch=trust_epoch,
        outcome=outcome,
        rules=results,
        decided_at=now,
        valid_until=_sooner(now + policy.valid_for, ends) if outcome is Outcome.PASSED else None,
        due_at=_sooner(now + _pause(outcome, policy, attempts, max(waits, default=timedelta(0))), ends),
    )


def _checked(policy: Policy, rule: Rule, views: Views) -> RuleResult:
    """Return what a rule says, under the exceptions of its policy."""
    platforms = policy.platforms_of(rule.name)
    checked = views.check(rule, platforms)
    if policy.exceptions:

        def again(vulnerabilities: frozenset[str]) -> RuleResult:
            return replace(views, excepted=vulnerabilities).check(rule, platforms)

        checked = excused(checked, policy.exceptions, views.gathered, now=views.now, again=again)
    return replace(checked, warns=True) if rule.mode is Mode.WARN else checked


def _sooner(moment: datetime, ends: datetime | None) -> datetime:
    return moment if ends is None else min(moment, ends)


def undecided(
    policy: Policy,
    subject: Subject,
    reason: Reason,
    detail: str,
    *,
    now: datetime,
    trust_epoch: str,
    new_id: Callable[[str], str],
    attempts: int = 0,
    retry_after: timedelta = timedelta(0),
) -> Verdict:
    """Return the verdict on a subject that could not be looked at: unreachable, refused, out of time, our own error."""
    results = tuple(result(rule, Outcome.UNDECIDED, reason, detail) for rule in policy.rules)
    return Verdict(
        id=new_id("v"),
        subject=subject,
        policy=policy.name,
        policy_digest=policy.digest,
        trust_epoch=trust_epoch,
        outcome=Outcome.UNDECIDED,
        rules=results,
        decided_at=now,
        valid_until=None,
        due_at=now + _pause(Outcome.UNDECIDED, policy, attempts, retry_after),
    )


def retry_pause(attempts: int) -> timedelta:
    """Return how long to wait after the given number of undecided attempts: 30 s, doubling to 15 min."""
    return min(FIRST_RETRY * (1 << min(attempts, 10)), LONGEST_RETRY)


def _outcome(results: Sequence[RuleResult]) -> Outcome:
    counted = {r.outcome for r in results if r.counted}
    if Outcome.FAILED in counted:
        return Outcome.FAILED
    # No counted rule at all: loading refuses such policies, and a vacuous truth must not become a pass here either.
    if Outcome.UNDECIDED in counted or not counted:
        return Outcome.UNDECIDED
    return Outcome.PASSED


def _furthest_first(results: Sequence[RuleResult], findings: Sequence[Finding]) -> tuple[RuleResult, ...]:
    """Order results so that the first reason is that of the evidence that got furthest; failed before undecided."""
    steps = reached(findings)
    order = {Outcome.FAILED: 0, Outcome.UNDECIDED: 1, Outcome.PASSED: 2}
    return tuple(
        sorted(results, key=lambda r: (order[r.outcome], -max((steps.get(e, -1) for e in r.evidence), default=-1)))
    )


def _pause(outcome: Outcome, policy: Policy, attempts: int, asked: timedelta) -> timedelta:
    if outcome is Outcome.PASSED:
        return policy.valid_for / 2  # renewal, with half of the validity left for trouble
    if outcome is Outcome.FAILED:
        return RECHECK_FAILED
    return max(retry_pause(attempts), min(asked, LONGEST_WAIT))
