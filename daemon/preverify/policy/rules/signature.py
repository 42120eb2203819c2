"""The rule `signature`: somebody whom the policy names stands for this image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field

from preverify.model.findings import DOCKER_REFERENCE, Claim, Finding, Step
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.model.verdicts import Mode, RuleResult
from preverify.policy.quorum import BySpec, Quorum, Resolve, Signer
from preverify.policy.rules.docker_reference import read_demand, states
from preverify.policy.rules.evidence import Demand, Look, Shortfall, conclude
from preverify.policy.wire import Part


class SignatureSpec(Part):
    """Signatures by the named signers, over exactly this image digest."""

    by: BySpec
    """Whose signatures count, and how many distinct keys are needed."""
    annotations: dict[str, str] = Field({})
    """Annotations that the signed payload must carry, each with exactly this value."""
    docker_reference: Annotated[str, AfterValidator(read_demand)] | None = Field(None, alias="dockerReference")
    """What the signed payload must name the image: `same-repository` (the image's own, whatever tag), the same with a
    tag or digest (`same-repository:*`), a repository, or one with a tag or digest, which then has to be exactly that.
    Only cosign's older format states a name."""

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "SignedBy":
        """Return the rule, its signers resolved."""
        return SignedBy(
            name=name,
            mode=mode,
            by=quorum(self.by),
            annotations=tuple(sorted(self.annotations.items())),
            docker_reference=self.docker_reference or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBy:
    """Enough distinct keys signed this image, each signature with every demanded annotation and the demanded name.

    An attestation is no signature, whoever made it: "here is its SBOM" does not say "run it".
    """

    KIND: ClassVar[str] = "signature"

    name: str
    mode: Mode
    by: Quorum
    annotations: tuple[tuple[str, str], ...] = ()
    docker_reference: str = ""

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return (self.by,)

    @property
    def needs(self) -> frozenset[Need]:
        """Return nothing: signatures and facts are always there."""
        return frozenset()

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where enough signatures count."""
        demand = Demand(
            rule=self,
            by=self.by,
            claim=Claim.SIGNATURE,
            missing=Reason.NO_SIGNATURE,
            noun="signature",
            suits=partial(self._suits, look.subject),
        )
        return conclude(demand, look)

    def _suits(self, subject: Subject | None, finding: Finding) -> Shortfall | None:
        if self.docker_reference:
            name = dict(finding.predicate).get(DOCKER_REFERENCE, "")
            if not states(name, self.docker_reference, subject):
                seen = f"names the image {name[:120]!r}" if name else "names no image"
                detail = f"the signature {seen}, expected {self.docker_reference[:160]}"
                return Shortfall(Reason.SUBJECT_MISMATCH, detail, Step.PAYLOAD)
        signed = dict(finding.annotations)
        for key, value in self.annotations:
            if key not in signed:
                return Shortfall(Reason.ANNOTATION_MISMATCH, f"annotation {key!r} is not signed, expected {value!r}")
            if signed[key] != value:
                return Shortfall(
                    Reason.ANNOTATION_MISMATCH, f"annotation {key!r} is {signed[key][:80]!r}, expected {value!r}"
                )
        return None

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it."""
        form: dict[str, Any] = {"by": self.by.canonical(), "annotations": dict(self.annotations)}
        return form | {"dockerReference": self.docker_reference} if self.docker_reference else form

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        by = Quorum.from_canonical(body["by"], signers)
        return cls(
            name=name,
            mode=mode,
            by=by,
            annotations=tuple(sorted(body["annotations"].items())),
            docker_reference=body.get("dockerReference", ""),
        )
