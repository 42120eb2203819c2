"""A load generator for loopback: keep-alive TLS connections that each send, wait for the reply, and send again.

Run as a process of its own: `python -m preverify.bench.load PLAN`, where PLAN is a JSON file of `Plan`; prints a
`Measured` as JSON. It counts bytes instead of parsing: all replies of one plan have one length, learned from the first.
"""

import asyncio
import json
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import uvloop

from preverify.bench.figures import quantile

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send.

    Attributes:
        port: On 127.0.0.1, TLS.
        requests: Whole requests, sent in turn.
        connections: How many at once.
        seconds: How long.
        per_second: Requests a second over all connections; 0 for as many as the server takes.
        expect: How every reply begins.
    """

    port: int
    requests: tuple[str, ...]
    connections: int
    seconds: float
    per_second: float = 0
    expect: str = "HTTP/1.1 200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of it. `wrong` counts replies that were not expected, `total` all of them, the warming up included."""

    rate: float
    p50_ms: float
    p99_ms: float
    wrong: int
    count: int
    total: int


class _Connection(asyncio.Protocol):
    def __init__(
        self, plan: Plan, requests: list[bytes], first: int, latencies: list[float], done: asyncio.Event
    ) -> None:
        self._requests, self._next, self._latencies, self._done = requests, first, latencies, done
        self._interval = plan.connections / plan.per_second if plan.per_second else 0.0
        self._expect = plan.expect.encode()
        self._length = self._received = self.wrong = 0
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one by shape, not by class
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """A server that hangs up before the end spoils the measurement."""
        if not self._done.is_set():
            self.wrong += 1

    def data_received(self, data: bytes) -> None:
        """Count; at the end of a reply, time it and go on."""
        if self._received == 0 and not data.startswith(self._expect):
            self.wrong += 1
        self._received += len(data)
        if not self._length:
            self._learn(data)
        if not self._length or self._received < self._length:
            return
        self._received = 0
        self._latencies.append(time.perf_counter() - self._sent)
        if self._done.is_set():
            self._transport.close()
        elif self._interval:
            asyncio.get_running_loop().call_later(self._interval, self._send)
        else:
            self._send()

    def _learn(self, data: bytes) -> None:
        self._buffer += data
        head, end, _ = self._buffer.partition(_HEAD_END)
        if end:
            length = head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0]
            self._length = len(head) + len(end) + int(length or b"0")

    def _send(self) -> None:
        request = self._requests[self._next % len(self._requests)]
        self._next += 1
        self._sent = time.perf_counter()
        self._transport.write(request)


async def measure(plan: Plan) -> Measured:
    """Carry out a plan."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # loopback, a certificate of this minute
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    requests = [request.encode() for request in plan.requests]
    latencies: list[float] = []
    share = max(1, len(requests) // plan.connections)
    connections = [_Connection(plan, requests, n * share, latencies, done) for n in range(plan.connections)]
    start = time.perf_counter()
    for connection in connections:
        await loop.create_connection(lambda one=connection: one, "127.0.0.1", plan.port, ssl=context)  # type: ignore[misc]
    warm = min(0.5, plan.seconds / 4)
    await asyncio.sleep(warm)
    warmed = len(latencies)
    latencies.clear()
    start = time.perf_counter()
    await asyncio.sleep(plan.seconds)
    taken, elapsed = list(latencies), time.perf_counter() - start
    done.set()
    await asyncio.sleep(0.05)
    return Measured(
        rate=len(taken) / elapsed,
        p50_ms=quantile(taken, 0.5) * 1000 if taken else 0.0,
        p99_ms=quantile(taken, 0.99) * 1000 if taken else 0.0,
        wrong=sum(connection.wrong for connection in connections),
        count=len(taken),
        total=warmed + len(latencies),
    )


def main() -> None:
    """Read the plan, measure, print."""
    raw = json.loads(Path(sys.argv[1]).read_text())
    plan = Plan(**(raw | {"requests": tuple(raw["requests"])}))
    print(json.dumps(asdict(uvloop.run(measure(plan)))))


if __name__ == "__main__":
    main()
