"""Who has to have signed: distinct signers, each by an authority of its own, out of those that a rule names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Protocol, Self

from pydantic import Field, model_validator

from preverify.model.anchors import Anchor, KeyAnchor
from preverify.model.findings import Finding
from preverify.policy.places import Path
from preverify.policy.shortfall import Shortfall
from preverify.policy.signers import KeyIdentity, KeylessIdentity, NotationIdentity, Signer
from preverify.policy.wire import Name, Part

__all__ = ["BySpec", "Quorum", "Resolve", "Signer"]


class BySpec(Part):
    """Which signers count and how many distinct ones are needed. Exactly one of `any`, `all` or `atLeast` with `of`."""

    any: tuple[Name, ...] | None = Field(None, min_length=1, strict=False)
    """One of these is enough."""
    all: tuple[Name, ...] | None = Field(None, min_length=1, strict=False)
    """Every one of these, each with a key or identity of its own."""
    at_least: Annotated[int, Field(ge=1)] | None = Field(None, alias="atLeast")
    """This many distinct signers out of `of`."""
    of: tuple[Name, ...] | None = Field(None, min_length=1, strict=False)
    """The signers that `atLeast` counts."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [self.any is not None, self.all is not None, self.at_least is not None or self.of is not None]
        if sum(forms) != 1 or (self.at_least is None) != (self.of is None):
            raise ValueError(
                "says who may sign in no single way, expected any: […], all: […] or atLeast: n with of: […]"
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError("names a signer twice; one signer counts once")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the signers named, as written."""
        return self.any or self.all or self.of or ()

    @property
    def needed(self) -> int:
        """Return how many distinct signers are needed."""
        if self.all is not None:
            return len(self.all)
        return self.at_least or 1


@dataclass(frozen=True, slots=True)
class Quorum:
    """At least `needed` of `signers`, each by an authority (key, identity) that counts for no other.

    `people` lists the signers' names for people; `_by_anchor` finds the signers of an anchor.
    """

    needed: int
    signers: tuple[Signer, ...]
    people: str = field(compare=False)
    _by_anchor: Mapping[str, tuple[Signer, ...]] = field(compare=False, repr=False)

    @classmethod
    def of(cls, needed: int, signers: Iterable[Signer]) -> Self:
        """Build a quorum.

        Raises:
            ValueError: fewer distinct signers than needed, or none needed.
        """
        ordered = tuple(sorted(signers, key=lambda s: s.name))
        same: dict[object, list[str]] = {}
        by_anchor: dict[str, tuple[Signer, ...]] = {}
        for signer in ordered:
            same.setdefault(_authority(signer), []).append(signer.name)
            by_anchor[signer.anchor.id] = (*by_anchor.get(signer.anchor.id, ()), signer)
        if type(needed) is not int or needed < 1:  # a stored `true` or 1.5 would compare like a number
            raise ValueError(f"needs {needed!r} signers, expected a number of at least 1")
        if needed > len(same):
            written = "; ".join(" and ".join(names) + " are one" for names in same.values() if len(names) > 1)
            because = f" ({written})" if written else ""
            raise ValueError(f"needs {needed} distinct signers, but names {len(same)}{because}")
        people = ", ".join("/".join(names) for names in same.values())
        return cls(needed, ordered, people, by_anchor)

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a quorum from its canonical form and the signers by name."""
        return cls.of(form["atLeast"], [signers[name] for name in form["of"]])

    def claimants(self, finding: Finding, now: datetime) -> tuple[tuple[Signer, ...], Shortfall | None]:
        """Return the signers that an established finding is by; where there is none, what comes nearest to a reason.

        The reason is None where no signer of the quorum has the finding's anchor.
        """
        found: list[Signer] = []
        nearest: Shortfall | None = None
        for signer in self._by_anchor.get(finding.anchor, ()):
            short = signer.identity.shortfall(finding, now)
            if short is None:
                found.append(signer)
            elif nearest is None or _NEARNESS.get(short.reason, 0) > _NEARNESS.get(nearest.reason, 0):
                nearest = short
        return tuple(found), nearest

    def concerns(self, finding: Finding) -> bool:
        """Say whether some signer of the quorum has the anchor that a finding was concluded under."""
        return finding.anchor in self._by_anchor

    def skipping(self, repository: str) -> tuple[Signer, ...]:
        """Return the signers that verify nothing for images of `registry/repository`, by their own trust policy."""
        return tuple(signer for signer in self.signers if signer.skips(repository))

    def canonical(self) -> dict[str, Any]:
        """Return the quorum as the policy's digest sees it: `any` and `all` are numbers, the order means nothing."""
        return {"atLeast": self.needed, "of": [s.name for s in self.signers]}


class Resolve(Protocol):
    """Resolves the signers that a rule names; refuses those that nobody declares, where they are named."""

    def __call__(self, by: BySpec, at: Path = ()) -> Quorum:
        """Return the quorum. `at` is the path from the rule's demand to the nested one in which `by` stands."""


# The nearer a signature came to the wanted identity, the more its reason tells.
_NEARNESS: Mapping[str, int] = {
    "identity-mismatch": 1,
    "issuer-mismatch": 2,
    "extension-mismatch": 3,
    "key-expired": 4,
    "key-revoked": 4,
}


def _authority(signer: Signer) -> tuple[Any, ...]:
    """Return what makes a signer distinct as far as configuration tells: two names of one key are one signer."""
    anchor: Anchor = signer.anchor
    if isinstance(anchor, KeyAnchor):
        return ("key", anchor.key.id)
    identity: KeyIdentity | KeylessIdentity | NotationIdentity = signer.identity
    return (anchor.id, identity)


def matched(claims: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, str]:
    """Give each signer an authority of its own, as many as possible.

    Args:
        claims: For each authority (each once), the names of the signers that it may stand for.

    Returns:
        Signer's name -> authority. One person who matches two signers stands for one of them.
    """
    taken: dict[str, str] = {}
    options = dict(claims)

    def place(authority: str, seen: set[str]) -> bool:
        for signer in options[authority]:
            if signer in seen:
                continue
            seen.add(signer)
            if signer not in taken or place(taken[signer], seen):
                taken[signer] = authority
                return True
        return False

    for authority, _ in claims:
        place(authority, set())
    return taken
