"""The DSSE envelope around a statement, written as every reader of `.att` wants it, and read strictly."""

import base64
import binascii
import json
from dataclasses import dataclass

from preverify.model.dsse import IN_TOTO_PAYLOAD, pre_authentication_encoding
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse as parse_json

MAX_ENVELOPE_BYTES = 8 * 1024 * 1024
_MAX_SIGNATURES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A decoded envelope. `signatures` are the raw bytes; key ids are hints that nothing rests on."""

    payload_type: str
    payload: bytes
    signatures: tuple[bytes, ...]

    @property
    def signed_bytes(self) -> bytes:
        """Return what a signature covers."""
        return pre_authentication_encoding(self.payload_type, self.payload)


def signed_bytes(payload: bytes) -> bytes:
    """Return what is to be signed for a statement's payload."""
    return pre_authentication_encoding(IN_TOTO_PAYLOAD, payload)


def seal(payload: bytes, signature: bytes) -> bytes:
    """Return the envelope bytes as they are stored, pushed and served.

    The key id is empty on purpose: Go's reader skips a signature whose key id is not the one that it computes itself.
    """
    document = {
        "payloadType": IN_TOTO_PAYLOAD,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def parse(data: bytes) -> Envelope:
    """Read an envelope as we store it: plain, or in the bundle that it was signed into (keyless).

    Raises:
        MalformedEvidence: `envelope-malformed`, or `too-large`.

    Spec:
        DSSE v1, envelope document. Base64 in the standard or the URL-safe alphabet.
    """
    document = parse_json(data, max_bytes=MAX_ENVELOPE_BYTES, reason=Reason.ENVELOPE_MALFORMED)
    if isinstance(document, dict) and "dsseEnvelope" in document:
        document = document["dsseEnvelope"]
    return from_document(document)


def from_document(document: object) -> Envelope:
    """Read an envelope that was parsed already (a member of a bundle)."""
    if not isinstance(document, dict):
        raise _malformed("not an object")
    payload_type, signatures = document.get("payloadType"), document.get("signatures")
    if not isinstance(payload_type, str) or not payload_type.isascii():
        raise _malformed("no ASCII payloadType")
    if not isinstance(signatures, list) or not 0 < len(signatures) <= _MAX_SIGNATURES:
        raise _malformed(f"expected 1 to {_MAX_SIGNATURES} signatures")
    return Envelope(
        payload_type=payload_type,
        payload=_decode(document.get("payload"), "payload"),
        signatures=tuple(_decode(s.get("sig") if isinstance(s, dict) else None, "sig") for s in signatures),
    )


def _decode(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise _malformed(f"{name} is no text")
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed(f"{name} is not base64: {error}") from error


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.ENVELOPE_MALFORMED, f"DSSE envelope: {detail}")
