"""Where scans of an image may come from, how old they may be, and what they may leave open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from preverify.model.contents import Inventory, Scan
from preverify.model.durations import format_duration
from preverify.model.reasons import Reason
from preverify.policy.demands.summaries import SKEW
from preverify.policy.quorum import Quorum
from preverify.policy.shortfall import Shortfall

_SINGLE = frozenset(("cargo", "composer", "gem", "generic", "github", "golang", "hex", "maven", "npm", "nuget", "pypi"))
"""Kinds of purls of which one may be unknown without all of its neighbours: no packages of an operating system."""
_OF_MANY = " components"


class Unjudged(StrEnum):
    """What a scan may leave open and still count as one."""

    DENY = "deny"  # nothing
    COMPONENTS = "components"  # single components; no distribution, no whole ecosystem
    ALLOW = "allow"  # anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where scans may come from, and how old they may be.

    Attributes:
        scans: Whose attested scans count; None where nobody's.
        matched: Whose bills of materials count, matched against our database; None where nobody's.
        scanner: Whether what our scanner finds in the image counts, matched likewise.
        max_scan_age: Of attested scans, since they were finished.
        max_database_age: Of what attested scans compared with; None where that does not matter.
        own_database_age: Of our own database.
        unjudged: What a scan may leave open.
    """

    scans: Quorum | None
    matched: Quorum | None
    scanner: bool
    max_scan_age: timedelta
    max_database_age: timedelta | None
    own_database_age: timedelta
    unjudged: Unjudged

    @property
    def ours(self) -> bool:
        """Say whether our own database is asked."""
        return self.matched is not None or self.scanner

    def attested_age(self, scan: Scan, now: datetime) -> Shortfall | None:
        """Return why an attested scan says nothing about today."""
        return _age("the scan is", scan.finished, self.max_scan_age, now) or (
            _age("its database is", scan.database_at, self.max_database_age, now) if self.max_database_age else None
        )

    def own_age(self, scan: Scan, now: datetime) -> Shortfall | None:
        """Return why what our own database said says nothing about today."""
        return _age("the database is", scan.database_at, self.own_database_age, now)

    def begins(self, scan: Scan, now: datetime) -> datetime | None:
        """Return when a scan of the future, or with data of the future, is not of the future any more."""
        times = [each for each in (scan.finished, scan.database_at) if each is not None and each > now + SKEW]
        return max(times) - SKEW if times else None

    def attested_ends(self, scan: Scan) -> datetime | None:
        """Return when an attested scan grows too old."""
        ends = (_end(scan.finished, self.max_scan_age), _end(scan.database_at, self.max_database_age))
        return min((each for each in ends if each is not None), default=None)

    def own_ends(self, scan: Scan) -> datetime | None:
        """Return when our own database grows too old."""
        return _end(scan.database_at, self.own_database_age)

    def gap(self, scan: Scan, inventory: Inventory | None) -> Shortfall | None:
        """Return what a scan of an image, or of what a bill of materials names, leaves open and may not."""
        left = () if self.unjudged is Unjudged.ALLOW else scan.unjudged
        if left and self.unjudged is Unjudged.COMPONENTS:
            single = _single(left, inventory)
            left = tuple(each for each in left if each not in single)
        if not left:
            return None
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        return Shortfall(Reason.SCAN_MISSING, f"the scan says too little: it could not judge {left[0][:160]!r}{more}")


def _age(what: str, at: datetime | None, most: timedelta, now: datetime) -> Shortfall | None:
    if at is None:
        return Shortfall(Reason.SCAN_STALE, f"{what} of no time that it says, expected at most {format_duration(most)}")
    if at > now + SKEW:
        return Shortfall(Reason.TIMESTAMP_INVALID, f"{what} of {at.isoformat()}, which is in the future")
    if at + most <= now:
        return Shortfall(Reason.SCAN_STALE, f"{what} of {at.isoformat()}, older than {format_duration(most)}")
    return None


def _end(at: datetime | None, most: timedelta | None) -> datetime | None:
    return None if at is None or most is None else at + most


def _single(left: Sequence[str], inventory: Inventory | None) -> frozenset[str]:
    """Return the entries that are about one component which no distribution answers for.

    Our matching writes a component's name and version in front of the reason. What is not found so, and what is said
    of many at once, is taken to be about everything.
    """
    labels = {entry.partition(": ")[0]: entry for entry in left if not entry.endswith(_OF_MANY)}
    found: set[str] = set()
    others: set[str] = set()
    for each in inventory.components if inventory is not None else ():
        label = f"{each.name} {each.version}".strip()
        if label in labels:
            alone = not each.purl or each.purl[4:].partition("/")[0].lower() in _SINGLE
            (found if alone else others).add(label)
    return frozenset(entry for entry in left if entry.partition(": ")[0] in found - others)
