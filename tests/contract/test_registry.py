"""What the core relies on of a registry, the same against our fault-injecting one and against real ones."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from preverify.attest.referrer import fallback_tag
from preverify.model.digest import Digest
from preverify.model.errors import NotFound
from preverify.model.evidence import Place
from preverify.model.reference import Repository, Subject
from preverify.registry.client import Client, Limits
from preverify.registry.remote import RemoteRegistry
from support import registries
from support.hostile import BUNDLE, EMPTY_TYPE, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, SIMPLE_SIGNING, Hostile
from support.registry_clients import QUICK, remote

Tool = Callable[[str], Path]


@dataclass(frozen=True)
class Served:
    """A running registry and what is known of it."""

    host: str
    api: bool
    deletes: bool

    def registry(self, **more: object) -> RemoteRegistry:
        return remote(self.host, limits=Limits(timeouts=QUICK, page_size=10), **more)


KINDS = [
    pytest.param("ours", id="ours"),
    pytest.param("ours-plain", id="ours-without-api"),
    pytest.param("ours-fixed", id="ours-without-delete"),
    pytest.param("regserve", marks=pytest.mark.tools, id="referrers-api"),
    pytest.param("registry", marks=pytest.mark.tools, id="distribution-3"),
    pytest.param("docker-registry", marks=pytest.mark.tools, id="distribution-2.8"),
    pytest.param("registry-fixed", marks=pytest.mark.tools, id="distribution-3-without-delete"),
]


@pytest.fixture(params=KINDS, scope="module")
def served(request: pytest.FixtureRequest, tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    kind = request.param
    if kind.startswith("ours"):
        api, deletes = kind != "ours-plain", kind != "ours-fixed"
        with Hostile(referrers=api, deletes=deletes) as ours:
            yield Served(ours.host, api, deletes)
    elif kind == "regserve":
        with registries.regserve(tool) as host:
            yield Served(host, api=True, deletes=True)
    else:
        program = kind.removesuffix("-fixed")
        deletes = not kind.endswith("-fixed")
        directory = tmp_path_factory.mktemp(kind)
        with registries.distribution(tool, directory, delete=deletes, program=program) as host:
            yield Served(host, api=False, deletes=deletes)


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A repository of this test's own."""
    return "t/" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower()).strip("-")[:80].strip("-")


def push_image(client: Client, path: str, tag: str | None, content: str = "image") -> Digest:
    data = json.dumps({"os": "linux", "architecture": "amd64", "note": content}).encode()
    config = {"mediaType": OCI_CONFIG, "digest": str(client.put_blob(path, data)), "size": len(data)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    body = json.dumps(document).encode()
    return client.put_manifest(path, tag if tag is not None else Digest.of(body), body, OCI_MANIFEST).digest


def push_layers(client: Client, path: str, tag: str, bodies: list[bytes]) -> Digest:
    config = {"mediaType": OCI_CONFIG, "digest": str(client.put_blob(path, b"{}")), "size": 2}
    layers = [
        {
            "mediaType": SIMPLE_SIGNING,
            "digest": str(client.put_blob(path, data)),
            "size": len(data),
            "annotations": {"dev.cosignproject.cosign/signature": f"{i}"},
        }
        for i, data in enumerate(bodies)
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}).encode()
    return client.put_manifest(path, tag, body, OCI_MANIFEST).digest


def push_bundle(client: Client, path: str, subject: Digest, data: bytes) -> Digest:
    """Attach a bundle as a client has to: through the registry, or by the fallback index where it keeps none."""
    size = len(client.get_manifest(path, subject).data)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": {"mediaType": EMPTY_TYPE, "digest": str(client.put_blob(path, b"{}")), "size": 2},
        "layers": [{"mediaType": BUNDLE, "digest": str(client.put_blob(path, data)), "size": len(data)}],
        "subject": {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": size},
    }
    body = json.dumps(document).encode()
    put = client.put_manifest(path, Digest.of(body), body, OCI_MANIFEST)
    if put.oci_subject is None and client.referrers(path, subject) is None:
        try:
            entries = list(client.get_manifest(path, fallback_tag(subject)).manifests())
        except NotFound:
            entries = []
        entries.append({"mediaType": OCI_MANIFEST, "digest": str(put.digest), "size": len(body)})
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        client.put_manifest(path, fallback_tag(subject), index, OCI_INDEX)
    return put.digest


