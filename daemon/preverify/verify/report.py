"""How a format module says what it concluded about one piece of evidence."""

from collections.abc import Iterable
from dataclasses import dataclass

from preverify.model.evidence import Evidence
from preverify.model.findings import Claim, Finding, Signing, Step
from preverify.model.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Who signed, as far as that is established under one anchor.

    `signing` is None where a bare key says it all.
    """

    signer: str
    signing: Signing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known so far of one piece of evidence; turned into findings at the end.

    `claim`, `predicate_type` and `statement` describe what the evidence says of itself. They are only believed in
    findings that a signature covers.
    """

    evidence: Evidence
    claim: Claim
    predicate_type: str = ""
    statement: str = ""

    def about(self, claim: Claim, *, predicate_type: str = "", statement: str = "") -> "Report":
        """Return this report with what has been read."""
        return Report(evidence=self.evidence, claim=claim, predicate_type=predicate_type, statement=statement)

    def failed(self, step: Step, reason: Reason, detail: str, *, by: Signed | None = None) -> tuple[Finding, ...]:
        """Return the one finding that says why this evidence establishes nothing.

        Args:
            step: How far the evidence got.
            reason: What is wrong.
            detail: What was seen, what was expected.
            by: Who signed, where that is known, and under which anchor it stopped.
        """
        return (
            Finding(
                evidence=self.evidence.id,
                format=str(self.evidence.format),
                claim=self.claim,
                step=step,
                reason=reason,
                detail=detail,
                signer="" if by is None else by.signer,
                predicate_type=self.predicate_type,
                statement=self.statement,
                place=str(self.evidence.place),
                signing=None if by is None else by.signing,
            ),
        )

    def failed_by(self, held: Iterable[Signed], step: Step, reason: Reason, detail: str) -> tuple[Finding, ...]:
        """Return one finding for each who signed that says why this evidence establishes nothing all the same."""
        return tuple([finding for by in held for finding in self.failed(step, reason, detail, by=by)])

    def failed_under(self, anchor: str, step: Step, reason: Reason, detail: str) -> tuple[Finding, ...]:
        """Return the finding that says why this evidence establishes nothing under one anchor, nobody being named."""
        return self.failed(step, reason, detail, by=Signed(signer="", signing=Signing(anchor=anchor)))

    def established(
        self,
        by: Signed,
        annotations: tuple[tuple[str, str], ...] = (),
        predicate: tuple[tuple[str, str], ...] = (),
    ) -> tuple[Finding, ...]:
        """Return the finding that this evidence holds under one anchor."""
        evidence = self.evidence
        signing = by.signing
        who = by.signer if signing is None or not signing.identity else signing.identity
        return (
            Finding(
                evidence=evidence.id,
                format=str(evidence.format),
                claim=self.claim,
                step=Step.ESTABLISHED,
                reason=Reason.OK,
                detail=f"holds under {who}",
                signer=by.signer,
                predicate_type=self.predicate_type,
                annotations=annotations,
                statement=self.statement,
                place=str(evidence.place),
                signing=signing,
                predicate=predicate,
            ),
        )
