"""RT-21: HEAD digest, GET body and header may all differ; only the computed digest ever names a subject."""

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.reference import Repository, Subject
from support.hostile import Hostile, body, header
from support.registry_clients import client, remote


def test_head_body_and_header_all_differ() -> None:
    with Hostile() as registry:
        real = registry.image("a/b", "t")
        served = registry.manifests["a/b"][registry.image("a/b", content="served")][1]
        registry.fault("HEAD", "/manifests/t", header("Docker-Content-Digest", "sha256:" + "1" * 64))
        registry.fault("GET", "/manifests/", body(served))
        registry.fault("GET", "/manifests/", header("Docker-Content-Digest", real))
        ours = remote(registry.host)
        repository = Repository(registry.host, "a/b")
        assert ours.head(repository, "t") == Digest.parse("sha256:" + "1" * 64), "a hint, and nothing rests on it"
        with pytest.raises(MalformedEvidence):
            ours.resolve(repository, "t")
        with pytest.raises(MalformedEvidence):
            ours.fetch(Subject(repository, Digest.parse(real)))


def test_pinned_digest_is_enforced_whatever_the_header_says() -> None:
    with Hostile() as registry:
        digest = registry.image("a/b", "t")
        registry.fault("GET", "/manifests/", header("Docker-Content-Digest", "sha256:" + "1" * 64))
        found = client(registry.host).get_manifest("a/b", Digest.parse(digest))
        assert str(found.digest) == digest, "fetched by digest, the header is only another claim"


def test_resolved_digest_is_computed_where_the_registry_says_nothing() -> None:
    with Hostile() as registry:
        digest = registry.image("a/b", "t")
        registry.fault("*", "/manifests/", header("Docker-Content-Digest", None))
        ours = remote(registry.host)
        repository = Repository(registry.host, "a/b")
        assert str(ours.resolve(repository, "t").subject.digest) == digest
        assert str(ours.head(repository, "t")) == digest, "without the header, HEAD falls back to hashing"


def test_sha512_digests_are_enforced_as_well() -> None:
    with Hostile() as registry:
        registry.image("a/b", "t")
        kind, data = next(iter(registry.manifests["a/b"].values()))
        digest = Digest.of(data, "sha512")
        registry.manifests["a/b"][str(digest)] = (kind, data)
        assert client(registry.host).get_manifest("a/b", digest).digest == digest
        registry.manifests["a/b"][str(digest)] = (kind, data + b" ")
        with pytest.raises(MalformedEvidence):
            client(registry.host).get_manifest("a/b", digest)
