"""What another database may say differently: which packages have to be matched anew, and no others."""

import contextlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from preverify.model.errors import BadInput
from preverify.scanners.purls import Unmatchable, named

_ANY = "*"
"""Every package of an ecosystem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Packages about which two databases may differ.

    Attributes:
        packages: By name as the databases have it, the ecosystems; under the name `*`, those that changed as a whole.
        everything: One of the two has a catalogue that the other has not: everything differs.
    """

    packages: Mapping[str, frozenset[str]]
    everything: bool = False

    def touch(self, purl: str, distribution: str) -> bool:
        """Say whether a component may be matched differently now.

        Args:
            purl: Of the component; empty where it has none.
            distribution: Of its bill of materials, as matching takes it.
        """
        try:
            package = named(purl, distribution)
        except Unmatchable:
            return False  # no database says anything of it
        return self.everything or any(
            fnmatchcase(ecosystem, pattern)
            for name in (_ANY, *(name for name, _ in package.packages))
            for ecosystem in self.packages.get(name, ())
            for pattern in package.ecosystems
        )


def changes(old: Path, new: Path, *, scores: bool = True) -> Changes:
    """Compare two database files.

    Args:
        old: The one that was used.
        new: The one that is to be used.
        scores: Whether EPSS scores count. Most of them change every day: without rules about them, leave them out.

    Raises:
        BadInput: one of them cannot be read.
    """
    try:
        with contextlib.closing(sqlite3.connect(_uri(new), uri=True)) as connection:
            connection.execute("ATTACH ? AS old", (_uri(old),))
            connection.execute("PRAGMA trusted_schema = OFF")
            return _compare(connection, scores=scores)
    except sqlite3.Error as error:
        raise BadInput(f"{old} and {new} cannot be compared: {error}") from error


def _compare(connection: sqlite3.Connection, *, scores: bool) -> Changes:
    connection.executescript(_VIEWS)
    for name in ("exploited_at", "likelihood_at") if scores else ("exploited_at",):
        ((here, there),) = connection.execute(_HAS_CATALOGUE, (name, name))
        if here != there:
            return Changes(packages={}, everything=True)
    connection.execute(_TOUCHED)
    for statement in (_TOUCHED_THEMSELVES, _TOUCHED_BY_KEV, *((_TOUCHED_BY_EPSS,) if scores else ())):
        connection.execute(statement)
    while connection.execute(_TOUCHED_BY_NAME).rowcount > 0:
        pass
    packages: dict[str, set[str]] = {}
    for ecosystem, name in connection.execute(_PACKAGES):
        packages.setdefault(name, set()).add(ecosystem)
    return Changes(packages={name: frozenset(ecosystems) for name, ecosystems in packages.items()})


_VIEWS = """
CREATE TEMP VIEW names AS SELECT name, record FROM main.name UNION SELECT name, record FROM old.name;
CREATE TEMP VIEW packages AS SELECT ecosystem, package, record FROM main.affected
    UNION SELECT ecosystem, package, record FROM old.affected;
CREATE TEMP VIEW new_records AS SELECT id, aliases, covers, severity, score, published FROM main.record
    EXCEPT SELECT id, aliases, covers, severity, score, published FROM old.record;
CREATE TEMP VIEW old_records AS SELECT id, aliases, covers, severity, score, published FROM old.record
    EXCEPT SELECT id, aliases, covers, severity, score, published FROM main.record;
"""
_HAS_CATALOGUE = (
    "SELECT (SELECT value = '' FROM main.meta WHERE name = ?), (SELECT value = '' FROM old.meta WHERE name = ?)"
)
_TOUCHED = "CREATE TEMP TABLE touched (record TEXT PRIMARY KEY) WITHOUT ROWID"
_TOUCHED_THEMSELVES = "INSERT OR IGNORE INTO touched SELECT id FROM new_records UNION ALL SELECT id FROM old_records"
_TOUCHED_BY_KEV = (
    "INSERT OR IGNORE INTO touched SELECT record FROM names WHERE name IN ("
    "SELECT cve FROM main.exploited WHERE cve NOT IN (SELECT cve FROM old.exploited) UNION ALL "
    "SELECT cve FROM old.exploited WHERE cve NOT IN (SELECT cve FROM main.exploited))"
)
_TOUCHED_BY_EPSS = (
    "INSERT OR IGNORE INTO touched SELECT record FROM names WHERE name IN ("
    "SELECT cve FROM (SELECT cve, epss FROM main.likelihood EXCEPT SELECT cve, epss FROM old.likelihood) UNION ALL "
    "SELECT cve FROM (SELECT cve, epss FROM old.likelihood EXCEPT SELECT cve, epss FROM main.likelihood))"
)
_TOUCHED_BY_NAME = (
    "INSERT OR IGNORE INTO touched SELECT record FROM names WHERE name IN "
    "(SELECT name FROM names WHERE record IN (SELECT record FROM touched))"
)
"""Records that have a name in common with one that is touched: they are told of as one vulnerability."""
_PACKAGES = (
    "SELECT ecosystem, package FROM (SELECT ecosystem, package, record, part, said FROM main.affected "
    "EXCEPT SELECT ecosystem, package, record, part, said FROM old.affected) "
    "UNION SELECT ecosystem, package FROM (SELECT ecosystem, package, record, part, said FROM old.affected "
    "EXCEPT SELECT ecosystem, package, record, part, said FROM main.affected) "
    "UNION SELECT ecosystem, package FROM packages WHERE record IN (SELECT record FROM touched) "
    "UNION SELECT name, '*' FROM main.ecosystem WHERE name NOT IN (SELECT name FROM old.ecosystem) "
    "UNION SELECT name, '*' FROM old.ecosystem WHERE name NOT IN (SELECT name FROM main.ecosystem)"
)


def _uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"
