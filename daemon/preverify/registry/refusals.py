"""Refusals that callers inside the room tell apart; outside they are `Unavailable`, `registry-refused`."""

from preverify.model.errors import Unavailable
from preverify.model.reasons import Reason


class Refused(Unavailable):
    """The registry answered a request with a refusal (4xx). `status` and the registry's own error `code` say which."""

    def __init__(self, what: str, *, status: int, code: str) -> None:
        super().__init__(what, reason=Reason.REGISTRY_REFUSED)
        self.status = status
        self.code = code


class Conflict(Refused):
    """A conditional PUT lost: what stands there now is not what was read (412)."""
