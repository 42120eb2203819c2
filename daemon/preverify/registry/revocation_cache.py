"""Answers about revocations, kept while they are fresh: in memory, and in a directory that a restart finds again.

Nothing here is believed: an answer is kept only if its issuer signed it, and that is checked anew when it is read back.
A cache that cannot be written or read is an empty cache.
"""

import contextlib
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from preverify.model.revocation import Wanted
from preverify.ports import Clock
from preverify.verify.revocation import fresh_until


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """How much is kept, and how long at most: lists that say they hold for years are asked for anew all the same."""

    max_age: timedelta = timedelta(hours=1)
    memory_bytes: int = 64 << 20
    directory_bytes: int = 256 << 20
    files: int = 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    body: bytes
    until: datetime


class RevocationCache:
    """Used by many threads. `directory` may be None, absent, full or not writable."""

    def __init__(self, clock: Clock, directory: Path | None, limits: CacheLimits | None = None) -> None:
        self._clock = clock
        self._directory = directory
        self._limits = limits or CacheLimits()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def find(self, wanted: Wanted) -> bytes | None:
        """Return a fresh answer, or None."""
        key, now = _key(wanted), self._clock.now()
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and now < kept.until:
                self._kept.move_to_end(key)
                return kept.body
        return self._from_file(key, wanted, now)

    def keep(self, wanted: Wanted, body: bytes) -> None:
        """Keep an answer that came just now, where it is worth it."""
        key, now = _key(wanted), self._clock.now()
        until = fresh_until(wanted, body, now)
        if until is None:
            return
        self._remember(key, _Kept(body, min(until, now + self._limits.max_age)))
        if self._directory is not None:
            with contextlib.suppress(OSError):
                self._write(self._directory, key, body, now)

    def _remember(self, key: str, kept: _Kept) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._size -= 0 if before is None else len(before.body)
            self._kept[key] = kept
            self._size += len(kept.body)
            while self._size > self._limits.memory_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._size -= len(oldest.body)

    def _from_file(self, key: str, wanted: Wanted, now: datetime) -> bytes | None:
        if self._directory is None:
            return None
        path = self._directory / key
        try:
            written = datetime.fromtimestamp(path.stat().st_mtime, tz=now.tzinfo)
            body = path.read_bytes()
        except (OSError, OverflowError, ValueError):
            return None
        until = fresh_until(wanted, body, now)
        end = None if until is None else min(until, written + self._limits.max_age)
        if end is None or now >= end or written > now + self._limits.max_age:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        self._remember(key, _Kept(body, end))
        return body

    def _write(self, directory: Path, key: str, body: bytes, now: datetime) -> None:
        """Write beside and rename: a reader sees a whole file or none. A crash may cost the file, which is no loss."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_room(directory, len(body))
        beside = directory / f".{key}.{os.getpid()}.{threading.get_ident()}"
        try:
            beside.write_bytes(body)
            os.utime(beside, (now.timestamp(), now.timestamp()))
            beside.replace(directory / key)
        finally:
            beside.unlink(missing_ok=True)

    def _make_room(self, directory: Path, size: int) -> None:
        files = sorted((each.stat().st_mtime, each.stat().st_size, each.path) for each in os.scandir(directory))
        count, total = len(files), sum(each[1] for each in files)
        for _, held, path in files:
            if count < self._limits.files and total + size <= self._limits.directory_bytes:
                return
            Path(path).unlink(missing_ok=True)
            count, total = count - 1, total - held


def _key(wanted: Wanted) -> str:
    parts = (wanted.kind.value, wanted.url, wanted.asked, sha256(wanted.issuer).hexdigest())
    return sha256("\n".join(parts).encode()).hexdigest()
