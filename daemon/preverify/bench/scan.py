"""`preverify bench scan`: bills of materials against a vulnerability database, both generated, by one core.

The reference is the database's own point reads, without any comparison: what no matching can do without.
"""

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from preverify.bench.figures import figure, median
from preverify.bench.large import memory
from preverify.model.contents import Component, Inventory
from preverify.model.digest import Digest
from preverify.scanners.database.building import build
from preverify.scanners.database.file import Database
from preverify.scanners.matching import match

_BENCH = "scan"
_RECORDS, _QUICK_RECORDS = 200_000, 10_000
_COMPONENTS = 300
_IMAGES, _QUICK_IMAGES = 100, 20
_ROUNDS = 5
_NOW = datetime(2026, 1, 2, tzinfo=UTC)
_VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
_KINDS = (
    ("Debian:12", "pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-12&upstream={name}", "{}.{}.{}-1+deb12u{}"),
    ("Alpine:v3.20", "pkg:apk/alpine/{name}@{version}?distro=alpine-3.20.1&upstream={name}", "{}.{}.{}-r{}"),
    ("Rocky Linux:9", "pkg:rpm/rocky/{name}@{version}?distro=rocky-9.3", "{}.{}.{}-{}.el9"),
    ("PyPI", "pkg:pypi/{name}@{version}", "{}.{}.{}.post{}"),
    ("npm", "pkg:npm/{name}@{version}", "{}.{}.{}-rc.{}"),
    ("Go", "pkg:golang/example.com/{name}@v{version}", "{}.{}.{}-0.{}"),
    ("Maven", "pkg:maven/com.example/{name}@{version}", "{}.{}.{}-rc{}"),
)
_NAMES = {"Go": "example.com/{}", "Maven": "com.example:{}"}


def run(quick: bool) -> Iterator[dict[str, object]]:
    """Yield the figures."""
    records = _QUICK_RECORDS if quick else _RECORDS
    images = _QUICK_IMAGES if quick else _IMAGES
    with tempfile.TemporaryDirectory() as place:
        dump, path = Path(place, "all.zip"), Path(place, "v.db")
        _write(dump, records)
        seconds = _timed(lambda: build([dump], kev=None, epss=None, out=path, now=_NOW))
        yield figure(_BENCH, f"building, {records} records", records / seconds, "records/s")
        yield figure(_BENCH, f"size of the file, {records} records", path.stat().st_size / (1 << 20), "MiB")
        opening = median([_timed(lambda: Database(path, Digest.of(b"")).close()) for _ in range(_ROUNDS)])
        yield figure(_BENCH, "opening the database", opening * 1000, "ms")
        yield from _matching(path, [_inventory(number, records) for number in range(images)], records)
        yield from _child(path, records, images)


def measure_child(path: Path, records: int, images: int) -> dict[str, float]:
    """Match in this process; returns resident memory in MiB before, with an open database, and at its peak."""
    inventories = [_inventory(number, records) for number in range(images)]
    idle = memory("VmRSS")
    database = Database(path, Digest.of(b""))
    opened = memory("VmRSS")
    for inventory in inventories:
        match(inventory, database)
    return {"idle": idle, "opened": opened, "peak": memory("VmHWM")}


def _matching(path: Path, inventories: Sequence[Inventory], records: int) -> Iterator[dict[str, object]]:
    database = Database(path, Digest.of(b""))
    components = sum(len(inventory.components) for inventory in inventories)
    began = time.process_time()
    found = sum(len(match(inventory, database).vulnerabilities) for inventory in inventories)
    first = time.process_time() - began
    rates, reads = [], []
    for _ in range(_ROUNDS):
        # In turns, so that whatever else the machine does meanwhile is in both.
        rates.append(components / _timed(lambda: [match(inventory, database) for inventory in inventories]))
        reads.append(components / _timed(lambda: _read_only(path, inventories)))
    database.close()
    yield figure(
        _BENCH,
        f"components matched, {records} records, bills of {_COMPONENTS}, {found / len(inventories):.0f} findings each",
        median(rates),
        "components/s",
        reference="one indexed read of the same file for each component",
        reference_value=median(reads),
    )
    yield figure(_BENCH, "the same, purls and versions never seen before", components / first, "components/s")
    yield figure(_BENCH, f"time of one bill of {_COMPONENTS}", _COMPONENTS / median(rates) * 1000, "ms")


def _read_only(path: Path, inventories: Sequence[Inventory]) -> None:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        for inventory in inventories:
            for component in inventory.components:
                connection.execute(
                    "SELECT said FROM affected WHERE ecosystem = ? AND package = ?", ("PyPI", component.name)
                ).fetchall()


def _child(path: Path, records: int, images: int) -> Iterator[dict[str, object]]:
    command = [sys.executable, "-m", "preverify.bench.scan", str(path), str(records), str(images)]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own interpreter
    seen = json.loads(done.stdout)
    yield figure(_BENCH, "memory of an open database", seen["opened"] - seen["idle"], "MiB")
    yield figure(_BENCH, f"memory above idle after {images} bills", seen["peak"] - seen["idle"], "MiB")


def _timed(perform: Callable[[], object]) -> float:
    """Return the processor time that something takes: what else the machine does meanwhile does not count."""
    began = time.process_time()
    perform()
    return time.process_time() - began


def _write(dump: Path, records: int) -> None:
    """Write a dump: some packages have many records, most have few, as in the real one."""
    chance = random.Random(1)  # noqa: S311 - repeatable, nothing secret
    with zipfile.ZipFile(dump, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(records):
            ecosystem, _, form = _KINDS[number % len(_KINDS)]
            name = _name(chance, records)
            parts = [chance.randrange(12) for _ in range(4)]
            event = {"fixed" if chance.random() < 0.8 else "last_affected": form.format(*parts)}
            record = {
                "id": f"BENCH-2026-{number}",
                "modified": "2026-01-01T00:00:00Z",
                "published": "2025-01-01T00:00:00Z",
                "aliases": [f"CVE-2026-{100_000 + number}"],
                "severity": [{"type": "CVSS_V3", "score": _VECTOR}],
                "affected": [
                    {
                        "package": {"ecosystem": ecosystem, "name": _NAMES.get(ecosystem, "{}").format(name)},
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, event]}],
                    }
                ],
            }
            archive.writestr(f"{record['id']}.json", json.dumps(record))


def _inventory(number: int, records: int) -> Inventory:
    """Return a bill of materials: a distribution's packages and those of a language, half known to the database."""
    chance = random.Random(number)  # noqa: S311 - repeatable, nothing secret
    components = []
    for _ in range(_COMPONENTS):
        distribution = chance.random() < 0.5
        kind = number % 3 if distribution else 3 + chance.randrange(4)
        _, purl, form = _KINDS[kind]
        name = _name(chance, records) if chance.random() < 0.5 else f"unknown-{chance.randrange(100_000)}"
        # Most of what is installed has its fixes: about one record in seven is about the installed version.
        version = form.format(chance.randrange(8, 20), *(chance.randrange(12) for _ in range(3)))
        written = purl.format(name=name, version=version.replace("+", "%2B"))
        components.append(Component(name=name, version=version, purl=written))
    return Inventory(format="cyclonedx", version="1.6", components=tuple(components))


def _name(chance: random.Random, records: int) -> str:
    """Return a package's name: one in twenty is of a few that have hundreds of records, the others have some."""
    few = chance.random() < 0.05
    return f"package-{chance.randrange(10 if few else max(records // 50, 1))}"


if __name__ == "__main__":
    print(json.dumps(measure_child(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
