"""The short way answers what the ordinary way would, and takes nothing that is not plainly one whole request."""

import re
import socket
import ssl
import time
from pathlib import Path

import pytest

from preverify.serve import protocol
from support.answering import BAD, GOOD, IMAGE, NEW, TOKEN, Running, running, settings_in

GET = f"GET /v1/lookup/{GOOD}?image={IMAGE} HTTP/1.1\r\nhost: a\r\n\r\n".encode()
DENIED = f"GET /v1/lookup/{BAD}?image={IMAGE} HTTP/1.1\r\nhost: a\r\n\r\n".encode()
LIVE = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def _review(image: str, padding: str = "") -> bytes:
    body = (
        '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","kind":{"group":"",'
        '"version":"v1","kind":"Pod"},"operation":"CREATE","namespace":"shop","object":{"metadata":{"name":"'
        f'{padding}"}},"spec":{{"containers":[{{"image":"{image}"}}]}}}}}}}}'
    )
    return f"POST /k8s/validate HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def _connected(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=15)


def _read(connection: socket.socket, replies: int) -> bytes:
    received = b""
    while len(_STATUS.findall(received)) < replies or not _whole(received):
        chunk = connection.recv(65_536)
        if not chunk:
            break
        received += chunk
    return received


def _whole(received: bytes) -> bool:
    rest = received
    while rest:
        head, end, rest = rest.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        if not end or len(rest) < length:
            return False
        rest = rest[length:]
    return True


def _plain(reply: bytes) -> bytes:
    """Leave out what differs between any two replies."""
    head, _, body = reply.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"date:", b"connection:"))]
    return b"\n".join([lines[0], *sorted(lines[1:]), body])


@pytest.mark.parametrize("request_bytes", [GET, DENIED, _review(f"{IMAGE}@{GOOD}"), _review(f"{IMAGE}@{BAD}")])
def test_both_ways_give_the_same_reply(server: Running, request_bytes: bytes) -> None:
    with _connected(server) as connection:
        replies = []
        for _ in range(3):
            connection.sendall(request_bytes)
            replies.append(_plain(_read(connection, 1)))
    closing = request_bytes.replace(b"host: a\r\n", b"host: a\r\nconnection: close\r\n", 1)  # goes the ordinary way
    ordinary = _plain(server.raw(closing))
    assert replies == [ordinary] * 3
    assert server.seen.counted("http_requests_total") == 4
    assert server.seen.counted("answer_seconds") == 4
    assert server.seen.counted("answers_total") == 4


def test_remembered_bytes_are_answered_anew(server: Running) -> None:
    with _connected(server) as connection:
        for expected in (b"200", b"200"):
            connection.sendall(GET)
            assert _STATUS.findall(_read(connection, 1)) == [expected]
        server.table.put(GOOD, "failed", ("signed", "wrong-key", "x"))
        connection.sendall(GET)
        assert _STATUS.findall(_read(connection, 1)) == [b"403"]
        server.table.activate()
        connection.sendall(GET)
        assert _STATUS.findall(_read(connection, 1)) == [b"404"], "under the new generation nothing is known yet"
        server.table.take_away()
        connection.sendall(GET)
        assert _STATUS.findall(_read(connection, 1)) == [b"503"]


@pytest.mark.parametrize("times", [2, 40])
def test_pipelined_requests_are_all_answered_in_order_each_time(server: Running, times: int) -> None:
    with _connected(server) as connection:
        for _ in range(3):
            connection.sendall((GET + DENIED) * times)
            assert _STATUS.findall(_read(connection, 2 * times)) == [b"200", b"403"] * times
        connection.sendall(GET + LIVE + DENIED + LIVE + GET)
        assert _STATUS.findall(_read(connection, 5)) == [b"200", b"200", b"403", b"200", b"200"]


def test_a_request_in_the_body_of_another_is_no_request(server: Running) -> None:
    with _connected(server) as connection:
        connection.sendall(GET)
        assert _STATUS.findall(_read(connection, 1)) == [b"200"]
        head = (
            f"POST /auth HTTP/1.1\r\nhost: a\r\nx-preverify-image: {IMAGE}@{BAD}\r\ncontent-length: {len(GET)}\r\n\r\n"
        )
        connection.sendall(head.encode())
        time.sleep(0.2)
        connection.sendall(GET)
        connection.sendall(DENIED)
        assert _STATUS.findall(_read(connection, 2)) == [b"403", b"403"]
        refused = f"POST /v1/verdicts HTTP/1.1\r\nhost: a\r\ncontent-length: {2 * len(GET)}\r\n\r\n"  # before its body
        connection.sendall(refused.encode())
        assert _STATUS.findall(_read(connection, 1)) == [b"405"]
        connection.sendall(GET)
        connection.sendall(GET + DENIED)
        assert _STATUS.findall(_read(connection, 1)) == [b"403"]


