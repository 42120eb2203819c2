"""The table of routes: path, methods, who may, who handles. Everything that is served stands in one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from preverify.admission.question import Question
from preverify.serve.http import Request, Response

Handler = Callable[[Request], Awaitable[Response]]


class Short(Protocol):
    """A handler in two steps that wait for nothing."""

    def question(self, request: Request) -> Question | None:
        """Return what the request asks, and nothing but what follows from it; None sends it to the route's `handle`."""

    def answer(self, question: Question) -> Response:
        """Answer now."""


class Access(StrEnum):
    """Who may use a route."""

    OPEN = "open"  # everybody: it says nothing about images
    SENDER = "sender"  # the handler authenticates the delivery itself
    CALLER = "caller"  # everybody on a loopback listener; elsewhere a token or a client certificate
    TOKEN = "token"  # noqa: S105 - a kind of access; a token, everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route. A `path` that ends in `/{name}` takes one more segment, in `/{name*}` any number, also none.

    `short` is the short way to the same answer, for what is asked most.
    `too_large` is told the path's parameter when a body was refused for its size.
    """

    path: str
    methods: frozenset[str]
    access: Access
    handle: Handler
    summary: str
    max_body_bytes: int = 0
    short: Short | None = None
    too_large: Callable[[str], None] = lambda _parameter: None


class Routes:
    """Finds the route of a canonical path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.all = tuple(routes)
        self._exact = {route.path: route for route in routes if "{" not in route.path}
        self._prefixed = tuple(
            (route.path.partition("{")[0], route.path.endswith("*}"), route) for route in routes if "{" in route.path
        )

    def find(self, path: str) -> tuple[Route, str] | None:
        """Return the route and its parameter, or None."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact, ""
        for prefix, many, route in self._prefixed:
            if path.startswith(prefix):
                parameter = path[len(prefix) :]
                if many or "/" not in parameter:
                    return route, parameter
        return None
