"""Which of the vulnerabilities that scans found are denied. Only limits are judged here; which scans count is not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from preverify.model.contents import Scan, Severity, Vulnerability
from preverify.policy.demands.limits import Limits
from preverify.policy.demands.summaries import SKEW
from preverify.policy.demands.vex import CVE, Silence, identities

_RANK: Mapping[Severity, int] = {each: rank for rank, each in enumerate(Severity)}
_HIGHEST: Mapping[Severity, float] = {
    Severity.NONE: 0.0,
    Severity.LOW: 3.9,
    Severity.MEDIUM: 6.9,
    Severity.HIGH: 8.9,
    Severity.CRITICAL: 10.0,
}
"""The highest score that a word may stand for, where nobody says which one it does."""
_NAMED = 5


class Counted(NamedTuple):
    """A scan that counts, the evidence that it came with, and when it grows too old."""

    scan: Scan
    evidence: str
    ends: datetime | None = None


class Denied(NamedTuple):
    """One vulnerability that is over a limit, or of which it is not known whether it is."""

    entry: Vulnerability
    why: tuple[str, ...]
    evidence: str

    def __str__(self) -> str:
        place = self.entry.package or self.entry.purl
        where = f" in {place[:80]}" if place else ""
        fix = f"fixed in {self.entry.fixed_in[0][:40]}" if self.entry.fixed_in else "no fix known"
        return f"{self.entry.id[:60]}{where} ({', '.join((*self.why, fix))})"


@dataclass(slots=True)
class Judgement:
    """What the limits say of all that was found.

    Attributes:
        denied: Over a limit.
        unknown: Nobody says what a limit is on: neither denied nor clean.
        silenced: Number of vulnerabilities that VEX took away.
        excepted: Number of those that are excepted.
        waiting: Number of those in their days of grace.
        count: Number of all that was found.
        evidence: What VEX documents took away rests on them.
        ends: Moments at which time alone may change this.
    """

    denied: list[Denied] = field(default_factory=list)
    unknown: list[Denied] = field(default_factory=list)
    silenced: int = 0
    excepted: int = 0
    waiting: int = 0
    count: int = 0
    evidence: set[str] = field(default_factory=set)
    ends: list[datetime] = field(default_factory=list)


Silencer = Callable[[Vulnerability, frozenset[str]], Silence | None]
"""Says whether VEX takes a vulnerability away that goes by some names."""


def judge(
    scans: Sequence[Counted],
    enriching: Iterable[Scan],
    limits: Limits,
    silencer: Silencer | None,
    excepted: frozenset[str],
    now: datetime,
) -> Judgement:
    """Judge what scans found. Everything counts that any of them says; of what several say, the worst.

    Args:
        scans: Those that count.
        enriching: What our database knows of vulnerabilities that scans found. They find nothing themselves, and say
            nothing of severities.
        limits: What is denied.
        silencer: None where no VEX counts.
        excepted: Names of vulnerabilities that the operator takes responsibility for.
        now: Time of the decision.
    """
    judging = _Judging(limits, silencer, excepted, Enriched([each.scan for each in scans], enriching), now)
    for each in scans:
        judging.weigh(each)
    return judging.judgement


class _Judging:
    """One run over all scans."""

    def __init__(
        self, limits: Limits, silencer: Silencer | None, excepted: frozenset[str], facts: "Enriched", now: datetime
    ) -> None:
        self.judgement = Judgement()
        self._limits, self._silencer, self._facts, self._now = limits, silencer, facts, now
        self._excepted = excepted
        most = _RANK[limits.max_severity or Severity.CRITICAL]
        self._worse = frozenset(each for each, rank in _RANK.items() if rank > most)
        self._asks_feeds = limits.max_epss is not None or limits.exploited

    def weigh(self, counted: Counted) -> None:
        """Judge what one scan found."""
        self.judgement.count += len(counted.scan.vulnerabilities)
        for entry in counted.scan.vulnerabilities:
            # A report that names no packages does not know fixes either: that is not "there is none".
            if self._limits.fixable and not entry.fixed_in and (entry.package or entry.purl):
                continue
            over = self._rated(entry)
            unsaid: tuple[str, ...] = ()
            if self._asks_feeds:
                over, unsaid = self._with_feeds(entry, over)
            if (over or unsaid) and not self._set_aside(entry):
                seen = Denied(entry, over or unsaid, counted.evidence)
                (self.judgement.denied if over else self.judgement.unknown).append(seen)

    def _rated(self, entry: Vulnerability) -> tuple[str, ...]:
        """Return the limits of severity and score that an entry is over."""
        limits, severity = self._limits, entry.severity
        over: tuple[str, ...] = (severity.value,) if severity in self._worse else ()
        if limits.max_score is not None:
            score = _HIGHEST.get(severity, 0.0) if entry.score is None else entry.score
            if score > limits.max_score:
                over = (*over, f"{severity.value} without a score" if entry.score is None else f"score {score}")
        unrated = severity is Severity.UNKNOWN and (limits.max_severity is not None or entry.score is None)
        return (*over, "severity unknown") if unrated and limits.rates and not limits.allow_unknown else over

    def _with_feeds(self, entry: Vulnerability, over: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return all limits that an entry is over; where there is none, what has to be known of it and is not."""
        limits, known = self._limits, self._facts.of(entry)
        missing: tuple[str, ...] = ()
        if limits.exploited:
            over = (*over, "known to be exploited") if known.exploited else over
            missing = ("exploitation",) if known.exploited is None else ()
        if limits.max_epss is not None:
            over = (*over, f"EPSS {known.epss}") if known.epss is not None and known.epss > limits.max_epss else over
            missing = (*missing, "EPSS") if known.epss is None else missing
        if over or not missing or not _is_cve(entry):
            return over, ()
        return (), (f"{' and '.join(missing)} not known",)

    def _set_aside(self, entry: Vulnerability) -> bool:
        """Say whether an entry is excepted, VEX takes it away, or it still has time."""
        judgement = self.judgement
        if self._facts.excepted(entry, self._excepted):
            judgement.excepted += 1
            return True
        silenced = self._silencer(entry, self._facts.names(entry)) if self._silencer is not None else None
        if silenced is not None:
            judgement.silenced += 1
            judgement.evidence |= silenced.evidence
            judgement.ends += () if silenced.until is None else (silenced.until,)
            return True
        ends = self._grace_ends(entry)
        if ends is None or ends <= self._now:
            return False
        judgement.waiting += 1
        judgement.ends.append(ends)
        return True

    def _grace_ends(self, entry: Vulnerability) -> datetime | None:
        """Return when an entry has to be gone; None for at once: it may be exploited, or nobody says since when."""
        if self._limits.grace is None:
            return None
        known = self._facts.of(entry)
        if known.published is None or known.published > self._now + SKEW:
            return None
        may_be_exploited = known.exploited or (known.exploited is None and _is_cve(entry))
        return None if self._limits.exploited and may_be_exploited else known.published + self._limits.grace


