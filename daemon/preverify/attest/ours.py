"""Which statements are our own: they never count as evidence, and only they are ever replaced or taken away."""

from collections.abc import Sequence

from preverify.attest.bundle import certificate_of, envelope_of
from preverify.attest.envelope import Envelope, from_document
from preverify.attest.identity import Own
from preverify.attest.signatures import holds
from preverify.model.dsse import IN_TOTO_PAYLOAD, VSA_PREDICATE
from preverify.model.errors import MalformedEvidence
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse as parse_json

_MAX_BYTES = 512 * 1024
"""More than we ever sign (`statement.MAX_PAYLOAD_BYTES` in base64): larger bodies are not ours, and need no reading."""


def is_ours(body: bytes, keys: Sequence[Own]) -> bool:
    """Say whether `body`, a DSSE envelope or a bundle with one, is a verification summary that one of `keys` signed.

    Both are asked for: a key that also signs images for a policy stays usable as evidence, and nobody can make evidence
    disappear by calling it a verification summary. An identity signs with the key in the bundle's certificate.
    """
    return resource_of(body, keys) is not None


def resource_of(body: bytes, keys: Sequence[Own]) -> str | None:
    """Return the `resourceUri` of a statement of ours (empty where it has none); None for everything else."""
    opened = _open(body)
    if opened is None:
        return None
    sealed, certificate = opened
    if sealed.payload_type != IN_TOTO_PAYLOAD or not any(_signed(own, sealed, certificate) for own in keys):
        return None
    try:
        document = parse_json(sealed.payload, max_bytes=_MAX_BYTES, reason=Reason.STATEMENT_MALFORMED)
    except MalformedEvidence:
        return None
    if not isinstance(document, dict) or document.get("predicateType") != VSA_PREDICATE:
        return None
    predicate = document.get("predicate")
    resource = predicate.get("resourceUri") if isinstance(predicate, dict) else None
    return resource if isinstance(resource, str) else ""


def _signed(own: Own, sealed: Envelope, certificate: bytes | None) -> bool:
    key = _key_of(own, certificate)
    return key is not None and any(holds(key, s, sealed.signed_bytes) for s in sealed.signatures)


def _key_of(own: Own, certificate: bytes | None) -> TrustedKey | None:
    if isinstance(own, TrustedKey):
        return own
    return own.key_in(certificate) if certificate is not None else None


def _open(body: bytes) -> tuple[Envelope, bytes | None] | None:
    try:
        document = parse_json(body, max_bytes=_MAX_BYTES, reason=Reason.ENVELOPE_MALFORMED)
        enclosed = envelope_of(document)
        return (enclosed, certificate_of(document)) if enclosed is not None else (from_document(document), None)
    except MalformedEvidence:
        return None
