"""The table of what the bare library gets wrong, row by row, against a registry that does each of it."""

import time
from datetime import timedelta

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, Unavailable
from preverify.model.reasons import Reason
from preverify.registry.client import Limits
from preverify.registry.engine import Timeouts
from support.hostile import Hostile, Tokens, body, header, status, with_reply
from support.registry_clients import client, eavesdropper


def _credentials(tmp_path, tokens):
    (tmp_path / "user").write_text(tokens.username)
    (tmp_path / "password").write_text(tokens.password + "\n")
    return {"usernameFile": tmp_path / "user", "passwordFile": tmp_path / "password"}


def test_blob_served_for_a_wrong_digest_is_refused(hostile: Hostile) -> None:
    stored = hostile.blob("a/b", b"right")
    digest = Digest.parse(str(stored["digest"]))
    assert client(hostile.host).get_blob("a/b", digest, size=5, max_bytes=10) == b"right"
    hostile.fault("GET", "/blobs/", body(b"wrong"))
    with pytest.raises(MalformedEvidence, match="served") as caught:
        client(hostile.host).get_blob("a/b", digest, size=5, max_bytes=10)
    assert caught.value.reason is Reason.DIGEST_MISMATCH


def test_manifest_served_for_a_wrong_digest_is_refused(hostile: Hostile) -> None:
    digest = Digest.parse(hostile.image("a/b", "t"))
    other = hostile.manifests["a/b"][hostile.image("a/b", content="other")][1]
    hostile.fault("GET", "/manifests/", body(other))
    with pytest.raises(MalformedEvidence) as caught:
        client(hostile.host).get_manifest("a/b", digest)
    assert caught.value.reason is Reason.DIGEST_MISMATCH


def test_second_repository_through_one_client_gets_its_own_token(tmp_path) -> None:
    tokens = Tokens()
    with Hostile(tokens=tokens) as registry:
        one, two = registry.image("a/one", "t"), registry.image("a/two", "t", content="2")
        ours = client(registry.host, credentials=_credentials(tmp_path, tokens))
        for _ in range(3):
            assert str(ours.get_manifest("a/one", "t").digest) == one
            assert str(ours.get_manifest("a/two", "t").digest) == two
        assert len(tokens.requests) == 2, "tokens are kept per repository"
        assert [s.query["scope"] for s in tokens.requests] == ["repository:a/one:pull", "repository:a/two:pull"]


def test_token_that_expired_at_the_server_is_renewed_once(tmp_path) -> None:
    tokens = Tokens()
    with Hostile(tokens=tokens) as registry:
        registry.image("a/b", "t")
        ours = client(registry.host, credentials=_credentials(tmp_path, tokens))
        ours.get_manifest("a/b", "t")
        tokens.expire()
        ours.get_manifest("a/b", "t")
        assert len(tokens.requests) == 2
        registry.fault("GET", "/manifests/", status(401, {"WWW-Authenticate": f'Bearer realm="{registry.url}/token"'}))
        with pytest.raises(Unavailable) as caught:
            ours.get_manifest("a/b", "t")
        assert caught.value.reason is Reason.REGISTRY_REFUSED
        assert len(tokens.requests) == 3, "one renewal, then it is a refusal"


@pytest.mark.parametrize("listing", ["tags", "referrers"])
def test_link_to_another_host_is_not_followed(hostile: Hostile, listing: str) -> None:
    digest = hostile.image("a/b", "t")
    with eavesdropper() as (elsewhere, heard):
        hostile.fault("GET", f"/{listing}/", header("Link", f'<http://{elsewhere}/v2/x?n=1>; rel="next"'))
        ours = client(hostile.host)
        page = ours.tags("a/b") if listing == "tags" else ours.referrers("a/b", Digest.parse(digest))
        assert page is not None
        assert page.truncated, "what lies elsewhere was left unread, and that is said"
        assert heard == []


def test_inherited_methods_cannot_reach_another_registry(hostile: Hostile) -> None:
    with eavesdropper() as (elsewhere, heard):
        ours = client(hostile.host)
        for call in (
            lambda: ours.do_request(f"http://{elsewhere}/v2/a/b/manifests/t"),
            lambda: ours.get_tags(f"{elsewhere}/a/b"),
            lambda: ours.get_container(f"{elsewhere}/a/b:t"),
            lambda: ours.do_request(f"{hostile.url}/elsewhere"),
        ):
            with pytest.raises(BadInput):
                call()
        assert heard == []
        assert hostile.seen == []


