"""How a rule about signed evidence concludes: count what is valid, else say what got furthest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from preverify.model.contents import Content
from preverify.model.evidence import Gathered, Unobtained
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.model.tags import Tags
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.quorum import Quorum, Signer, matched
from preverify.policy.rules.results import Named, result, undecided
from preverify.policy.shortfall import Shortfall

__all__ = ["Demand", "Look", "Shortfall", "conclude"]

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a rule gets to see of one subject, or of one platform's manifest of it.

    Attributes:
        findings: About exactly that.
        unobtained: What could not be obtained.
        truncated: A count limit left evidence unread.
        now: Time of the decision.
        subject: What is decided about; None in tests of rules that do not care.
        gathered: The subject's manifest and configuration; None in tests of rules that do not care.
        contents: What long documents say, by the digest of their statement (`Finding.statement`). What is missing here
            could not be read.
        tags: What is known of the deployed image's tags; None where nobody asked.
        excepted: Names of vulnerabilities that are excepted for this image now: rules about vulnerabilities pass over
            them as if they were not there.
    """

    findings: Sequence[Finding]
    unobtained: Sequence[Unobtained] = ()
    truncated: bool = False
    now: datetime = _LONG_AGO
    subject: Subject | None = None
    gathered: Gathered | None = None
    contents: Mapping[str, Content] = field(default_factory=dict)
    tags: Tags | None = None
    excepted: frozenset[str] = frozenset()

    @property
    def unscanned(self) -> tuple[Unobtained, ...]:
        """Return what scanning or matching could not be done."""
        return () if self.gathered is None else self.gathered.unscanned


def _never(finding: Finding) -> datetime | None:
    del finding
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A rule, as far as counting is concerned.

    Attributes:
        rule: Whose results they are.
        claim: The kind of evidence that counts.
        missing: Reason where there is no evidence of the kind.
        noun: What people call the kind.
        suits: None where an established finding counts, else why it does not. Signers are checked already.
        until: Until when a finding that counts goes on to count; None for always. Signers are considered already.
    """

    rule: Named
    by: Quorum
    claim: Claim
    missing: Reason
    noun: str
    suits: Callable[[Finding], Shortfall | None]
    until: Callable[[Finding], datetime | None] = field(default=_never)


def conclude(demand: Demand, look: Look) -> RuleResult:
    """Return what `look` means for `demand`. One good piece is never spoiled by bad ones beside it."""
    valid: dict[str, _Valid] = {}
    best: _Failure | None = None
    for finding in look.findings:
        if finding.claim is not demand.claim and finding.claim is not Claim.NONE:
            continue
        if finding.anchor and not demand.by.concerns(finding):
            if best is None or best.step < Step.PARSED:
                best = _foreign(demand, finding)
            continue
        seen = _judge(demand, finding, look.now)
        if isinstance(seen, _Failure):
            if best is None or seen.step > best.step:
                best = seen
        else:
            before = valid.get(finding.signer)
            valid[finding.signer] = seen if before is None else before.with_(seen)
    passed = _passed(demand, look, [each for each in valid.values() if not each.degraded])
    passed = passed or _passed(demand, look, list(valid.values()), skipped=True)
    if passed is not None:
        return passed
    return _not_passed(demand, look, valid, best)


def _passed(demand: Demand, look: Look, valid: Sequence["_Valid"], *, skipped: bool = False) -> RuleResult | None:
    """Return the result where enough distinct signers stand for it, each by an authority of its own."""
    if not valid and not skipped:
        return None
    valid = _by_key(valid)
    if len(valid) == demand.by.needed == 1 and not skipped:
        return _counts(demand, valid, valid[0].signers[:1], ())
    claims = {each.authority: each.signers for each in valid}
    if skipped and look.subject is not None:
        # A trust policy of level `skip` says of itself that it verifies nothing: it counts, and says so.
        claims |= {f"skip:{s.name}": (s.name,) for s in demand.by.skipping(str(look.subject.repository))}
    if len(claims) < demand.by.needed:
        return None
    taken = matched(tuple(claims.items()))
    if len(taken) < demand.by.needed:
        return None
    silent = sorted(name for name, authority in taken.items() if authority.startswith("skip:"))
    return _counts(demand, [each for each in valid if each.authority in taken.values()], sorted(taken), silent)


def _counts(demand: Demand, used: Sequence["_Valid"], names: Sequence[str], silent: Sequence[str]) -> RuleResult:
    """Return the result that rests on `used`, which stand for the signers `names`; `silent` verify nothing here."""
    notes = [note for each in used for note in each.degraded]
    notes += [f"the trust policy of {name} skips verification here" for name in silent]
    detail = f"{demand.noun} by {', '.join(names)}"
    if notes:
        detail += f"; only logged: {'; '.join(dict.fromkeys(notes))[:300]}"
    return result(
        demand.rule,
        Outcome.PASSED,
        Reason.OK,
        detail,
        evidence=tuple(each.evidence for each in used),
        degraded=bool(notes),
        until=earliest(each.until for each in used),
    )


def _not_passed(demand: Demand, look: Look, valid: Mapping[str, "_Valid"], best: "_Failure | None") -> RuleResult:
    if look.unobtained:
        return undecided(demand.rule, look.unobtained[0])
    if valid:
        names = sorted({"/".join(each.signers) for each in _by_key(tuple(valid.values()))})
        detail = f"{len(names)} of {demand.by.needed} needed signers: only {', '.join(names)}"
        evidence = tuple(each.evidence for each in valid.values())
        return result(demand.rule, Outcome.FAILED, Reason.THRESHOLD_NOT_MET, detail, evidence=evidence)
    if look.truncated:
        detail = f"no valid {demand.noun} among the evidence that limits allow to be read, and there is more"
        return result(demand.rule, Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE, detail)
    if best is None:
        return result(demand.rule, Outcome.FAILED, demand.missing, f"no {demand.noun} was found")
    return result(demand.rule, Outcome.FAILED, best.reason, best.detail, evidence=(best.evidence,))


class _Failure(NamedTuple):
    """Why one piece of evidence does not count, and how far it got. A tuple: one is made for each bad finding."""

    step: Step
    reason: Reason
    detail: str
    evidence: str


class _Valid(NamedTuple):
    """A finding that counts: whose it is, which signers it may stand for, until when."""

    authority: str
    signers: tuple[str, ...]
    evidence: str
    until: datetime | None
    degraded: tuple[str, ...]
    keys: frozenset[str]

    def with_(self, other: "_Valid") -> "_Valid":
        """Return what both say of one authority: the better piece, and all signers that either may stand for."""
        signers = tuple(sorted({*self.signers, *other.signers}))
        return max(self, other, key=lambda each: (not each.degraded, _end(each.until)))._replace(
            signers=signers, keys=self.keys | other.keys
        )


def _by_key(valid: Sequence[_Valid]) -> list[_Valid]:
    """Return each private key's holder once: who signs by a bare key and by a certificate for it is one."""
    if len(valid) < 2:
        return list(valid)
    holders: list[_Valid] = []
    for each in valid:
        holder = each
        for other in [known for known in holders if known.keys & each.keys]:
            holders.remove(other)
            holder = other.with_(holder)
        holders.append(holder)
    return holders


