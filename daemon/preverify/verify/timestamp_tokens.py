"""RFC 3161 tokens, read strictly: everything that a conclusion rests on comes from here, and from signed bytes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256, sha384, sha512
from typing import Any

from preverify.model.reasons import Reason
from preverify.verify import der
from preverify.verify.certificate_der import MAX_CHAIN, Certificate
from preverify.verify.der import INTEGER, OBJECT, OCTET_STRING, SEQUENCE, SET, Element
from preverify.verify.refusal import Refused

MAX_TOKEN_BYTES = 64 * 1024
_GRANTED = der.element(SEQUENCE, der.element(INTEGER, b"\0"))
_ONE = der.element(INTEGER, b"\x01")
_TAGGED_0, _TIME, _PRIMITIVE_0, _PRIMITIVE_1 = 0xA0, 0x18, 0x80, 0x81
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_ESS_1, _ESS_2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
_HASHES: dict[str, Callable[[bytes], Any]] = {
    "2.16.840.1.101.3.4.2.1": sha256,
    "2.16.840.1.101.3.4.2.2": sha384,
    "2.16.840.1.101.3.4.2.3": sha512,
}
_SIGNATURES = frozenset(
    {
        "1.2.840.113549.1.1.1",  # RSA PKCS#1 v1.5 with the hash of the token
        "1.2.840.113549.1.1.11",  # the same with SHA-256, SHA-384, SHA-512
        "1.2.840.113549.1.1.12",
        "1.2.840.113549.1.1.13",
        "1.2.840.10045.4.3.2",  # ECDSA with SHA-256, SHA-384, SHA-512
        "1.2.840.10045.4.3.3",
        "1.2.840.10045.4.3.4",
    }
)
_MOMENT = re.compile(rb"(\d{14})(?:\.(\d{1,6}))?Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that was read. Nothing is verified.

    Attributes:
        at: The time in it.
        accuracy: How far the time may be off; None where the token does not say.
        imprint: What was stamped: a hash function and the value.
        certificates: Certificates (DER) that came along, unsigned.
        issuer: Issuer's name (DER) of the signer's certificate.
        serial: Serial number (DER content) of the signer's certificate.
        named: Hashes by which signed attributes name the signer's certificate: function and value.
        before: The encoded parts of SignedData that stand before the certificates.
        signer: The encoded signer's part.
    """

    at: datetime
    accuracy: timedelta | None
    imprint: tuple[Callable[[bytes], Any], bytes]
    certificates: tuple[bytes, ...]
    issuer: bytes
    serial: bytes
    named: tuple[tuple[Callable[[bytes], Any], bytes], ...]
    before: bytes
    signer: bytes

    def stamps(self, signed: bytes) -> bool:
        """Say whether `signed` is what was stamped."""
        function, value = self.imprint
        return bool(function(signed).digest() == value)

    def names(self, certificate: Certificate) -> bool:
        """Say whether the signed attributes name `certificate`, each of them that names any."""
        return all(function(certificate.der).digest() == value for function, value in self.named)

    def response_with(self, certificate: bytes) -> bytes:
        """Return a granted response with this token, in which `certificate` is the only one.

        Certificates are no part of what is signed. With one alone nobody has to choose, and what others have put in
        is without effect.
        """
        data = der.element(SEQUENCE, self.before, der.element(_TAGGED_0, certificate), self.signer)
        kind = der.element(OBJECT, bytes.fromhex("2a864886f70d010702"))
        token = der.element(SEQUENCE, kind, der.element(_TAGGED_0, data))
        return der.element(SEQUENCE, _GRANTED, token)


def token_of(response: bytes) -> bytes:
    """Return the token of a TimeStampResp that was granted.

    Raises:
        Refused: `timestamp-invalid`, or `too-large`.
    """
    _bound(response)
    try:
        status, *rest = der.elements(der.only(response, SEQUENCE))
        number = der.elements(status.content)[0]
        if number.whole != b"\x02\x01\x00":
            raise invalid(f"the authority answered with status {number.content.hex()[:8]}, expected 00 (granted)")
        (token,) = rest
    except (ValueError, IndexError) as error:
        raise invalid(f"no answer of a time stamp authority: {error}") from error
    return token.whole


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
    version, hashes, content, *rest = der.elements(der.only(der.only(body.whole, _TAGGED_0), SEQUENCE))
    kind, wrapped = der.elements(content.content)
    _expect(kind, _TST_INFO)
    certificates: tuple[bytes, ...] = ()
    if rest[0].tag == _TAGGED_0:
        certificates = tuple(each.whole for each in der.elements(rest[0].content) if each.tag == SEQUENCE)
    if len(certificates) > MAX_CHAIN:
        raise ValueError(f"{len(certificates)} certificates, at most {MAX_CHAIN} are read")
    signer = der.only(der.only(rest[-1].whole, SET), SEQUENCE)  # exactly one: two could be confused
    issuer, serial, named = _read_signer(signer)
    at, accuracy, imprint = _read_info(der.only(der.only(wrapped.whole, _TAGGED_0), OCTET_STRING))
    return Token(
        at=at,
        accuracy=accuracy,
        imprint=imprint,
        certificates=certificates,
        issuer=issuer,
        serial=serial,
        named=named,
        before=version.whole + hashes.whole + content.whole,
        signer=rest[-1].whole,
    )


