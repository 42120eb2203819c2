"""Publishing against a registry that does one thing wrong at a time: races, refusals, no DELETE, foreign content."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from preverify.attest import att, referrer
from preverify.attest.bundle import build
from preverify.attest.envelope import seal
from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, Unavailable
from preverify.model.reference import Repository, Subject
from preverify.ports import Layout, PublishState
from preverify.registry import attaching, open_source
from preverify.settings import Source
from preverify.signing.keyfile import KeyFile
from support.hostile import DSSE, SIMPLE_SIGNING, Hostile, Reply, Seen, status
from support.statements import new_key, sealed

PATH = "shop/api"
DETACHED = "preverify/statements"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    return new_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    return new_key(tmp_path_factory.mktemp("foreign"))


@pytest.fixture
def registry() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


@pytest.fixture
def plain() -> Iterator[Hostile]:
    with Hostile(referrers=False, deletes=False, etags=False) as running:
        yield running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attaching, "_PAUSE_SECONDS", 0.001)


def subject_of(registry: Hostile, path: str = PATH) -> Subject:
    return Subject(Repository(registry.host, path), Digest.parse(registry.image(path, "v1")))


def opened(registry: Hostile, key: KeyFile, **publish: object):
    source = Source(registry=registry.host, network="private", tls={"plainHttp": True}, publish=publish)
    return open_source("test", source, clock=SystemClock(), own_keys=(key.public,))


def att_of(registry: Hostile, subject: Subject, path: str = PATH) -> list[bytes]:
    """Return the bodies of the layers of `.att`."""
    digest = registry.tags.get(path, {}).get(att.tag(subject.digest))
    if digest is None:
        return []
    layers = json.loads(registry.manifests[path][digest][1])["layers"]
    return [registry.blobs[path][layer["digest"]] for layer in layers]


def write_att(registry: Hostile, subject: Subject, bodies: list[bytes], path: str = PATH) -> None:
    registry.layers(path, att.tag(subject.digest), DSSE, bodies)


def bundles(registry: Hostile, subject: Subject) -> list[str]:
    return [
        digest
        for digest, (_, data) in registry.manifests[PATH].items()
        if json.loads(data).get("subject", {}).get("digest") == str(subject.digest)
    ]


def refusing(registry: Hostile, path: str, code: int) -> None:
    """Let no tag of attestations in `path` move."""
    kept = dict(registry.tags.get(path, {}))

    def fault(_seen: Seen, _reply: Reply) -> Reply:
        registry.tags[path] = dict(kept)
        return Reply(status=code)

    registry.fault("PUT", rf"/{path}/manifests/.*\.att", fault)


def doing(action: Callable[[], None]) -> Callable[[Seen, Reply], Reply]:
    """Do something right after a request was answered, before the answer arrives."""

    def fault(_seen: Seen, reply: Reply) -> Reply:
        action()
        return reply

    return fault


# --- idempotence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [Layout.ATT, Layout.BUNDLE, Layout.BOTH, Layout.DETACHED, Layout.AUTO])
@pytest.mark.parametrize("api", [True, False])
def test_the_same_bytes_a_second_time_write_nothing(key: KeyFile, layout: Layout, api: bool) -> None:
    with Hostile(referrers=api) as registry:
        subject = subject_of(registry)
        source = opened(registry, key, detachedRepository=DETACHED)
        envelope = sealed(subject, key)
        first = source.publish(subject, envelope, layout, supersedes=())
        assert first.state is PublishState.PUBLISHED
        before = (dict(registry.tags), {p: set(m) for p, m in registry.manifests.items()})
        registry.seen.clear()
        second = source.publish(subject, envelope, layout, supersedes=first.manifests)
        assert (second.layouts, second.manifests) == (first.layouts, first.manifests)
        assert (dict(registry.tags), {p: set(m) for p, m in registry.manifests.items()}) == before
        assert not [s for s in registry.sent("PUT", "/manifests/") if ":" not in s.path.rpartition("/")[2]]
        withdrawn = source.withdraw(subject, second.manifests)
        assert withdrawn.state is PublishState.WITHDRAWN
        assert att_of(registry, subject) == att_of(registry, subject, DETACHED) == []
        if api:
            assert bundles(registry, subject) == []
        assert source.withdraw(subject, second.manifests).state is PublishState.WITHDRAWN


def test_a_repository_without_anything_is_withdrawn(registry: Hostile, key: KeyFile) -> None:
    subject = Subject(Repository(registry.host, "gone"), Digest("sha256", "0" * 64))
    assert opened(registry, key).withdraw(subject, ()).state is PublishState.WITHDRAWN


def test_only_this_registry(registry: Hostile, key: KeyFile) -> None:
    subject = Subject(Repository("elsewhere.example", PATH), Digest("sha256", "0" * 64))
    with pytest.raises(BadInput):
        opened(registry, key).publish(subject, b"", Layout.ATT, supersedes=())
    with pytest.raises(BadInput):
        opened(registry, key).withdraw(subject, ())


# --- what is published ------------------------------------------------------------------------------------------------


def test_only_our_statements_about_this_subject_are_attached(registry: Hostile, key: KeyFile, foreign: KeyFile) -> None:
    subject = subject_of(registry)
    other = Subject(Repository(registry.host, "shop/other"), subject.digest)
    source = opened(registry, key)
    for envelope in (sealed(subject, foreign), sealed(other, key), b"rubbish", seal(b"{}", key.sign(b"x"))):
        done = source.publish(subject, envelope, Layout.AUTO, supersedes=())
        assert done.state is PublishState.UNPUBLISHED
    assert registry.sent("PUT") == []


def test_no_layout(registry: Hostile, key: KeyFile) -> None:
    subject = subject_of(registry)
    source = opened(registry, key)
    assert source.publish(subject, sealed(subject, key), Layout.NONE, supersedes=()).state is PublishState.UNPUBLISHED
    done = source.publish(subject, sealed(subject, key), Layout.DETACHED, supersedes=())
    assert done.state is PublishState.UNPUBLISHED
    assert "detachedRepository" in done.detail


def test_sha512_subjects_have_no_att_tag(registry: Hostile, key: KeyFile) -> None:
    subject = Subject(Repository(registry.host, PATH), Digest("sha512", "0" * 128))
    done = opened(registry, key).publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert done.state is PublishState.UNPUBLISHED
    assert ".att tag" in done.detail


# --- hazard 4: lost updates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_foreign_layer_that_comes_in_between_is_kept(registry: Hostile, key: KeyFile, method: str) -> None:
    """Somebody attaches after we read (seen by HEAD), or after we looked again (refused by If-Match)."""
    subject = subject_of(registry)
    write_att(registry, subject, [b"first"])
    late = doing(lambda: write_att(registry, subject, [b"first", b"late"]))
    registry.fault(method, r"\.att", late, times=1)
    envelope = sealed(subject, key)
    done = opened(registry, key).publish(subject, envelope, Layout.ATT, supersedes=())
    assert done.state is PublishState.PUBLISHED
    assert att_of(registry, subject) == [b"first", b"late", envelope]


def test_a_writer_that_overwrites_ours_is_overtaken(plain: Hostile, key: KeyFile) -> None:
    """Without If-Match somebody who read before us writes after us: seen on reading back, done again on top of it."""
    subject = subject_of(plain)
    plain.fault("PUT", r"\.att", doing(lambda: write_att(plain, subject, [b"theirs"])), times=1)
    envelope = sealed(subject, key)
    done = opened(plain, key).publish(subject, envelope, Layout.ATT, supersedes=())
    assert done.state is PublishState.PUBLISHED
    assert att_of(plain, subject) == [b"theirs", envelope]


def test_two_writers_of_the_fallback_index(plain: Hostile, key: KeyFile) -> None:
    subject = subject_of(plain)
    theirs = plain.entry(PATH, plain.image(PATH, content="theirs"), artifactType="application/x")
    plain.fault(
        "PUT",
        r"/manifests/sha256-[0-9a-f]{64}$",
        doing(lambda: plain.fallback(PATH, str(subject.digest), [theirs]) and None),
        times=1,
    )
    done = opened(plain, key).publish(subject, sealed(subject, key), Layout.BUNDLE, supersedes=())
    assert done.state is PublishState.PUBLISHED
    index = json.loads(plain.manifests[PATH][plain.tags[PATH][referrer.fallback_tag(subject.digest)]][1])
    assert [m["digest"] for m in index["manifests"]] == [theirs["digest"], done.manifests[0]]


def test_whoever_never_gets_through_tries_later(plain: Hostile, key: KeyFile) -> None:
    subject = subject_of(plain)
    plain.fault("PUT", r"\.att", doing(lambda: write_att(plain, subject, [b"theirs"])))
    with pytest.raises(Unavailable, match="faster than we can") as caught:
        opened(plain, key).publish(subject, sealed(subject, key), Layout.ATT, supersedes=())
    assert caught.value.retry_after == timedelta(seconds=30)


# --- hazard 3: staleness ----------------------------------------------------------------------------------------------


def test_older_statements_go_and_foreign_layers_stay(registry: Hostile, key: KeyFile, foreign: KeyFile) -> None:
    """Also ones that nobody noted, and one about another repository that came along with a copied image."""
    subject = subject_of(registry)
    copied = sealed(Subject(Repository("origin.example", PATH), subject.digest), key)
    theirs = sealed(subject, foreign)
    old = [sealed(subject, key, name=f"v_{n}", at=datetime.now(UTC) - timedelta(days=1)) for n in range(2)]
    write_att(registry, subject, [b"x", old[0], theirs, copied, old[1], b"x"])
    envelope = sealed(subject, key, name="v_9")
    source = opened(registry, key)
    done = source.publish(subject, envelope, Layout.AUTO, supersedes=())
    assert att_of(registry, subject) == [b"x", theirs, b"x", envelope]
    source.withdraw(subject, done.manifests)
    assert att_of(registry, subject) == [b"x", theirs, b"x"]


def test_statements_under_a_retired_key_are_known_by_their_digest(
    registry: Hostile, key: KeyFile, foreign: KeyFile
) -> None:
    subject = subject_of(registry)
    old = opened(registry, foreign)
    first = old.publish(subject, sealed(subject, foreign), Layout.BOTH, supersedes=())
    assert len(bundles(registry, subject)) == 1
    envelope = sealed(subject, key)
    done = opened(registry, key).publish(subject, envelope, Layout.AUTO, supersedes=first.manifests)
    assert done.layouts == (Layout.ATT,)
    assert att_of(registry, subject) == [envelope]
    assert bundles(registry, subject) == []


def test_detached_statements_of_other_repositories_stay(registry: Hostile, key: KeyFile) -> None:
    """Two repositories with one digest share a detached tag; each keeps its own statement."""
    one, two = subject_of(registry, "shop/one"), subject_of(registry, "shop/two")
    assert one.digest == two.digest
    source = opened(registry, key, detachedRepository=DETACHED)
    for subject in (one, two):
        source.publish(subject, sealed(subject, key), Layout.DETACHED, supersedes=())
    assert len(att_of(registry, one, DETACHED)) == 2
    renewed = sealed(one, key, name="v_2")
    source.publish(one, renewed, Layout.DETACHED, supersedes=())
    assert len(att_of(registry, one, DETACHED)) == 2
    source.withdraw(one, ())
    assert att_of(registry, two, DETACHED) == [sealed_again(registry, two)]


def sealed_again(registry: Hostile, subject: Subject) -> bytes:
    (only,) = [b for b in att_of(registry, subject, DETACHED) if str(subject).encode() in _payload(b)]
    return only


def _payload(envelope: bytes) -> bytes:
    from preverify.attest.envelope import parse

    return parse(envelope).payload


# --- hazard 5 and other refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [400, 403, 405, 409, 412])
def test_immutable_tags(registry: Hostile, key: KeyFile, code: int) -> None:
    """The blobs go in, the tag does not move: unpublished and said so, or detached where that is configured."""
    subject = subject_of(registry)
    write_att(registry, subject, [b"theirs"])
    refusing(registry, PATH, code)
    done = opened(registry, key).publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert done.state is PublishState.UNPUBLISHED
    assert "cannot be attached here" in done.detail
    source = opened(registry, key, detachedRepository=DETACHED)
    done = source.publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert (done.state, done.layouts) == (PublishState.PUBLISHED, (Layout.DETACHED,))
    assert len(att_of(registry, subject, DETACHED)) == 1
    done = source.publish(subject, sealed(subject, key), Layout.ATT, supersedes=())
    assert done.state is PublishState.UNPUBLISHED, "an explicit layout is not traded for another"
    assert source.withdraw(subject, ()).state is PublishState.WITHDRAWN
    refusing(registry, DETACHED, code)
    done = source.publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert done.state is PublishState.UNPUBLISHED


def test_a_refused_withdrawal_is_said(registry: Hostile, key: KeyFile) -> None:
    subject = subject_of(registry)
    source = opened(registry, key)
    done = source.publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    refusing(registry, PATH, 403)
    withdrawn = source.withdraw(subject, done.manifests)
    assert withdrawn.state is PublishState.NOT_WITHDRAWN
    assert "readers may still find it" in withdrawn.detail
    registry.heal()
    assert source.withdraw(subject, done.manifests).state is PublishState.WITHDRAWN


def test_a_registry_that_lies_about_deletion_is_caught(registry: Hostile, key: KeyFile) -> None:
    """202 for a DELETE that does nothing: the list of referrers is looked at afterwards."""
    subject = subject_of(registry)
    source = opened(registry, key)
    done = source.publish(subject, sealed(subject, key), Layout.BUNDLE, supersedes=())
    assert done.layouts == (Layout.BUNDLE,)
    kept = dict(registry.manifests[PATH])
    registry.fault("DELETE", "", doing(lambda: registry.manifests[PATH].update(kept)))
    withdrawn = source.withdraw(subject, done.manifests)
    assert withdrawn.state is PublishState.NOT_WITHDRAWN
    assert "bundle" in withdrawn.detail


def test_errors_of_the_registry_are_no_result(registry: Hostile, key: KeyFile) -> None:
    subject = subject_of(registry)
    registry.fault("PUT", r"\.att", status(503))
    with pytest.raises(Unavailable):
        opened(registry, key).publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    registry.heal()
    registry.fault("GET", "/referrers/", status(500))
    with pytest.raises(Unavailable):
        opened(registry, key).withdraw(subject, ())


def test_tags_that_hold_something_else_are_left_alone(registry: Hostile, key: KeyFile) -> None:
    subject = subject_of(registry)
    tag = att.tag(subject.digest)
    index = registry.index(PATH, [], tag)
    done = opened(registry, key).publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert done.state is PublishState.UNPUBLISHED
    assert registry.tags[PATH][tag] == index
    withdrawn = opened(registry, key).withdraw(subject, ("sha256:" + "0" * 64,))
    assert withdrawn.state is PublishState.NOT_WITHDRAWN, "ours may be in what we cannot read"
    assert opened(registry, key).withdraw(subject, ()).state is PublishState.WITHDRAWN
    assert registry.tags[PATH][tag] == index


def test_a_fallback_tag_that_holds_an_image_is_left_alone(plain: Hostile, key: KeyFile) -> None:
    subject = subject_of(plain)
    tag = referrer.fallback_tag(subject.digest)
    image = plain.image(PATH, tag, content="x")
    done = opened(plain, key).publish(subject, sealed(subject, key), Layout.BUNDLE, supersedes=())
    assert done.state is PublishState.UNPUBLISHED
    assert plain.tags[PATH][tag] == image


# --- without DELETE ---------------------------------------------------------------------------------------------------


@pytest.fixture
def keeping() -> Iterator[Hostile]:
    """A registry with the referrers API that deletes nothing."""
    with Hostile(deletes=False) as running:
        yield running


def attach_foreign(registry: Hostile, subject: Subject, foreign: KeyFile) -> str:
    return registry.referrer(PATH, str(subject.digest), build(sealed(subject, foreign), foreign.public))


def test_without_delete_auto_uses_att_only(keeping: Hostile, key: KeyFile, foreign: KeyFile) -> None:
    subject = subject_of(keeping)
    source = opened(keeping, key)
    first = source.publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert first.layouts == (Layout.ATT,)
    theirs = attach_foreign(keeping, subject, foreign)
    done = source.publish(subject, sealed(subject, key), Layout.AUTO, supersedes=first.manifests)
    assert done.state is PublishState.UNPUBLISHED
    assert "detachedRepository" in done.detail
    assert att_of(keeping, subject) == [], "a statement that is not published is not left standing"
    assert bundles(keeping, subject) == [theirs]
    source = opened(keeping, key, detachedRepository=DETACHED)
    done = source.publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert done.layouts == (Layout.DETACHED,)
    assert source.withdraw(subject, done.manifests).state is PublishState.WITHDRAWN


def test_without_delete_bundles_need_permission_and_stay(keeping: Hostile, key: KeyFile) -> None:
    subject = subject_of(keeping)
    for layout in (Layout.BUNDLE, Layout.BOTH):
        done = opened(keeping, key).publish(subject, sealed(subject, key), layout, supersedes=())
        assert done.state is PublishState.UNPUBLISHED
        assert "acceptUnwithdrawable" in done.detail
    bold = opened(keeping, key, acceptUnwithdrawable=True)
    done = bold.publish(subject, sealed(subject, key), Layout.BUNDLE, supersedes=())
    assert done.state is PublishState.PUBLISHED
    later = sealed(subject, key, name="v_2", at=datetime.now(UTC) + timedelta(seconds=2))
    renewed = bold.publish(subject, later, Layout.BUNDLE, supersedes=done.manifests)
    assert renewed.state is PublishState.PUBLISHED
    assert "keeps 1 older" in renewed.detail
    assert bold.withdraw(subject, renewed.manifests).state is PublishState.NOT_WITHDRAWN


def test_removal_is_tried_once_with_something_that_means_nothing(
    registry: Hostile, keeping: Hostile, plain: Hostile, key: KeyFile
) -> None:
    for host, works in ((registry, True), (keeping, False), (plain, True)):
        source = opened(host, key)
        subject = subject_of(host)
        assert source.publisher.removal_works(subject) is works
        probes = host.sent("DELETE")
        assert source.publisher.removal_works(subject) is works
        assert host.sent("DELETE") == probes, "the answer is kept"
        assert bundles(host, subject) == []


# --- hazard 1: who shadows --------------------------------------------------------------------------------------------


def test_auto_follows_a_foreign_bundle_and_comes_back(registry: Hostile, key: KeyFile, foreign: KeyFile) -> None:
    subject = subject_of(registry)
    source = opened(registry, key)
    envelope = sealed(subject, key)
    first = source.publish(subject, envelope, Layout.AUTO, supersedes=())
    theirs = attach_foreign(registry, subject, foreign)
    moved = source.publish(subject, envelope, Layout.AUTO, supersedes=first.manifests)
    assert moved.layouts == (Layout.BUNDLE,)
    assert att_of(registry, subject) == []
    assert set(bundles(registry, subject)) == {theirs, *moved.manifests}
    del registry.manifests[PATH][theirs]
    back = source.publish(subject, envelope, Layout.AUTO, supersedes=moved.manifests)
    assert back.layouts == (Layout.ATT,)
    assert bundles(registry, subject) == []
    assert theirs not in [s.path.rpartition("/")[2] for s in registry.sent("DELETE")]


@pytest.mark.parametrize("kind", ["old-bundle", "no-bundle", "not-there", "fallback-only", "other-type", "two-layers"])
def test_what_cosign_does_not_read_as_a_bundle_moves_nothing(
    registry: Hostile, key: KeyFile, foreign: KeyFile, kind: str
) -> None:
    """A bundle of ours beside these would be the first that cosign reads, and would hide the tags of others."""
    subject = subject_of(registry)
    body = build(sealed(subject, foreign), foreign.public)
    if kind == "old-bundle":
        old = {**json.loads(body), "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1"}
        registry.referrer(PATH, str(subject.digest), json.dumps(old).encode())
    elif kind == "no-bundle":
        registry.referrer(PATH, str(subject.digest), b"rubbish")
    elif kind == "not-there":
        theirs = attach_foreign(registry, subject, foreign)
        registry.fault("GET", f"/manifests/{theirs}", status(404))
    elif kind == "fallback-only":
        theirs = registry.referrer(PATH, None, body)
        registry.fallback(PATH, str(subject.digest), [registry.entry(PATH, theirs)])
    elif kind == "other-type":
        registry.referrer(PATH, str(subject.digest), body, kind="application/json")
    else:
        theirs = attach_foreign(registry, subject, foreign)
        document = json.loads(registry.manifests[PATH].pop(theirs)[1])
        registry.put(PATH, {**document, "layers": document["layers"] * 2})
    done = opened(registry, key).publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert done.layouts == (Layout.ATT,)


def test_would_shadow_looks_at_signatures_and_attestations_of_others(registry: Hostile, key: KeyFile) -> None:
    subject = subject_of(registry)
    source = opened(registry, key)
    envelope = sealed(subject, key)
    assert source.publish(subject, envelope, Layout.BUNDLE, supersedes=()).state is PublishState.PUBLISHED
    signatures = f"sha256-{subject.digest.hex}.sig"
    registry.layers(PATH, signatures, SIMPLE_SIGNING, [b"{}"])
    done = source.publish(subject, envelope, Layout.BUNDLE, supersedes=())
    assert done.state is PublishState.WOULD_SHADOW
    assert bundles(registry, subject) == [], "ours went, so that theirs are seen again"
    registry.layers(PATH, signatures, SIMPLE_SIGNING, [])
    assert source.publish(subject, envelope, Layout.BOTH, supersedes=()).state is PublishState.PUBLISHED
    write_att(registry, subject, [b"theirs"])
    assert source.publish(subject, envelope, Layout.BOTH, supersedes=()).state is PublishState.WOULD_SHADOW
    write_att(registry, subject, [])
    registry.fault("GET", r"\.sig", lambda _s, reply: Reply(headers=reply.headers, body=b"rubbish"))
    assert source.publish(subject, envelope, Layout.BUNDLE, supersedes=()).state is PublishState.WOULD_SHADOW
    registry.heal()
    bold = opened(registry, key, allowShadowing=True)
    registry.layers(PATH, signatures, SIMPLE_SIGNING, [b"{}"])
    assert bold.publish(subject, envelope, Layout.BUNDLE, supersedes=()).state is PublishState.PUBLISHED


def test_strange_layers_beside_ours_are_kept(registry: Hostile, key: KeyFile) -> None:
    """Layers that are no descriptors, whose blob is gone, or that are too large to be ours."""
    subject = subject_of(registry)
    layers = [
        {"digest": "sha256:" + "0" * 64, "mediaType": DSSE, "size": 5},
        {"digest": "sha256:" + "1" * 64, "mediaType": DSSE, "size": "x"},
        {"digest": "sha256:" + "2" * 64, "mediaType": DSSE, "size": 10**9},
        {"digest": "sha256:" + "3" * 64, "mediaType": "text/plain", "size": 1},
    ]
    config = {"mediaType": "x", "digest": "sha256:" + "4" * 64, "size": 2}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
    registry.put(PATH, document, att.tag(subject.digest))
    done = opened(registry, key).publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert done.state is PublishState.PUBLISHED
    after = json.loads(registry.manifests[PATH][done.manifests[0]][1])["layers"]
    assert after[:4] == layers
    assert len(after) == 5


def test_layout_directories_are_only_read(tmp_path: Path, key: KeyFile) -> None:
    source = open_source("dir", Source(registry=f"oci:{tmp_path}"), clock=SystemClock(), own_keys=(key.public,))
    subject = Subject(Repository("localhost", "x"), Digest("sha256", "0" * 64))
    assert source.publish(subject, b"", Layout.AUTO, supersedes=()).state is PublishState.UNPUBLISHED


def test_an_answer_that_says_no_to_what_was_done_is_looked_after(registry: Hostile, key: KeyFile) -> None:
    """The registry stored the manifest and answered 403: our statement was there, so it is taken away."""
    subject = subject_of(registry)
    registry.fault("PUT", r"\.att", status(403))
    done = opened(registry, key).publish(subject, sealed(subject, key), Layout.AUTO, supersedes=())
    assert done.state is PublishState.UNPUBLISHED
    assert att_of(registry, subject) == []


def test_what_cannot_be_taken_away_stays_published(keeping: Hostile, key: KeyFile) -> None:
    """Called anything else, nobody would try to withdraw it when the image stops passing."""
    subject = subject_of(keeping)
    bold = opened(keeping, key, acceptUnwithdrawable=True)
    first = bold.publish(subject, sealed(subject, key), Layout.BUNDLE, supersedes=())
    keeping.layers(PATH, f"sha256-{subject.digest.hex}.sig", SIMPLE_SIGNING, [b"{}"])
    done = bold.publish(subject, sealed(subject, key), Layout.BUNDLE, supersedes=first.manifests)
    assert (done.state, done.layouts, done.manifests) == (PublishState.PUBLISHED, (Layout.BUNDLE,), first.manifests)
    assert "would hide" in done.detail
    assert "still in bundle" in done.detail


def test_sha512_subjects_are_looked_at_for_bundles(registry: Hostile, key: KeyFile) -> None:
    image = registry.image(PATH)
    data = registry.manifests[PATH][image][1]
    digest = Digest.of(data, "sha512")
    registry.manifests[PATH][str(digest)] = (OCI_MANIFEST, data)
    subject = Subject(Repository(registry.host, PATH), digest)
    done = opened(registry, key).publish(subject, sealed(subject, key), Layout.BUNDLE, supersedes=())
    assert done.layouts == (Layout.BUNDLE,)
    assert len(bundles(registry, subject)) == 1


def test_answers_about_removal_are_kept_for_few_repositories(registry: Hostile, key: KeyFile, monkeypatch) -> None:
    from preverify.registry import publishing

    monkeypatch.setattr(publishing, "_MAX_PROBES", 1)
    publisher = opened(registry, key).publisher
    assert publisher.removal_works(subject_of(registry, "one"))
    assert publisher.removal_works(subject_of(registry, "two"))
    assert len(registry.sent("DELETE")) == 2
