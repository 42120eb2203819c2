"""RT-64: a cache of revocation data that cannot be written makes things slower and nothing else."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from preverify.model.revocation import RevocationKind, Wanted
from preverify.registry.addresses import Reach
from preverify.registry.revocation import RevocationFetcher
from support.clock import Stopped
from support.notary import BETWEEN, NOW
from support.revocations import Publisher, crl, publisher


@pytest.fixture
def server() -> Iterator[Publisher]:
    with publisher() as running:
        yield running


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file grow: the error of a full disk, at the same place."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fetch(server: Publisher, directory: Path) -> bytes:
    """Ask with a fetcher that remembers nothing."""
    fetcher = RevocationFetcher(clock=Stopped(NOW), directory=directory, reach=Reach.PRIVATE)
    found, missing = fetcher.fetch([Wanted(kind=RevocationKind.CRL, url=server.url("a.crl"), issuer=BETWEEN.der)])
    assert missing == ()
    return found[0].body


def test_full_disk(server: Publisher, tmp_path: Path) -> None:
    body = crl(BETWEEN)
    server.put("a.crl", body)
    with no_room():
        assert [fetch(server, tmp_path), fetch(server, tmp_path)] == [body, body]
    assert list(tmp_path.iterdir()) == [], "nothing half-written stays"
    assert fetch(server, tmp_path) == body
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [body], "with room again it is kept"
    assert fetch(server, tmp_path) == body
    assert len(server.asked) == 3


def test_directory_that_is_none(server: Publisher, tmp_path: Path) -> None:
    body = crl(BETWEEN)
    server.put("a.crl", body)
    (tmp_path / "file").write_text("in the way")
    for directory in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        assert fetch(server, directory) == body
    assert len(server.asked) == 3
