"""A database out of an image: what is taken in, what is kept, and what never gets that far. No network: a layout."""

import gzip
import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.reference import Repository
from preverify.registry import open_source
from preverify.scanners.database.artifact import (
    ARTIFACT_TYPE,
    EMPTY,
    EMPTY_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    MAX_PACKED,
    Layer,
    layer_of,
    manifest_of,
    pack,
)
from preverify.scanners.database.holding import Holding, Older
from preverify.scanners.database.pulling import pull
from preverify.settings import Source
from support.clock import Stopped
from support.vulnerabilities import database_file, records

NOW = datetime(2026, 1, 4, tzinfo=UTC)
REPOSITORY = "vulnerabilities"


class Mirror:
    """A directory of OCI layouts with one repository."""

    def __init__(self, directory: Path) -> None:
        self.registry = open_source("mirror", Source(registry=f"oci:{directory}"), clock=Stopped(NOW))
        self._name = f"oci:{directory}"
        self._layout = directory / REPOSITORY
        (self._layout / "blobs" / "sha256").mkdir(parents=True)
        (self._layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def put(self, blob: bytes) -> Layer:
        digest = Digest.of(blob)
        (self._layout / "blobs" / "sha256" / digest.hex).write_bytes(blob)
        return Layer(digest, len(blob))

    def offer(self, packed: bytes, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
        """Let the tag name an image with this layer, changed."""
        self.put(EMPTY)
        document = json.loads(manifest_of(self.put(packed), "2026-01-03T00:00:00Z"))
        change(document)
        manifest = self.put(json.dumps(document).encode())
        entry = {
            "mediaType": MANIFEST_TYPE,
            "digest": str(manifest.digest),
            "size": manifest.size,
            "annotations": {"org.opencontainers.image.ref.name": "latest"},
        }
        (self._layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))

    def pull(self, holding: Holding, **more: Any) -> bool:
        image = self.registry.resolve(Repository(self._name, REPOSITORY), "latest")
        return pull(self.registry, image, holding, reference="mirror:latest", clock=Stopped(NOW), **more)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirror")


@pytest.fixture
def holding(tmp_path: Path) -> Holding:
    return Holding(tmp_path / "state" / "vulnerabilities")


def made(directory: Path, name: str, documents: list[dict[str, Any]] | None = None) -> Path:
    place = directory / name
    place.mkdir()
    return database_file(place, documents)


def old() -> list[dict[str, Any]]:
    return [each for each in records() if each["modified"] < "2024"]


def test_what_is_pulled_is_in_use(mirror: Mirror, holding: Holding, tmp_path: Path) -> None:
    assert holding.current() is None
    assert holding.open() is None
    assert holding.whole() is False
    file = made(tmp_path, "a")
    mirror.offer(pack(file))
    assert mirror.pull(holding) is True
    assert mirror.pull(holding) is False
    held = holding.current()
    assert held is not None
    assert (held.digest, held.reference, held.pulled_at) == (Digest.of(file.read_bytes()), "mirror:latest", NOW)
    assert held.path.read_bytes() == file.read_bytes()
    assert holding.whole()
    database = holding.open()
    assert database is not None
    assert database.digest == held.digest
    database.close()


def test_the_same_file_is_always_packed_into_the_same_bytes(tmp_path: Path) -> None:
    file = made(tmp_path, "a")
    assert pack(file) == pack(file)
    assert gzip.decompress(pack(file)) == file.read_bytes()


def test_two_files_are_kept_and_no_more(mirror: Mirror, holding: Holding, tmp_path: Path) -> None:
    digests = []
    for number in range(3):
        later = [*old(), {"id": f"X-{number}", "modified": f"2025-01-0{number + 1}T00:00:00Z"}]
        file = made(tmp_path, str(number), later)
        digests.append(Digest.of(file.read_bytes()))
        mirror.offer(pack(file))
        assert mirror.pull(holding)
    assert holding.kept(digests[0]) is None
    assert holding.kept(digests[1]) is not None
    held = holding.current()
    assert held is not None
    assert held.digest == digests[2]


def test_older_data_is_refused_unless_somebody_says_so(mirror: Mirror, holding: Holding, tmp_path: Path) -> None:
    new, before = made(tmp_path, "new"), made(tmp_path, "old", old())
    mirror.offer(pack(new))
    mirror.pull(holding)
    mirror.offer(pack(before))
    with pytest.raises(Older, match="somebody offers old data"):
        mirror.pull(holding)
    held = holding.current()
    assert held is not None
    assert held.digest == Digest.of(new.read_bytes())
    assert mirror.pull(holding, allow_older=True)


@pytest.mark.parametrize("damage", ["pointer", "empty-pointer", "file", "gone"])
def test_pulling_anew_mends_what_was_damaged(mirror: Mirror, holding: Holding, tmp_path: Path, damage: str) -> None:
    mirror.offer(pack(made(tmp_path, "a")))
    mirror.pull(holding)
    held = holding.current()
    assert held is not None
    pointer = held.path.parent / "current.json"
    if damage == "pointer":
        pointer.write_text("{")
    elif damage == "empty-pointer":
        pointer.write_text("{}")
    elif damage == "file":
        held.path.write_bytes(b"x" * 5_000)
    else:
        held.path.unlink()
    if damage.endswith("pointer"):
        with pytest.raises(BadInput, match="pull a database anew"):
            holding.current()
    else:
        assert not holding.whole()
        with pytest.raises(BadInput):
            holding.open()
    assert mirror.pull(holding) is True
    assert holding.whole()


def _no_layer(document: dict[str, Any]) -> None:
    document["layers"] = []


def _two_layers(document: dict[str, Any]) -> None:
    document["layers"] *= 2


def _layer_text(document: dict[str, Any]) -> None:
    document["layers"] = ["x"]


def _other_type(document: dict[str, Any]) -> None:
    document["layers"][0]["mediaType"] = "application/gzip"


def _no_size(document: dict[str, Any]) -> None:
    document["layers"][0]["size"] = True


def _huge(document: dict[str, Any]) -> None:
    document["layers"][0]["size"] = MAX_PACKED + 1


def _no_digest(document: dict[str, Any]) -> None:
    document["layers"][0]["digest"] = 5


def _other_digest(document: dict[str, Any]) -> None:
    document["layers"][0]["digest"] = f"sha256:{'a' * 65}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_no_layer, "has not one layer"),
        (_two_layers, "has not one layer"),
        (_layer_text, "has not one layer"),
        (_other_type, "the image's layer is 'application/gzip'"),
        (_no_size, "the layer has True bytes"),
        (_huge, "bytes, expected 1 to"),
        (_no_digest, "the layer's digest"),
        (_other_digest, "the layer's digest"),
    ],
)
def test_an_image_that_is_no_database_is_refused_unread(
    mirror: Mirror, holding: Holding, change: Callable[[dict[str, Any]], None], why: str
) -> None:
    mirror.offer(gzip.compress(b"x"), change)
    with pytest.raises(MalformedEvidence, match=why):
        mirror.pull(holding)
    assert holding.current() is None


