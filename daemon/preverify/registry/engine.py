"""The HTTP engine under the registry client: libcurl, one handle a thread, every limit enforced while reading."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pycurl
from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from preverify.model.errors import MalformedEvidence, Unavailable
from preverify.model.reasons import Reason
from preverify.registry.addresses import Reach, refusal

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
_TLS_FAILURES = frozenset({35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91})
_TIMED_OUT = frozenset({28, 42})
_WRITE_STOPPED = frozenset({23, 63})


Write = Callable[[bytes], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long one request may take. `idle` is time without a byte, the wait for the first one included.

    `copied` takes the place of `total` where a long body is written to a file.
    """

    connect: timedelta = timedelta(seconds=5)
    idle: timedelta = timedelta(seconds=10)
    total: timedelta = timedelta(seconds=60)
    copied: timedelta = timedelta(minutes=10)


class Response:
    """What came back: status, headers by lower-case name (repeated ones joined by commas) and the whole body.

    `status_code`, `ok`, `text`, `reason` and `json()` are what the methods inherited from oras look at.
    """

    __slots__ = ("content", "headers", "status_code", "url")

    def __init__(self, status_code: int, headers: dict[str, str], content: bytes, url: str) -> None:
        self.status_code = status_code
        self.headers = Headers(headers)
        self.content = content
        self.url = url

    @property
    def ok(self) -> bool:
        """Say whether the status is below 400."""
        return self.status_code < 400

    @property
    def text(self) -> str:
        """Return the body as text, undecodable bytes replaced."""
        return self.content.decode(errors="replace")

    @property
    def reason(self) -> str:
        """Return the status as text: reason phrases are the other side's words and are not kept."""
        return str(self.status_code)

    def json(self) -> object:
        """Return the body as plain JSON, for the inherited methods only; evidence goes through the strict reader."""
        return json.loads(self.content)


class Headers(dict[str, str]):
    """Headers by lower-case name; lookups ignore case."""

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # values are text
        """Return the value of `name`."""
        return super().get(name.lower(), default)


class _Sink:
    """Collects a body up to a cap, or hands that of a 200 on; refusing a chunk makes libcurl stop the transfer."""

    __slots__ = ("cap", "chunks", "into", "lines", "lost", "over", "size")

    def __init__(self) -> None:
        self.reset(0, [], None)

    def reset(self, cap: int, lines: list[bytes], into: Write | None) -> None:
        self.cap, self.size, self.over = cap, 0, False
        self.lines, self.into = lines, into
        self.lost: OSError | None = None
        self.chunks: list[bytes] = []

    def write(self, chunk: bytes) -> int:
        self.size += len(chunk)
        if self.size > self.cap:
            self.over = True
            self.chunks.clear()
            return -1
        if self.into is None or not _is_ok(self.lines):
            self.chunks.append(chunk)
            return len(chunk)
        try:
            self.into(chunk)
        except OSError as error:  # libcurl would print it and go on to say something else
            self.lost = error
            return -1
        return len(chunk)


class _Opened:
    """A socket on its way into libcurl, which keeps a duplicate: ours is closed as soon as pycurl lets go of it."""

    __slots__ = ("_socket",)

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def fileno(self) -> int:
        return self._socket.fileno()

    def __del__(self) -> None:
        self._socket.close()


class _Handle:
    """One libcurl handle with its connections. Used by one thread only."""

    def __init__(self, timeouts: Timeouts, authorities: dict[int, str]) -> None:
        self.sink = _Sink()
        self.header_lines: list[bytes] = []
        self.reach = Reach.PUBLIC
        self.refused: str | None = None
        self.timeouts = timeouts
        self.idle = timeouts.idle.total_seconds()
        self.moved = (0, 0.0)
        self.curl = curl = pycurl.Curl()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.PATH_AS_IS, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        for option, path in authorities.items():
            curl.setopt(option, path)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(timeouts.connect))
        curl.setopt(pycurl.TIMEOUT_MS, _milliseconds(timeouts.total))
        curl.setopt(pycurl.NOPROGRESS, 0)
        curl.setopt(pycurl.XFERINFOFUNCTION, self._progress)
        curl.setopt(pycurl.MAXCONNECTS, 4)
        curl.setopt(pycurl.TCP_NODELAY, 1)
        curl.setopt(pycurl.USERAGENT, "preverify")
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.WRITEFUNCTION, self.sink.write)

    def _open(self, _purpose: int, address: tuple[int, int, int, tuple[str, int]]) -> "_Opened | int":
        """Open the socket for exactly this address, or refuse: a name that resolves anew is judged anew."""
        family, kind, protocol, name = address
        if family not in (socket.AF_INET, socket.AF_INET6):
            self.refused = "an address that is neither IPv4 nor IPv6"
            return int(pycurl.SOCKET_BAD)
        self.refused = refusal(str(name[0]), self.reach)
        if self.refused is not None:
            return int(pycurl.SOCKET_BAD)
        return _Opened(socket.socket(family, kind, protocol))

    def _progress(self, _down_total: int, down: int, _up_total: int, up: int) -> int:
        """Stop a transfer that stands still. libcurl's own low-speed limit averages over seconds and comes late."""
        count, since = self.moved
        if down + up != count or not since:
            self.moved = (down + up, time.monotonic())
            return 0
        return int(time.monotonic() - since > self.idle)

    def perform(
        self, method: str, url: str, headers: Sequence[str], body: bytes | None, cap: int, into: Write | None
    ) -> Response:
        curl = self.curl
        lines: list[bytes] = []
        self.sink.reset(cap, lines, into)
        self.refused = None
        self.moved = (0, 0.0)
        curl.setopt(pycurl.URL, url)
        # Never an empty list: pycurl would keep the headers of the request before, credentials included. `Expect:`
        # takes away the round trip that libcurl makes before large bodies.
        curl.setopt(pycurl.HTTPHEADER, ["Expect:", *headers])
        curl.setopt(pycurl.HEADERFUNCTION, lines.append)
        plain = method == "GET"
        if not plain:
            self._shape(method, body)
        if into is not None:
            curl.setopt(pycurl.TIMEOUT_MS, _milliseconds(self.timeouts.copied))
        try:
            curl.perform()
            return Response(curl.getinfo(pycurl.RESPONSE_CODE), _headers(lines), b"".join(self.sink.chunks), url)
        finally:
            self.sink.chunks = []
            self.sink.into = None
            if into is not None:
                curl.setopt(pycurl.TIMEOUT_MS, _milliseconds(self.timeouts.total))
            if not plain:
                curl.setopt(pycurl.NOBODY, 0)
                curl.unsetopt(pycurl.CUSTOMREQUEST)
                curl.setopt(pycurl.HTTPGET, 1)

    def _shape(self, method: str, body: bytes | None) -> None:
        if method == "HEAD":
            self.curl.setopt(pycurl.NOBODY, 1)
        elif method in _BODY_METHODS:
            self.curl.setopt(pycurl.POST, 1)
            # Not COPYPOSTFIELDS, which takes text only: a body with a zero byte would be refused.
            self.curl.setopt(pycurl.POSTFIELDS, body or b"")
            self.curl.setopt(pycurl.CUSTOMREQUEST, method)
        else:
            self.curl.setopt(pycurl.CUSTOMREQUEST, method)


