"""Vulnerability databases for tests, built by the real builder from the records in `tests/vectors/osv`."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from preverify.model.digest import Digest
from preverify.scanners.database.building import build
from preverify.scanners.database.file import Database

OSV = Path(__file__).resolve().parent.parent / "vectors" / "osv"
BUILT_AT = datetime(2026, 1, 3, tzinfo=UTC)


def records() -> list[dict[str, Any]]:
    """Return every record of the corpus."""
    return [each for name in ("real", "made") for each in json.loads((OSV / f"{name}.json").read_text())]


def zipped(path: Path, documents: Sequence[Mapping[str, Any]]) -> Path:
    """Write records into a zip file as OSV's dumps have them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for document in documents:
            archive.writestr(f"{document['id'].replace(':', '_')}.json", json.dumps(document))
    return path


def database_file(directory: Path, documents: Sequence[Mapping[str, Any]] | None = None, **more: Any) -> Path:
    """Build a database of the corpus, or of other records."""
    out = directory / "vulnerabilities.db"
    source = zipped(directory / "all.zip", records() if documents is None else documents)
    options = {"kev": OSV / "kev.json", "epss": OSV / "epss.csv", "now": BUILT_AT, **more}
    build([source], out=out, **options)
    return out


def opened(path: Path) -> Database:
    """Open a database file."""
    return Database(path, Digest.of(path.read_bytes()))
