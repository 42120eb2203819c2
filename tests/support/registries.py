"""Real registries on free loopback ports, and the fixtures pushed into them."""

import contextlib
import http.client
import importlib.util
import json
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

FIXTURES = Path(__file__).parent.parent / "vectors" / "fixtures"
Tool = Callable[[str], Path]


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def regserve(tool: Tool) -> Iterator[str]:
    """Run an in-memory registry with the referrers API; yields its host."""
    host = f"127.0.0.1:{free_port()}"
    with _running([str(tool("regserve")), host], host):
        yield host


@contextlib.contextmanager
def distribution(tool: Tool, directory: Path, *, delete: bool = True, program: str = "registry") -> Iterator[str]:
    """Run CNCF distribution (`registry`, v3) or Debian's (`docker-registry`, 2.8): no referrers API."""
    host = f"127.0.0.1:{free_port()}"
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "config.yml"
    config.write_text(
        json.dumps(
            {
                "version": 0.1,
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": delete}},
                "http": {"addr": host},
            }
        )
    )
    with _running([str(tool(program)), "serve", str(config)], host):
        yield host


@contextlib.contextmanager
def _running(arguments: list[str], host: str) -> Iterator[None]:
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(host, process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(host: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        try:
            if request(host, "GET", "/v2/")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.03)
    raise AssertionError(f"{process.args} does not answer")


def request(
    host: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Send one request without any client of ours."""
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def put_blob(host: str, repo: str, digest: str, data: bytes) -> None:
    """Upload a blob."""
    _, headers, _ = request(host, "POST", f"/v2/{repo}/blobs/uploads/")
    url = urllib.parse.urlsplit(headers["location"])
    query = (url.query + "&" if url.query else "") + "digest=" + urllib.parse.quote(digest)
    status, _, answer = request(host, "PUT", f"{url.path}?{query}", data, {"Content-Type": "application/octet-stream"})
    assert status == 201, (repo, digest, status, answer)


def put_manifest(host: str, repo: str, reference: str, data: bytes, media_type: str) -> None:
    """Upload a manifest."""
    status, _, answer = request(host, "PUT", f"/v2/{repo}/manifests/{reference}", data, {"Content-Type": media_type})
    assert status == 201, (repo, reference, status, answer)


def fixtures() -> Any:
    """Return the fixtures' store: `manifests` and `tags` by repository, `blobs` by digest."""
    return _module().load(str(FIXTURES), lazy=False)


def cases() -> list[dict[str, Any]]:
    """Return the fixtures' cases."""
    loaded: list[dict[str, Any]] = json.loads((FIXTURES / "cases.json").read_text())["cases"]
    return loaded


def push(host: str, store: Any, repo: str, target: str, *, subject: str, beside: Sequence[str] = ("*",)) -> None:
    """Push one image of the fixtures with what is beside it.

    Args:
        host: Where to.
        store: What `fixtures` returned.
        repo: Repository of the fixtures.
        target: Repository at the host.
        subject: Digest of the image or index.
        beside: Which neighbours come along: ".sig", ".att", "referrers"; "*" for all.
    """
    name = subject.replace(":", "-")
    everything = "*" in beside
    wanted = [*_children(store, repo, subject), subject]
    tagged = {}
    for suffix in (".sig", ".att", ""):
        tag = name + suffix
        kind = suffix or "referrers"
        if tag in store.tags[repo] and (everything or kind in beside):
            tagged[tag] = store.tags[repo][tag]
            wanted += [*_children(store, repo, store.tags[repo][tag]), store.tags[repo][tag]]
    if everything or "referrers" in beside:
        wanted += [e["digest"] for e in store.referrers(repo, subject)]
    for digest in dict.fromkeys(wanted):
        if digest in store.manifests[repo]:
            _push_manifest(host, store, repo, target, digest)
    for tag, digest in tagged.items():
        media_type, data = store.manifests[repo][digest]
        put_manifest(host, target, tag, data, media_type)


def _push_manifest(host: str, store: Any, repo: str, target: str, digest: str) -> None:
    media_type, data = store.manifests[repo][digest]
    document = json.loads(data)
    for blob in [document.get("config") or {}, *(document.get("layers") or [])]:
        if blob.get("digest") in store.blobs:
            put_blob(host, target, blob["digest"], store.blobs[blob["digest"]])
    put_manifest(host, target, digest, data, media_type)


def _children(store: Any, repo: str, digest: str) -> list[str]:
    media_type, data = store.manifests[repo].get(digest, ("", b"{}"))
    kinds = ("image.index", "manifest.list")
    if not any(kind in media_type for kind in kinds):
        return []
    return [e["digest"] for e in json.loads(data).get("manifests") or []]


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fixture_layouts", FIXTURES / "layouts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