class Engine:
    """Sends single requests: no redirects, no proxies, no netrc, no cookies, no credentials of its own.

    `not_allowed` ends the sentence about an address outside of a request's reach: it says whose rule that is.
    """

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        ca_file: Path | None = None,
        not_allowed: str = "which this source's `network` setting does not allow",
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._not_allowed = not_allowed
        self._authorities = _authorities(ca_file)
        self._local = threading.local()

    def request(
        self,
        method: str,
        url: str,
        headers: Sequence[str] = (),
        *,
        body: bytes | None = None,
        max_bytes: int,
        reach: Reach,
        into: Write | None = None,
    ) -> Response:
        """Send one request and read the whole answer.

        Args:
            method: GET, HEAD, POST, PUT, PATCH or DELETE.
            url: Absolute, in the form of `urls.Url`.
            headers: Lines `Name: value`.
            body: What POST, PUT and PATCH carry.
            max_bytes: The answer's body may have at most so many bytes; nothing is allocated by declared sizes.
            reach: Which addresses the connection may go to.
            into: Takes the body of a 200 as it comes, instead of the answer. It may have got a part when this raises.

        Raises:
            Unavailable: no connection, no answer in time, TLS not verified, an address that is not allowed, or `into`
                cannot keep it.
            MalformedEvidence: `too-large`, the body went over `max_bytes`.
        """
        handle = self._handle()
        handle.reach = reach
        try:
            return handle.perform(method, url, headers, body, max_bytes, into)
        except pycurl.error as error:
            raise self._explained(error, handle, method, url, max_bytes) from error

    def _handle(self) -> _Handle:
        """Return this thread's handle, with the connections that it keeps."""
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is None:
            handle = self._local.handle = _Handle(self._timeouts, self._authorities)
        return handle

    def _explained(
        self, error: Exception, handle: _Handle, method: str, url: str, max_bytes: int
    ) -> Unavailable | MalformedEvidence:
        code = int(error.args[0])
        where = f"{method} {url.partition('?')[0][:200]}"
        if code in _WRITE_STOPPED and handle.sink.over:
            return MalformedEvidence(Reason.TOO_LARGE, f"{where} answered with more than {max_bytes} bytes")
        if handle.sink.lost is not None:
            return Unavailable(f"the body of {where} cannot be kept: {handle.sink.lost.strerror}")
        if handle.refused is not None:
            detail = f"{where} leads to a {handle.refused}, {self._not_allowed}"
            return Unavailable(detail, reason=Reason.REGISTRY_REFUSED)
        if code in _TIMED_OUT:
            return Unavailable(f"{where} did not answer in time")
        if code in _TLS_FAILURES:
            return Unavailable(f"{where}: the server's TLS certificate or handshake was not accepted ({_said(error)})")
        return Unavailable(f"{where} failed ({_said(error)})")


def _said(error: Exception) -> str:
    return str(error.args[1])[:200] if len(error.args) > 1 else "no detail"


def _is_ok(lines: list[bytes]) -> bool:
    """Say whether the status of the last answer is 200."""
    status = next((line for line in reversed(lines) if line.startswith(b"HTTP/")), b"")
    return status.split()[1:2] == [b"200"]


def _headers(lines: list[bytes]) -> dict[str, str]:
    """Read the header lines of the last answer (informational ones before it are dropped)."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            found.clear()
            continue
        name, colon, value = line.partition(b":")
        if colon:
            key = name.decode("latin-1").lower()
            text = value.strip().decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _authorities(ca_file: Path | None) -> dict[int, str]:
    """Return the trust anchors of TLS: the source's file, else the system's, else those shipped with `requests`."""
    if ca_file is not None:
        return {pycurl.CAINFO: str(ca_file)}
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return {pycurl.CAINFO: paths.cafile}
    if paths.capath and any(Path(paths.capath).iterdir()):
        return {pycurl.CAPATH: paths.capath}
    return {pycurl.CAINFO: DEFAULT_CA_BUNDLE_PATH}


def _milliseconds(duration: timedelta) -> int:
    return max(1, round(duration.total_seconds() * 1000))
