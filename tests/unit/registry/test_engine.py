"""The engine sends exactly one request, keeps connections, and carries nothing over from one request to the next."""

import socket
import threading
from datetime import timedelta

import pytest

from preverify.model.errors import MalformedEvidence, Unavailable
from preverify.model.reasons import Reason
from preverify.registry.addresses import Reach
from preverify.registry.engine import Engine, Response, Timeouts
from support.hostile import Hostile, status, with_reply


def _ask(engine: Engine, url: str, method: str = "GET", headers: tuple[str, ...] = (), **more: object) -> Response:
    options: dict[str, object] = {"max_bytes": 1 << 20, "reach": Reach.PRIVATE} | more
    return engine.request(method, url, headers, **options)


def test_headers_of_one_request_never_reach_the_next(hostile: Hostile) -> None:
    engine = Engine()
    _ask(engine, f"{hostile.url}/v2/", headers=("Authorization: Basic secret", "Accept: x/y"))
    _ask(engine, f"{hostile.url}/v2/")
    _ask(engine, f"{hostile.url}/v2/", "HEAD")
    _ask(engine, f"{hostile.url}/v2/", "DELETE")
    _ask(engine, f"{hostile.url}/v2/", "PUT", body=b"data")
    assert [s.headers.get("authorization") for s in hostile.seen] == ["Basic secret", None, None, None, None]


def test_methods_and_bodies_do_not_stick(hostile: Hostile) -> None:
    engine = Engine()
    for method in ("GET", "PUT", "GET", "HEAD", "GET", "DELETE", "POST", "GET", "PATCH", "HEAD", "GET"):
        _ask(engine, f"{hostile.url}/v2/", method, body=b"data" if method in ("PUT", "POST", "PATCH") else None)
    sent = [(s.method, s.body) for s in hostile.seen]
    assert [method for method, _ in sent][:5] == ["GET", "PUT", "GET", "HEAD", "GET"]
    assert all(body == (b"data" if method in ("PUT", "POST", "PATCH") else b"") for method, body in sent)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_bodies_are_bytes_of_any_kind(hostile: Hostile, method: str) -> None:
    engine = Engine()
    for body in (b"\0a\0", b"", bytes(range(256)) * 500):
        _ask(engine, f"{hostile.url}/v2/", method, body=body)
        assert hostile.seen[-1].body == body


def test_method_after_a_failed_one_is_its_own(hostile: Hostile) -> None:
    engine = Engine(timeouts=Timeouts(total=timedelta(milliseconds=200)))
    hostile.fault("PUT", "", with_reply(stall=5.0))
    with pytest.raises(Unavailable):
        _ask(engine, f"{hostile.url}/v2/", "PUT", body=b"data")
    assert _ask(engine, f"{hostile.url}/v2/").status_code == 200
    assert hostile.seen[-1].method == "GET"
    assert hostile.seen[-1].body == b""


def test_connections_are_kept() -> None:
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            accepted.append(1)
            with connection:
                for _ in range(3):
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        thread = threading.Thread(target=serve)
        thread.start()
        engine = Engine()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert [_ask(engine, url).content for _ in range(3)] == [b"ok"] * 3
        thread.join(5)
    assert accepted == [1]


def test_threads_have_handles_of_their_own(hostile: Hostile) -> None:
    engine = Engine()
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.extend(_ask(engine, f"{hostile.url}/v2/").status_code for _ in range(20))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [200] * 80


def test_redirects_are_answers(hostile: Hostile) -> None:
    hostile.fault("GET", "", status(302, {"Location": "/elsewhere"}))
    assert _ask(Engine(), f"{hostile.url}/v2/").status_code == 302
    assert len(hostile.seen) == 1


def test_cookies_are_not_kept(hostile: Hostile) -> None:
    hostile.fault("GET", "", status(200, {"Set-Cookie": "session=1; Path=/"}))
    engine = Engine()
    _ask(engine, f"{hostile.url}/v2/")
    _ask(engine, f"{hostile.url}/v2/")
    assert [s.headers.get("cookie") for s in hostile.seen] == [None, None]


def test_body_at_the_cap_is_read_and_one_more_is_not(hostile: Hostile) -> None:
    hostile.fault("GET", "", with_reply(body=b"x" * 1000))
    engine = Engine()
    assert len(_ask(engine, f"{hostile.url}/v2/", max_bytes=1000).content) == 1000
    with pytest.raises(MalformedEvidence) as caught:
        _ask(engine, f"{hostile.url}/v2/", max_bytes=999)
    assert caught.value.reason is Reason.TOO_LARGE
    assert _ask(engine, f"{hostile.url}/v2/", max_bytes=1000).status_code == 200


def test_cut_bodies_are_unavailable(hostile: Hostile) -> None:
    hostile.fault("GET", "", with_reply(body=b"x" * 1000, cut=10))
    with pytest.raises(Unavailable):
        _ask(Engine(), f"{hostile.url}/v2/")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 400_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"HTTP/0.9 what\r\n\r\n",
    ],
)
def test_answers_that_are_no_http_are_unavailable(hostile: Hostile, raw: bytes) -> None:
    hostile.fault("GET", "", with_reply(raw=raw))
    with pytest.raises(Unavailable):
        _ask(Engine(), f"{hostile.url}/v2/")


def test_interim_answers_and_repeated_headers(hostile: Hostile) -> None:
    raw = b"HTTP/1.1 103 Early Hints\r\nX-Old: 1\r\n\r\nHTTP/1.0 200 OK\r\nLink: <a>\r\nlink: <b>\r\n\r\nbody"
    hostile.fault("GET", "", with_reply(raw=raw))
    answer = _ask(Engine(), f"{hostile.url}/v2/")
    assert answer.content == b"body"
    assert dict(answer.headers) == {"link": "<a>, <b>"}
    assert (answer.text, answer.reason, answer.ok) == ("body", "200", True)


def test_drip_that_never_ends_costs_the_total_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        engine = Engine(timeouts=Timeouts(total=timedelta(milliseconds=600)))
        with pytest.raises(Unavailable, match="in time"):
            _ask(engine, f"http://127.0.0.1:{server.getsockname()[1]}/")
        stop.set()
        thread.join(5)


def test_nothing_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable, match="failed"):
        _ask(Engine(), f"http://127.0.0.1:{port}/")


def test_messages_leave_the_query_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable) as caught:
        _ask(Engine(), f"http://127.0.0.1:{port}/x?token=secret")
    assert "secret" not in str(caught.value)
