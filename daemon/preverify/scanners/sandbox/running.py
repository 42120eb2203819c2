"""Runs a scanner that may be hostile, on an image that may be hostile: shut in, bounded, and gone when it is over.

The scanner is a file and its sha256; a copy of exactly that file runs (`inside`). It sees no network, no environment,
no credential, no other process and no file but the system's programs and the layout of one image, both read-only. It
can write into a scratch directory of bounded size that nobody else sees. Where the machine does not allow such a
sandbox, nothing runs: there is no weaker one.
"""

import contextlib
import json
import os
import platform
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol

from preverify.model.errors import PreverifyError
from preverify.model.reasons import Reason
from preverify.scanners.sandbox import inside, seccomp

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 16
_REPORT = 4096
_SAID = 500
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


class ScannerError(PreverifyError):
    """A scan led to nothing. What it would have found is unknown: never an empty result."""

    reason: Reason = Reason.SCAN_MISSING


class SandboxUnavailable(ScannerError):
    """This machine does not allow the sandbox, so the scanner was not run."""


class ScannerMismatch(ScannerError):
    """The file is not the one that was named by its digest, so it was not run."""

    reason = Reason.DIGEST_MISMATCH


class ScannerFailed(ScannerError):
    """The scanner ran and brought nothing usable: it failed, was stopped, or printed something else."""


class ScannerTooSlow(ScannerFailed):
    """The scanner was stopped because its time was over."""

    reason = Reason.DEADLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may take at most. Sizes in bytes; `scratch` and the copy of the scanner are memory."""

    wall: timedelta = timedelta(minutes=5)
    cpu_seconds: int = 300
    memory: int = 2 << 30
    scratch: int = 2 << 30
    scanner: int = 512 << 20
    output: int = 48 << 20
    files: int = 512
    processes: int = 256


class Tool(Protocol):
    """What each module of a scanner offers."""

    NAME: str

    def arguments(self, layout: str) -> Sequence[str]:
        """Return the arguments that make it print a CycloneDX document about a layout."""

    def environment(self, scratch: str) -> Mapping[str, str]:
        """Return what it needs in its environment besides the usual directories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerSpec:
    """Which scanner to run: a file and the digest that it must have."""

    tool: Tool
    path: Path
    sha256: str

    def __post_init__(self) -> None:
        """Refuse what names no file.

        Raises:
            ValueError: the path is not absolute or the digest is none.
        """
        if not self.path.is_absolute():
            raise ValueError(f"{str(self.path)!r} is not an absolute path")
        if _SHA256.fullmatch(self.sha256) is None:
            raise ValueError(f"{self.sha256[:80]!r} is not the hex sha256 of a scanner, expected 64 of 0-9 and a-f")


