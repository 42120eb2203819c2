"""Configurations of images: read where a rule wants them, each by the digest that its manifest names it by."""

from preverify.model.digest import Digest
from preverify.model.evidence import Gathered
from preverify.model.needs import Need
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from support.hostile import Hostile, body, status
from support.registry_clients import remote

CONFIG = b'{"os":"linux","architecture":"amd64"}'
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
NEEDS = frozenset({Need.CONFIG})


def manifest(hostile: Hostile, config: bytes = CONFIG) -> str:
    blob = {"mediaType": "application/vnd.oci.image.config.v1+json", **hostile.blob("a/b", config)}
    return hostile.put("a/b", {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob, "layers": []})


def gather(
    hostile: Hostile, digest: str, *, needs: frozenset[Need] = NEEDS, platforms: Platforms = THE_INDEX
) -> Gathered:
    ours = remote(hostile.host)
    image = ours.fetch(Subject(Repository(hostile.host, "a/b"), Digest.parse(digest)))
    return ours.gather(image, platforms=platforms, needs=needs)


def test_a_configuration_is_read_only_where_it_is_wanted(hostile: Hostile) -> None:
    digest = manifest(hostile)
    found = gather(hostile, digest).config
    assert found is not None
    assert (found.body, found.digest, found.flaw) == (CONFIG, Digest.of(CONFIG), None)
    assert gather(hostile, digest, needs=frozenset({Need.TAGS})).config is None
    named = gather(hostile, digest, needs=frozenset(), platforms=Platforms.of(["linux/amd64"]))
    assert (named.platform, named.config) == ("linux/amd64", None)


def test_of_an_index_the_configurations_of_its_children_are_read(hostile: Hostile) -> None:
    child = manifest(hostile)
    index = hostile.index("a/b", [hostile.entry("a/b", child, platform={"os": "linux", "architecture": "amd64"})])
    found = gather(hostile, index, platforms=Platforms.of("each"))
    assert found.config is None
    (only,) = found.children
    assert only.config is not None
    assert only.config.body == CONFIG
    assert not found.lacks(Platforms.of("each"), NEEDS)
    assert gather(hostile, index, needs=frozenset(), platforms=Platforms.of("each")).lacks(Platforms.of("each"), NEEDS)


def test_what_is_not_the_configuration_is_void_and_what_is_away_is_not_obtained(hostile: Hostile) -> None:
    digest = manifest(hostile)
    hostile.fault("GET", "/blobs/", body(b'{"os":"linux","architecture":"arm64"}'), times=1)
    other = gather(hostile, digest).config
    assert other is not None
    assert other.flaw is not None
    assert (other.flaw.reason, other.body) == (Reason.DIGEST_MISMATCH, b"")
    hostile.fault("GET", "/blobs/", status(404), times=1)
    gone = gather(hostile, digest).config
    assert gone is not None
    assert gone.flaw is not None
    assert gone.flaw.reason is Reason.CONTENT_MISMATCH
    hostile.fault("GET", "/blobs/", status(503), times=9)
    away = gather(hostile, digest)
    assert away.config is None
    assert [each.what for each in away.unobtained] == ["configuration"]
    assert away.lacks(THE_INDEX, NEEDS)


def test_a_manifest_that_names_no_configuration_has_a_void_one(hostile: Hostile) -> None:
    digest = hostile.put("a/b", {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config": {"size": 1}})
    found = gather(hostile, digest).config
    assert found is not None
    assert found.flaw is not None
