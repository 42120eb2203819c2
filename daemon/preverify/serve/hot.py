"""The short way for what is asked most: a complete request in, the bytes of its response out, without a task.

Whatever is not plain goes the ordinary way, which decides everything anew: nothing is refused here, and nothing is
counted before it is clear that the request is answered here.
"""

from collections.abc import Sequence
from http import HTTPStatus

import httptools
import msgspec

from preverify.admission.question import Question
from preverify.model.errors import BadInput
from preverify.model.recent import Recent
from preverify.ports import Observer
from preverify.serve.http import Request, Response, canonical_path, parameters, unique_headers
from preverify.serve.routes import Access, Route, Routes, Short
from preverify.serve.tokens import Tokens

Headers = list[tuple[bytes, bytes]]

_MAX_URL_BYTES = 1_024  # longer ones are answered like any other, but not remembered
_MAX_RAW_BYTES = 1_024
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
    short: Short
    path: str
    parameter: str
    query: dict[str, str]


class Asked(msgspec.Struct, frozen=True):
    """A request as it was understood. `secret`: its bytes hold one, and are kept no longer than the request."""

    target: Target
    question: Question
    secret: bool


class Hot:
    """Finds targets and answers them. `always` are the headers of every response."""

    def __init__(self, routes: Routes, tokens: Tokens, observer: Observer, always: Headers, *, loopback: bool) -> None:
        self._routes, self._tokens, self._observer, self._loopback = routes, tokens, observer, loopback
        self._always = _lines(always)
        self._targets: Recent[bytes, Target] = Recent(_REMEMBERED)
        self._asked: Recent[bytes, Asked] = Recent(_REMEMBERED)
        self._heads: dict[tuple[int, str], bytes] = {}
        self._dated: tuple[Sequence[tuple[bytes, bytes]], bytes] = ((), b"")

    def target(self, url: bytes) -> Target | None:
        """Return the target of a URL; None where it goes the ordinary way."""
        found = self._targets.get(url)
        if found is None:
            found = self._found(url)
            if found is not None and len(url) <= _MAX_URL_BYTES:
                self._targets.put(url, found)
        return found

    def read(self, target: Target, method: bytes, headers: Headers, body: bytes, *, certified: bool) -> Asked | None:
        """Return what a complete request asks; None where it goes the ordinary way."""
        route, name = target.route, _METHODS.get(method)
        if name is None or name not in route.methods or len(body) > route.max_body_bytes:
            return None
        try:
            named = unique_headers(headers)
        except BadInput:
            return None
        authorization = named.get("authorization", "")
        if not (certified or self._loopback) and not self._tokens.accept(authorization):
            return None
        request = Request(
            method=name, path=target.path, parameter=target.parameter, query=target.query, headers=named, body=body
        )
        question = target.short.question(request)
        return None if question is None else Asked(target, question, bool(authorization))

    def read_before(self, raw: bytes, *, certified: bool) -> Asked | None:
        """Return what a whole request asks whose very bytes have been read before; None where they have not.

        What it asks follows from its bytes. Whether the caller may does not, and neither does the answer.
        """
        if len(raw) > _MAX_RAW_BYTES or not (certified or self._loopback):
            return None
        return self._asked.get(raw)

    def remember(self, raw: bytes, asked: Asked) -> None:
        """Remember what exactly these bytes ask, from the first of a request to its last."""
        if len(raw) <= _MAX_RAW_BYTES and not asked.secret:
            self._asked.put(raw, asked)

    def answer(self, asked: Asked) -> Response:
        """Answer a request, and count it."""
        response = asked.target.short.answer(asked.question)
        self._observer.count("http_requests_total", endpoint=asked.target.route.path, code=str(response.status))
        return response

    def written(self, response: Response, default_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Return the bytes of a response. `default_headers` are the server's own: the date, a new list every second."""
        if self._dated[0] is not default_headers:
            self._dated = (default_headers, _lines(default_headers))
        kind = (response.status, response.media_type)
        head = self._heads.get(kind)
        if head is None:
            named = [(b"content-type", response.media_type.encode("ascii"))]
            head = self._heads[kind] = _STATUS[response.status] + self._always + _lines(named) + b"content-length: "
        more = b""
        if response.headers:
            more = _lines([(name.encode("ascii"), value.encode("latin-1")) for name, value in response.headers])
        body = response.body
        return b"%b%d\r\n%b%b\r\n%b" % (head, len(body), self._dated[1], more, body)

    def _found(self, url: bytes) -> Target | None:
        try:
            parsed = httptools.parse_url(url)
            path = canonical_path(parsed.path or b"")
            found = self._routes.find(path)
            if found is None or found[0].short is None or found[0].access is not Access.CALLER:
                return None
            route, parameter = found
            query = parameters(parsed.query or b"")
        except (BadInput, httptools.HttpParserInvalidURLError):
            return None
        return Target(route, found[0].short, path, parameter, query)


def _lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % (name, value) for name, value in headers)
