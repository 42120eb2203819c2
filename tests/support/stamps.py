"""Time stamps put together byte by byte and signed anew, for forms that no encoder writes."""

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes

from preverify.verify.encodings import der
from support import pki

TAGGED_0 = 0xA0
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
Bend = Callable[[bytes], bytes]


def _same(data: bytes) -> bytes:
    return data


def info_of(token: bytes) -> bytes:
    """Return the encoded TSTInfo of a token."""
    _, body = der.elements(der.only(token, der.SEQUENCE))
    content = der.elements(der.only(der.only(body.whole, TAGGED_0), der.SEQUENCE))[2]
    return der.only(der.only(der.elements(content.content)[1].whole, TAGGED_0), der.OCTET_STRING)


def signed_anew(
    token: bytes,
    secret: Any,
    *,
    info: Bend = _same,
    attributes: Bend = _same,
    before: Bend = _same,
    after: Bend = _same,
    tail: bytes = b"",
    digest: bytes | None = None,
) -> bytes:
    """Return a SHA-256 token with bent parts, over which the signature holds.

    Args:
        token: As `pki.Tsa` writes it.
        secret: The key that signs.
        info: Applied to the content of the TSTInfo.
        attributes: Applied to the content of the signed attributes, which then hold the right digest.
        before: Applied to version and digest algorithms of the SignedData.
        after: Applied to what stands between content and signers.
        tail: Put behind the signature.
        digest: The message digest to write, where it is to be wrong.
    """
    kind, body = der.elements(der.only(token, der.SEQUENCE))
    version, algorithms, content, *rest = der.elements(der.only(der.only(body.whole, TAGGED_0), der.SEQUENCE))
    bent = der.element(der.SEQUENCE, info(der.only(info_of(token), der.SEQUENCE)))
    wrapped = der.element(TAGGED_0, der.element(der.OCTET_STRING, bent))
    number, by, hashed, signed, algorithm, *_ = der.elements(der.only(der.only(rest[-1].whole, der.SET), der.SEQUENCE))
    value = hashlib.sha256(bent).digest() if digest is None else digest
    listed = (_with_digest(each, value) for each in der.elements(signed.content))
    told = attributes(b"".join(listed))
    signature = pki.sign(secret, der.element(der.SET, told), hashes.SHA256())
    signer = der.element(
        der.SEQUENCE,
        number.whole,
        by.whole,
        hashed.whole,
        der.element(TAGGED_0, told),
        algorithm.whole,
        der.element(der.OCTET_STRING, signature),
        tail,
    )
    data = der.element(
        der.SEQUENCE,
        before(version.whole + algorithms.whole),
        der.element(der.SEQUENCE, der.elements(content.content)[0].whole, wrapped),
        after(b"".join(each.whole for each in rest[:-1])),
        der.element(der.SET, signer),
    )
    return der.element(der.SEQUENCE, kind.whole, der.element(TAGGED_0, data))


def _with_digest(attribute: der.Element, value: bytes) -> bytes:
    if not attribute.content.startswith(_MESSAGE_DIGEST):
        return attribute.whole
    return der.element(der.SEQUENCE, _MESSAGE_DIGEST, der.element(der.SET, der.element(der.OCTET_STRING, value)))
