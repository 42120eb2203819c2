"""The rule `baseImage`: what the image says that it was built on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from preverify.model import globs
from preverify.model.errors import BadInput
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.reference import Reference
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.demands.images import ManifestFacts, Unread, manifest_facts
from preverify.policy.image_globs import ImageGlob
from preverify.policy.quorum import Quorum, Resolve, Signer
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.results import result
from preverify.policy.wire import DigestWord, Part, distinct

NAME = "org.opencontainers.image.base.name"
DIGEST = "org.opencontainers.image.base.digest"


class BaseImageSpec(Part):
    """The base image that the manifest's annotations name: the builder's own word, covered by the image's digest."""

    repositories: Annotated[tuple[ImageGlob, ...], Field(min_length=1, strict=False)] | None = None
    """Globs over `registry/path`: one of them matches the name of the base image."""
    digests: Annotated[tuple[DigestWord, ...], Field(min_length=1, strict=False)] | None = None
    """The digest of the base image is one of these."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.repositories is None and self.digests is None:
            raise ValueError("demands nothing, expected repositories, digests or both")
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "BuiltOn":
        """Return the rule."""
        del quorum  # it looks at nobody's evidence
        return BuiltOn(name=name, mode=mode, repositories=distinct(self.repositories), digests=distinct(self.digests))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltOn:
    """The manifest names its base image, and it is an allowed one. Nobody compares layers: that takes the base itself.

    Labels of the same names are not looked at: images inherit them, so that they are often those of the base itself.
    """

    KIND: ClassVar[str] = "baseImage"

    name: str
    mode: Mode
    repositories: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return nobody: annotations are signed by nobody but whoever signs the image."""
        return ()

    @property
    def needs(self) -> frozenset[Need]:
        """Return the configuration: not for what it says, but each manifest of an index has a base of its own."""
        return frozenset({Need.CONFIG})

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where what is named is allowed."""
        manifest = manifest_facts(look.gathered)
        if isinstance(manifest, Unread):
            return result(self, manifest.outcome, manifest.reason, manifest.detail)
        missing = [key for key in self._asked() if not manifest.annotation(key)]
        if missing:
            # Not a denial: what nobody says is no reason for the contrary either.
            detail = f"the manifest does not say what it was built on: no annotation {missing[0]}"
            return result(self, Outcome.FAILED, Reason.ATTESTATION_MISSING, detail)
        wrong = list(self._wrong(manifest))
        if wrong:
            return result(self, Outcome.FAILED, Reason.CONFIG_DENIED, "; ".join(wrong)[:500])
        seen = ", ".join(manifest.annotation(key)[:200] for key in self._asked())
        return result(self, Outcome.PASSED, Reason.OK, f"built on {seen}")

    def _asked(self) -> Iterator[str]:
        if self.repositories:
            yield NAME
        if self.digests:
            yield DIGEST

    def _wrong(self, manifest: ManifestFacts) -> Iterator[str]:
        name, digest = manifest.annotation(NAME), manifest.annotation(DIGEST)
        if self.repositories:
            try:
                repository = str(Reference.parse(name).repository)
            except BadInput as error:
                yield f"built on what is no image: {error}"
                return
            if not globs.matches_any(self.repositories, repository):
                yield f"built on {repository}, expected {' or '.join(self.repositories)[:200]}"
        if self.digests and digest not in self.digests:
            yield f"built on {digest[:80]!r}, expected {' or '.join(self.digests)[:200]}"

    def canonical(self) -> dict[str, Any]:
        """Return the demands as the policy's digest sees them: what is not demanded does not stand."""
        form = {"repositories": list(self.repositories), "digests": list(self.digests)}
        return {name: value for name, value in form.items() if value}

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        del signers
        return cls(
            name=name,
            mode=mode,
            repositories=tuple(body.get("repositories", ())),
            digests=tuple(body.get("digests", ())),
        )
