"""The signing process and its client over real packet sockets, a real database and, for restarts, real processes."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from preverify.attest.ours import is_ours
from preverify.model.errors import BadConfiguration, BadInput, Unavailable
from preverify.ports import SignedStatement
from preverify.settings import Signing
from preverify.signing import SigningClient, SigningProcess
from preverify.signing.wire import Later, Refusal, Request, pack_reply, read_reply, read_request
from support.signing import Desk, open_desk

SIGNED = SignedStatement(envelope=b"{}", key_id="key:x", valid_until=datetime(2026, 1, 9, tzinfo=UTC))
ID = "0" * 32


class Notes:
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def event(self, name: str, **fields: object) -> None:
        self.events.append((name, fields))

    def count(self, metric: str, value: float = 1, **labels: str) -> None: ...

    def time(self, metric: str, **labels: str) -> AbstractContextManager[None]:
        return nullcontext()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = open_desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.store.close()


@pytest.fixture
def running(desk: Desk) -> Iterator[Callable[..., tuple[list[socket.socket], Notes]]]:
    """Return a function that serves some socket pairs in a thread; gives the workers' ends."""
    with contextlib.ExitStack() as stack:

        def start(workers: int = 1, **more: float) -> tuple[list[socket.socket], Notes]:
            pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(workers)]
            notes = Notes()
            process = SigningProcess.open(
                Signing(keyFile=desk.database.parent / "signing.pem", verifierId="urn:test"),
                [theirs.detach() for _, theirs in pairs],
                desk.store,
                observer=notes,
                clock=desk.clock,
                hardened=False,
                **more,
            )
            stop = threading.Event()
            thread = threading.Thread(target=process.run, args=(stop.is_set,))
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(stop.set)
            for ours, _ in pairs:
                stack.callback(ours.close)
            return [ours for ours, _ in pairs], notes

        yield start


class client_of:  # noqa: N801 - reads like the function it stands for
    """A client for one call, on a descriptor of its own, as a worker started anew has it."""

    def __init__(self, ours: socket.socket, seconds: float = 10) -> None:
        self.ours, self.seconds = ours, seconds

    def sign(self, statement: str) -> SignedStatement:
        client = SigningClient(os.dup(self.ours.fileno()), timeout=timedelta(seconds=self.seconds))
        try:
            return client.sign(statement)
        finally:
            client.close()


def test_a_worker_gets_a_signature_and_it_is_logged_first(desk: Desk, running) -> None:
    (ours,), notes = running()
    signed = client_of(ours).sign(desk.statement)
    assert is_ours(signed.envelope, [desk.key.public])
    assert notes.names == ["signing.signed"]
    assert notes.events[0][1]["statement"] == desk.statement


def test_refusals_reach_the_worker(desk: Desk, running) -> None:
    (ours,), notes = running()
    with pytest.raises(BadInput, match="there is no statement s_none"):
        client_of(ours).sign("s_none")
    assert notes.names == ["signing.refused"]


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0",
        b"rubbish",
        b"[]",
        b'{"id":"x","statement":"s"}',
        b'{"id":"' + ID.encode() + b'","statement":"s","payload":"e30="}',
        b'{"id":"' + ID.encode() + b'","statement":["s"]}',
        b'{"id":1,"statement":"s"}',
        b'{"id":"' + ID.encode() + b'","statement":"../s"}',
        b'{"id":"' + ID.encode() + b'","statement":"' + b"s" * 129 + b'"}',
        b"[" * 1000,
        secrets.token_bytes(4000),
    ],
)
def test_rubbish_is_passed_over(desk: Desk, running, packet: bytes) -> None:
    """A worker gone mad neither ends the process nor gets an answer, and is served again afterwards."""
    (ours,), notes = running()
    ours.send(packet)
    assert is_ours(client_of(ours).sign(desk.statement).envelope, [desk.key.public])
    assert [n for n in notes.names if n != "signing.malformed"] == ["signing.signed"]


def test_replies_to_somebody_else_are_passed_over(desk: Desk, running) -> None:
    """A worker that was killed leaves answers in the socket; the next one must not take them for its own."""
    (ours,), _ = running()
    for _ in range(3):
        ours.send(Request(secrets.token_hex(16), "s_none").pack())
    assert is_ours(client_of(ours).sign(desk.statement).envelope, [desk.key.public])


def test_a_worker_that_never_reads_holds_up_nobody(desk: Desk, running) -> None:
    (mad, good), _ = running(2)
    mad.settimeout(0)
    sent = 0
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and sent < 600:
        try:
            mad.send(Request(secrets.token_hex(16), "s_none").pack())
            sent += 1
        except BlockingIOError:
            time.sleep(0.005)
    assert is_ours(client_of(good).sign(desk.statement).envelope, [desk.key.public])


