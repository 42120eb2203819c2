"""How a rule says what it concluded."""

from datetime import datetime
from typing import Protocol

from preverify.model.evidence import Unobtained
from preverify.model.reasons import Reason
from preverify.model.verdicts import Mode, Outcome, RuleResult


class Named(Protocol):
    """A rule, as far as its results name it."""

    @property
    def name(self) -> str: ...
    @property
    def mode(self) -> Mode: ...


def result(
    rule: Named,
    outcome: Outcome,
    reason: Reason,
    detail: str,
    *,
    evidence: tuple[str, ...] = (),
    degraded: bool = False,
    until: datetime | None = None,
) -> RuleResult:
    """Return a row of the verdict. It counts where the rule enforces."""
    return RuleResult(
        rule=rule.name,
        outcome=outcome,
        reason=reason,
        detail=detail,
        counted=rule.mode is Mode.ENFORCE,
        evidence=evidence,
        degraded=degraded,
        until=until,
    )


def undecided(rule: Named, missing: Unobtained) -> RuleResult:
    """Return the row where something could not be obtained that the rule has to see."""
    return result(rule, Outcome.UNDECIDED, missing.reason, f"{missing.what}: {missing.detail}")
