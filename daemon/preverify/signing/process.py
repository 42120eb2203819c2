"""The signing process: packets in, signatures or refusals out, at a bounded rate."""

import ctypes
import resource
import select
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

from preverify.clock import SystemClock
from preverify.model.errors import BadInput, PreverifyError
from preverify.ports import Clock, Observer, SignedStatement
from preverify.settings import Signing
from preverify.signing.journal import Journal
from preverify.signing.sealer import open_sealer
from preverify.signing.signatory import Records, Signatory
from preverify.signing.wire import MAX_REQUEST, Later, Refusal, Reply, pack_reply, read_request

_POLL_MILLISECONDS = 500
_PR_SET_DUMPABLE = 4
_BUSY = timedelta(seconds=1)
_BROKEN = timedelta(seconds=5)


class Rate:
    """A token bucket: `per_second` in the long run, `burst` at once."""

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._tokens = self._burst
        self._filled = clock.monotonic()

    def take(self) -> bool:
        """Take one token; False where there is none."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._per_second)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class SigningProcess:
    """Serves the signing ends of packet socket pairs, one for each worker, one request after the other."""

    def __init__(self, fds: Sequence[int], signatory: Signatory, *, observer: Observer, rate: Rate) -> None:
        self._sockets = {fd: _packet_socket(fd) for fd in fds}
        self._signatory = signatory
        self._observer = observer
        self._rate = rate

    @classmethod
    def open(
        cls,
        settings: Signing,
        fds: Sequence[int],
        records: Records,
        *,
        observer: Observer,
        state: Path | None = None,
        clock: Clock | None = None,
        per_second: float = 100.0,
        burst: int = 400,
        hardened: bool = True,
    ) -> Self:
        """Open the key and what else the process needs.

        Args:
            settings: How to sign, verifier id, validity.
            fds: Our ends of the socket pairs.
            records: Read ports over a connection of our own.
            observer: Log lines and counters.
            state: Directory of the journal; None keeps it in memory only.
            clock: Time; the machine's where not given.
            per_second: Signatures a second in the long run. A flood of them is somebody's attempt at something.
            burst: Signatures at once, for example after a change of policy.
            hardened: Close this process to debuggers and core dumps. False only where it is not a process of its own.

        Raises:
            BadConfiguration: no usable key or journal.
        """
        if not settings.signs:
            raise BadInput("none of signing.keyFile, signing.uri and signing.keyless is set: nothing can be signed")
        if hardened:
            harden()
        clock = clock or SystemClock()
        sealer = open_sealer(settings)
        signatory = Signatory(
            sealer,
            records,
            Journal(state, sealer.journal_secret),
            verifier_id=settings.verifier_id,
            validity=settings.published_validity,
            clock=clock,
        )
        return cls(fds, signatory, observer=observer, rate=Rate(per_second, burst, clock))

    def run(self, stopping: Callable[[], bool]) -> None:
        """Serve until told to stop, or until nobody is left who could ask."""
        poll = select.poll()
        for fd in self._sockets:
            poll.register(fd, select.POLLIN)
        try:
            while self._sockets and not stopping():
                for fd, events in poll.poll(_POLL_MILLISECONDS):
                    if not self._serve(fd) and events & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                        poll.unregister(fd)
                        self._sockets.pop(fd).close()
        finally:
            for connection in self._sockets.values():
                connection.close()
            self._signatory.close()

    def _serve(self, fd: int) -> bool:
        """Answer one packet; False where none was there (an empty packet is none)."""
        connection = self._sockets[fd]
        try:
            packet = connection.recv(MAX_REQUEST + 1)
        except (BlockingIOError, ConnectionError):
            return False
        if not packet:
            return False
        request = read_request(packet) if len(packet) <= MAX_REQUEST else None
        if request is None:
            # Without a request id that we understand nobody would recognise an answer: the asker's wait ends by itself.
            self._observer.event("signing.malformed", size=len(packet))
            return True
        try:
            connection.send(pack_reply(request.id, self._reply(request.statement)))
        except OSError as error:  # whoever asked does not read; it asks again
            self._observer.event("signing.unheard", statement=request.statement, why=str(error.strerror))
        return True

    def _reply(self, statement_id: str) -> Reply:
        if not self._rate.take():
            return Later("the signing process has more to sign than it is allowed to", _BUSY)
        try:
            with self._observer.time("signing_seconds"):
                signed = self._signatory.sign(statement_id)
        except BadInput as error:
            self._observer.event("signing.refused", statement=statement_id, why=str(error))
            return Refusal(str(error))
        except PreverifyError as error:
            self._observer.event("signing.unavailable", statement=statement_id, why=str(error))
            return Later(str(error), _BROKEN)
        except Exception as error:  # noqa: BLE001 - a database that is away must not end the process in mid-request
            self._observer.event("signing.unavailable", statement=statement_id, why=f"{type(error).__name__}: {error}")
            return Later(f"the signing process could not read its rows ({type(error).__name__})", _BROKEN)
        return self._logged(statement_id, signed)

    def _logged(self, statement_id: str, signed: SignedStatement) -> SignedStatement:
        """Log the signature before anybody can use it."""
        self._observer.event(
            "signing.signed", statement=statement_id, key=signed.key_id, valid_until=signed.valid_until.isoformat()
        )
        return signed


def harden() -> None:
    """Keep the key out of core dumps, and (on Linux) our memory from other processes of the same user."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)


def _packet_socket(fd: int) -> socket.socket:
    connection = socket.socket(fileno=fd)
    connection.settimeout(0)
    return connection