def _is_cve(entry: Vulnerability) -> bool:
    """Say whether an entry can stand in the lists of EPSS and KEV, which know nothing else."""
    return any(name.startswith(CVE) for name in (entry.id, *entry.aliases))


class _Known(NamedTuple):
    """What is said of a vulnerability, whoever says it."""

    epss: float | None
    exploited: bool | None
    published: datetime | None

    def with_(self, other: "_Known") -> "_Known":
        """Return the stricter of both: the higher risk, the earlier date."""
        epss, exploited, published = self
        if epss is None or (other.epss is not None and other.epss > epss):
            epss = other.epss
        if exploited is None or other.exploited:
            exploited = other.exploited
        if published is None or (other.published is not None and other.published < published):
            published = other.published
        return _Known(epss, exploited, published)


_NOTHING = _Known(None, None, None)


class Enriched:
    """What all scans together say of each vulnerability, by its names. Made when something first asks."""

    def __init__(self, scans: Sequence[Scan], enriching: Iterable[Scan]) -> None:
        self._scans = (*scans, *enriching)
        self._known: dict[str, _Known] | None = None
        self._names: dict[str, set[str]] | None = None

    def of(self, entry: Vulnerability) -> _Known:
        """Return what is known under any name of an entry."""
        if self._known is None:
            self._known = self._read()
        known = self._known.get(entry.id, _NOTHING)
        for name in entry.aliases:
            other = self._known.get(name, _NOTHING)
            if other is not known:
                known = known.with_(other)
        return known

    def _read(self) -> dict[str, _Known]:
        found: dict[str, _Known] = {}
        for scan in self._scans:
            for each in scan.vulnerabilities:
                said = _Known(each.epss, each.exploited, each.published)
                if said == _NOTHING:
                    continue
                first, merged = _NOTHING, said
                for name in (each.id, *each.aliases):
                    before = found.get(name, _NOTHING)
                    if before is not first:  # mostly all names bear the same already
                        first, merged = before, said.with_(before)
                    found[name] = merged
        return found

    def names(self, entry: Vulnerability) -> frozenset[str]:
        """Return every name that any of the scans gives to what bears a name of this entry."""
        if self._names is None:
            self._names = {}
            for each in (v for scan in self._scans for v in scan.vulnerabilities):
                for name in each.names:
                    self._names.setdefault(name, set()).update(each.names)
        return frozenset().union(*(self._names[name] for name in entry.names))

    def excepted(self, entry: Vulnerability, names: frozenset[str]) -> bool:
        """Say whether an entry is excepted by some names: an advisory about several CVEs is where each of them is."""
        return bool(names) and all(not names.isdisjoint(each) for each in identities(entry.id, self.names(entry)))


def worst_first(denied: Iterable[Denied]) -> str:
    """Name the worst few for people, and how many more there are. What several scans found is named once."""
    distinct: dict[tuple[str, str], Denied] = {}
    for each in sorted(denied, key=_order):
        distinct.setdefault((each.entry.id, each.entry.package or each.entry.purl), each)
    named = "; ".join(map(str, list(distinct.values())[:_NAMED]))
    more = len(distinct) - _NAMED
    return f"{named}; and {more} more" if more > 0 else named


def _order(each: Denied) -> tuple[int, float, str, str, str, tuple[str, ...], tuple[str, ...]]:
    entry = each.entry
    return (
        -_RANK[entry.severity],
        -(entry.score or 0.0),
        entry.id,
        entry.package,
        entry.purl,
        each.why,
        entry.fixed_in,
    )
