"""A registry on loopback that does what it is told: everything right, or exactly one thing wrong.

It takes pushes and pulls of real clients (crane, oras and cosign check it in `tests/contract/test_hostile.py`), keeps
everything in memory, and applies scripted faults to single answers. It keeps connections alive and hides nothing: every
request that it saw is in `seen`.

    with Hostile() as registry:
        digest = registry.image("shop/api", "v1")
        registry.fault("GET", r"/manifests/", body(b"something else"))
"""

import base64
import hashlib
import json
import re
import secrets
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, quote, urlsplit

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
_ROUTE = re.compile(r"/v2/(?P<path>.+?)/(?P<kind>manifests|blobs|referrers|tags)/(?P<rest>.+)")


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. The fields after `body` are what no honest server does."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stall: float = 0.0  # seconds before the first byte
    stall_after: int | None = None  # stop for `stall` seconds after so many bytes of the body instead
    endless: bool = False  # repeat the body without end, without a length
    cut: int | None = None  # close the connection after so many bytes of the body
    length: int | None = None  # declare another length
    raw: bytes | None = None  # send this and close


Fault = Callable[[Seen, Reply], Reply]


def body(data: bytes) -> Fault:
    """Serve other bytes; every header stays, the claimed digest included."""
    return lambda _seen, reply: replace(reply, body=data)


def header(name: str, value: str | None) -> Fault:
    """Set or remove (None) a header."""

    def change(_seen: Seen, reply: Reply) -> Reply:
        kept = {key: text for key, text in reply.headers.items() if key.lower() != name.lower()}
        return replace(reply, headers=kept if value is None else {**kept, name: value})

    return change


def status(code: int, headers: Mapping[str, str] | None = None, data: bytes = b"") -> Fault:
    """Answer with another status."""
    return lambda _seen, _reply: Reply(status=code, headers=headers or {}, body=data)


def redirect(url: str, code: int = 307) -> Fault:
    """Send the client elsewhere."""
    return status(code, {"Location": url})


def with_reply(**changes: object) -> Fault:
    """Change any field of the reply."""
    return lambda _seen, reply: replace(reply, **changes)  # fields of Reply by name


def if_ok(fault: Fault) -> Fault:
    """Apply a fault only where the honest answer is a success (a request that was let in)."""
    return lambda seen, reply: fault(seen, reply) if reply.status < 300 else reply


@dataclass(slots=True)
class _Rule:
    method: str
    pattern: re.Pattern[str]
    fault: Fault
    times: int | None


@dataclass(slots=True, kw_only=True)
class Tokens:
    """Token authentication as Docker's token specification has it, with the service at `/token` of this registry."""

    username: str = "robot"
    password: str = "correct horse"
    anonymous: bool = False
    expires_in: int | None = 300
    realm: str | None = None
    issued: dict[str, tuple[str, float]] = field(default_factory=dict)  # token -> (scope, until)
    requests: list[Seen] = field(default_factory=list)

    def expire(self) -> None:
        """Make every issued token worthless."""
        self.issued.clear()


