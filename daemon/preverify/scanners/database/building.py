"""Makes a vulnerability database out of OSV records, the KEV catalogue and EPSS scores. Strict, bounded, repeatable."""

import contextlib
import csv
import gzip
import io
import json
import os
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from preverify.model import strict_json
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.scanners.database.file import APPLICATION_ID, FORMAT, TABLES
from preverify.scanners.database.osv import MAX_RECORD, Affected, Record, is_cve, moment, read
from preverify.scanners.packages.ranges import in_ranges
from preverify.scanners.packages.versions import Unorderable

MAX_RATIO = 100
MAX_RECORDS = 5_000_000
MAX_SOURCES_BYTES = 32 << 30
MAX_FEED_BYTES = 256 << 20
MAX_NAMED = 100
MAX_SENTENCE = 300
_RATIO_FROM = 1 << 20
"""Below this many bytes a high ratio is a small file, not a bomb."""
_FUTURE = timedelta(days=1)
# Of these two what comes out is bounded chunk by chunk; of bzip2 and lzma zipfile unpacks each chunk whole.
_PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,  # an entry or a stream that is cut short
    RuntimeError,  # an encrypted entry; NotImplementedError, of features zipfile lacks, is one too
    OSError,  # also an offset beyond every file, and gzip.BadGzipFile
    ValueError,  # an offset that fits no integer of the system, a name that is not UTF-8
)
"""What zipfile and gzip raise for bytes that they cannot read."""


@dataclass(slots=True)
class Built:
    """What went into a database, counted while it is made."""

    records: int = 0
    withdrawn: int = 0
    malformed: list[str] = field(default_factory=list)
    newest: datetime | None = None
    bytes_read: int = 0


def build(
    sources: Iterable[Path],
    *,
    kev: Path | None,
    epss: Path | None,
    out: Path,
    now: datetime,
    tolerate: int = 0,
) -> Built:
    """Write a database file.

    Args:
        sources: OSV records: zip files of them, directories with `.json` and `.zip` files below, single files.
        kev: The catalogue of known exploited vulnerabilities, JSON; None to leave it out.
        epss: EPSS scores, CSV, as it is or with gzip; None to leave them out.
        out: The file to write; replaced whole or not at all.
        now: Time of making. The same input and time make the same bytes.
        tolerate: How many malformed records may be left out. They are counted and named either way.

    Raises:
        BadInput: a source cannot be read, a limit is met, there is no record, or more is malformed than tolerated.
    """
    new = out.with_name(f"{out.name}.{os.getpid()}.new")
    try:
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
            built = _build(connection, sources, kev, epss, now, tolerate)
        new.replace(out)
        return built
    except (sqlite3.Error, OSError) as error:
        raise BadInput(f"{out} cannot be written: {error}") from error
    finally:
        new.unlink(missing_ok=True)


def _build(
    connection: sqlite3.Connection,
    sources: Iterable[Path],
    kev: Path | None,
    epss: Path | None,
    now: datetime,
    tolerate: int,
) -> Built:
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("BEGIN")
    for table in TABLES:
        connection.execute(table)
    built = Built()
    for where, data in _documents(sources, built):
        _take_in(connection, built, where, data, now)
    if len(built.malformed) > tolerate:
        shown = "; ".join(built.malformed[:MAX_NAMED])
        raise BadInput(f"{len(built.malformed)} malformed records, {tolerate} are tolerated: {shown}")
    if built.newest is None:
        raise BadInput("no record was found, expected OSV records in zip files, directories or .json files")
    exploited_at = None if kev is None else _exploited(connection, _file(kev), str(kev))
    likelihood_at = None if epss is None else _likelihood(connection, _file(epss), str(epss))
    connection.execute(
        "INSERT INTO ecosystem SELECT a.ecosystem, count(DISTINCT a.record), max(r.modified) FROM affected a "
        "JOIN record r ON r.id = a.record GROUP BY a.ecosystem ORDER BY a.ecosystem"
    )
    ((built.records,),) = connection.execute("SELECT count(*) FROM record")
    said = {
        "built_at": _written(now),
        "newest": _written(built.newest),
        "records": built.records,
        "withdrawn": built.withdrawn,
        "malformed": json.dumps(built.malformed[:MAX_NAMED]),
        "malformed_count": len(built.malformed),
        "exploited_at": exploited_at or "",
        "likelihood_at": likelihood_at or "",
    }
    connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted((name, str(value)) for name, value in said.items()))
    connection.execute("COMMIT")
    connection.execute("VACUUM")
    return built


