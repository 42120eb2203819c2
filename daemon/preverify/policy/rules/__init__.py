"""Rules: one module each. A rule's class is its configuration, its check and its manual."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from preverify.model.verdicts import Mode, RuleResult
from preverify.policy.quorum import Quorum
from preverify.policy.rules.attestation import AttestationSpec, AttestedBy
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.signature import SignatureSpec, SignedBy


class Rule(Protocol):
    """What every rule offers. `KIND` is the key under which it is written in a policy."""

    KIND: ClassVar[str]

    @property
    def name(self) -> str: ...
    @property
    def mode(self) -> Mode: ...
    @property
    def by(self) -> Quorum: ...
    def check(self, look: Look) -> RuleResult: ...
    def canonical(self) -> dict[str, Any]: ...
    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], by: Quorum) -> Self: ...


RULES: Mapping[str, type[Rule]] = {rule.KIND: rule for rule in (SignedBy, AttestedBy)}
SPECS: Mapping[str, type[SignatureSpec] | type[AttestationSpec]] = {
    SignedBy.KIND: SignatureSpec,
    AttestedBy.KIND: AttestationSpec,
}
