"""RT-23: a document with both `layers` and `manifests`, or whose mediaType is not its Content-Type, is unverifiable."""

import json

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from support.hostile import OCI_INDEX, OCI_MANIFEST, Hostile, header
from support.registry_clients import remote

BOTH = {"schemaVersion": 2, "config": {}, "layers": [], "manifests": []}


@pytest.mark.parametrize("kind", [OCI_INDEX, OCI_MANIFEST])
@pytest.mark.parametrize("named", [True, False])
def test_both_shapes_in_one_document(kind: str, named: bool) -> None:
    with Hostile() as registry:
        document = {**BOTH, "mediaType": kind} if named else BOTH
        digest = registry.put("a/b", json.dumps(document).encode(), "t", kind)
        repository = Repository(registry.host, "a/b")
        for read in (
            lambda: remote(registry.host).resolve(repository, "t"),
            lambda: remote(registry.host).fetch(Subject(repository, Digest.parse(digest))),
        ):
            with pytest.raises(MalformedEvidence) as caught:
                read()
            assert caught.value.reason is Reason.CONTENT_MISMATCH


@pytest.mark.parametrize(
    "claimed", [OCI_INDEX, "application/vnd.docker.distribution.manifest.v2+json", "text/html", ""]
)
def test_content_type_that_is_not_the_media_type(claimed: str) -> None:
    with Hostile() as registry:
        registry.image("a/b", "t")
        registry.fault("GET", "/manifests/", header("Content-Type", claimed))
        with pytest.raises(MalformedEvidence) as caught:
            remote(registry.host).resolve(Repository(registry.host, "a/b"), "t")
        assert caught.value.reason is Reason.CONTENT_MISMATCH


def test_parameters_of_the_content_type_do_not_matter() -> None:
    with Hostile() as registry:
        digest = registry.image("a/b", "t")
        registry.fault("GET", "/manifests/", header("Content-Type", f"{OCI_MANIFEST.upper()}; charset=utf-8"))
        assert str(remote(registry.host).resolve(Repository(registry.host, "a/b"), "t").subject.digest) == digest


def test_confused_signature_manifest_is_void() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        registry.put("a/b", json.dumps(BOTH).encode(), subject.replace(":", "-") + ".sig", OCI_MANIFEST)
        ours = remote(registry.host)
        found = ours.gather(ours.resolve(Repository(registry.host, "a/b"), "t"))
        assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.CONTENT_MISMATCH]
