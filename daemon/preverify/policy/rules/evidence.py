"""How a rule about signed evidence concludes: count what is valid, else say what got furthest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from preverify.model.evidence import Unobtained
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.quorum import Quorum


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a rule gets to see of one subject."""

    findings: Sequence[Finding]
    unobtained: Sequence[Unobtained] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a piece of evidence that is well established still does not count for this rule."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A rule, as far as counting is concerned.

    Attributes:
        claim: The kind of evidence that counts.
        missing: Reason where there is no evidence of the kind.
        noun: What people call the kind.
        suits: None where an established finding counts, else why it does not. Signers are checked already.
    """

    rule: str
    counted: bool
    by: Quorum
    claim: Claim
    missing: Reason
    noun: str
    suits: Callable[[Finding], Shortfall | None]


def conclude(demand: Demand, look: Look) -> RuleResult:
    """Return what `look` means for `demand`. One good piece is never spoiled by bad ones beside it."""
    names = demand.by.names
    valid: dict[str, str] = {}
    best_step, best = -1, (demand.missing, f"no {demand.noun} was found", "")
    for finding in look.findings:
        if finding.claim is not demand.claim and finding.claim is not Claim.NONE:
            continue
        step, reason, detail = int(finding.step), finding.reason, finding.detail
        if finding.signer and finding.signer not in names:
            # The signature holds, under a key that this rule does not name: no further than one that does not hold.
            step, reason, detail = (
                Step.PARSED,
                Reason.WRONG_KEY,
                f"signed only by {finding.signer}, not named by this rule",
            )
        elif finding.established and finding.claim is demand.claim and finding.signer:
            short = demand.suits(finding)
            if short is None:
                valid.setdefault(finding.signer, finding.evidence)
                continue
            reason, detail = short.reason, short.detail
        elif reason is Reason.OK:
            # Contradicts itself (ok, but nothing established by anybody): establishes nothing.
            step, reason, detail = Step.OBTAINED, Reason.PAYLOAD_MALFORMED, "a finding without signer says ok"
        if step > best_step:
            best_step, best = step, (reason, detail, finding.evidence)
    if len(valid) >= demand.by.needed:
        who = ", ".join(sorted(names[key] for key in valid))
        return _say(demand, Outcome.PASSED, Reason.OK, f"{demand.noun} by {who}", tuple(valid.values()))
    if look.unobtained:
        first = look.unobtained[0]
        return _say(demand, Outcome.UNDECIDED, first.reason, f"{first.what}: {first.detail}", ())
    if valid:
        who = ", ".join(sorted(names[key] for key in valid))
        short_of = f"{len(valid)} of {demand.by.needed} needed signers: only {who}"
        return _say(demand, Outcome.FAILED, Reason.THRESHOLD_NOT_MET, short_of, tuple(valid.values()))
    if look.truncated:
        unread = f"nothing valid within the limits, and more {demand.noun}s or other evidence were left unread"
        return _say(demand, Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE, unread, ())
    reason, detail, evidence = best
    return _say(demand, Outcome.FAILED, reason, detail, (evidence,) if evidence else ())


def _say(demand: Demand, outcome: Outcome, reason: Reason, detail: str, evidence: tuple[str, ...]) -> RuleResult:
    return RuleResult(
        rule=demand.rule, outcome=outcome, reason=reason, detail=detail, counted=demand.counted, evidence=evidence
    )
