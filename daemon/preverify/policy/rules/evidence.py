"""How a rule about signed evidence concludes: count what is valid, else say what got furthest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
    valid: dict[str, str] = {}
    best: _Failure | None = None
    for finding in look.findings:
        if finding.claim is not demand.claim and finding.claim is not Claim.NONE:
            continue
        failure = _failure(demand, finding)
        if failure is None:
            valid.setdefault(finding.signer, finding.evidence)
        elif best is None or failure.step > best.step:
            best = failure
    if len(valid) >= demand.by.needed:
        detail = f"{demand.noun} by {_who(demand, valid)}"
        return _say(demand, Outcome.PASSED, Reason.OK, detail, tuple(valid.values()))
    if look.unobtained:
        first = look.unobtained[0]
        return _say(demand, Outcome.UNDECIDED, first.reason, f"{first.what}: {first.detail}", ())
    if valid:
        detail = f"{len(valid)} of {demand.by.needed} needed signers: only {_who(demand, valid)}"
        return _say(demand, Outcome.FAILED, Reason.THRESHOLD_NOT_MET, detail, tuple(valid.values()))
    if look.truncated:
        detail = f"no valid {demand.noun} among the evidence that limits allow to be read, and there is more"
        return _say(demand, Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE, detail, ())
    if best is None:
        return _say(demand, Outcome.FAILED, demand.missing, f"no {demand.noun} was found", ())
    return _say(demand, Outcome.FAILED, best.reason, best.detail, (best.evidence,))


class _Failure(NamedTuple):
    """Why one piece of evidence does not count, and how far it got. A tuple: one is made for each bad finding."""

    step: Step
    reason: Reason
    detail: str
    evidence: str


def _failure(demand: Demand, finding: Finding) -> _Failure | None:
    """Return None where `finding` counts for `demand`."""
    if finding.signer and finding.signer not in demand.by.names:
        # It holds, under a key that this rule does not name: no further than a signature that does not hold.
        detail = f"signed by {finding.signer[:20]}…, which this rule does not name; expected {demand.by.people}"
        return _Failure(Step.PARSED, Reason.WRONG_KEY, detail, finding.evidence)
    if finding.reason is not Reason.OK:
        return _Failure(finding.step, finding.reason, finding.detail, finding.evidence)
    if not finding.established or not finding.signer or finding.claim is not demand.claim:
        # It says ok and yet that nobody established anything: it contradicts itself.
        return _Failure(Step.OBTAINED, Reason.SIGNATURE_INVALID, "says ok, but establishes nothing", finding.evidence)
    short = demand.suits(finding)
    return None if short is None else _Failure(finding.step, short.reason, short.detail, finding.evidence)


def _who(demand: Demand, valid: Mapping[str, str]) -> str:
    return ", ".join(sorted(demand.by.names[signer] for signer in valid))


def _say(demand: Demand, outcome: Outcome, reason: Reason, detail: str, evidence: tuple[str, ...]) -> RuleResult:
    return RuleResult(
        rule=demand.rule, outcome=outcome, reason=reason, detail=detail, counted=demand.counted, evidence=evidence
    )