@pytest.mark.parametrize("request_bytes", [GET, _review(f"{IMAGE}@{GOOD}", "x" * 3_000)])
def test_requests_in_pieces_are_answered(server: Running, request_bytes: bytes) -> None:
    with _connected(server) as connection:
        for cut in (1, 20, len(request_bytes) // 2, len(request_bytes) - 1):
            connection.sendall(request_bytes[:cut])
            time.sleep(0.05)
            connection.sendall(request_bytes[cut:])
            assert _STATUS.findall(_read(connection, 1)) == [b"200"]


def test_what_follows_a_request_is_never_swallowed(server: Running) -> None:
    for _ in range(2):
        reply = server.raw(GET + b"\x00garbage")
        assert _STATUS.findall(reply) == [b"200", b"400"]
    with _connected(server) as connection:
        for _ in range(2):
            connection.sendall(GET + DENIED[:30])
            assert _STATUS.findall(_read(connection, 1)) == [b"200"]
            connection.sendall(DENIED[30:])
            assert _STATUS.findall(_read(connection, 1)) == [b"403"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"host: a\r\n", b""), b"400"),
        ((b"host: a\r\n", b"host: a\r\nhost: a\r\n"), b"400"),
        ((b"/v1/lookup", b"//v1/lookup"), b"400"),
        ((b"?image=", b"?other="), b"400"),
        ((b"?image=", b"?image=x&image="), b"400"),
        ((b"host: a\r\n", b"host: a\r\ncontent-length: 3\r\n"), b"413"),
        ((b"GET", b"PUT"), b"405"),
    ],
)
def test_what_is_refused_is_refused_every_time(server: Running, change: tuple[bytes, bytes], status: bytes) -> None:
    bad = GET.replace(*change)
    assert [_STATUS.findall(server.raw(bad + (b"abc" if status == b"413" else b""))) for _ in range(3)] == [
        [status]
    ] * 3


def test_an_idle_connection_is_closed(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    made = protocol.BoundedProtocol.__init__

    def impatient(self: protocol.BoundedProtocol, *args: object, **kwargs: object) -> None:
        made(self, *args, **kwargs)
        self.timeout_keep_alive = 1

    monkeypatch.setattr(protocol.BoundedProtocol, "__init__", impatient)
    for _ in range(2):  # learned, and then remembered
        with _connected(server) as connection:
            begun = time.monotonic()
            for _ in range(4):
                connection.sendall(GET)
                assert _STATUS.findall(_read(connection, 1)) == [b"200"]
                time.sleep(0.3)
            assert connection.recv(1) == b""
            assert 1.5 < time.monotonic() - begun < 6


def test_a_caller_without_a_token_gains_nothing_from_one_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preverify.serve.run.is_loopback", lambda _: False)
    from support.tls import authority

    (tmp_path / "tls").mkdir()
    authority(tmp_path / "tls")
    tls = {"certFile": str(tmp_path / "tls/server.pem"), "keyFile": str(tmp_path / "tls/server.key")}
    with running(settings_in(tmp_path, tls=tls)) as server:
        server.context = ssl.create_default_context(cafile=str(tmp_path / "tls/ca.pem"))
        path = f"/v1/lookup/{GOOD}?image={IMAGE}"
        for _ in range(2):
            assert server.ask("GET", path).status == 401
            assert server.ask("GET", path, authorization=f"Bearer {TOKEN}").status == 200
            assert server.ask("GET", path, authorization=f"Bearer {TOKEN}x").status == 401


def test_many_images_take_turns_with_others(server: Running) -> None:
    images = ",".join(f'{{"image":"{IMAGE}@{GOOD}"}}' for _ in range(60))
    request = _review(f"{IMAGE}@{NEW}").partition(b"\r\n\r\n")[2].decode()
    body = request.replace(f'{{"image":"{IMAGE}@{NEW}"}}', images)
    reply = server.ask("POST", "/k8s/validate", body.encode())
    assert reply.json["response"]["allowed"] is True
    assert server.seen.counted("answers_total") == 60
    assert server.seen.counted("answer_seconds") == 1
