"""The written form of policies and signers. Field docstrings are the manual; JSON Schemas are made from here."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, create_model, model_validator

from preverify.model.anchors import Log, Stamps
from preverify.model.fulcio import NAMES
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.validation import nearest
from preverify.model.verdicts import Mode
from preverify.policy.exceptions import ExceptionDocument
from preverify.policy.patterns import pattern
from preverify.policy.presets import PresetSpec
from preverify.policy.rules import SPECS
from preverify.policy.rules.combined import OneDemand, fields
from preverify.policy.signers import KeylessIdentity
from preverify.policy.trust_schema import FileName, TrustDocument
from preverify.policy.wire import Metadata, Moment, Name, Part, in_seconds, whole_seconds

Validity = Annotated[
    timedelta,
    whole_seconds(up_to_days=90),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}(s|m|h|d)$", "default": "24h"}),
    in_seconds,
]
ModeWord = Annotated[Mode, Field(strict=False)]


def _platforms(value: object) -> Platforms:
    if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise ValueError(f"{str(value)[:60]!r} is none of: index, each, a list of platforms like linux/amd64")
    return Platforms.of(value)


PlatformsWord = Annotated[
    Platforms,
    BeforeValidator(_platforms),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["index", "each"], "type": "string"},
                {"items": {"type": "string"}, "minItems": 1, "type": "array"},
            ]
        }
    ),
    PlainSerializer(lambda value: value.canonical()),
]


LogWord = Annotated[Log, Field(strict=False)]
StampsWord = Annotated[Stamps, Field(strict=False)]


class KeySpec(Part):
    """A public key, and when its signatures count.

    A signature's trusted time (a log's, or a time stamp) is what is compared. Where the signer looks at none, the key
    has to hold now.
    """

    later: ClassVar[Mapping[str, str]] = {"kms": "export the public key into a file and name that"}

    file: FileName
    """PEM file with the public key, relative to the policy directory."""
    valid_from: Moment | None = Field(None, alias="validFrom")
    """Signatures made before do not count."""
    valid_until: Moment | None = Field(None, alias="validUntil")
    """Signatures made after do not count."""
    revoked_at: Moment | None = Field(None, alias="revokedAt")
    """Signatures made at or after this moment do not count, nor any of which nobody trusted says when it was made."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_from is not None and self.valid_until is not None and self.valid_from >= self.valid_until:
            raise ValueError("'validFrom' is not before 'validUntil'")
        return self


class KeylessSpec(Part):
    """An identity that an OIDC issuer vouched for, in a certificate of a Sigstore instance or of an own authority."""

    issuer: str | None = Field(None, min_length=1, max_length=1024)
    """The OIDC issuer, exactly."""
    issuer_pattern: str | None = Field(None, alias="issuerPattern", min_length=1, max_length=1024)
    """The OIDC issuer as a regular expression over the whole value."""
    subject: str | None = Field(None, min_length=1, max_length=1024)
    """The certificate's subject alternative name (workflow URI, mail address, SPIFFE id), exactly."""
    subject_pattern: str | None = Field(None, alias="subjectPattern", min_length=1, max_length=1024)
    """The subject alternative name as a regular expression over the whole value."""
    extensions: dict[str, str] = Field({})
    """Further facts that the certificate must state, each exactly, for example `sourceRepositoryURI`."""
    trust: Name
    """The root that has to vouch for it: a name in a Trust document, or `public-good` or `staging`."""
    tlog: LogWord = Log.REQUIRED
    """`required`: an entry of a trusted transparency log about exactly this signature; `none`: not looked at."""
    timestamps: StampsWord = Stamps.ACCEPTED
    """RFC 3161 time stamps: `accepted` beside the log's times, `required`, or `none`: not looked at."""
    sct: Literal["required", "none"] = "required"
    """Whether the certificate must prove that it was logged itself; own authorities have no such log: `none`."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for what, exact, expression in (
            ("issuer", self.issuer, self.issuer_pattern),
            ("subject", self.subject, self.subject_pattern),
        ):
            if (exact is None) == (expression is None):
                raise ValueError(
                    f"expected exactly one of '{what}' and '{what}Pattern'; both are needed to name somebody"
                )
            if expression is not None:
                pattern(expression)
        for name in self.extensions:
            if name not in NAMES:
                near = nearest(name, NAMES)
                raise ValueError(
                    f"extension {name[:60]!r} is not known" + (f", did you mean {near!r}?" if near else "")
                )
        return self

    def identity(self) -> KeylessIdentity:
        """Return the identity, compiled."""
        return KeylessIdentity(
            issuer=self.issuer or "",
            issuer_pattern=self.issuer_pattern or "",
            subject=self.subject or "",
            subject_pattern=self.subject_pattern or "",
            extensions=tuple(sorted(self.extensions.items())),
        )


class TrustPolicySpec(Part):
    """A Notation trust policy document."""

    file: FileName
    """`trustpolicy.json`, relative to the policy directory; its stores are those of Trust documents."""


class NotationSpec(Part):
    """Notation signatures: a trust policy document, or one statement written here, for all repositories."""

    trust_policy: TrustPolicySpec | None = Field(None, alias="trustPolicy")
    """A trust policy document; then nothing else stands here."""
    stores: tuple[str, ...] = Field((), strict=False)
    """Trust stores, for example `ca:vendor` and `tsa:stamps`, as Trust documents name them."""
    identities: tuple[str, ...] = Field((), strict=False)
    """`*`, or subjects: `x509.subject: C=US, ST=WA, O=Vendor`."""
    level: Literal["strict", "permissive", "audit"] = "strict"
    """What failed checks do. `permissive` and `audit` log some of them: then nothing is published."""
    override: dict[str, Literal["enforce", "log", "skip"]] = Field({})
    """Single checks that differ from the level: `authenticity`, `authenticTimestamp`, `expiry`, `revocation`."""
    verify_timestamp: Literal["always", "afterCertExpiry"] = Field("always", alias="verifyTimestamp")
    """When time stamps are looked at."""

    @model_validator(mode="after")
    def _document_or_statement(self) -> Self:
        if (self.trust_policy is not None) == bool(self.model_fields_set - {"trust_policy"}):
            raise ValueError("expected either 'trustPolicy' or 'stores' with 'identities'")
        return self


class SignerSpec(Part):
    """Somebody whom policies may trust. Exactly one of `key`, `keyless`, `notation` and `preset`."""

    later: ClassVar[Mapping[str, str]] = {"any": "write one signer per key and let rules name several"}

    key: KeySpec | None = None
    """A public key."""
    keyless: KeylessSpec | None = None
    """An identity in a certificate."""
    notation: NotationSpec | None = None
    """Notation signatures."""
    preset: PresetSpec | None = None
    """Somebody well known."""
    tlog: LogWord | None = None
    """For keys, and there it has to be written: `none`, or `required`: an entry of a trusted transparency log."""
    timestamps: StampsWord | None = None
    """For keys: RFC 3161 time stamps are `accepted`, `required` or (the default) `none`: not looked at."""
    trust: Name | None = None
    """For keys: the root whose logs and time stamp authorities are trusted; needed where they are looked at."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        known = ("key", "keyless", "notation", "preset")
        kinds = [k for k in known if getattr(self, k) is not None]
        if len(kinds) != 1:
            raise ValueError(f"is {' and '.join(kinds) or 'nobody'}, expected exactly one of: {', '.join(known)}")
        if kinds != ["key"]:
            beside = [k for k in ("tlog", "timestamps", "trust") if getattr(self, k) is not None]
            if beside:
                raise ValueError(f"{', '.join(beside)} beside {kinds[0]!r}: for keyless they stand inside of it")
            return self
        if self.tlog is None:
            raise ValueError("'tlog' is missing: say 'none' or 'required', leaving it out should not mean less")
        looks = self.tlog is Log.REQUIRED or self.timestamps in (Stamps.ACCEPTED, Stamps.REQUIRED)
        if looks != (self.trust is not None):
            what = (
                "'trust' is missing: which root's" if looks else "'trust' without 'tlog: required' or time stamps: no"
            )
            raise ValueError(f"{what} logs and time stamp authorities are looked at")
        return self


