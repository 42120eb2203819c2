"""uvicorn's HTTP/1.1 protocol with the limits that it lacks, and with what we need to know of the connection."""

import asyncio
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from preverify.serve.hot import Asked, Hot, Target

_MAX_HEAD_BYTES = 64 * 1024
_MAX_HEADERS = 100
_HEAD_SECONDS = 10.0
_MOST_AT_ONCE = 16  # of one read; then other connections get their turn
_REFUSED = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeadTooLarge(ValueError):
    """Raised inside the parser; the protocol turns it into 400 and closes."""


class BoundedProtocol(HttpToolsProtocol):
    """Bounds the head of a request in bytes, in headers and in time, and notes client certificates.

    Connections that send nothing, or their head byte by byte, are closed after ten seconds. Plain requests for what is
    asked most, complete in one read, are answered from here; see `hot`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._certified = False
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._hot: Hot = self.app.hot  # of our own application, see `app`
        self._target: Target | None = None
        self._between = True  # the next byte begins a request
        self._begun = 0  # requests that began in the last read
        self._asked: Asked | None = None  # by the last of them, where it was answered the short way
        self._body = b""
        self._answered_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._most = sys.maxsize if self.limit_concurrency is None else self.limit_concurrency

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Start the clock, and see whether the handshake brought a certificate (verified, or it had failed)."""
        super().connection_made(transport)
        secure = transport.get_extra_info("ssl_object")
        self._certified = secure is not None and secure.getpeercert(binary_form=True) is not None
        self._head_timer = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; refuse a head that goes on and on, whether in many headers or in one."""
        self._begun = 0
        if (whole := self._between) and self._free():
            asked = self._hot.read_before(data, certified=self._certified)
            if asked is not None and self._answered(asked):
                self._in_head = False
                self._unset_keepalive_if_required()
                self._stop_timer()
                return
        super().data_received(data)
        if self._asked is not None:
            # Bodies differ from each other (a review has its own uid), so they are not worth their room.
            if whole and self._between and self._begun == 1 and not self._body and not self.transport.is_closing():
                self._hot.remember(data, self._asked)
            self._asked = None
        if self._target is not None:  # the rest of the body is still to come
            self._target = None
            self._ordinary_way()
            if self._body:
                super().on_body(self._body)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.transport.write(_REFUSED)
            self.transport.close()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = True
        self._between = False
        self._begun += 1
        self._target = None
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count headers: a burst within one read is bounded too."""
        if len(self.headers) >= _MAX_HEADERS or len(name) + len(value) > _MAX_HEAD_BYTES:
            raise HeadTooLarge
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """End the head. What may be answered the short way waits for the end of its body, if that has come already."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_timer()
        self._target = self._short_way()
        if self._target is None:
            self._ordinary_way()
        else:
            self._body = b""

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._target is None:
            super().on_body(body)
        else:
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Answer the short way what was kept for it."""
        # From here on the next bytes begin a request, whatever they are.
        self._between = self.parser.should_keep_alive() and not self.parser.should_upgrade()
        if self._target is None:
            super().on_message_complete()
            return
        target, self._target = self._target, None
        asked = self._hot.read(target, self.parser.get_method(), self.headers, self._body, certified=self._certified)
        if asked is not None and self._answered(asked):
            self._asked = asked
        else:
            self._ordinary_way()
            if self._body:
                super().on_body(self._body)
            super().on_message_complete()

    def _answered(self, asked: Asked) -> bool:
        """Answer; False, and nothing sent, where that failed. The ordinary way then fails likewise, and says so."""
        try:
            written = self._hot.written(self._hot.answer(asked), self.server_state.default_headers)
        except Exception:  # noqa: BLE001 - counted, logged and answered where all errors are
            return False
        self.transport.write(written)
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._perhaps_idle)
        return True

    def _free(self) -> bool:
        """Say whether nothing before is unanswered, and there is room."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first, which uvicorn's type does not say
        return (
            (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and len(self.connections) < self._most
            and len(self.tasks) < self._most
        )

    def _short_way(self) -> Target | None:
        """Return what the request names, where nothing before it is unanswered and nothing about it is special."""
        parser = self.parser
        if (
            self._begun > _MOST_AT_ONCE
            or self.expect_100_continue
            or not parser.should_keep_alive()
            or parser.should_upgrade()
            or parser.get_http_version() != "1.1"
            or not self._free()
        ):
            return None
        return self._hot.target(self.url)

    def _perhaps_idle(self) -> None:
        """Close where nothing came since the last answer. One timer for many answers: setting it is not free.

        What goes the ordinary way has uvicorn's own timer, and an unfinished head has ours.
        """
        self._idle_timer = None
        cycle: RequestResponseCycle | None = self.cycle
        if self._in_head or (cycle is not None and not cycle.response_complete) or self.transport.is_closing():
            return
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._perhaps_idle)
        elif self.timeout_keep_alive_task is None:
            self.transport.close()

    def _ordinary_way(self) -> None:
        """Let uvicorn have the request: an ASGI task of its own."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.headers += headers  # the list that the scope holds already
        self.url, self.expect_100_continue = url, expects
        if self._certified:
            self.scope["state"]["client_certificate"] = True
        super().on_headers_complete()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
