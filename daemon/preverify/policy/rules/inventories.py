"""Whose bills of materials count, for every rule that looks at components."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, Self, TypeVar

from pydantic import model_validator

from preverify.model.contents import MAX_ENTRIES, Inventory
from preverify.model.evidence import Format
from preverify.model.findings import Claim, Finding
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.demands.attestation_types import TYPES, is_one_of
from preverify.policy.quorum import BySpec, Quorum, Resolve, Signer
from preverify.policy.rules.evidence import Demand, Look, conclude, standing
from preverify.policy.rules.results import Named, result, undecided
from preverify.policy.shortfall import Shortfall
from preverify.policy.wire import Part

__all__ = ["Bill", "Inventories", "InventoriesSpec", "Judge"]

_TYPES = (*TYPES["spdx"], *TYPES["cyclonedx"])
_COUNTS = ("packages.count", "components.count")
_NOUN = "bill of materials"
_ORDER = (Outcome.PASSED, Outcome.UNDECIDED, Outcome.FAILED)

_Said = TypeVar("_Said")
Judge = Callable[[Inventory], _Said | None]
"""Says something of a bill of materials; None where there is nothing to say."""


def _for_good(inventory: Inventory) -> None:
    del inventory


class InventoriesSpec(Part):
    """Whose bills of materials count: attested ones by the named signers, our own scanner's, or both."""

    by: BySpec | None = None
    """Who has to have attested a bill of materials (SPDX or CycloneDX) of this image."""
    scanner: bool = False
    """Whether what the configured scanner finds in the image counts. Beside `by` either is enough to look at."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.by is None and not self.scanner:
            raise ValueError("says whose bills of materials count nowhere, expected by: {…}, scanner: true or both")
        return self

    def inventories(self, quorum: Resolve) -> "Inventories":
        """Return whose bills count, signers resolved."""
        return Inventories(by=None if self.by is None else quorum(self.by), scanner=self.scanner)


class Bill(NamedTuple):
    """A bill of materials that counts: the evidence and the statement that it stands in, and whose it is."""

    evidence: str
    statement: str
    whose: str
    inventory: Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventories:
    """Whose bills of materials count. At least one of the two is set.

    Attributes:
        by: The signers; None where attested ones do not count.
        scanner: Whether our own scanner's counts.
    """

    by: Quorum | None
    scanner: bool

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return () if self.by is None else (self.by,)

    @property
    def needs(self) -> frozenset[Need]:
        """Return what has to be there to look at."""
        attested = frozenset({Need.INVENTORY}) if self.by is not None else frozenset[Need]()
        return attested | {Need.SCANNER} if self.scanner else attested

    def bills(self, look: Look) -> tuple[Bill, ...]:
        """Return every bill that counts by itself, whether or not there are enough of them."""
        found: dict[str, Bill] = {}
        for finding in look.findings:
            inventory = inventory_of(finding, look) if finding.established else None
            whose = self._whose(finding, look) if inventory is not None else ""
            if inventory is not None and whose:
                found.setdefault(finding.statement, Bill(finding.evidence, finding.statement, whose, inventory))
        return tuple(found.values())

    def _whose(self, finding: Finding, look: Look) -> str:
        """Return who stands for an established finding's bill; empty where nobody does who counts."""
        if is_scanned(finding):
            return "our scanner" if self.scanner else ""
        if self.by is None or not is_inventory(finding):
            return ""
        found = standing(finding, self.by, Claim.ATTESTATION, look.now)
        return "" if found is None else "/".join(signer.name for signer in found.signers)

    def conclude(
        self, rule: Named, look: Look, *, lack: Judge[Shortfall], until: Judge[datetime] = _for_good
    ) -> RuleResult:
        """Return PASSED where there are bills that lack nothing: of enough signers, or our scanner's.

        Args:
            rule: Whose result it is.
            look: What is to be seen.
            lack: Why a bill does not count. Others beside one that counts change nothing.
            until: Until when it counts; left out: for good.
        """
        results = [] if self.by is None else [self._attested(self.by, rule, look, lack, until)]
        if self.scanner:
            results.append(self._scanned(rule, look, lack, until))
        # Either is enough, and what is undecided may still come. Of two that failed, the first says more.
        return min(results, key=lambda each: (_ORDER.index(each.outcome), each.degraded))

    def every(self, rule: Named, look: Look, violation: Judge[Shortfall]) -> RuleResult:
        """Return PASSED where there are whole bills to look at, and nothing is wrong with any that counts.

        All of them are about one image: what one of them names is in there, though another does not name it.
        """
        bills = self.bills(look)
        wrong = [(short, bill) for bill in bills if (short := violation(bill.inventory)) is not None]
        if wrong:
            # What is known to be wrong says more than what is not known.
            short, bill = min(wrong, key=lambda each: each[0].reason is Reason.SBOM_MISSING)
            detail = f"{short.detail} ({_NOUN} by {bill.whose})"
            return result(rule, Outcome.FAILED, short.reason, detail, evidence=(bill.evidence,))
        found = self.conclude(rule, look, lack=part_of_it)
        if found.outcome is not Outcome.PASSED:
            return found
        return replace(found, evidence=tuple(dict.fromkeys((*found.evidence, *(bill.evidence for bill in bills)))))

    def _attested(
        self, by: Quorum, rule: Named, look: Look, lack: Judge[Shortfall], until: Judge[datetime]
    ) -> RuleResult:
        def suits(finding: Finding) -> Shortfall | None:
            inventory = inventory_of(finding, look)
            return _unread(finding) if inventory is None else lack(inventory)

        def ends(finding: Finding) -> datetime | None:
            inventory = inventory_of(finding, look)
            return None if inventory is None else until(inventory)

        demand = Demand(
            rule=rule,
            by=by,
            claim=Claim.ATTESTATION,
            missing=Reason.SBOM_MISSING,
            noun=_NOUN,
            suits=suits,
            until=ends,
        )
        # Attestations of other things say nothing of this; that there are only such means that there is none.
        concerned = [each for each in look.findings if not each.predicate_type or is_inventory(each)]
        found = conclude(demand, replace(look, findings=concerned))
        if found.outcome is Outcome.PASSED and not found.evidence:
            return result(rule, Outcome.FAILED, Reason.SBOM_MISSING, f"no {_NOUN} to look at: {found.detail}")
        return found

    def _scanned(self, rule: Named, look: Look, lack: Judge[Shortfall], until: Judge[datetime]) -> RuleResult:
        failed: RuleResult | None = None
        for report in filter(is_scanned, look.findings):
            inventory = inventory_of(report, look)
            if inventory is None:
                short = _unread(report)
            elif (lacking := lack(inventory)) is not None:
                short = lacking
            else:
                detail, end = f"{_NOUN} by our scanner", until(inventory)
                return result(rule, Outcome.PASSED, Reason.OK, detail, evidence=(report.evidence,), until=end)
            failed = result(rule, Outcome.FAILED, short.reason, short.detail, evidence=(report.evidence,))
        if failed is not None:
            return failed
        for missing in (*look.unscanned, *look.unobtained):
            return undecided(rule, missing)
        return result(rule, Outcome.FAILED, Reason.SBOM_MISSING, f"our scanner made no {_NOUN}")

    def canonical(self) -> dict[str, Any]:
        """Return this as the policy's digest sees it: only what is demanded."""
        form: dict[str, Any] = {} if self.by is None else {"by": self.by.canonical()}
        return form | {"scanner": True} if self.scanner else form

    @classmethod
    def from_canonical(cls, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild it from the canonical form of a rule that it is part of."""
        by = Quorum.from_canonical(body["by"], signers) if "by" in body else None
        return cls(by=by, scanner=body.get("scanner", False))


def part_of_it(inventory: Inventory) -> Shortfall | None:
    """Return why a bill says too little to conclude anything from what it does not name."""
    if inventory.incomplete:
        return Shortfall(Reason.SBOM_MISSING, f"the {_NOUN} calls itself {inventory.incomplete[:80]!r}")
    if not inventory.components:
        return Shortfall(Reason.SBOM_MISSING, f"the {_NOUN} names no component")
    return None


def inventory_of(finding: Finding, look: Look) -> Inventory | None:
    """Return the bill of materials that a finding's statement is; None where it is none that could be read."""
    content = look.contents.get(finding.statement)
    return content if isinstance(content, Inventory) else None


def is_scanned(finding: Finding) -> bool:
    """Say whether a finding is what our own scanner found."""
    return finding.claim is Claim.REPORT and finding.established and finding.format == Format.SCANNER_SBOM


def is_inventory(finding: Finding) -> bool:
    """Say whether a finding's statement calls itself a bill of materials."""
    return is_one_of(_TYPES, finding.predicate_type)


def _unread(finding: Finding) -> Shortfall:
    """Say why a bill that somebody stands for has no contents."""
    counts = [int(value) for name, value in finding.predicate if name in _COUNTS]
    if any(count > MAX_ENTRIES for count in counts):
        return Shortfall(Reason.TOO_LARGE, f"{_NOUN} of {counts[0]} components, at most {MAX_ENTRIES} are read")
    return Shortfall(
        Reason.STATEMENT_MALFORMED,
        f"cannot be read as a {_NOUN}: it is not of its format, or has more than {MAX_ENTRIES} components",
    )
