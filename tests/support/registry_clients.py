"""Our client and adapters against a registry on loopback, with limits that fit into a test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.evidence import Gathered, Image
from preverify.model.keys import TrustedKey
from preverify.model.reference import Repository, Subject
from preverify.registry.client import Client, Limits
from preverify.registry.engine import Timeouts
from preverify.registry.gather import GatherLimits
from preverify.registry.remote import RemoteRegistry
from preverify.settings import Source

QUICK = Timeouts(connect=timedelta(seconds=2), idle=timedelta(seconds=2), total=timedelta(seconds=5))


def source(host: str, **more: object) -> Source:
    """Return the configuration of a plain registry on loopback, without a noticeable budget."""
    settings: dict[str, object] = {
        "registry": host,
        "network": "private",
        "tls": {"plainHttp": True},
        "budget": {"requestsPerSecond": 1_000_000.0, "concurrent": 16},
    }
    return Source.model_validate(settings | more)


def client(host: str, *, limits: Limits | None = None, **more: object) -> Client:
    return Client("test", source(host, **more), clock=SystemClock(), limits=limits or Limits(timeouts=QUICK))


def remote(
    host: str,
    *,
    own_keys: tuple[TrustedKey, ...] = (),
    gather_limits: GatherLimits | None = None,
    limits: Limits | None = None,
    **more: object,
) -> RemoteRegistry:
    settings = source(host, **more)
    made = Client("test", settings, clock=SystemClock(), limits=limits or Limits(timeouts=QUICK))
    return RemoteRegistry(settings, made, clock=SystemClock(), own_keys=own_keys, limits=gather_limits)


def image(registry: RemoteRegistry, path: str, digest: str) -> Image:
    return registry.fetch(Subject(Repository(registry.client.host, path), Digest.parse(digest)))


def gather(registry: RemoteRegistry, path: str, digest: str) -> Gathered:
    return registry.gather(image(registry, path, digest))


@contextmanager
def eavesdropper() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Run a host that is not the registry; yields `127.0.0.1:port` and the headers of whatever reaches it."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            heard.append({":target": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            data = b'{"token": "from elsewhere"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815  # the names that the base class calls

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()
