"""A pushed image becomes a signed verdict that admission looks up: real registries, clients and cosign."""

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import SECRET, Daemon, public_pem, running, until

KEYS = Path(__file__).parent.parent / "vectors/fixtures/keys"
VSA = "https://slsa.dev/verification_summary/v1"
Tool = Callable[[str], Path]

CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
notifications:
  endpoints:
    - name: preverify
      url: http://127.0.0.1:{daemon}/hooks/shop
      headers: {{Authorization: ["Bearer {secret}"]}}
      timeout: 3s
      threshold: 3
      backoff: 200ms
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def notifying_registry(program: Path, directory: Path, port: int, daemon: int) -> Iterator[str]:
    """Run CNCF distribution (2.8 or 3) with push notifications to the daemon."""
    directory.mkdir()
    config = directory / "config.yml"
    config.write_text(CONFIG.format(root=directory / "data", port=port, daemon=daemon, secret=SECRET))
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", config], stdout=log, stderr=log, env=environment)
        try:
            until(lambda: listening(port), 20, "the registry's start")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(*command: object, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home), "COSIGN_PASSWORD": "throwaway", "TUF_ROOT": str(home / "tuf")}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env=environment, timeout=60
    )


def must(*command: object, home: Path) -> str:
    done = run(*command, home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def push(crane: Path, reference: str, text: str, home: Path) -> str:
    """Push a one-layer image with crane; return its digest."""
    layer = home / "layer.tar"
    with tarfile.open(layer, "w") as tar:
        entry = tarfile.TarInfo("hello")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    must(crane, "append", "--insecure", "-f", layer, "-t", reference, home=home)
    return must(crane, "digest", "--insecure", reference, home=home)


def review(daemon: Daemon, image: str) -> dict[str, object]:
    """Ask as a Kubernetes API server asks about a new pod."""
    document = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "shop",
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }
    status, answer = daemon.request(
        "POST", "/k8s/validate", json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    assert status == 200
    response = answer["response"]
    assert isinstance(response, dict)
    assert response["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    return response


@pytest.mark.tools
@pytest.mark.parametrize("kind", ["docker-registry", "registry"])
def test_from_push_to_admission_and_back(tool: Tool, tmp_path: Path, kind: str) -> None:
    """The issue's own story: push, sign, VSA, allowed; unsigned, denied; signature gone, answer and VSA gone."""
    program, crane, cosign2, cosign3 = (tool(name) for name in (kind, "crane", "cosign2", "cosign3"))
    home = tmp_path / "home"
    home.mkdir()
    port, daemon_port = free_port(), free_port()
    daemon = Daemon(
        tmp_path / "daemon",
        f"127.0.0.1:{port}",
        (KEYS / "ec1.pub").read_bytes(),
        port=daemon_port,
        sweep={"tags": "2s", "evidence": "2s"},
    )
    with notifying_registry(program, tmp_path / "registry", port, daemon_port) as host, running(daemon):
        image = f"{host}/shop/web"
        unsigned = push(crane, f"{host}/shop/plain:1", "unsigned", home)
        digest = push(crane, f"{image}:1", "signed", home)
        reference = f"{image}@{digest}"
        until(lambda: daemon.lookup(digest, image).get("answer") == "denied", what="the verdict on an unsigned image")

        key = shutil.copy(KEYS / "ec1.key", home / "ec1.key")
        must(cosign2, "sign", "-y", "--allow-http-registry", "--tlog-upload=false", "--key", key, reference, home=home)
        until(lambda: daemon.lookup(digest, image).get("answer") == "verified", what="the verdict on the signature")
        assert review(daemon, reference)["allowed"] is True

        ours = home / "ours.pub"
        ours.write_bytes(public_pem(daemon.signing_key))
        check = ("verify-attestation", "--allow-http-registry", "--insecure-ignore-tlog", "--type", VSA, "--key", ours)
        until(lambda: run(cosign2, *check, reference, home=home).returncode == 0, what="our VSA for cosign 2")
        must(cosign3, *check, reference, home=home)

        refused = review(daemon, f"{host}/shop/plain@{unsigned}")
        assert refused["allowed"] is False
        assert "no-signature" in json.dumps(refused["status"])

        signature = must(crane, "digest", "--insecure", f"{image}:{digest.replace(':', '-')}.sig", home=home)
        must(crane, "delete", "--insecure", f"{image}@{signature}", home=home)
        until(
            lambda: daemon.lookup(digest, image).get("answer") == "denied", what="the answer after the signature went"
        )
        assert review(daemon, reference)["allowed"] is False
        until(lambda: run(cosign2, *check, reference, home=home).returncode != 0, what="the withdrawal of our VSA")
