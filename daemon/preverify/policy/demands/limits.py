"""Which vulnerabilities a policy denies: limits, as they are written down."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from preverify.model.contents import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is denied. What is None is no limit.

    Attributes:
        max_severity: What is above is denied.
        max_score: CVSS base score; what is above is denied.
        max_epss: Probability of exploitation; what is above is denied.
        exploited: Deny what is known to be exploited, in its days of grace too.
        allow_unknown: Allow what nobody says a severity of, where a severity or score is limited.
        fixable: Look only at what a fix is known of.
        grace: How long after its publication a vulnerability is not yet denied.
    """

    max_severity: Severity | None = None
    max_score: float | None = None
    max_epss: float | None = None
    exploited: bool = False
    allow_unknown: bool = False
    fixable: bool = False
    grace: timedelta | None = None

    @property
    def any(self) -> bool:
        """Say whether something is denied at all."""
        return self.rates or self.max_epss is not None or self.exploited

    @property
    def rates(self) -> bool:
        """Say whether severities take part."""
        return self.max_severity is not None or self.max_score is not None

    @property
    def from_feeds(self) -> bool:
        """Say whether something is needed that many scanners do not say: EPSS, the catalogue, dates."""
        return self.max_epss is not None or self.exploited or self.grace is not None

    def canonical(self) -> dict[str, Any]:
        """Return the limits as the policy's digest sees them: what is not demanded does not stand."""
        form: dict[str, Any] = {}
        if self.max_severity is not None:
            form["maxSeverity"] = self.max_severity.value
        if self.max_score is not None:
            form["maxScore"] = self.max_score
        if self.max_epss is not None:
            form["maxEpss"] = self.max_epss
        flags = {"exploited": self.exploited, "allowUnknown": self.allow_unknown, "fixable": self.fixable}
        form |= {name: True for name, flag in flags.items() if flag}
        if self.grace is not None:
            form["graceSeconds"] = int(self.grace.total_seconds())
        return form

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> Self:
        """Rebuild limits."""
        return cls(
            max_severity=Severity(form["maxSeverity"]) if "maxSeverity" in form else None,
            max_score=float(form["maxScore"]) if "maxScore" in form else None,
            max_epss=float(form["maxEpss"]) if "maxEpss" in form else None,
            exploited=form.get("exploited", False),
            allow_unknown=form.get("allowUnknown", False),
            fixable=form.get("fixable", False),
            grace=timedelta(seconds=form["graceSeconds"]) if "graceSeconds" in form else None,
        )
