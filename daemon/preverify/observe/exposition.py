"""The metrics listener: one small server in the supervisor, on the given address and no other."""

import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import AF_INET6, socket
from socketserver import ThreadingMixIn
from typing import Protocol, Self

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

from preverify.model.errors import BadConfiguration
from preverify.observe.catalogue import MAX_SERIES, OTHER
from preverify.observe.metrics import readable

_WILDCARDS = frozenset({"", "0.0.0.0", "::", "[::]", "*"})  # noqa: S104 - refused, never bound
_MAX_CONNECTIONS = 16
_TIMEOUT_SECONDS = 10.0
_log = structlog.stdlib.get_logger("preverify")
_Labels = tuple[tuple[str, str], ...]


class Collector(Protocol):
    """What gives metric families at a scrape."""

    def collect(self) -> Iterable[Family]: ...


class Processes:
    """Counts of all processes, from the directory that they share; the total of series is bounded here again."""

    def __init__(self, directory: Path, *, max_series: int = MAX_SERIES) -> None:
        self._directory = directory
        self._max_series = max_series

    def collect(self) -> Iterator[Family]:
        """Yield the merged families. A file that cannot be read is left out, and the others still count."""
        files = [str(file) for file in sorted(self._directory.glob("*.db")) if readable(file)]
        left = self._max_series
        families: Iterable[Family] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        for family in sorted(families, key=lambda f: str(f.name)):
            left -= _fold(family, left)
            yield family


def _fold(family: Family, limit: int) -> int:
    """Fold the series of `family` beyond `limit` samples into one overflow series; return how many samples stay."""
    series: dict[_Labels, list[Sample]] = {}
    for sample in family.samples:
        series.setdefault(tuple((k, v) for k, v in sample.labels.items() if k != "le"), []).append(sample)
    kept: list[Sample] = []
    folded: dict[tuple[str, _Labels], float] = {}
    for labels, samples in sorted(series.items()):
        overflow = tuple((name, OTHER) for name, _ in labels)
        if labels != overflow and len(kept) + len(samples) <= limit:
            kept.extend(samples)
            continue
        for s in samples:
            le = tuple((k, v) for k, v in s.labels.items() if k == "le")
            folded[s.name, overflow + le] = folded.get((s.name, overflow + le), 0.0) + s.value
    family.samples = kept + [Sample(name, dict(labels), value) for (name, labels), value in folded.items()]
    return len(family.samples)


class MetricsServer:
    """Serves `/metrics` from one or more collectors in a thread of its own."""

    def __init__(self, address: str, *collectors: Collector) -> None:
        registry = CollectorRegistry(auto_describe=False)
        for collector in collectors:
            registry.register(collector)
        host, port = _host_and_port(address)
        try:
            self._server = _Server(host, port, registry)
        except OSError as error:
            raise BadConfiguration(
                f"cannot listen on {address}: {error.strerror or error}; give a free port on this machine",
                where="metrics.address",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """Return the port in use, also where the configuration said 0."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Return where the metrics are read."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def serve_metrics(address: str, *collectors: Collector) -> MetricsServer:
    """Serve `/metrics` on exactly `address` from now on; close what is returned to stop.

    Raises:
        BadConfiguration: no `host:port`, every interface at once, or the address cannot be had.
    """
    server = MetricsServer(address, *collectors)
    server.__enter__()
    return server


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise BadConfiguration(f"{address!r} is not an address, expected host:port", where="metrics.address")
    if host in _WILDCARDS:
        raise BadConfiguration(
            f"{address!r} would listen on every interface; name one address, in a pod its own IP",
            where="metrics.address",
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        if ":" in host:
            self.address_family = AF_INET6
        self.registry = registry
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        super().__init__((host, port), _Handler)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Take a connection where one is free, else hang up: a scraper tries again."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a scraper that hangs up in the middle is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIMEOUT_SECONDS
    server_version = "preverify"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._send(404, "text/plain; charset=utf-8", b"metrics are at /metrics\n")
            return
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        try:
            body = encode(self.server.registry)
        except Exception:  # noqa: BLE001 - a scraper gets 500 and the log the traceback
            _log.exception("metrics.failed")
            self._send(500, "text/plain; charset=utf-8", b"metrics could not be collected; the log says why\n")
            return
        self._send(200, content_type, body)

    def _send(self, code: int, content_type: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing: scrapes are no events."""
