"""The listener: TLS, tokens, limits of a connection."""

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from preverify.clock import SystemClock
from preverify.model.errors import BadConfiguration
from preverify.serve import run as run_module
from preverify.serve.run import is_loopback, run_answers
from preverify.serve.tls import Tls
from preverify.serve.tokens import Tokens
from preverify.settings import ListenTls
from support.answering import GOOD, IMAGE, TOKEN, Accepted, Running, Seen, Table, running, settings_in
from support.tls import authority


def made(directory: Path) -> dict[str, str]:
    directory.mkdir(exist_ok=True)
    authority(directory)
    return {"certFile": str(directory / "server.pem"), "keyFile": str(directory / "server.key")}


def trusting(directory: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(directory / "ca.pem"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x", False)],
)
def test_loopback_is_only_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_socket_that_others_can_reach_is_not_served_without_tls(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener, pytest.raises(BadConfiguration, match="bound to 0"):
        run_answers(
            settings_in(tmp_path),
            listener,
            answers=Table(tmp_path).answerer(settings_in(tmp_path)),
            work=Accepted(),
            history=None,
            clock=SystemClock(),
            observer=Seen(),
        )


def test_tls_below_1_3_is_refused(tmp_path: Path) -> None:
    with running(settings_in(tmp_path, tls=made(tmp_path / "tls"))) as server:
        context = trusting(tmp_path / "tls")
        server.context = context
        assert server.ask("GET", f"/v1/lookup/{GOOD}?image={IMAGE}").status == 200
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            server.ask("GET", "/livez")


def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_RELOAD_SECONDS", 0.1)
    with running(settings_in(tmp_path, tls=made(tmp_path / "tls"))) as server:
        server.context = trusting(tmp_path / "tls")
        assert server.ask("GET", "/livez").status == 200
        (tmp_path / "tls" / "server.key").write_text("torn")
        time.sleep(0.4)
        assert server.ask("GET", "/livez").status == 200  # the good pair stays
        assert server.seen.named("listen.not-reloaded")
        made(tmp_path / "tls")
        time.sleep(0.5)
        server.context = trusting(tmp_path / "tls")
        assert server.ask("GET", "/livez").status == 200


@pytest.mark.parametrize("change", ["certFile", "keyFile", "clientCaFile"])
def test_files_that_cannot_be_used_refuse_the_start(tmp_path: Path, change: str) -> None:
    with pytest.raises(BadConfiguration, match="cannot be used"):
        Tls(ListenTls.model_validate(made(tmp_path) | {change: str(tmp_path / "missing")}))


def test_a_client_certificate_stands_for_a_token_away_from_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "is_loopback", lambda host: False)
    theirs = made(tmp_path / "client")
    tls = made(tmp_path / "tls") | {"clientCaFile": str(tmp_path / "client" / "ca.pem")}
    path = f"/v1/lookup/{GOOD}?image={IMAGE}"
    with running(settings_in(tmp_path, tls=tls)) as server:
        server.context = trusting(tmp_path / "tls")
        assert server.ask("GET", path).status == 401
        assert server.ask("GET", path, authorization=f"Bearer {TOKEN}").status == 200
        server.context.load_cert_chain(theirs["certFile"], theirs["keyFile"])
        assert server.ask("GET", path).status == 200
        assert server.ask("GET", f"/v1/verdicts?digest={GOOD}").status == 401
        stranger = made(tmp_path / "stranger")
        server.context = trusting(tmp_path / "tls")
        server.context.load_cert_chain(stranger["certFile"], stranger["keyFile"])
        with pytest.raises((ssl.SSLError, ConnectionError)):
            server.ask("GET", path)


def test_tokens_are_read_again_when_their_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# comment\n\nfirst-token-0000000\n")
    tokens = Tokens(file)
    assert tokens.accept("Bearer first-token-0000000")
    assert tokens.accept("bearer first-token-0000000")
    assert not tokens.refresh()
    file.write_text("second-token-000000\nthird-token-0000000\n")
    assert tokens.refresh()
    assert not tokens.accept("Bearer first-token-0000000")
    assert tokens.accept("Bearer third-token-0000000")
    file.write_text("bad token\n")
    with pytest.raises(BadConfiguration, match="16 to 512"):
        tokens.refresh()
    assert tokens.accept("Bearer third-token-0000000")


@pytest.mark.parametrize("text", ["short", "has space in it and is long", "x" * 513, "\n".join(["y" * 16] * 1001)])
def test_what_is_no_token_refuses_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(BadConfiguration):
        Tokens(tmp_path / "tokens")


def test_a_missing_tokens_file_refuses_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="cannot be read"):
        Tokens(tmp_path / "none")


def test_without_a_file_nothing_is_a_token() -> None:
    tokens = Tokens(None)
    assert not tokens.refresh()
    assert not tokens.accept("Bearer ")


def test_heads_that_are_too_long_are_refused(server: Running) -> None:
    one = server.raw(b"GET /livez HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 200_000 + b"\r\n\r\n")
    many = server.raw(b"GET /livez HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 101 + b"\r\n")
    target = server.raw(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    for reply in (one, many, target):
        assert reply[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 431"}
    assert server.ask("GET", "/livez").status == 200


def test_connections_that_send_nothing_or_too_slowly_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from preverify.serve import http, protocol

    monkeypatch.setattr(protocol, "_HEAD_SECONDS", 0.3)
    monkeypatch.setattr(http, "_BODY_SECONDS", 0.3)
    with running(settings_in(tmp_path)) as server:
        for start in (b"", b"GET /livez HT"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as slow:
                slow.sendall(start)
                assert slow.recv(100) == b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as slow:
            slow.sendall(b"POST /k8s/validate HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_pipelined_requests_are_answered_in_order(server: Running) -> None:
    one = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
    last = f"GET /v1/lookup/{GOOD}?image={IMAGE} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(one * 5 + last)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    assert received.count(b"HTTP/1.1 200") == 6
    assert received.rindex(b"ok\n") < received.index(b'"verified"')


def test_methods_and_sockets_of_another_kind_are_refused(server: Running) -> None:
    wrong = server.ask("DELETE", f"/v1/lookup/{GOOD}")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")
    upgrade: dict[str, Any] = {"connection": "upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
    assert server.ask("GET", "/livez", **upgrade).status in {200, 400}


def test_uvicorn_is_told_nothing_more_after_a_caller_hangs_up(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"POST /k8s/validate HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
    assert server.ask("GET", "/livez").status == 200
    assert server.seen.counted("internal_errors_total") == 0