def _take_in(connection: sqlite3.Connection, built: Built, where: str, data: bytes, now: datetime) -> None:
    """Store one record; the newer of two with one name stays. One that cannot be read is named, not forgotten."""
    try:
        record = read(data)
    except MalformedEvidence as error:
        built.malformed.append(f"{where}: {error}"[:MAX_SENTENCE])
        return
    if record.modified > now + _FUTURE:  # it would make the database look fresh for ever
        built.malformed.append(f"{where}: modified on {_written(record.modified)}, which is yet to come")
        return
    known = connection.execute("SELECT modified FROM record WHERE id = ?", (record.id,)).fetchone()
    if known is not None and known[0] >= _written(record.modified):
        return
    if known is not None:
        _forget(connection, record.id)
    if record.withdrawn:
        built.withdrawn += 1
        return
    _store(connection, record)
    built.newest = max(built.newest or record.modified, record.modified)


def _forget(connection: sqlite3.Connection, record: str) -> None:
    connection.execute("DELETE FROM record WHERE id = ?", (record,))
    connection.execute("DELETE FROM name WHERE record = ?", (record,))
    connection.execute("DELETE FROM affected WHERE record = ?", (record,))


def _store(connection: sqlite3.Connection, record: Record) -> None:
    connection.execute(
        "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            record.id,
            _json(record.aliases),
            _json(record.covers),
            record.severity.value,
            record.score,
            None if record.published is None else _written(record.published),
            _written(record.modified),
        ),
    )
    connection.executemany(
        "INSERT INTO name VALUES (?, ?)",
        [(name, record.id) for name in sorted({record.id, *record.aliases, *record.covers})],
    )
    connection.executemany(
        "INSERT INTO affected VALUES (?, ?, ?, ?, ?)",
        [(each.ecosystem, each.package, record.id, part, _said(each)) for part, each in enumerate(record.affected)],
    )


def _said(affected: Affected) -> str:
    """Write down ranges, and the versions that the ranges do not hold already."""
    ranges = tuple((each.semver, each.events) for each in affected.ranges)
    return _json({"r": ranges, "v": [v for v in affected.versions if not _held(affected.ecosystem, v, ranges)]})


def _held(ecosystem: str, version: str, ranges: tuple[tuple[bool, tuple[tuple[str, str], ...]], ...]) -> bool:
    try:
        return in_ranges(ecosystem, version, ranges)
    except Unorderable:
        return False


# --- reading what was fetched -----------------------------------------------------------------------------------------


def _documents(sources: Iterable[Path], built: Built) -> Iterator[tuple[str, bytes]]:
    """Yield every record of the sources with where it stands, in an order of its own."""
    count = 0
    for source in sources:
        for path in _files(source):
            zipped = path.suffix == ".zip"
            for where, data in _zipped(path, built) if zipped else ((str(path), _read(path, MAX_RECORD)),):
                count += 1
                built.bytes_read += len(data)
                if count > MAX_RECORDS or built.bytes_read > MAX_SOURCES_BYTES:
                    raise BadInput(f"more than {MAX_RECORDS} records or {MAX_SOURCES_BYTES} bytes of them")
                yield where, data


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    return sorted(path for path in source.rglob("*") if path.suffix in {".json", ".zip"} and path.is_file())


