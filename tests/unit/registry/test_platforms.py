"""What is read of an index: its children where somebody wants to know, and what BuildKit wrote beside them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.errors import Unavailable
from preverify.model.evidence import Format, Gathered, Place
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.registry import gather as module
from preverify.registry.gather import GatherLimits
from preverify.registry.layout import LayoutRegistry
from preverify.registry.remote import RemoteRegistry
from support.clock import Stopped
from support.hostile import BUNDLE, OCI_INDEX, OCI_MANIFEST, SIMPLE_SIGNING, Hostile, body, header, status
from support.registry_clients import image, remote, source

EACH = Platforms.of("each")
AMD, ARM = {"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64", "variant": "v8"}
UNKNOWN = {"os": "unknown", "architecture": "unknown"}
IN_TOTO = "application/vnd.in-toto+json"
CHILD = "vnd.docker.reference.digest"


def gather(registry: RemoteRegistry, index: str, platforms: Platforms = EACH) -> Gathered:
    return registry.gather(image(registry, "a/b", index), platforms=platforms)


def two(hostile: Hostile) -> tuple[str, str, str]:
    """Store an index of two images; returns the index and both."""
    amd, arm = hostile.image("a/b", content="amd"), hostile.image("a/b", content="arm")
    entries = [hostile.entry("a/b", amd, platform=AMD), hostile.entry("a/b", arm, platform=ARM)]
    return hostile.index("a/b", entries, "t"), amd, arm


def signed(hostile: Hostile, digest: str, *bodies: bytes) -> None:
    hostile.layers("a/b", digest.replace(":", "-") + ".sig", SIMPLE_SIGNING, list(bodies) or [digest.encode()])


def of(found: Gathered, digest: str) -> Gathered:
    (child,) = [c for c in found.children if str(c.image.subject.digest) == digest]
    return child


# --- children ---------------------------------------------------------------------------------------------------------


def test_children_are_read_only_where_somebody_wants_to_know(hostile: Hostile) -> None:
    index, amd, arm = two(hostile)
    for digest in (index, amd, arm):
        signed(hostile, digest)
    ours = remote(hostile.host)
    for platforms, children in ((THE_INDEX, []), (EACH, [amd, arm]), (Platforms.of(["linux/arm64"]), [arm])):
        hostile.seen.clear()
        found = gather(ours, index, platforms)
        assert [e.body for e in found.evidence] == [index.encode()]
        assert [str(c.image.subject.digest) for c in found.children] == children
        assert [[e.body for e in c.evidence] for c in found.children] == [[d.encode()] for d in children]
        assert found.requests == len(hostile.seen) - 1, "all but that of the index itself"
        assert found.image.platforms == ("linux/amd64", "linux/arm64")
        assert not found.lacks(platforms)
        if children:
            assert f"children: {len(children)}" in found.looked_at
    assert ours.gather(image(ours, "a/b", index)).children == ()


def test_evidence_tags_of_children_are_seen_too(hostile: Hostile) -> None:
    index, amd, _ = two(hostile)
    signed(hostile, amd)
    assert [tag for tag, _ in gather(remote(hostile.host), index).tags] == [amd.replace(":", "-") + ".sig"]


def test_each_child_has_its_hashed_manifest(hostile: Hostile) -> None:
    index, amd, _ = two(hostile)
    child = of(gather(remote(hostile.host), index), amd)
    assert child.held
    assert Digest.parse(amd).names(child.image.manifest)
    assert child.image.subject == Subject(Repository(hostile.host, "a/b"), Digest.parse(amd))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (body(b'{"schemaVersion":2,"mediaType":"x"}'), Reason.DIGEST_MISMATCH),
        (header("Content-Type", OCI_INDEX), Reason.CONTENT_MISMATCH),
        (status(404), Reason.PLATFORM_MISSING),
    ],
    ids=["another", "confused", "gone"],
)
def test_a_child_that_is_not_what_the_index_names_is_void(hostile: Hostile, fault: object, reason: Reason) -> None:
    index, amd, arm = two(hostile)
    signed(hostile, arm)
    ours = remote(hostile.host)
    read = image(ours, "a/b", index)
    hostile.fault("GET", f"/manifests/{amd}", fault)
    found = ours.gather(read, platforms=EACH)
    void = of(found, amd)
    assert void.flaw is not None
    assert (void.flaw.reason, void.held, void.evidence) == (reason, False, ())
    assert len(of(found, arm).evidence) == 1
    assert found.unobtained == ()


@pytest.mark.parametrize("code", [401, 403, 429, 500])
def test_a_child_that_cannot_be_had_is_not_obtained(hostile: Hostile, code: int) -> None:
    index, amd, arm = two(hostile)
    ours = remote(hostile.host)
    read = image(ours, "a/b", index)
    hostile.fault("GET", f"/manifests/{amd}", status(code))
    away = of(ours.gather(read, platforms=EACH), amd)
    assert (away.held, away.flaw, len(away.unobtained)) == (False, None, 1)
    assert away.unobtained[0].what == f"manifest {amd}"
    assert arm


def test_sizes_and_types_that_the_index_names_have_to_be_true(hostile: Hostile) -> None:
    child = hostile.image("a/b")
    for change, reason in (({"size": 7}, Reason.DIGEST_MISMATCH), ({"mediaType": OCI_INDEX}, Reason.CONTENT_MISMATCH)):
        index = hostile.index("a/b", [{**hostile.entry("a/b", child, platform=AMD), **change}])
        flaw = of(gather(remote(hostile.host), index), child).flaw
        assert flaw is not None
        assert flaw.reason is reason


def test_an_index_inside_of_an_index_is_void(hostile: Hostile) -> None:
    inner, _, _ = two(hostile)
    outer = hostile.index("a/b", [hostile.entry("a/b", inner, platform=AMD)])
    found = gather(remote(hostile.host), outer)
    flaw = of(found, inner).flaw
    assert flaw is not None
    assert flaw.reason is Reason.CONTENT_MISMATCH
    assert "an index inside of an index" in flaw.detail
    assert len(hostile.sent("GET", f"/manifests/{inner}")) == 1


def test_one_child_for_two_platforms_is_read_once(hostile: Hostile) -> None:
    child = hostile.image("a/b")
    entries = [hostile.entry("a/b", child, platform=p) for p in (AMD, ARM, AMD, {}, {"os": "linux"}, "x", None)]
    index = hostile.index("a/b", entries)
    found = gather(remote(hostile.host), index)
    assert found.image.platforms == ("linux/amd64", "linux/arm64", "")
    assert found.image.children == (Digest.parse(child),) * 3
    assert len(found.children) == 1


def test_the_whole_has_one_deadline(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    index, amd, arm = two(hostile)
    clock = Stopped()
    ours = remote(hostile.host)
    monkeypatch.setattr(ours, "_clock", clock)
    read = image(ours, "a/b", index)

    def late(seen, reply):
        clock.forward(200)
        return reply

    hostile.fault("GET", f"/manifests/{amd}", late)
    hostile.fault("GET", f"/referrers/{amd}", late)
    found = ours.gather(read, platforms=EACH)
    assert [u.reason for u in of(found, amd).unobtained][:1] == [Reason.DEADLINE]
    assert (of(found, arm).held, of(found, arm).unobtained[0].reason) == (False, Reason.DEADLINE)
    assert found.unobtained == ()


def test_the_whole_has_one_budget_of_bytes(hostile: Hostile) -> None:
    index, amd, arm = two(hostile)
    for digest in (index, amd, arm):
        signed(hostile, digest, digest.encode() * 10)
    limits = GatherLimits(total_bytes=1500)
    found = gather(remote(hostile.host, gather_limits=limits), index)
    assert [len(found.evidence), *(len(c.evidence) for c in found.children)] == [1, 1, 0]
    assert [c.truncated for c in found.children] == [False, True]


def test_the_fingerprint_sees_what_comes_to_a_child(hostile: Hostile) -> None:
    index, amd, arm = two(hostile)
    ours = remote(hostile.host)
    subject = Subject(Repository(hostile.host, "a/b"), Digest.parse(index))
    children = tuple(map(Digest.parse, (amd, arm)))

    def now(children: tuple[Digest, ...]) -> str:
        return ours.evidence_fingerprint(subject, frozenset(hostile.tags["a/b"]), children)

    alone, whole = gather(ours, index, THE_INDEX).fingerprint, gather(ours, index).fingerprint
    hostile.seen.clear()
    assert now(()) == alone
    assert len(hostile.seen) == 1
    assert now(children) == whole != alone
    assert len(hostile.seen) == 1 + 3, "one request more for each child"
    hostile.referrer("a/b", arm, b"x")
    assert now(()) == alone
    assert now(children) == gather(ours, index).fingerprint != whole
    before = now(children)
    signed(hostile, amd)
    assert now(children) == gather(ours, index).fingerprint != before


# --- a manifest by itself ---------------------------------------------------------------------------------------------


def alone(hostile: Hostile, config: bytes) -> str:
    blob = {"mediaType": "application/vnd.oci.image.config.v1+json", **hostile.blob("a/b", config)}
    return hostile.put("a/b", {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob, "layers": []})


@pytest.mark.parametrize(
    ("config", "platform"),
    [
        (b'{"os":"linux","architecture":"amd64"}', "linux/amd64"),
        (b'{"os":"linux","architecture":"arm","variant":"v6"}', "linux/arm/v6"),
        (b'{"os":"linux"}', ""),
        (b'{"os":7,"architecture":"amd64"}', ""),
        (b"[]", ""),
        (b'{"os":"linux","os":"linux","architecture":"amd64"}', ""),
    ],
)
def test_the_platform_of_a_manifest_is_what_its_configuration_says(
    hostile: Hostile, config: bytes, platform: str
) -> None:
    digest = alone(hostile, config)
    ours = remote(hostile.host)
    named = Platforms.of(["linux/amd64"])
    assert gather(ours, digest, named).platform == platform
    assert gather(ours, digest, named | EACH).platform == platform
    assert gather(ours, digest, EACH).platform is None
    assert gather(ours, digest, THE_INDEX).platform is None


def test_a_configuration_of_another_digest_says_nothing_and_one_that_is_away_is_not_obtained(
    hostile: Hostile,
) -> None:
    digest, named = alone(hostile, b'{"os":"linux","architecture":"amd64"}'), Platforms.of(["linux/amd64"])
    ours = remote(hostile.host)
    hostile.fault("GET", "/blobs/", body(b'{"os":"linux","architecture":"arm64"}'), times=1)
    assert gather(ours, digest, named).platform == ""
    hostile.fault("GET", "/blobs/", status(503), times=1)
    found = gather(ours, digest, named)
    assert (found.platform, [u.what for u in found.unobtained]) == (None, ["configuration"])


def test_no_configuration_is_read_after_the_deadline(hostile: Hostile) -> None:
    digest = alone(hostile, b'{"os":"linux","architecture":"amd64"}')
    limits = GatherLimits(deadline=timedelta(seconds=-1))
    found = gather(remote(hostile.host, gather_limits=limits), digest, Platforms.of(["linux/amd64"]))
    assert found.platform is None
    assert {u.reason for u in found.unobtained} == {Reason.DEADLINE}


# --- BuildKit ---------------------------------------------------------------------------------------------------------


def described(hostile: Hostile, child: str, *bodies: bytes, layer: str = IN_TOTO, **notes: str) -> dict[str, object]:
    """Store an attestation manifest of BuildKit; returns its entry in the index."""
    manifest = hostile.layers("a/b", f"x{len(hostile.tags.get('a/b', {}))}", layer, list(bodies))
    said = {"vnd.docker.reference.type": "attestation-manifest", CHILD: child, **notes}
    return hostile.entry("a/b", manifest, platform=UNKNOWN, annotations=said)


def test_statements_of_the_index_are_evidence_about_their_child(hostile: Hostile) -> None:
    amd, arm = hostile.image("a/b", content="amd"), hostile.image("a/b", content="arm")
    entries = [
        hostile.entry("a/b", amd, platform=AMD),
        hostile.entry("a/b", arm, platform=ARM),
        described(hostile, amd, b'{"a":1}', b'{"a":2}'),
        described(hostile, arm, b'{"b":1}'),
    ]
    index = hostile.index("a/b", entries)
    found = gather(remote(hostile.host), index, THE_INDEX)
    assert found.image.children == (Digest.parse(amd), Digest.parse(arm))
    assert [(e.format, e.place, e.body, e.index, e.annotation(CHILD)) for e in found.evidence] == [
        (Format.BUILDKIT_STATEMENT, Place.INDEX, b'{"a":1}', 0, amd),
        (Format.BUILDKIT_STATEMENT, Place.INDEX, b'{"a":2}', 1, amd),
        (Format.BUILDKIT_STATEMENT, Place.INDEX, b'{"b":1}', 0, arm),
    ]
    assert "index: 2" in found.looked_at
    assert found.fingerprint == module.fingerprint(module.Listing())


@pytest.mark.parametrize(
    ("notes", "layer"),
    [
        ({CHILD: "sha256:" + "9" * 64}, IN_TOTO),
        ({CHILD: "x"}, IN_TOTO),
        ({"vnd.docker.reference.type": "other"}, IN_TOTO),
        ({}, "application/vnd.dsse.envelope.v1+json"),
    ],
    ids=["not-in-the-index", "no-digest", "other-type", "no-statement"],
)
def test_other_entries_describe_nothing(hostile: Hostile, notes: dict[str, str], layer: str) -> None:
    """Case 9: only what names a child of the same index, and is marked as BuildKit marks it."""
    child = hostile.image("a/b")
    index = hostile.index(
        "a/b", [hostile.entry("a/b", child, platform=AMD), described(hostile, child, b"{}", layer=layer, **notes)]
    )
    found = gather(remote(hostile.host), index, THE_INDEX)
    assert found.evidence == ()
    assert found.image.children == (Digest.parse(child),)


def test_a_runnable_entry_is_no_description(hostile: Hostile) -> None:
    child = hostile.image("a/b")
    entry = described(hostile, child, b"{}") | {"platform": AMD}
    index = hostile.index("a/b", [hostile.entry("a/b", child, platform=ARM), entry])
    assert gather(remote(hostile.host), index, THE_INDEX).evidence == ()


def test_a_layer_does_not_say_which_child_it_is_about(hostile: Hostile) -> None:
    child, other = hostile.image("a/b", content="1"), hostile.image("a/b", content="2")
    blob = {"mediaType": IN_TOTO, **hostile.blob("a/b", b"{}"), "annotations": {CHILD: other, "z": "1"}}
    config = {"mediaType": "x", **hostile.blob("a/b", b"{}")}
    manifest = hostile.put("a/b", {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [blob]})
    said = {"vnd.docker.reference.type": "attestation-manifest", CHILD: child}
    entries = [hostile.entry("a/b", d, platform=AMD) for d in (child, other)]
    index = hostile.index("a/b", [*entries, hostile.entry("a/b", manifest, platform=UNKNOWN, annotations=said)])
    (found,) = gather(remote(hostile.host), index, THE_INDEX).evidence
    assert found.annotations == (("z", "1"), (CHILD, child))


@pytest.mark.parametrize("code", [401, 429, 500])
@pytest.mark.parametrize("what", ["manifest", "layer"])
def test_a_statement_that_cannot_be_had_keeps_nothing_open(hostile: Hostile, code: int, what: str) -> None:
    """It decides nothing: a verdict must not wait for it."""
    child = hostile.image("a/b")
    entry = described(hostile, child, b'{"s":1}')
    index = hostile.index("a/b", [hostile.entry("a/b", child, platform=AMD), entry])
    ours = remote(hostile.host)
    read = image(ours, "a/b", index)
    hostile.fault("GET", f"/manifests/{entry['digest']}" if what == "manifest" else "/blobs/", status(code))
    found = ours.gather(read)
    assert (found.evidence, found.unobtained, found.truncated) == ((), (), False)
    assert "index: 1, 1 not read" in found.looked_at


@pytest.mark.parametrize("what", ["manifest", "layer", "descriptor"])
def test_a_void_statement_is_said(hostile: Hostile, what: str) -> None:
    child = hostile.image("a/b")
    entry = described(hostile, child, b'{"s":1}')
    if what == "descriptor":
        layer: dict[str, object] = {"mediaType": IN_TOTO, "digest": "x", "size": 1}
        bare = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"mediaType": "x"}, "layers": [layer]}
        entry = hostile.entry("a/b", hostile.put("a/b", bare), platform=UNKNOWN, annotations=entry["annotations"])
    index = hostile.index("a/b", [hostile.entry("a/b", child, platform=AMD), entry])
    ours = remote(hostile.host)
    read = image(ours, "a/b", index)
    if what != "descriptor":
        hostile.fault("GET", f"/manifests/{entry['digest']}" if what == "manifest" else "/blobs/", status(404))
    (found,) = ours.gather(read).evidence
    assert (found.format, found.place, found.annotation(CHILD)) == (Format.BUILDKIT_STATEMENT, Place.INDEX, child)
    assert found.flaw is not None


def test_statements_are_bounded_and_crowd_nothing_out(hostile: Hostile) -> None:
    child = hostile.image("a/b")
    many = [described(hostile, child, *(b'{"n":%d,"m":%d}' % (n, m) for m in range(4))) for n in range(30)]
    index = hostile.index("a/b", [hostile.entry("a/b", child, platform=AMD), *many])
    signed(hostile, index)
    found = gather(remote(hostile.host), index, THE_INDEX)
    assert found.evidence[0].format is Format.COSIGN_SIGNATURE
    assert len(found.evidence) == 1 + GatherLimits().considered
    assert not found.truncated, "what was left decides nothing"
    assert any("not read" in note for note in found.looked_at)
    few = gather(remote(hostile.host, gather_limits=GatherLimits(listed=2)), index, THE_INDEX)
    assert len(few.evidence) == 1 + 2 * 2
    small = gather(remote(hostile.host, gather_limits=GatherLimits(total_bytes=85)), index, THE_INDEX)
    assert (len(small.evidence), small.truncated) == (1 + 1, False)


def test_no_statement_is_read_after_the_deadline(hostile: Hostile) -> None:
    child = hostile.image("a/b")
    index = hostile.index("a/b", [hostile.entry("a/b", child, platform=AMD), described(hostile, child, b"{}")])
    late = GatherLimits(deadline=timedelta(seconds=-1))
    found = gather(remote(hostile.host, gather_limits=late), index, THE_INDEX)
    assert found.evidence == ()
    assert "index: 1, 1 not read" in found.looked_at


# --- directories of layouts -------------------------------------------------------------------------------------------


def test_layout_directories_do_the_same(hostile: Hostile, tmp_path: Path) -> None:
    index, amd, arm = two(hostile)
    document = json.loads(hostile.manifests["a/b"][index][1])
    index = hostile.index("a/b", [*document["manifests"], described(hostile, amd, b'{"s":1}')], "t")
    for digest in (index, amd, arm):
        signed(hostile, digest)
    hostile.referrer("a/b", arm, b'{"bundle":1}', kind=BUNDLE)
    root = tmp_path / "a" / "b"
    (root / "blobs" / "sha256").mkdir(parents=True)
    (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    names = {digest: tag for tag, digest in hostile.tags["a/b"].items()}
    entries = []
    for digest, (kind, data) in hostile.manifests["a/b"].items():
        (root / "blobs" / "sha256" / digest[7:]).write_bytes(data)
        note = {"org.opencontainers.image.ref.name": names[digest]} if digest in names else {}
        entries.append({"mediaType": kind, "digest": digest, "size": len(data), "annotations": note})
    for digest, data in hostile.blobs["a/b"].items():
        (root / "blobs" / "sha256" / digest[7:]).write_bytes(data)
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    layouts = LayoutRegistry(source(f"oci:{tmp_path}", tls={}), clock=SystemClock())
    over_network = gather(remote(hostile.host), index)
    read = layouts.fetch(Subject(Repository("localhost", "a/b"), Digest.parse(index)))
    from_files = layouts.gather(read, platforms=EACH)
    assert from_files.image.platforms == over_network.image.platforms
    assert {e.id for e in from_files.evidence} == {e.id for e in over_network.evidence}
    assert [{e.id for e in c.evidence} for c in from_files.children] == [
        {e.id for e in c.evidence} for c in over_network.children
    ]
    assert [len(c.evidence) for c in from_files.children] == [1, 2]
    children = tuple(c.image.subject.digest for c in from_files.children)
    assert layouts.evidence_fingerprint(read.subject, None, children) == from_files.fingerprint


def test_a_registry_that_ends_in_the_middle_is_no_error_of_ours(hostile: Hostile) -> None:
    index, _, _ = two(hostile)
    ours = remote(hostile.host)
    read = image(ours, "a/b", index)
    hostile.fault("GET", "", status(500))
    found = ours.gather(read, platforms=EACH)
    assert found.unobtained
    assert not any(c.held for c in found.children)
    with pytest.raises(Unavailable):
        image(ours, "a/b", index)
