"""Signed certificate timestamps: a log's promise, inside a certificate, that the certificate is public."""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.x509.certificate_transparency import SignedCertificateTimestamp

from preverify.model.errors import BadInput
from preverify.model.reasons import Reason
from preverify.model.trust import Log
from preverify.verify.certificates.certificate import Certificate
from preverify.verify.keys.public_keys import prepared
from preverify.verify.refusal import Refused

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  the library gives UTC without saying so
_MILLISECOND = timedelta(milliseconds=1)


def check_sct(leaf: Certificate, issuer: Certificate, ct_logs: Sequence[Log]) -> str:
    """Check the timestamp that stands in `leaf`.

    Args:
        leaf: Certificate that was anchored already.
        issuer: The authority that signed it: its key is part of what the log signed.
        ct_logs: Logs that are trusted.

    Returns:
        `ct:` and the id of the log.

    Raises:
        Refused: `sct-missing`: there is none; `sct-invalid`: several, not readable, of a log that is not trusted (at
            that time), or not signed by it over this certificate.

    Spec:
        RFC 6962, sections 3.2 and 3.3. Extensions are signed over (Static CT logs write their leaf index there).
    """
    sct = _embedded(leaf)
    known = [each for each in ct_logs if each.id == sct.log_id]
    if not known:
        raise _invalid(f"made by log {sct.log_id.hex()}, which is none of the {len(ct_logs)} trusted ones")
    at = _moment(sct)
    utc = at.replace(tzinfo=UTC)
    trusted = [each for each in known if each.valid.holds(utc)]
    if not trusted:
        raise _invalid(f"made by log {sct.log_id.hex()} at {at.isoformat()}Z, when it was not trusted")
    signed = _signed_bytes(leaf, issuer, (at - _EPOCH) // _MILLISECOND, sct.extension_bytes)
    if not any(_verifies(each, sct.signature, signed) for each in trusted):
        raise _invalid(f"not signed by log {sct.log_id.hex()} over this certificate and its issuer")
    return f"ct:{sct.log_id.hex()}"


def _embedded(leaf: Certificate) -> SignedCertificateTimestamp:
    """Return the one timestamp of a certificate."""
    listed = list(leaf.value(x509.PrecertificateSignedCertificateTimestamps) or ())
    if not listed:
        raise Refused(Reason.SCT_MISSING, "the certificate carries no signed certificate timestamp")
    if len(listed) > 1:
        raise _invalid(f"{len(listed)} of them, expected one")
    sct: SignedCertificateTimestamp = listed[0]
    return sct


def _signed_bytes(leaf: Certificate, issuer: Certificate, millis: int, extensions: bytes) -> bytes:
    body = leaf.x509.tbs_precertificate_bytes
    return b"".join(
        (
            struct.pack(">BBQH", 0, 0, millis, 1),  # version 1, certificate timestamp, time, of a precertificate
            sha256(issuer.spki).digest(),
            len(body).to_bytes(3, "big"),
            body,
            len(extensions).to_bytes(2, "big"),
            extensions,
        )
    )


def _verifies(log: Log, signature: bytes, message: bytes) -> bool:
    try:
        return prepared(log.key).verify(signature, message)
    except BadInput as error:
        raise _invalid(f"the key of log {log.id.hex()} cannot be used: {error}") from error


def _moment(sct: SignedCertificateTimestamp) -> datetime:
    try:
        return sct.timestamp
    except (ValueError, OverflowError) as error:
        raise _invalid(f"made at no time that can be: {error}") from error


def _invalid(detail: str) -> Refused:
    return Refused(Reason.SCT_INVALID, f"the signed certificate timestamp: {detail}"[:250])
