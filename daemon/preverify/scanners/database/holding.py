"""The databases on this machine: the one in use, the one before, and where they came from."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from io import BufferedRandom
from pathlib import Path

from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.scanners.database.file import Database
from preverify.scanners.database.osv import moment

_POINTER = "current.json"
_MAX_POINTER = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A database on this machine.

    Attributes:
        path: The file.
        digest: Of the file, as it was when it was taken in.
        reference: The name under which it was pulled.
        image: Digest of the image that was pulled and verified.
        pulled_at: When.
    """

    path: Path
    digest: Digest
    reference: str
    image: str
    pulled_at: datetime


class Older(BadInput):
    """What was pulled is older than what is in use."""


class Holding:
    """The directory of databases. One pointer says which is in use; it changes at once or not at all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def current(self) -> Held | None:
        """Return the database in use; None where there is none.

        Raises:
            BadInput: the pointer is damaged.
        """
        try:
            document = strict_json.parse((self._directory / _POINTER).read_bytes(), max_bytes=_MAX_POINTER)
        except FileNotFoundError:
            return None
        except (OSError, MalformedEvidence) as error:
            raise BadInput(f"{self._directory / _POINTER} cannot be used: {error}; pull a database anew") from error
        said = document if isinstance(document, dict) else {}
        digest, reference, image, pulled = (str(said.get(k, "")) for k in ("digest", "reference", "image", "pulledAt"))
        at = moment(pulled)
        if at is None:
            raise BadInput(f"{self._directory / _POINTER} cannot be used; pull a database anew")
        found = Digest.parse(digest)
        return Held(
            path=self._directory / f"{found.hex}.db", digest=found, reference=reference, image=image, pulled_at=at
        )

    def open(self) -> Database | None:
        """Open the database in use; None where there is none.

        Raises:
            BadInput: it is damaged or of another version.
        """
        held = self.current()
        return None if held is None else Database(held.path, held.digest)

    def kept(self, digest: Digest) -> Path | None:
        """Return the file of a database that is in use or was before; None where it is gone."""
        path = self._directory / f"{digest.hex}.db"
        return path if path.is_file() else None

    def whole(self) -> bool:
        """Say whether the file in use is still what was taken in."""
        held = self.current()
        if held is None:
            return False
        with suppress(OSError), held.path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest() == held.digest.hex
        return False

    @contextmanager
    def room(self, name: str) -> Iterator[BufferedRandom]:
        """Open a new file in the directory, which is gone afterwards unless it was taken in."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._sweep()
        path = self._new(name)
        try:
            with path.open("w+b") as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def take_in(self, file: BufferedRandom, *, reference: str, image: str, now: datetime, allow_older: bool) -> bool:
        """Bring a checked file into use; False where it is in use already. The one before it is kept.

        Args:
            file: A file of `room`.
            reference: The name under which it was pulled.
            image: Digest of the image.
            now: Time.
            allow_older: Whether it may be older than what is in use.

        Raises:
            BadInput: it is no database, damaged, or (`Older`) older than what is in use.
        """
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        path, digest = Path(file.name), Digest("sha256", file_digest(file, "sha256").hexdigest())
        with self._alone():
            before = None
            with suppress(BadInput):  # a damaged pointer is what pulling anew mends
                before = self.current()
            if before is not None and before.digest == digest and self.whole():
                return False
            self._check(path, digest, allow_older=allow_older)
            path.replace(self._directory / f"{digest.hex}.db")
            said = {
                "digest": str(digest),
                "reference": reference,
                "image": image,
                "pulledAt": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            new = self._new(_POINTER)
            new.write_text(json.dumps(said) + "\n")
            new.replace(self._directory / _POINTER)
            self._tidy({digest.hex, before.digest.hex if before is not None else ""})
        return True

    def _check(self, path: Path, digest: Digest, *, allow_older: bool) -> None:
        database = Database(path, digest)
        try:
            database.check_whole()
            newest = database.facts.newest
        finally:
            database.close()
        in_use = None
        with suppress(BadInput):  # what is damaged is replaced, whatever its age
            in_use = self.open()
        if in_use is None:
            return
        in_use.close()
        if newest < in_use.facts.newest and not allow_older:
            raise Older(
                f"what was pulled has data up to {newest.isoformat()}, what is in use up to "
                f"{in_use.facts.newest.isoformat()}: somebody offers old data (--allow-older takes it all the same)"
            )

    def _new(self, name: str) -> Path:
        """Return a name that nobody else writes to: processes and their threads may pull at once."""
        return self._directory / f"{name}.{threading.get_ident()}.{os.getpid()}.new"

    def _sweep(self) -> None:
        """Remove what processes left behind that were killed while they pulled."""
        for path in self._directory.glob("*.new"):
            if not Path("/proc", path.name.split(".")[-2]).exists():
                path.unlink(missing_ok=True)

    def _tidy(self, kept: set[str]) -> None:
        for path in self._directory.glob("*.db"):
            if path.stem not in kept:
                path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
