"""The rule `imageAge`: when the image was made, by its configuration or by provenance."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from preverify.model.findings import Claim, Finding
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.demands.attestation_types import PROVENANCE, TYPES, is_one_of
from preverify.policy.demands.images import Unread, image_facts, said
from preverify.policy.demands.summaries import SKEW
from preverify.policy.quorum import BySpec, Quorum, Resolve, Signer
from preverify.policy.rules.attestation_spec import Age
from preverify.policy.rules.evidence import Demand, Look, Shortfall, conclude, earliest
from preverify.policy.rules.results import result
from preverify.policy.wire import Part


class ImageAgeSpec(Part):
    """How old the image may be, and how old it has to be."""

    max_age: Age | None = Field(None, alias="maxAge")
    """It is younger than this, like `90d`."""
    min_age: Age | None = Field(None, alias="minAge")
    """It is at least this old, like `3d`: others had time to notice what is wrong with it."""
    by: BySpec | None = None
    """Provenance by these says when it was built. Left out: the configuration's `created` does, whoever wrote it."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_age is None and self.min_age is None:
            raise ValueError("demands nothing, expected maxAge, minAge or both")
        if self.max_age is not None and self.min_age is not None and self.min_age >= self.max_age:
            raise ValueError("'minAge' is not less than 'maxAge': no image would ever pass")
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Aged":
        """Return the rule, its signers resolved."""
        by = None if self.by is None else quorum(self.by)
        return Aged(name=name, mode=mode, max_age=self.max_age, min_age=self.min_age, by=by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """The image was made neither too long ago nor too short.

    Attributes:
        by: Whose provenance says when; None: the configuration says it.
    """

    KIND: ClassVar[str] = "imageAge"

    name: str
    mode: Mode
    max_age: timedelta | None = None
    min_age: timedelta | None = None
    by: Quorum | None = None

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose provenance is looked at."""
        return () if self.by is None else (self.by,)

    @property
    def needs(self) -> frozenset[Need]:
        """Return the configuration, where that says the time."""
        return frozenset({Need.CONFIG}) if self.by is None else frozenset()

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where the time is known and in between."""
        return self._by_config(look) if self.by is None else self._by_provenance(look, self.by)

    def _by_config(self, look: Look) -> RuleResult:
        image = image_facts(look.gathered)
        if isinstance(image, Unread):
            return result(self, image.outcome, image.reason, image.detail)
        made = image.config.created
        if made is None:
            detail = "the configuration does not say when it was made; demand it of provenance with 'by'"
            return result(self, Outcome.FAILED, Reason.NO_TRUSTED_TIME, detail)
        short = self._shortfall(made, look.now)
        if short is None:
            return result(self, Outcome.PASSED, Reason.OK, f"made at {_text(made)}", until=self._until(made))
        return result(self, Outcome.FAILED, short.reason, short.detail, until=self._ripe(made, look.now))

    def _by_provenance(self, look: Look, by: Quorum) -> RuleResult:
        ripe: list[datetime | None] = []

        def suits(finding: Finding) -> Shortfall | None:
            if not is_one_of(TYPES[PROVENANCE], finding.predicate_type):
                detail = f"attests {finding.predicate_type[:120] or 'nothing'!r}, expected {PROVENANCE}"
                return Shortfall(Reason.PREDICATE_TYPE_MISMATCH, detail)
            made = _built(finding)
            if made is None:
                return Shortfall(Reason.NO_TRUSTED_TIME, "the provenance does not say when it was built")
            ripe.append(self._ripe(made, look.now))
            return self._shortfall(made, look.now)

        def until(finding: Finding) -> datetime | None:
            made = _built(finding)
            return None if made is None else self._until(made)

        demand = Demand(
            rule=self,
            by=by,
            claim=Claim.ATTESTATION,
            missing=Reason.ATTESTATION_MISSING,
            noun="provenance",
            suits=suits,
            until=until,
        )
        found = conclude(demand, look)
        return found if found.outcome is not Outcome.FAILED else replace(found, until=earliest(ripe))

    def _shortfall(self, made: datetime, now: datetime) -> Shortfall | None:
        if made > now + SKEW:
            return Shortfall(Reason.TIMESTAMP_INVALID, f"made at {_text(made)}, which is in the future")
        if self.max_age is not None and made + self.max_age <= now:
            return Shortfall(Reason.IMAGE_TOO_OLD, f"made at {_text(made)}, {self.max_age} ago or more")
        if self.min_age is not None and now < made + self.min_age:
            return Shortfall(
                Reason.CONFIG_DENIED, f"made at {_text(made)}, too young until {_text(made + self.min_age)}"
            )
        return None

    def _until(self, made: datetime) -> datetime | None:
        return None if self.max_age is None else made + self.max_age

    def _ripe(self, made: datetime, now: datetime) -> datetime | None:
        """Return when what fails for its youth is old enough; None where time alone mends nothing."""
        if self.min_age is None or made > now + SKEW or made + self.min_age <= now:
            return None
        return made + self.min_age

    def canonical(self) -> dict[str, Any]:
        """Return the demands as the policy's digest sees them: what is not demanded does not stand."""
        ages = (("maxAgeSeconds", self.max_age), ("minAgeSeconds", self.min_age))
        form: dict[str, Any] = {key: int(age.total_seconds()) for key, age in ages if age is not None}
        return form if self.by is None else form | {"by": self.by.canonical()}

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""

        def age(key: str) -> timedelta | None:
            return timedelta(seconds=body[key]) if key in body else None

        by = Quorum.from_canonical(body["by"], signers) if "by" in body else None
        return cls(name=name, mode=mode, max_age=age("maxAgeSeconds"), min_age=age("minAgeSeconds"), by=by)


def _built(finding: Finding) -> datetime | None:
    """Return when a build finished, or started where only that is said."""
    facts = dict(finding.predicate)
    text = facts.get("finishedOn") or facts.get("startedOn")
    return None if text is None else said(datetime.fromisoformat(text))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
