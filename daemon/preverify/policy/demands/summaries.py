"""What a rule may demand of another verifier's summary (VSA), compiled."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.policy.shortfall import Shortfall

SKEW = timedelta(minutes=5)
_SLSA = re.compile(r"(SLSA_[A-Z_]+_LEVEL_)(\d{1,3})")
_BUILD = "SLSA_BUILD_LEVEL_"
_FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryDemand:
    """Demands on a summary. What is empty is not demanded, but for the result: a summary counts where it says PASSED.

    Attributes:
        verifier: Id of the verifier. The rule's signers are whom it is bound to.
        resources: Accepted `resourceUri`s; empty: the subject as `registry/repository`, with or without its digest.
        levels: Of a SLSA track, that level or a higher one; any other name has to be there.
        policy_digest: `sha256:` and hex: the policy that was applied.
        max_age: How old the verification may be.
    """

    verifier: str = ""
    resources: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    policy_digest: str = ""
    max_age: timedelta | None = None

    def shortfall(
        self, finding: Finding, *, subject: Subject | None, now: datetime, refused: Mapping[tuple[str, ...], datetime]
    ) -> Shortfall | None:
        """Return why an established summary does not meet the demands; None where it does.

        Args:
            finding: The summary.
            subject: What is decided about.
            now: Time of the decision.
            refused: As `superseded` says.

        Spec:
            SLSA, verification summary v1, "How to verify"; the age and the policy are ours.
        """
        facts = dict(finding.predicate)
        if facts.get("result") != "PASSED":
            return Shortfall(
                Reason.LEVEL_TOO_LOW, f"the summary says {facts.get('result', 'nothing')}, expected PASSED"
            )
        verifier = facts.get("verifier.id", "")
        if self.verifier and verifier != self.verifier:
            return Shortfall(Reason.IDENTITY_MISMATCH, f"by the verifier {verifier[:200]!r}, expected {self.verifier}")
        return (
            self._resource(facts.get("resourceUri", ""), subject)
            or self._policy(facts.get("policy.digest", ""))
            or self._levels(facts.get("levels", "").split(","))
            or self._time(facts, now)
            or _taken_back(facts, refused)
        )

    @staticmethod
    def superseded(findings: Iterable[Finding]) -> "dict[tuple[str, ...], datetime]":
        """Return when a verifier last refused, by verifier, resource and policy: what it passed before is taken back.

        Args:
            findings: Established summaries by the rule's own signers. Nobody else's word takes anything back.
        """
        refused: dict[tuple[str, ...], datetime] = {}
        for facts in (dict(each.predicate) for each in findings):
            if facts.get("result") == "FAILED" and "timeVerified" in facts:
                moment = datetime.fromisoformat(facts["timeVerified"])
                refused[_about(facts)] = max(moment, refused.get(_about(facts), moment))
        return refused

    def until(self, finding: Finding) -> datetime | None:
        """Return until when a summary that counts goes on to count; None for always."""
        facts = dict(finding.predicate)
        ends = [] if self.max_age is None else [datetime.fromisoformat(facts["timeVerified"]) + self.max_age]
        ends += [datetime.fromisoformat(facts["validUntil"])] if "validUntil" in facts else []
        return min(ends, default=None)

    def _resource(self, seen: str, subject: Subject | None) -> Shortfall | None:
        known = self.resources
        if not known:
            known = () if subject is None else (str(subject), str(subject.repository))
        if seen in known:
            return None
        expected = " or ".join(known) or "the subject's own name"
        return Shortfall(Reason.SUBJECT_MISMATCH, f"about the resource {seen[:200]!r}, expected {expected[:300]}")

    def _policy(self, seen: str) -> Shortfall | None:
        if not self.policy_digest or self.policy_digest in seen.split(","):
            return None
        detail = f"by the policy {seen[:120] or 'of no digest'!r}, expected {self.policy_digest}"
        return Shortfall(Reason.CONTENT_MISMATCH, detail)

    def _levels(self, seen: list[str]) -> Shortfall | None:
        if _FAILED in seen:
            return Shortfall(Reason.LEVEL_TOO_LOW, "the summary's levels say FAILED")
        for wanted in self.levels:
            if not any(_reaches(each, wanted) for each in seen):
                detail = f"verified for {', '.join(filter(None, seen))[:200] or 'no level'}, expected {wanted}"
                return Shortfall(Reason.LEVEL_TOO_LOW, detail)
        return None

    def _time(self, facts: Mapping[str, str], now: datetime) -> Shortfall | None:
        text, ends = facts.get("timeVerified"), facts.get("validUntil")
        if ends is not None and datetime.fromisoformat(ends) <= now:
            return Shortfall(Reason.SCAN_STALE, f"the summary was valid until {ends}")
        if text is None:
            if self.max_age is None:
                return None
            return Shortfall(Reason.SCAN_STALE, "the summary does not say when it was made")
        verified = datetime.fromisoformat(text)
        if verified > now + SKEW:
            return Shortfall(Reason.TIMESTAMP_INVALID, f"the summary is of {text}, which is in the future")
        if self.max_age is not None and verified + self.max_age <= now:
            return Shortfall(Reason.SCAN_STALE, f"the summary is of {text}, older than {self.max_age}")
        return None

    def canonical(self) -> dict[str, Any]:
        """Return the demands as the policy's digest sees them: what is not demanded does not stand."""
        form: dict[str, Any] = {
            "verifier": self.verifier,
            "resourceUri": list(self.resources),
            "levels": list(self.levels),
            "policyDigest": self.policy_digest,
            "maxAgeSeconds": 0 if self.max_age is None else int(self.max_age.total_seconds()),
        }
        return {name: value for name, value in form.items() if value}

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> Self:
        """Rebuild demands."""
        return cls(
            verifier=form.get("verifier", ""),
            resources=tuple(form.get("resourceUri", ())),
            levels=tuple(form.get("levels", ())),
            policy_digest=form.get("policyDigest", ""),
            max_age=timedelta(seconds=form["maxAgeSeconds"]) if "maxAgeSeconds" in form else None,
        )


def _about(facts: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(facts.get(name, "") for name in ("verifier.id", "resourceUri", "policy.uri"))


def _taken_back(facts: Mapping[str, str], refused: Mapping[tuple[str, ...], datetime]) -> Shortfall | None:
    """Refuse a summary where the same verifier says FAILED later, or nobody knows which came first."""
    last = refused.get(_about(facts))
    if last is None or ("timeVerified" in facts and datetime.fromisoformat(facts["timeVerified"]) > last):
        return None
    return Shortfall(Reason.LEVEL_TOO_LOW, f"taken back: the same verifier says FAILED as of {last.isoformat()}")


def build_level(number: int) -> str:
    """Return how a SLSA build level is written in a summary."""
    return f"{_BUILD}{number}"


def _reaches(seen: str, wanted: str) -> bool:
    here, there = _SLSA.fullmatch(seen), _SLSA.fullmatch(wanted)
    if here is None or there is None:
        return seen == wanted
    return here[1] == there[1] and int(here[2]) >= int(there[2])
