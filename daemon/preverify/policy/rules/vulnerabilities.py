"""The rule `vulnerabilities`: recent scans of this image found nothing that is over the limits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from preverify.model.contents import Vex
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.demands.limits import Limits
from preverify.policy.demands.scan_sources import Sources, Unjudged
from preverify.policy.demands.vex import Hearing, Voice
from preverify.policy.demands.vulnerabilities import Judgement, judge, worst_first
from preverify.policy.quorum import Quorum, Signer
from preverify.policy.rules.evidence import Look, earliest
from preverify.policy.rules.gleaning import Gleaned, attested, glean, latest
from preverify.policy.rules.results import result, undecided
from preverify.policy.rules.vulnerabilities_spec import VulnerabilitiesSpec

__all__ = ["Vulnerabilities", "VulnerabilitiesSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerabilities:
    """At least one source has a recent scan that leaves nothing open, and nothing that any source found is denied.

    Attributes:
        sources: Where scans may come from.
        limits: What is denied.
        vex: Whose VEX documents take vulnerabilities away; None where nobody's.
    """

    KIND: ClassVar[str] = "vulnerabilities"

    name: str
    mode: Mode
    sources: Sources
    limits: Limits
    vex: Quorum | None = None

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return whose evidence is looked at."""
        return tuple(each for each in (self.sources.scans, self.sources.matched, self.vex) if each is not None)

    @property
    def needs(self) -> frozenset[Need]:
        """Return what has to be read, and whether our own database is asked."""
        wanted = {
            Need.SCAN: self.sources.scans is not None,
            Need.INVENTORY: self.sources.matched is not None,
            Need.SCANNER: self.sources.scanner,
            Need.MATCHES: self.sources.ours or self.limits.from_feeds,
            Need.VEX: self.vex is not None,
        }
        return frozenset(need for need, is_wanted in wanted.items() if is_wanted)

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where a recent scan is there and nothing is over the limits."""
        gleaned = glean(self.sources, look, self)
        silencer = None
        if self.vex is not None:
            silencer = Hearing(self._voices(look, self.vex), look.subject, look.now).silence
        enriching = [each.scan for each in gleaned.enriching]
        judgement = judge(gleaned.counted, enriching, self.limits, silencer, look.excepted, look.now)
        if judgement.denied:
            return self._denied(judgement, look)
        passed = [each for each in gleaned.results if each.outcome is Outcome.PASSED]
        if not passed:
            return self._none(gleaned, look)
        if judgement.unknown:
            return self._unknown(judgement, look)
        return self._passed(passed, gleaned, judgement)

    @staticmethod
    def _voices(look: Look, by: Quorum) -> Iterator[Voice]:
        for each in attested(look, by):
            content = look.contents.get(each.finding.statement)
            if isinstance(content, Vex):
                yield Voice(content, each.finding.evidence, each.until)

    def _denied(self, judgement: Judgement, look: Look) -> RuleResult:
        """Deny; not for good where what could not be obtained may be a newer scan, or a VEX document."""
        if look.unobtained and (self.sources.scans is not None or self.vex is not None):
            return undecided(self, look.unobtained[0])
        return self._failed(
            Reason.VULNERABILITY_FOUND, worst_first(judgement.denied), (each.evidence for each in judgement.denied)
        )

    def _none(self, gleaned: Gleaned, look: Look) -> RuleResult:
        """Say why no source has a scan that counts: undecided where one may still have it."""
        waiting = next((each for each in gleaned.results if each.outcome is Outcome.UNDECIDED), None)
        if waiting is not None:
            return waiting
        if look.unscanned and self.sources.ours:
            return undecided(self, look.unscanned[0])
        stale = next((each for each in gleaned.results if each.reason is Reason.SCAN_STALE), None)
        first = stale or gleaned.results[0]
        detail = "; ".join(dict.fromkeys((first.detail, *(each.detail for each in gleaned.results))))
        return self._failed(first.reason, detail, (each for source in gleaned.results for each in source.evidence))

    def _unknown(self, judgement: Judgement, look: Look) -> RuleResult:
        """Deny what nobody knows to be within the limits: a database with EPSS and KEV would say it."""
        for missing in (*look.unobtained, *look.unscanned):
            return undecided(self, missing)
        detail = f"{worst_first(judgement.unknown)}; pull a vulnerability database that says it"
        return self._failed(Reason.SCAN_MISSING, detail, (each.evidence for each in judgement.unknown))

    def _passed(self, passed: list[RuleResult], gleaned: Gleaned, judgement: Judgement) -> RuleResult:
        sound = [each for each in passed if not each.degraded] or passed
        ends: list[datetime | None] = [latest(each.until for each in sound), *judgement.ends, *gleaned.begins]
        if self.limits.from_feeds or judgement.silenced:  # then it also rests on what the others say of vulnerabilities
            ends += [each.ends for each in (*gleaned.counted, *gleaned.enriching)]
        notes = [
            f"{judgement.count} vulnerabilities, none over the limits",
            *([f"{judgement.silenced} taken away by VEX"] if judgement.silenced else []),
            *([f"{judgement.excepted} excepted"] if judgement.excepted else []),
            *([f"{judgement.waiting} in their days of grace"] if judgement.waiting else []),
        ]
        left = sum(len(each.scan.unjudged) for each in gleaned.counted)
        notes += [f"{left} components not judged"] if left else []
        rests_on = {each.evidence for each in (*gleaned.counted, *gleaned.enriching)} | judgement.evidence
        rests_on |= {each for source in sound for each in source.evidence}
        detail = f"{'; '.join(each.detail for each in sound)}: {', '.join(notes)}"
        return result(
            self,
            Outcome.PASSED,
            Reason.OK,
            detail,
            evidence=tuple(sorted(rests_on)),
            degraded=sound[0].degraded,
            until=earliest(ends),
        )

    def _failed(self, reason: Reason, detail: str, evidence: Iterable[str]) -> RuleResult:
        return result(self, Outcome.FAILED, reason, detail, evidence=tuple(sorted(set(evidence))))

    def canonical(self) -> dict[str, Any]:
        """Return the rule's configuration as the policy's digest sees it."""
        sources = self.sources
        form: dict[str, Any] = {
            "limits": self.limits.canonical(),
            "maxScanAgeSeconds": _seconds(sources.max_scan_age),
            "ownDatabaseAgeSeconds": _seconds(sources.own_database_age),
            "unjudged": sources.unjudged.value,
        }
        for name, by in (("scans", sources.scans), ("matched", sources.matched), ("vex", self.vex)):
            if by is not None:
                form[name] = by.canonical()
        if sources.scanner:
            form["scanner"] = True
        if sources.max_database_age is not None:
            form["maxDatabaseAgeSeconds"] = _seconds(sources.max_database_age)
        return form

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        by = {key: Quorum.from_canonical(body[key], signers) for key in ("scans", "matched", "vex") if key in body}
        age = body.get("maxDatabaseAgeSeconds")
        return cls(
            name=name,
            mode=mode,
            sources=Sources(
                scans=by.get("scans"),
                matched=by.get("matched"),
                scanner=body.get("scanner", False),
                max_scan_age=timedelta(seconds=body["maxScanAgeSeconds"]),
                max_database_age=None if age is None else timedelta(seconds=age),
                own_database_age=timedelta(seconds=body["ownDatabaseAgeSeconds"]),
                unjudged=Unjudged(body["unjudged"]),
            ),
            limits=Limits.from_canonical(body["limits"]),
            vex=by.get("vex"),
        )


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
