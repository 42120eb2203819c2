"""Notation signatures in JWS envelopes."""

import re
from binascii import b2a_base64
from collections.abc import Mapping
from datetime import datetime

from preverify.model.evidence import Evidence, Format, Image
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.encodings.text import exact_members, from_base64
from preverify.verify.notation.attributes import (
    AUTHENTIC_TIME,
    EXPIRY,
    MAX_CERTIFICATES,
    MAX_ENVELOPE_BYTES,
    SCHEME,
    SIGNING_TIME,
    TIMES,
    TIMESTAMP,
    Envelope,
    malformed,
    read_attributes,
)
from preverify.verify.notation.steps import verify_envelope
from preverify.verify.trusting import Trusting

NAME: str = "notation-jws"
READS: tuple[Format, ...] = (Format.NOTATION_JWS,)

_MEMBERS = frozenset({"payload", "protected", "header", "signature"})
_HEADER = frozenset({"x5c", TIMESTAMP, "io.cncf.notary.signingAgent"})
_PROTECTED = frozenset({"alg", "cty", "crit", SCHEME, SIGNING_TIME, AUTHENTIC_TIME, EXPIRY})
_MAX_PROTECTED_BYTES = 64 * 1024
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def verify_evidence(evidence: Evidence, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    """Verify one JWS envelope, as `notation.steps` has it."""
    return verify_envelope(evidence, image, trusting, read_envelope)


def read_envelope(body: bytes) -> Envelope:
    """Read a JWS in flattened JSON form. What is signed are the strings as sent; they are never encoded anew.

    Raises:
        MalformedEvidence: `envelope-malformed` or `too-large`.
        Refused: `critical-header-unknown`.

    Spec:
        Notary Project, JWS envelope; RFC 7515, sections 5.2 and 7.2.2.
    """
    document = _object(body, MAX_ENVELOPE_BYTES, _MEMBERS, "the envelope")
    if stray := sorted(document.keys() - _MEMBERS):
        raise malformed(f"member {stray[0][:40]!r} has no place in a JWS of Notation")
    payload, protected = document.get("payload"), document.get("protected")
    if not isinstance(payload, str) or not isinstance(protected, str):
        raise malformed("payload or protected is missing or no text")
    headers = _object(_raw_url(protected, "protected"), _MAX_PROTECTED_BYTES, _PROTECTED, "the protected header")
    times = {name: _moment(name, headers[name]) for name in TIMES if name in headers}
    unprotected = exact_members(document.get("header"), _HEADER, "header", Reason.ENVELOPE_MALFORMED)
    token = unprotected.get(TIMESTAMP)
    return Envelope(
        algorithm=str(headers.get("alg"))[:40],
        content_type=str(headers.get("cty"))[:80],
        attributes=read_attributes({**headers, **times}, headers.get("crit")),
        payload=_raw_url(payload, "payload"),
        signed=f"{protected}.{payload}".encode(),
        signature=_raw_url(document.get("signature"), "signature"),
        chain=_chain(unprotected.get("x5c")),
        timestamp=None if token is None else _exact(token, TIMESTAMP),
    )


def _object(data: bytes, most: int, members: frozenset[str], what: str) -> Mapping[str, object]:
    return exact_members(
        parse(data, max_bytes=most, reason=Reason.ENVELOPE_MALFORMED), members, what, Reason.ENVELOPE_MALFORMED
    )


def _raw_url(text: object, what: str) -> bytes:
    """Decode base64url without padding. The other alphabet, padding and stray bits would be second spellings."""
    if not isinstance(text, str) or set(text) & set("+/="):
        raise malformed(f"{what} is not base64url without padding")
    return _exact(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), what)


def _exact(text: object, what: str) -> bytes:
    """Decode base64 of which there is one spelling only: the bits that no byte needs are zero."""
    data = from_base64(text, what, Reason.ENVELOPE_MALFORMED)
    if b2a_base64(data, newline=False).decode() != text:
        raise malformed(f"{what} ends in stray bits")
    return data


def _chain(entries: object) -> tuple[bytes, ...]:
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_CERTIFICATES:
        raise malformed(f"x5c is no list of 1 to {MAX_CERTIFICATES} certificates")
    return tuple(_exact(entry, "a certificate in x5c") for entry in entries)


def _moment(name: str, text: object) -> datetime:
    """Read a time as RFC 3339 has it; fractions beyond microseconds are cut off."""
    match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    try:
        if match is not None:
            whole, fraction, zone = match.groups()
            return datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6].ljust(6, '0')}{zone}")
    except ValueError:
        pass
    raise malformed(f"{name} is {str(text)[:40]!r}, expected a time as RFC 3339 has it")
