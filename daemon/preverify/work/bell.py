"""Bells: wake a process of this machine over a Unix datagram socket in the state directory."""

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

_RING = b"!"
_MAX_PATH = 100  # sockaddr_un holds 108 bytes
_DRAIN = 1024


class SocketBell:
    """`ports.Bell`. `name` says who waits here: "timer", "answers", or a worker by any name that starts with "worker".

    A ring is a hint: it may be lost, doubled or come from before; whoever waits looks for work whatever woke it.
    """

    def __init__(self, state: Path, name: str) -> None:
        self._directory = state / "bells"
        self._path = self._directory / f"{name}.sock"
        self._socket: socket.socket | None = None
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def ring(self, who: str) -> None:
        """Wake "timer", "workers" (all of them) or "answers". Never waits and never fails."""
        pattern = "worker*.sock" if who == "workers" else f"{who}.sock"
        with contextlib.suppress(OSError):
            for path in self._directory.glob(pattern):
                with _at(path) as address, contextlib.suppress(OSError):
                    self._sender.sendto(_RING, address)  # full: it is awake already; refused: nobody is there

    def wait(self, timeout: float) -> bool:
        """Sleep until rung or `timeout` seconds are over; True when rung. All rings until now are one."""
        bell = self._listen()
        ready, _, _ = select.select([bell], [], [], max(timeout, 0.0))
        if not ready:
            return False
        with contextlib.suppress(BlockingIOError):
            for _ in range(_DRAIN):
                bell.recv(1)
        return True

    def fileno(self) -> int:
        """Return the descriptor that becomes readable at a ring, for event loops."""
        return self._listen().fileno()

    def close(self) -> None:
        """Stop listening."""
        self._sender.close()
        if self._socket is not None:
            self._socket.close()
            self._path.unlink(missing_ok=True)
            self._socket = None

    def _listen(self) -> socket.socket:
        """Bind on first use. A socket file left by a killed process is replaced in one step."""
        if self._socket is None:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            try:
                with _at(fresh) as address:
                    bell.bind(address)
                fresh.replace(self._path)
            except BaseException:
                bell.close()
                raise
            self._socket = bell
        return self._socket


@contextlib.contextmanager
def _at(path: Path) -> Iterator[str]:
    """Yield an address for `path`, through a descriptor of its directory where the path itself is too long."""
    if len(os.fsencode(path)) <= _MAX_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
