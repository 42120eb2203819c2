"""The rule `endOfLife`: nobody announced the end of this image, and its operating system still gets security fixes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from preverify.model.contents import Inventory
from preverify.model.findings import Claim
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.demands.attestation_types import TYPES, is_one_of
from preverify.policy.demands.distributions import BUILT_IN, ends, entry
from preverify.policy.places import Path
from preverify.policy.quorum import BySpec, Quorum, Resolve, Signer
from preverify.policy.rules.evidence import Look, earliest
from preverify.policy.rules.inventories import Inventories, InventoriesSpec
from preverify.policy.rules.results import result, undecided
from preverify.policy.shortfall import Shortfall
from preverify.policy.wire import Part

_TYPES = TYPES["end-of-life"]
_NEVER = "never"
_ORDER = (Outcome.FAILED, Outcome.UNDECIDED, Outcome.PASSED)


def _last_day(value: object) -> str:
    text = value if isinstance(value, str) else ""
    try:
        return _NEVER if text == _NEVER else date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f'{str(value)[:40]!r} is no day, expected a quoted text like "2026-08-31", or never') from None


LastDay = Annotated[str, BeforeValidator(_last_day)]
Distribution = Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,63}$")]


class AnnouncedSpec(Part):
    """Attestations that say that an image has reached its end of life, like Chainguard's."""

    by: BySpec
    """Whose announcements count, as `any: […]`: one is enough to deny."""

    @model_validator(mode="after")
    def _one_is_enough(self) -> Self:
        if self.by.any is None:
            raise ValueError("one announcement is enough to deny, expected by: {any: […]}")
        return self


