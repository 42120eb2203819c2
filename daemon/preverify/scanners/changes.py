"""By which keys components are looked up, and which of them two databases answer differently."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from preverify.model.contents import Content, Inventory, Scan
from preverify.scanners.purls import Unmatchable, named
from preverify.scanners.versions import family

_PACKAGES = """
SELECT ecosystem, package FROM (SELECT ecosystem, package, record, part, said FROM {one}.affected EXCEPT
                                SELECT ecosystem, package, record, part, said FROM {other}.affected)
UNION SELECT a.ecosystem, a.package FROM {one}.affected a JOIN (SELECT * FROM {one}.record EXCEPT
                                SELECT * FROM {other}.record) r ON r.id = a.record
"""
_NAMES = """
SELECT n.name FROM {one}.name n JOIN (SELECT * FROM {one}.record EXCEPT SELECT * FROM {other}.record) r
    ON r.id = n.record
UNION SELECT cve FROM (SELECT * FROM {one}.likelihood EXCEPT SELECT * FROM {other}.likelihood)
UNION SELECT cve FROM (SELECT * FROM {one}.exploited EXCEPT SELECT * FROM {other}.exploited)
"""
_NAMED = "SELECT DISTINCT a.ecosystem, a.package FROM {one}.name n JOIN {one}.affected a ON a.record = n.record"
_ECOSYSTEMS = "SELECT name FROM {one}.ecosystem EXCEPT SELECT name FROM {other}.ecosystem"


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
    connection.execute("CREATE TEMP TABLE touched (name TEXT PRIMARY KEY) WITHOUT ROWID")
    for one, other in (("old", "new"), ("new", "old")):
        for ecosystem, package in connection.execute(_PACKAGES.format(one=one, other=other)):
            yield _package(ecosystem, package)
        for (ecosystem,) in connection.execute(_ECOSYSTEMS.format(one=one, other=other)):
            yield _ecosystem(ecosystem)
        connection.execute(f"INSERT OR IGNORE INTO touched {_NAMES.format(one=one, other=other)}")
    for one in ("old", "new"):
        for ecosystem, package in connection.execute(f"{_NAMED.format(one=one)} JOIN touched t ON t.name = n.name"):
            yield _package(ecosystem, package)
    for (name,) in connection.execute("SELECT name FROM touched"):
        yield _vulnerability(name)


def _package(ecosystem: str, name: str) -> str:
    return f"{family(ecosystem)}/{name}"


def _ecosystem(ecosystem: str) -> str:
    return f"{family(ecosystem)}/"


def _vulnerability(name: str) -> str:
    return f"vulnerability/{name}"
