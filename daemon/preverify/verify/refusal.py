"""How a check of `verify` says that evidence does not hold."""

from preverify.model.reasons import Reason


class Refused(Exception):
    """A check failed: what was seen, what was expected. Becomes a finding that establishes nothing.

    Never raised for anything else: whatever the bytes are, a check returns what it established or raises this (or
    `MalformedEvidence`, where bytes are not the format that they claim to be).
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
