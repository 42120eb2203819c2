"""The rule `repositories`: where images may come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from preverify.model import globs
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.image_globs import ImageGlob
from preverify.policy.quorum import Quorum, Resolve, Signer
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.results import result
from preverify.policy.wire import Part, distinct

_Globs = Annotated[tuple[ImageGlob, ...], Field(min_length=1, strict=False)]


class RepositoriesSpec(Part):
    """The image's own name, as its source names it, is allowed. Useful in policies about `**`."""

    allow: _Globs | None = None
    """Globs over `registry/path`: one of them matches."""
    deny: _Globs | None = None
    """Globs over `registry/path`: none of them matches."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.allow is None and self.deny is None:
            raise ValueError("demands nothing, expected allow, deny or both")
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "ComesFrom":
        """Return the rule."""
        del quorum  # it looks at nobody's evidence
        return ComesFrom(name=name, mode=mode, allow=distinct(self.allow), deny=distinct(self.deny))


@dataclass(frozen=True, slots=True, kw_only=True)
class ComesFrom:
    """The image is in an allowed repository, and in no denied one.

    Attributes:
        allow: Empty: all.
    """

    KIND: ClassVar[str] = "repositories"

    name: str
    mode: Mode
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return nobody: a name is not evidence."""
        return ()

    @property
    def needs(self) -> frozenset[Need]:
        """Return nothing: the name is always there."""
        return frozenset()

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where the name is allowed."""
        if look.subject is None:
            return result(self, Outcome.UNDECIDED, Reason.INTERNAL_ERROR, "which image is meant was not said")
        name = str(look.subject.repository)
        denied = next((each for each in self.deny if globs.matches(each, name)), None)
        if denied is not None:
            return result(self, Outcome.FAILED, Reason.CONFIG_DENIED, f"comes from {name}, and {denied} is denied")
        if self.allow and not globs.matches_any(self.allow, name):
            detail = f"comes from {name}, expected {' or '.join(self.allow)[:300]}"
            return result(self, Outcome.FAILED, Reason.CONFIG_DENIED, detail)
        return result(self, Outcome.PASSED, Reason.OK, f"comes from {name}")

    def canonical(self) -> dict[str, Any]:
        """Return the demands as the policy's digest sees them: what is not demanded does not stand."""
        form = {"allow": list(self.allow), "deny": list(self.deny)}
        return {name: value for name, value in form.items() if value}

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        del signers
        return cls(name=name, mode=mode, allow=tuple(body.get("allow", ())), deny=tuple(body.get("deny", ())))
