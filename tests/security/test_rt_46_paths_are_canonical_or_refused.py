"""RT-46: a path that a proxy could read in another way than we do is refused; so is a malformed Host."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preverify.model.errors import BadInput
from preverify.serve.http import canonical_path
from support.answering import GOOD, IMAGE, TOKEN, Running, running, settings_in


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(settings_in(tmp_path_factory.mktemp("rt46"))) as one:
        yield one


def status(server: Running, target: str, host: str | None = "localhost", version: str = "1.1") -> int:
    line = f"host: {host}\r\n" if host is not None else ""
    reply = server.raw(f"GET {target} HTTP/{version}\r\n{line}connection: close\r\n\r\n".encode("latin-1"))
    return int(reply[9:12])


@pytest.mark.parametrize(
    "target",
    [
        f"//v1/lookup/{GOOD}",
        f"/v1//lookup/{GOOD}",
        f"/v1/lookup//{GOOD}",
        f"/v1/lookup/{GOOD}/",
        f"/v1/./lookup/{GOOD}",
        f"/v1/x/../lookup/{GOOD}",
        f"/v1/lookup/{GOOD}/..",
        f"/v1%2flookup/{GOOD}",
        f"/v1%2Flookup%2F{GOOD}",
        f"/%76%31/lookup/{GOOD}",
        f"/v1/lookup/{GOOD}%00",
        f"/v1/lookup/{GOOD};x=1",
        f"/v1\\lookup\\{GOOD}",
        f"/v1/lookup/{GOOD}%20",
        "/livez/.",
        "/",
        "/..",
        "/%2e%2e/livez",
        "/livez%3f",
    ],
)
def test_no_other_spelling_of_a_path_is_answered(server: Running, target: str) -> None:
    assert status(server, f"{target}?image={IMAGE}") == 400


def test_the_canonical_spelling_is_answered(server: Running) -> None:
    assert status(server, f"/v1/lookup/{GOOD}?image={IMAGE}") == 200
    assert status(server, f"/v1/lookup/{GOOD.replace(':', '%3a')}?image={IMAGE}") == 200
    assert status(server, "/v1/nothing") == 404


@pytest.mark.parametrize(
    "host", [None, "", "a b", "a/b", "a@b", "a,b", "[::1", "a:b", "a:999999", "http://a", "a?b", "a#b", "\u00e4"]
)
def test_a_malformed_host_is_refused(server: Running, host: str | None) -> None:
    assert status(server, "/livez", host) == 400


@pytest.mark.parametrize("host", ["localhost", "preverify.svc:443", "[::1]:8787", "127.0.0.1", "A.Example"])
def test_a_host_is_a_host(server: Running, host: str) -> None:
    assert status(server, "/livez", host) == 200
    assert status(server, "/livez", host, "1.0") == 200


def test_two_hosts_are_refused(server: Running) -> None:
    reply = server.raw(b"GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 400")


def test_access_follows_the_routed_path_and_not_the_target_s_host(server: Running) -> None:
    target = f"http://localhost/livez/../v1/verdicts?digest={GOOD}"
    assert status(server, target) == 400
    assert status(server, f"http://evil.example/v1/verdicts?digest={GOOD}") == 401
    assert status(server, f"/v1/verdicts?digest={GOOD}", "livez") == 401


def test_headers_that_rewrite_paths_are_not_read(server: Running) -> None:
    for name in ("x_original_url", "x_rewrite_url", "x_forwarded_prefix", "x_http_method_override"):
        assert server.ask("GET", "/v1/verdicts", **{name: "/livez"}).status == 401


@pytest.mark.parametrize("query", ["image=a&image=b", "&".join(f"p{n}=1" for n in range(11)), "image=%ff%fe"])
def test_a_query_that_can_be_read_in_two_ways_is_refused(server: Running, query: str) -> None:
    assert status(server, f"/v1/lookup/{GOOD}?{query}") == 400


def test_a_repeated_header_that_decides_is_refused(server: Running) -> None:
    for line in (f"authorization: Bearer {TOKEN}", f"x-preverify-digest: {GOOD}", "content-type: a/b"):
        reply = server.raw(f"GET /auth HTTP/1.1\r\nhost: a\r\n{line}\r\n{line}\r\n\r\n".encode())
        assert reply.startswith(b"HTTP/1.1 400")


@settings(max_examples=300)
@given(st.text(alphabet="/.%2ef:a\\;", max_size=24))
def test_whatever_is_accepted_is_its_own_canonical_form(text: str) -> None:
    try:
        path = canonical_path(f"/{text}".encode())
    except BadInput:
        return
    parts = path.split("/")[1:]
    assert all(part and part not in {".", ".."} for part in parts)
    assert not set(path) & set("%\\;")
    assert canonical_path(path.encode()) == path
