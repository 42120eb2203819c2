"""Verdicts to an answer. This is the hot path: values in, one value out, nothing looked up elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from preverify.model.digest import Digest
from preverify.model.reasons import Reason
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState, Mode, Outcome, PolicyAnswer, Verdict
from preverify.policy.policies import Policy, PolicySet

_NONE = timedelta(0)
_MAX_WARNING = 256
_STATES = {
    "passed": AnswerState.VERIFIED,
    "failed": AnswerState.DENIED,
    "expired": AnswerState.EXPIRED,
}
_WORST_FIRST = {
    AnswerState.DENIED: 0,
    AnswerState.UNKNOWN: 1,
    AnswerState.EXPIRED: 2,
    AnswerState.VERIFIED: 3,
}


def compose(
    policy_set: PolicySet,
    repository: Repository,
    digest: Digest,
    verdicts: Mapping[str, PolicyAnswer],
    *,
    image: str,
    generation: int,
    namespaces: str | None,
    now: datetime,
    expired_grace: timedelta = _NONE,
    no_policy: Literal["deny", "allow"] = "deny",
    stale_since: datetime | None = None,
    max_stale: timedelta | None = None,
) -> Answer:
    """Answer "may this digest of this repository run?" from stored verdicts.

    Args:
        policy_set: The active generation's policies.
        repository: As its source names it; aliases are mapped already.
        digest: What is to run.
        verdicts: By policy name. Those under another policy digest than the current one count as unknown.
        image: The image as the caller named it, given back.
        generation: Number of the active generation.
        namespaces: The namespace at admission; None elsewhere, and then namespace-bound policies do not apply.
        now: Time of the answer.
        expired_grace: How long expired verdicts still admit.
        no_policy: What becomes of images that no policy matches.
        stale_since: Since when the lookup table has not heard from the feed, None while it does.
        max_stale: How long such a table is believed; None: until each verdict's own expiry.
    """
    applying = policy_set.applying(repository, namespaces)
    if not applying:
        return _no_policy(repository, digest, image, generation, no_policy, stale_since)
    parts = tuple(_part(policy, verdicts.get(policy.name), now) for policy in applying)
    enforcing = tuple(p for p in parts if p.mode is Mode.ENFORCE)
    enforced = bool(enforcing)
    considered = enforcing or parts
    deciding = min(considered, key=_rank)
    state = _STATES.get(deciding.verdict, AnswerState.UNKNOWN)
    valid_until = None
    if state is AnswerState.VERIFIED or state is AnswerState.EXPIRED:
        valid_until = min((p.valid_until for p in considered if p.valid_until is not None), default=None)
    reason, detail = _reason(deciding)
    warnings = _warnings(parts, enforced=enforced)
    too_stale = max_stale is not None and stale_since is not None and now - stale_since > max_stale
    if too_stale and state is not AnswerState.DENIED:
        state, reason, valid_until = AnswerState.UNKNOWN, "", None
        detail = f"the lookup table has heard nothing since {stale_since.isoformat() if stale_since else 'ever'}"
    in_grace = state is AnswerState.EXPIRED and valid_until is not None and now < valid_until + expired_grace
    if in_grace and enforced:
        warnings = (*warnings, "verdict expired, admitted within the configured grace")
    return Answer(
        state=state,
        admit=state is AnswerState.VERIFIED or not enforced or in_grace,
        enforced=enforced,
        generation=generation,
        image=image,
        digest=str(digest),
        valid_until=valid_until,
        stale_since=stale_since,
        policies=parts,
        reason=reason,
        detail=detail,
        warnings=warnings,
    )


def policy_answer(policy_set: PolicySet, verdict: Verdict) -> PolicyAnswer:
    """Return a verdict as a part of an answer, with the mode that its policy has in `policy_set` (else: enforcing)."""
    policy = policy_set.named(verdict.policy)
    return part_of(verdict, Mode.ENFORCE if policy is None else policy.mode)


def part_of(verdict: Verdict, mode: Mode) -> PolicyAnswer:
    """Return a verdict as a part of an answer."""
    return PolicyAnswer(
        policy=verdict.policy,
        policy_digest=verdict.policy_digest,
        mode=mode,
        verdict=verdict.outcome.value,
        verdict_id=verdict.id,
        decided_at=verdict.decided_at,
        valid_until=verdict.valid_until,
        reasons=tuple((r.rule, r.reason.value, r.detail) for r in verdict.reasons),
        warnings=tuple(_remarks(verdict)),
    )


def _remarks(verdict: Verdict) -> Iterator[str]:
    """Yield what callers are told beside the verdict: exceptions that were needed, warn rules that do not hold."""
    for result in verdict.rules:
        if result.excepted and result.counted:
            yield f"rule {result.rule}: {result.detail}"[:_MAX_WARNING]
        elif result.warns and result.outcome is not Outcome.PASSED:
            yield f"rule {result.rule} (warn): {result.reason.value}: {result.detail}"[:_MAX_WARNING]


def worst(answers: Sequence[Answer], *, considered: int, digest: str = "", generation: int = 0) -> Answer:
    """Combine the answers of every repository that holds a digest, for callers who name none.

    Verified only where all are; without any, unknown. Admits only where each one would.
    """
    if not answers:
        return Answer(
            state=AnswerState.UNKNOWN,
            admit=False,
            enforced=True,
            generation=generation,
            image="",
            digest=digest,
            detail="no repository with this digest is known",
            considered=considered,
        )
    chosen = min(answers, key=lambda a: (_WORST_FIRST[a.state], a.admit))
    return replace(
        chosen,
        admit=all(a.admit for a in answers),
        enforced=any(a.enforced for a in answers),
        considered=considered,
        valid_until=min((a.valid_until for a in answers if a.valid_until is not None), default=None)
        if chosen.state in (AnswerState.VERIFIED, AnswerState.EXPIRED)
        else None,
        warnings=tuple(dict.fromkeys(w for a in answers for w in a.warnings)),
    )


def _part(policy: Policy, stored: PolicyAnswer | None, now: datetime) -> PolicyAnswer:
    """Return a policy's part of the answer: a verdict under another digest is none, a passed one has its time."""
    if stored is None or stored.policy_digest != policy.digest:
        return PolicyAnswer(
            policy=policy.name,
            policy_digest=policy.digest,
            mode=policy.mode,
            verdict="unknown",
            verdict_id="",
            decided_at=None,
            valid_until=None,
            reasons=(),
        )
    verdict = stored.verdict
    if verdict == "passed" and (stored.valid_until is None or stored.valid_until <= now):
        verdict = "expired"
    if verdict == stored.verdict and stored.mode is policy.mode and stored.policy == policy.name:
        return stored
    return replace(stored, policy=policy.name, verdict=verdict, mode=policy.mode)


