"""RT-45: a body that is empty, cut short, too large, compressed or in pieces is not a body without images."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from support.answering import GOOD, IMAGE, Running, running, settings_in

RECORDED = (Path(__file__).parents[1] / "vectors" / "admission" / "pod-create.json").read_bytes()
FINE = json.dumps(
    {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "u1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": "shop",
            "operation": "CREATE",
            "object": {"spec": {"containers": [{"image": f"{IMAGE}@{GOOD}"}]}},
        },
    },
    separators=(",", ":"),
).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(settings_in(tmp_path_factory.mktemp("rt45"))) as one:
        yield one


def test_the_whole_body_admits(server: Running) -> None:
    assert server.ask("POST", "/k8s/validate", FINE).json["response"] == {
        "uid": "u1",
        "allowed": True,
        "auditAnnotations": {
            "generation": "1",
            "images": f"{IMAGE}@{GOOD} {GOOD} verified ok",
            "verdicts": "v_1",
        },
    }


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{}", {}, 400),
        (b"null", {}, 400),
        (FINE + FINE, {}, 400),
        (FINE + b"\0", {}, 400),
        (b"\xef\xbb\xbf" + FINE, {}, 400),
        (FINE.decode().encode("utf-16"), {}, 400),
        (gzip.compress(FINE), {"content_encoding": "gzip"}, 400),
        (gzip.compress(FINE), {}, 400),
        (zlib.compress(FINE), {"content_encoding": "deflate"}, 400),
        (FINE, {"content_encoding": "br"}, 400),
        (FINE + b" " * (3 * 1024 * 1024), {}, 413),
    ],
)
def test_every_other_body_is_refused(server: Running, body: bytes, headers: dict[str, str], status: int) -> None:
    reply = server.ask("POST", "/k8s/validate", body, **headers)
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert b"allowed" not in reply.body


def test_no_cut_of_the_body_admits(server: Running) -> None:
    for end in range(0, len(FINE), 7):
        assert b'"allowed":true' not in server.ask("POST", "/k8s/validate", FINE[:end]).body


def chunked(server: Running, chunks: list[bytes], end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"POST /k8s/validate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    return server.raw(head + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + end)


def test_a_chunked_body_is_read_whole(server: Running) -> None:
    pieces = [FINE[n : n + 50] for n in range(0, len(FINE), 50)]
    assert b'"allowed":true' in chunked(server, pieces)


def test_a_chunked_body_that_ends_early_admits_nothing(server: Running) -> None:
    assert b'"allowed":true' not in chunked(server, [FINE], end=b"")
    assert b'"allowed":true' not in chunked(server, [FINE[:-5]])


def test_an_endless_chunked_body_is_cut_off(server: Running) -> None:
    reply = chunked(server, [b" " * 65_536] * 60)
    assert reply.startswith(b"HTTP/1.1 413") or reply == b""


def test_a_body_shorter_than_it_says_admits_nothing(server: Running) -> None:
    head = b"POST /k8s/validate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (len(FINE) + 1)
    assert b'"allowed":true' not in server.raw(head + FINE)


def test_two_lengths_or_a_length_beside_chunks_are_refused(server: Running) -> None:
    lines = (
        b"Content-Length: %d\r\nContent-Length: 5\r\n" % len(FINE),
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
    )
    for line in lines:
        reply = server.raw(b"POST /k8s/validate HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n" + FINE)
        assert b'"allowed":true' not in reply
        assert reply.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413")) or reply == b""
