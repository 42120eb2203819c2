"""Trust in one file: what it carries is verified again, whole or not at all."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.trust import Store, Trust
from preverify.model.trusted_root import parse_trusted_root
from preverify.policy.trust_documents import RootRequest
from preverify.settings import Trust as TrustSettings
from preverify.trust import Roots, bundle
from preverify.trust.tuf_client import Untrusted
from support.trust_material import certificate, der
from support.tuf_repository import FIRST, SECOND, TufRepository, get, repository, request_, url

__all__ = ["repository", "request_", "url"]
CLOCK = SystemClock()
TRUST = Trust(
    roots=(parse_trusted_root(FIRST, "corp"),),
    stores=(Store(kind="ca", name="vendor", certificates=(der(certificate("vendor")),)),),
)


@pytest.fixture
def there(tmp_path: Path) -> Roots:
    return Roots(TrustSettings(), tmp_path / "there", CLOCK, get())


@pytest.fixture
def here(tmp_path: Path) -> Roots:
    """A machine that reaches nobody."""
    return Roots(TrustSettings(offline=True), tmp_path / "here", CLOCK, _nobody)


def _nobody(url: str, max_bytes: int) -> tuple[int, bytes]:
    raise AssertionError(url)


def exported(there: Roots, request: RootRequest) -> bytes:
    there.refresh([request])
    return bundle.export(TRUST, [request], there, CLOCK)[0]


def changed(data: bytes, change: Any) -> bytes:
    """Return a bundle that somebody changed who can compute digests."""
    form = json.loads(data)
    form.pop("digest")
    change(form)
    return json.dumps({**form, "digest": str(Digest.of(rfc8785.dumps(form)))}).encode()


def state(roots: Roots, request: RootRequest) -> dict[str, bytes]:
    place = roots.place(request)
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file() and p.name != "lock"}


def test_what_one_machine_verified_another_verifies_without_network(
    there: Roots, here: Roots, repository: TufRepository, request_: RootRequest
) -> None:
    repository.rotate()
    repository.publish(FIRST)
    there.refresh([request_])
    data, digest = bundle.export(TRUST, [request_], there, CLOCK)
    found = bundle.read(data)
    assert found.digest == digest
    assert found.trust.canonical() == TRUST.canonical()
    assert bundle.take_in(found, [request_], here, CLOCK) == ("corp",)
    assert here.read(request_) == FIRST
    kept, original = here.kept(request_), there.kept(request_)
    assert kept is not None
    assert original is not None
    assert (kept.versions, kept.expires) == (original.versions, original.expires)
    assert bundle.take_in(found, [request_], here, CLOCK) == ("corp",), "twice is as once"
    repository.publish(SECOND)
    there.refresh([request_])
    bundle.take_in(bundle.read(bundle.export(TRUST, [request_], there, CLOCK)[0]), [request_], here, CLOCK)
    assert here.read(request_) == SECOND


def test_an_import_goes_on_where_a_refresh_ended(
    tmp_path: Path, there: Roots, repository: TufRepository, request_: RootRequest
) -> None:
    """The same directory, now with network: the imported metadata is a floor for what comes."""
    old = dict(repository.files)
    repository.publish(SECOND)
    data = exported(there, request_)
    online = Roots(TrustSettings(), tmp_path / "online", CLOCK, get())
    bundle.take_in(bundle.read(data), [request_], online, CLOCK)
    repository.files = old
    (outcome,) = online.refresh([request_])
    assert "BadVersionNumberError" in outcome.detail


def test_a_bundle_that_steps_back_is_refused(
    there: Roots, here: Roots, repository: TufRepository, request_: RootRequest
) -> None:
    old = exported(there, request_)
    repository.publish(SECOND)
    bundle.take_in(bundle.read(exported(there, request_)), [request_], here, CLOCK)
    before = state(here, request_)
    with pytest.raises(Untrusted, match="root 'corp' is refused: BadVersionNumberError"):
        bundle.take_in(bundle.read(old), [request_], here, CLOCK)
    assert state(here, request_) == before, "a refusal leaves no trace"


def test_a_target_or_metadata_of_somebody_else_is_refused(there: Roots, here: Roots, request_: RootRequest) -> None:
    data = exported(there, request_)

    def other_target(form: Any) -> None:
        form["roots"]["corp"]["target"] = base64.b64encode(SECOND).decode()

    def other_timestamp(form: Any) -> None:
        stranger = TufRepository(FIRST).files["timestamp.json"]
        form["roots"]["corp"]["files"]["timestamp.json"] = base64.b64encode(stranger).decode()

    def no_timestamp(form: Any) -> None:
        del form["roots"]["corp"]["files"]["timestamp.json"]

    for change, why in ((other_target, "MismatchError"), (other_timestamp, "UnsignedMetadataError")):
        with pytest.raises(Untrusted, match=why):
            bundle.take_in(bundle.read(changed(data, change)), [request_], here, CLOCK)
    with pytest.raises(BadInput, match=r"root 'corp' is not whole: .*timestamp\.json is not there"):
        bundle.take_in(bundle.read(changed(data, no_timestamp)), [request_], here, CLOCK)
    assert here.kept(request_) is None
    assert not list(here.place(request_).glob("*.json"))


def test_trust_starts_here_and_not_in_the_file(there: Roots, here: Roots, request_: RootRequest) -> None:
    """A file that brings its own first root vouches for nothing (RT-30)."""
    stranger = TufRepository(SECOND)
    with stranger.serving() as url:
        theirs = RootRequest(name="corp", url=url, root=stranger.first_root)
        data = exported(there, theirs)

    def readdressed(form: Any) -> None:
        form["roots"]["corp"]["url"] = request_.url

    with pytest.raises(BadInput, match="root 'corp' is of 'http"):
        bundle.take_in(bundle.read(data), [request_], here, CLOCK)
    with pytest.raises(Untrusted, match="UnsignedMetadataError"):
        bundle.take_in(bundle.read(changed(data, readdressed)), [request_], here, CLOCK)
    with pytest.raises(BadInput, match="which no document here declares by TUF"):
        bundle.take_in(bundle.read(data), [], here, CLOCK)


def test_all_or_none(there: Roots, here: Roots, request_: RootRequest) -> None:
    other = TufRepository(SECOND)
    with other.serving() as url:
        second = RootRequest(name="a-second", url=url, root=other.first_root)
        there.refresh([request_, second])
        data, _ = bundle.export(TRUST, [request_, second], there, CLOCK)

    def spoiled(form: Any) -> None:
        form["roots"]["corp"]["target"] = base64.b64encode(SECOND).decode()

    with pytest.raises(Untrusted, match="root 'corp'"):
        bundle.take_in(bundle.read(changed(data, spoiled)), [request_, second], here, CLOCK)
    assert (here.kept(request_), here.kept(second)) == (None, None)
    assert bundle.take_in(bundle.read(data), [request_, second], here, CLOCK) == ("a-second", "corp")


def test_roots_that_were_never_fetched_are_carried_as_they_are_trusted(there: Roots, request_: RootRequest) -> None:
    data, _ = bundle.export(TRUST, [request_, RootRequest(name="public-good")], there, CLOCK)
    found = bundle.read(data)
    assert dict(found.roots) == {}
    assert bundle.differences(found, TRUST) == ()


def test_what_is_not_signed_is_compared(there: Roots, request_: RootRequest) -> None:
    found = bundle.read(exported(there, request_))
    assert bundle.differences(found, TRUST) == ()
    other = Trust(
        roots=(parse_trusted_root(SECOND, "corp"),),
        stores=(Store(kind="ca", name="mine", certificates=(der(certificate("mine")),)),),
    )
    assert bundle.differences(found, other) == (
        "root corp is another here than in the file",
        "store ca:mine is only here",
        "store ca:vendor is only in the file",
    )


def _set(*path: str, value: object) -> Any:
    def change(form: Any) -> None:
        for step in path[:-1]:
            form = form[step]
        form[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_set("kind", value="Policy"), "is 'Policy' of 'preverify/v1', expected a TrustBundle"),
        (_set("apiVersion", value="preverify/v9"), "of 'preverify/v9'"),
        (_set("madeAt", value="soon"), "ValueError while reading"),
        (_set("roots", value=[]), "AttributeError while reading"),
        (_set("roots", value={str(n): {} for n in range(65)}), "at most 64 are read"),
        (_set("trust", value={}), "KeyError while reading"),
        (_set("roots", "corp", "files", "../x.json", value=""), "which no metadata is"),
        (_set("roots", "corp", "files", "a/b.json", value=""), "which no metadata is"),
        (
            _set("roots", "corp", "files", "x.json", value=base64.b64encode(b" " * 5_000_001).decode()),
            "which no metadata",
        ),
        (_set("roots", "corp", "files", value={f"{n}.root.json": "" for n in range(513)}), "at most 512 are read"),
        (_set("roots", "corp", "files", "x.json", value="!"), "Error while reading"),
        (_set("roots", "corp", "target", value=base64.b64encode(b" " * (4 << 20 | 1)).decode()), "at most 4194304"),
    ],
)
def test_files_that_are_no_bundle(there: Roots, request_: RootRequest, change: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        bundle.read(changed(exported(there, request_), change))


def test_a_file_that_was_changed_or_cut_on_its_way_is_refused(there: Roots, request_: RootRequest) -> None:
    data = exported(there, request_)
    with pytest.raises(BadInput, match="does not have its digest"):
        bundle.read(data.replace(b'"preverify ', b'"preferify '))
    for cut in (0, 1, len(data) // 2, len(data) - 3):
        with pytest.raises(BadInput, match="is no trust bundle"):
            bundle.read(data[:cut])
    for odd in (b"[]", b"7", b"null", b"{}", b'{"a": 1, "a": 2}', b"\xff"):
        with pytest.raises(BadInput, match="is no trust bundle"):
            bundle.read(odd)
