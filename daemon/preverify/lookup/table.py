"""The one writer of a local lookup table. Every change is a transaction: readers see all of it or nothing."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, zip_longest
from pathlib import Path

from preverify.lookup import schema
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, Unavailable
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.ports import TENANT, Change, GenerationState, SubjectState, TagState

_BUSY_SECONDS = 10.0
_PAGE = 1000
_BEAT = timedelta(seconds=2)


class Writer:
    """`ports.LookupWriter` on one SQLite file. One a machine; a file of another form is replaced by an empty one."""

    def __init__(self, path: Path, *, tenant: str = TENANT) -> None:
        self._path = path
        self._tenant = tenant
        self._connection: sqlite3.Connection | None = None
        self._beat: datetime | None = None

    def position(self) -> int:
        """Return the last number applied; -1 for an empty table that wants a snapshot."""
        with self._translated() as connection:
            row = connection.execute("SELECT position FROM meta WHERE id = 1").fetchone()
            return int(row[0])

    def apply(self, changes: Sequence[Change], *, now: datetime) -> None:
        """Apply changes in one transaction and remember the last number.

        Raises:
            BadInput: the first change does not follow what was applied last: something would be skipped.
        """
        if not changes:
            return
        with self._transaction() as connection:
            (position,) = connection.execute("SELECT position FROM meta WHERE id = 1").fetchone()
            if position == schema.EMPTY or changes[0].number > position + 1:
                raise BadInput(f"change {changes[0].number} does not follow {position}: start from a snapshot")
            self._put(connection, changes)
            self._mark(connection, max(position, changes[-1].number), now)

    def reset(self, changes: Iterator[Change], *, now: datetime) -> None:
        """Replace everything by a snapshot: readers see the old table until the new one is whole."""
        with self._transaction() as connection:
            for table in ("answer", "via", "tag", "binding"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
            connection.execute("UPDATE meta SET generation = 0 WHERE id = 1")
            position = 0
            while page := list(islice(changes, _PAGE)):
                self._put(connection, page)
                position = max(position, page[-1].number)
            self._mark(connection, position, now)

    def heartbeat(self, *, now: datetime) -> None:
        """Note that the feed is alive. Written every two seconds at most: the step that calls it may be rung often."""
        if self._beat is not None and timedelta(0) <= now - self._beat < _BEAT:
            return
        with self._transaction() as connection:
            connection.execute("UPDATE meta SET heartbeat = ? WHERE id = 1", (schema.pack_time(now),))
        self._beat = now

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection, self._beat = None, None

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _put(self, connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
        self._put_subjects(connection, (c.what for c in changes if isinstance(c.what, SubjectState)))
        for change in changes:
            if isinstance(change.what, TagState):
                self._put_tag(connection, change.what)
            elif isinstance(change.what, GenerationState):
                _put_generation(connection, change.what)

    def _put_subjects(self, connection: sqlite3.Connection, states: Iterable[SubjectState]) -> None:
        newest = {state.subject: state for state in states}
        connection.executemany(
            "INSERT INTO answer (tenant, digest, registry, repository, policies, children) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET policies = excluded.policies, children = excluded.children",
            [
                (
                    *self._key(state.subject),
                    schema.pack_policies(state.policies),
                    schema.pack_children(state.children),
                )
                for state in newest.values()
            ],
        )

        self._put_children(connection, newest.values())

    def _put_children(self, connection: sqlite3.Connection, states: Iterable[SubjectState]) -> None:
        """Replace the rows of children that are answered through these subjects.

        Only an index under which some policy passed has any: others could not speak for a child whatever is asked, and
        whoever may push could name a child in any number of them.
        """
        mine = [(state, self._key(state.subject)) for state in states]
        connection.executemany(
            "DELETE FROM via WHERE tenant = ? AND parent = ? AND registry = ? AND repository = ?", [k for _, k in mine]
        )
        rows = []
        for state, (tenant, parent, registry, path) in mine:
            if not any(policy.verdict == "passed" for policy in state.policies):
                continue
            named: dict[Digest, list[str]] = {}
            for child, platform in zip_longest(state.children, state.platforms, fillvalue=""):
                if isinstance(child, Digest):
                    named.setdefault(child, []).append(platform)
            rows += [
                (tenant, schema.pack_digest(child), registry, path, parent, schema.pack_platforms(tuple(platforms)))
                for child, platforms in named.items()
                if child != state.subject.digest
            ]
        connection.executemany(
            "INSERT INTO via (tenant, digest, registry, repository, parent, platforms) VALUES (?, ?, ?, ?, ?, ?)", rows
        )

    def _key(self, subject: Subject) -> tuple[str, bytes, str, str]:
        return self._tenant, schema.pack_digest(subject.digest), subject.repository.registry, subject.repository.path

    def _put_tag(self, connection: sqlite3.Connection, state: TagState) -> None:
        key = (self._tenant, state.repository.registry, state.repository.path, state.tag)
        if state.digest is None:
            connection.execute("DELETE FROM tag WHERE tenant = ? AND registry = ? AND repository = ? AND tag = ?", key)
            return
        connection.execute(
            "INSERT INTO tag (tenant, registry, repository, tag, digest) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET digest = excluded.digest",
            (*key, schema.pack_digest(state.digest)),
        )

    def _mark(self, connection: sqlite3.Connection, position: int, now: datetime) -> None:
        connection.execute(
            "UPDATE meta SET position = ?, heartbeat = ? WHERE id = 1", (position, schema.pack_time(now))
        )

    # --- the file -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._translated() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._open()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise Unavailable(f"lookup table {self._path}: {error}", reason=Reason.INTERNAL_ERROR) from error

    def _open(self) -> sqlite3.Connection:
        """Open the file, make it, or make it anew where it is damaged or of another form."""
        if self._connection is not None and not self._path.exists():
            self.close()  # taken away under us: readers look for the name, so the name has to be ours again
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = _connect(self._path)
            try:
                usable = _usable(connection)
            except sqlite3.OperationalError:
                connection.close()
                raise  # locked, or the disk: nothing that a new file would mend
            except sqlite3.DatabaseError:
                usable = False
            if not usable:
                connection.close()
                for suffix in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
                connection = _connect(self._path)
                _create(connection)
            self._connection = connection
        return self._connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _usable(connection: sqlite3.Connection) -> bool:
    """Say whether the file is ours and of this form, and bring it into WAL mode. A new file is filled."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    if pages == 0:
        _create(connection)
        return True
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) != (schema.APPLICATION_ID, schema.VERSION):
        return False
    connection.execute("PRAGMA synchronous = NORMAL")  # derived data: after a power cut the feed goes on from before
    return bool(connection.execute("SELECT count(*) FROM meta").fetchone() == (1,))


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(  # numbers of our own, which a script takes no parameters for
        f"BEGIN; PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = {schema.VERSION}; "  # noqa: S608
        f"{schema.TABLES} "
        "INSERT INTO meta (id, version, position, generation) "
        f"VALUES (1, {schema.VERSION}, {schema.EMPTY}, 0); COMMIT;"
    )


def _put_generation(connection: sqlite3.Connection, state: GenerationState) -> None:
    """Answer under this generation from now on. Generations only grow: an older one changes nothing."""
    (current,) = connection.execute("SELECT generation FROM meta WHERE id = 1").fetchone()
    if state.number <= current:
        return
    connection.execute("DELETE FROM binding")
    connection.execute("INSERT INTO binding (generation, document) VALUES (?, ?)", (state.number, state.document))
    connection.execute("UPDATE meta SET generation = ? WHERE id = 1", (state.number,))
