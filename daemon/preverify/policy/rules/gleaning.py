"""Which scans of an image count: attested ones by accepted signers, and what our database has for what is in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

from preverify.model.contents import Inventory, Scan
from preverify.model.evidence import Format
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.demands.attestation_types import TYPES, is_one_of
from preverify.policy.demands.scan_sources import Sources, Unjudged
from preverify.policy.demands.vulnerabilities import Counted
from preverify.policy.quorum import Quorum
from preverify.policy.rules.evidence import Demand, Look, Standing, conclude, earliest, standing
from preverify.policy.rules.inventories import inventory_of, is_inventory, is_scanned, part_of_it
from preverify.policy.rules.results import Named, result
from preverify.policy.shortfall import Shortfall

_SCANS = TYPES["vuln"]
_NEVER = datetime.min.replace(tzinfo=UTC)


def attested(look: Look, by: Quorum) -> Iterator[Standing]:
    """Yield the attestations that hold now and are by one of the signers."""
    for each in look.findings:
        found = standing(each, by, Claim.ATTESTATION, look.now)
        if found is not None:
            yield found


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the last of some ends of scans, which all have one: where one is enough, the others may end."""
    return max((each for each in moments if each is not None), default=None)


class _Report(NamedTuple):
    """A result of our own matching, and the evidence that holds it."""

    scan: Scan
    evidence: str


@dataclass(slots=True, kw_only=True)
class Gleaned:
    """What there is of scans.

    Attributes:
        counted: Scans whose vulnerabilities count; each once.
        enriching: What our database knows about attested ones among them.
        results: What each source says, by itself.
        begins: When scans that are dated in the future will begin to count.
    """

    counted: list[Counted] = field(default_factory=list)
    enriching: list[Counted] = field(default_factory=list)
    results: list[RuleResult] = field(default_factory=list)
    begins: list[datetime | None] = field(default_factory=list)


def glean(sources: Sources, look: Look, rule: Named) -> Gleaned:
    """Return which scans count, and whether they are enough.

    Args:
        sources: Where scans may come from.
        look: What was found.
        rule: Whose results they are.
    """
    gleaning = _Gleaning(sources, look, rule)
    if sources.scans is not None:
        gleaning.of_scans(sources.scans)
    if sources.matched is not None:
        gleaning.of_bills(sources.matched)
    if sources.scanner:
        gleaning.of_scanner()
    return gleaning.gleaned