class EndOfLifeSpec(Part):
    """Nobody announced the end of this image, and its operating system is still supported. At least one of both."""

    announced: AnnouncedSpec | None = None
    """Nobody of these has attested that the image has reached its end of life."""
    operating_system: InventoriesSpec | None = Field(None, alias="operatingSystem")
    """The operating system that bills of materials name is supported today. Whose bills count."""
    distributions: dict[Distribution, LastDay] = Field({})
    """Last day of support by distribution, like `{debian-11: "2026-08-31"}`, or `never`: beside and before the days
    that the program knows. `acme-3` covers `acme-3.1` as well."""
    unknown: Literal["deny", "allow"] = "deny"
    """What happens where no operating system is named, or one of which no day is known."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.announced is None and self.operating_system is None:
            raise ValueError("demands nothing, expected at least one of: announced, operatingSystem")
        for name, field in (("distributions", "distributions"), ("unknown", "unknown")):
            if field in self.model_fields_set and self.operating_system is None:
                raise ValueError(f"{name!r} is about operating systems, expected 'operatingSystem' beside it")
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Supported":
        """Return the rule, its signers resolved."""
        system = self.operating_system
        days = {each: None if day is None else day.isoformat() for each, day in BUILT_IN.items()}
        days |= {each: None if day == _NEVER else day for each, day in self.distributions.items()}
        return Supported(
            name=name,
            mode=mode,
            announced=None if self.announced is None else quorum(self.announced.by, ("announced",)),
            source=None if system is None else system.inventories(partial(_below, quorum)),
            days=() if system is None else tuple(sorted(days.items())),
            unknown=self.unknown == "allow",
        )


def _below(quorum: Resolve, by: BySpec, at: Path = ()) -> Quorum:
    return quorum(by, ("operatingSystem", *at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Supported:
    """No end of life was announced, and none has come.

    Attributes:
        announced: Whose announcement denies; None where nobody's.
        source: Whose bills of materials say which operating system it is; None where that does not matter.
        days: Last day of support by distribution, sorted; None: it has no end. All that is known when the policy is
            loaded: a later version of the program knows more, and that is another policy.
        unknown: Whether an operating system that is not named, or not known, is allowed.
    """

    KIND: ClassVar[str] = "endOfLife"

    name: str
    mode: Mode
    announced: Quorum | None = None
    source: Inventories | None = None
    days: tuple[tuple[str, str | None], ...] = ()
    unknown: bool = False

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        announced = () if self.announced is None else (self.announced,)
        return announced if self.source is None else (*announced, *self.source.quorums)

    @property
    def needs(self) -> frozenset[Need]:
        """Return bills of materials, where they are looked at. Announcements are facts of attestations."""
        return frozenset() if self.source is None else self.source.needs

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where nothing says that the end has come, and everything was seen that could say it."""
        results = [] if self.announced is None else [self._announced(self.announced, look)]
        if self.source is not None:
            results.append(self._system(self.source, look))
        worst = min(results, key=lambda each: _ORDER.index(each.outcome))
        if worst.outcome is not Outcome.PASSED:
            return worst
        return result(
            self,
            Outcome.PASSED,
            Reason.OK,
            "; ".join(each.detail for each in results),
            evidence=tuple(sorted({evidence for each in results for evidence in each.evidence})),
            degraded=any(each.degraded for each in results),
            until=earliest(each.until for each in results),
        )

    def _announced(self, by: Quorum, look: Look) -> RuleResult:
        """Say whether somebody announced it. That nobody did is known only where all evidence was read.

        An announcement denies even where its signature has expired since: the end does not become undone by that.
        """
        for each in look.findings:
            of_kind = each.established and each.claim is Claim.ATTESTATION
            if of_kind and is_one_of(_TYPES, each.predicate_type):
                signers, _ = by.claimants(each, look.now)
                if signers:
                    detail = f"{signers[0].name} announced that this image has reached its end of life"
                    return result(self, Outcome.FAILED, Reason.END_OF_LIFE, detail, evidence=(each.evidence,))
        if look.unobtained:
            return undecided(self, look.unobtained[0])
        if look.truncated:
            detail = "there is more evidence than limits allow to be read, and an announcement may be among it"
            return result(self, Outcome.FAILED, Reason.TOO_MUCH_EVIDENCE, detail)
        return result(self, Outcome.PASSED, Reason.OK, f"no end of life announced by {by.people}")

    def _system(self, source: Inventories, look: Look) -> RuleResult:
        """Say whether the operating system is supported: every one that any bill names."""
        table = {name: None if day is None else date.fromisoformat(day) for name, day in self.days}

        def until(inventory: Inventory) -> datetime | None:
            day = table.get(entry(inventory.distribution, table) or "")
            return None if day is None else ends(day)

        def lack(inventory: Inventory) -> Shortfall | None:
            known = entry(inventory.distribution, table)
            end = until(inventory)
            if end is not None and end <= look.now:
                detail = f"{inventory.distribution[:80]} was supported until {table[known or '']}"
                return Shortfall(Reason.END_OF_LIFE, detail)
            if known is not None or self.unknown:
                return None
            if inventory.distribution:
                detail = f"it is not known until when {inventory.distribution[:80]!r} is supported"
                return Shortfall(Reason.END_OF_LIFE, f"{detail}; say it under distributions")
            return Shortfall(Reason.SBOM_MISSING, "the bill of materials names no operating system")

        bills = source.bills(look)
        wrong = [(short, bill) for bill in bills if bill.inventory.distribution and (short := lack(bill.inventory))]
        if wrong:
            short, bill = min(wrong, key=lambda each: (each[0].detail, each[1].evidence))
            detail = f"{short.detail} (bill of materials by {bill.whose})"
            return result(self, Outcome.FAILED, short.reason, detail, evidence=(bill.evidence,))
        found = source.conclude(self, look, lack=lack, until=until)
        if found.outcome is not Outcome.PASSED:
            return found
        names = sorted({bill.inventory.distribution[:80] or "an operating system that is not named" for bill in bills})
        return result(
            self,
            Outcome.PASSED,
            Reason.OK,
            f"{found.detail}: {', '.join(names)[:200]}",
            evidence=tuple(sorted({*found.evidence, *(bill.evidence for bill in bills)})),
            degraded=found.degraded,
            until=earliest((found.until, *(until(bill.inventory) for bill in bills))),
        )

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it."""
        form: dict[str, Any] = {}
        if self.announced is not None:
            form["announced"] = self.announced.canonical()
        if self.source is not None:
            form |= {"operatingSystem": self.source.canonical(), "days": dict(self.days), "unknown": self.unknown}
        return form

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        system = body.get("operatingSystem")
        return cls(
            name=name,
            mode=mode,
            announced=Quorum.from_canonical(body["announced"], signers) if "announced" in body else None,
            source=None if system is None else Inventories.from_canonical(system, signers),
            days=tuple(sorted(body.get("days", {}).items())),
            unknown=body.get("unknown", False),
        )
