"""`preverify bench pipeline`: from a registry on loopback to verdicts, and from a push to a published statement."""

import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from preverify.bench.figures import figure, median, quantile
from preverify.model.digest import Digest

_GO_INLINE = 1100.0  # one cosign key signature verified inline by a Go verifier on 2 cores, measured elsewhere
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_REPOSITORY = "bench/app"
_DEADLINE_SECONDS = 120.0


def run(quick: bool) -> Iterator[dict[str, object]]:
    """Yield the figures of design's table: verify and record, with publishing, push to published statement."""
    subjects, pushes, rounds = (150, 10, 1) if quick else (600, 40, 5)
    key = ec.generate_private_key(ec.SECP256R1())
    bare = _bare_verifications(key)
    plain = [_throughput(key, subjects, publish=False) for _ in range(rounds)]
    yield figure(
        "pipeline",
        "verify and record, publishing off, registry on loopback",
        median([rate for rate, _ in plain]),
        "subjects/s",
        reference="bare P-256 verifications, one process",
        reference_value=bare,
        peer_value=_GO_INLINE,
        budget=0.5 * _GO_INLINE,
    )
    yield figure(
        "pipeline",
        "registry requests a subject, publishing off",
        median([requests for _, requests in plain]),
        "requests",
        budget=8,
        at_most=True,
    )
    few = subjects // 3
    _, without = _throughput(key, few, publish=False)  # the same number, so that the listing's share is the same
    published = [_throughput(key, few, publish=True) for _ in range(rounds)]
    yield figure(
        "pipeline",
        "verify, record and publish",
        median([rate for rate, _ in published]),
        "subjects/s",
        reference="the same without publishing",
        reference_value=median([rate for rate, _ in plain]),
    )
    yield figure(
        "pipeline",
        "further registry requests a subject, with publishing",
        median([requests for _, requests in published]) - without,
        "requests",
        budget=8,
        at_most=True,
    )
    latencies = _push_to_statement(key, pushes)
    for name, q, budget in (("p50", 0.5, 80), ("p99", 0.99, 250)):
        yield figure(
            "pipeline",
            f"push to published statement, idle, {name}",
            quantile(latencies, q) * 1000,
            "ms",
            budget=budget,
            at_most=True,
        )


def _bare_verifications(key: ec.EllipticCurvePrivateKey) -> float:
    """Return bare P-256 signature verifications a second in this process."""
    message = b"x" * 250
    signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    public = key.public_key()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < 0.5:
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        count += 1
    return count / (time.perf_counter() - start)


def _throughput(key: ec.EllipticCurvePrivateKey, subjects: int, *, publish: bool) -> tuple[float, float]:
    """Return (subjects a second, registry requests a subject) over one first sweep of a fresh daemon."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="preverify-bench-")))
        port = stack.enter_context(_registry())
        for number in range(subjects):
            _push(port, key, f"v{number}", str(number))
        before = _requests(port)
        stack.enter_context(_daemon(directory, key, port, publish=publish))
        wanted = "published" if publish else "passed"
        first = _wait(directory, wanted, 1)
        last = _wait(directory, wanted, subjects)
        rate = (subjects - 1) / max(last - first, 1e-6)
        return rate, (_requests(port) - before) / subjects


def _push_to_statement(key: ec.EllipticCurvePrivateKey, pushes: int) -> list[float]:
    """Return seconds from the hook's arrival to the stored publication, one push at a time."""
    latencies = []
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="preverify-bench-")))
        port = stack.enter_context(_registry())
        _push(port, key, "first", "first")
        stack.enter_context(_daemon(directory, key, port, publish=True))
        _wait(directory, "published", 1)
        answers = json.loads((directory / "state/addresses.json").read_text())["answers"].rpartition(":")[2]
        _ready(int(answers))
        hooks = http.client.HTTPConnection("127.0.0.1", int(answers), timeout=10)
        for number in range(pushes):
            digest = _push(port, key, f"p{number}", f"push {number}")
            event = {
                "events": [
                    {"action": "push", "target": {"repository": _REPOSITORY, "tag": f"p{number}", "digest": digest}}
                ]
            }
            start = time.monotonic()
            hooks.request(
                "POST",
                "/hooks/bench",
                json.dumps(event),
                {
                    "Authorization": "Bearer bench-secret-of-16-bytes",
                    "Content-Type": "application/vnd.docker.distribution.events.v2+json",
                },
            )
            response = hooks.getresponse()
            response.read()
            if response.status != 202:
                raise RuntimeError(f"the hook answered {response.status}, expected 202")
            latencies.append(_wait(directory, "published", number + 2, poll=0.002) - start)
        hooks.close()
    return latencies


