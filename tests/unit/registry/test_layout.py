"""Layouts on disk: digests checked, links and escapes refused, repositories found."""

import json
import os
from pathlib import Path

import pytest

from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, NotFound, Unavailable
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.ports import Layout, PublishState
from preverify.registry import open_layout
from preverify.registry.layout import LayoutReader, LayoutRegistry
from support.registry_clients import source

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REF = "org.opencontainers.image.ref.name"
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}).encode()
DIGEST = Digest.of(MANIFEST)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with one layout, `team/app`, whose tag `v1` names MANIFEST."""
    layout = tmp_path / "root" / "team" / "app"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "blobs" / "sha256" / DIGEST.hex).write_bytes(MANIFEST)
    write_index(layout, [entry(v="v1")])
    return tmp_path / "root"


def entry(*, v: str = "", digest: Digest = DIGEST, size: int = len(MANIFEST)) -> dict[str, object]:
    return {"mediaType": OCI_MANIFEST, "digest": str(digest), "size": size, "annotations": {REF: v} if v else {}}


def write_index(layout: Path, entries: list[object]) -> None:
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))


def registry(root: Path, **more: object) -> LayoutRegistry:
    return LayoutRegistry(source(f"oci:{root}", tls={}, **more), clock=SystemClock())


APP = Repository("localhost", "team/app")


def test_image_is_read_by_tag_and_digest(root: Path) -> None:
    ours = registry(root)
    image = ours.resolve(APP, "v1")
    assert image.subject == Subject(APP, DIGEST)
    assert ours.fetch(image.subject) == image
    assert ours.head(APP, "v1") == DIGEST
    assert ours.head(APP, "v2") is None
    assert ours.head(Repository("localhost", "team/other"), "v1") is None
    assert ours.tags(APP, after=None).tags == ("v1",)
    assert ours.tags(APP, after="v1").tags == ()
    found = ours.gather(image)
    assert (found.evidence, found.unobtained) == ((), ())
    assert ours.evidence_fingerprint(image.subject, None) == found.fingerprint
    assert ours.evidence_fingerprint(image.subject, frozenset({"v1"})) == found.fingerprint
    for missing in (lambda: ours.resolve(APP, "v2"), lambda: ours.fetch(Subject(APP, Digest.of(b"")))):
        with pytest.raises(NotFound):
            missing()


def test_repositories_are_found_and_named(root: Path) -> None:
    (root / "Not-A-Name").mkdir()
    (root / "Not-A-Name" / "oci-layout").write_text("{}")
    assert registry(root).repositories() == (APP,)
    assert registry(root, aliases=["images.example"]).repositories() == (Repository("images.example", "team/app"),)
    assert registry(root, repositories=["other/**"]).repositories() == ()


def test_file_that_does_not_have_its_digest_is_refused(root: Path) -> None:
    (root / "team/app/blobs/sha256" / DIGEST.hex).write_bytes(MANIFEST + b" ")
    with pytest.raises(MalformedEvidence) as caught:
        registry(root).resolve(APP, "v1")
    assert caught.value.reason is Reason.DIGEST_MISMATCH


def test_size_that_index_json_does_not_say_is_refused(root: Path) -> None:
    write_index(root / "team/app", [entry(v="v1", size=7)])
    with pytest.raises(MalformedEvidence):
        registry(root).resolve(APP, "v1")


@pytest.mark.parametrize("what", ["blobs/sha256/" + DIGEST.hex, "index.json", "oci-layout", "blobs", "blobs/sha256"])
def test_links_are_never_followed(root: Path, tmp_path: Path, what: str) -> None:
    target = root / "team/app" / what
    elsewhere = tmp_path / "elsewhere"
    target.rename(elsewhere)
    target.symlink_to(elsewhere)
    with pytest.raises(Unavailable):
        registry(root).resolve(APP, "v1")


def test_repository_behind_a_link_is_not_there(root: Path, tmp_path: Path) -> None:
    (root / "team").rename(tmp_path / "team")
    (root / "team").symlink_to(tmp_path / "team")
    assert registry(root).repositories() == ()
    with pytest.raises(Unavailable):
        registry(root).resolve(APP, "v1")


@pytest.mark.parametrize("path", ["../root/team/app", "team/../team/app", "/etc", "", "team//app", "team/app/"])
def test_paths_cannot_leave_the_directory(root: Path, path: str) -> None:
    reader = LayoutReader(root)
    for call in (
        lambda: reader.get_manifest(path, "v1"),
        lambda: reader.get_blob(path, DIGEST, size=None, max_bytes=100_000),
        lambda: reader.referrers(path, DIGEST),
        lambda: reader.tags(path),
    ):
        with pytest.raises(BadInput):
            call()


def test_pipe_in_place_of_a_blob_does_not_hang(root: Path) -> None:
    blob = root / "team/app/blobs/sha256" / DIGEST.hex
    blob.unlink()
    os.mkfifo(blob)
    with pytest.raises(MalformedEvidence, match="regular file"):
        registry(root).resolve(APP, "v1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("index.json", "{}"),
        ("index.json", "[]"),
        ("index.json", '{"manifests":[{"digest":"x"}]}'),
        ("index.json", '{"manifests":[],"manifests":[]}'),
        ("oci-layout", "{}"),
        ("oci-layout", "[]"),
        ("oci-layout", '{"imageLayoutVersion":"2.0.0"}'),
    ],
)
def test_layout_files_that_are_none(root: Path, name: str, text: str) -> None:
    (root / "team/app" / name).write_text(text)
    with pytest.raises(MalformedEvidence):
        registry(root).resolve(APP, "v1")


def test_blobs_are_bounded(root: Path) -> None:
    reader = LayoutReader(root)
    size = len(MANIFEST)
    assert reader.get_blob("team/app", DIGEST, size=size, max_bytes=size) == MANIFEST
    for declared, most, reason in (
        (size, size - 1, Reason.TOO_LARGE),
        (None, size - 1, Reason.TOO_LARGE),
        (size - 1, size, Reason.DIGEST_MISMATCH),
    ):
        with pytest.raises(MalformedEvidence) as caught:
            reader.get_blob("team/app", DIGEST, size=declared, max_bytes=most)
        assert caught.value.reason is reason


def test_manifest_that_index_json_does_not_list_is_found_by_digest(root: Path) -> None:
    child = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [], "n": 1}).encode()
    bare = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode()
    for data in (child, bare):
        (root / "team/app/blobs/sha256" / Digest.of(data).hex).write_bytes(data)
    assert registry(root).fetch(Subject(APP, Digest.of(child))).manifest == child
    with pytest.raises(MalformedEvidence, match="no mediaType"):
        registry(root).fetch(Subject(APP, Digest.of(bare)))


def test_referrers_are_found_by_their_subject(root: Path) -> None:
    subject = {"mediaType": OCI_MANIFEST, "digest": str(DIGEST), "size": len(MANIFEST)}
    data = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [], "subject": subject}
    ).encode()
    (root / "team/app/blobs/sha256" / Digest.of(data).hex).write_bytes(data)
    gone = entry(digest=Digest.of(b"gone"))
    listed = entry(digest=Digest.of(data), size=len(data))
    write_index(root / "team/app", [entry(v="v1"), listed, listed, gone])
    found = LayoutReader(root).referrers("team/app", DIGEST)
    assert found is not None
    assert [d.digest for d in found] == [Digest.of(data)]


def test_layouts_are_only_read(root: Path) -> None:
    ours = registry(root)
    subject = ours.resolve(APP, "v1").subject
    before = sorted(str(path) for path in root.rglob("*"))
    assert ours.publish(subject, b"{}", Layout.AUTO, supersedes=()).state is PublishState.UNPUBLISHED
    assert ours.withdraw(subject, ()).state is PublishState.WITHDRAWN
    assert sorted(str(path) for path in root.rglob("*")) == before


def test_missing_directory_is_said(tmp_path: Path) -> None:
    ours = registry(tmp_path / "absent")
    for call in (ours.repositories, lambda: ours.resolve(APP, "v1"), lambda: ours.head(APP, "v1")):
        with pytest.raises(Unavailable, match="cannot be read"):
            call()


def test_one_layout_is_read_under_any_name_and_nothing_beside_it(root: Path) -> None:
    repository = Repository("registry.example", "shop/team/api")
    one = open_layout(root / "team" / "app", repository, clock=SystemClock())
    image = one.resolve(repository, "v1")
    assert (image.subject, image.manifest) == (Subject(repository, DIGEST), MANIFEST)
    assert one.gather(image).image == image
    other = open_layout(root / "team", repository, clock=SystemClock())
    with pytest.raises(NotFound):
        other.resolve(repository, "v1")
    (root / "link").symlink_to(root / "team" / "app" / "blobs", target_is_directory=True)
    outside = open_layout(root, Repository("registry.example", "link"), clock=SystemClock())
    with pytest.raises(NotFound):
        outside.fetch(Subject(Repository("registry.example", "link"), DIGEST))