class _Gleaning:
    """One look over all sources."""

    def __init__(self, sources: Sources, look: Look, rule: Named) -> None:
        self.gleaned = Gleaned()
        self._sources, self._look, self._rule = sources, look, rule
        self._reports = _reports(look)
        self._seen: set[str] = set()

    def of_scans(self, by: Quorum) -> None:
        """Look at attested scans: of each signer and scanner the newest, those that are not too old."""
        look, newest = self._look, dict[tuple[str, str], datetime]()
        scans: dict[str, Scan] = {}
        fresh: list[tuple[Standing, Scan, datetime]] = []
        for each in attested(look, by):
            scan = look.contents.get(each.finding.statement)
            if not isinstance(scan, Scan):
                continue
            scans[each.finding.statement] = scan
            self.gleaned.begins.append(self._sources.begins(scan, look.now))
            if scan.finished is not None and self._sources.attested_age(scan, look.now) is None:
                who = _series(each.finding, scan)
                newest[who] = max(scan.finished, newest.get(who, _NEVER))
                fresh.append((each, scan, scan.finished))
        for each, scan, finished in fresh:
            if finished == newest[_series(each.finding, scan)]:
                self._count(scan, each)
                self._add(self.gleaned.enriching, each.finding, each.until)

        def suits(finding: Finding) -> Shortfall | None:
            if not is_one_of(_SCANS, finding.predicate_type):
                return _other(finding, "a scan")
            scan = scans.get(finding.statement)
            if scan is None:
                return Shortfall(Reason.STATEMENT_MALFORMED, "a scan that could not be read")
            old = self._sources.attested_age(scan, look.now)
            if old is None and scan.finished != newest[_series(finding, scan)]:
                old = Shortfall(Reason.SCAN_STALE, "there is a newer scan of the same signer and scanner")
            return old or self._sources.gap(scan, None)

        self._conclude(by, "scan", suits, lambda finding: self._sources.attested_ends(scans[finding.statement]))

    def of_bills(self, by: Quorum) -> None:
        """Look at what our database has for bills of materials by some signers."""
        look = self._look
        for each in attested(look, by):
            if inventory_of(each.finding, look) is not None:
                self._add(self.gleaned.counted, each.finding, each.until)

        def suits(finding: Finding) -> Shortfall | None:
            if not is_inventory(finding):
                return _other(finding, "a bill of materials")
            inventory = inventory_of(finding, look)
            if inventory is None:
                return Shortfall(Reason.STATEMENT_MALFORMED, "a bill of materials that could not be read")
            return self._unmatched(finding, inventory)

        self._conclude(by, "matched bill of materials", suits, self._own_ends)

    def of_scanner(self) -> None:
        """Look at what our database has for what our scanner found in the image."""
        short = Shortfall(Reason.SCAN_MISSING, "our scanner made no bill of materials of this image")
        passed: dict[str, datetime | None] = {}
        for finding in self._look.findings:
            inventory = inventory_of(finding, self._look) if is_scanned(finding) else None
            if inventory is None:
                continue
            self._add(self.gleaned.counted, finding, None)
            reason = self._unmatched(finding, inventory)
            if reason is None:
                passed[finding.evidence] = self._own_ends(finding)
            else:
                short = reason
        self.gleaned.results.append(
            result(
                self._rule,
                Outcome.PASSED if passed else Outcome.FAILED,
                Reason.OK if passed else short.reason,
                "scan by our scanner" if passed else short.detail,
                evidence=tuple(passed),
                until=latest(passed.values()),
            )
        )

    def _conclude(
        self,
        by: Quorum,
        noun: str,
        suits: Callable[[Finding], Shortfall | None],
        until: Callable[[Finding], datetime | None],
    ) -> None:
        demand = Demand(
            rule=self._rule,
            by=by,
            claim=Claim.ATTESTATION,
            missing=Reason.SCAN_MISSING,
            noun=noun,
            suits=suits,
            until=until,
        )
        # Without a subject: a trust policy that skips verification vouches for images, it has scanned none.
        self.gleaned.results.append(conclude(demand, replace(self._look, subject=None)))

    def _own_ends(self, finding: Finding) -> datetime | None:
        return self._sources.own_ends(self._reports[_bare(finding.statement)].scan)

    def _unmatched(self, finding: Finding, inventory: Inventory) -> Shortfall | None:
        report = self._reports.get(_bare(finding.statement))
        if report is None:
            return Shortfall(Reason.SCAN_MISSING, "a bill of materials that no database was asked about")
        old = self._sources.own_age(report.scan, self._look.now)
        partial = part_of_it(inventory) if self._sources.unjudged is not Unjudged.ALLOW else None
        return old or partial or self._sources.gap(report.scan, inventory)

    def _add(self, there: list[Counted], finding: Finding, until: datetime | None) -> None:
        """Add what our database says of an attestation or report, once, where it is not too old."""
        report = self._reports.get(_bare(finding.statement))
        if report is None or report.evidence in self._seen:
            return
        self._seen.add(report.evidence)
        self.gleaned.begins.append(self._sources.begins(report.scan, self._look.now))
        if self._sources.own_age(report.scan, self._look.now) is None:
            ends = earliest((until, self._sources.own_ends(report.scan)))
            there.append(Counted(report.scan, report.evidence, ends))

    def _count(self, scan: Scan, each: Standing) -> None:
        if each.finding.statement not in self._seen:  # once, under however many anchors it holds
            self._seen.add(each.finding.statement)
            ends = earliest((each.until, self._sources.attested_ends(scan)))
            self.gleaned.counted.append(Counted(scan, each.finding.evidence, ends))


def _reports(look: Look) -> Mapping[str, _Report]:
    """Return what our database said, by what it was asked about; the most recent where it was asked again."""
    found: dict[str, _Report] = {}
    for each in look.findings:
        scan = look.contents.get(each.statement)
        if each.claim is Claim.REPORT and each.format == Format.MATCHES and each.established and isinstance(scan, Scan):
            of = _bare(scan.of)
            before = found.get(of)
            if before is None or _recent(scan, each.evidence) > _recent(before.scan, before.evidence):
                found[of] = _Report(scan, each.evidence)
    return found


def _recent(scan: Scan, evidence: str) -> tuple[datetime, str]:
    return scan.database_at or _NEVER, evidence


def _series(finding: Finding, scan: Scan) -> tuple[str, str]:
    """Return what newer scans replace: those of the same signer with the same scanner, in whatever version."""
    return finding.signer, scan.scanner.partition("@")[0]


def _other(finding: Finding, wanted: str) -> Shortfall:
    seen = finding.predicate_type[:120] or "nothing"
    return Shortfall(Reason.SCAN_MISSING, f"attests {seen!r}, expected {wanted}", Step.PAYLOAD)


def _bare(digest: str) -> str:
    return digest.removeprefix("sha256:")
