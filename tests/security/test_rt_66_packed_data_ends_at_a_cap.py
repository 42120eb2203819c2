"""RT-66: gzip and zip bombs are refused by what really comes out of them, nested ones included (CVE-2023-30551).

Only vulnerability databases, what they are made of, and rows of ours are unpacked here; layers of images are not.
"""

import gzip
import io
import random
import resource
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.reasons import Reason
from preverify.scanners.database import artifact
from preverify.scanners.database.artifact import MAX_RATIO, unpack
from preverify.scanners.database.building import build
from preverify.store import contents
from support.vulnerabilities import BUILT_AT, zipped

LARGE = 200 << 20
RECORD = {"id": "X-1", "modified": "2023-01-01T00:00:00Z"}


class Counting(io.RawIOBase):
    """A place to write to that only counts."""

    size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.size += len(data)
        return len(data)


def unpacked(packed: bytes) -> int:
    into = Counting()
    unpack(io.BytesIO(packed), len(packed), into)
    return into.size


def test_a_layer_unpacks_to_no_more_than_its_ratio() -> None:
    packed = gzip.compress(b"\0" * LARGE, 9)
    into = Counting()
    with pytest.raises(MalformedEvidence, match="more than 100 times") as caught:
        unpack(io.BytesIO(packed), len(packed), into)
    assert caught.value.reason is Reason.TOO_LARGE
    assert into.size <= MAX_RATIO * len(packed)


def test_a_layer_unpacks_to_no_more_than_the_absolute_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "MAX_UNPACKED", 10_000)
    packed = gzip.compress(bytes(range(256)) * 40)
    assert unpacked(gzip.compress(bytes(range(256)) * 39)) == 9_984
    with pytest.raises(MalformedEvidence, match="unpacks to more"):
        unpacked(packed)


def test_a_bomb_in_a_layer_stays_packed() -> None:
    """Nothing is unpacked twice: the inner one is bytes like any other."""
    inner = random.Random(1).randbytes(5_000) + gzip.compress(b"\0" * LARGE, 9)
    assert unpacked(gzip.compress(inner)) == len(inner)


def test_what_was_read_of_a_document_is_unpacked_to_its_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are our own, but somebody may have written to the database."""
    monkeypatch.setattr(contents, "_MAX_BYTES", 1 << 20)
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        contents._inflated(zlib.compress(b"\0" * LARGE, 9))


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\x1f\x8b",
        gzip.compress(b"x" * 1000)[:-1],
        gzip.compress(b"x") + b"\0",
        gzip.compress(b"x") + gzip.compress(b"y"),
        b"\x1f\x8b" + b"\xff" * 100,
    ],
    ids=["empty", "only the mark", "cut short", "more behind it", "two streams", "no stream"],
)
def test_gzip_that_is_not_one_whole_stream_is_refused(packed: bytes) -> None:
    """Two streams would be one to some readers and another to others."""
    with pytest.raises(MalformedEvidence):
        unpacked(packed)


def test_a_record_in_a_zip_file_is_read_to_its_cap_whatever_the_archive_says(tmp_path: Path) -> None:
    path = tmp_path / "1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X-1.json", b" " * LARGE)
    said = LARGE.to_bytes(4, "little")
    data = path.read_bytes()
    assert said in data
    path.write_bytes(data.replace(said, (100).to_bytes(4, "little")))
    with pytest.raises(BadInput, match=r"more than 100 times|malformed"):
        build([path], kev=None, epss=None, out=tmp_path / "out.db", now=BUILT_AT)


def test_scores_are_read_to_their_cap(tmp_path: Path) -> None:
    scores = tmp_path / "epss.csv.gz"
    scores.write_bytes(gzip.compress(b"#" * LARGE, 9))
    with pytest.raises(BadInput, match="more than 100 times"):
        build([zipped(tmp_path / "1.zip", [RECORD])], kev=None, epss=scores, out=tmp_path / "out.db", now=BUILT_AT)


CHILD = """
import sys
from pathlib import Path
from datetime import datetime, UTC
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.scanners.database.artifact import unpack
from preverify.scanners.database.building import build
place = Path(sys.argv[1])
with (place / "layer").open("rb") as packed, open("/dev/null", "wb") as into:
    try:
        unpack(packed, (place / "layer").stat().st_size, into)
    except MalformedEvidence:
        print("refused")
for name in ("1.zip", "2.zip", "3.zip"):
    try:
        build([place / name], kev=None, epss=None, out=place / "out.db", now=datetime(2026, 1, 1, tzinfo=UTC))
    except BadInput:
        print("refused")
"""


def test_refusing_takes_no_memory(tmp_path: Path) -> None:
    """A gigabyte of zeros each, in a process that may have half of that."""
    zeros = b"\0" * (64 << 20)
    with gzip.open(tmp_path / "layer", "wb", 1) as layer:
        for _ in range(16):
            layer.write(zeros)
    for name, method in (("1.zip", zipfile.ZIP_DEFLATED), ("2.zip", zipfile.ZIP_BZIP2), ("3.zip", zipfile.ZIP_LZMA)):
        with zipfile.ZipFile(tmp_path / name, "w", method) as archive, archive.open("X.json", "w") as entry:
            for _ in range(16):
                entry.write(zeros)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))

    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], check=False, capture_output=True, preexec_fn=limit
    )
    assert done.stdout.split() == [b"refused"] * 4, done.stderr.decode()[-500:]
