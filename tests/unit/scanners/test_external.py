"""From an image to a bill of materials: what is fetched, what is kept of what a scanner says, what failures become."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image, Unobtained
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.ports import Scanner
from preverify.scanners import syft, trivy
from preverify.scanners.external import ExternalScanner, scan, tried
from preverify.scanners.sandbox.layout import LayoutLimits, room_for_an_image, write_layout
from preverify.scanners.sandbox.running import ScannerSpec
from preverify.verify.contents import inventory_of
from support.hostile import OCI_CONFIG, OCI_MANIFEST, Hostile, body, status
from support.registry_clients import remote
from support.scanning import BOM, SYFT, fake, layer, spec_of, stored

pytestmark = pytest.mark.usefixtures("shut_in")

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = b'{"os":"linux","architecture":"amd64"}'


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def image_of(document: object, *, registry: str = "localhost", kind: str = OCI_MANIFEST) -> Image:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Image(subject=Subject(Repository(registry, "team/app"), Digest.of(data)), manifest=data, media_type=kind)


def descriptor(data: bytes, **changes: object) -> dict[str, object]:
    return {"mediaType": LAYER, "digest": str(Digest.of(data)), "size": len(data), **changes}


# --- what is fetched --------------------------------------------------------------------------------------------------


def test_the_layout_holds_the_image_and_nothing_else(tmp_path: Path) -> None:
    registry, image = stored(tmp_path / "root", {"a": b"1"}, {"b": b"2"}, {"a": b"1"})
    stray = tmp_path / "root" / "team" / "app" / "blobs" / "sha256" / Digest.of(b"stray").hex
    stray.write_bytes(b"stray")
    write_layout(registry, image, tmp_path / "layout")
    written = files(tmp_path / "layout")
    expected = files(tmp_path / "root" / "team" / "app")
    expected.pop(f"blobs/sha256/{stray.name}")
    assert {
        name: json.loads(data) for name, data in written.items() if name.endswith(("index.json", "oci-layout"))
    } == {name: json.loads(data) for name, data in expected.items() if name.endswith(("index.json", "oci-layout"))}
    assert {name: data for name, data in written.items() if name.startswith("blobs/")} == {
        name: data for name, data in expected.items() if name.startswith("blobs/")
    }


def test_another_user_can_read_it(tmp_path: Path) -> None:
    """Where we are root, the scanner runs as somebody else."""
    registry, image = stored(tmp_path / "root")
    before = os.umask(0o077)
    try:
        write_layout(registry, image, tmp_path / "layout")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "layout").rglob("*") if path.is_file()} == {0o644}
    assert (tmp_path / "layout").stat().st_mode & 0o777 == 0o755


def test_it_is_fetched_from_a_registry_and_hashed(tmp_path: Path) -> None:
    data, _ = layer({"a": b"1"})
    with Hostile() as hostile:
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, **hostile.blob("team/app", CONFIG)},
            "layers": [{"mediaType": LAYER, **hostile.blob("team/app", data)}],
        }
        hostile.put("team/app", document, "t")
        registry = remote(hostile.host)
        image = registry.resolve(Repository(hostile.host, "team/app"), "t")
        write_layout(registry, image, tmp_path / "one")
        assert Digest.of(data).hex in {Path(name).name for name in files(tmp_path / "one")}
        hostile.fault("GET", f"/blobs/{Digest.of(data)}", body(data + b"x"))
        with pytest.raises(MalformedEvidence) as caught:
            write_layout(registry, image, tmp_path / "two")
        assert caught.value.reason is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], Reason.CONTENT_MISMATCH),
        ({"layers": []}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG)}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG), "layers": {}}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG), "layers": [7]}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG), "layers": [descriptor(b"", size="1")]}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG), "layers": [descriptor(b"", size=True)]}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG), "layers": [descriptor(b"", size=-1)]}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG), "layers": [descriptor(b"", digest="sha256:../../x")]}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG), "layers": [descriptor(CONFIG, size=1)]}, Reason.CONTENT_MISMATCH),
        ({"config": descriptor(CONFIG), "layers": [descriptor(b"%d" % n) for n in range(5)]}, Reason.TOO_LARGE),
        ({"config": descriptor(CONFIG), "layers": [descriptor(b"", size=101)]}, Reason.TOO_LARGE),
        (
            {"config": descriptor(CONFIG), "layers": [descriptor(b"%d" % n, size=90) for n in range(3)]},
            Reason.TOO_LARGE,
        ),
        (b"{", Reason.PAYLOAD_MALFORMED),
    ],
)
def test_what_is_no_image_is_not_fetched(document: object, reason: Reason, tmp_path: Path) -> None:
    registry, _ = stored(tmp_path / "root")
    with pytest.raises(MalformedEvidence) as caught:
        write_layout(
            registry, image_of(document), tmp_path / "layout", limits=LayoutLimits(layers=4, layer=100, total=200)
        )
    assert caught.value.reason is reason
    assert not (tmp_path / "layout").exists()


def test_an_index_is_scanned_manifest_by_manifest(tmp_path: Path) -> None:
    registry, _ = stored(tmp_path / "root")
    index = image_of({"manifests": []}, kind="application/vnd.oci.image.index.v1+json")
    with pytest.raises(BadInput, match="is an index, expected one of its manifests"):
        write_layout(registry, index, tmp_path / "layout")


# --- what a scanner says ----------------------------------------------------------------------------------------------


def printed(tmp_path: Path, document: object) -> bytes:
    stored(tmp_path / "root")
    output = scan(fake(tmp_path, f"print({json.dumps(json.dumps(document))})"), tmp_path / "root" / "team" / "app")
    return output.document


def test_what_is_another_each_time_is_left_out(tmp_path: Path) -> None:
    components = [
        {"type": "library", "name": "b", "bom-ref": "2", "purl": "pkg:npm/b@1", "components": []},
        {"type": "library", "name": "a", "bom-ref": "1", "purl": "pkg:npm/a@1"},
    ]
    other = [{**each, "bom-ref": f"{n}-other"} for n, each in enumerate(reversed(components))]
    one = printed(tmp_path / "1", {**BOM, "components": components, "dependencies": [{"ref": "1"}]})
    two = printed(
        tmp_path / "2",
        {**BOM, "components": other, "serialNumber": "urn:uuid:2", "metadata": {**BOM["metadata"], "timestamp": "x"}},
    )
    assert one == two
    assert {each.purl for each in inventory_of(one).components} == {"pkg:npm/a@1", "pkg:npm/b@1"}


def test_what_it_says_is_missing_stays(tmp_path: Path) -> None:
    said = [{"aggregate": "incomplete", "assemblies": ["ref"]}]
    assert json.loads(printed(tmp_path, {**BOM, "compositions": said}))["compositions"] == [{"aggregate": "incomplete"}]


@pytest.mark.parametrize("metadata", [{}, {"tools": 7}])
def test_odd_metadata_costs_the_version_only(tmp_path: Path, metadata: object) -> None:
    stored(tmp_path / "root")
    spec = fake(tmp_path, f"print({json.dumps(json.dumps({**BOM, 'metadata': metadata}))})")
    assert scan(spec, tmp_path / "root" / "team" / "app").version == ""


@pytest.mark.parametrize(
    ("tools", "version"),
    [
        ({"components": [{"name": "syft", "version": "1.18.1"}]}, "1.18.1"),
        ([{"vendor": "x", "name": "syft", "version": "1.0"}], "1.0"),
        ([], ""),
        ({"components": []}, ""),
        ({"components": [7]}, ""),
        ([{"version": 7}], ""),
        ([{"version": "x" * 65}], ""),
        ([{"version": "1\n2"}], ""),
    ],
)
def test_the_version_is_what_the_document_says(tmp_path: Path, tools: object, version: str) -> None:
    stored(tmp_path / "root")
    spec = fake(tmp_path, f"print({json.dumps(json.dumps({**BOM, 'metadata': {'tools': tools}}))})")
    output = scan(spec, tmp_path / "root" / "team" / "app")
    assert (output.tool, output.version, output.sha256) == ("syft", version, spec.sha256)
    assert output.made_by == " ".join(["syft", *version.split(), f"sha256:{spec.sha256}"])


# --- as evidence ------------------------------------------------------------------------------------------------------


def test_it_becomes_evidence_about_the_manifest(tmp_path: Path) -> None:
    registry, image = stored(tmp_path / "root")
    spec = fake(tmp_path, "print(bom)")
    scanner: Scanner = ExternalScanner(spec, directory=tmp_path)
    found = scanner.sbom(registry, image)
    assert isinstance(found, Evidence)
    assert (found.format, found.manifest, scanner.name) == (Format.SCANNER_SBOM, image.subject.digest, "syft")
    assert dict(found.annotations) == {"preverify.made-by": f"syft 1.0 sha256:{spec.sha256}"}
    assert list(tmp_path.glob("preverify-image-*")) == []


def _lost(registry: Hostile, image: Mapping[str, object]) -> None:
    registry.blobs["team/app"].pop(str(image["digest"]))


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        (_lost, Reason.REGISTRY_UNAVAILABLE),
        (lambda hostile, _: hostile.fault("GET", "/blobs/", status(503)), Reason.REGISTRY_UNAVAILABLE),
        (lambda hostile, _: hostile.fault("GET", "/blobs/", status(403)), Reason.REGISTRY_REFUSED),
        (lambda hostile, _: hostile.fault("GET", "/blobs/", body(b"other")), Reason.DIGEST_MISMATCH),
    ],
)
def test_an_image_that_cannot_be_fetched_is_undecided(
    happened: Callable[[Hostile, Mapping[str, object]], None], reason: Reason, tmp_path: Path
) -> None:
    with Hostile() as hostile:
        named = hostile.blob("team/app", b"layer")
        config = {"mediaType": OCI_CONFIG, **hostile.blob("team/app", CONFIG)}
        layers = [{"mediaType": LAYER, **named}]
        hostile.put("team/app", {"mediaType": OCI_MANIFEST, "config": config, "layers": layers}, "t")
        registry = remote(hostile.host)
        image = registry.resolve(Repository(hostile.host, "team/app"), "t")
        happened(hostile, named)
        found = ExternalScanner(fake(tmp_path, "print(bom)")).sbom(registry, image)
    assert isinstance(found, Unobtained)
    assert (found.what, found.reason) == ("syft", reason)


def test_a_place_that_does_not_hold_it_is_undecided(tmp_path: Path) -> None:
    registry, image = stored(tmp_path / "root")
    found = ExternalScanner(fake(tmp_path, "print(bom)"), directory=tmp_path / "absent").sbom(registry, image)
    assert isinstance(found, Unobtained)
    assert (found.reason, found.detail) == (
        Reason.SCAN_MISSING,
        "the image cannot be put on disk: No such file or directory",
    )


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    """An image may have gigabytes, and nobody else would ever take them away."""
    spec = fake(tmp_path, "print(bom)")
    program = (
        "import os, signal\nfrom pathlib import Path\nfrom preverify.scanners.sandbox.layout import room_for_an_image\n"
        f"with room_for_an_image(Path({str(tmp_path)!r})) as room:\n"
        "    (room / 'layer').write_bytes(b'x')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    (left,) = tmp_path.glob("preverify-image-*")
    (tmp_path / "preverify-image-file").touch()
    (tmp_path / "preverify-image-link").symlink_to(tmp_path / "root")
    (tmp_path / "root").mkdir()
    with room_for_an_image(tmp_path) as used:
        ExternalScanner(spec, directory=tmp_path)
        assert used.is_dir()
    assert not left.exists()
    assert not used.exists()
    assert (tmp_path / "root").is_dir()


# --- the real ones ----------------------------------------------------------------------------------------------------


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    """Else each look would find new evidence, and each verdict would be another."""
    registry, image = stored(tmp_path / "root")
    scanner = ExternalScanner(spec_of(SYFT))
    first = scanner.sbom(registry, image)
    assert isinstance(first, Evidence)
    assert scanner.sbom(registry, image) == first
    assert inventory_of(first.body).distribution == "alpine-3.20.3"


def test_a_scanner_says_its_version_without_an_image(tmp_path: Path) -> None:
    assert tried(spec_of(SYFT)) == "syft 1.18.1"
    assert tried(fake(tmp_path, "print(sys.argv[1:], '\\x1b[31m')\nprint('more')")) == "['--version'] [31m"
    assert tried(fake(tmp_path, "")) == ""


@pytest.mark.tools_all
def test_trivy_finds_the_same_packages(tmp_path: Path, tool: Callable[[str], Path]) -> None:
    registry, image = stored(tmp_path / "root")
    path = tool("trivy")
    spec = ScannerSpec(tool=trivy, path=path, sha256=Digest.of(path.read_bytes()).hex)
    found, other = ExternalScanner(spec).sbom(registry, image), ExternalScanner(spec_of(SYFT)).sbom(registry, image)
    assert isinstance(found, Evidence)
    assert isinstance(other, Evidence)
    assert ExternalScanner(spec).sbom(registry, image) == found
    assert tried(spec).startswith("Version: ")
    ours, theirs = (
        {each.purl.partition("?")[0] for each in inventory_of(evidence.body).components if each.purl}
        for evidence in (found, other)
    )
    assert ours == theirs
    assert inventory_of(found.body).distribution == "alpine-3.20.3"


def test_scanners_are_asked_for_cyclonedx_and_no_network() -> None:
    assert syft.arguments("/image")[:2] == ("scan", "oci-dir:/image")
    assert trivy.arguments("/image")[:3] == ("image", "--input", "/image")
    assert {"--offline-scan", "--skip-db-update"} <= set(trivy.arguments("/image"))
    for each in (syft, trivy):
        assert any("cyclonedx" in argument for argument in each.arguments("/image"))
        assert all("/tmp" in value for name, value in each.environment("/tmp").items() if name.endswith("_DIR"))
