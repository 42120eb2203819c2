"""Reading the lookup table: one point read an image, on a connection of the calling thread."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from preverify.lookup import schema
from preverify.lookup.moment import Moment, Watch
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, Unavailable
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import PolicyAnswer
from preverify.ports import TENANT

_BUSY_SECONDS = 2.0
# A damaged table may hold anything in any column: whatever its reading raises means that there is no answer.
_BROKEN = (sqlite3.Error, OSError, msgspec.MsgspecError, BadInput, LookupError, TypeError, ValueError, ArithmeticError)
_STATE = (
    "SELECT m.generation, m.heartbeat, a.policies, a.children FROM meta m LEFT JOIN answer a "
    "ON a.tenant = ? AND a.digest = ? AND a.registry = ? AND a.repository = ? WHERE m.id = 1"
)
# A child of an index is answered through it where no tag names the child and it has no verdict of its own. All of it is
# read in one statement: one moment.
_VIA = (
    "SELECT m.generation, m.heartbeat, v.registry, v.repository, v.parent, v.platforms, p.policies FROM meta m "
    "LEFT JOIN via v ON v.tenant = ? AND v.digest = ? {where} "
    "AND NOT EXISTS (SELECT 1 FROM answer a WHERE a.tenant = v.tenant AND a.digest = v.digest "
    "AND a.registry = v.registry AND a.repository = v.repository AND a.policies <> ?) "
    "AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.tenant = v.tenant AND t.digest = v.digest "
    "AND t.registry = v.registry AND t.repository = v.repository) "
    "LEFT JOIN answer p ON p.tenant = v.tenant AND p.digest = v.parent "
    "AND p.registry = v.registry AND p.repository = v.repository WHERE m.id = 1 LIMIT ?"
)
_VIA_ONE = _VIA.format(where="AND v.registry = ? AND v.repository = ?")
_VIA_EVERYWHERE = _VIA.format(where="")
MAX_PARENTS = 64
"""Indexes of one repository that are asked about one child."""
_BY_DIGEST = (
    "SELECT m.generation, m.heartbeat, a.registry, a.repository, a.policies, a.children FROM meta m LEFT JOIN answer a "
    "ON a.tenant = ? AND a.digest = ? WHERE m.id = 1 LIMIT ?"
)
_TAG = (
    "SELECT m.generation, m.heartbeat, t.digest FROM meta m LEFT JOIN tag t "
    "ON t.tenant = ? AND t.registry = ? AND t.repository = ? AND t.tag = ? WHERE m.id = 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the table holds of one subject, under every policy digest that was live when it was written."""

    subject: Subject
    policies: tuple[PolicyAnswer, ...]
    children: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """An index that names a digest without a verdict of its own, as a child for `platforms`, and its policies."""

    subject: Subject
    parent: Digest
    platforms: tuple[str, ...]
    policies: tuple[PolicyAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Rows and the generation that was active in the same moment of the table; `heartbeat` is None before the first."""

    generation: int
    heartbeat: datetime | None
    rows: tuple[Row, ...] = ()
    via: tuple[Via, ...] = ()
    tagged: Digest | None = None


class Stored(NamedTuple):
    """The row of one subject as the table holds it: the bytes tell whether it is still the same."""

    generation: int
    heartbeat: datetime | None
    policies: bytes | None
    children: bytes | None
    via: tuple[tuple[bytes, bytes, bytes], ...] = ()  # parent, platforms, policies


@dataclass(slots=True)
class _Open:
    connection: sqlite3.Connection
    device: int
    inode: int
    watch: Watch

    def close(self) -> None:
        self.watch.close()
        self.connection.close()


class Reader:
    """Reads one lookup file, never writes. Threads do not share connections; a replaced file is noticed at once.

    Every method raises `Unavailable` where the file is missing, damaged or of another form: front ends deny then.
    """

    def __init__(self, path: Path, *, tenant: str = TENANT) -> None:
        self._path = path
        self._name = os.fspath(path)
        self._tenant = tenant
        self._local = threading.local()

    def state(self, repository: Repository, digest: Digest) -> Row | None:
        """Return the row of one subject."""
        rows = self.look(repository, digest).rows
        return rows[0] if rows else None

    def look(self, repository: Repository, digest: Digest) -> Found:
        """Return the row of one subject, if any, with the generation: one statement, so one moment."""
        return self.decoded(self.stored(repository, digest), repository, digest)

    def stored(self, repository: Repository, digest: Digest) -> Stored:
        """Return the row of one subject undecoded, with the generation: one statement, so one moment."""
        key = (self._tenant, schema.pack_digest(digest), repository.registry, repository.path)
        try:  # the hot path: as `_reading`, without the cost of a context
            row = self._connection().execute(_STATE, key).fetchone()
            generation, heartbeat, policies, children = _one(row)
            if policies is None or policies == schema.NO_POLICIES:
                return self._through(key)
            return Stored(generation, _time(heartbeat), policies, children)
        except _BROKEN as error:
            raise self._unavailable(error) from error

    def _through(self, key: tuple[str, bytes, str, str]) -> Stored:
        """Return what stands for a digest without a verdict of its own, the indexes that name it, all of one moment."""
        with self._moment() as connection:
            generation, heartbeat, policies, children = _one(connection.execute(_STATE, key).fetchone())
            rows = connection.execute(_VIA_ONE, (*key, schema.NO_POLICIES, MAX_PARENTS)).fetchall()
            via = tuple((parent, platforms, held) for *_, parent, platforms, held in rows if held is not None)
            return Stored(generation, _time(heartbeat), policies, children, via)

    def decoded(self, stored: Stored, repository: Repository, digest: Digest) -> Found:
        """Return what `stored` says."""
        generation, heartbeat, policies, children, through = stored
        subject = Subject(repository, digest)
        try:
            rows = () if policies is None else (_row(subject, policies, children),)
            via = tuple(_via(subject, *each) for each in through)
            return Found(generation=generation, heartbeat=heartbeat, rows=rows, via=via)
        except _BROKEN as error:
            raise self._unavailable(error) from error

    def moment(self) -> Moment | None:
        """Return the present moment of the table: while it stays, every read gives the same again.

        None where that cannot be known, and inside a snapshot, whose moment is another one.
        """
        try:
            opened = self._opened()
            return None if opened.connection.in_transaction else opened.watch.moment()
        except _BROKEN as error:
            raise self._unavailable(error) from error

    def by_digest(self, digest: Digest, limit: int) -> list[Row]:
        """Return at most `limit` rows with this digest, whatever the repository."""
        return list(self.look_everywhere(digest, limit).rows)

    def look_everywhere(self, digest: Digest, limit: int) -> Found:
        """Return at most `limit` rows with this digest, and what indexes say of it, of the same moment."""
        with self._moment() as connection:
            via = self._via_everywhere(connection, digest, limit)
            found = connection.execute(_BY_DIGEST, (self._tenant, schema.pack_digest(digest), limit)).fetchall()
            generation, heartbeat = _one(found[0] if found else None)[:2]
            rows = tuple(
                _row(Subject(Repository(registry, path), digest), policies, children)
                for _, _, registry, path, policies, children in found
                if policies is not None
            )
            return Found(generation=generation, heartbeat=_time(heartbeat), rows=rows, via=via)

    def _via_everywhere(self, connection: sqlite3.Connection, digest: Digest, limit: int) -> tuple[Via, ...]:
        where = (self._tenant, schema.pack_digest(digest), schema.NO_POLICIES, limit * MAX_PARENTS)
        return tuple(
            _via(Subject(Repository(registry, path), digest), parent, platforms, policies)
            for _, _, registry, path, parent, platforms, policies in connection.execute(_VIA_EVERYWHERE, where)
            if policies is not None
        )

    def tag(self, repository: Repository, tag: str) -> Digest | None:
        """Return the digest that a tag was last observed to name."""
        return self.look_at_tag(repository, tag).tagged

    def look_at_tag(self, repository: Repository, tag: str) -> Found:
        """Return what a tag was last observed to name, with the generation of the same moment."""
        with self._reading() as connection:
            key = (self._tenant, repository.registry, repository.path, tag)
            generation, heartbeat, digest = _one(connection.execute(_TAG, key).fetchone())
            tagged = None if digest is None else schema.unpack_digest(digest)
            return Found(generation=generation, heartbeat=_time(heartbeat), tagged=tagged)

    def generation(self) -> tuple[int, bytes, int]:
        """Return the active generation's number, its document, and the last change applied; (0, b"", n) before one."""
        with self._reading() as connection:
            number, document, position = _one(
                connection.execute(
                    "SELECT m.generation, b.document, m.position FROM meta m "
                    "LEFT JOIN binding b ON b.generation = m.generation WHERE m.id = 1"
                ).fetchone()
            )
            if number and document is None:
                raise sqlite3.DatabaseError(f"generation {number} has no document")
            return number, b"" if document is None else bytes(document), position

    def heartbeat(self) -> datetime | None:
        """Return when the table last heard from the feed; None before the first time."""
        with self._reading() as connection:
            return _time(_one(connection.execute("SELECT heartbeat FROM meta WHERE id = 1").fetchone())[0])

    def readable(self) -> bool:
        """Return True where the table can be read and holds a generation to answer under; raises where it cannot."""
        return self.generation()[0] > 0

    def close(self) -> None:
        """Let go of the calling thread's connection; other threads' go with them."""
        opened: _Open | None = self._local.__dict__.pop("opened", None)
        if opened is not None:
            opened.close()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Make every read of this thread inside see one moment of the table."""
        with self._reading() as connection:
            connection.execute("BEGIN")
        try:
            yield
        finally:
            opened: _Open | None = self._local.__dict__.get("opened")
            if opened is not None and opened.connection.in_transaction:
                opened.connection.execute("COMMIT")

    # --- the file -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection()
        except _BROKEN as error:
            raise self._unavailable(error) from error

    @contextlib.contextmanager
    def _moment(self) -> Iterator[sqlite3.Connection]:
        """Let several statements see one moment, inside a snapshot or not."""
        with self._reading() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    def _unavailable(self, error: Exception) -> Unavailable:
        self.close()
        return Unavailable(f"lookup table {self._name}: {error}", reason=Reason.INTERNAL_ERROR)

    def _connection(self) -> sqlite3.Connection:
        return self._opened().connection

    def _opened(self) -> _Open:
        """Return this thread's connection to the file that has the name now: it may have been made anew."""
        facts = os.stat(self._name)  # noqa: PTH116 - a Path costs more than the call on the hot path
        opened: _Open | None = getattr(self._local, "opened", None)
        if opened is None or opened.inode != facts.st_ino or opened.device != facts.st_dev:
            self.close()
            connection = _open(self._path)
            opened = _Open(connection, facts.st_dev, facts.st_ino, Watch(self._path))
            self._local.opened = opened
        return opened


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (application, version) != (schema.APPLICATION_ID, schema.VERSION):
            raise sqlite3.DatabaseError(f"form {version} of {application:#x}, expected {schema.VERSION}")  # noqa: TRY301
    except BaseException:
        connection.close()
        raise
    return connection


def _one(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    if row is None:
        raise sqlite3.DatabaseError("its meta row is missing")
    return row


def _row(subject: Subject, policies: bytes, children: bytes | None) -> Row:
    return Row(subject=subject, policies=schema.unpack_policies(policies), children=schema.unpack_children(children))


def _via(subject: Subject, parent: bytes, platforms: bytes, policies: bytes) -> Via:
    return Via(
        subject=subject,
        parent=schema.unpack_digest(parent),
        platforms=schema.unpack_platforms(platforms),
        policies=schema.unpack_policies(policies),
    )


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else schema.unpack_time(microseconds)
