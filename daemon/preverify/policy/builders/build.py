"""A build as an attestation tells it, beside what its signer's certificate says; and what is believed in the end."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.policy.shortfall import Shortfall

GITHUB = "https://github.com/"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
FULL_VERSION_TAG = re.compile(r"refs/tags/v(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}")

# Old names of the facts in certificates, for those that have no new ones. Where both stand, they say the same.
_OLD_NAMES = (
    ("githubWorkflowTrigger", "buildTrigger"),
    ("githubWorkflowSHA", "sourceRepositoryDigest"),
    ("githubWorkflowRef", "sourceRepositoryRef"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A builder that a rule names: the id, exactly, or up to a last `*` behind the `@`; and what it is good for."""

    id: str
    level: int | None = None

    def matches(self, builder_id: str) -> bool:
        """Say whether `builder_id` is this one. The star stands for one ref or version, never for a slash."""
        if not self.id.endswith("*"):
            return builder_id == self.id
        head = self.id.removesuffix("*")
        rest = builder_id.removeprefix(head)
        return builder_id.startswith(head) and bool(rest) and "/" not in rest and "@" not in rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """The run that a certificate was issued to. Nobody but the identity provider can write any of this."""

    source: str
    commit: str
    ref: str
    trigger: str
    builder: str
    config: str
    runner: str
    run: str
    repository_id: str
    owner_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a provenance attestation says, and who signed it."""

    facts: Mapping[str, str]
    issuer: str
    identity: str
    certificate: Mapping[str, str]

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Take an established finding apart."""
        signing = finding.signing
        return cls(
            facts=dict(finding.predicate),
            issuer="" if signing is None else signing.issuer,
            identity="" if signing is None else signing.identity,
            certificate={} if signing is None else dict(signing.extensions),
        )

    def says(self, name: str) -> str:
        """Return a fact; empty where the attestation does not say it."""
        return self.facts.get(name, "")

    @property
    def builder_id(self) -> str:
        """Return the builder's id as the attestation claims it."""
        return self.says("builder.id")

    @property
    def by_github(self) -> bool:
        """Say whether GitHub itself vouched for the signer, for everybody or for one enterprise."""
        return self.issuer == GITHUB_ISSUER or self.issuer.startswith(GITHUB_ISSUER + "/")

    @property
    def workflow(self) -> Workflow:
        """Return the run as the certificate has it; old certificates say less."""
        old = self.certificate.get("githubWorkflowRepository", "")
        facts = {new: self.certificate.get(before, "") for before, new in _OLD_NAMES} | dict(self.certificate)
        return Workflow(
            source=facts.get("sourceRepositoryURI") or (GITHUB + old if old else ""),
            commit=facts["sourceRepositoryDigest"],
            ref=facts["sourceRepositoryRef"],
            trigger=facts["buildTrigger"],
            builder=facts.get("buildSignerURI", ""),
            config=facts.get("buildConfigURI", ""),
            runner=facts.get("runnerEnvironment", ""),
            run=facts.get("runInvocationURI", ""),
            repository_id=facts.get("sourceRepositoryIdentifier", ""),
            owner_id=facts.get("sourceRepositoryOwnerIdentifier", ""),
        )

    def contradiction(self, pairs: Iterable[tuple[str, str, str]]) -> Shortfall | None:
        """Return the first place where the attestation says something else than the certificate.

        What the attestation does not say contradicts nothing; what it says and the certificate does not, does.

        Args:
            pairs: What it is called, what the attestation says, what the certificate says.
        """
        for what, seen, expected in pairs:
            if seen and seen != expected:
                detail = f"says {what} {seen[:120]!r}, the certificate {expected[:120] or 'nothing'!r}"
                return Shortfall(Reason.EXTENSION_MISMATCH, detail)
        return None

    def names_commit(self, commit: str) -> bool:
        """Say whether the first dependency is at `commit`; true where the attestation names no commit at all."""
        digests = dict(each.split(":", 1) for each in self.says("dependency.digest").split(",") if each)
        named = [value for algorithm, value in digests.items() if algorithm in ("sha1", "gitCommit")]
        return all(value == commit for value in named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What is believed of a build: by the builder that may say so, never by the attestation's word alone.

    Attributes:
        level: SLSA build level.
        source: Repository without `git+` and ref.
        ref: Full git ref, empty where nobody says one.
        trigger: Event that started the build, empty where nobody says one.
        self_hosted: It ran on a machine of whoever started it.
        parameters: Names of the parameters that the builder's own checks cover; None where they are not known.
    """

    level: int
    source: str
    ref: str = ""
    trigger: str = ""
    self_hosted: bool = False
    parameters: frozenset[str] | None = None


def not_this_builder(detail: str) -> Shortfall:
    """Return the refusal of a builder."""
    return Shortfall(Reason.BUILDER_MISMATCH, detail)


def not_this_source(detail: str) -> Shortfall:
    """Return the refusal of a source."""
    return Shortfall(Reason.SOURCE_MISMATCH, detail)
