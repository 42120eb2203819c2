"""The referrer manifest that carries our bundle, and the fallback index that lists it where no referrers API does."""

from collections.abc import Collection
from typing import Any

from preverify.attest.bundle import BUNDLE_MEDIA_TYPE
from preverify.attest.manifests import OCI_INDEX, OCI_MANIFEST, descriptor, descriptors, read_object, write
from preverify.model.digest import Digest
from preverify.model.dsse import VSA_PREDICATE
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Image
from preverify.model.reasons import Reason

EMPTY_MEDIA_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
_MAX_ALGORITHM = 32
_MAX_ENCODED = 64


def fallback_tag(digest: Digest) -> str:
    """Return the tag that holds the referrers of `digest` where a registry has no referrers API.

    Spec:
        OCI distribution-spec 1.1, "Referrers Tag Schema": a sha512 digest is cut to 64 characters.
    """
    return f"{digest.algorithm[:_MAX_ALGORITHM]}-{digest.hex[:_MAX_ENCODED]}"


def manifest(image: Image, bundle: bytes, *, created: str) -> bytes:
    """Return the referrer manifest of `image` with the one layer `bundle`.

    `created` is the statement's own time, so that the same statement gives the same manifest and a second push changes
    nothing.
    """
    return write(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": BUNDLE_MEDIA_TYPE,
            "config": descriptor(EMPTY_MEDIA_TYPE, EMPTY),
            "layers": [descriptor(BUNDLE_MEDIA_TYPE, bundle)],
            "subject": {
                "mediaType": image.media_type,
                "size": len(image.manifest),
                "digest": str(image.subject.digest),
            },
            "annotations": {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": VSA_PREDICATE,
                "org.opencontainers.image.created": created,
            },
        }
    )


def probe(artifact_type: str) -> bytes:
    """Return a manifest that means nothing to anybody, to try whether a registry deletes."""
    return write(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": descriptor(EMPTY_MEDIA_TYPE, EMPTY),
            "layers": [descriptor(EMPTY_MEDIA_TYPE, EMPTY)],
        }
    )


def entry(referrer: bytes) -> dict[str, Any]:
    """Return the descriptor by which a fallback index lists our referrer manifest."""
    annotations = read_object(referrer, "referrer manifest").get("annotations")
    listed = {**descriptor(OCI_MANIFEST, referrer), "artifactType": BUNDLE_MEDIA_TYPE}
    return {**listed, "annotations": annotations} if annotations else listed


def edit_index(index: bytes | None, *, add: dict[str, Any] | None, remove: Collection[str]) -> bytes | None:
    """Return the fallback index with `add` and without the digests `remove`; None where that changes nothing.

    Entries of others stay as they are, in order, repeated and strange ones included.

    Raises:
        MalformedEvidence: the tag names something else than an index. It is somebody's: left alone.
    """
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    if index is not None:
        document = read_object(index, "fallback index")
        if document.get("mediaType", OCI_INDEX) != OCI_INDEX or "layers" in document or "config" in document:
            raise MalformedEvidence(Reason.CONTENT_MISMATCH, "fallback tag names something else than an image index")
    standing = descriptors(document, "manifests", "fallback index")
    after = [d for d in standing if d["digest"] not in remove]
    if add is not None and not any(d["digest"] == add["digest"] for d in after):
        after.append(add)
    if after == standing:
        return None
    return write({**document, "manifests": after})


def created_of(payload: bytes) -> str:
    """Return the `timeVerified` of a statement's payload, for the `created` annotation.

    Raises:
        MalformedEvidence: the payload is no statement with one.
    """
    predicate = read_object(payload, "statement").get("predicate")
    created = predicate.get("timeVerified") if isinstance(predicate, dict) else None
    if not isinstance(created, str):
        raise MalformedEvidence(Reason.STATEMENT_MALFORMED, "statement has no timeVerified")
    return created
