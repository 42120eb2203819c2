"""Which statements are our own: they never count as evidence, and only they are ever replaced or taken away."""

from collections.abc import Sequence

from preverify.attest.bundle import envelope_of
from preverify.attest.envelope import Envelope, from_document
from preverify.attest.signatures import holds
from preverify.model.dsse import IN_TOTO_PAYLOAD, VSA_PREDICATE
from preverify.model.errors import MalformedEvidence
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse as parse_json

_MAX_BYTES = 512 * 1024
"""More than we ever sign (`statement.MAX_PAYLOAD_BYTES` in base64): larger bodies are not ours, and need no reading."""


def is_ours(body: bytes, keys: Sequence[TrustedKey]) -> bool:
    """Say whether `body`, a DSSE envelope or a bundle with one, is a verification summary that one of `keys` signed.

    Both are asked for: a key that also signs images for a policy stays usable as evidence, and nobody can make evidence
    disappear by calling it a verification summary.
    """
    return resource_of(body, keys) is not None


def resource_of(body: bytes, keys: Sequence[TrustedKey]) -> str | None:
    """Return the `resourceUri` of a statement of ours (empty where it has none); None for everything else."""
    sealed = _open(body)
    if sealed is None or sealed.payload_type != IN_TOTO_PAYLOAD:
        return None
    if not any(holds(key, s, sealed.signed_bytes) for key in keys for s in sealed.signatures):
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


def _open(body: bytes) -> Envelope | None:
    try:
        document = parse_json(body, max_bytes=_MAX_BYTES, reason=Reason.ENVELOPE_MALFORMED)
        if isinstance(document, dict) and "dsseEnvelope" in document:
            return envelope_of(document)
        return from_document(document)
    except MalformedEvidence:
        return None
