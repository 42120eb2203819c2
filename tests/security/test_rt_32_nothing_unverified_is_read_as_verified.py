"""RT-32: nothing unverified is ever written where it is read as verified, nor believed because it lies there."""

from pathlib import Path

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.trust_documents import RootRequest
from preverify.trust import Result
from support.tuf_repository import FIRST, SECOND, TufRepository, refused, repository, request_, roots, url

__all__ = ["repository", "request_", "url"]


def test_a_root_that_lies_in_the_state_is_not_where_trust_starts(
    tmp_path: Path, repository: TufRepository, request_: RootRequest
) -> None:
    """Whoever can put a root there (or did, before it failed) must not be believed on the next look."""
    found = roots(tmp_path)
    found.refresh([request_])
    stranger = TufRepository(SECOND)
    stranger.rotate()
    place = found.place(request_) / "tuf"
    for version in ("1", "2"):
        (place / "root_history" / f"{version}.root.json").write_bytes(stranger.files[f"{version}.root.json"])
    repository.files = {k: v for k, v in stranger.files.items() if not k.endswith("root.json")}
    assert "UnsignedMetadataError" in refused(found, request_)
    assert found.read(request_) == FIRST


def test_a_damaged_record_is_not_read_and_nothing_older_takes_its_place(
    tmp_path: Path, repository: TufRepository, request_: RootRequest
) -> None:
    found = roots(tmp_path)
    found.refresh([request_])
    path = found.place(request_) / "current.json"
    whole = path.read_text()
    for damaged in ("", "[]", "{}", whole.replace('"sha256": "', '"sha256": "0'), whole[:-9], whole.replace("1", "x")):
        path.write_text(damaged)
        with pytest.raises(BadConfiguration, match="is damaged"):
            found.read(request_)
    assert [each.result for each in found.refresh_due([request_])] == [Result.CHANGED], "it is written anew"
    assert found.read(request_) == FIRST


def test_a_signed_target_that_we_cannot_read_does_not_replace_one_that_we_can(
    tmp_path: Path, repository: TufRepository, request_: RootRequest
) -> None:
    found = roots(tmp_path)
    found.refresh([request_])
    repository.publish(b'{"mediaType": "application/vnd.dev.sigstore.trustedroot.v9+json"}')
    assert "cannot be used" in refused(found, request_)
    assert found.read(request_) == FIRST
