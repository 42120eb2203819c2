"""`/openapi.json`, made from the table of routes."""

from collections.abc import Sequence

import msgspec

from preverify import __version__
from preverify.serve.http import Request, Response
from preverify.serve.routes import Access, Route

METHODS = frozenset({"GET", "HEAD"})
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.OPEN: [],
    Access.SENDER: [{"sender": []}],
    Access.CALLER: [{}, {"token": []}, {"certificate": []}],
    Access.TOKEN: [{"token": []}],
}


def document(routes: Sequence[Route]) -> bytes:
    """Return the OpenAPI 3.1 document of `routes`."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        name = route.path.partition("{")[2].rstrip("*}")
        path = route.path.replace("*}", "}")
        operations: dict[str, object] = {
            method.lower(): {
                "summary": route.summary,
                "security": _SECURITY[route.access],
                "responses": {"default": {"description": "as described in the manual, or an RFC 9457 problem"}},
            }
            for method in sorted(route.methods)
        }
        if name:
            operations["parameters"] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]
        paths[path] = operations
    schemes = {
        "token": {"type": "http", "scheme": "bearer"},
        "certificate": {"type": "mutualTLS"},
        "sender": {"type": "apiKey", "in": "header", "name": "the header of the source's webhook format"},
    }
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "preverify", "version": __version__},
            "paths": paths,
            "components": {"securitySchemes": schemes},
        }
    )


class OpenApi:
    """Handles the route; `body` is set once the table is complete, the route itself included."""

    def __init__(self) -> None:
        self.body = b"{}"

    async def handle(self, request: Request) -> Response:  # noqa: ARG002
        """Return the document."""
        return Response(status=200, body=self.body)
