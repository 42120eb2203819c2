"""The written form of the rule `attestation`: its field docstrings are the manual."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import rfc8785
from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema, model_validator

from preverify.model.verdicts import Mode
from preverify.policy.builders import Accepted
from preverify.policy.demands.attestation_types import PROVENANCE, SUMMARY, TYPES, kind_of, known_type
from preverify.policy.demands.provenance import ProvenanceDemand, is_version, written
from preverify.policy.demands.summaries import SummaryDemand, build_level
from preverify.policy.quorum import BySpec, Resolve
from preverify.policy.wire import DigestWord, Part, in_seconds, whole_seconds

if TYPE_CHECKING:
    from preverify.policy.rules.attestation import AttestedBy

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-)+-~]{1,1000}")
_NAME = re.compile(r"[!-~]{1,300}")
_REF = re.compile(r"refs/[!-~]{1,300}")
_LEVEL = re.compile(r"(?!SLSA_)[!-+\--~]{1,200}|SLSA_[A-Z]+(?:_[A-Z]+)*_LEVEL_\d{1,3}")
_FACT = re.compile(r"[a-z][A-Za-z0-9_.]{0,63}")


def _matching(form: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise ValueError(f"{text[:80]!r} is not {what}")
        return text

    return AfterValidator(check)


def _source(text: str) -> str:
    if _URI.fullmatch(text) is None or text.startswith("git+") or "@" in text or "#" in text:
        raise ValueError(f"{text[:80]!r} is not a repository, expected https://… without git+, ref and fragment")
    return text


def _version(text: str) -> str:
    if not is_version(text, text):
        raise ValueError(f"{text[:80]!r} is not a version, expected v1, v1.2 or v1.2.3")
    return text


def _builder_id(text: str) -> str:
    name, at, version = text.partition("@")
    plain = text.removesuffix("*")
    if "*" in plain or (text != plain and not (at and name and "*" in version)) or _NAME.fullmatch(text) is None:
        raise ValueError(
            f"{text[:80]!r} is not a builder's id, expected it exactly, or with one '*' at its end behind '@'"
        )
    return text


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    try:
        for value in given.values():
            written(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"a parameter cannot be compared: {error}") from error
    return given


Age = Annotated[
    timedelta,
    whole_seconds(up_to_days=3650),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}(s|m|h|d)$"}),
    in_seconds,
]
Uri = Annotated[str, _matching(_URI, "a URI")]
Level = Annotated[int, Field(ge=1, le=3)]
Word = Annotated[str, _matching(_NAME, "a name without blanks")]

_OF_PROVENANCE = (
    *("builders", "source", "ref", "branch", "tag", "versionedTag", "trigger", "buildType", "parameters"),
    *("workflowInputs", "allow"),
)
_OF_SUMMARIES = ("verifier", "resourceUri", "levels", "policyDigest", "maxAge")
_REFS = ("ref", "branch", "tag", "versionedTag")


class BuilderSpec(Part):
    """A builder, bound to the signers of the rule: they, and nobody else, may claim to be it."""

    id: Annotated[str, AfterValidator(_builder_id)]
    """The builder's id, exactly; a last `*` behind the `@` stands for one ref or version: `….yml@refs/tags/v2.*`."""
    level: Annotated[int, Field(ge=0, le=3)] | None = None
    """SLSA build level that builds of it have. Built-in checks may find less, never more."""