def test_the_rate_is_bounded(desk: Desk, running) -> None:
    """A flood of signatures is somebody's attempt at something."""
    (ours,), _ = running(per_second=0.001, burst=2)
    client = client_of(ours)
    client.sign(desk.statement)
    client.sign(desk.statement)
    with pytest.raises(Unavailable, match="more to sign than") as caught:
        client.sign(desk.statement)
    assert caught.value.retry_after == timedelta(seconds=1)
    desk.clock.forward(2000)
    client.sign(desk.statement)
    desk.clock.forward(-2000)


def test_a_database_that_is_away_is_no_refusal(desk: Desk, running, monkeypatch: pytest.MonkeyPatch) -> None:
    (ours,), notes = running()
    client = client_of(ours)
    desk.store.engine.dispose()
    desk.sql("ALTER TABLE statement RENAME TO away")
    try:
        with pytest.raises(Unavailable):
            client.sign(desk.statement)
    finally:
        desk.sql("ALTER TABLE away RENAME TO statement")
    assert notes.names == ["signing.unavailable"]
    client.sign(desk.statement)


def test_nobody_answers() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client = SigningClient(ours.detach(), timeout=timedelta(seconds=0.2))
    with pytest.raises(Unavailable, match="did not answer within"):
        client.sign("s_1")
    theirs.close()
    with pytest.raises(Unavailable):
        client.sign("s_1")
    client.close()


def test_the_other_end_hangs_up() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client = SigningClient(ours.detach(), timeout=timedelta(seconds=5))
    threading.Timer(0.1, theirs.close).start()
    with pytest.raises(Unavailable, match=r"hung up|signing process"):
        client.sign("s_1")
    client.close()


def test_the_process_ends_when_nobody_is_left(desk: Desk) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = SigningProcess.open(
        Signing(keyFile=desk.database.parent / "signing.pem"),
        [theirs.detach()],
        desk.store,
        observer=Notes(),
        hardened=False,
    )
    ours.close()
    process.run(lambda: False)


def test_without_a_key_nothing_starts(desk: Desk) -> None:
    with pytest.raises(BadInput, match=r"signing\.keyFile"):
        SigningProcess.open(Signing(), [], desk.store, observer=Notes(), hardened=False)
    with pytest.raises(BadConfiguration):
        SigningProcess.open(Signing(keyFile="/nonexistent.pem"), [], desk.store, observer=Notes(), hardened=False)


SERVE = """
import sys
from pathlib import Path
from preverify.settings import Signing
from preverify.signing import SigningProcess
from support.clock import Stopped
from support.statements import VERIFIER
from preverify.store import open_store
class Quiet:
    def event(self, name, **fields): pass
    def count(self, metric, value=1, **labels): pass
    def time(self, metric, **labels):
        import contextlib; return contextlib.nullcontext()
directory, fd = Path(sys.argv[1]), int(sys.argv[2])
clock = Stopped()
store = open_store(f"sqlite:///{directory}/preverify.db", directory, clock, read_only=True)
SigningProcess.open(Signing(keyFile=directory / "signing.pem", verifierId=VERIFIER), [fd], store,
    observer=Quiet(), state=directory / "state", clock=clock).run(lambda: False)
"""


def test_kill_and_restart_of_either_end(tmp_path: Path) -> None:
    """The pair outlives both; a killed signing process costs a request, never the order of answers, never other bytes.

    The database connection is read-only: the process that holds the key changes nothing but its journal.
    """
    desk = open_desk(tmp_path)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def start() -> subprocess.Popen[bytes]:
        arguments = [sys.executable, "-c", SERVE, str(tmp_path), str(theirs.fileno())]
        return subprocess.Popen(arguments, pass_fds=[theirs.fileno()], env=environment)

    first = start()
    try:
        before = client_of(ours, 30).sign(desk.statement)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        with pytest.raises(Unavailable):
            client_of(ours, 0.2).sign(desk.statement)  # stays in the socket; its answer comes to nobody
    finally:
        first.kill()
        first.wait(10)
    second = start()
    try:
        assert client_of(ours, 30).sign(desk.statement) == before
    finally:
        second.kill()
        second.wait(10)
        ours.close()
        theirs.close()
        desk.store.close()


@pytest.mark.parametrize("reply", [SIGNED, Refusal("no"), Later("later", timedelta(seconds=1.5))])
def test_replies_are_read_as_written_and_only_by_who_asked(reply) -> None:
    packet = pack_reply(ID, reply)
    assert read_reply(packet, ID) == reply
    assert read_reply(packet, "1" * 32) is None


@pytest.mark.parametrize(
    "packet",
    [b"", b"[]", b'{"id":"%s"}' % ID.encode(), b'{"id":"%s","later":"x","seconds":"y"}' % ID.encode()],
)
def test_half_replies_are_none(packet: bytes) -> None:
    assert read_reply(packet, ID) is None


def test_requests_are_read_as_written() -> None:
    request = Request(ID, "s_01J")
    assert read_request(request.pack()) == request