def _ready(port: int) -> None:
    """Return once the answering process is ready."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the daemon's answers were not ready within {_DEADLINE_SECONDS:.0f} s")


@contextlib.contextmanager
def _registry() -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "preverify.bench.registry"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the bench registry has no output")
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def _daemon(directory: Path, key: ec.EllipticCurvePrivateKey, port: int, *, publish: bool) -> Iterator[None]:
    """Run `preverify serve` on a configuration made for the bench; everything ends with the block."""
    (directory / "policies").mkdir()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (directory / "policies/key.pub").write_bytes(public)
    (directory / "policies/policy.yaml").write_text(
        "apiVersion: preverify/v1\nkind: Signers\nmetadata: {name: bench}\n"
        "spec:\n  key: {key: {file: key.pub}, tlog: none}\n---\n"
        "apiVersion: preverify/v1\nkind: Policy\nmetadata: {name: bench}\n"
        'spec:\n  images: ["**"]\n  require:\n    - {name: signed, signature: {by: {any: [key]}}}\n'
    )
    (directory / "hook").write_text("bench-secret-of-16-bytes")
    signing = directory / "signing.pem"
    signing.touch(mode=0o600)
    signing.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    config = {
        "apiVersion": "preverify/v1",
        "kind": "Config",
        "state": str(directory / "state"),
        "database": {"url": f"sqlite:///{directory / 'state' / 'preverify.db'}"},
        "sources": {
            "bench": {
                "registry": f"127.0.0.1:{port}",
                "repositories": [_REPOSITORY],
                "network": "private",
                "tls": {"plainHttp": True},
                "hooks": {"format": "distribution", "secretFile": str(directory / "hook")},
                "budget": {"requestsPerSecond": 100000, "concurrent": 32},
            }
        },
        "policies": {"directory": str(directory / "policies")},
        "signing": {"keyFile": str(signing)} if publish else {},
        "listen": {"address": "127.0.0.1:0"},
        "metrics": {"address": "127.0.0.1:0"},
        "workers": 2,
    }
    path = directory / "preverify.yaml"
    path.write_text(json.dumps(config))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "preverify", "serve", "--config", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={k: v for k, v in os.environ.items() if not k.startswith("PREVERIFY_")},
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(directory: Path, state: str, count: int, poll: float = 0.01) -> float:
    """Return the monotonic time at which `count` subjects had passed, or statements were published."""
    import sqlite3

    query = (
        "SELECT count(*) FROM statement WHERE state = 'published'"
        if state == "published"
        else "SELECT count(*) FROM current_verdict"
    )
    path = directory / "state/preverify.db"
    deadline = time.monotonic() + _DEADLINE_SECONDS
    connection: sqlite3.Connection | None = None
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.OperationalError):
            if connection is None and path.exists():
                connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            if connection is not None and connection.execute(query).fetchone()[0] >= count:
                connection.close()
                return time.monotonic()
        time.sleep(poll)
    raise RuntimeError(
        f"only part of {count} subjects came to {state} within {_DEADLINE_SECONDS:.0f} s; the daemon said:\n"
        + (directory / "log").read_text(errors="replace")[-4000:]
    )


def _requests(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/bench/requests")
    return int(connection.getresponse().read())


def _push(port: int, key: ec.EllipticCurvePrivateKey, tag: str, content: str) -> str:
    """Push an image and its cosign signature (tag format); return the image's digest."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"bench": content}}}).encode()
    image = _manifest(config, [])
    digest = str(Digest.of(image))
    payload = json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": f"127.0.0.1:{port}/{_REPOSITORY}"},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    ).encode()
    signature = base64.b64encode(key.sign(payload, ec.ECDSA(hashes.SHA256()))).decode()
    layer = {
        "mediaType": _SIMPLE_SIGNING,
        "digest": str(Digest.of(payload)),
        "size": len(payload),
        "annotations": {"dev.cosignproject.cosign/signature": signature},
    }
    for blob in (config, payload):
        _put(
            connection, f"/v2/{_REPOSITORY}/blobs/uploads/u?digest={Digest.of(blob)}", blob, "application/octet-stream"
        )
    _put(
        connection, f"/v2/{_REPOSITORY}/manifests/{digest.replace(':', '-')}.sig", _manifest(config, [layer]), _MANIFEST
    )
    _put(connection, f"/v2/{_REPOSITORY}/manifests/{tag}", image, _MANIFEST)
    connection.close()
    return digest


def _manifest(config: bytes, layers: list[dict[str, object]]) -> bytes:
    descriptor = {"mediaType": _CONFIG, "digest": str(Digest.of(config)), "size": len(config)}
    return json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, "config": descriptor, "layers": layers}).encode()


def _put(connection: http.client.HTTPConnection, path: str, data: bytes, media_type: str) -> None:
    connection.request("PUT", path, data, {"Content-Type": media_type})
    response = connection.getresponse()
    response.read()
    if response.status != 201:
        raise RuntimeError(f"the bench registry answered {response.status} to PUT {path}")
