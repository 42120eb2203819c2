"""Roots by TUF: what is trusted, and everything that must never come to be trusted (RT-31, RT-32, RT-90)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from preverify.clock import SystemClock
from preverify.model.errors import BadConfiguration, Unavailable
from preverify.model.reasons import Reason
from preverify.policy.trust_documents import RootRequest
from preverify.settings import Trust
from preverify.trust import Result, Roots
from preverify.trust.embedded import completed, embedded
from support.clock import Stopped
from support.tuf_repository import TufRepository, get

FIRST = embedded("public-good").target
SECOND = embedded("staging").target


@pytest.fixture
def repository() -> TufRepository:
    return TufRepository(FIRST)


@pytest.fixture
def url(repository: TufRepository) -> Iterator[str]:
    with repository.serving() as address:
        yield address


@pytest.fixture
def request_(repository: TufRepository, url: str) -> RootRequest:
    return RootRequest(name="corp", url=url, root=repository.first_root)


def roots(directory: Path, **settings: object) -> Roots:
    return Roots(Trust.model_validate(settings), directory / "trust", SystemClock(), get())


def refused(found: Roots, request: RootRequest) -> str:
    (outcome,) = found.refresh([request])
    assert (outcome.name, outcome.result) == ("corp", Result.REFUSED), outcome
    return outcome.detail


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


# --- what must never be -----------------------------------------------------------------------------------------------


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


def test_a_signed_target_that_we_cannot_read_does_not_replace_one_that_we_can(
    tmp_path: Path, repository: TufRepository, request_: RootRequest
) -> None:
    found = roots(tmp_path)
    found.refresh([request_])
    repository.publish(b'{"mediaType": "application/vnd.dev.sigstore.trustedroot.v9+json"}')
    assert "cannot be used" in refused(found, request_)
    assert found.read(request_) == FIRST


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


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "A", "a" * 64, "x\n"])
def test_names_are_of_one_grammar_before_they_are_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadConfiguration, match="is not the name of a root"):
        roots(tmp_path).kept(RootRequest(name=name, url="https://tuf.example", root=b"x"))


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
