"""The sigstore bundle v0.3 around an envelope of ours, for readers that look for referrers."""

import base64
import hashlib
import json

from preverify.attest.envelope import MAX_ENVELOPE_BYTES, Envelope, from_document, parse
from preverify.model.errors import MalformedEvidence
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse as parse_json

BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLE_PREFIX = "application/vnd.dev.sigstore.bundle"
_SINCE_V3 = frozenset({BUNDLE_MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"})


def build(envelope: bytes, key: TrustedKey) -> bytes:
    """Return the bundle that carries `envelope`, whose signature verifies under `key`.

    The hint is the formula that sigstore-go writes (base64 of the SHA-256 of the SubjectPublicKeyInfo), and the key id
    is left out: where both stand they have to be equal.

    Raises:
        MalformedEvidence: `envelope` is none.

    Spec:
        sigstore protobuf-specs, `sigstore_bundle.proto`, proto3 JSON form.
    """
    sealed = parse(envelope)
    document = {
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": base64.b64encode(hashlib.sha256(key.spki).digest()).decode()},
            "tlogEntries": [],  # the same as absent in proto3 JSON, but sigstore-python wants to see it
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(sealed.payload).decode(),
            "payloadType": sealed.payload_type,
            "signatures": [{"sig": base64.b64encode(s).decode()} for s in sealed.signatures],
        },
    }
    return json.dumps(document, separators=(",", ":")).encode()


def envelope_of(document: object) -> Envelope | None:
    """Return the envelope inside a parsed bundle; None where it holds something else.

    Raises:
        MalformedEvidence: the member is there and is no envelope.
    """
    if not isinstance(document, dict) or "dsseEnvelope" not in document:
        return None
    return from_document(document["dsseEnvelope"])


def certificate_of(document: object) -> bytes | None:
    """Return the signing certificate (DER) inside a parsed bundle; None where it has none, or none that can be read."""
    material = document.get("verificationMaterial") if isinstance(document, dict) else None
    certificate = material.get("certificate") if isinstance(material, dict) else None
    raw = certificate.get("rawBytes") if isinstance(certificate, dict) else None
    try:
        return base64.b64decode(raw, validate=True) if isinstance(raw, str) else None
    except ValueError:
        return None


def shadows(body: bytes) -> bool:
    """Say whether cosign v3 takes `body` for a bundle, and so stops reading `.sig` and `.att`.

    Bundles before v0.3 and documents that are no bundle are passed over by it. Where we are less patient than it is (a
    body over our limit, JSON with duplicate keys) the answer is False: then our statement goes to `.att`, where it
    hides nothing.
    """
    try:
        document = parse_json(body, max_bytes=MAX_ENVELOPE_BYTES, reason=Reason.BUNDLE_MALFORMED)
    except MalformedEvidence:
        return False
    return isinstance(document, dict) and document.get("mediaType") in _SINCE_V3
