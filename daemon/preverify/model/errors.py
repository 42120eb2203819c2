"""The families of errors that callers treat differently. None is a parent of another, but for the common root."""

from datetime import timedelta

from preverify.model.reasons import Reason


class PreverifyError(Exception):
    """Root of everything that this package raises on purpose."""


class MalformedEvidence(PreverifyError):
    """The bytes are not the format they claim to be. Becomes a finding that establishes nothing; never retried."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Unavailable(PreverifyError):
    """Something outside did not answer (network, 429, 5xx, deadline) or refused us (401, 403). Retried later.

    `reason` is REGISTRY_UNAVAILABLE, REGISTRY_REFUSED, TRUST_UNAVAILABLE or DEADLINE. `retry_after` is what the other
    side asked for, or None where it did not say.
    """

    def __init__(
        self, what: str, *, reason: Reason = Reason.REGISTRY_UNAVAILABLE, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.reason = reason
        self.retry_after = retry_after


class NotFound(PreverifyError):
    """The registry answered that it does not have the named thing (404)."""


class BadInput(PreverifyError):
    """A caller, a webhook or a user sent something unusable: says what was seen, what was expected and what to do."""


class BadConfiguration(PreverifyError):
    """Configuration, policy or trust documents cannot be used. `where` is a file and a path in it."""

    def __init__(self, detail: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {detail}" if where else detail)
        self.where = where
        self.detail = detail
