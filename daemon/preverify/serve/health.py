"""`/livez` and `/readyz`: the process runs; it can answer. Two different questions, two handlers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from preverify.serve.http import Request, Response

_MOMENTS, _MOMENT_SECONDS = 100, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that readiness depends on. `detail` is for people and holds no secret."""

    name: str
    good: bool
    detail: str = ""


class Health:
    """Handles both. `checks` is asked at every `/readyz`; `draining` turns readiness off before a stop.

    `opening` says whether something is still being opened: a probe of the first moments waits for that.
    """

    METHODS = frozenset({"GET", "HEAD"})

    def __init__(self, checks: Callable[[], Sequence[Check]], *, opening: Callable[[], bool] = lambda: False) -> None:
        self._checks, self._opening = checks, opening
        self.draining = False

    async def live(self, request: Request) -> Response:  # noqa: ARG002
        """Say that the event loop turns."""
        return Response(status=200, body=b"ok\n", media_type="text/plain")

    async def ready(self, request: Request) -> Response:
        """Say whether answers can be given; with `?verbose` also what was checked."""
        for _ in range(_MOMENTS):
            if not self._opening():
                break
            await asyncio.sleep(_MOMENT_SECONDS)
        checks = [*self._checks(), Check(name="draining", good=not self.draining)]
        good = all(check.good for check in checks)
        status = 200 if good else 503
        if "verbose" not in request.query:
            return Response(status=status, body=b"ok\n" if good else b"not ready\n", media_type="text/plain")
        lines = [{"name": check.name, "good": check.good, "detail": check.detail} for check in checks]
        return Response(status=status, body=msgspec.json.encode({"ready": good, "checks": lines}))