def test_inherited_methods_work_on_our_engine(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    ours = client(hostile.host)
    assert ours.get_tags(f"{hostile.host}/a/b") == ["t"]
    assert ours.do_request(f"{hostile.url}/v2/a/b/manifests/t").json() is not None
    assert ours.delete_tag(f"{hostile.host}/a/b", "t") is True
    assert hostile.tags["a/b"] == {}
    with pytest.raises(BadInput, match="exact bytes"):
        ours.do_request(f"{hostile.url}/v2/a/b/manifests/t", "PUT", json={})


def test_server_that_never_answers_costs_the_set_time(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    hostile.fault("GET", "/manifests/", with_reply(stall=30.0))
    ours = client(hostile.host, limits=Limits(timeouts=Timeouts(total=timedelta(milliseconds=300))))
    start = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        ours.get_manifest("a/b", "t")
    assert time.monotonic() - start < 3


def test_body_that_stops_half_way_costs_the_idle_time(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    hostile.fault("GET", "/manifests/", with_reply(stall=30.0, stall_after=10))
    ours = client(hostile.host, limits=Limits(timeouts=Timeouts(idle=timedelta(seconds=1))))
    start = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        ours.get_manifest("a/b", "t")
    assert time.monotonic() - start < 5


def test_error_500_is_one_try(hostile: Hostile) -> None:
    hostile.fault("*", "/v2/", status(500))
    start = time.monotonic()
    with pytest.raises(Unavailable, match="500"):
        client(hostile.host).get_manifest("a/b", "t")
    assert time.monotonic() - start < 2
    assert len(hostile.seen) == 1


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_passed_on_and_kept(hostile: Hostile, code: int) -> None:
    hostile.image("a/b", "t")
    hostile.fault("GET", "/manifests/", status(code, {"Retry-After": "120"}), times=1)
    ours = client(hostile.host)
    with pytest.raises(Unavailable) as caught:
        ours.get_manifest("a/b", "t")
    assert caught.value.retry_after == timedelta(seconds=120)
    with pytest.raises(Unavailable, match="left alone") as caught:
        ours.get_manifest("a/b", "t")
    assert caught.value.retry_after is not None
    assert caught.value.retry_after <= timedelta(seconds=120)
    assert len(hostile.seen) == 1, "nothing is sent while the registry wants to be left alone"


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("Fri, 31 Dec 2099 23:59:59 GMT", 900, 900),
        ("99999999999999999999", 900, 900),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0),
    ],
)
def test_retry_after_is_bounded(hostile: Hostile, value: str, least: int, most: int) -> None:
    hostile.fault("GET", "/manifests/", status(429, {"Retry-After": value}))
    with pytest.raises(Unavailable) as caught:
        client(hostile.host).get_manifest("a/b", "t")
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after.total_seconds() <= most


@pytest.mark.parametrize("value", ["soon", "-3", "٣", ""])
def test_unreadable_retry_after_is_none(hostile: Hostile, value: str) -> None:
    hostile.fault("GET", "/manifests/", status(503, {"Retry-After": value.encode("utf-8").decode("latin-1")}))
    with pytest.raises(Unavailable) as caught:
        client(hostile.host).get_manifest("a/b", "t")
    assert caught.value.retry_after is None


def test_answer_over_the_cap_is_refused(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    hostile.fault("GET", "/manifests/", body(b" " * (4 * 1024 * 1024 + 1)))
    with pytest.raises(MalformedEvidence) as caught:
        client(hostile.host).get_manifest("a/b", "t")
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "path", ["a/../../x", "c:t?x=1", "A", "", "a//b", "a b", "c@nodigest", "a/", "/a", "a%2fb", "é"]
)
def test_names_outside_the_grammar_never_reach_a_url(hostile: Hostile, path: str) -> None:
    ours = client(hostile.host)
    digest = Digest.of(b"")
    for call in (
        lambda: ours.get_manifest(path, "t"),
        lambda: ours.head_manifest(path, "t"),
        lambda: ours.get_blob(path, digest, size=None, max_bytes=1),
        lambda: ours.referrers(path, digest),
        lambda: ours.tags(path),
        lambda: ours.put_blob(path, b""),
        lambda: ours.put_manifest(path, "t", b"{}", "x"),
        lambda: ours.delete_manifest(path, digest),
    ):
        with pytest.raises(BadInput):
            call()
    assert hostile.seen == []


@pytest.mark.parametrize("tag", ["", "-x", "a/b", "a b", "t?x=1", "t#d", "x" * 129, "..", "sha256:abc"])
def test_tags_outside_the_grammar_never_reach_a_url(hostile: Hostile, tag: str) -> None:
    with pytest.raises(BadInput):
        client(hostile.host).get_manifest("a/b", tag)
    assert hostile.seen == []


@pytest.mark.parametrize("name", ["localhost/foo", "ubuntu", "C#d", "a/../../x", "c@nodigest"])
def test_references_without_our_host_are_refused(hostile: Hostile, name: str) -> None:
    with pytest.raises(BadInput):
        client(hostile.host).get_container(name)
