"""What we are about to sign, written down first: so that one verdict set never leads to two different statements."""

import base64
import contextlib
import fcntl
import hmac
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from preverify.model.errors import BadConfiguration

_MAX_BYTES = 16 * 1024 * 1024


class Journal:
    """An append-only file of intents, one JSON line each, and the file before it.

    A statement is rebuilt from rows, and its bytes also name the generation and the version of this program. When the
    process dies between signing and the storing of the envelope, and one of these changes meanwhile, the rebuilt bytes
    would differ: then the journal's are signed again. Its lines carry a MAC under a secret of the key, so that nobody
    else's bytes can come in through this door. Lines that are cut short or not ours are passed over.

    Args:
        directory: Where to keep it; None keeps it in memory (tools and tests).
        secret: MAC key, derived from the signing key. None where there is nothing to derive it from (the key stays in a
            device, or lasts for one signature): then the file is a record for people, and this process remembers.
        max_bytes: When a file is full it takes the place of the one before it. Envelopes are stored by the worker
            within a moment of being signed: what is that old is in the database.
    """

    def __init__(self, directory: Path | None, secret: bytes | None, *, max_bytes: int = _MAX_BYTES) -> None:
        self._secret = secret
        self._max_bytes = max_bytes
        self._known: dict[str, bytes] = {}
        self._before: dict[str, bytes] = {}
        self._path = directory / "signing.journal" if directory is not None else None
        self._file: int | None = None
        if self._path is not None:
            self._open(self._path)

    def recall(self, name: str) -> bytes | None:
        """Return the payload that was to be signed under `name`, or None where that is not known (any more)."""
        return self._known.get(name) or self._before.get(name)

    def note(self, name: str, payload: bytes, *, at: datetime, **facts: str) -> None:
        """Write down that `payload` is about to be signed under `name`; returns when the disk has it."""
        if self._file is not None and self._path is not None:
            text = base64.b64encode(payload).decode()
            entry = {"at": at.isoformat(), "name": name, **facts, "payload": text}
            if self._secret is not None:
                entry["mac"] = _mac(self._secret, name, payload)
            os.write(self._file, json.dumps(entry).encode() + b"\n")
            os.fsync(self._file)
            if os.fstat(self._file).st_size > self._max_bytes:
                self._turn(self._path)
        self._known[name] = payload

    def close(self) -> None:
        """Let another process have the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise BadConfiguration("another signing process uses this state directory", where=str(path)) from error
        except OSError as error:
            raise BadConfiguration(f"signing journal cannot be written: {error.strerror}", where=str(path)) from error
        self._before = self._read(_previous(path))
        self._known = self._read(path)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")  # the last line was cut short by a crash: the next one gets its own

    def _read(self, path: Path) -> dict[str, bytes]:
        known: dict[str, bytes] = {}
        if self._secret is None:
            return known
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            for line in file:
                entry = _entry(self._secret, line)
                if entry is not None:
                    known[entry[0]] = entry[1]
        return known

    def _turn(self, path: Path) -> None:
        """Start a new file. The lock goes with the old one, so the new one is locked before it has the name."""
        fresh = os.open(
            path.with_suffix(".new"), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(fresh, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.rename(_previous(path))
        path.with_suffix(".new").rename(path)
        self.close()
        self._file, self._before, self._known = fresh, self._known, {}


def _entry(secret: bytes, line: bytes) -> tuple[str, bytes] | None:
    """Return name and payload of a line that holders of the secret wrote; None for every other one."""
    try:
        entry: dict[str, Any] = json.loads(line)
        name, payload = str(entry["name"]), base64.b64decode(entry["payload"], validate=True)
        mac = str(entry["mac"])
    except (ValueError, KeyError, TypeError):
        return None
    return (name, payload) if hmac.compare_digest(mac.encode(), _mac(secret, name, payload).encode()) else None


def _mac(secret: bytes, name: str, payload: bytes) -> str:
    return hmac.new(secret, name.encode() + b"\0" + payload, "sha256").hexdigest()


def _previous(path: Path) -> Path:
    return path.with_suffix(".journal.1")
