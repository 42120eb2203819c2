"""Rules: one module each. A rule's class is its configuration, its check and its manual."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel

from preverify.model.needs import Need
from preverify.model.verdicts import Mode, RuleResult
from preverify.policy.quorum import Quorum, Resolve, Signer
from preverify.policy.rules.attestation import AttestationSpec, AttestedBy
from preverify.policy.rules.base_image import BaseImageSpec, BuiltOn
from preverify.policy.rules.cel import CelSpec, Holds
from preverify.policy.rules.combined import AllOfSpec, AnyOfSpec, AtLeastSpec, Not, NotSpec, Several, nested_spec
from preverify.policy.rules.config import ConfigSpec, Configured
from preverify.policy.rules.end_of_life import EndOfLifeSpec, Supported
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.image_age import Aged, ImageAgeSpec
from preverify.policy.rules.licenses import Licensed, LicensesSpec
from preverify.policy.rules.packages import Contained, PackagesSpec
from preverify.policy.rules.repositories import ComesFrom, RepositoriesSpec
from preverify.policy.rules.sbom import Described, SbomSpec
from preverify.policy.rules.signature import SignatureSpec, SignedBy
from preverify.policy.rules.tags import Tagged, TagsSpec
from preverify.policy.rules.vulnerabilities import Vulnerabilities, VulnerabilitiesSpec


class Rule(Protocol):
    """What every rule offers. `KIND` is the key under which it is written in a policy."""

    KIND: ClassVar[str]

    @property
    def name(self) -> str: ...
    @property
    def mode(self) -> Mode: ...
    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence the rule looks at; empty where it looks at nobody's."""

    @property
    def needs(self) -> frozenset[Need]:
        """Return what the rule has to see beside signatures and the facts of attestations."""

    def check(self, look: Look) -> RuleResult: ...
    def canonical(self) -> dict[str, Any]: ...
    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self: ...


class Spec(Protocol):
    """The written form of a rule: its field docstrings are the manual."""

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> Rule: ...


RULES: Mapping[str, type[Rule]] = {
    rule.KIND: rule
    for rule in (
        SignedBy,
        AttestedBy,
        Several,
        Not,
        Configured,
        BuiltOn,
        Aged,
        ComesFrom,
        Tagged,
        Holds,
        Vulnerabilities,
        Supported,
        Described,
        Contained,
        Licensed,
    )
}
SPECS: Mapping[str, type[BaseModel]] = {
    SignedBy.KIND: SignatureSpec,
    AttestedBy.KIND: AttestationSpec,
    "anyOf": AnyOfSpec,
    "allOf": AllOfSpec,
    Several.KIND: AtLeastSpec,
    Not.KIND: NotSpec,
    Configured.KIND: ConfigSpec,
    BuiltOn.KIND: BaseImageSpec,
    Aged.KIND: ImageAgeSpec,
    ComesFrom.KIND: RepositoriesSpec,
    Tagged.KIND: TagsSpec,
    Holds.KIND: CelSpec,
    Vulnerabilities.KIND: VulnerabilitiesSpec,
    Supported.KIND: EndOfLifeSpec,
    Described.KIND: SbomSpec,
    Contained.KIND: PackagesSpec,
    Licensed.KIND: LicensesSpec,
}
NESTED = nested_spec(SPECS)
"""The written form of a demand inside of another one."""