def _rank(part: PolicyAnswer) -> int:
    return _WORST_FIRST[_STATES.get(part.verdict, AnswerState.UNKNOWN)]


def _reason(part: PolicyAnswer) -> tuple[str, str]:
    if part.reasons:
        _, code, detail = part.reasons[0]
        if part.verdict != "expired":
            return code, f"{part.policy}: {detail}"
    if part.verdict == "passed":
        return Reason.OK.value, ""
    if part.verdict == "expired":
        until = part.valid_until.isoformat() if part.valid_until is not None else "an unknown time"
        return "", f"{part.policy}: passed, valid until {until}"
    if part.verdict == "unknown":
        return "", f"{part.policy}: not verified yet"
    return "", f"{part.policy}: {part.verdict}"


def _warnings(parts: Sequence[PolicyAnswer], *, enforced: bool) -> tuple[str, ...]:
    """Warn of every policy in `warn` mode that has not passed; where nothing is enforced, of those in `audit` too.

    What policies that are not silent remark on single rules is told as well.
    """
    texts: list[str] = []
    for part in parts:
        if part.mode is Mode.AUDIT and enforced:
            continue
        if part.mode is not Mode.ENFORCE and part.verdict != "passed":
            code, detail = _reason(part)
            texts.append(f"policy {part.policy} ({part.mode.value}): {code or part.verdict}: {detail}"[:_MAX_WARNING])
        texts += [f"policy {part.policy}, {remark}"[:_MAX_WARNING] for remark in part.warnings]
    return tuple(texts)


def _no_policy(
    repository: Repository,
    digest: Digest,
    image: str,
    generation: int,
    no_policy: Literal["deny", "allow"],
    stale_since: datetime | None,
) -> Answer:
    detail = f"no policy matches {repository}"
    allowed = no_policy == "allow"
    return Answer(
        state=AnswerState.DENIED,
        admit=allowed,
        enforced=not allowed,
        generation=generation,
        image=image,
        digest=str(digest),
        stale_since=stale_since,
        reason=Reason.NO_POLICY.value,
        detail=detail,
        warnings=(f"{detail}; admitted by configuration",) if allowed else (),
    )