class SignersDocument(Part):
    """Named signers. Their names are shared by all documents of the policy directory."""

    api_version: Literal["preverify/v1"] = Field(alias="apiVersion")
    kind: Literal["Signers"]
    metadata: Metadata
    spec: dict[Name, SignerSpec] = Field(min_length=1)


class RuleBase(OneDemand):
    """One demand. Exactly one kind of demand stands in a rule."""

    name: Name
    """How answers name the rule."""
    mode: ModeWord = Mode.ENFORCE
    """`audit` and `warn`: evaluated and reported, but left out of the policy's verdict."""
    preset: PresetSpec | None = None
    """A well-known signer and what is demanded of it."""
    platforms: PlatformsWord | None = None
    """For this rule instead of what the policy says: `index`, `each` or a list."""


# The fields of a rule come from the table of rules, so that a new rule is one module and its entry there.
RuleSpec: type[RuleBase] = create_model(
    "RuleSpec",
    __base__=RuleBase,
    __doc__=RuleBase.__doc__,
    **fields(SPECS),
)


class PolicySpec(Part):
    """What images the policy is about, and what it demands of them."""

    later: ClassVar[Mapping[str, str]] = {
        "exceptions": "write a document of the kind Exception, which names the policy",
        "tags": "tags do not take part; verdicts are about digests",
    }

    images: tuple[str, ...] = Field(min_length=1, strict=False)
    """Globs over `registry/path`: `*` within a path segment, `**` across. Tags do not take part."""
    exclude: tuple[str, ...] = Field((), strict=False)
    """Globs over `registry/path`: what one of them matches, the policy is not about."""
    namespaces: tuple[str, ...] = Field((), strict=False)
    """Globs over namespaces. Empty: the policy holds everywhere and is part of the default profile."""
    mode: ModeWord = Mode.ENFORCE
    """`enforce` decides answers; `warn` and `audit` only report."""
    platforms: PlatformsWord = THE_INDEX
    """`index`: the evidence of the digest that is deployed, index or manifest, counts. `each`: that of every runnable
    child of an index. A list (`[linux/amd64, …]`): that of these, and they have to be there."""
    valid_for: Validity = Field(timedelta(hours=24), alias="validFor")
    """How long a passed verdict holds for lookups; renewed at half."""
    require: tuple[RuleSpec, ...] = Field(min_length=1, strict=False)
    """All of these must hold."""


class PolicyDocument(Part):
    """A policy: an image is verified where every enforcing policy that matches it has passed."""

    api_version: Literal["preverify/v1"] = Field(alias="apiVersion")
    kind: Literal["Policy"]
    metadata: Metadata
    spec: PolicySpec


Written = SignersDocument | PolicyDocument | TrustDocument | ExceptionDocument
KINDS: Mapping[str, type[Written]] = {
    "Exception": ExceptionDocument,
    "Policy": PolicyDocument,
    "Signers": SignersDocument,
    "Trust": TrustDocument,
}


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of document."""
    schema = KINDS[kind].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
