"""Evidence bytes by digest: small ones in the row, large ones in files. Read back only if they have the digest."""

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from preverify.model.digest import Digest
from preverify.model.errors import BadInput, Unavailable
from preverify.model.reasons import Reason
from preverify.store import tables as t

FILE_FROM_BYTES = 64 * 1024 + 1
_CHUNK = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """Where evidence bytes lie.

    Attributes:
        directory: `<state>/evidence`; files are `<aa>/<hex>` by digest.
        in_files: Whether bodies over 64 KiB go to files. Not on Postgres: workers on other machines must read them.
    """

    directory: Path
    in_files: bool

    def keep(self, body: bytes, digest: Digest) -> bytes | None:
        """Return what the row holds: the bytes, or None after they are safely in a file.

        Raises:
            BadInput: the bytes do not have the digest. Nothing unhashed enters history.
            Unavailable: the file could not be written.
        """
        if not digest.names(body):
            raise BadInput(f"{len(body)} bytes of evidence do not have the digest {digest}")
        if not self.in_files or len(body) < FILE_FROM_BYTES:
            return body
        try:
            self._write(self._path(digest), body, digest)
        except OSError as error:
            raise Unavailable(f"evidence file of {digest}: {error}", reason=Reason.INTERNAL_ERROR) from error
        return None

    def load(self, connection: Connection, tenant: str, digests: Iterable[Digest]) -> Mapping[Digest, bytes]:
        """Return those bodies that are there and still have their digest. What is missing could not be obtained."""
        wanted = list({str(d): d for d in digests})
        found: dict[Digest, bytes] = {}
        for start in range(0, len(wanted), _CHUNK):
            rows = connection.execute(
                select(t.evidence.c.digest, t.evidence.c.body).where(
                    t.evidence.c.tenant == tenant, t.evidence.c.digest.in_(wanted[start : start + _CHUNK])
                )
            )
            for text, inline in rows:
                digest = Digest.parse(text)
                body = self._read(digest) if inline is None else bytes(inline)
                if body is not None and digest.names(body):
                    found[digest] = body
        return found

    def _path(self, digest: Digest) -> Path:
        return self.directory / digest.hex[:2] / digest.hex

    def _read(self, digest: Digest) -> bytes | None:
        try:
            return self._path(digest).read_bytes()
        except OSError:
            return None

    def _write(self, path: Path, body: bytes, digest: Digest) -> None:
        """Write beside, flush to disk, rename, flush the directory: after a crash the file is whole or absent."""
        with contextlib.suppress(OSError):
            if digest.names(path.read_bytes()):
                return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{id(body)}")
        try:
            with beside.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            for directory in (path.parent, self.directory):
                _flush(directory)
        finally:
            beside.unlink(missing_ok=True)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