def _end(until: datetime | None) -> float:
    return float("inf") if until is None else until.timestamp()


def _foreign(demand: Demand, finding: Finding) -> _Failure:
    """Say why a finding does not count that holds, or fails, under an anchor that the rule does not name.

    It got no further than one that does not hold.
    """
    who = finding.signing.identity[:120] if finding.signing is not None else finding.signer[:20]
    seen = f"signed by {who or finding.anchor[:20]}…" if finding.signer else "signed otherwise"
    detail = f"{seen}, which this rule does not name; expected {demand.by.people}"
    return _Failure(Step.PARSED, Reason.WRONG_KEY, detail, finding.evidence)


def _judge(demand: Demand, finding: Finding, now: datetime) -> "_Failure | _Valid":
    """Say what one finding under an anchor that `demand` names, or under none, is to it."""
    if finding.reason is not Reason.OK:
        return _Failure(finding.step, finding.reason, finding.detail, finding.evidence)
    if not finding.established or not finding.signer or finding.claim is not demand.claim:
        # It says ok and yet that nobody established anything: it contradicts itself.
        return _Failure(Step.OBTAINED, Reason.SIGNATURE_INVALID, "says ok, but establishes nothing", finding.evidence)
    ends = finding.signing.until if finding.signing is not None else None
    if ends is not None and ends <= now:
        detail = f"held until {ends.isoformat()} and is over; it has to be looked at again"
        return _Failure(Step.SIGNED, Reason.SIGNATURE_EXPIRED, detail, finding.evidence)
    signers, nearest = demand.by.claimants(finding, now)
    short = (nearest if not signers else None) or demand.suits(finding)
    if short is not None:
        return _Failure(min(short.step, finding.step), short.reason, short.detail, finding.evidence)
    ends_too = [demand.until(finding), *[signer.identity.until(finding) for signer in signers]]
    return _Valid(
        finding.signer,
        tuple(signer.name for signer in signers),
        finding.evidence,
        earliest((ends, *ends_too)),
        finding.signing.degraded if finding.signing is not None else (),
        frozenset({(finding.signing.key if finding.signing is not None else "") or finding.signer}),
    )


class Standing(NamedTuple):
    """A finding that holds now by somebody who counts, and until when it certainly does (None: for good)."""

    finding: Finding
    signers: tuple[Signer, ...]
    until: datetime | None


def standing(finding: Finding, by: Quorum, claim: Claim, now: datetime) -> Standing | None:
    """Return what a finding of a kind is by itself, however many are needed; None where it is by none of them now."""
    if finding.claim is not claim or not finding.established or not finding.signer:
        return None
    ends = finding.signing.until if finding.signing is not None else None
    if ends is not None and ends <= now:
        return None
    signers, _ = by.claimants(finding, now)
    if not signers:
        return None
    return Standing(finding, signers, earliest((ends, *(signer.identity.until(finding) for signer in signers))))


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the first of some ends; None stands for never."""
    known = [each for each in moments if each is not None]
    return min(known) if known else None


def reached(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how far each piece of evidence got, by its id: the furthest step that any finding about it has."""
    steps: dict[str, int] = {}
    for finding in findings:
        steps[finding.evidence] = max(steps.get(finding.evidence, -1), int(finding.step))
    return steps
