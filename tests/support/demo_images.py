"""Cuts the demo's images out of the fixtures, one small OCI layout an image, byte for byte.

    python tests/support/demo_images.py [FIXTURES]      (default: tests/vectors/fixtures)

A layout gets the image, its platform images, and everything beside them: signature and attestation tags, the fallback
tag and referrers. Only the image's own tag is renamed. Running it again leaves the tree unchanged; a test says so.
"""

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "daemon" / "preverify" / "demo" / "images"
REF_NAME = "org.opencontainers.image.ref.name"

# layout of the demo -> (repository of the fixtures, subject digest, tag in the demo)
IMAGES = {
    "api": ("acme/bundle-keys", "sha256:4acde9a7", "1.4"),
    "legacy": ("acme/legacy", "sha256:3f6ea4c9", "0.9"),
    "built": ("acme/attested", "sha256:5b608d52", "3.1"),
    "multi": ("acme/legacy", "sha256:1dc03960", "1.0"),
    "payments": ("acme/bundle-keys", "sha256:082c50da", "2.3"),
    "gateway": ("acme/bundle-fb-keys", "sha256:99561a61", "5.2"),
    "ledger": ("acme/bundle-keys", "sha256:2da6acbf", "1.0"),
    "unsigned": ("acme/legacy", "sha256:e13add35", "1.0"),
    "stranger": ("acme/broken", "sha256:40e47b38", "1.0"),
    "swapped": ("acme/broken", "sha256:f135985e", "1.0"),
    "scanned": ("acme/attested", "sha256:e89621ae", "1.0"),
    "garbled": ("acme/bundle-broken", "sha256:2962c750", "1.0"),
    "corrupt": ("acme/broken", "sha256:05c8e518", "1.0"),
    "moved": ("acme/legacy", "sha256:f5b7eeb1", "1.0"),
    "moved-to": ("acme/legacy", "sha256:874ebe65", "1.0"),
    "keyless": ("acme/bundle-keyless", "sha256:517e0424", "2.0"),
    "person": ("acme/bundle-keyless", "sha256:83a33edc", "2.0"),
    "forged-log": ("acme/bundle-broken", "sha256:7cd018ef", "2.0"),
    "vendor": ("acme/notation-time", "sha256:b819fdac", "7.0"),
    "rogue": ("acme/notation-broken", "sha256:ea29232c", "7.1"),
    "widgets": ("acme/bundle-ghattest", "sha256:01e9c2ca", "3.2"),
}


class Layout:
    """One repository of the fixtures."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.entries = json.loads((directory / "index.json").read_bytes())["manifests"]
        self.media_types = {entry["digest"]: entry["mediaType"] for entry in self.entries}

    def read(self, digest: str) -> bytes:
        """Return the stored bytes, which need not have the digest."""
        return (self.directory / "blobs" / digest.replace(":", "/")).read_bytes()

    def document(self, digest: str) -> dict:
        """Return a manifest's JSON object; empty for other things."""
        try:
            document = json.loads(self.read(digest))
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def beside(self, digest: str) -> list[dict]:
        """Return index entries of what is about `digest`: by tag and by `subject`."""
        prefix = digest.replace(":", "-")
        return [
            entry
            for entry in self.entries
            if entry.get("annotations", {}).get(REF_NAME, "").startswith(prefix)
            or (self.document(entry["digest"]).get("subject") or {}).get("digest") == digest
        ]


def cut(layout: Layout, subject: str, tag: str, target: Path) -> None:
    """Write one image with all that is about it as a layout of its own."""
    digest = next(entry["digest"] for entry in layout.entries if entry["digest"].startswith(subject))
    entries: list[dict] = [
        {
            "mediaType": layout.media_types[digest],
            "digest": digest,
            "size": len(layout.read(digest)),
            "annotations": {REF_NAME: tag},
        }
    ]
    blobs: set[str] = set()
    waiting = [digest]
    while waiting:
        current = waiting.pop(0)
        if current in blobs:
            continue
        blobs.add(current)
        document = layout.document(current)
        for part in (document.get("config"), *document.get("layers", ())):
            if part:
                blobs.add(part["digest"])
        for entry in (*document.get("manifests", ()), *layout.beside(current)):
            if entry["digest"] not in layout.media_types:
                continue
            waiting.append(entry["digest"])
            listed = {key: entry[key] for key in ("mediaType", "digest", "size")}
            name = entry.get("annotations", {}).get(REF_NAME)
            listed |= {"annotations": {REF_NAME: name}} if name else {}
            if listed not in entries and (name or all(e["digest"] != listed["digest"] for e in entries)):
                entries.append(listed)
    shutil.rmtree(target, ignore_errors=True)
    (target / "blobs" / "sha256").mkdir(parents=True)
    for blob in sorted(blobs):
        (target / "blobs" / blob.replace(":", "/")).write_bytes(layout.read(blob))
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
    (target / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    (target / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}\n', encoding="utf-8")


def main(fixtures: Path, target: Path = TARGET) -> list[str]:
    """Cut all images whose source is there; return their names."""
    done = []
    for name, (repository, subject, tag) in IMAGES.items():
        layout = Layout(fixtures / "layouts" / repository)
        if any(entry["digest"].startswith(subject) for entry in layout.entries):
            cut(layout, subject, tag, target / name)
            done.append(name)
    return done


if __name__ == "__main__":
    print(*main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "vectors" / "fixtures"))
