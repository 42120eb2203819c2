"""Processes: start the children, keep them running, end them together. Knows only command lines and descriptors."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 20.0
_FIRST_DELAY, _MAX_DELAY = 0.2, 5.0
_STEADY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A child process: its name, full command line and the descriptors that it inherits."""

    name: str
    argv: tuple[str, ...]
    fds: tuple[int, ...] = ()


@dataclass(slots=True)
class _Running:
    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    delay: float = _FIRST_DELAY
    not_before: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Keeps children alive until told to stop; a child that dies is started again, with growing pauses.

    Children end with the supervisor, however it ends: the kernel sends them SIGKILL when it dies, and a pipe that only
    the supervisor holds tells those whom the signal missed (see `end_with_parent`).
    """

    specs: Sequence[ChildSpec]
    on_event: Callable[[str, dict[str, object]], None]
    stopping: threading.Event = field(default_factory=threading.Event)
    _children: list[_Running] = field(default_factory=list)
    _life: tuple[int, int] = (-1, -1)

    def run(self, ready: Callable[[], None] = lambda: None) -> int:
        """Start everything, call `ready`, and return 0 once all children have ended after `stopping` was set."""
        self._life = os.pipe()
        self._children = [_Running(spec) for spec in self.specs]
        for child in self._children:
            self._start(child)
        ready()
        while not self.stopping.wait(0.05):
            for child in self._children:
                self._tend(child)
        self._end()
        return 0

    def pids(self) -> dict[str, int]:
        """Return the process ids of the children that run now, by name."""
        return {
            c.spec.name: c.process.pid for c in self._children if c.process is not None and c.process.poll() is None
        }

    def _start(self, child: _Running) -> None:
        environment = {**os.environ, "PREVERIFY_LIFE_FD": str(self._life[0])}
        child.process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments from wiring
            child.spec.argv,
            pass_fds=(*child.spec.fds, self._life[0]),
            stdin=subprocess.DEVNULL,
            env=environment,
            close_fds=True,
        )
        child.started = time.monotonic()
        self.on_event("child.started", {"child": child.spec.name, "pid": child.process.pid})

    def _tend(self, child: _Running) -> None:
        now = time.monotonic()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                if now - child.started > _STEADY_SECONDS:
                    child.delay = _FIRST_DELAY
                return
            self.on_event("child.ended", {"child": child.spec.name, "code": code, "restart_seconds": child.delay})
            child.process, child.not_before = None, now + child.delay
            child.delay = min(child.delay * 2, _MAX_DELAY)
        elif now >= child.not_before:
            self._start(child)

    def _end(self) -> None:
        """Ask every child to finish, in reverse order of start, and end those that do not within the grace period."""
        deadline = time.monotonic() + _GRACE_SECONDS
        processes = [c.process for c in reversed(self._children) if c.process is not None]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for descriptor in self._life:
            os.close(descriptor)


def end_with_parent() -> None:
    """Called first in every child: makes the kernel end us with the supervisor.

    The death signal is tied to the parent *thread*, and is lost when the parent dies before this call; so a thread also
    watches the pipe, whose other end only the supervisor holds.
    """
    life = os.environ.pop("PREVERIFY_LIFE_FD", None)
    if life is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(int(life),), name="life", daemon=True).start()


def _watch(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.read(descriptor, 1)  # returns only at end of file: nobody writes
    os._exit(70)


def notify_ready() -> None:
    """Tell systemd (`Type=notify`) that we serve; nothing happens elsewhere."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + address[1:] if address.startswith("@") else address)
        notify.sendall(b"READY=1")
