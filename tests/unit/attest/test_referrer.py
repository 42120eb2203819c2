import json

import pytest

from preverify.attest import referrer
from preverify.attest.bundle import BUNDLE_MEDIA_TYPE
from preverify.attest.manifests import OCI_INDEX, OCI_MANIFEST
from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Image
from preverify.model.reference import Repository, Subject

BODY = b"manifest"
IMAGE = Image(
    subject=Subject(Repository("registry.example", "shop/api"), Digest.of(BODY)), manifest=BODY, media_type=OCI_MANIFEST
)
CREATED = "2026-01-02T10:00:00Z"


def test_the_manifest_is_what_cosign_writes() -> None:
    document = json.loads(referrer.manifest(IMAGE, b"bundle", created=CREATED))
    assert document == {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE_MEDIA_TYPE,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "size": 2,
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        },
        "layers": [{"mediaType": BUNDLE_MEDIA_TYPE, "size": 6, "digest": str(Digest.of(b"bundle"))}],
        "subject": {"mediaType": OCI_MANIFEST, "size": 8, "digest": str(Digest.of(BODY))},
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": "https://slsa.dev/verification_summary/v1",
            "org.opencontainers.image.created": CREATED,
        },
    }


def test_fallback_tags() -> None:
    assert referrer.fallback_tag(Digest("sha256", "ab" * 32)) == "sha256-" + "ab" * 32
    assert referrer.fallback_tag(Digest("sha512", "ab" * 64)) == "sha512-" + "ab" * 32


def test_an_entry_says_what_the_manifest_says() -> None:
    data = referrer.manifest(IMAGE, b"bundle", created=CREATED)
    entry = referrer.entry(data)
    assert (entry["digest"], entry["size"], entry["artifactType"]) == (
        str(Digest.of(data)),
        len(data),
        BUNDLE_MEDIA_TYPE,
    )
    assert entry["annotations"]["org.opencontainers.image.created"] == CREATED
    assert "annotations" not in referrer.entry(b"{}")


def test_the_index_grows_and_shrinks_around_foreign_entries() -> None:
    """Entries of others stay as they are, in order, repeated and strange ones included."""
    mine = referrer.entry(referrer.manifest(IMAGE, b"bundle", created=CREATED))
    strange = {"digest": "sha256:zz", "ü": [1.5, None]}
    foreign = [strange, {"digest": "sha256:a"}, strange]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": foreign, "x": 1}).encode()
    grown = referrer.edit_index(index, add=mine, remove=())
    assert grown is not None
    assert json.loads(grown) == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*foreign, mine], "x": 1}
    assert referrer.edit_index(grown, add=mine, remove=()) is None
    shrunk = referrer.edit_index(grown, add=None, remove={mine["digest"]})
    assert shrunk is not None
    assert json.loads(shrunk) == json.loads(index)
    assert referrer.edit_index(index, add=None, remove={mine["digest"]}) is None


def test_a_first_index() -> None:
    mine = referrer.entry(b"{}")
    assert json.loads(referrer.edit_index(None, add=mine, remove=()) or b"") == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [mine],
    }
    assert referrer.edit_index(None, add=None, remove=()) is None


@pytest.mark.parametrize(
    "document", [{"mediaType": OCI_MANIFEST}, {"layers": []}, {"config": {}}, {"manifests": [1]}, []]
)
def test_what_is_no_index_is_left_alone(document) -> None:
    with pytest.raises(MalformedEvidence):
        referrer.edit_index(json.dumps(document).encode(), add=None, remove=())


def test_created_of() -> None:
    assert referrer.created_of(b'{"predicate":{"timeVerified":"x"}}') == "x"
    for payload in (b"{}", b'{"predicate":[]}', b'{"predicate":{"timeVerified":1}}'):
        with pytest.raises(MalformedEvidence):
            referrer.created_of(payload)


def test_the_probe_means_nothing() -> None:
    document = json.loads(referrer.probe("application/x"))
    assert "subject" not in document
    assert document["artifactType"] == "application/x"