def test_manifest_comes_back_byte_for_byte(served: Served, path: str) -> None:
    registry = served.registry()
    digest = push_image(registry.client, path, "v1")
    repository = Repository(served.host, path)
    assert registry.head(repository, "v1") == digest
    image = registry.resolve(repository, "v1")
    assert image.subject == Subject(repository, digest)
    assert digest.names(image.manifest)
    assert registry.fetch(image.subject) == image
    assert (image.media_type, image.children) == (OCI_MANIFEST, ())


def test_what_is_not_there_is_not_found(served: Served, path: str) -> None:
    registry = served.registry()
    repository = Repository(served.host, path)
    with pytest.raises(NotFound):
        registry.resolve(repository, "v1")
    push_image(registry.client, path, "v1")
    assert registry.head(repository, "v2") is None
    with pytest.raises(NotFound):
        registry.resolve(repository, "v2")
    with pytest.raises(NotFound):
        registry.fetch(Subject(repository, Digest.of(b"")))
    with pytest.raises(NotFound):
        registry.client.get_blob(path, Digest.of(b"nothing"), size=None, max_bytes=10)


def test_index_is_stored_and_its_children_are_known(served: Served, path: str) -> None:
    registry = served.registry()
    children = [push_image(registry.client, path, None, content=f"{i}") for i in range(2)]
    entries = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(child),
            "size": len(registry.client.get_manifest(path, child).data),
            "platform": {"os": "linux", "architecture": architecture},
        }
        for child, architecture in zip(children, ("amd64", "arm64"), strict=True)
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    assert registry.client.put_manifest(path, "multi", body, OCI_INDEX).digest == Digest.of(body)
    image = registry.resolve(Repository(served.host, path), "multi")
    assert image.manifest == body
    assert image.children == tuple(children)


def test_unsigned_image_has_no_evidence_and_nothing_is_missing(served: Served, path: str) -> None:
    registry = served.registry()
    push_image(registry.client, path, "v1")
    found = registry.gather(registry.resolve(Repository(served.host, path), "v1"))
    assert found.evidence == ()
    assert found.unobtained == ()
    assert not found.truncated
    assert found.requests <= 5


def test_all_evidence_is_found_once_in_the_fixed_order(served: Served, path: str) -> None:
    registry = served.registry()
    digest = push_image(registry.client, path, "v1")
    push_bundle(registry.client, path, digest, b'{"bundle": 1}')
    push_bundle(registry.client, path, digest, b'{"bundle": 2}')
    push_layers(registry.client, path, f"sha256-{digest.hex}.sig", [b"one", b"two", b"one"])
    push_layers(registry.client, path, f"sha256-{digest.hex}.att", [b"statement"])
    found = registry.gather(registry.resolve(Repository(served.host, path), "v1"))
    place = Place.REFERRERS_API if served.api else Place.FALLBACK_TAG
    bundles = [e for e in found.evidence if e.place is place]
    assert {e.body for e in bundles} == {b'{"bundle": 1}', b'{"bundle": 2}'}
    rest = [(e.place, e.index, e.body) for e in found.evidence if e.place is not place]
    assert rest == [
        (Place.SIGNATURE_TAG, 0, b"one"),
        (Place.SIGNATURE_TAG, 1, b"two"),
        (Place.SIGNATURE_TAG, 2, b"one"),
        (Place.ATTESTATION_TAG, 0, b"statement"),
    ]
    assert all(e.flaw is None and e.digest.names(e.body) for e in found.evidence)
    assert found.foreign_legacy
    assert found.unobtained == ()


