"""By which keys components are looked up, and which of them two databases answer differently."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from preverify.model.contents import Content, Inventory, Scan
from preverify.scanners.packages.purls import Unmatchable, named
from preverify.scanners.packages.versions import family

_BOTH = ("old", "new")
_PACKAGES = """
SELECT ecosystem, package FROM (SELECT ecosystem, package, record, part, said FROM {one}.affected EXCEPT
                                SELECT ecosystem, package, record, part, said FROM {other}.affected)
UNION SELECT a.ecosystem, a.package FROM {one}.affected a JOIN (
    SELECT id, aliases, covers, severity, score, published FROM {one}.record EXCEPT
    SELECT id, aliases, covers, severity, score, published FROM {other}.record) r ON r.id = a.record
"""
_NAMES = """
SELECT n.name FROM {one}.name n JOIN (
    SELECT id, aliases, covers, severity, score, published FROM {one}.record EXCEPT
    SELECT id, aliases, covers, severity, score, published FROM {other}.record) r ON r.id = n.record
UNION SELECT cve FROM (SELECT * FROM {one}.likelihood EXCEPT SELECT * FROM {other}.likelihood)
UNION SELECT cve FROM (SELECT * FROM {one}.exploited EXCEPT SELECT * FROM {other}.exploited)
"""
"""Of records, all counts but when they were last changed, which happens for a comma."""
_JOINED = """
SELECT n.name FROM {one}.name n WHERE n.record IN
    (SELECT m.record FROM {one}.name m JOIN touched t ON t.name = m.name)
"""
"""Names that stand in one record with a touched one: what is known is gathered over all of them."""
_NAMED = "SELECT DISTINCT a.ecosystem, a.package FROM {one}.name n JOIN {one}.affected a ON a.record = n.record"
_ECOSYSTEMS = "SELECT name FROM {one}.ecosystem EXCEPT SELECT name FROM {other}.ecosystem"
_NO_CATALOGUE = "SELECT value = '' FROM {one}.meta WHERE name = 'exploited_at'"
_EVERYTHING = "SELECT name, '' FROM {one}.ecosystem UNION ALL SELECT '', name FROM {one}.name"


def keys_of(content: Content) -> tuple[str, ...]:
    """Return the keys by which a document's entries are looked up, each once.

    A bill of materials has one for each package, and one for each ecosystem: where a database begins to hold one, what
    could not be judged so far can be. A scan has one for each vulnerability.
    """
    found: dict[str, None] = {}
    if isinstance(content, Inventory):
        for component in content.components:
            try:
                package = named(component.purl, content.distribution)
            except Unmatchable:
                continue
            for ecosystem in package.ecosystems:
                found[_ecosystem(ecosystem)] = None
                found.update((_package(ecosystem, name), None) for name, _ in package.packages)
    elif isinstance(content, Scan):
        found.update((_vulnerability(name), None) for each in content.vulnerabilities for name in each.names)
    return tuple(found)


def changed(old: Path, new: Path) -> frozenset[str]:
    """Return every key that two databases answer differently, in either direction."""
    connection = sqlite3.connect(":memory:", uri=True)
    try:
        for name, path in (("old", old), ("new", new)):
            connection.execute(f"ATTACH ? AS {name}", (f"{path.absolute().as_uri()}?mode=ro&immutable=1",))
        return frozenset(_changed(connection))
    finally:
        connection.close()


def _changed(connection: sqlite3.Connection) -> Iterator[str]:
    without = [connection.execute(_NO_CATALOGUE.format(one=name)).fetchone() for name in _BOTH]
    if without[0] != without[1]:  # of everything it is said now, or is not any more, whether it is exploited
        yield from _everything(connection)
    connection.execute("CREATE TEMP TABLE touched (name TEXT PRIMARY KEY) WITHOUT ROWID")
    for one, other in (("old", "new"), ("new", "old")):
        for ecosystem, package in connection.execute(_PACKAGES.format(one=one, other=other)):
            yield _package(ecosystem, package)
        for (ecosystem,) in connection.execute(_ECOSYSTEMS.format(one=one, other=other)):
            yield _ecosystem(ecosystem)
        connection.execute(f"INSERT OR IGNORE INTO touched {_NAMES.format(one=one, other=other)}")
    while sum(connection.execute(f"INSERT OR IGNORE INTO touched {_JOINED.format(one=n)}").rowcount for n in _BOTH):
        pass
    for name in _BOTH:
        for ecosystem, package in connection.execute(f"{_NAMED.format(one=name)} JOIN touched t ON t.name = n.name"):
            yield _package(ecosystem, package)
    for (name,) in connection.execute("SELECT name FROM touched"):
        yield _vulnerability(name)


def _everything(connection: sqlite3.Connection) -> Iterator[str]:
    for database in _BOTH:
        for ecosystem, name in connection.execute(_EVERYTHING.format(one=database)):
            yield _ecosystem(ecosystem) if ecosystem else _vulnerability(name)


def _package(ecosystem: str, name: str) -> str:
    return f"{family(ecosystem)}/{name}"


def _ecosystem(ecosystem: str) -> str:
    return f"{family(ecosystem)}/"


def _vulnerability(name: str) -> str:
    return f"vulnerability/{name}"
