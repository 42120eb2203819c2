"""Run the real daemon against a loopback registry, in tests that need the whole flow."""

import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from preverify.demo.content import Content, Manifest, digest_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SECRET = "hook-secret-of-the-tests"


def until(condition: Callable[[], object], seconds: float = 30.0, what: str = "it") -> None:
    """Poll until `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.02)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def image(content: Content, repository: str, tag: str, label: str) -> str:
    """Put a small image into a registry's content; return its digest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"test": label}}}).encode()
    data = _manifest(content, config, [])
    digest = digest_of(data)
    content.put_manifest(repository, digest, Manifest(media_type=MANIFEST, content=data), tag)
    return digest


def sign(content: Content, repository: str, digest: str, key: ec.EllipticCurvePrivateKey) -> None:
    """Attach a cosign signature in the tag format, as `cosign sign --key` of version 2 does."""
    payload = json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    ).encode()
    content.blobs[digest_of(payload)] = payload
    signature = base64.b64encode(key.sign(payload, ec.ECDSA(hashes.SHA256()))).decode()
    layer = {
        "mediaType": SIMPLE_SIGNING,
        "digest": digest_of(payload),
        "size": len(payload),
        "annotations": {"dev.cosignproject.cosign/signature": signature},
    }
    data = _manifest(content, b"{}", [layer])
    tag = digest.replace(":", "-") + ".sig"
    content.put_manifest(repository, digest_of(data), Manifest(media_type=MANIFEST, content=data), tag)


def _manifest(content: Content, config: bytes, layers: list[dict[str, object]]) -> bytes:
    content.blobs[digest_of(config)] = config
    descriptor = {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": layers}).encode()


class Daemon:
    """`preverify serve` as a child process, with everything it needs in one directory."""

    def __init__(self, directory: Path, registry: str, key_pem: bytes, *, port: int = 0, **source: object) -> None:
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None
        policies = directory / "policies"
        policies.mkdir(parents=True)
        (policies / "key.pub").write_bytes(key_pem)
        self.write_policy()
        (directory / "hook").write_text(SECRET)
        self.signing_key = new_key()
        signing = directory / "signing.pem"
        signing.touch(mode=0o600)
        signing.write_bytes(
            self.signing_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.config = directory / "preverify.yaml"
        document = {
            "apiVersion": "preverify/v1",
            "kind": "Config",
            "state": str(directory / "state"),
            "database": {"url": f"sqlite:///{directory / 'state' / 'preverify.db'}"},
            "sources": {
                "shop": {
                    "registry": registry,
                    "repositories": ["shop/**"],
                    "network": "private",
                    "tls": {"plainHttp": True},
                    "hooks": {"format": "distribution", "secretFile": str(directory / "hook")},
                    "budget": {"requestsPerSecond": 10000, "concurrent": 32},
                    **source,
                }
            },
            "policies": {"directory": str(policies)},
            "signing": {"keyFile": str(signing), "verifierId": "https://platform.example/preverify"},
            "listen": {"address": f"127.0.0.1:{port}"},
            "metrics": {"address": "127.0.0.1:0"},
            "workers": 1,
        }
        self.config.write_text(json.dumps(document))

    def write_policy(self, images: str = "**", name: str = "signed") -> None:
        """Write the one policy: signed by the key."""
        (self.directory / "policies/policy.yaml").write_text(
            "apiVersion: preverify/v1\nkind: Signers\nmetadata: {name: test}\n"
            "spec:\n  release: {key: {file: key.pub}, tlog: none}\n---\n"
            f"apiVersion: preverify/v1\nkind: Policy\nmetadata: {{name: {name}}}\n"
            f'spec:\n  images: ["{images}"]\n'
            "  require:\n    - {name: signed, signature: {by: {any: [release]}}}\n"
        )

    def start(self) -> None:
        """Start and wait until answers are ready."""
        addresses = self.directory / "state/addresses.json"
        addresses.unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREVERIFY_")}
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "preverify", "serve", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )
        until(lambda: addresses.exists() and self._ready(), 40, f"the daemon's start ({self.log()[-3000:]})")

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-4000:]
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/readyz")[0] == 200
        return False

    def stop(self) -> None:
        """Stop in an orderly way, or by force after a while."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def children(self) -> dict[str, int]:
        """Return the newest process id of each child, from the log."""
        found = {}
        for line in self.log().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == "child.started":
                    found[event["child"]] = event["pid"]
        return found

    @property
    def port(self) -> int:
        document = json.loads((self.directory / "state/addresses.json").read_text())
        return int(document["answers"].rpartition(":")[2])

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        return self.request("GET", path)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            data = response.read()
            return response.status, json.loads(data) if data.startswith((b"{", b"[")) else {}
        finally:
            connection.close()

    def lookup(self, digest: str, image_name: str | None = None) -> dict[str, object]:
        return self.get(f"/v1/lookup/{digest}" + (f"?image={image_name}" if image_name else ""))[1]

    def notify(self, repository: str, tag: str | None, digest: str) -> int:
        """Send a push notification, as for a push by digest where there is no tag; return the status."""
        target = {"repository": repository, "digest": digest} | ({"tag": tag} if tag else {})
        event = {"action": "push", "target": target}
        headers = {
            "Authorization": f"Bearer {SECRET}",
            "Content-Type": "application/vnd.docker.distribution.events.v2+json",
        }
        return self.request("POST", "/hooks/shop", json.dumps({"events": [event]}).encode(), headers)[0]


@contextlib.contextmanager
def running(daemon: Daemon) -> Iterator[Daemon]:
    """Run a daemon for a block; nothing of it is left behind."""
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
