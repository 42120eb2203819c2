"""RT-31: a TUF repository that steps back, stands still, or is not signed as it must be changes nothing."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from preverify.model.errors import Unavailable
from preverify.policy.trust_documents import RootRequest
from support.tuf_repository import FIRST, SECOND, TufRepository, refused, repository, request_, roots, url

__all__ = ["repository", "request_", "url"]


def test_a_step_back_is_refused(tmp_path: Path, repository: TufRepository, request_: RootRequest) -> None:
    found = roots(tmp_path)
    old = dict(repository.files)
    repository.publish(SECOND)
    found.refresh([request_])
    repository.files = old
    assert "BadVersionNumberError" in refused(found, request_)
    assert found.read(request_) == SECOND


def test_a_snapshot_that_steps_back_is_refused(
    tmp_path: Path, repository: TufRepository, request_: RootRequest
) -> None:
    found = roots(tmp_path)
    repository.publish(SECOND)
    repository.publish(SECOND)
    found.refresh([request_])
    newest = repository.version
    repository.publish(FIRST, version=newest - 1)
    stamp = repository.files["timestamp.json"]
    repository.publish(SECOND, version=newest + 1)
    assert stamp != repository.files["timestamp.json"]
    repository.files["timestamp.json"] = stamp
    assert "BadVersionNumberError" in refused(found, request_)
    assert found.read(request_) == SECOND


@pytest.mark.parametrize("role", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
def test_metadata_that_was_changed_is_refused(
    tmp_path: Path, repository: TufRepository, request_: RootRequest, role: str
) -> None:
    document = json.loads(repository.files[role])
    document["signed"]["expires"] = "2099-01-01T00:00:00Z"
    repository.files[role] = json.dumps(document).encode()
    found = roots(tmp_path)
    assert "UnsignedMetadataError" in refused(found, request_)
    assert found.kept(request_) is None


def test_frozen_metadata_is_refused(tmp_path: Path, url: str) -> None:
    """A repository that shows an old state for ever hides what was revoked since."""
    frozen = TufRepository(FIRST, expires=-timedelta(hours=1))
    found = roots(tmp_path)
    with frozen.serving() as address:
        request = RootRequest(name="corp", url=address, root=frozen.first_root)
        assert "ExpiredMetadataError" in refused(found, request)
        with pytest.raises(Unavailable, match="ExpiredMetadataError"):
            found.read(request)


def test_an_expired_root_is_refused(tmp_path: Path, repository: TufRepository, request_: RootRequest) -> None:
    repository.rotate(expires=-timedelta(hours=1))
    assert "ExpiredMetadataError" in refused(roots(tmp_path), request_)


@pytest.mark.parametrize("case", ["one of two", "strangers", "the same twice"])
def test_a_root_below_its_threshold_is_refused(
    tmp_path: Path, repository: TufRepository, request_: RootRequest, case: str
) -> None:
    found = roots(tmp_path)
    found.refresh([request_])
    own = repository.root_keys
    signers = {
        "one of two": own[:1],
        "strangers": [CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()],
        "the same twice": [own[0], own[0]],
    }[case]
    repository.rotate(signers=signers)
    repository.publish(SECOND)
    assert "UnsignedMetadataError" in refused(found, request_)
    assert found.read(request_) == FIRST
    place = found.place(request_) / "tuf"
    assert [path.name for path in (place / "root_history").iterdir()] == ["1.root.json"], "it never reached the disk"


@pytest.mark.parametrize(
    ("served", "why"),
    [
        (SECOND, "DownloadLengthMismatchError"),
        (FIRST[:-1] + b" ", "LengthOrHashMismatchError"),
        (FIRST + b" ", "DownloadLengthMismatchError"),
        (FIRST[:-1], "LengthOrHashMismatchError"),
    ],
)
def test_a_target_that_is_another_is_refused(
    tmp_path: Path, repository: TufRepository, request_: RootRequest, served: bytes, why: str
) -> None:
    repository.publish(FIRST, served=served)
    found = roots(tmp_path)
    assert why in refused(found, request_)
    assert not list(found.place(request_).glob("*.json")), "nothing lies where it would be read as verified"
    assert [path.name for path in found.place(request_).iterdir() if path.name not in {"tuf", "lock"}] == []


def test_a_repository_without_the_target_is_refused(
    tmp_path: Path, repository: TufRepository, request_: RootRequest
) -> None:
    repository.publish(FIRST, named="other.json")
    assert "has no target trusted_root.json" in refused(roots(tmp_path), request_)


def test_targets_and_metadata_are_bounded(tmp_path: Path, repository: TufRepository, request_: RootRequest) -> None:
    found = roots(tmp_path)
    repository.publish(b" " * (4 * 1024 * 1024 + 1))
    repository.asked.clear()
    assert "at most 4194304 are read" in refused(found, request_)
    assert not [name for name in repository.asked if name.startswith("targets/")], "it was not even fetched"
    repository.files["timestamp.json"] = b" " * 16_385
    assert "16384 bytes" in refused(found, request_)
