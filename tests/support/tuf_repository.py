"""A TUF repository for tests: made and signed here by python-tuf, served on loopback, and broken in every known way."""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from preverify.clock import SystemClock
from preverify.policy.trust_documents import RootRequest
from preverify.registry.addresses import Reach
from preverify.registry.engine import Engine
from preverify.settings import Trust
from preverify.trust import Result, Roots
from preverify.trust.embedded import embedded

TARGET = "trusted_root.json"
FIRST, SECOND = embedded("public-good").target, embedded("staging").target
"""What `repository` publishes at first, and something else to publish after it."""


def get() -> Callable[[str, int], tuple[int, bytes]]:
    """Return what the daemon fetches with: the hardened engine, allowed to reach this machine."""
    engine = Engine()

    def fetch(url: str, max_bytes: int) -> tuple[int, bytes]:
        response = engine.request("GET", url, max_bytes=max_bytes, reach=Reach.PRIVATE)
        return response.status_code, response.content

    return fetch


class TufRepository:
    """Files by path, as a consistent-snapshot repository has them. `publish` signs a new version of everything.

    Two of three keys sign the root; one key signs each other role.
    """

    def __init__(self, target: bytes, *, expires: timedelta = timedelta(days=7)) -> None:
        self.expires = expires
        self.keys = {role: CryptoSigner.generate_ed25519() for role in ("timestamp", "snapshot", "targets")}
        self.root_keys = [CryptoSigner.generate_ed25519() for _ in range(3)]
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.version = 0
        self.root = self._new_root()
        self.first_root = self.files["1.root.json"]
        self.publish(target)

    def _new_root(self) -> Root:
        root = Root(expires=_in(timedelta(days=365)), consistent_snapshot=True)
        for signer in self.root_keys:
            root.add_key(signer.public_key, "root")
        root.roles["root"].threshold = 2
        for role, signer in self.keys.items():
            root.add_key(signer.public_key, role)
        self.sign_root(root, self.root_keys[:2])
        return root

    def sign_root(self, root: Root, signers: list[CryptoSigner]) -> None:
        """Publish a root signed by these keys."""
        metadata = Metadata(root)
        for signer in signers:
            metadata.sign(signer, append=True)
        self.files[f"{root.version}.root.json"] = metadata.to_bytes()

    def rotate(self, *, signers: list[CryptoSigner] | None = None, expires: timedelta = timedelta(days=365)) -> None:
        """Publish the next root, with a new timestamp key."""
        root = copy.deepcopy(self.root)
        root.version += 1
        root.expires = _in(expires)
        root.revoke_key(self.keys["timestamp"].public_key.keyid, "timestamp")
        self.keys["timestamp"] = CryptoSigner.generate_ed25519()
        root.add_key(self.keys["timestamp"].public_key, "timestamp")
        self.sign_root(root, self.root_keys[:2] if signers is None else signers)
        self.root = root

    def publish(
        self, target: bytes, *, named: str = TARGET, served: bytes | None = None, version: int | None = None
    ) -> None:
        """Publish `target` as a new version. `served` is what is really sent in its place."""
        self.version = self.version + 1 if version is None else version
        info = TargetFile.from_data(named, target, ["sha256"])
        targets = Targets(version=self.version, expires=_in(self.expires), targets={named: info})
        snapshot = Snapshot(
            version=self.version, expires=_in(self.expires), meta={"targets.json": MetaFile(version=self.version)}
        )
        stamp = Timestamp(version=self.version, expires=_in(self.expires), snapshot_meta=MetaFile(version=self.version))
        self.files[f"{self.version}.targets.json"] = self._signed("targets", targets)
        self.files[f"{self.version}.snapshot.json"] = self._signed("snapshot", snapshot)
        self.files["timestamp.json"] = self._signed("timestamp", stamp)
        self.files[f"targets/{info.hashes['sha256']}.{named}"] = target if served is None else served

    def _signed(self, role: str, signed: Any) -> bytes:
        metadata = Metadata(signed)
        metadata.sign(self.keys[role])
        return metadata.to_bytes()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve the files as they are at each moment; gives the address."""
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/tuf/")
                repository.asked.append(name)
                data = repository.files.get(name)
                if data is not None and data.startswith(b"redirect:"):
                    self.send_response(302)
                    self.send_header("Location", data.removeprefix(b"redirect:").decode())
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tuf"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture
def repository() -> TufRepository:
    return TufRepository(FIRST)


@pytest.fixture
def url(repository: TufRepository) -> Iterator[str]:
    with repository.serving() as address:
        yield address


@pytest.fixture
def request_(repository: TufRepository, url: str) -> RootRequest:
    """A root of this name that lies at `url` and starts with the first root of `repository`."""
    return RootRequest(name="corp", url=url, root=repository.first_root)


def roots(directory: Path, **settings: object) -> Roots:
    """Return the roots of a machine whose state lies in `directory`."""
    return Roots(Trust.model_validate(settings), directory / "trust", SystemClock(), get())


def refused(found: Roots, request: RootRequest) -> str:
    """Refresh a root that has to be refused; returns what was said."""
    (outcome,) = found.refresh([request])
    assert (outcome.name, outcome.result) == ("corp", Result.REFUSED), outcome
    return outcome.detail


def _in(span: timedelta) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + span