def run(scanner: ScannerSpec, layout: Path, *, limits: Limits | None = None) -> bytes:
    """Run a scanner over the layout of an image and return what it printed.

    Raises:
        SandboxUnavailable: it was not run, since it could not be shut in.
        ScannerMismatch: it was not run, since the file is another one.
        ScannerFailed: it ended otherwise than well, printed too much, or took too long.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="preverify-scan-") as root:
        return _Run(scanner, layout, Path(root), limits).result()


@dataclass(slots=True)
class _Kept:
    """What was read of one pipe: its end, where it is too long."""

    most: int
    data: bytearray = field(default_factory=bytearray)
    over: bool = False

    def add(self, chunk: bytes) -> None:
        self.data += chunk
        self.over = self.over or len(self.data) > self.most
        del self.data[: -self.most]


class _Run:
    """One process, its pipes and its end."""

    def __init__(self, scanner: ScannerSpec, layout: Path, root: Path, limits: Limits) -> None:
        self._scanner = scanner
        self._limits = limits
        self._order = {
            "parent": os.getpid(),
            "root": str(root),
            "layout": str(layout),
            "scanner": str(scanner.path),
            "sha256": scanner.sha256,
            "maxScanner": limits.scanner,
            "scratch": limits.scratch,
            "filter": seccomp.program(platform.machine()).hex(),
            "arguments": list(scanner.tool.arguments(inside.IMAGE)),
            "environment": _environment(scanner.tool),
            "limits": {
                "CPU": limits.cpu_seconds,
                "DATA": limits.memory,
                "FSIZE": limits.scratch,
                "NOFILE": limits.files,
                "NPROC": limits.processes,
                "CORE": 0,
                "MEMLOCK": 0,
                "MSGQUEUE": 0,
            },
        }

    def result(self) -> bytes:
        mine, theirs = os.pipe()
        try:
            with os.fdopen(mine, "rb") as report, self._started(theirs) as process:
                try:
                    return self._read(process, report)
                finally:
                    # Everything in its space of processes ends with it, whatever changed its group or its session.
                    # Once it was waited for it has ended, and its number may be somebody else's.
                    if process.returncode is None:
                        os.killpg(process.pid, signal.SIGKILL)
        except OSError as error:
            raise SandboxUnavailable(f"a process for {self._name} cannot be started: {error.strerror}") from error

    @property
    def _name(self) -> str:
        return self._scanner.tool.NAME

    def _started(self, report: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - this is what we are here for
                [sys.executable, "-I", "-S", inside.__file__, json.dumps({**self._order, "report": report})],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                cwd="/",
                pass_fds=(report,),
                start_new_session=True,
            )
        finally:
            os.close(report)

    def _read(self, process: subprocess.Popen[bytes], report: IO[bytes]) -> bytes:
        kept = {"stdout": _Kept(self._limits.output), "stderr": _Kept(_REPORT), "report": _Kept(_REPORT)}
        pipes = {"stdout": process.stdout, "stderr": process.stderr, "report": report}
        deadline = time.monotonic() + self._limits.wall.total_seconds()
        with selectors.DefaultSelector() as selector:
            for name, pipe in pipes.items():
                assert pipe is not None  # noqa: S101 - for the type checker: both were asked for
                selector.register(pipe, selectors.EVENT_READ, name)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise ScannerTooSlow(f"{self._name} was stopped after {self._limits.wall}")
                for key, _ in ready:
                    chunk = os.read(key.fd, _CHUNK)
                    kept[key.data].add(chunk)
                    if not chunk:
                        selector.unregister(key.fileobj)
                if kept["stdout"].over:
                    raise ScannerFailed(f"{self._name} was stopped after {self._limits.output} bytes of output")
        return self._judged(process, deadline, kept)

    def _judged(self, process: subprocess.Popen[bytes], deadline: float, kept: Mapping[str, _Kept]) -> bytes:
        try:
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise ScannerTooSlow(f"{self._name} was stopped after {self._limits.wall}") from error
        if kept["report"].data:
            raise self._refused(bytes(kept["report"].data))
        if code != 0:
            said = _printable(bytes(kept["stderr"].data))
            raise ScannerFailed(f"{self._name} {_ended(code)}, saying: {said or 'nothing'}")
        return bytes(kept["stdout"].data)

    def _refused(self, report: bytes) -> ScannerError:
        kind, detail = json.loads(report)
        if kind == "sandbox":
            return SandboxUnavailable(f"{self._name} was not run, since it cannot be shut in: {detail}")
        return ScannerMismatch(f"{self._name} was not run: {detail}")


def _environment(tool: Tool) -> dict[str, str]:
    scratch = inside.SCRATCH
    directories = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
    usual = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
    return {**usual, **dict.fromkeys(directories, scratch), **tool.environment(scratch)}


def _ended(code: int) -> str:
    """Say how a process ended. 128 and more is how the process around it passes a signal on."""
    number = -code if code < 0 else code - 128
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(number).name}"
    return f"failed with exit status {code}"


def _printable(text: bytes) -> str:
    """Return the end of what a hostile program wrote, as one line that can stand in a log."""
    return _UNPRINTABLE.sub(" ", text.decode("ascii", errors="replace"))[-_SAID:].strip()
