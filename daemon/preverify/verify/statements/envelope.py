"""DSSE envelopes, read strictly."""

from dataclasses import dataclass

from preverify.model.dsse import pre_authentication_encoding
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.encodings.text import exact_members, from_base64

MAX_ENVELOPE_BYTES = 90 * 1024 * 1024  # around 64 MiB of payload: whole SBOMs are attested
MAX_SIGNATURES = 10
MAX_ITEMS = 10_000
"""Values in an envelope document: three members and ten signatures, and whatever else it may hold that nobody reads."""
_MAX_TYPE = 255
_MEMBERS = frozenset({"payloadType", "payload", "signatures"})
_SIGNATURE_MEMBERS = frozenset({"sig", "keyid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A DSSE envelope as sent. Nothing in it is believed; `key_ids` are hints, empty where none was sent."""

    payload_type: str
    payload: bytes
    signatures: tuple[bytes, ...]
    key_ids: tuple[str, ...]

    @property
    def signed_bytes(self) -> bytes:
        """Return what each signature must cover: type and payload, framed so that neither can lend the other bytes."""
        return pre_authentication_encoding(self.payload_type, self.payload)


def parse_envelope(data: bytes) -> Envelope:
    """Read the bytes of an envelope document.

    Raises:
        MalformedEvidence: `envelope-malformed`, or `too-large`.

    Spec:
        DSSE v1, envelope document. Several signatures are allowed, none is not.
    """
    reason = Reason.ENVELOPE_MALFORMED
    return read_envelope(parse(data, max_bytes=MAX_ENVELOPE_BYTES, max_items=MAX_ITEMS, reason=reason))


def read_envelope(document: object) -> Envelope:
    """Read an envelope from JSON values that were parsed strictly. Unknown members are ignored, as DSSE asks.

    Raises:
        MalformedEvidence: `envelope-malformed`.
    """
    members = exact_members(document, _MEMBERS, "envelope", Reason.ENVELOPE_MALFORMED)
    payload_type, signatures = members.get("payloadType"), members.get("signatures")
    # The length in the signed bytes counts bytes, in some readers characters: only ASCII means the same to all.
    if not isinstance(payload_type, str) or not payload_type.isascii() or not 0 < len(payload_type) <= _MAX_TYPE:
        raise _malformed("payloadType is missing or not ASCII text")
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= MAX_SIGNATURES:
        count = len(signatures) if isinstance(signatures, list) else "no list of"
        raise _malformed(f"{count} signatures, expected 1 to {MAX_SIGNATURES}")
    payload = from_base64(members.get("payload"), "payload", Reason.ENVELOPE_MALFORMED, url_safe=True)
    read = [_read_signature(each) for each in signatures]
    return Envelope(
        payload_type=payload_type,
        payload=payload,
        signatures=tuple(signature for signature, _ in read),
        key_ids=tuple(key_id for _, key_id in read),
    )


def _read_signature(document: object) -> tuple[bytes, str]:
    members = exact_members(document, _SIGNATURE_MEMBERS, "signature", Reason.ENVELOPE_MALFORMED)
    key_id = members.get("keyid")
    if key_id is not None and not isinstance(key_id, str):
        raise _malformed("keyid is no text")
    # An undecodable signature is a bad signature, not a bad envelope: the reason says which part to look at.
    return from_base64(members.get("sig"), "sig", Reason.SIGNATURE_INVALID, url_safe=True), key_id or ""


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.ENVELOPE_MALFORMED, detail)
