"""Building is repeatable, bounded, and forgets no record silently."""

import gzip
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from preverify.model.errors import BadInput
from preverify.scanners.database import building
from preverify.scanners.database.building import Built, build
from support.vulnerabilities import BUILT_AT, OSV, database_file, opened, records, zipped


def made(sources: list[Path], directory: Path, **more: Any) -> Built:
    return build(sources, out=directory / "out.db", **{"kev": None, "epss": None, "now": BUILT_AT, **more})


def record(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"X-{number}", "modified": "2023-01-01T00:00:00Z", **more}


def test_the_same_input_makes_the_same_bytes_from_zip_and_directory(tmp_path: Path) -> None:
    first = database_file(tmp_path).read_bytes()
    assert database_file(tmp_path).read_bytes() == first
    loose = tmp_path / "loose"
    loose.mkdir()
    zipped(loose / "half.zip", records()[:30])
    for document in records()[30:]:
        (loose / f"{document['id'].replace(':', '_')}.json").write_text(json.dumps(document))
    (loose / "README.txt").write_text("not a record")
    built = made([loose], tmp_path)
    assert (tmp_path / "out.db").stat().st_size > 0
    assert (built.records, built.withdrawn) == (len(records()) - 1, 1)


def test_of_two_records_with_one_name_the_newer_one_counts(tmp_path: Path) -> None:
    package = {"ecosystem": "PyPI", "name": "made"}
    old = record(1, affected=[{"package": package, "versions": ["1.0"]}], aliases=["CVE-2999-1"])
    new = record(1, affected=[{"package": package, "versions": ["2.0"]}], modified="2023-01-02T00:00:00Z")
    for documents in ([old, new], [new, old]):
        sources = [zipped(tmp_path / f"{n}.zip", [each]) for n, each in enumerate(documents)]
        made(sources, tmp_path)
        database = opened(tmp_path / "out.db")
        assert [claim.versions for claim in database.claims("PyPI", "made")] == [("2.0",)]
        assert database.about(["CVE-2999-1"]).names == ("CVE-2999-1",)
        database.close()


def test_a_record_that_was_withdrawn_later_is_gone(tmp_path: Path) -> None:
    package = {"package": {"ecosystem": "PyPI", "name": "made"}, "versions": ["1.0"]}
    good = zipped(tmp_path / "1.zip", [record(1, affected=[package]), record(2)])
    gone = record(1, modified="2023-01-02T00:00:00Z", withdrawn="2023-01-02T00:00:00Z")
    built = made([good, zipped(tmp_path / "2.zip", [gone])], tmp_path)
    assert (built.records, built.withdrawn) == (1, 1)


def test_versions_that_ranges_hold_already_are_not_kept_twice(tmp_path: Path) -> None:
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
    part = {"package": {"ecosystem": "PyPI", "name": "made"}, "ranges": ranges, "versions": ["1.0", "2.1", "x-y"]}
    made([zipped(tmp_path / "1.zip", [record(1, affected=[part])])], tmp_path)
    database = opened(tmp_path / "out.db")
    assert [claim.versions for claim in database.claims("PyPI", "made")] == [("2.1", "x-y")]
    database.close()


def test_malformed_records_are_counted_and_named_and_refused_beyond_what_is_tolerated(tmp_path: Path) -> None:
    future = record(3, modified="2999-01-01T00:00:00Z")
    source = zipped(tmp_path / "1.zip", [record(1), {"id": "X-2"}, future])
    with pytest.raises(BadInput, match=r"2 malformed records, 1 are tolerated: .*X-2.json: says no modified"):
        made([source], tmp_path, tolerate=1)
    assert not (tmp_path / "out.db").exists()
    built = made([source], tmp_path, tolerate=2)
    assert [text.removeprefix(f"{source}:") for text in built.malformed] == [
        "X-2.json: says no modified",
        "X-3.json: modified on 2999-01-01T00:00:00Z, which is yet to come",
    ]
    database = opened(tmp_path / "out.db")
    assert database.facts.malformed_count == 2
    assert database.facts.malformed == tuple(built.malformed)
    database.close()


def test_nothing_is_left_of_a_build_that_fails_and_the_old_file_stays(tmp_path: Path) -> None:
    out = tmp_path / "out.db"
    out.write_bytes(b"old")
    with pytest.raises(BadInput, match="no record was found"):
        made([zipped(tmp_path / "1.zip", [])], tmp_path)
    assert out.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.zip", "out.db"]


@pytest.mark.parametrize("source", ["missing.zip", "missing.json"])
def test_a_source_that_cannot_be_read_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(BadInput, match=f"{source} (cannot be read|is no zip file)"):
        made([tmp_path / source], tmp_path)