def test_signed_image_takes_eight_requests_at_most(served: Served, path: str) -> None:
    """The budget of a look at one subject: HEAD and GET of the tag, both lists, both tags, a manifest, a blob."""
    registry = served.registry()
    digest = push_image(registry.client, path, "v1")
    push_bundle(registry.client, path, digest, b"{}")
    repository = Repository(served.host, path)
    fresh = served.registry()
    fresh.head(repository, "v1")
    found = fresh.gather(fresh.resolve(repository, "v1"))
    assert len(found.evidence) == 1
    assert fresh.client.requests == found.requests + 2 <= 8


def test_fingerprint_is_the_same_until_evidence_comes(served: Served, path: str) -> None:
    registry = served.registry()
    digest = push_image(registry.client, path, "v1")
    image = registry.resolve(Repository(served.host, path), "v1")
    before = registry.gather(image).fingerprint
    tags = frozenset(registry.client.tags(path).tags)
    assert registry.evidence_fingerprint(image.subject, tags) == before
    assert registry.evidence_fingerprint(image.subject, None) == before
    push_bundle(registry.client, path, digest, b"{}")
    tags = frozenset(registry.client.tags(path).tags)
    with_bundle = registry.evidence_fingerprint(image.subject, tags)
    assert with_bundle != before
    assert registry.gather(image).fingerprint == with_bundle
    push_layers(registry.client, path, f"sha256-{digest.hex}.sig", [b"one"])
    tags = frozenset(registry.client.tags(path).tags)
    assert registry.evidence_fingerprint(image.subject, tags) not in (before, with_bundle)


def test_fingerprint_costs_one_request_with_the_api_and_none_without(served: Served, path: str) -> None:
    registry = served.registry()
    push_image(registry.client, path, "v1")
    image = registry.resolve(Repository(served.host, path), "v1")
    registry.evidence_fingerprint(image.subject, frozenset({"v1"}))  # learns whether there is an API
    before = registry.client.requests
    registry.evidence_fingerprint(image.subject, frozenset({"v1"}))
    assert registry.client.requests - before == (1 if served.api else 0)


def test_tags_come_in_pages_and_can_be_resumed(served: Served, path: str) -> None:
    registry = served.registry()
    repository = Repository(served.host, path)
    names = [f"v{i:03}" for i in range(25)]
    for name in names:
        push_image(registry.client, path, name)
    page = registry.tags(repository, after=None)
    assert sorted(page.tags) == names
    assert (page.next_after, page.truncated) == (None, False)
    first = registry.client.tags(path, limit=10)
    assert first.truncated
    assert first.next_after == first.tags[-1]
    rest = registry.tags(repository, after=first.next_after)
    assert sorted(first.tags + rest.tags) == names


def test_tags_of_no_repository_are_not_found(served: Served) -> None:
    with pytest.raises(NotFound):
        served.registry().tags(Repository(served.host, "t/never-pushed"), after=None)


def test_repositories_are_found_by_pattern(served: Served, path: str) -> None:
    push_image(served.registry().client, f"{path}/inner", "v1")
    found = served.registry(repositories=[f"{path}/*", "t/literal"]).repositories()
    assert [r.path for r in found] == sorted([f"{path}/inner", "t/literal"])


def test_deletion_takes_or_says_that_it_did_not(served: Served, path: str) -> None:
    registry = served.registry()
    digest = push_image(registry.client, path, "v1")
    assert registry.client.delete_manifest(path, digest) is served.deletes
    there = registry.client.has_manifest(path, digest)
    assert there is not served.deletes
    if served.deletes:
        assert registry.client.delete_manifest(path, digest) is True, "what is gone already is gone"


def test_second_put_of_the_same_bytes_changes_nothing(served: Served, path: str) -> None:
    registry = served.registry()
    assert push_image(registry.client, path, "v1") == push_image(registry.client, path, "v1")
    assert registry.client.tags(path).tags == ("v1",)
