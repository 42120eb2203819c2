"""Makes the layouts beside it: images whose bills of materials were attested with the real cosign.

    python make.py REGISTRY BIN KEY      (an empty one on loopback; where crane and cosign2 lie; cosign's key)

Signatures are other bytes each time; what they say is the same.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOG4J = "org.apache.logging.log4j"
IMAGES = {
    "web": ("shop/web:1.0", "2.14.1", "65532:65532"),
    "web-fixed": ("shop/web:1.1", "2.17.1", "65532:65532"),
    "batch": ("shop/batch:0.9", "2.14.1", "65532:65532"),
    "rooted": ("shop/rooted:1.0", "2.17.1", "0"),
}


def sbom(name: str, log4j: str) -> dict:
    components = [
        ("maven", f"{LOG4J}/log4j-core", log4j, "Apache-2.0"),
        ("maven", f"{LOG4J}/log4j-api", log4j, "Apache-2.0"),
        ("npm", "minimist", "1.2.8", "MIT"),
        ("pypi", "requests", "2.32.4", "Apache-2.0"),
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": "2026-11-30T00:00:00Z",
            "component": {"type": "container", "name": name, "bom-ref": "image"},
        },
        "components": [
            {
                "type": "library",
                "name": path.rpartition("/")[2],
                "version": version,
                "purl": f"pkg:{kind}/{path}@{version}",
                "licenses": [{"license": {"id": licence}}],
            }
            for kind, path, version, licence in components
        ],
    }


def main(registry: str, tools: Path, key: Path) -> None:
    environment = {**os.environ, "COSIGN_PASSWORD": "throwaway"}

    def run(tool: str, *arguments: str) -> str:
        done = subprocess.run([tools / tool, *arguments], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for layout, (reference, log4j, user) in IMAGES.items():
            (scratch / "app.txt").write_text(f"{layout} with log4j {log4j}\n")
            with tarfile.open(scratch / "layer.tar", "w") as tar:
                tar.add(scratch / "app.txt", arcname="app.txt", filter=_plain)
            image = f"{registry}/{reference}"
            run("crane", "append", "--insecure", "--new_layer", str(scratch / "layer.tar"), "--new_tag", image)
            run("crane", "mutate", "--insecure", "--user", user, "--entrypoint", "/app", "--tag", image, image)
            digest = run("crane", "digest", "--insecure", image)
            subject = f"{image.rpartition(':')[0]}@{digest}"
            (scratch / "sbom.json").write_text(json.dumps(sbom(reference, log4j)))
            flags = ["--key", str(key), "--tlog-upload=false", "--allow-insecure-registry", "--yes"]
            run("cosign2", "sign", *flags, subject)
            run("cosign2", "attest", *flags, "--type", "cyclonedx", "--predicate", str(scratch / "sbom.json"), subject)
            _layout(run, image, digest, HERE / layout)
        for record in json.loads((HERE.parent / "osv" / "real.json").read_text()):
            (scratch / f"{record['id']}.json").write_text(json.dumps(record))
        records = [f"--osv={path}" for path in sorted(scratch.glob("*-*.json"))]
        database = f"{registry}/demo/vulnerabilities:1"
        own = Path(sys.executable).parent
        subprocess.run([own / "preverify", "db", "build", *records, "--out", scratch / "made.db"], check=True)
        subprocess.run(
            [own / "preverify", "db", "push", scratch / "made.db", database, "--plain-http", "--private"], check=True
        )
        digest = run("crane", "digest", "--insecure", database)
        run("cosign2", "sign", *flags, f"{database.rpartition(':')[0]}@{digest}")
        _layout(run, database, digest, HERE / "vulnerabilities", beside=(".sig",))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _layout(run, image: str, digest: str, target: Path, *, beside: tuple[str, ...] = (".sig", ".att")) -> None:
    repository, _, tag = image.rpartition(":")
    shutil.rmtree(target, ignore_errors=True)
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    stem = digest.replace(":", "-")
    for name in (tag, *(f"{stem}{suffix}" for suffix in beside)):
        found = run("crane", "digest", "--insecure", f"{repository}:{name}")
        manifest = subprocess.run(
            [os.environ["CRANE"], "manifest", "--insecure", f"{repository}@{found}"], capture_output=True, check=True
        ).stdout
        (blobs / found.partition(":")[2]).write_bytes(manifest)
        document = json.loads(manifest)
        for part in (document["config"], *document["layers"]):
            data = subprocess.run(
                [os.environ["CRANE"], "blob", "--insecure", f"{repository}@{part['digest']}"],
                capture_output=True,
                check=True,
            ).stdout
            (blobs / part["digest"].partition(":")[2]).write_bytes(data)
        entries.append(
            {
                "mediaType": document["mediaType"],
                "digest": found,
                "size": len(manifest),
                "annotations": {"org.opencontainers.image.ref.name": name},
            }
        )
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
    (target / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    (target / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}\n')


if __name__ == "__main__":
    os.environ["CRANE"] = str(Path(sys.argv[2]) / "crane")
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
