"""Cuts the vectors of `preverify bench verify` out of the fixtures, byte for byte.

    python tests/support/bench_vectors.py [TARGET]      (default: daemon/preverify/bench/vectors)

Running it again leaves the tree unchanged; a test says so.
"""

import base64
import json
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "vectors" / "fixtures"
TARGET = ROOT / "daemon" / "preverify" / "bench" / "vectors"

VECTORS: dict[str, tuple[str, ...]] = {
    "legacy-rekor1": ("legacy-keyless-email", "legacy-keyless-workflow"),
    "bundle-rekor1": ("bundle-keyless-rekor1", "bundle-fb-keyless-rekor1"),
    "bundle-rekor2": ("bundle-keyless-email", "bundle-keyless-workflow", "bundle-bad-donor-itself-good"),
    "notation-jws": ("notation-jws-ec256", "notation-fb-jws-ec256"),
    "notation-cose": ("notation-cose-ec256", "notation-fb-cose-ec256"),
}
"""Name of a vector file -> the cases whose image and evidence stand in it."""

FILES = {"trusted_root.json": "trust/trusted_root.json", "notation-root.pem": "trust/notation-root.pem"}


def vector(case: dict[str, Any]) -> dict[str, Any]:
    """Return one case's image with the first piece of evidence beside it."""
    layout = Layout(FIXTURES / "layouts" / case["repo"])
    manifest = layout.attached(case["digest"])
    layer = json.loads(layout.read(manifest))["layers"][0]
    return {
        "case": case["id"],
        "identity": case["trust"].get("identity"),
        "issuer": case["trust"].get("issuer"),
        "image": {
            "repository": case["repo"],
            "mediaType": layout.media_types[case["digest"]],
            "manifest": encoded(layout.read(case["digest"])),
        },
        "evidence": {
            "manifest": manifest,
            "digest": layer["digest"],
            "mediaType": layer["mediaType"],
            "annotations": layer.get("annotations", {}),
            "body": encoded(layout.read(layer["digest"])),
        },
    }


class Layout:
    """One repository of the fixtures."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        entries = json.loads((directory / "index.json").read_bytes())["manifests"]
        self.media_types = {entry["digest"]: entry["mediaType"] for entry in entries}
        self.tags = {tag: entry["digest"] for entry in entries for tag in entry.get("annotations", {}).values()}

    def read(self, digest: str) -> bytes:
        """Return a blob."""
        return (self.directory / "blobs" / digest.replace(":", "/")).read_bytes()

    def attached(self, digest: str) -> str:
        """Return the digest of the manifest that holds evidence about an image: its `.sig` tag's, or a referrer's."""
        tag = f"{digest.replace(':', '-')}.sig"
        if tag in self.tags:
            return self.tags[tag]
        about = [each for each in sorted(self.media_types) if self._subject(each) == digest]
        return about[0]

    def _subject(self, digest: str) -> str | None:
        subject = json.loads(self.read(digest)).get("subject") or {}
        return subject.get("digest")


def encoded(data: bytes) -> str:
    """Return standard base64 as text."""
    return base64.b64encode(data).decode()


def main(target: Path = TARGET) -> None:
    """Write the vectors."""
    cases = {case["id"]: case for case in json.loads((FIXTURES / "cases.json").read_bytes())["cases"]}
    for name, wanted in VECTORS.items():
        document = [vector(cases[case_id]) for case_id in wanted]
        (target / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    for name, source in FILES.items():
        shutil.copyfile(FIXTURES / source, target / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
