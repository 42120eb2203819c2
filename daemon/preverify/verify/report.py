"""How a format module says what it concluded about one piece of evidence."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from preverify.model.evidence import Evidence
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.verify.keys import PublicKey


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
        return replace(self, claim=claim, predicate_type=predicate_type, statement=statement)

    def failed(self, step: Step, reason: Reason, detail: str, *, signer: str = "") -> tuple[Finding, ...]:
        """Return the one finding that says why this evidence establishes nothing."""
        return (
            Finding(
                evidence=self.evidence.id,
                format=self.evidence.format.value,
                claim=self.claim,
                step=step,
                reason=reason,
                detail=detail,
                signer=signer,
                predicate_type=self.predicate_type,
                statement=self.statement,
                place=self.evidence.place.value,
            ),
        )

    def established(
        self, signers: Iterable[PublicKey], annotations: tuple[tuple[str, str], ...] = ()
    ) -> tuple[Finding, ...]:
        """Return one finding for each key under which this evidence holds."""
        evidence = self.evidence
        name = evidence.id
        return tuple(
            Finding(
                evidence=name,
                format=evidence.format.value,
                claim=self.claim,
                step=Step.ESTABLISHED,
                reason=Reason.OK,
                detail=f"holds under {key.id}",
                signer=key.id,
                predicate_type=self.predicate_type,
                annotations=annotations,
                statement=self.statement,
                place=evidence.place.value,
            )
            for key in signers
        )
