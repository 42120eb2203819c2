"""Writes the OCI layout that the bills of materials beside this file were made of: python image.py DIRECTORY."""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

COPYRIGHT = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
SITE = "usr/lib/python3/dist-packages/requests-2.31.0.dist-info"
FILES = {
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
    "var/lib/dpkg/status": (
        "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u2\n\n"
        "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib\nVersion: 1:1.2.13.dfsg-1\n"
    ),
    "usr/share/doc/openssl/copyright": (
        f"Format: {COPYRIGHT}\n\nFiles: *\nLicense: Apache-2.0\n\nFiles: debian/*\nLicense: GPL-2+ and Artistic\n"
    ),
    f"{SITE}/METADATA": "Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\nLicense: Apache 2.0\n",
    f"{SITE}/RECORD": "",
    "app/node_modules/event-stream/package.json": '{"name": "event-stream", "version": "3.3.6", "license": "MIT"}',
    "app/node_modules/@babel/core/package.json": (
        '{"name": "@babel/core", "version": "7.0.0", "license": "(MIT OR GPL-2.0-only)"}'
    ),
}
OCI = "application/vnd.oci.image"


def main(layout: Path) -> None:
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(body: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(body).hexdigest()
        (blobs / digest).write_bytes(body)
        return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{digest}", "size": len(body)}

    root = io.BytesIO()
    with tarfile.open(fileobj=root, mode="w") as archive:
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    layer = put(root.getvalue(), "layer.v1.tar")
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = put(
        json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode(), "config.v1+json"
    )
    manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": config, "layers": [layer]}
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), "manifest.v1+json")]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
