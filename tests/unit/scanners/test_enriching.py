"""What our database knows about vulnerabilities that others found: as recent as the database, not as their scan."""

from pathlib import Path

from preverify.model.contents import Scan, Vulnerability
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence
from preverify.scanners.database.holding import Holding
from preverify.scanners.offline import OfflineVulnerabilities
from preverify.verify.formats.own_reports import content_of
from support.scans import Piece, scan
from support.vulnerabilities import BUILT_AT, database_file, opened


def enriched(seen: Piece, directory: Path) -> Scan:
    """Return what the database of the corpus knows about a scan."""
    holding = Holding(directory / "held")
    with holding.room("database") as room:
        room.write(database_file(directory).read_bytes())
        holding.take_in(room, reference="r", image="i", now=BUILT_AT, allow_older=True)
    finding, content = seen
    assert isinstance(content, Scan)
    report = OfflineVulnerabilities(holding).matches(content, finding.statement, Digest.of(b"image"))
    assert isinstance(report, Evidence)
    read = content_of(report)
    assert isinstance(read, Scan)
    return read


def test_it_is_as_recent_as_our_database(tmp_path: Path) -> None:
    database = opened(database_file(tmp_path))
    for theirs in (None, BUILT_AT):
        read = enriched(scan(Vulnerability(id="CVE-2023-39325"), database_at=theirs), tmp_path)
        assert read.database_at == database.facts.newest
        assert read.database == str(database.digest)
    database.close()
