"""Requests and responses as values; what is read of a request before anything of ours sees it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from preverify.model.errors import BadInput

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BODY_SECONDS = 10.0
_MAX_PARAMETERS = 10
_MAX_DISCARDED_BYTES = 16 * 1024 * 1024
# Every path of ours is written one way. Others (`//`, `..`, `%2f`, a trailing slash) could be routed differently by a
# proxy in front and by us, so they are refused and never repaired.
_PATH = re.compile(r"(?:/[A-Za-z0-9._~:@$+,=-]+)+")
_COLON = re.compile(r"%3[Aa]")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
# Read by us, so two of them could be read differently by a proxy in front.
_ONCE = frozenset({"host", "authorization", "content-type", "content-length", "content-encoding", "transfer-encoding"})


class TooLarge(BadInput):
    """The body is larger than the route reads. `discard`: the rest is small enough to be read and thrown away.

    Closing at once would reset the connection under a sender that is still writing, which then never sees why.
    """

    def __init__(self, detail: str, *, discard: bool = False) -> None:
        super().__init__(detail)
        self.discard = discard


class TooSlow(BadInput):
    """The body did not arrive in time."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose path, host and headers have been checked. `parameter` is the last part of a routed path."""

    method: str
    path: str
    parameter: str = ""
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response. Header names are lower case."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def canonical_path(raw: bytes) -> str:
    """Return the path in its one form; an encoded colon is the only encoding that is read.

    Raises:
        BadInput: the path is written in another way.
    """
    path = _COLON.sub(":", raw.decode("latin-1"))
    if _PATH.fullmatch(path) is None or "/./" in path or "/../" in path or path.endswith(("/.", "/..")):
        raise BadInput(f"the path {path[:200]!r} is not in canonical form, expected no '//', '..', '%' or final '/'")
    return path


def unique_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; repeated ones joined by a comma.

    Raises:
        BadInput: a header that we decide by stands twice, or Host is missing or malformed.
    """
    listed = list(raw)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in listed}
    if len(headers) != len(listed):
        headers = _joined(listed)
    host = headers.get("host", "")
    if _HOST.fullmatch(host) is None:
        raise BadInput(f"the Host header {host[:80]!r} is missing or malformed, expected host or host:port")
    return headers


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in headers:
            if name in _ONCE or name.startswith("x-preverify-"):
                raise BadInput(f"the header {name} stands twice, expected it once")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def parameters(raw: bytes) -> dict[str, str]:
    """Return the query's parameters.

    Raises:
        BadInput: one stands twice, there are more than ten, or one is not percent-encoded UTF-8.
    """
    found: dict[str, str] = {}
    if not raw:
        return found
    for part in raw.decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        name, value = _decoded(name), _decoded(value)
        if name in found or len(found) >= _MAX_PARAMETERS:
            raise BadInput(f"the query parameter {name[:80]!r} stands twice or is one too many")
        found[name] = value
    return found


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"the query {text[:80]!r} is not UTF-8") from error


async def read_body(receive: Receive, headers: Mapping[str, str], *, max_bytes: int) -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: it is longer than `max_bytes`, or says so.
        TooSlow: it did not arrive within ten seconds, or the caller went away.
    """
    declared = headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()) or len(declared) > 18 or int(declared) > max_bytes:
        discard = len(declared) <= 8 and declared.isdigit() and int(declared) <= _MAX_DISCARDED_BYTES
        raise TooLarge(f"the body has {declared[:18]} bytes, expected at most {max_bytes}", discard=discard)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if message["type"] == "http.disconnect":
            raise TooSlow("the caller went away before its body arrived")
        return _within(body, max_bytes)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _rest(receive, bytearray(body), max_bytes)
    except TimeoutError as error:
        raise TooSlow(f"the body did not arrive within {_BODY_SECONDS:.0f} s") from error


async def _rest(receive: Receive, body: bytearray, max_bytes: int) -> bytes:
    more = True
    while more:
        if len(body) > max_bytes:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise TooSlow("the caller went away before its body arrived")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return _within(body, max_bytes)


def _within(body: bytes | bytearray, max_bytes: int) -> bytes:
    if len(body) > max_bytes:
        raise TooLarge(f"the body has more than {max_bytes} bytes, expected at most that")
    return bytes(body)
