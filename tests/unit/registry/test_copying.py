"""Long blobs written to a file: hashed on the way, and nothing but the body of the blob itself."""

import io
import time
from datetime import timedelta
from pathlib import Path

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, NotFound, Unavailable
from preverify.model.reasons import Reason
from preverify.model.reference import Repository
from preverify.registry.client import Limits
from preverify.registry.engine import Timeouts
from support.hostile import Hostile, Reply, Seen, Tokens, body, redirect, status
from support.registry_clients import client, remote

DATA = bytes(range(256)) * 1024
DIGEST = Digest.of(DATA)


def copied(hostile: Hostile, digest: Digest = DIGEST, size: int = len(DATA), **more: object) -> bytes:
    into = io.BytesIO()
    client(hostile.host, **more).copy_blob("a/b", digest, size=size, into=into)
    return into.getvalue()


def test_a_blob_is_written_as_it_is(hostile: Hostile) -> None:
    hostile.blob("a/b", DATA)
    assert copied(hostile) == DATA
    into = io.BytesIO()
    registry = remote(hostile.host)
    registry.copy_blob(Repository(hostile.host, "a/b"), DIGEST, size=len(DATA), into=into)
    assert into.getvalue() == DATA
    with pytest.raises(BadInput, match="is not at"):
        registry.copy_blob(Repository("elsewhere.example", "a/b"), DIGEST, size=len(DATA), into=into)


def test_what_comes_after_is_read_as_always(hostile: Hostile) -> None:
    """The connection is the same one: neither where bodies go to nor their time stays as it was."""
    digest = hostile.image("a/b", "t")
    hostile.blob("a/b", DATA)
    ours, into = client(hostile.host), io.BytesIO()
    for _ in range(2):
        ours.copy_blob("a/b", DIGEST, size=len(DATA), into=into)
        assert str(ours.get_manifest("a/b", "t").digest) == digest
        assert ours.get_blob("a/b", DIGEST, size=len(DATA), max_bytes=len(DATA)) == DATA
    assert into.getvalue() == DATA * 2


@pytest.mark.parametrize("served", [DATA[:-1], DATA + b"x", b"", DATA[:-1] + b"x", DATA * 4])
def test_other_bytes_are_refused(hostile: Hostile, served: bytes) -> None:
    hostile.blob("a/b", DATA)
    hostile.fault("GET", "/blobs/", body(served))
    with pytest.raises(MalformedEvidence) as caught:
        copied(hostile)
    assert caught.value.reason is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize("size", [0, 1, len(DATA) - 1, len(DATA) + 1, 1 << 40])
def test_another_size_is_refused(hostile: Hostile, size: int) -> None:
    hostile.blob("a/b", DATA)
    with pytest.raises(MalformedEvidence) as caught:
        copied(hostile, size=size)
    assert caught.value.reason is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize(
    ("code", "error"), [(404, NotFound), (500, Unavailable), (403, Unavailable), (206, Unavailable)]
)
def test_the_body_of_another_answer_is_not_written(hostile: Hostile, code: int, error: type[Exception]) -> None:
    hostile.blob("a/b", DATA)
    hostile.fault("GET", "/blobs/", status(code, data=DATA[:100]))
    into = io.BytesIO()
    with pytest.raises(error):
        client(hostile.host).copy_blob("a/b", DIGEST, size=len(DATA), into=into)
    assert into.getvalue() == b""


def test_it_is_written_once_after_authentication_and_redirection() -> None:
    with Hostile(tokens=Tokens(anonymous=True)) as hostile, Hostile() as elsewhere:
        hostile.blob("a/b", DATA)
        elsewhere.blob("a/b", DATA)
        there = f"{elsewhere.url}/v2/a/b/blobs/{DIGEST}"
        hostile.fault(
            "GET", "/blobs/", lambda seen, reply: redirect(there)(seen, reply) if reply.status == 200 else reply
        )
        more = {"extraHosts": [elsewhere.host]}
        assert copied(hostile, **more) == DATA
        assert all("authorization" not in each.headers for each in elsewhere.seen)


def test_a_full_disk_is_unavailable(hostile: Hostile) -> None:
    hostile.blob("a/b", DATA)
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(Unavailable, match="No space left on device"):
        client(hostile.host).copy_blob("a/b", DIGEST, size=len(DATA), into=full)


def test_a_long_body_has_a_time_of_its_own(hostile: Hostile) -> None:
    hostile.blob("a/b", DATA)

    def slowly(_seen: Seen, reply: Reply) -> Reply:
        time.sleep(0.4)
        return reply

    hostile.fault("GET", "/blobs/", slowly)
    short, long = timedelta(milliseconds=100), timedelta(seconds=5)
    with pytest.raises(Unavailable, match="did not answer in time"):
        copied(hostile, limits=Limits(timeouts=Timeouts(total=long, copied=short)))
    assert copied(hostile, limits=Limits(timeouts=Timeouts(total=short, copied=long))) == DATA
