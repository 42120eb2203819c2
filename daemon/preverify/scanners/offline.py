"""Matching without a network: the database that is in use on this machine, as a port."""

import threading
from dataclasses import replace
from pathlib import Path

from preverify.model.contents import Content, Inventory, Scan, Vulnerability
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.evidence import Evidence, Unobtained
from preverify.model.reasons import Reason
from preverify.scanners.database.changes import keys_of
from preverify.scanners.database.file import Database
from preverify.scanners.database.holding import Holding
from preverify.scanners.matching import match
from preverify.verify.formats import own_reports


class OfflineVulnerabilities:
    """Implements `ports.Vulnerabilities` over the databases of a directory. Threads may share it."""

    name = "vulnerability database"

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._opened = threading.local()

    def matches(self, content: Inventory | Scan, of: str, about: Digest) -> Evidence | Unobtained:
        """Return what the database in use has for a document."""
        try:
            database = self._database()
        except BadInput as error:
            return Unobtained(what=self.name, reason=Reason.SCAN_MISSING, detail=str(error))
        if database is None:
            detail = "there is no vulnerability database on this machine: run `preverify db pull`"
            return Unobtained(what=self.name, reason=Reason.SCAN_MISSING, detail=detail)
        found = _known_of(content, database, of) if isinstance(content, Scan) else match(content, database, of=of)
        return own_reports.matches(found, about, made_by=f"{self.name} {database.digest}")

    def packages(self, content: Content) -> tuple[str, ...]:
        """Return the keys by which a document's entries are looked up."""
        return keys_of(content)

    def present(self) -> tuple[Digest, Path] | None:
        """Return digest and file of the database in use; None where there is none, or none that can be used."""
        try:
            held = self._holding.current()
        except BadInput:
            return None
        return None if held is None else (held.digest, held.path)

    def former(self, digest: Digest) -> Path | None:
        """Return the file of a database that was in use before; None where it is gone."""
        return self._holding.kept(digest)

    def _database(self) -> Database | None:
        """Return this thread's connection to the database in use now."""
        held = self._holding.current()
        opened: Database | None = getattr(self._opened, "database", None)
        if held is not None and opened is not None and opened.digest == held.digest:
            return opened
        if opened is not None:
            opened.close()
        self._opened.database = None if held is None else Database(held.path, held.digest)
        database: Database | None = self._opened.database
        return database


def _known_of(scan: Scan, database: Database, of: str) -> Scan:
    """Return a scan by others with what the database knows more of what it found; nothing is taken away from it.

    It is as recent as our database: rules judge by that age what they take from it.
    """
    return replace(
        scan,
        database=str(database.digest),
        database_at=database.facts.newest,
        vulnerabilities=tuple(_more(each, database) for each in scan.vulnerabilities),
        of=of,
    )


def _more(found: Vulnerability, database: Database) -> Vulnerability:
    known = database.about(found.names)
    return replace(
        found,
        aliases=tuple(sorted({*found.aliases, *known.names} - {found.id})),
        published=found.published or known.published,
        epss=known.epss if found.epss is None else found.epss,
        exploited=known.exploited if found.exploited is None else found.exploited,
    )