def test_what_is_no_zip_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.zip").write_bytes(b"PK nothing")
    with pytest.raises(BadInput, match="is no zip file"):
        made([tmp_path / "1.zip"], tmp_path)


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    source = zipped(tmp_path / "1.zip", [record(1, details="x" * 2000), record(2)])
    data = bytearray(source.read_bytes())
    at = data.index(b"X-1.json") + 12
    data[at : at + 8] = b"\xff" * 8
    source.write_bytes(data)
    built = made([source], tmp_path, tolerate=1)
    assert built.records == 1
    assert "X-1.json" in built.malformed[0]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_is_read_only_where_it_is_packed_as_dumps_are(tmp_path: Path, method: int) -> None:
    """RT-66: of other methods the library unpacks whole chunks, whatever comes out of them."""
    path = tmp_path / "1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X-1.json", json.dumps(record(1)), zipfile.ZIP_STORED)
        archive.writestr("X-2.json", json.dumps(record(2)), method)
    built = made([path], tmp_path, tolerate=1)
    assert built.records == 1
    assert built.malformed == [f"{path}:X-2.json: packed by method {method}, expected stored or deflated"]


def test_an_encrypted_entry_is_named(tmp_path: Path) -> None:
    source = zipped(tmp_path / "1.zip", [record(1), record(2)])
    data = bytearray(source.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    source.write_bytes(data)
    built = made([source], tmp_path, tolerate=1)
    assert built.records == 1
    assert "X-1.json: File" in built.malformed[0]


def test_a_bomb_in_a_zip_file_is_refused(tmp_path: Path) -> None:
    """RT-66: the ratio is of what was really read, not of what the archive says."""
    with zipfile.ZipFile(tmp_path / "1.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X-1.json", b" " * (4 << 20))
    with pytest.raises(BadInput, match="more than 100 times as large"):
        made([tmp_path / "1.zip"], tmp_path)


def test_there_are_not_more_records_than_we_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MAX_RECORDS", 1)
    with pytest.raises(BadInput, match="more than 1 records"):
        made([zipped(tmp_path / "1.zip", [record(1), record(2)])], tmp_path)


def test_scores_are_read_with_and_without_gzip(tmp_path: Path) -> None:
    packed = tmp_path / "epss.csv.gz"
    packed.write_bytes(gzip.compress((OSV / "epss.csv").read_bytes()))
    first = database_file(tmp_path).read_bytes()
    assert database_file(tmp_path, epss=packed).read_bytes() == first


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no CSV file"),
        (b"cve,epss,percentile\nCVE-2999-0001,0.1,0.1\n", "is no CSV file"),
        (b"#model_version:v1,score_date:2026-01-02T00:00:00+0000\ncve,epss\nCVE-2999-0001,1.5\n", "line 3"),
        (b"#model_version:v1,score_date:2026-01-02T00:00:00+0000\ncve,epss\nCVE-2999-0001,nan\n", "line 3"),
        (b"#model_version:v1,score_date:2026-01-02T00:00:00+0000\ncve,epss\nCVE-2999-0001\n", "line 3"),
        (b"#model_version:v1,score_date:2026-01-02T00:00:00+0000\ncve,epss\nGHSA-1,0.5\n", "line 3"),
        (b"#model_version:v1\ncve,epss\nCVE-2999-0001,0.5\n", "does not say its date"),
        ("#ä\ncve,epss\n".encode(), "is no CSV file"),
        (gzip.compress(b"x", mtime=0)[:-6], "cannot be unpacked"),
        (gzip.compress(b"#" * (8 << 20)), "more than 100 times as large"),
    ],
    ids=["empty", "no mark", "over one", "no number", "no score", "no CVE", "no date", "no ASCII", "cut", "bomb"],
)
def test_half_a_file_of_scores_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "epss.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=why):
        made([zipped(tmp_path / "1.zip", [record(1)])], tmp_path, epss=path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not JSON"),
        ("[]", "is no KEV catalogue"),
        ('{"count": 0}', "is no KEV catalogue"),
        ('{"count": 2, "vulnerabilities": [{"cveID": "CVE-2999-0001"}]}', "count to be their number"),
        ('{"count": 1, "vulnerabilities": [{"cveID": "GHSA-1"}]}', "expected a CVE"),
        ('{"count": 1, "vulnerabilities": ["CVE-2999-0001"]}', "expected a CVE"),
        ('{"count": 0, "vulnerabilities": []}', "does not say its date"),
    ],
)
def test_half_a_catalogue_is_refused(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "kev.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=why):
        made([zipped(tmp_path / "1.zip", [record(1)])], tmp_path, kev=path)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        build(
            [zipped(tmp_path / "1.zip", [record(1)])],
            kev=None,
            epss=None,
            out=tmp_path / "none" / "out.db",
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )
