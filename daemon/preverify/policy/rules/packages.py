"""The rule `packages`: what is in an image, by the package URLs of its bills of materials."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from preverify.model.contents import Component, Inventory
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, RuleResult
from preverify.policy.demands import purls
from preverify.policy.demands.purls import Pattern, few
from preverify.policy.quorum import Quorum, Resolve, Signer
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.inventories import Inventories, InventoriesSpec
from preverify.policy.shortfall import Shortfall
from preverify.policy.wire import deny_or_allow, distinct

_DENIED = "not allowed"
_UNSURE = "named without what has to be compared (a package URL, a version)"


def _pattern(text: str) -> str:
    return Pattern.of(text).text


PurlPattern = Annotated[str, AfterValidator(_pattern)]
PurlPatterns = Annotated[tuple[PurlPattern, ...], Field(min_length=1, max_length=10_000, strict=False)]


class PackagesSpec(InventoriesSpec):
    """Packages that must not be in an image, or that alone may be: by package URL, out of bills of materials."""

    deny: PurlPatterns | None = None
    """None of these may be in the image: `pkg:npm/event-stream@3.3.6`, `pkg:golang/github.com/acme/**`; without a
    version all versions are meant."""
    allow: PurlPatterns | None = None
    """Nothing else may be in the image."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        deny_or_allow(self.deny, self.allow)
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Contained":
        """Return the rule, its signers resolved."""
        return Contained(
            name=name,
            mode=mode,
            source=self.inventories(quorum),
            deny=distinct(self.deny),
            allow=None if self.allow is None else distinct(self.allow),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contained:
    """Every bill of materials that counts names only what may be there.

    A component without a package URL cannot be compared: beside `allow` it is unknown, beside `deny` where its name is
    one of those that are denied.

    Attributes:
        deny: Patterns of package URLs.
        allow: None where everything that is not denied is allowed.
    """

    KIND: ClassVar[str] = "packages"

    name: str
    mode: Mode
    source: Inventories
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return self.source.quorums

    @property
    def needs(self) -> frozenset[Need]:
        """Return bills of materials."""
        return self.source.needs

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where there are bills of materials, and nothing in any of them is denied."""
        return self.source.every(self, look, self._violation)

    def _violation(self, inventory: Inventory) -> Shortfall | None:
        judged = [(each, self._judge(each)) for each in inventory.components]
        for reason, word in ((Reason.COMPONENT_DENIED, _DENIED), (Reason.SBOM_MISSING, _UNSURE)):
            found = [each for each, seen in judged if seen == word]
            if found:
                return Shortfall(reason, f"{word}: {few(found)}")
        return None

    def _judge(self, component: Component) -> str:
        named = purls.read(component.purl) if component.purl else None
        if named is None:
            may_be = self.allow is not None or self._may_be_denied(component)
            return _UNSURE if may_be else ""
        said = purls.versions(component, named)
        denied = purls.patterns(self.deny).about(named.path)
        if any(purls.same(pattern, said) for pattern in denied):
            return _DENIED
        if denied and not said:
            return _UNSURE
        if self.allow is None or purls.meant(purls.patterns(self.allow), component, named):
            return ""
        return _DENIED

    def _may_be_denied(self, component: Component) -> bool:
        said = frozenset({purls.comparable(component.version)} if component.version else ())
        return any(not said or purls.same(each, said) for each in purls.patterns(self.deny).by_name(component.name))

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it: only what is demanded."""
        form = self.source.canonical()
        if self.deny:
            form["deny"] = list(self.deny)
        if self.allow is not None:
            form["allow"] = list(self.allow)
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
        )
