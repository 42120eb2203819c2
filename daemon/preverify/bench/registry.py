"""An in-memory registry for benchmarks, in a process of its own: fast enough not to be what is measured."""

import asyncio
import hashlib
import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn

_PATH = re.compile(r"/v2/(?P<repo>.+?)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.*)")
_INDEX = b"application/vnd.oci.image.index.v1+json"
_Send = Callable[[Mapping[str, Any]], Awaitable[None]]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class MemoryRegistry:
    """Push, pull, tags and the referrers API over dictionaries; counts requests. Trusts its clients: it is a bench."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, bytes]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.referrers: dict[str, list[dict[str, object]]] = {}
        self.requests = 0

    async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        body = b""
        if method in {"PUT", "POST"}:
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
        if path == "/bench/requests":
            await _answer(send, 200, str(self.requests).encode())
            return
        self.requests += 1
        status, data, headers = self._route(method, path, scope["query_string"].decode(), scope["headers"], body)
        await _answer(send, status, b"" if method == "HEAD" else data, headers, length=len(data))

    def _route(
        self, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        if path in {"/v2/", "/v2"}:
            return 200, b"{}", []
        if path == "/v2/_catalog":
            return 200, json.dumps({"repositories": sorted(self.tags)}).encode(), []
        match = _PATH.fullmatch(path)
        if match is None:
            return 404, b"{}", []
        repo, kind, rest = match["repo"], match["kind"], match["rest"]
        if kind == "tags":
            return 200, json.dumps({"name": repo, "tags": sorted(self.tags.get(repo, {}))}).encode(), []
        if kind == "referrers":
            index = {"schemaVersion": 2, "mediaType": _INDEX.decode(), "manifests": self.referrers.get(rest, [])}
            return 200, json.dumps(index).encode(), [(b"content-type", _INDEX)]
        if kind == "blobs":
            return self._blob(method, repo, rest, query, body)
        return self._manifest(method, repo, rest, headers, body)

    def _blob(
        self, method: str, repo: str, rest: str, query: str, body: bytes
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        if method == "POST":
            return 202, b"", [(b"location", f"/v2/{repo}/blobs/uploads/u".encode())]
        if method == "PUT":
            digest = query.partition("digest=")[2].replace("%3A", ":")
            self.blobs[digest] = body
            return 201, b"", [(b"docker-content-digest", digest.encode())]
        data = self.blobs.get(rest)
        return (404, b"", []) if data is None else (200, data, [(b"content-type", b"application/octet-stream")])

    def _manifest(
        self, method: str, repo: str, rest: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        if method == "PUT":
            digest = "sha256:" + hashlib.sha256(body).hexdigest()
            media_type = dict(headers).get(b"content-type", b"")
            self.manifests[digest] = (media_type, body)
            tags = self.tags.setdefault(repo, {})
            if not rest.startswith("sha256:"):
                tags[rest] = digest
            extra = [(b"docker-content-digest", digest.encode())]
            document = json.loads(body)
            subject = document.get("subject")
            if subject:
                entry = {
                    "mediaType": media_type.decode(),
                    "digest": digest,
                    "size": len(body),
                    "artifactType": document.get("artifactType"),
                }
                self.referrers.setdefault(subject["digest"], []).append(entry)
                extra.append((b"oci-subject", subject["digest"].encode()))
            return 201, b"", extra
        digest = rest if rest.startswith("sha256:") else self.tags.get(repo, {}).get(rest, "")
        if method == "DELETE":
            self.manifests.pop(digest, None)
            return 202, b"", []
        found = self.manifests.get(digest)
        if found is None:
            return 404, b"{}", []
        return 200, found[1], [(b"content-type", found[0]), (b"docker-content-digest", digest.encode())]


async def _answer(
    send: _Send, status: int, data: bytes, headers: list[tuple[bytes, bytes]] | None = None, length: int | None = None
) -> None:
    size = str(len(data) if length is None else length).encode()
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-length", size), *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": data})


async def _serve() -> None:
    config = uvicorn.Config(
        MemoryRegistry(), host="127.0.0.1", port=0, log_level="error", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    reader = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # the bench holds the other end
    await reader
    server.should_exit = True
    await task


if __name__ == "__main__":
    asyncio.run(_serve())