def _read(path: Path, limit: int) -> bytes:
    """Return what a file holds, at most one byte more than `limit`."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error


def _zipped(path: Path, built: Built) -> Iterator[tuple[str, bytes]]:
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise BadInput(f"{path} is no zip file: {error}") from error
    with archive:
        for entry in sorted(archive.infolist(), key=lambda each: each.filename):
            if not entry.filename.endswith(".json"):
                continue
            where = f"{path}:{entry.filename[:200]}"
            if entry.compress_type not in _PACKED_BY:
                method = f"packed by method {entry.compress_type}, expected stored or deflated"
                built.malformed.append(f"{where}: {method}"[:MAX_SENTENCE])
                continue
            try:
                with archive.open(entry) as file:
                    data = file.read(MAX_RECORD + 1)
            except _UNREADABLE as error:
                built.malformed.append(f"{where}: {error}"[:MAX_SENTENCE])
                continue
            if len(data) > _RATIO_FROM and len(data) > MAX_RATIO * entry.compress_size:
                raise BadInput(f"{where} is more than {MAX_RATIO} times as large as its {entry.compress_size} bytes")
            yield where, data


def _file(path: Path) -> bytes:
    """Return what a file of scores holds, taken out of gzip where it is in it."""
    data = _read(path, MAX_FEED_BYTES)
    if data[:2] == b"\x1f\x8b":
        packed = len(data)
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
                data = unpacked.read(min(MAX_FEED_BYTES, MAX_RATIO * packed) + 1)
        except _UNREADABLE as error:
            raise BadInput(f"{path} cannot be unpacked: {error}") from error
        if len(data) > MAX_RATIO * packed:
            raise BadInput(f"{path} is more than {MAX_RATIO} times as large as its {packed} bytes")
    if len(data) > MAX_FEED_BYTES:
        raise BadInput(f"{path} has more than {MAX_FEED_BYTES} bytes")
    return data


def _exploited(connection: sqlite3.Connection, data: bytes, where: str) -> str:
    """Store the KEV catalogue; return its date. All or nothing: half a catalogue would say "not exploited"."""
    try:
        document = strict_json.parse(data, max_bytes=MAX_FEED_BYTES, max_keys=10_000_000)
    except MalformedEvidence as error:
        raise BadInput(f"{where}: {error}") from error
    entries = document.get("vulnerabilities") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(entries, list) or document.get("count") != len(entries):
        raise BadInput(f"{where} is no KEV catalogue: expected vulnerabilities, and count to be their number")
    names = [each.get("cveID") if isinstance(each, dict) else None for each in entries]
    wrong = [name for name in names if not isinstance(name, str) or not is_cve(name)]
    if wrong:
        raise BadInput(f"{where} names {str(wrong[0])[:60]!r}, expected a CVE")
    connection.executemany("INSERT OR IGNORE INTO exploited VALUES (?)", [(name,) for name in sorted(map(str, names))])
    return _dated(document.get("dateReleased"), where)


def _likelihood(connection: sqlite3.Connection, data: bytes, where: str) -> str:
    """Store EPSS scores; return their date. All or nothing, as above."""
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput(f"{where} is no CSV file of EPSS scores") from error
    if len(lines) < 2 or not lines[0].startswith("#") or lines[1].split(",")[:2] != ["cve", "epss"]:
        raise BadInput(
            f"{where} is no CSV file of EPSS scores: expected a line with its date, then cve,epss,percentile"
        )
    rows = []
    for number, row in enumerate(csv.reader(lines[2:]), start=3):
        try:
            name, score = row[0], float(row[1])
        except (IndexError, ValueError) as error:
            raise BadInput(f"{where}, line {number}: expected a CVE and a score") from error
        if not is_cve(name) or not 0 <= score <= 1:
            raise BadInput(f"{where}, line {number}: expected a CVE and a score from 0 to 1")
        rows.append((name, score))
    connection.executemany("INSERT OR REPLACE INTO likelihood VALUES (?, ?)", sorted(rows))
    said = dict(part.partition(":")[::2] for part in lines[0].lstrip("#").split(","))
    return _dated(said.get("score_date"), where)


def _dated(value: object, where: str) -> str:
    # EPSS writes an offset without a colon, which is no time of RFC 3339.
    text = value.replace("+0000", "Z") if isinstance(value, str) else ""
    at = moment(text if "T" in text else f"{text}T00:00:00Z")
    if at is None:
        raise BadInput(f"{where} does not say its date")
    return _written(at)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
