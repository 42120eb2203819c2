"""The ASGI application: checks a request, finds its route, lets it in or not, and writes the response."""

from http import HTTPStatus

from preverify.model.errors import BadInput
from preverify.ports import Observer
from preverify.serve.hot import Hot
from preverify.serve.http import (
    Receive,
    Request,
    Response,
    Scope,
    Send,
    TooLarge,
    TooSlow,
    canonical_path,
    parameters,
    read_body,
    unique_headers,
)
from preverify.serve.problems import problem
from preverify.serve.routes import Access, Route, Routes
from preverify.serve.tokens import Tokens

_ALWAYS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_CHALLENGE = ("www-authenticate", 'Bearer realm="preverify"')


class App:
    """A bare ASGI application. `loopback` says that the listener is bound to this machine only."""

    def __init__(self, routes: Routes, tokens: Tokens, observer: Observer, *, loopback: bool) -> None:
        self.routes = routes
        self._tokens, self._observer, self._loopback = tokens, observer, loopback
        self.hot = Hot(routes, tokens, observer, _ALWAYS, loopback=loopback)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. An error of ours is counted and left to the server, which answers 500 and logs it."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served here")
        try:
            endpoint, response = await self._respond(scope, receive)
        except Exception:
            self._observer.count("internal_errors_total", where="serve")
            raise
        self._observer.count("http_requests_total", endpoint=endpoint, code=str(response.status))
        headers = [
            (b"content-type", response.media_type.encode("ascii")),
            (b"content-length", str(len(response.body)).encode("ascii")),
            *_ALWAYS,
        ]
        headers += [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(self, scope: Scope, receive: Receive) -> tuple[str, Response]:
        """Return the route's name for counting, and the response."""
        try:
            path = canonical_path(scope["raw_path"])
            headers = unique_headers(scope["headers"])
        except BadInput as error:
            return "other", self._bad(error)
        found = self.routes.find(path)
        if found is None:
            return "other", problem(404, f"there is nothing at {path[:200]!r}, see /openapi.json")
        route, parameter = found
        method = scope["method"]
        if method not in route.methods:
            allowed = ", ".join(sorted(route.methods))
            return route.path, problem(
                405, f"{method[:20]} is not for {route.path}, expected {allowed}", ("allow", allowed)
            )
        refusal = self._refusal(route, headers.get("authorization", ""), certified=_certified(scope))
        if refusal is not None:
            return route.path, refusal
        try:
            request = Request(
                method=method,
                path=path,
                parameter=parameter,
                query=parameters(scope["query_string"]),
                headers=headers,
                body=await read_body(receive, headers, max_bytes=route.max_body_bytes),
            )
        except BadInput as error:
            if isinstance(error, TooLarge):
                route.too_large(parameter)
            return route.path, self._bad(error)
        return route.path, await route.handle(request)

    def _refusal(self, route: Route, authorization: str, *, certified: bool) -> Response | None:
        """Return why the caller may not use the route, None where it may."""
        if route.access in {Access.OPEN, Access.SENDER}:
            return None
        if route.access is Access.CALLER and (self._loopback or certified):
            return None
        if self._tokens.accept(authorization):
            return None
        self._observer.event("request.unauthorized", level="warning", endpoint=route.path)
        return problem(401, "a bearer token of listen.tokensFile is needed here", _CHALLENGE)

    def _bad(self, error: BadInput) -> Response:
        self._observer.count("bad_input_total", where="http")
        status = HTTPStatus.BAD_REQUEST
        if isinstance(error, TooLarge):
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        elif isinstance(error, TooSlow):
            status = HTTPStatus.REQUEST_TIMEOUT
        if isinstance(error, TooLarge) and error.discard:
            return problem(status, str(error))
        return problem(status, str(error), ("connection", "close"))


def _certified(scope: Scope) -> bool:
    """Say whether the connection showed a client certificate of a configured authority."""
    return bool(scope.get("state", {}).get("client_certificate", False))