class Hostile:
    """A running registry. `host` is `127.0.0.1:port`."""

    def __init__(
        self,
        *,
        referrers: bool = True,
        deletes: bool = True,
        etags: bool = True,
        tokens: Tokens | None = None,
        basic: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        page: int = 1000,
    ) -> None:
        self.referrers_api = referrers
        self.deletes = deletes
        self.etags = etags
        self.tokens = tokens
        self.basic = basic
        self.page = page
        self.seen: list[Seen] = []
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self._uploads: dict[str, bytes] = {}
        self._rules: list[_Rule] = []
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # --- scripts ------------------------------------------------------------------------------------------------------

    def fault(self, method: str, pattern: str, fault: Fault, *, times: int | None = None) -> None:
        """Apply `fault` to answers of `method` ("*" for all) whose target matches `pattern`, `times` times."""
        self._rules.append(_Rule(method, re.compile(pattern), fault, times))

    def heal(self) -> None:
        """Forget all faults."""
        self._rules.clear()

    def sent(self, method: str, pattern: str = "") -> list[Seen]:
        """Return the requests of `method` ("*" for all) whose target matches."""
        return [s for s in self.seen if method in ("*", s.method) and re.search(pattern, s.target)]

    # --- content ------------------------------------------------------------------------------------------------------

    def blob(self, path: str, data: bytes) -> dict[str, object]:
        """Store a blob; returns what a descriptor says of it."""
        with self._lock:
            self.blobs.setdefault(path, {})[digest_of(data)] = data
            self.manifests.setdefault(path, {})
        return {"digest": digest_of(data), "size": len(data)}

    def put(self, path: str, document: Mapping[str, object] | bytes, tag: str | None = None, kind: str = "") -> str:
        """Store a manifest or index; returns its digest."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        kind = kind or json.loads(data).get("mediaType", OCI_MANIFEST)
        with self._lock:
            self.manifests.setdefault(path, {})[digest_of(data)] = (kind, data)
            if tag is not None:
                self.tags.setdefault(path, {})[tag] = digest_of(data)
        return digest_of(data)

    def image(self, path: str, tag: str | None = None, *, content: str = "image") -> str:
        """Store an image without layers; other `content`, other digest."""
        config = {"mediaType": OCI_CONFIG, **self.blob(path, json.dumps({"os": "linux", "note": content}).encode())}
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
        return self.put(path, document, tag)

    def index(self, path: str, entries: list[Mapping[str, object]], tag: str | None = None) -> str:
        """Store an image index."""
        return self.put(path, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, tag)

    def entry(self, path: str, digest: str, **more: object) -> dict[str, object]:
        """Return a descriptor of a stored manifest."""
        kind, data = self.manifests[path][digest]
        return {"mediaType": kind, "digest": digest, "size": len(data), **more}

    def layers(self, path: str, tag: str, kind: str, bodies: list[bytes], **annotations: str) -> str:
        """Store a manifest as cosign does at `.sig` and `.att` tags."""
        config = {"mediaType": OCI_CONFIG, **self.blob(path, b"{}")}
        notes = {"dev.cosignproject.cosign/signature": "", **annotations}
        layers = [{"mediaType": kind, **self.blob(path, data), "annotations": notes} for data in bodies]
        return self.put(path, {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}, tag)

    def referrer(
        self, path: str, subject: str | None, data: bytes, *, kind: str = BUNDLE, artifact_type: str = BUNDLE
    ) -> str:
        """Store a manifest with one layer that names `subject`."""
        document: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": {"mediaType": EMPTY_TYPE, **self.blob(path, b"{}")},
            "layers": [{"mediaType": kind, **self.blob(path, data)}],
        }
        if subject is not None:
            document["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
        return self.put(path, document)

    def fallback(self, path: str, subject: str, entries: list[Mapping[str, object]]) -> str:
        """Store the fallback index of `subject`."""
        return self.index(path, entries, subject.replace(":", "-"))

    # --- answers ------------------------------------------------------------------------------------------------------

    def reply_to(self, seen: Seen) -> Reply:
        """Return the honest answer, or what the script makes of it."""
        with self._lock:
            self.seen.append(seen)
            reply = self._honest(seen)
            for rule in self._rules:
                if rule.times == 0 or rule.method not in ("*", seen.method) or not rule.pattern.search(seen.target):
                    continue
                rule.times = None if rule.times is None else rule.times - 1
                reply = rule.fault(seen, reply)
            return reply

    def _honest(self, seen: Seen) -> Reply:
        if seen.path == "/token" and self.tokens is not None:
            return self._token(seen)
        if not seen.path.startswith("/v2/"):
            return _error(404, "NOT_FOUND")
        refused = self._refused(seen)
        if refused is not None:
            return refused
        if seen.path == "/v2/":
            return Reply(headers={"Content-Type": "application/json"}, body=b"{}")
        if seen.path == "/v2/_catalog":
            return self._page(seen, "repositories", sorted(self.manifests), {})
        match = _ROUTE.fullmatch(seen.path)
        if match is None:
            return _error(404, "NOT_FOUND")
        answer = getattr(self, f"_{match['kind']}")
        reply: Reply = answer(seen, match["path"], match["rest"])
        return reply

    def _manifests(self, seen: Seen, path: str, rest: str) -> Reply:
        if seen.method == "PUT":
            return self._put_manifest(seen, path, rest)
        digest = rest if ":" in rest else self.tags.get(path, {}).get(rest, "")
        found = self.manifests.get(path, {}).get(digest)
        if seen.method == "DELETE":
            return self._delete(path, rest, found is not None)
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN")
        headers = {"Content-Type": found[0], "Docker-Content-Digest": digest}
        if self.etags:
            headers["ETag"] = f'"{digest}"'
        return Reply(headers=headers, body=found[1])

    def _put_manifest(self, seen: Seen, path: str, rest: str) -> Reply:
        wanted = seen.headers.get("if-match")
        standing = rest if ":" in rest else self.tags.get(path, {}).get(rest, "")
        if wanted is not None and self.etags and wanted != f'"{standing}"':
            return _error(412, "PRECONDITION_FAILED")
        try:
            document = json.loads(seen.body)
        except ValueError:
            return _error(400, "MANIFEST_INVALID")
        if ":" in rest and digest_of(seen.body) != rest:
            return _error(400, "DIGEST_INVALID")
        kind = seen.headers.get("content-type", OCI_MANIFEST)
        digest = self.put(path, seen.body, None if ":" in rest else rest, kind)
        headers = {"Location": f"/v2/{path}/manifests/{digest}", "Docker-Content-Digest": digest}
        if self.etags:
            headers["ETag"] = f'"{digest}"'
        if self.referrers_api and isinstance(document.get("subject"), dict):
            headers["OCI-Subject"] = document["subject"]["digest"]
        return Reply(status=201, headers=headers)

    def _delete(self, path: str, rest: str, there: bool) -> Reply:
        if not self.deletes:
            return _error(405, "UNSUPPORTED")
        if not there:
            return _error(404, "MANIFEST_UNKNOWN")
        if ":" in rest:
            del self.manifests[path][rest]
            self.tags[path] = {tag: digest for tag, digest in self.tags.get(path, {}).items() if digest != rest}
        else:
            del self.tags[path][rest]
        return Reply(status=202)

    def _blobs(self, seen: Seen, path: str, rest: str) -> Reply:
        if rest.startswith("uploads"):
            return self._upload(seen, path, rest.removeprefix("uploads").strip("/"))
        data = self.blobs.get(path, {}).get(rest)
        if data is None:
            return _error(404, "BLOB_UNKNOWN")
        return Reply(headers={"Content-Type": "application/octet-stream", "Docker-Content-Digest": rest}, body=data)

    def _upload(self, seen: Seen, path: str, name: str) -> Reply:
        if seen.method == "POST":
            return self._start_upload(seen, path)
        if name not in self._uploads:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        self._uploads[name] += seen.body
        size = len(self._uploads[name])
        if seen.method != "PUT":
            status_code = 202 if seen.method == "PATCH" else 204
            location = f"/v2/{path}/blobs/uploads/{name}?state=opaque"
            return Reply(status=status_code, headers={"Location": location, "Range": f"0-{max(size - 1, 0)}"})
        data = self._uploads.pop(name)
        if digest_of(data) != seen.query.get("digest"):
            return _error(400, "DIGEST_INVALID")
        self.blob(path, data)
        return Reply(status=201, headers={"Location": f"/v2/{path}/blobs/{digest_of(data)}"})

    def _start_upload(self, seen: Seen, path: str) -> Reply:
        mount, origin = seen.query.get("mount", ""), seen.query.get("from", "")
        if mount in self.blobs.get(origin, {}):
            self.blob(path, self.blobs[origin][mount])
            return Reply(status=201, headers={"Location": f"/v2/{path}/blobs/{mount}"})
        if "digest" in seen.query and seen.body:
            self.blob(path, seen.body)
            return Reply(status=201, headers={"Location": f"/v2/{path}/blobs/{digest_of(seen.body)}"})
        name = uuid.uuid4().hex
        self._uploads[name] = b""
        location = f"/v2/{path}/blobs/uploads/{name}?state=opaque"
        return Reply(status=202, headers={"Location": location, "Range": "0-0"})

    def _tags(self, seen: Seen, path: str, _rest: str) -> Reply:
        if path not in self.manifests:
            return _error(404, "NAME_UNKNOWN")
        return self._page(seen, "tags", sorted(self.tags.get(path, {})), {"name": path})

    def _referrers(self, seen: Seen, path: str, rest: str) -> Reply:
        if not self.referrers_api:
            return _error(404, "NOT_FOUND")
        entries = [
            self._described(d, k, b) for d, (k, b) in self.manifests.get(path, {}).items() if _subject(b) == rest
        ]
        wanted = seen.query.get("artifactType")
        headers = {"Content-Type": OCI_INDEX}
        if wanted:
            entries = [entry for entry in entries if entry.get("artifactType") == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        return Reply(headers=headers, body=json.dumps(document).encode())

    def _described(self, digest: str, kind: str, data: bytes) -> dict[str, object]:
        document = json.loads(data)
        entry: dict[str, object] = {"mediaType": kind, "digest": digest, "size": len(data)}
        artifact_type = document.get("artifactType") or (document.get("config") or {}).get("mediaType")
        if artifact_type:
            entry["artifactType"] = artifact_type
        if document.get("annotations"):
            entry["annotations"] = document["annotations"]
        return entry

    def _page(self, seen: Seen, key: str, items: list[str], more: dict[str, object]) -> Reply:
        size = min(int(seen.query.get("n", self.page)), self.page)
        items = [item for item in items if item > seen.query.get("last", "")]
        headers = {"Content-Type": "application/json"}
        if len(items) > size:
            headers["Link"] = f'<{seen.path}?n={size}&last={quote(items[size - 1])}>; rel="next"'
        return Reply(headers=headers, body=json.dumps({**more, key: items[:size]}).encode())

    # --- authorization ------------------------------------------------------------------------------------------------

    def _refused(self, seen: Seen) -> Reply | None:
        given = seen.headers.get("authorization", "")
        if self.basic is not None and given != _basic(*self.basic):
            return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
        if self.tokens is None:
            return None
        scope, until = self.tokens.issued.get(given.removeprefix("Bearer "), ("", 0.0))
        wanted = _scope_of(seen)
        if time.monotonic() < until and (not wanted or set(wanted[2].split(",")) <= _granted(scope, wanted)):
            return None
        realm = self.tokens.realm or f"{self.url}/token"
        challenge = f'Bearer realm="{realm}",service="hostile"' + (f',scope="{":".join(wanted)}"' if wanted else "")
        return Reply(
            status=401,
            headers={"WWW-Authenticate": challenge},
            body=b'{"errors":[{"code":"UNAUTHORIZED","message":""}]}',
        )

    def _token(self, seen: Seen) -> Reply:
        assert self.tokens is not None
        self.tokens.requests.append(seen)
        known = seen.headers.get("authorization") == _basic(self.tokens.username, self.tokens.password)
        if not known and not self.tokens.anonymous:
            return _error(401, "UNAUTHORIZED")
        token = secrets.token_hex(16)
        asked = f"{urlsplit(seen.target).query}&{seen.body.decode()}"
        scopes = " ".join(value for name, value in parse_qsl(asked) if name == "scope")
        life = 60 if self.tokens.expires_in is None else self.tokens.expires_in
        self.tokens.issued[token] = (scopes, time.monotonic() + life)
        document: dict[str, object] = {"token": token}
        if self.tokens.expires_in is not None:
            document["expires_in"] = self.tokens.expires_in
        return Reply(headers={"Content-Type": "application/json"}, body=json.dumps(document).encode())


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _scope_of(seen: Seen) -> tuple[str, str, str] | None:
    if seen.path == "/v2/_catalog":
        return ("registry", "catalog", "*")
    match = _ROUTE.fullmatch(seen.path)
    actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(seen.method, "pull,push")
    return ("repository", match["path"], actions) if match else None


def _granted(scopes: str, wanted: tuple[str, str, str]) -> set[str]:
    granted: set[str] = set()
    for scope in scopes.split():
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        if (kind, name) == wanted[:2]:
            granted |= set(actions.split(","))
    return granted


def _subject(data: bytes) -> str:
    with suppress(ValueError, AttributeError, TypeError):
        return str((json.loads(data).get("subject") or {}).get("digest", ""))
    return ""


def _error(code: int, name: str) -> Reply:
    document = {"errors": [{"code": name, "message": name.lower()}]}
    return Reply(status=code, headers={"Content-Type": "application/json"}, body=json.dumps(document).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: Hostile

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up on faults: that is what the faults are for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: _Server

    def handle_any(self) -> None:
        seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, b"".join(self._chunks()))
        self._send(self.server.owner.reply_to(seen))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815  # the names that the base class calls

    def _chunks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, reply: Reply) -> None:
        if reply.stall and reply.stall_after is None and self.server.owner._stopped.wait(reply.stall):
            return
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if not reply.endless and reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(reply)

    def _send_body(self, reply: Reply) -> None:
        if reply.endless:
            self.close_connection = True
            while not self.server.owner._stopped.is_set():
                self.wfile.write(reply.body)
        elif reply.stall_after is not None:
            self.wfile.write(reply.body[: reply.stall_after])
            self.wfile.flush()
            self.server.owner._stopped.wait(reply.stall)
            self.close_connection = True
        else:
            self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
            if reply.cut is not None or reply.length is not None:
                self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Stay silent."""
