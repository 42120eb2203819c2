"""Notation signatures in COSE envelopes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.verify.encodings.cbor import Tagged, decode, head
from preverify.verify.notation.attributes import (
    MAX_CERTIFICATES,
    MAX_ENVELOPE_BYTES,
    TIMES,
    TIMESTAMP,
    Envelope,
    malformed,
    read_attributes,
)
from preverify.verify.notation.steps import verify_envelope
from preverify.verify.trusting import Trusting

NAME: str = "notation-cose"
READS: tuple[Format, ...] = (Format.NOTATION_COSE,)

_SIGN1, _EPOCH = 18, 1
_ALG, _CRIT, _CTY, _X5CHAIN = 1, 2, 3, 33
_ALGORITHMS = {-37: "PS256", -38: "PS384", -39: "PS512", -7: "ES256", -35: "ES384", -36: "ES512"}
_NAMES = {_ALG: "alg", _CRIT: "crit", _CTY: "cty"}
_START = datetime(1970, 1, 1, tzinfo=UTC)
_Header = Mapping[int | str, object]


def verify_evidence(evidence: Evidence, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    """Verify one COSE envelope, as `notation.steps` has it."""
    return verify_envelope(evidence, image, trusting, read_envelope)


def read_envelope(body: bytes) -> Envelope:
    """Read a tagged COSE_Sign1 message. The protected header is signed as the bytes that were sent.

    Raises:
        MalformedEvidence: `envelope-malformed` or `too-large`.
        Refused: `critical-header-unknown`.

    Spec:
        Notary Project, COSE envelope; RFC 9052, sections 3 and 4.2 to 4.4.
    """
    if len(body) > MAX_ENVELOPE_BYTES:
        raise MalformedEvidence(
            Reason.TOO_LARGE, f"envelope of {len(body)} bytes, at most {MAX_ENVELOPE_BYTES} are read"
        )
    raw, unprotected, payload, signature = _parts(decode(body))
    protected = decode(raw)
    if not isinstance(protected, dict):
        raise malformed("the protected header is no map")
    if twice := sorted(map(str, protected.keys() & unprotected.keys())):
        raise malformed(f"header {twice[0][:80]!r} stands in both maps")
    headers: dict[str, object] = {
        _NAMES.get(key, f"label {key}") if isinstance(key, int) else key: value for key, value in protected.items()
    }
    headers |= {name: _moment(name, protected[name]) for name in TIMES if name in protected}
    token = unprotected.get(TIMESTAMP)
    if token is not None and not isinstance(token, bytes):
        raise malformed(f"{TIMESTAMP} is no byte string")
    algorithm = protected.get(_ALG)
    return Envelope(
        algorithm=_ALGORITHMS.get(algorithm, f"COSE {algorithm}") if isinstance(algorithm, int) else "none",
        content_type=str(protected.get(_CTY))[:80],
        attributes=read_attributes(headers, protected.get(_CRIT)),
        payload=payload,
        signed=_signed(raw, payload),
        signature=signature,
        chain=_chain(unprotected.get(_X5CHAIN)),
        timestamp=token,
    )


def _parts(message: object) -> tuple[bytes, _Header, bytes, bytes]:
    if not isinstance(message, Tagged) or message.tag != _SIGN1:
        raise malformed(f"no COSE_Sign1 message with its tag, expected tag {_SIGN1}")
    match message.value:
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            return protected, unprotected, payload, signature
    raise malformed("a COSE_Sign1 message is protected header, unprotected header, payload and signature")


def _signed(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure, written out: `["Signature1", protected, h'', payload]`."""
    parts = (
        head(4, 4),
        head(3, 10) + b"Signature1",
        head(2, len(protected)) + protected,
        head(2, 0),
        head(2, len(payload)) + payload,
    )
    return b"".join(parts)


def _chain(entries: object) -> tuple[bytes, ...]:
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_CERTIFICATES:
        raise malformed(f"x5chain is no list of 1 to {MAX_CERTIFICATES} certificates")
    chain = tuple(entry for entry in entries if isinstance(entry, bytes))
    if len(chain) != len(entries):
        raise malformed("x5chain holds something else than byte strings")
    return chain


def _moment(name: str, value: object) -> datetime:
    match value:
        case Tagged(tag=1, value=int(seconds)) if not isinstance(seconds, bool):
            try:
                return _START + timedelta(seconds=seconds)
            except OverflowError as error:
                raise malformed(f"{name} is {seconds} seconds, which is no time") from error
    raise malformed(f"{name} is no time, expected whole seconds with tag {_EPOCH}")
