"""The rule `licenses`: under which licences the components of an image are, by its bills of materials."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from preverify.model.contents import Component, Inventory
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, RuleResult
from preverify.policy.demands import purls
from preverify.policy.demands.license_expressions import Judged, check_entry, terms
from preverify.policy.quorum import Quorum, Resolve, Signer
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.inventories import Inventories, InventoriesSpec
from preverify.policy.rules.packages import PurlPatterns
from preverify.policy.shortfall import Shortfall
from preverify.policy.wire import deny_or_allow, distinct

_List = Field(min_length=1, max_length=10_000, strict=False)
_Denied = Annotated[tuple[Annotated[str, AfterValidator(partial(check_entry, free=False))], ...], _List]
_Allowed = Annotated[tuple[Annotated[str, AfterValidator(partial(check_entry, free=True))], ...], _List]


class LicensesSpec(InventoriesSpec):
    """Licences that no component may have, or that alone are allowed: out of bills of materials."""

    deny: _Denied | None = None
    """No component may be under these: SPDX identifiers, with `*` for any characters: `AGPL-*`. Of alternatives (`OR`)
    one that is not denied is enough."""
    allow: _Allowed | None = None
    """Every component has to be under these, and nothing else. Names that SPDX does not know may stand here."""
    unknown: Literal["deny", "allow"] = "deny"
    """What becomes of components of which no licence is known: `deny`, or `allow`."""
    exceptions: PurlPatterns | None = None
    """Components that are not looked at: `pkg:deb/debian/base-files`; without a version all versions."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        deny_or_allow(self.deny, self.allow)
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Licensed":
        """Return the rule, its signers resolved."""
        return Licensed(
            name=name,
            mode=mode,
            source=self.inventories(quorum),
            deny=distinct(self.deny),
            allow=None if self.allow is None else distinct(self.allow),
            unknown=self.unknown == "allow",
            exceptions=distinct(self.exceptions),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensed:
    """Every component of every bill of materials that counts is under licences that are allowed.

    Attributes:
        deny: SPDX identifiers, with stars.
        allow: None where everything that is not denied is allowed.
        unknown: Whether components pass of which no licence is known.
        exceptions: Patterns of package URLs.
    """

    KIND: ClassVar[str] = "licenses"

    name: str
    mode: Mode
    source: Inventories
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    unknown: bool = False
    exceptions: tuple[str, ...] = ()

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return self.source.quorums

    @property
    def needs(self) -> frozenset[Need]:
        """Return bills of materials."""
        return self.source.needs

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where there are bills of materials, and no licence in any of them is denied."""
        return self.source.every(self, look, self._violation)

    def _violation(self, inventory: Inventory) -> Shortfall | None:
        ours = terms(self.deny, self.allow)
        judged = [(each, ours.judge(each.licenses)) for each in inventory.components]
        bad = [each for each, seen in judged if seen is Judged.DENIED and not self._excepted(each)]
        if bad:
            said = " AND ".join(bad[0].licenses)[:120]
            return Shortfall(Reason.LICENSE_DENIED, f"not allowed: {said} of {purls.few(bad)}")
        unsaid = [each for each, seen in judged if seen is Judged.UNKNOWN and not self._excepted(each)]
        if unsaid and not self.unknown:
            return Shortfall(Reason.SBOM_MISSING, f"no licence that is known of {purls.few(unsaid)}")
        return None

    def _excepted(self, component: Component) -> bool:
        if not self.exceptions:
            return False
        named = purls.read(component.purl)
        return named is not None and purls.meant(purls.patterns(self.exceptions), component, named)

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it: only what is demanded."""
        form = self.source.canonical()
        if self.deny:
            form["deny"] = list(self.deny)
        if self.allow is not None:
            form["allow"] = list(self.allow)
        if self.unknown:
            form["unknown"] = "allow"
        if self.exceptions:
            form["exceptions"] = list(self.exceptions)
        return form

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        return cls(
            name=name,
            mode=mode,
            source=Inventories.from_canonical(body, signers),
            deny=tuple(body.get("deny", ())),
            allow=tuple(body["allow"]) if "allow" in body else None,
            unknown=body.get("unknown") == "allow",
            exceptions=tuple(body.get("exceptions", ())),
        )