def _read_signer(signer: bytes) -> tuple[bytes, bytes, tuple[tuple[Callable[[bytes], Any], bytes], ...]]:
    version, by, hashed, attributes, algorithm, *_ = der.elements(signer)
    if version.whole != _ONE:
        raise ValueError("a signer that is not named by issuer and serial number")
    issuer, serial = der.elements(der.only(by.whole, SEQUENCE))
    _hash(hashed)
    if (name := _oid(algorithm)) not in _SIGNATURES:
        raise ValueError(f"signed with {name}, expected RSA or ECDSA with SHA-2")
    told = _attributes(der.only(attributes.whole, _TAGGED_0))
    if told.get(_CONTENT_TYPE, b"") != bytes.fromhex("060b2a864886f70d0109100104"):
        raise ValueError("signed as something else than a time stamp")
    named = tuple(_named(told[each], each) for each in (_ESS_1, _ESS_2) if each in told)
    if not named:
        raise ValueError("no signed attribute names the certificate of the signer")
    return issuer.whole, serial.content, named


def _attributes(data: bytes) -> dict[str, bytes]:
    """Return signed attributes by type: each type once, with exactly one value."""
    found: dict[str, bytes] = {}
    for each in der.elements(data):
        kind, values = der.elements(each.content)
        (value,) = der.elements(der.only(values.whole, SET))
        if (name := der.dotted(kind.content)) in found:
            raise ValueError(f"a signed attribute {name} that stands twice")
        found[name] = value.whole
    return found


def _named(value: bytes, kind: str) -> tuple[Callable[[bytes], Any], bytes]:
    """Return how a signing-certificate attribute names the signer's certificate: the first in its list."""
    listed = der.elements(der.only(value, SEQUENCE))[0]
    first, *rest = der.elements(der.elements(listed.content)[0].content)
    if kind == _ESS_1:
        return sha1, _octets(first)  # a name, which the signature below it bears out
    if first.tag == SEQUENCE:
        return _hash(first), _octets(rest[0])
    return sha256, _octets(first)


def _read_info(info: bytes) -> tuple[datetime, timedelta | None, tuple[Callable[[bytes], Any], bytes]]:
    """Read a TSTInfo."""
    version, _, imprint, _, moment, *rest = der.elements(der.only(info, SEQUENCE))
    if version.whole != _ONE:
        raise ValueError("not version 1")
    algorithm, value = der.elements(der.only(imprint.whole, SEQUENCE))
    accuracy = _accuracy(rest[0].content) if rest and rest[0].tag == SEQUENCE else None
    return _moment(moment), accuracy, (_hash(algorithm), _octets(value))


def _moment(each: Element) -> datetime:
    found = _MOMENT.fullmatch(each.content)
    if each.tag != _TIME or not found:
        raise ValueError(f"a time {ascii(each.content)[:40]} that DER does not allow")
    micros = int((found[2] or b"").ljust(6, b"0"))
    return datetime.strptime(found[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC, microsecond=micros)


def _accuracy(content: bytes) -> timedelta:
    parts = {each.tag: int.from_bytes(each.content, "big", signed=True) for each in der.elements(content)}
    seconds, millis, micros = (parts.get(tag, 0) for tag in (INTEGER, _PRIMITIVE_0, _PRIMITIVE_1))
    if not (0 <= seconds <= 86_400 and 0 <= millis < 1000 and 0 <= micros < 1000):
        raise ValueError("an accuracy that cannot be, or of more than a day")
    return timedelta(seconds=seconds, milliseconds=millis, microseconds=micros)


def _hash(algorithm: Element) -> Callable[[bytes], Any]:
    name = _oid(algorithm)
    if name not in _HASHES:
        raise ValueError(f"hashed with {name}, expected SHA-256, SHA-384 or SHA-512")
    return _HASHES[name]


def _oid(algorithm: Element) -> str:
    return der.dotted(der.elements(algorithm.content)[0].content)


def _octets(each: Element) -> bytes:
    return der.only(each.whole, OCTET_STRING)


def _expect(kind: Element, oid: str) -> None:
    if kind.tag != OBJECT or der.dotted(kind.content) != oid:
        raise ValueError(f"content of a type {kind.content.hex()[:40]}, expected {oid}")


def _bound(data: bytes) -> None:
    if len(data) > MAX_TOKEN_BYTES:
        raise Refused(Reason.TOO_LARGE, f"a time stamp of {len(data)} bytes, at most {MAX_TOKEN_BYTES} are read")
