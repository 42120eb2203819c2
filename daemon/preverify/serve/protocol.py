"""uvicorn's HTTP/1.1 protocol with the limits that it lacks, and with what we need to know of the connection."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEAD_BYTES = 64 * 1024
_MAX_HEADERS = 100
_HEAD_SECONDS = 10.0
_REFUSED = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeadTooLarge(ValueError):
    """Raised inside the parser; the protocol turns it into 400 and closes."""


class BoundedProtocol(HttpToolsProtocol):
    """Bounds the head of a request in bytes, in headers and in time, and notes client certificates.

    Connections that send nothing, or their head byte by byte, are closed after ten seconds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._certified = False
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Start the clock, and see whether the handshake brought a certificate (verified, or it had failed)."""
        super().connection_made(transport)
        secure = transport.get_extra_info("ssl_object")
        self._certified = secure is not None and secure.getpeercert(binary_form=True) is not None
        self._head_timer = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; refuse a head that goes on and on, whether in many headers or in one."""
        super().data_received(data)
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
        super().on_message_begin()
        if self._certified:
            self.scope["state"]["client_certificate"] = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count headers: a burst within one read is bounded too."""
        if len(self.headers) >= _MAX_HEADERS or len(name) + len(value) > _MAX_HEAD_BYTES:
            raise HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_timer()
        super().on_headers_complete()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
