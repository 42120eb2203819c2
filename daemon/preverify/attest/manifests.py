"""What editing manifests of others takes: read them with one meaning, change only what is ours, write them back."""

import json
from typing import Any

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse as parse_json

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024


def read_object(data: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        MalformedEvidence: it is none, or has more than one meaning.
    """
    document = parse_json(data, max_bytes=MAX_MANIFEST_BYTES, reason=Reason.CONTENT_MISMATCH)
    if not isinstance(document, dict):
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"{what} is no JSON object")
    return document


def descriptors(document: dict[str, Any], member: str, what: str) -> list[dict[str, Any]]:
    """Return the descriptors in `document[member]` (none where it does not stand or is null).

    Raises:
        MalformedEvidence: it is no list of objects that have a digest.
    """
    found = document.get(member)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(d, dict) and isinstance(d.get("digest"), str) for d in found):
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"{what}: {member} is no list of descriptors")
    return found


def write(document: dict[str, Any]) -> bytes:
    """Write a document in the order of its members, so that what was read and kept stays as it was."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    """Describe `data`."""
    return {"mediaType": media_type, "size": len(data), "digest": str(Digest.of(data))}
