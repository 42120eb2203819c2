"""Presets: well-known signers and demands under short names. One module each; what it stands for is written there.

A preset is written for what it stands for before anything else is done with a document: it decides as the long form
does, and `policy show` shows that.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from pydantic import Field, create_model, model_validator

from preverify.policy.presets.chainguard_org import ChainguardOrg
from preverify.policy.presets.chainguard_public import ChainguardPublic
from preverify.policy.presets.github_attestations import GithubAttestations
from preverify.policy.presets.signed_by_key import SignedByKey
from preverify.policy.wire import Part

Form = Mapping[str, Any]
"""A part of a document as plain values."""


class Preset(Protocol):
    """What every preset offers beside its parameters."""

    NAME: ClassVar[str]

    def signer(self) -> Form:
        """Return the signer as a Signers document writes it."""

    def demand(self, signer: str) -> Form:
        """Return the demand as a rule writes it, by the signer of that name."""


PRESETS: tuple[type[Part], ...] = (ChainguardPublic, ChainguardOrg, GithubAttestations, SignedByKey)


class PresetBase(Part):
    """One preset, with its parameters."""

    later: ClassVar[Mapping[str, str]] = {
        "aws-signer": "its signatures need AWS's plugin to be verified, which asks AWS whether they are revoked",
    }

    @model_validator(mode="after")
    def _one(self) -> Self:
        named = [field.alias for name, field in type(self).model_fields.items() if getattr(self, name) is not None]
        if len(named) != 1:
            known = ", ".join(str(field.alias) for field in type(self).model_fields.values())
            raise ValueError(f"names {' and '.join(map(str, named)) or 'no preset'}, expected exactly one of: {known}")
        return self

    @property
    def chosen(self) -> Any:
        """Return the preset."""
        return next(each for name in type(self).model_fields if (each := getattr(self, name)) is not None)


def _fields() -> dict[str, Any]:
    return {
        each.NAME.replace("-", "_"): (each | None, Field(None, alias=each.NAME, description=each.__doc__))  # type: ignore[attr-defined]
        for each in PRESETS
    }


PresetSpec: type[PresetBase] = create_model(
    "PresetSpec", __base__=PresetBase, __doc__=PresetBase.__doc__, __module__=__name__, **_fields()
)
