"""The rule `sbom`: there is a bill of materials of this image, and it says enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from preverify.model.contents import Component, Inventory
from preverify.model.durations import format_duration
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, RuleResult
from preverify.policy.demands.license_expressions import is_known
from preverify.policy.demands.purls import few
from preverify.policy.demands.summaries import SKEW
from preverify.policy.quorum import Quorum, Resolve, Signer
from preverify.policy.rules.attestation_spec import Age
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.inventories import Inventories, InventoriesSpec, part_of_it
from preverify.policy.shortfall import Shortfall
from preverify.policy.wire import distinct

_Format = Literal["spdx", "cyclonedx"]
_Part = Literal["version", "purl", "license"]
_WORDS: Mapping[str, str] = {"version": "version", "purl": "package URL", "license": "licence"}


class SbomSpec(InventoriesSpec):
    """A bill of materials of exactly this image digest, by somebody who counts."""

    formats: Annotated[tuple[_Format, ...], Field(min_length=1, strict=False)] | None = None
    """Only these formats count: `spdx`, `cyclonedx`. Left out: both."""
    complete: Annotated[tuple[_Part, ...], Field(min_length=1, strict=False)] | None = None
    """What every component has to have beside its name: `version`, `purl`, `license`. A document that says of itself
    that something is missing is not complete."""
    min_components: Annotated[int, Field(ge=1)] | None = Field(None, alias="minComponents")
    """How many components it names at least."""
    max_age: Age | None = Field(None, alias="maxAge")
    """How long ago it may have been made. One that does not say when does not count then."""

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Described":
        """Return the rule, its signers resolved."""
        return Described(
            name=name,
            mode=mode,
            source=self.inventories(quorum),
            formats=distinct(self.formats),
            complete=distinct(self.complete),
            min_components=self.min_components or 0,
            max_age=self.max_age,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Enough of those who count made a bill of materials that has everything that is demanded.

    One that satisfies is enough: others beside it, which say less, change nothing.

    Attributes:
        formats: Those that count; empty for both.
        complete: What every component has to have; empty where that does not matter.
        min_components: 0 for any number.
    """

    KIND: ClassVar[str] = "sbom"

    name: str
    mode: Mode
    source: Inventories
    formats: tuple[str, ...] = ()
    complete: tuple[str, ...] = ()
    min_components: int = 0
    max_age: timedelta | None = None

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return self.source.quorums

    @property
    def needs(self) -> frozenset[Need]:
        """Return bills of materials."""
        return self.source.needs

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where there is a bill of materials that has what is demanded."""

        def lack(inventory: Inventory) -> Shortfall | None:
            short = self._content(inventory) or self._age(inventory, look.now)
            return None if short is None else Shortfall(Reason.SBOM_MISSING, short)

        return self.source.conclude(self, look, lack=lack, until=self._end)

    def _content(self, inventory: Inventory) -> str | None:
        if self.formats and inventory.format not in self.formats:
            return f"the bill of materials is {inventory.format}, expected {' or '.join(self.formats)}"
        count = len(inventory.components)
        if count < self.min_components:
            return f"the bill of materials names {count} components, expected at least {self.min_components}"
        if self.complete:
            part = part_of_it(inventory)
            if part is not None:
                return part.detail
        for what in self.complete:
            without = [each for each in inventory.components if not _has(each, what)]
            if without:
                return f"no {_WORDS[what]} of {few(without)}"
        return None

    def _age(self, inventory: Inventory, now: datetime) -> str | None:
        if self.max_age is None:
            return None
        made = inventory.created
        if made is None:
            return "the bill of materials does not say when it was made"
        if made > now + SKEW:
            return f"the bill of materials is of {made.isoformat()}, which is in the future"
        if made + self.max_age <= now:
            limit = format_duration(self.max_age)
            return f"the bill of materials is of {made.isoformat()}, at most {limit} ago are allowed"
        return None

    def _end(self, inventory: Inventory) -> datetime | None:
        return None if self.max_age is None or inventory.created is None else inventory.created + self.max_age

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it: only what is demanded."""
        form = self.source.canonical()
        if self.formats:
            form["formats"] = list(self.formats)
        if self.complete:
            form["complete"] = list(self.complete)
        if self.min_components:
            form["minComponents"] = self.min_components
        if self.max_age is not None:
            form["maxAgeSeconds"] = int(self.max_age.total_seconds())
        return form

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        return cls(
            name=name,
            mode=mode,
            source=Inventories.from_canonical(body, signers),
            formats=tuple(body.get("formats", ())),
            complete=tuple(body.get("complete", ())),
            min_components=body.get("minComponents", 0),
            max_age=timedelta(seconds=body["maxAgeSeconds"]) if "maxAgeSeconds" in body else None,
        )


def _has(component: Component, what: str) -> bool:
    if what == "license":
        return is_known(component.licenses)
    return bool(component.version if what == "version" else component.purl)