class AttestationSpec(Part):
    """Attestations of one type by the named signers, about exactly this image digest."""

    later: ClassVar[Mapping[str, str]] = {
        "cel": "demand single facts with `predicate`",
        "workflow": "write the workflow into the signer's `subject`",
    }

    type: Annotated[str, AfterValidator(known_type)]
    """A short name, which covers all its versions, or a full predicate type URI. `vsa` counts where it says PASSED."""
    by: BySpec
    """Whose attestations count, and how many distinct signers are needed."""
    predicate: dict[Annotated[str, _matching(_FACT, "a fact's name")], str] = Field({})
    """Facts that the predicate has to state, each with exactly this value, like `{result: PASSED}`."""
    min_level: Level | None = Field(None, alias="minLevel")
    """Provenance and summaries: the SLSA build level, as it follows from builder and signer."""
    builders: tuple[BuilderSpec, ...] | None = Field(None, min_length=1, strict=False)
    """Provenance: it was built by one of these."""
    source: Annotated[str, AfterValidator(_source)] | None = None
    """Provenance: the repository that it was built from, like `https://github.com/acme/api`."""
    ref: Annotated[str, _matching(_REF, "a full ref, expected refs/…")] | None = None
    """Provenance: the full git ref. At most one of `ref`, `branch`, `tag` and `versionedTag`."""
    branch: Word | None = None
    """Provenance: the branch."""
    tag: Word | None = None
    """Provenance: the tag."""
    versioned_tag: Annotated[str, AfterValidator(_version)] | None = Field(None, alias="versionedTag")
    """Provenance: `v1`, `v1.2` or `v1.2.3`: a tag of that version, as far as it is written."""
    trigger: tuple[Word, ...] | None = Field(None, min_length=1, strict=False)
    """Provenance: one of these events started the build, like `push`."""
    build_type: Uri | None = Field(None, alias="buildType")
    """Provenance: the build type, exactly."""
    parameters: Annotated[dict[str, JsonValue], AfterValidator(_parameters)] | None = None
    """Provenance: the external parameters, exactly these. What the builder's own checks cover need not stand here."""
    workflow_inputs: dict[str, str] = Field({}, alias="workflowInputs")
    """Provenance: inputs of a workflow that was started by hand, each exactly."""
    allow: tuple[Literal["pull-request", "self-hosted"], ...] = Field((), strict=False)
    """Provenance: what is refused otherwise: builds for pull requests, and on runners of whoever starts builds."""
    verifier: Uri | None = None
    """Summaries: the verifier's id."""
    resource_uri: tuple[Word, ...] | None = Field(None, alias="resourceUri", min_length=1, strict=False)
    """Summaries: what they are about. Left out: this image as `registry/repository`, with or without `@digest`."""
    levels: tuple[Annotated[str, _matching(_LEVEL, "a level's name")], ...] | None = Field(
        None, min_length=1, strict=False
    )
    """Summaries: levels that were verified: of a SLSA track that one or a higher one, other names as they are."""
    policy_digest: DigestWord | None = Field(None, alias="policyDigest")
    """Summaries: the digest of the policy that was applied."""
    max_age: Age | None = Field(None, alias="maxAge")
    """Summaries: how old the verification may be. Where the summary grows too old, so does the verdict."""

    @model_validator(mode="after")
    def _fits_the_type(self) -> Self:
        kind = kind_of(self.type)
        written_keys = {type(self).model_fields[name].alias or name for name in self.model_fields_set}
        for keys, wanted in ((_OF_PROVENANCE, PROVENANCE), (_OF_SUMMARIES, SUMMARY)):
            foreign = next((key for key in keys if key in written_keys and kind != wanted), None)
            if foreign is not None:
                raise ValueError(f"{foreign!r} is a demand on attestations of type {wanted}, not {self.type[:80]}")
        if self.min_level is not None and kind not in (PROVENANCE, SUMMARY):
            raise ValueError(f"'minLevel' is a demand on attestations of type {PROVENANCE} or {SUMMARY}")
        if self.predicate and not kind:
            raise ValueError(f"'predicate' needs a type whose predicates are read: {', '.join(sorted(TYPES))}")
        refs = [key for key in _REFS if key in written_keys]
        if len(refs) > 1:
            raise ValueError(f"names {' and '.join(refs)}, expected at most one of them")
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "AttestedBy":
        """Return the rule, its signers resolved."""
        from preverify.policy.rules.attestation import AttestedBy  # the rule knows its written form

        kind = kind_of(self.type)
        summary = self._summary() if kind == SUMMARY else None
        provenance = self._provenance() if kind == PROVENANCE else None
        return AttestedBy(
            name=name,
            mode=mode,
            by=quorum(self.by),
            type=self.type,
            types=TYPES.get(self.type, (self.type,)),
            provenance=provenance or None,
            summary=summary if self.type == SUMMARY or summary != SummaryDemand() else None,
            predicate=tuple(sorted(self.predicate.items())),
        )

    def _provenance(self) -> ProvenanceDemand:
        ref = self.ref or (f"refs/heads/{self.branch}" if self.branch else f"refs/tags/{self.tag}" if self.tag else "")
        return ProvenanceDemand(
            builders=tuple(Accepted(id=each.id, level=each.level) for each in self.builders or ()),
            source=self.source or "",
            ref=ref,
            versioned_tag=self.versioned_tag or "",
            trigger=tuple(sorted(set(self.trigger or ()))),
            build_type=self.build_type or "",
            parameters=(
                None
                if self.parameters is None
                else tuple(sorted((name, written(value)) for name, value in self.parameters.items()))
            ),
            inputs=tuple(sorted(self.workflow_inputs.items())),
            min_level=self.min_level or 0,
            allow=tuple(sorted(set(self.allow))),
        )

    def _summary(self) -> SummaryDemand:
        levels = {*(self.levels or ()), *(() if self.min_level is None else (build_level(self.min_level),))}
        return SummaryDemand(
            verifier=self.verifier or "",
            resources=tuple(sorted(set(self.resource_uri or ()))),
            levels=tuple(sorted(levels)),
            policy_digest=self.policy_digest or "",
            max_age=self.max_age,
        )
