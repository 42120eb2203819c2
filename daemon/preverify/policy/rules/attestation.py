"""The rule `attestation`: somebody whom the policy names attested something of a given type about this image."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from preverify.model.findings import Claim, Finding
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, RuleResult
from preverify.policy.demands.attestation_types import TYPES, is_one_of
from preverify.policy.demands.provenance import ProvenanceDemand
from preverify.policy.demands.summaries import SummaryDemand
from preverify.policy.quorum import Quorum, Signer
from preverify.policy.rules.attestation_spec import AttestationSpec
from preverify.policy.rules.evidence import Demand, Look, Shortfall, conclude

__all__ = ["TYPES", "AttestationSpec", "AttestedBy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedBy:
    """Enough distinct signers attested, about this image, what is demanded.

    Only the type inside the signed statement counts; annotations and artifact types beside it are signed by nobody.

    Attributes:
        type: As written, for people.
        types: Every predicate type that it covers.
        provenance: What provenance has to say; None where that is not looked at.
        summary: What a verification summary has to say; None where that is not looked at.
        predicate: Facts that the predicate has to state, each with exactly this value.
    """

    KIND: ClassVar[str] = "attestation"

    name: str
    mode: Mode
    by: Quorum
    type: str
    types: tuple[str, ...]
    provenance: ProvenanceDemand | None = None
    summary: SummaryDemand | None = None
    predicate: tuple[tuple[str, str], ...] = ()

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return (self.by,)

    @property
    def needs(self) -> frozenset[Need]:
        """Return nothing: signatures and facts are always there."""
        return frozenset()

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where enough attestations count."""
        refused = SummaryDemand.superseded(self._ours(look)) if self.summary is not None else {}

        def suits(finding: Finding) -> Shortfall | None:
            return self._type(finding) or self._facts(finding) or self._content(finding, look, refused)

        demand = Demand(
            rule=self,
            by=self.by,
            claim=Claim.ATTESTATION,
            missing=Reason.ATTESTATION_MISSING,
            noun="attestation",
            suits=suits,
            until=self._until,
        )
        return conclude(demand, look)

    def _ours(self, look: Look) -> list[Finding]:
        """Return the attestations of the type that hold and are by this rule's signers."""
        return [
            each
            for each in look.findings
            if each.established
            and each.claim is Claim.ATTESTATION
            and self._type(each) is None
            and self.by.claimants(each, look.now)[0]
        ]

    def _type(self, finding: Finding) -> Shortfall | None:
        if is_one_of(self.types, finding.predicate_type):
            return None
        return Shortfall(
            Reason.PREDICATE_TYPE_MISMATCH,
            f"attests {finding.predicate_type[:120] or 'nothing'!r}, expected {self.type}",
        )

    def _facts(self, finding: Finding) -> Shortfall | None:
        stated = dict(finding.predicate)
        for name, value in self.predicate:
            if name not in stated:
                known = ", ".join(sorted(stated))[:300] or "nothing"
                return Shortfall(Reason.CONTENT_MISMATCH, f"states no {name!r}; it states: {known}")
            if stated[name] != value:
                detail = f"states {name!r} as {stated[name][:120]!r}, expected {value[:120]!r}"
                return Shortfall(Reason.CONTENT_MISMATCH, detail)
        return None

    def _content(self, finding: Finding, look: Look, refused: Mapping[tuple[str, ...], datetime]) -> Shortfall | None:
        if self.provenance is not None:
            return self.provenance.shortfall(finding)
        if self.summary is not None:
            return self.summary.shortfall(finding, subject=look.subject, now=look.now, refused=refused)
        return None

    def _until(self, finding: Finding) -> datetime | None:
        return None if self.summary is None else self.summary.until(finding)

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it: short names resolved."""
        form: dict[str, Any] = {"by": self.by.canonical(), "type": self.type, "types": list(self.types)}
        if self.provenance is not None:
            form["provenance"] = self.provenance.canonical()
        if self.summary is not None:
            form["summary"] = self.summary.canonical()
        if self.predicate:
            form["predicate"] = dict(self.predicate)
        return form

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        return cls(
            name=name,
            mode=mode,
            by=Quorum.from_canonical(body["by"], signers),
            type=body["type"],
            types=tuple(body["types"]),
            provenance=ProvenanceDemand.from_canonical(body["provenance"]) if "provenance" in body else None,
            summary=SummaryDemand.from_canonical(body["summary"]) if "summary" in body else None,
            predicate=tuple(sorted(body.get("predicate", {}).items())),
        )