def test_a_manifest_that_is_no_object_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="has not one layer"):
        layer_of(b"[]")


def test_a_layer_of_another_length_is_refused(mirror: Mirror, holding: Holding, tmp_path: Path) -> None:
    def longer(document: dict[str, Any]) -> None:
        document["layers"][0]["size"] += 1

    mirror.offer(pack(made(tmp_path, "a")), longer)
    with pytest.raises(MalformedEvidence) as caught:
        mirror.pull(holding)
    assert caught.value.reason is Reason.DIGEST_MISMATCH
    assert holding.current() is None


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\0" * 5_000])
def test_a_layer_that_holds_no_database_leaves_nothing_behind(
    mirror: Mirror, holding: Holding, tmp_path: Path, content: bytes
) -> None:
    mirror.offer(gzip.compress(content))
    with pytest.raises(BadInput):
        mirror.pull(holding)
    assert [path.name for path in (tmp_path / "state" / "vulnerabilities").iterdir()] == ["lock"]


def test_what_cannot_be_packed_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        pack(tmp_path / "none.db")


def test_the_manifest_says_what_it_is() -> None:
    document = json.loads(manifest_of(Layer(Digest.of(b"x"), 1), "2026-01-03T00:00:00Z"))
    assert (document["artifactType"], document["layers"][0]["mediaType"]) == (ARTIFACT_TYPE, LAYER_TYPE)
    assert document["config"] == {"mediaType": EMPTY_TYPE, "digest": str(Digest.of(b"{}")), "size": 2}


def test_what_a_killed_pull_left_behind_is_removed_by_the_next_one(
    mirror: Mirror, holding: Holding, tmp_path: Path
) -> None:
    place = tmp_path / "state" / "vulnerabilities"
    place.mkdir(parents=True)
    (place / "database.1.4194305.new").write_bytes(b"of a process that is no more: beyond the largest number")
    (place / f"database.1.{os.getpid()}.new").write_bytes(b"of one that is at it")
    mirror.offer(pack(made(tmp_path, "a")))
    mirror.pull(holding)
    assert [path.name for path in place.glob("*.new")] == [f"database.1.{os.getpid()}.new"]


def test_two_that_pull_at_once_leave_one_whole_database(mirror: Mirror, holding: Holding, tmp_path: Path) -> None:
    mirror.offer(pack(made(tmp_path, "a")))
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(mirror.pull(holding))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(results) == [False, False, False, True]
    assert holding.whole()
