"""Why a piece of evidence that is well established still does not count."""

from dataclasses import dataclass

from preverify.model.findings import Step
from preverify.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why an established finding does not count for a rule, and how far it is taken to have got."""

    reason: Reason
    detail: str
    step: Step = Step.ESTABLISHED
