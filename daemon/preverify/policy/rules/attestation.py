"""The rule `attestation`: somebody whom the policy names attested something of a given type about this image."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator

from preverify.model.findings import Claim, Finding
from preverify.model.reasons import Reason
from preverify.model.validation import nearest
from preverify.model.verdicts import Mode, RuleResult
from preverify.policy.quorum import BySpec, Quorum
from preverify.policy.rules.evidence import Demand, Look, Shortfall, conclude
from preverify.policy.wire import Part

_ANY_VERSION = "/v*"
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-)+-~]{1,500}")  # no blanks, no star

TYPES: Mapping[str, tuple[str, ...]] = {
    "slsa-provenance": (
        "https://slsa.dev/provenance/v0.1",
        "https://slsa.dev/provenance/v0.2",
        "https://slsa.dev/provenance/v1",
    ),
    "spdx": ("https://spdx.dev/Document", "https://spdx.dev/Document/v*"),
    "cyclonedx": ("https://cyclonedx.org/bom", "https://cyclonedx.org/bom/v*"),
    "vuln": (
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        "https://in-toto.io/attestation/vulns/v0.1",
        "https://in-toto.io/attestation/vulns/v0.2",
    ),
    "openvex": ("https://openvex.dev/ns", "https://openvex.dev/ns/v*"),
    "vsa": ("https://slsa.dev/verification_summary/v1",),
    "svr": ("https://in-toto.io/attestation/svr/v0.2",),
    "scai": ("https://in-toto.io/attestation/scai/v0.3",),
    "test-result": ("https://in-toto.io/attestation/test-result/v0.1",),
    "release": ("https://in-toto.io/attestation/release/v0.1",),
    "link": ("https://in-toto.io/Link/v1", "https://in-toto.io/attestation/link/v0.3"),
    "custom": ("https://cosign.sigstore.dev/attestation/v1",),
}
"""Short names, each with every predicate type that it covers; a last `v*` stands for any version number."""


def _known_type(text: str) -> str:
    if text in TYPES or _URI.fullmatch(text) is not None:
        return text
    near = nearest(text, TYPES)
    hint = f"did you mean {near!r}?" if near else f"expected a predicate type URI or one of: {', '.join(sorted(TYPES))}"
    raise ValueError(f"{text[:80]!r} is not an attestation type, {hint}")


_CONTENT = "it checks who attested and the type, not yet what the predicate says; remove it or wait"


class AttestationSpec(Part):
    """Attestations of one type by the named signers, about exactly this image digest."""

    later: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("source", "builder", "builders", "minLevel", "maxAge", "buildType", "ref", "workflow", "predicate", "cel"),
        _CONTENT,
    )

    type: Annotated[str, AfterValidator(_known_type)]
    """A short name, which covers all its versions, or a full predicate type URI."""
    by: BySpec
    """Whose attestations count, and how many distinct keys are needed."""

    def compile(self, *, name: str, mode: Mode, by: Quorum) -> "AttestedBy":
        """Return the rule, its signers resolved."""
        return AttestedBy(name=name, mode=mode, by=by, type=self.type, types=TYPES.get(self.type, (self.type,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedBy:
    """Enough distinct keys signed a statement of the demanded type about this image.

    Only the type inside the signed statement counts; annotations and artifact types beside it are signed by nobody.
    """

    KIND: ClassVar[str] = "attestation"

    name: str
    mode: Mode
    by: Quorum
    type: str
    types: tuple[str, ...]

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where enough attestations count."""
        demand = Demand(
            rule=self.name,
            counted=self.mode is Mode.ENFORCE,
            by=self.by,
            claim=Claim.ATTESTATION,
            missing=Reason.ATTESTATION_MISSING,
            noun="attestation",
            suits=self._suits,
        )
        return conclude(demand, look)

    def _suits(self, finding: Finding) -> Shortfall | None:
        if any(_covers(known, finding.predicate_type) for known in self.types):
            return None
        return Shortfall(
            Reason.PREDICATE_TYPE_MISMATCH,
            f"attests {finding.predicate_type[:120] or 'nothing'!r}, expected {self.type}",
        )

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it: short names resolved."""
        return {"by": self.by.canonical(), "type": self.type, "types": list(self.types)}

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], by: Quorum) -> Self:
        """Rebuild a rule from its canonical form."""
        return cls(name=name, mode=mode, by=by, type=body["type"], types=tuple(body["types"]))


def _covers(known: str, predicate_type: str) -> bool:
    if known.endswith(_ANY_VERSION):
        head = known.removesuffix("*")
        return predicate_type.startswith(head) and _VERSION.fullmatch(predicate_type.removeprefix(head)) is not None
    return known == predicate_type
