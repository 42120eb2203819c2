"""What OpenSSL says of a time stamp, by way of `rfc3161-client`: a second reader that shares no code with ours."""

import re
from collections.abc import Sequence
from datetime import UTC

from cryptography import x509
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from preverify.verify.encodings import der
from preverify.verify.stamps.responses import Stamp

_TAGGED_0 = 0xA0
_TOLD = re.compile(r'data: "Verify error: ([^"]+)"')
_GRANTED = der.element(der.SEQUENCE, der.element(der.INTEGER, b"\0"))
_Errors = (VerificationError, ValueError, TypeError, OverflowError)


def objection(token: bytes, signed_digest: bytes, chain: Sequence[bytes]) -> str:
    """Return why a bare token is not one of the first certificate of `chain`, over a digest; empty where it is.

    Certificates that came along are left out, so that nobody has to choose among them.
    """
    leaf, *between, root = (*chain, chain[0]) if len(chain) == 1 else chain
    try:
        verifier = VerifierBuilder(
            tsa_certificate=x509.load_der_x509_certificate(leaf),
            intermediates=[x509.load_der_x509_certificate(each) for each in between],
            roots=[x509.load_der_x509_certificate(root)],
        ).build()
        verifier.verify(
            decode_timestamp_response(der.element(der.SEQUENCE, _GRANTED, alone(token, leaf))), signed_digest
        )
    except _Errors as error:
        told = _TOLD.search(str(error))
        return told[1] if told else f"{error}" or type(error).__name__
    return ""


def contradicts(token: bytes, signed_digest: bytes, found: Stamp) -> str:
    """Return where OpenSSL disagrees with a stamp that we take for true; empty where it agrees."""
    if against := objection(token, signed_digest, found.chain):
        return against
    said = decode_timestamp_response(
        der.element(der.SEQUENCE, _GRANTED, alone(token, found.chain[0]))
    ).tst_info.gen_time
    return "" if said.astimezone(UTC) == found.at else f"another time: {said.isoformat()}"


def alone(token: bytes, certificate: bytes) -> bytes:
    """Return a token with `certificate` as the only one in it. Certificates are no part of what is signed."""
    kind, body = der.elements(der.only(token, der.SEQUENCE))
    version, hashes, content, *_, signers = der.elements(der.only(der.only(body.whole, _TAGGED_0), der.SEQUENCE))
    own = der.element(_TAGGED_0, certificate)
    data = der.element(der.SEQUENCE, version.whole, hashes.whole, content.whole, own, signers.whole)
    return der.element(der.SEQUENCE, kind.whole, der.element(_TAGGED_0, data))
