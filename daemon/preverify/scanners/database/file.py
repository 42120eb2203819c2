"""The vulnerability database: one read-only SQLite file, made elsewhere, signed, and checked before it is used."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from preverify.model.contents import Severity
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.scanners.database.osv import is_cve, moment, worst

APPLICATION_ID = 0x50565644
FORMAT = 1
_MAX_NAMES = 64

_RECORD = (
    "CREATE TABLE record (id TEXT PRIMARY KEY, aliases TEXT NOT NULL, covers TEXT NOT NULL, severity TEXT NOT NULL, "
    "score REAL, published TEXT, modified TEXT NOT NULL) WITHOUT ROWID"
)
_AFFECTED = (
    "CREATE TABLE affected (ecosystem TEXT, package TEXT, record TEXT, part INTEGER, said TEXT NOT NULL, "
    "PRIMARY KEY (ecosystem, package, record, part)) WITHOUT ROWID"
)
TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE ecosystem (name TEXT PRIMARY KEY, records INTEGER NOT NULL, newest TEXT NOT NULL) WITHOUT ROWID",
    _RECORD,
    "CREATE TABLE name (name TEXT, record TEXT, PRIMARY KEY (name, record)) WITHOUT ROWID",
    _AFFECTED,
    "CREATE TABLE exploited (cve TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE likelihood (cve TEXT PRIMARY KEY, epss REAL NOT NULL) WITHOUT ROWID",
)
"""`said` is JSON: `r` ranges, each with whether it is semantic and its events, and `v` versions beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a database says of itself.

    Attributes:
        built_at: When the file was made.
        newest: The newest `modified` of its records: how recent the data is. A file made today of old data is old.
        records: Number of records.
        withdrawn: Records left out because they were withdrawn.
        malformed: Records left out because they could not be read; the first of them by name.
        malformed_count: How many.
        exploited_at: Date of the catalogue of known exploited vulnerabilities; None where it is not in.
        likelihood_at: Date of the EPSS scores; None where they are not in.
    """

    built_at: datetime
    newest: datetime
    records: int
    withdrawn: int
    malformed: tuple[str, ...]
    malformed_count: int
    exploited_at: datetime | None
    likelihood_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one record says of one package.

    Attributes:
        record: Its id.
        names: Its id and its aliases.
        covers: What it covers as an advisory.
        ranges: Whether each goes by Semantic Versioning, and its events.
        versions: Affected ones beside the ranges.
    """

    record: str
    names: tuple[str, ...]
    covers: tuple[str, ...]
    ranges: tuple[tuple[bool, tuple[tuple[str, str], ...]], ...]
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a vulnerability, whoever found it.

    Attributes:
        names: All its names, sorted.
        severity: The worst that is said of it.
        score: Highest CVSS base score.
        published: When it first became known.
        epss: Probability of exploitation; None where the scores are not in, or have none.
        exploited: Whether it is known to be exploited; None where the catalogue is not in.
    """

    names: tuple[str, ...]
    severity: Severity
    score: float | None
    published: datetime | None
    epss: float | None
    exploited: bool | None


class Database:
    """An open database. Of one thread; nothing of it changes while it is open.

    Raises:
        BadInput: the file is no database of ours, or of another version.
    """

    def __init__(self, path: Path, digest: Digest) -> None:
        self.digest = digest
        try:
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error as error:
            raise BadInput(f"{path} cannot be opened: {error}") from error
        try:
            self._check(path)
            self.facts = self._facts()
            self.ecosystems = tuple(name for (name,) in self._rows("SELECT name FROM ecosystem ORDER BY name"))
        except (sqlite3.Error, ValueError, KeyError) as error:
            self.close()
            raise BadInput(f"{path} is no vulnerability database: {error}") from error
        except BadInput:
            self.close()
            raise
        self.covering = lru_cache(maxsize=1024)(self._covering)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def check_whole(self) -> None:
        """Read every page.

        Raises:
            BadInput: the file is damaged.
        """
        try:
            said = [text for (text,) in self._rows("PRAGMA integrity_check")]
        except sqlite3.Error as error:
            said = [str(error)]
        if said != ["ok"]:
            raise BadInput(f"the vulnerability database is damaged: {said[0][:200]}")

    def newest_of(self) -> Iterator[tuple[str, int, str]]:
        """Yield each ecosystem with the number of its records and the newest change of one."""
        yield from self._rows("SELECT name, records, newest FROM ecosystem ORDER BY name")

    def _covering(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Return the ecosystems that fit one of the patterns, in which `*` stands for anything."""
        return tuple(name for name in self.ecosystems if any(fnmatchcase(name, pattern) for pattern in patterns))

    def claims(self, ecosystem: str, package: str) -> tuple[Claim, ...]:
        """Return what is said of a package, by record."""
        rows = self._rows(
            "SELECT a.record, r.aliases, r.covers, a.said FROM affected a JOIN record r ON r.id = a.record "
            "WHERE a.ecosystem = ? AND a.package = ? ORDER BY a.record, a.part",
            ecosystem,
            package,
        )
        return tuple(_claim(*row) for row in rows)

    def about(self, names: Iterable[str]) -> Known:
        """Return what is known of the vulnerability with these names, under all that it has.

        What an advisory says of several vulnerabilities at once counts where nothing is said of the one.
        """
        found = set(names)
        own: dict[str, tuple[str, float | None, str | None]] = {}
        shared: dict[str, tuple[str, float | None, str | None]] = {}
        waiting = sorted(found)
        while waiting and len(found) <= _MAX_NAMES:
            name = waiting.pop(0)
            for record, aliases, covers, *said in self._rows(
                "SELECT r.id, r.aliases, r.covers, r.severity, r.score, r.published FROM name n "
                "JOIN record r ON r.id = n.record WHERE n.name = ? ORDER BY r.id",
                name,
            ):
                alike, covered = {record, *json.loads(aliases)}, json.loads(covers)
                if name not in alike:
                    (own if len(covered) == 1 else shared)[record] = (said[0], said[1], said[2])
                    continue
                own[record] = (said[0], said[1], said[2])
                new = alike.union(covered if len(covered) == 1 else ()) - found
                waiting += sorted(new)
                found |= new
        return self._known(found, list(own.values()), list(shared.values()))

    def _known(
        self,
        names: set[str],
        own: list[tuple[str, float | None, str | None]],
        shared: list[tuple[str, float | None, str | None]],
    ) -> Known:
        rated = [each for each in own if each[0] != Severity.UNKNOWN] or shared
        scores = [each[1] for each in rated if each[1] is not None]
        times = [at for each in (*own, *shared) if each[2] is not None and (at := moment(each[2])) is not None]
        cves = sorted(name for name in names if is_cve(name))
        scored = cves if self.facts.likelihood_at is not None else []
        return Known(
            names=tuple(sorted(names)),
            severity=worst([Severity(each[0]) for each in rated]),
            score=max(scores, default=None),
            published=min(times, default=None),
            epss=max((epss for cve in scored for (epss,) in self._rows(_LIKELIHOOD, cve)), default=None),
            exploited=None
            if self.facts.exploited_at is None
            else any(True for cve in cves for _ in self._rows(_EXPLOITED, cve)),
        )

    def _rows(self, statement: str, *values: str) -> Iterator[tuple[Any, ...]]:
        yield from self._connection.execute(statement, values)

    def _check(self, path: Path) -> None:
        self._connection.execute("PRAGMA trusted_schema = OFF")
        self._connection.execute("PRAGMA query_only = ON")
        ((application,),) = self._rows("PRAGMA application_id")
        ((version,),) = self._rows("PRAGMA user_version")
        if application != APPLICATION_ID or version != FORMAT:
            raise BadInput(
                f"{path} is of the kind {application} and version {version}, expected a vulnerability database of "
                f"version {FORMAT}: build or pull it with this version of the program"
            )
        # Views and triggers of somebody else's would be programs: there is nothing but our tables.
        seen = tuple(sql for (sql,) in self._rows("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"))
        if seen != TABLES:
            raise BadInput(f"{path} has other tables than a vulnerability database of version {FORMAT}")

    def _facts(self) -> Facts:
        said = {str(name): str(value) for name, value in self._rows("SELECT name, value FROM meta")}
        newest, built_at = moment(said["newest"]), moment(said["built_at"])
        if newest is None or built_at is None:
            raise BadInput("the vulnerability database does not say how recent it is")
        return Facts(
            built_at=built_at,
            newest=min(newest, built_at),
            records=int(said["records"]),
            withdrawn=int(said["withdrawn"]),
            malformed=tuple(json.loads(said["malformed"])),
            malformed_count=int(said["malformed_count"]),
            exploited_at=moment(said["exploited_at"]),
            likelihood_at=moment(said["likelihood_at"]),
        )


_EXPLOITED = "SELECT 1 FROM exploited WHERE cve = ?"
_LIKELIHOOD = "SELECT epss FROM likelihood WHERE cve = ?"


def _claim(record: str, aliases: str, covers: str, said: str) -> Claim:
    parsed = json.loads(said)
    return Claim(
        record=record,
        names=(record, *json.loads(aliases)),
        covers=tuple(json.loads(covers)),
        ranges=tuple(
            (bool(semantic), tuple((str(name), str(version)) for name, version in events))
            for semantic, events in parsed["r"]
        ),
        versions=tuple(parsed["v"]),
    )
