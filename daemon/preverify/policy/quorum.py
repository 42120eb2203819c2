"""Who has to have signed: distinct keys out of the signers that a rule names."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from preverify.model.keys import TrustedKey
from preverify.policy.wire import Name, Part


class BySpec(Part):
    """Which signers count and how many distinct ones are needed. Exactly one of `any`, `all` or `atLeast` with `of`."""

    any: tuple[Name, ...] | None = Field(None, min_length=1, strict=False)
    """One of these is enough."""
    all: tuple[Name, ...] | None = Field(None, min_length=1, strict=False)
    """Every one of these, each with a key of its own."""
    at_least: Annotated[int, Field(ge=1)] | None = Field(None, alias="atLeast")
    """This many distinct keys out of `of`."""
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
        """Return how many distinct keys are needed."""
        if self.all is not None:
            return len(self.all)
        return self.at_least or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A named key that a policy trusts. Two names of one key are one signer."""

    name: str
    key: TrustedKey

    def canonical(self) -> dict[str, Any]:
        """Return the signer as the policy's digest sees it."""
        return {"key": base64.b64encode(self.key.spki).decode(), "tlog": "none"}


@dataclass(frozen=True, slots=True)
class Quorum:
    """At least `needed` distinct keys out of `signers`.

    `names` maps key ids, as findings carry them, to the signers' names; `people` lists these names for people.
    """

    needed: int
    signers: tuple[Signer, ...]
    names: Mapping[str, str] = field(compare=False)
    people: str = field(compare=False)

    @classmethod
    def of(cls, needed: int, signers: Iterable[Signer]) -> Self:
        """Build a quorum.

        Raises:
            ValueError: fewer distinct keys than needed, or none needed.
        """
        ordered = tuple(sorted(signers, key=lambda s: s.name))
        by_key: dict[str, list[str]] = {}
        for signer in ordered:
            by_key.setdefault(signer.key.id, []).append(signer.name)
        if type(needed) is not int or needed < 1:  # a stored `true` or 1.5 would compare like a number
            raise ValueError(f"needs {needed!r} signers, expected a number of at least 1")
        if needed > len(by_key):
            written = "; ".join(" and ".join(names) + " are one key" for names in by_key.values() if len(names) > 1)
            because = f" ({written})" if written else ""
            raise ValueError(f"needs {needed} distinct keys, but its signers hold {len(by_key)}{because}")
        names = {key: "/".join(named) for key, named in by_key.items()}
        return cls(needed, ordered, names, ", ".join(sorted(names.values())))

    def canonical(self) -> dict[str, Any]:
        """Return the quorum as the policy's digest sees it: `any` and `all` are numbers, the order means nothing."""
        return {"atLeast": self.needed, "of": [s.name for s in self.signers]}
