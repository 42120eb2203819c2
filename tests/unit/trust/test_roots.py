"""Roots by TUF: what is trusted, and what goes wrong without harm."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from preverify.clock import SystemClock
from preverify.model.errors import Unavailable
from preverify.model.reasons import Reason
from preverify.policy.trust_documents import RootRequest
from preverify.settings import Trust
from preverify.trust import Result, Roots
from preverify.trust.embedded import completed
from support.clock import Stopped
from support.tuf_repository import FIRST, SECOND, TufRepository, get, refused, repository, request_, roots, url

__all__ = ["repository", "request_", "url"]


# --- what is trusted --------------------------------------------------------------------------------------------------


def test_a_root_that_was_never_fetched_is_fetched_once(
    tmp_path: Path, repository: TufRepository, request_: RootRequest
) -> None:
    found = roots(tmp_path)
    assert found.kept(request_) is None
    assert found.read(request_) == FIRST
    asked = len(repository.asked)
    assert found.read(request_) == FIRST
    assert len(repository.asked) == asked, "reading again asks nobody"
    kept = found.kept(request_)
    assert kept is not None
    assert dict(kept.versions) == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
    assert timedelta(days=6) < kept.expires - SystemClock().now() < timedelta(days=8), "the first that runs out"


def test_a_new_target_takes_the_place_of_the_old_one(
    tmp_path: Path, repository: TufRepository, request_: RootRequest
) -> None:
    found = roots(tmp_path)
    assert [each.result for each in found.refresh([request_])] == [Result.CHANGED]
    repository.asked.clear()
    assert [each.result for each in found.refresh([request_])] == [Result.UNCHANGED]
    assert not [name for name in repository.asked if name.startswith("targets/")], "what is known is not fetched again"
    repository.rotate()
    repository.publish(SECOND)
    assert [each.result for each in found.refresh([request_])] == [Result.CHANGED]
    assert found.read(request_) == SECOND


def test_built_in_roots_need_nobody(tmp_path: Path) -> None:
    """Neither network nor a directory that can be written: key-only set-ups and first starts must not wait."""

    def nobody(url: str, max_bytes: int) -> tuple[int, bytes]:
        raise AssertionError(url)

    found = Roots(Trust(), tmp_path / "missing", SystemClock(), nobody)
    assert found.read(RootRequest(name="public-good")) == FIRST
    assert found.read(RootRequest(name="staging")) == SECOND
    assert not (tmp_path / "missing").exists()


def test_a_built_in_root_that_cannot_be_refreshed_goes_on_with_its_copy(tmp_path: Path) -> None:
    def away(url: str, max_bytes: int) -> tuple[int, bytes]:
        raise Unavailable("nobody answers")

    found = Roots(Trust(), tmp_path, SystemClock(), away)
    (outcome,) = found.refresh([RootRequest(name="public-good")])
    assert (outcome.result, "nobody answers" in outcome.detail) == (Result.UNAVAILABLE, True)
    assert found.read(RootRequest(name="public-good")) == FIRST


def test_offline_asks_nobody(tmp_path: Path, repository: TufRepository, request_: RootRequest) -> None:
    found = roots(tmp_path, offline=True)
    assert found.refresh([request_]) == ()
    assert found.refresh_due([request_]) == ()
    with pytest.raises(Unavailable, match="preverify trust import") as caught:
        found.read(request_)
    assert caught.value.reason is Reason.TRUST_UNAVAILABLE
    assert repository.asked == []


def test_only_what_is_due_is_looked_at(tmp_path: Path, repository: TufRepository, request_: RootRequest) -> None:
    clock = Stopped()
    found = Roots(Trust(refresh=timedelta(hours=24)), tmp_path, clock, get())
    assert found.pause == timedelta(hours=1)
    assert Roots(Trust(refresh=timedelta(hours=1)), tmp_path, clock, get()).pause == timedelta(minutes=6)
    assert [each.result for each in found.refresh_due([request_])] == [Result.CHANGED]
    clock.forward(23 * 3600)
    assert found.refresh_due([request_]) == ()
    clock.forward(1 * 3600)
    assert [each.result for each in found.refresh_due([request_])] == [Result.UNCHANGED]
    clock.forward(24 * 3600)
    good = repository.files.pop("timestamp.json")
    assert [each.result for each in found.refresh_due([request_])] == [Result.UNAVAILABLE]
    repository.files["timestamp.json"] = good
    assert [each.result for each in found.refresh_due([request_])] == [Result.UNCHANGED], "a failed look is repeated"


def test_another_address_or_first_root_is_another_root(tmp_path: Path, request_: RootRequest) -> None:
    """What was verified from one start says nothing about another."""
    found = roots(tmp_path)
    found.read(request_)
    other = TufRepository(SECOND)
    moved = RootRequest(name="corp", url=request_.url + "/", root=request_.root)
    assert found.kept(moved) is None
    with other.serving() as address:
        assert found.read(RootRequest(name="corp", url=address, root=other.first_root)) == SECOND
    assert found.read(request_) == FIRST


# --- what is refused -------------------------------------------------------------------------------------------------


def test_redirects_are_not_followed(tmp_path: Path, repository: TufRepository, request_: RootRequest) -> None:
    """A mirror must not choose which address of our network is asked next."""
    elsewhere = TufRepository(SECOND)
    with elsewhere.serving() as address:
        repository.files["timestamp.json"] = b"redirect:" + f"{address}/timestamp.json".encode()
        (outcome,) = roots(tmp_path).refresh([request_])
    assert (outcome.result, "answered 302" in outcome.detail) == (Result.UNAVAILABLE, True)
    assert elsewhere.asked == []


def test_first_root_metadata_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    assert "Failed to deserialize" in refused(roots(tmp_path), RootRequest(name="corp", url=url, root=b"{}"))


def test_a_state_directory_that_cannot_be_written_is_said_so(tmp_path: Path, request_: RootRequest) -> None:
    (tmp_path / "trust").write_text("a file")
    (outcome,) = roots(tmp_path).refresh([request_])
    assert (outcome.result, "cannot be written" in outcome.detail) == (Result.UNAVAILABLE, True)


def test_built_in_roots_start_with_metadata_of_their_repository() -> None:
    whole = completed(RootRequest(name="public-good"))
    assert whole.url == "https://tuf-repo-cdn.sigstore.dev"
    assert json.loads(whole.root)["signed"]["_type"] == "root"
    own = RootRequest(name="corp", url="https://tuf.example", root=b"x")
    assert completed(own) is own
