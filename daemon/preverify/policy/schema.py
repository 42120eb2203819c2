"""The written form of policies and signers. Field docstrings are the manual; JSON Schemas are made from here."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, create_model, model_validator

from preverify.model.durations import parse_duration
from preverify.model.verdicts import Mode
from preverify.policy.rules import SPECS
from preverify.policy.wire import Name, Part

_LONGEST = timedelta(days=90)
_NOT_YET = "this version knows key signers with `tlog: none`"


def _validity(value: object) -> timedelta:
    validity = parse_duration(value)
    if not timedelta(seconds=1) <= validity <= _LONGEST or validity.microseconds:
        raise ValueError(f"{value} is out of range, expected whole seconds from 1s to 90d")
    return validity


Validity = Annotated[
    timedelta,
    BeforeValidator(_validity),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}(s|m|h|d)$", "default": "24h"}),
    PlainSerializer(lambda value: f"{int(value.total_seconds())}s"),
]
ModeWord = Annotated[Mode, Field(strict=False)]


class Metadata(Part):
    """How the document is named."""

    name: Name


class KeySpec(Part):
    """A public key."""

    later: ClassVar[Mapping[str, str]] = {
        "kms": "export the public key into a file and name that",
        "validFrom": "keys hold as long as they are named; rotate by editing the signers",
        "validUntil": "keys hold as long as they are named; rotate by editing the signers",
    }

    file: str = Field(min_length=1, max_length=255)
    """PEM file with the public key, relative to the policy directory."""


class SignerSpec(Part):
    """Somebody whom policies may trust."""

    later: ClassVar[Mapping[str, str]] = {
        "keyless": _NOT_YET,
        "notation": _NOT_YET,
        "any": "write one signer per key and let rules name several",
    }

    key: KeySpec
    """The signer's public key."""
    tlog: str = Field(json_schema_extra={"const": "none"})
    """`none`: do not ask for a transparency log entry. Required, because leaving it out should not mean less."""

    @model_validator(mode="after")
    def _only_without_log(self) -> Self:
        if self.tlog != "none":
            raise ValueError(
                f"'tlog' is {self.tlog[:40]!r}: log entries are not in this version of preverify, {_NOT_YET}"
            )
        return self


class SignersDocument(Part):
    """Named signers. Their names are shared by all documents of the policy directory."""

    api_version: Literal["preverify/v1"] = Field(alias="apiVersion")
    kind: Literal["Signers"]
    metadata: Metadata
    spec: dict[Name, SignerSpec] = Field(min_length=1)


class RuleBase(Part):
    """One demand. Exactly one kind of demand stands in a rule."""

    later: ClassVar[Mapping[str, str]] = {
        "vulnerabilities": "it checks signatures and attestations",
        "cel": "it checks signatures and attestations",
        "sbom": "it checks signatures and attestations",
    }

    name: Name
    """How answers name the rule."""
    mode: ModeWord = Mode.ENFORCE
    """`audit` and `warn`: evaluated and reported, but left out of the policy's verdict."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len(self.demands) != 1:
            seen = ", ".join(self.demands) or "nothing"
            raise ValueError(f"demands {seen}, expected exactly one of: {', '.join(sorted(SPECS))}")
        return self

    @property
    def demands(self) -> dict[str, Any]:
        """Return what is demanded, by kind."""
        return {kind: spec for kind in SPECS if (spec := getattr(self, kind)) is not None}


# The fields of a rule come from the table of rules, so that a new rule is one module and its entry there.
RuleSpec: type[RuleBase] = create_model(
    "RuleSpec",
    __base__=RuleBase,
    __doc__=RuleBase.__doc__,
    **{kind: (spec | None, Field(None, description=spec.__doc__)) for kind, spec in SPECS.items()},  # type: ignore[call-overload]
)


class PolicySpec(Part):
    """What images the policy is about, and what it demands of them."""

    later: ClassVar[Mapping[str, str]] = {
        "exceptions": "narrow `images`, or give the policy `mode: warn` for a while",
        "tags": "tags do not take part; verdicts are about digests",
    }

    images: tuple[str, ...] = Field(min_length=1, strict=False)
    """Globs over `registry/path`: `*` within a path segment, `**` across. Tags do not take part."""
    namespaces: tuple[str, ...] = Field((), strict=False)
    """Globs over namespaces. Empty: the policy holds everywhere and is part of the default profile."""
    mode: ModeWord = Mode.ENFORCE
    """`enforce` decides answers; `warn` and `audit` only report."""
    platforms: Literal["index"] = "index"
    """`index`: the verdict is about the digest that is deployed, index or manifest, and its own evidence."""
    valid_for: Validity = Field(timedelta(hours=24), alias="validFor")
    """How long a passed verdict holds for lookups; renewed at half."""
    require: tuple[RuleSpec, ...] = Field(min_length=1, strict=False)
    """All of these must hold."""

    @model_validator(mode="before")
    @classmethod
    def _only_index(cls, value: object) -> object:
        platforms = value.get("platforms", "index") if isinstance(value, dict) else "index"
        if platforms != "index":
            raise ValueError(
                f"'platforms' is {str(platforms)[:60]!r}, but this version of preverify knows only 'index'"
            )
        return value


class PolicyDocument(Part):
    """A policy: an image is verified where every enforcing policy that matches it has passed."""

    api_version: Literal["preverify/v1"] = Field(alias="apiVersion")
    kind: Literal["Policy"]
    metadata: Metadata
    spec: PolicySpec


KINDS: Mapping[str, type[SignersDocument] | type[PolicyDocument]] = {
    "Policy": PolicyDocument,
    "Signers": SignersDocument,
}


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of document."""
    schema = KINDS[kind].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
