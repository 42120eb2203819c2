"""A small OCI registry in memory on loopback, standard library only.

It is for demonstrations and tests: no authentication, no persistence. It speaks enough of the distribution
specification for crane, oras, cosign and our own client: push, pull, tags, referrers (switchable), DELETE (switchable),
conditional manifest PUT, and push notifications in the form of CNCF distribution.
"""

import json
import queue
import re
import threading
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, quote, urlsplit

from preverify.demo.content import Content, Manifest, digest_of

INDEX = "application/vnd.oci.image.index.v1+json"
EVENTS = "application/vnd.docker.distribution.events.v1+json"
MAX_BODY_BYTES = 256 * 1024 * 1024
Action = Callable[[str, str, str, Mapping[str, str], bytes], None]
ROUTE = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs|referrers|tags)/(?P<rest>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Where push notifications go, and the bearer token that they carry."""

    url: str
    secret: str


class Registry:
    """A running registry. `with Registry(content) as registry:` serves on `registry.address` until the block ends."""

    def __init__(
        self, content: Content, *, port: int = 0, referrers: bool = True, deletes: bool = True, hook: Hook | None = None
    ) -> None:
        self.content = content
        self.referrers = referrers
        self.deletes = deletes
        self.hook = hook
        self.uploads: dict[str, bytes] = {}
        self.pushed: list[tuple[str, str]] = []  # (repository, digest) of manifests that clients pushed
        self._events: queue.SimpleQueue[dict[str, object] | None] = queue.SimpleQueue()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.registry = self
        self._threads = (
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True),
            threading.Thread(target=self._notify, daemon=True),
        )

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._events.put(None)
        for thread in self._threads:
            thread.join(timeout=10)

    def announce(self, repository: str, digest: str, tag: str | None, *, action: str = "push") -> None:
        """Queue a notification, as a push or a deletion by a client does."""
        found = self.content.manifest(repository, digest)
        target: dict[str, object] = {
            "repository": repository,
            "digest": digest,
            "url": f"http://{self.address}/v2/{repository}/manifests/{digest}",
        }
        if found:
            size = len(found[1].content)
            target |= {"mediaType": found[1].media_type, "size": size, "length": size}
        if tag is not None:
            target["tag"] = tag
        event: dict[str, object] = {
            "id": str(uuid.uuid4()),
            "timestamp": datetime.now(UTC).isoformat(),
            "action": action,
            "target": target,
            "request": {"id": str(uuid.uuid4()), "addr": "127.0.0.1", "host": self.address, "method": "PUT"},
        }
        self._events.put(event)

    def _notify(self) -> None:
        while (event := self._events.get()) is not None:
            if self.hook is not None:
                self._deliver(self.hook, event)

    def _deliver(self, hook: Hook, event: dict[str, object]) -> None:
        """Try a few times; what is lost then, the sweep finds."""
        headers = {"Content-Type": EVENTS, "Authorization": f"Bearer {hook.secret}"}
        body = json.dumps({"events": [event]}).encode()
        for attempt in range(5):
            try:
                request = urllib.request.Request(hook.url, body, headers)  # noqa: S310 - our own loopback address
                with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                    answer.read(65536)
                return
            except OSError:
                threading.Event().wait(0.1 * 2**attempt)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    registry: Registry


class _Refused(Exception):
    """A request that gets an error of the distribution specification."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    timeout = 30
    server: _Server

    def do_GET(self) -> None:
        self._serve(self._read)

    def do_HEAD(self) -> None:
        self._serve(self._read)

    def do_POST(self) -> None:
        self._serve(self._start_upload)

    def do_PATCH(self) -> None:
        self._serve(self._continue_upload)

    def do_PUT(self) -> None:
        self._serve(self._put)

    def do_DELETE(self) -> None:
        self._serve(self._delete)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Be silent: the demo's output is for people."""

    # --- requests ---

    def _serve(self, act: Action) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        route = ROUTE.fullmatch(parts.path)
        try:
            body = self._body()
            if route:
                act(route["repository"], route["kind"], route["rest"], query, body)
            else:
                self._top(parts.path, query)
        except _Refused as refused:
            error = {"errors": [{"code": refused.code, "message": refused.code.lower().replace("_", " ")}]}
            self._answer(refused.status, json.dumps(error).encode(), {"Content-Type": "application/json"})

    def _top(self, path: str, query: Mapping[str, str]) -> None:
        if path == "/v2/_catalog":
            self._page("repositories", sorted(self._content.manifests), path, query)
        elif path in ("/v2", "/v2/"):
            self._answer(200, b"{}", {"Content-Type": "application/json"})
        else:
            raise _Refused(404, "NAME_UNKNOWN")

    @property
    def _content(self) -> Content:
        return self.server.registry.content

    def _read(self, repository: str, kind: str, rest: str, query: Mapping[str, str], _body: bytes) -> None:
        content = self._content
        if kind == "manifests":
            found = content.manifest(repository, rest)
            if found is None:
                raise _Refused(404, "MANIFEST_UNKNOWN")
            digest, manifest = found
            headers = {"Content-Type": manifest.media_type, "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
            if self.headers.get("If-None-Match") == f'"{digest}"':
                self._answer(304, b"", headers)
            else:
                self._answer(200, manifest.content, headers)
        elif repository not in content.manifests:
            raise _Refused(404, "NAME_UNKNOWN")
        elif kind == "blobs" and rest in content.blobs:
            headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": rest}
            self._answer(200, content.blobs[rest], headers)
        elif kind == "tags" and rest == "list":
            self._page("tags", sorted(content.tags.get(repository, {})), urlsplit(self.path).path, query, repository)
        elif kind == "referrers" and self.server.registry.referrers:
            self._list_referrers(repository, rest, query)
        else:
            raise _Refused(404, "BLOB_UNKNOWN" if kind == "blobs" else "UNSUPPORTED")

    def _list_referrers(self, repository: str, digest: str, query: Mapping[str, str]) -> None:
        descriptors = self._content.referrers(repository, digest)
        headers = {"Content-Type": INDEX}
        if wanted := query.get("artifactType"):
            descriptors = [descriptor for descriptor in descriptors if descriptor.get("artifactType") == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}
        self._answer(200, json.dumps(index).encode(), headers)

    def _page(self, key: str, items: list[str], path: str, query: Mapping[str, str], name: str = "") -> None:
        if last := query.get("last"):
            items = [item for item in items if item > last]
        limit = int(query["n"]) if query.get("n", "").isdecimal() else 1000
        page, headers = items[:limit], {"Content-Type": "application/json"}
        if page and len(items) > len(page):
            headers["Link"] = f'<{path}?n={limit}&last={quote(page[-1])}>; rel="next"'
        self._answer(200, json.dumps(({"name": name} if name else {}) | {key: page}).encode(), headers)

    def _start_upload(self, repository: str, _kind: str, rest: str, query: Mapping[str, str], body: bytes) -> None:
        if rest.rstrip("/") != "uploads":
            raise _Refused(404, "UNSUPPORTED")
        known = query.get("mount", "")
        if known in self._content.blobs:
            self._stored(repository, known)
        elif "digest" in query:
            self._store_blob(repository, query["digest"], body)
        else:
            upload = uuid.uuid4().hex
            self.server.registry.uploads[upload] = body
            self._answer(202, b"", {"Location": f"/v2/{repository}/blobs/uploads/{upload}", "Range": "0-0"})

    def _continue_upload(self, _repo: str, _kind: str, rest: str, _query: Mapping[str, str], body: bytes) -> None:
        uploads, upload = self.server.registry.uploads, rest.removeprefix("uploads/")
        if upload not in uploads:
            raise _Refused(404, "BLOB_UPLOAD_UNKNOWN")
        uploads[upload] += body
        headers = {"Location": urlsplit(self.path).path, "Range": f"0-{max(len(uploads[upload]) - 1, 0)}"}
        self._answer(202, b"", headers)

    def _put(self, repository: str, kind: str, rest: str, query: Mapping[str, str], body: bytes) -> None:
        if kind == "manifests":
            self._put_manifest(repository, rest, body)
            return
        earlier = self.server.registry.uploads.pop(rest.removeprefix("uploads/"), None)
        if kind != "blobs" or earlier is None:
            raise _Refused(404, "BLOB_UPLOAD_UNKNOWN")
        self._store_blob(repository, query.get("digest", ""), earlier + body)

    def _put_manifest(self, repository: str, reference: str, body: bytes) -> None:
        content, digest = self._content, digest_of(body)
        tag = None if ":" in reference else reference
        if tag is None and reference != digest:
            raise _Refused(400, "DIGEST_INVALID")
        manifest = Manifest(media_type=self.headers.get("Content-Type", ""), content=body)
        with content.lock:
            present = content.manifest(repository, reference)
            expected = self.headers.get("If-Match")
            if expected is not None and (present is None or expected != f'"{present[0]}"'):
                raise _Refused(412, "PRECONDITION_FAILED")
            if self.headers.get("If-None-Match") == "*" and present is not None:
                raise _Refused(412, "PRECONDITION_FAILED")
            content.put_manifest(repository, digest, manifest, tag)
            self.server.registry.pushed.append((repository, digest))
        location = f"/v2/{repository}/manifests/{digest}"
        headers = {"Location": location, "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
        subject = manifest.document().get("subject")
        if self.server.registry.referrers and isinstance(subject, dict):
            headers["OCI-Subject"] = str(subject.get("digest", ""))
        self._answer(201, b"", headers)
        self.server.registry.announce(repository, digest, tag)

    def _delete(self, repository: str, kind: str, rest: str, _query: Mapping[str, str], _body: bytes) -> None:
        if kind != "manifests" or not self.server.registry.deletes:
            raise _Refused(405, "UNSUPPORTED")
        if not self._content.delete_manifest(repository, rest):
            raise _Refused(404, "MANIFEST_UNKNOWN")
        self._answer(202, b"", {})
        if ":" in rest:
            self.server.registry.announce(repository, rest, None, action="delete")

    # --- bodies ---

    def _store_blob(self, repository: str, digest: str, blob: bytes) -> None:
        if digest_of(blob) != digest:
            raise _Refused(400, "DIGEST_INVALID")
        with self._content.lock:
            self._content.blobs[digest] = blob
        self._stored(repository, digest)

    def _stored(self, repository: str, digest: str) -> None:
        with self._content.lock:
            self._content.manifests.setdefault(repository, {})
        location = f"/v2/{repository}/blobs/{digest}"
        self._answer(201, b"", {"Location": location, "Docker-Content-Digest": digest})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            raise _Refused(413, "SIZE_INVALID")
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes:
        body = bytearray()
        while (size := int(self.rfile.readline(64).split(b";")[0].strip() or b"0", 16)) > 0:
            if len(body) + size > MAX_BODY_BYTES:
                self.close_connection = True
                raise _Refused(413, "SIZE_INVALID")
            body += self.rfile.read(size)
            self.rfile.readline(8)
        while self.rfile.readline(1024).strip():
            pass
        return bytes(body)

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(body)
