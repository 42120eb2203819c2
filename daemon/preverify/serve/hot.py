"""The short way for what is asked most: a complete request in, the bytes of its response out, without a task.

Whatever is not plain goes the ordinary way, which decides everything anew: nothing is refused here, and nothing is
counted before it is clear that the request is answered here.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus

import httptools
import msgspec

from preverify.model.errors import BadInput
from preverify.model.recent import Recent
from preverify.ports import Observer
from preverify.serve.http import Request, Response, canonical_path, parameters, unique_headers
from preverify.serve.routes import Access, Route, Routes
from preverify.serve.tokens import Tokens

Headers = list[tuple[bytes, bytes]]

_MAX_URL_BYTES = 1_024  # longer ones are answered like any other, but not remembered
_REMEMBERED = 2_048
_METHODS = {b"GET": "GET", b"POST": "POST"}  # a response to HEAD has no body
_STATUS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
    if status >= 200
}


class Target(msgspec.Struct, frozen=True):
    """What a URL names: a route of the short way with its parameters."""

    route: Route
    now: Callable[[Request], Response | None]
    path: str
    parameter: str
    query: dict[str, str]


class Hot:
    """Finds targets and answers them. `always` are the headers of every response."""

    def __init__(self, routes: Routes, tokens: Tokens, observer: Observer, always: Headers, *, loopback: bool) -> None:
        self._routes, self._tokens, self._observer, self._loopback = routes, tokens, observer, loopback
        self._always = _lines(always)
        self._targets: Recent[bytes, Target] = Recent(_REMEMBERED)
        self._heads: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}
        self._dated: tuple[Sequence[tuple[bytes, bytes]], bytes] = ((), b"")

    def target(self, url: bytes) -> Target | None:
        """Return the target of a URL; None where it goes the ordinary way."""
        found = self._targets.get(url)
        if found is None:
            found = self._found(url)
            if found is not None and len(url) <= _MAX_URL_BYTES:
                self._targets.put(url, found)
        return found

    def respond(
        self, target: Target, method: bytes, headers: Headers, body: bytes, *, certified: bool
    ) -> Response | None:
        """Answer a request whose body is complete; None where it goes the ordinary way."""
        route, name = target.route, _METHODS.get(method)
        if name is None or name not in route.methods or len(body) > route.max_body_bytes:
            return None
        try:
            named = unique_headers(headers)
        except BadInput:
            return None
        trusted = certified or (route.access is Access.CALLER and self._loopback)
        if not trusted and not self._tokens.accept(named.get("authorization", "")):
            return None
        request = Request(
            method=name,
            path=target.path,
            parameter=target.parameter,
            query=target.query,
            headers=named,
            body=body,
        )
        response = target.now(request)
        if response is not None:
            self._observer.count("http_requests_total", endpoint=route.path, code=str(response.status))
        return response

    def written(self, response: Response, default_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Return the bytes of a response. `default_headers` are the server's own: the date, a new list every second."""
        if self._dated[0] is not default_headers:
            self._dated = (default_headers, _lines(default_headers))
        kind = (response.media_type, response.headers)
        head = self._heads.get(kind)
        if head is None:
            named = [("content-type", response.media_type), *response.headers]
            head = self._always + _lines([(n.encode("ascii"), v.encode("latin-1")) for n, v in named])
            if not response.headers:  # a handful; other headers may hold anything
                self._heads[kind] = head
        length = b"content-length: %d\r\n\r\n" % len(response.body)
        return b"".join((_STATUS[response.status], self._dated[1], head, length, response.body))

    def _found(self, url: bytes) -> Target | None:
        try:
            parsed = httptools.parse_url(url)
            path = canonical_path(parsed.path or b"")
            found = self._routes.find(path)
            if found is None or found[0].now is None:
                return None
            route, parameter = found
            query = parameters(parsed.query or b"")
        except (BadInput, httptools.HttpParserInvalidURLError):
            return None
        return Target(route, found[0].now, path, parameter, query)


def _lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % (name, value) for name, value in headers)
