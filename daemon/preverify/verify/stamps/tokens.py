"""RFC 3161 tokens, read strictly: everything that a conclusion rests on comes from here, and from signed bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha1, sha256
from itertools import pairwise

from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import MAX_CHAIN, Certificate
from preverify.verify.encodings import der
from preverify.verify.encodings.der import INTEGER, OBJECT, OCTET_STRING, SEQUENCE, SET, Element
from preverify.verify.keys.algorithms import OF_STAMPS, Algorithm, Hash
from preverify.verify.refusal import Refused
from preverify.verify.stamps.info import Info, hash_of, integer, named, read_info

MAX_TOKEN_BYTES = 64 * 1024
_ONE = der.element(INTEGER, b"\x01")
_TAGGED_0, _TAGGED_1 = 0xA0, 0xA1
_SET_TAG = bytes((SET,))
_BIT_STRING = 0x03
_GRANTED = b"\x02\x01\x00"
_SAID: tuple[list[int], ...] = ([], [SEQUENCE], [_BIT_STRING], [SEQUENCE, _BIT_STRING])  # words, and what failed
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
# Signed attributes.
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_ESS_1 = bytes.fromhex("060b2a864886f70d010910020c")
_ESS_2 = bytes.fromhex("060b2a864886f70d010910022f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The one signer of a token.

    Attributes:
        issuer: Issuer's name (DER) of the certificate.
        serial: Serial number (DER content) of the certificate.
        named: Hashes by which signed attributes name the certificate: function and value.
        hash: Hash function of content and attributes.
        digest: Of the content, as a signed attribute has it.
        algorithm: Of the signature; it goes with `hash`.
        signed: What the signature is over: the attributes, as a set.
        signature: As sent.
    """

    issuer: bytes
    serial: bytes
    named: tuple[tuple[Hash, bytes], ...]
    hash: Hash
    digest: bytes
    algorithm: Algorithm
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that was read. Nothing is verified.

    Attributes:
        info: What it says.
        content: The bytes that say it.
        certificates: Certificates (DER) that came along, unsigned.
        signer: Who says it.
    """

    info: Info
    content: bytes
    certificates: tuple[bytes, ...]
    signer: Signer

    def stamps(self, signed: bytes) -> bool:
        """Say whether `signed` is what was stamped."""
        return bool(self.info.hash(signed).digest() == self.info.digest)

    def names(self, certificate: Certificate) -> bool:
        """Say whether the signed attributes name `certificate`, each of them that names any."""
        return all(function(certificate.der).digest() == value for function, value in self.signer.named)

    def check_signature(self, certificate: Certificate) -> None:
        """Check that the key of `certificate` signed the attributes, and that these are about the content.

        Raises:
            Refused: `timestamp-invalid`.

        Spec:
            RFC 5652, sections 5.4 and 5.6.
        """
        signer = self.signer
        if signer.hash(self.content).digest() != signer.digest:
            raise invalid("its signature does not hold: the signed digest is that of another content")
        if not certificate.key.verify_as(signer.algorithm, signer.signature, signer.signed):
            raise invalid("its signature does not hold under the certificate of its signer")


def token_of(response: bytes) -> bytes:
    """Return the token of a TimeStampResp that was granted.

    Raises:
        Refused: `timestamp-invalid`, or `too-large`.
    """
    _bound(response)
    try:
        status, *rest = der.elements(der.only(response, SEQUENCE))
        number = _status(status)
        if number.whole != _GRANTED:
            raise invalid(f"the authority answered with status {number.content.hex()[:8]}, expected 00 (granted)")
        (token,) = rest
    except (ValueError, IndexError) as error:
        raise invalid(f"no answer of a time stamp authority: {error}") from error
    return token.whole


def _status(info: Element) -> Element:
    """Return the number in a PKIStatusInfo (RFC 3161, section 2.4.2)."""
    number, *said = der.elements(der.inside(info, SEQUENCE))
    if [each.tag for each in said] not in _SAID:
        raise ValueError("a status of another form")
    return number


def read_token(data: bytes) -> Token:
    """Read a bare TimeStampToken.

    Raises:
        Refused: `timestamp-invalid`: not DER, not one signer, not over a TSTInfo, a hash or signature algorithm that
            we do not accept, no attribute that names the signer's certificate; `too-large`.

    Spec:
        RFC 3161, section 2.4.2; RFC 5652, section 5; RFC 5816.
    """
    _bound(data)
    try:
        return _read(data)
    except (ValueError, IndexError) as error:
        raise invalid(f"no token that can be read: {error}") from error


def invalid(detail: str) -> Refused:
    """Return a refusal of the bytes of a time stamp."""
    return Refused(Reason.TIMESTAMP_INVALID, f"the time stamp: {detail}"[:250])


def _read(data: bytes) -> Token:
    kind, body = der.elements(der.only(data, SEQUENCE))
    _expect(kind, _SIGNED_DATA)
    version, hashes, content, *certificates, signers = der.elements(der.only(der.inside(body, _TAGGED_0), SEQUENCE))
    # The version says which forms of certificates came along: none of them is signed, and none is believed.
    if not 0 <= integer(der.inside(version, INTEGER)) < 0x80:
        raise ValueError("no version")
    kind, wrapped = der.elements(der.inside(content, SEQUENCE))
    _expect(kind, _TST_INFO)
    info = der.only(der.inside(wrapped, _TAGGED_0), OCTET_STRING)
    signer = _read_signer(der.only(der.inside(signers, SET), SEQUENCE))  # exactly one: two could be confused
    if signer.hash not in [hash_of(each) for each in _set(der.inside(hashes, SET))]:
        raise ValueError("signed with a hash that the token does not announce")
    return Token(info=read_info(info), content=info, certificates=_certificates(certificates), signer=signer)


def _certificates(sent: Sequence[Element]) -> tuple[bytes, ...]:
    """Return the certificates that came along. Revocation lists may too: nobody asks them."""
    if [each.tag for each in sent] not in ([], [_TAGGED_0], [_TAGGED_1], [_TAGGED_0, _TAGGED_1]):
        raise ValueError("something else than certificates and revocation lists comes along")
    listed = der.elements(sent[0].content) if sent and sent[0].tag == _TAGGED_0 else ()
    found = tuple(each.whole for each in listed if each.tag == SEQUENCE)
    if len(found) > MAX_CHAIN:
        raise ValueError(f"{len(found)} certificates, at most {MAX_CHAIN} are read")
    return found


def _read_signer(signer: bytes) -> Signer:
    version, by, hashed, attributes, algorithm, signature, *unsigned = der.elements(signer)
    if version.whole != _ONE:
        raise ValueError("a signer that is not named by issuer and serial number")
    issuer, serial = der.elements(der.inside(by, SEQUENCE))
    told = _attributes(der.inside(attributes, _TAGGED_0))
    if told.get(_CONTENT_TYPE) != _TST_INFO:
        raise ValueError("signed as something else than a time stamp")
    names = tuple(_named(told[each], each) for each in (_ESS_1, _ESS_2) if each in told)
    if not names:
        raise ValueError("no signed attribute names the certificate of the signer")
    _check_unsigned(unsigned)
    function = hash_of(hashed)
    return Signer(
        issuer=issuer.whole,
        serial=der.inside(serial, INTEGER),
        named=names,
        hash=function,
        digest=der.only(told.get(_MESSAGE_DIGEST, b""), OCTET_STRING),
        algorithm=_algorithm(algorithm, function),
        # Sent with a tag of their own, signed with that of a set: the same bytes otherwise, which `_set` has checked.
        signed=_SET_TAG + attributes.whole[1:],
        signature=der.inside(signature, OCTET_STRING),
    )


def _algorithm(identifier: Element, function: Hash) -> Algorithm:
    """Return the algorithm that is named, and no other that the key could do as well."""
    known = OF_STAMPS.get(identifier.whole)
    if known is None:
        raise ValueError(f"signed with {named(identifier)}, expected RSA or ECDSA with SHA-2")
    if function not in known:
        raise ValueError(f"signed with {named(identifier)}, which goes with another hash than that of the content")
    return known[function]


def _attributes(data: bytes) -> dict[bytes, bytes]:
    """Return signed attributes by type (DER): each type once, with exactly one value."""
    found: dict[bytes, bytes] = {}
    for each in _set(data):
        kind, values = der.elements(der.inside(each, SEQUENCE))
        (value,) = der.elements(der.inside(values, SET))
        if kind.whole in found:
            raise ValueError(f"a signed attribute {der.dotted(der.inside(kind, OBJECT))[:80]} that stands twice")
        found[kind.whole] = value.whole
    return found


def _check_unsigned(sent: Sequence[Element]) -> None:
    """Check the form of attributes that nobody signed. What they say is without effect."""
    if not sent:
        return
    (unsigned,) = sent
    for each in _set(der.inside(unsigned, _TAGGED_1)):
        kind, values = der.elements(der.inside(each, SEQUENCE))
        der.dotted(der.inside(kind, OBJECT))
        for value in _set(der.inside(values, SET)):
            der.inside(value, SEQUENCE)


def _set(data: bytes) -> Sequence[Element]:
    """Return the elements of a SET OF, which DER wants sorted.

    Spec:
        X.690, section 11.6.
    """
    found = der.elements(data)
    for before, after in pairwise(found):
        if before.whole > after.whole:
            raise ValueError("a set that is not in the order of DER")
    return found


@lru_cache(maxsize=64)
def _named(value: bytes, kind: bytes) -> tuple[Hash, bytes]:
    """Return how a signing-certificate attribute names the signer's certificate: the first in its list."""
    listed = der.elements(der.only(value, SEQUENCE))[0]
    first, *rest = der.elements(der.inside(der.elements(der.inside(listed, SEQUENCE))[0], SEQUENCE))
    if kind == _ESS_1:
        return sha1, der.inside(first, OCTET_STRING)  # a name, which the signature below it bears out
    if first.tag == SEQUENCE:
        return hash_of(first), der.inside(rest[0], OCTET_STRING)
    return sha256, der.inside(first, OCTET_STRING)


def _expect(kind: Element, oid: bytes) -> None:
    if kind.whole != oid:
        raise ValueError(f"content of a type {kind.content.hex()[:40]}, expected {der.dotted(oid[2:])}")


def _bound(data: bytes) -> None:
    if len(data) > MAX_TOKEN_BYTES:
        raise Refused(Reason.TOO_LARGE, f"a time stamp of {len(data)} bytes, at most {MAX_TOKEN_BYTES} are read")
