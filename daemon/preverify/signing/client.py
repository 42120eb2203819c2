"""The signing process as a worker sees it."""

import secrets
import socket
import threading
import time
from datetime import timedelta

from preverify.model.errors import BadInput, Unavailable
from preverify.model.reasons import Reason
from preverify.ports import SignedStatement
from preverify.signing.wire import MAX_REPLY, Later, Refusal, Reply, Request, read_reply

_TIMEOUT = timedelta(seconds=15)


class SigningClient:
    """One end of a packet socket pair whose other end the signing process reads. Thread-safe; one request at a time.

    Every request has an id that nobody used before, in this process or another: replies to somebody who gave up, or to
    the worker that had this socket before, are passed over. Either end may be restarted; a request that was lost with
    it times out and is asked again.
    """

    def __init__(self, fd: int, *, timeout: timedelta = _TIMEOUT) -> None:
        self._socket = socket.socket(fileno=fd)
        self._timeout = timeout.total_seconds()
        self._lock = threading.Lock()

    def sign(self, statement_id: str) -> SignedStatement:
        """Have the statement of this row rebuilt from the stored rows and signed.

        Raises:
            BadInput: refused, with the reason.
            Unavailable: no answer in time, or not now.
        """
        with self._lock:
            reply = self._ask(Request(secrets.token_hex(16), statement_id))
        if isinstance(reply, Refusal):
            raise BadInput(reply.detail)
        if isinstance(reply, Later):
            raise Unavailable(reply.detail, reason=Reason.TRUST_UNAVAILABLE, retry_after=reply.retry_after)
        return reply

    def close(self) -> None:
        """Close our end."""
        self._socket.close()

    def _ask(self, request: Request) -> Reply:
        deadline = time.monotonic() + self._timeout
        try:
            self._socket.settimeout(self._timeout)
            self._socket.send(request.pack())
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                packet = self._socket.recv(MAX_REPLY)
                if not packet:
                    raise Unavailable("the signing process has hung up", reason=Reason.TRUST_UNAVAILABLE)
                reply = read_reply(packet, request.id)
                if reply is not None:
                    return reply
        except TimeoutError:
            pass
        except OSError as error:
            raise Unavailable(f"the signing process: {error.strerror}", reason=Reason.TRUST_UNAVAILABLE) from error
        raise Unavailable(
            f"the signing process did not answer within {self._timeout:g} s", reason=Reason.TRUST_UNAVAILABLE
        )
