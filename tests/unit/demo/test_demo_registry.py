"""The demo's registry, from outside: the standard library first, then the tools that everybody uses."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from preverify.demo.catalogue import IMAGES, POLICIES
from preverify.demo.content import Content
from preverify.demo.registry import EVENTS, INDEX, Hook, Registry

OCI = "application/vnd.oci.image.manifest.v1+json"


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Client:
    """One connection; remembers the last headers."""

    def __init__(self, address: str) -> None:
        self.connection = HTTPConnection(address, timeout=10)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, HTTPResponse]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, named)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer

    def push(self, repository: str, tag: str, **extra: object) -> tuple[bytes, str]:
        config = b"{}"
        status, _, _ = self.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest(config)}", config)
        assert status == 201
        descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": 2}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI, "config": descriptor, "layers": [], **extra})
        status, _, answer = self.ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest.encode(), Content_Type=OCI)
        assert status == 201
        assert answer.getheader("Docker-Content-Digest") == digest(manifest.encode())
        return manifest.encode(), digest(manifest.encode())


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry(Content()) as running:
        yield running


@pytest.fixture
def client(registry: Registry) -> Iterator[Client]:
    client = Client(registry.address)
    yield client
    client.connection.close()


def test_what_was_pushed_comes_back_by_tag_and_digest(client: Client) -> None:
    manifest, name = client.push("a/b", "1.0")
    for reference in ("1.0", name):
        status, body, answer = client.ask("GET", f"/v2/a/b/manifests/{reference}")
        assert (status, body, answer.getheader("ETag")) == (200, manifest, f'"{name}"')
    status, body, answer = client.ask("HEAD", "/v2/a/b/manifests/1.0")
    assert (status, body, answer.getheader("Content-Length")) == (200, b"", str(len(manifest)))
    assert client.ask("GET", f"/v2/a/b/blobs/{digest(b'{}')}")[:2] == (200, b"{}")
    assert client.ask("GET", "/v2/a/b/manifests/1.0", If_None_Match=f'"{name}"')[:2] == (304, b"")


def test_an_upload_in_parts_is_put_together_and_checked(client: Client) -> None:
    _, _, answer = client.ask("POST", "/v2/a/b/blobs/uploads/", b"")
    where = answer.getheader("Location") or ""
    assert client.ask("PATCH", where, b"he")[0] == 202
    assert client.ask("PATCH", where, b"ll")[0] == 202
    assert client.ask("PUT", f"{where}?digest={digest(b'hello')}", b"o")[0] == 201
    assert client.ask("GET", f"/v2/a/b/blobs/{digest(b'hello')}")[1] == b"hello"
    _, _, answer = client.ask("POST", "/v2/a/b/blobs/uploads/", b"")
    where = answer.getheader("Location") or ""
    assert client.ask("PUT", f"{where}?digest={digest(b'hello')}", b"other")[0] == 400
    assert client.ask("PATCH", "/v2/a/b/blobs/uploads/none", b"x")[0] == 404


def test_a_chunked_body_is_read_whole(client: Client) -> None:
    content = b"chunk" * 3
    client.connection.request(
        "POST", f"/v2/a/b/blobs/uploads/?digest={digest(content)}", iter([b"chunk"] * 3), encode_chunked=True
    )
    answer = client.connection.getresponse()
    answer.read()
    assert answer.status == 201
    assert client.ask("GET", f"/v2/a/b/blobs/{digest(content)}")[1] == content


def test_tags_and_repositories_come_in_pages(client: Client) -> None:
    for tag in ("a", "b", "c"):
        client.push("x/y", tag)
    client.push("x/z", "1")
    status, body, answer = client.ask("GET", "/v2/x/y/tags/list?n=2")
    assert (status, json.loads(body)) == (200, {"name": "x/y", "tags": ["a", "b"]})
    link = answer.getheader("Link") or ""
    assert link == '</v2/x/y/tags/list?n=2&last=b>; rel="next"'
    assert json.loads(client.ask("GET", link[1 : link.index(">")])[1])["tags"] == ["c"]
    assert json.loads(client.ask("GET", "/v2/_catalog")[1]) == {"repositories": ["x/y", "x/z"]}
    assert client.ask("GET", "/v2/no/such/tags/list")[0] == 404


def test_conditions_on_a_manifest_are_kept(client: Client) -> None:
    _, first = client.push("a/b", "1.0")
    _, second = client.push("a/b", "2.0", annotations={"x": "y"})
    put = {"Content_Type": OCI}
    body = client.ask("GET", f"/v2/a/b/manifests/{second}")[1]
    assert client.ask("PUT", "/v2/a/b/manifests/1.0", body, If_Match=f'"{second}"', **put)[0] == 412
    assert client.ask("PUT", "/v2/a/b/manifests/1.0", body, If_None_Match="*", **put)[0] == 412
    assert client.ask("PUT", "/v2/a/b/manifests/1.0", body, If_Match=f'"{first}"', **put)[0] == 201
    assert client.ask("PUT", f"/v2/a/b/manifests/{first}", body, **put)[0] == 400


def test_referrers_are_listed_by_their_subject_and_type(client: Client) -> None:
    manifest, name = client.push("a/b", "1.0")
    subject = {"mediaType": OCI, "digest": name, "size": len(manifest)}
    _, one = client.push("a/b", "one", subject=subject, artifactType="type/one", annotations={"k": "v"})
    client.push("a/b", "two", subject=subject)
    status, body, answer = client.ask("GET", f"/v2/a/b/referrers/{name}")
    assert (status, answer.getheader("Content-Type")) == (200, INDEX)
    found = json.loads(body)["manifests"]
    assert [entry["artifactType"] for entry in found] == ["type/one", "application/vnd.oci.image.config.v1+json"]
    assert (found[0]["digest"], found[0]["annotations"]) == (one, {"k": "v"})
    _, body, answer = client.ask("GET", f"/v2/a/b/referrers/{name}?artifactType=type/one")
    assert len(json.loads(body)["manifests"]) == 1
    assert answer.getheader("OCI-Filters-Applied") == "artifactType"


def test_an_old_registry_has_neither_referrers_nor_deletes() -> None:
    with Registry(Content(), referrers=False, deletes=False) as old:
        client = Client(old.address)
        _, name = client.push("a/b", "1.0")
        assert client.ask("GET", f"/v2/a/b/referrers/{name}")[0] == 404
        assert client.ask("DELETE", f"/v2/a/b/manifests/{name}")[0] == 405
        client.connection.close()


def test_what_was_deleted_is_gone_with_its_tags(client: Client) -> None:
    _, name = client.push("a/b", "1.0")
    assert client.ask("DELETE", f"/v2/a/b/manifests/{name}")[0] == 202
    assert client.ask("DELETE", f"/v2/a/b/manifests/{name}")[0] == 404
    assert client.ask("GET", "/v2/a/b/manifests/1.0")[0] == 404
    assert json.loads(client.ask("GET", "/v2/a/b/tags/list")[1])["tags"] == []


@pytest.mark.parametrize(
    "path", ["/", "/v1/", "/v2/a", "/v2/a/other/1", "/v2/a/b/manifests/none", "/v2/a/b/blobs/none"]
)
def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    client.push("a/b", "1.0")
    assert client.ask("GET", path)[0] == 404


def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    client.connection.putrequest("PUT", "/v2/a/b/manifests/1")
    client.connection.putheader("Content-Length", str(10**12))
    client.connection.endheaders()
    assert client.connection.getresponse().status == 413


def test_content_that_has_not_its_digest_is_served_as_it_lies() -> None:
    """The demo shows that the daemon notices; a registry that checked here would hide it."""
    content = Content()
    content.load(IMAGES / "corrupt", "shop/corrupt")
    lies = [name for name, blob in content.blobs.items() if digest(blob) != name]
    assert len(lies) == 1
    with Registry(content) as running:
        client = Client(running.address)
        assert digest(client.ask("GET", f"/v2/shop/corrupt/blobs/{lies[0]}")[1]) != lies[0]
        client.connection.close()


def test_a_push_is_announced_with_the_bearer_token(registry: Registry, client: Client) -> None:
    heard: Queue[tuple[dict[str, str], bytes]] = Queue()

    answers = iter((503, 200, 200))

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(next(answers))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    listener = HTTPServer(("127.0.0.1", 0), Listener)
    thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        registry.hook = Hook(url=f"http://127.0.0.1:{listener.server_address[1]}/hooks/shop", secret="s3cret")
        _, name = client.push("a/b", "1.0")
        refused, again = heard.get(timeout=10), heard.get(timeout=10)
        assert refused[1] == again[1]  # the first was answered 503, so it comes again
        headers, body = again
        assert (headers["authorization"], headers["content-type"]) == ("Bearer s3cret", EVENTS)
        (event,) = json.loads(body)["events"]
        assert event["action"] == "push"
        assert event["request"]["host"] == registry.address
        assert (event["target"]["repository"], event["target"]["tag"]) == ("a/b", "1.0")
        assert event["target"]["digest"] == name
        client.ask("DELETE", f"/v2/a/b/manifests/{name}")
        (event,) = json.loads(heard.get(timeout=10)[1])["events"]
        assert (event["action"], event["target"]["digest"]) == ("delete", name)
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


# --- the tools that everybody uses ---


def run(*command: object, fails: bool = False) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.tools
def test_crane_pushes_and_pulls(tool: Callable[[str], Path], tmp_path: Path) -> None:
    content = Content()
    content.load(IMAGES / "legacy", "shop/legacy")
    with Registry(content) as shop, Registry(Content(), referrers=False, deletes=False) as edge:
        run(tool("crane"), "pull", "--format=oci", f"{shop.address}/shop/legacy:0.9", tmp_path / "image")
        run(tool("crane"), "push", tmp_path / "image", f"{edge.address}/x/y:1")
        before = run(tool("crane"), "digest", f"{shop.address}/shop/legacy:0.9")
        assert run(tool("crane"), "digest", f"{edge.address}/x/y:1") == before
        assert run(tool("crane"), "ls", f"{edge.address}/x/y") == "1"
        run(tool("crane"), "delete", f"{edge.address}/x/y:1", fails=True)
        run(tool("crane"), "delete", f"{shop.address}/shop/legacy:0.9")
        run(tool("crane"), "digest", f"{shop.address}/shop/legacy:0.9", fails=True)


@pytest.mark.tools
def test_oras_copies_an_image_with_its_referrers_to_the_other_kind(tool: Callable[[str], Path]) -> None:
    content = Content()
    content.load(IMAGES / "api", "shop/api")
    with Registry(content) as shop, Registry(Content(), referrers=False) as edge:
        plain = ("--from-plain-http", "--to-plain-http")
        run(tool("oras"), "cp", "-r", *plain, f"{shop.address}/shop/api:1.4", f"{edge.address}/z/api:1.4")
        found = run(tool("oras"), "discover", "--plain-http", "--format", "json", f"{edge.address}/z/api:1.4")
        assert len(json.loads(found)["referrers"]) == 1


@pytest.mark.tools
@pytest.mark.parametrize(
    ("cosign", "layout", "referrers", "tag"),
    [("cosign2", "legacy", True, "0.9"), ("cosign3", "api", True, "1.4"), ("cosign3", "gateway", False, "5.2")],
)
def test_cosign_verifies_the_demo_images(
    tool: Callable[[str], Path], cosign: str, layout: str, referrers: bool, tag: str
) -> None:
    """The images are what the catalogue says: signed, by this key."""
    content = Content()
    content.load(IMAGES / layout, f"demo/{layout}")
    with Registry(content, referrers=referrers) as running:
        verify = (tool(cosign), "verify", "--allow-http-registry", "--insecure-ignore-tlog")
        image = f"{running.address}/demo/{layout}:{tag}"
        run(*verify, "--key", POLICIES / "keys" / "release.pub", image)
        run(*verify, "--key", POLICIES / "keys" / "security.pub", image, fails=True)
