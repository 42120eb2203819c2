"""One X.509 certificate: read whole, once, so that nothing that is used later can turn out to be unreadable."""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import Certificate as Loaded
from cryptography.x509 import Extension, ExtensionType, ObjectIdentifier

from preverify.model.errors import BadInput
from preverify.model.reasons import Reason
from preverify.verify.encodings import der as asn1
from preverify.verify.keys.algorithms import OF_CERTIFICATES, Algorithm, is_sha2
from preverify.verify.keys.public_keys import ACCEPTED, PublicKey, prepared
from preverify.verify.refusal import Refused

MAX_CERTIFICATE_BYTES = 32 * 1024
MAX_CHAIN = 10
UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UserWarning,  # where warnings are errors
)
"""What `cryptography` raises for bytes that it cannot make sense of."""

_Value = TypeVar("_Value", bound=ExtensionType)
_BIT_STRING = 0x03
_VERSION_3 = bytes.fromhex("a003020102")
_PSS = bytes.fromhex("06092a864886f70d01010a")
_KEYS = frozenset(
    map(
        bytes.fromhex,
        (
            "301306072a8648ce3d020106082a8648ce3d030107",  # EC on P-256, P-384, P-521
            "301006072a8648ce3d020106052b81040022",
            "301006072a8648ce3d020106052b81040023",
            "300d06092a864886f70d0101010500",  # RSA, not restricted to PSS
            "300506032b6570",  # Ed25519
        ),
    )
)
_LABELS = {
    b"U\x04\x03": "CN",
    b"U\x04\x06": "C",
    b"U\x04\x08": "ST",
    b"U\x04\x07": "L",
    b"U\x04\x0a": "O",
    b"U\x04\x0b": "OU",
}
_SPACE = b" \t\n\r\v\f"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_SPACES = frozenset(_SPACE[at : at + 1] for at in range(len(_SPACE)))


@lru_cache(maxsize=64)
def _oid(kind: type[ExtensionType]) -> str:
    """Return the object identifier of a kind of extension, in dots: asking the library each time costs more."""
    return kind.oid.dotted_string


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate that was read. Nothing is said about who issued it, nor whether it is trusted.

    Attributes:
        der: The certificate as sent.
        x509: For what the other attributes do not say.
        spki: SubjectPublicKeyInfo (DER), as it stands in the certificate.
        subject: Name (DER) as it stands in the certificate, as `issuer`: names are compared as bytes.
        key: The public key, ready for use.
        extensions: By object identifier in dots.
        signed: What its issuer signed: the body, as it stands in the certificate.
        signature: Its issuer's signature.
        algorithm: Of that signature, as both the body and the certificate name it; None for RSA-PSS.
        not_before: First moment of its validity, UTC.
        not_after: Last moment of its validity, UTC.
    """

    der: bytes = field(repr=False)
    x509: Loaded = field(repr=False, compare=False)
    spki: bytes = field(repr=False, compare=False)
    subject: bytes = field(repr=False, compare=False)
    issuer: bytes = field(repr=False, compare=False)
    key: PublicKey = field(repr=False, compare=False)
    extensions: Mapping[str, Extension[Any]] = field(repr=False, compare=False)
    signed: bytes = field(repr=False, compare=False)
    signature: bytes = field(repr=False, compare=False)
    algorithm: Algorithm | None = field(repr=False, compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of `der`, hex."""
        return sha256(self.der).hexdigest()

    def extension(self, kind: type[ExtensionType]) -> Extension[Any] | None:
        """Return the extension of a kind; None where it has none."""
        return self.extensions.get(_oid(kind))

    def value(self, kind: type[_Value]) -> _Value | None:
        """Return what the extension of a kind says; None where it has none."""
        found = self.extensions.get(_oid(kind))
        return None if found is None else found.value

    @property
    def name(self) -> str:
        """Return the subject for people, bounded."""
        return shown_name(self.subject)


class _Body(NamedTuple):
    signed: bytes
    signature: bytes
    algorithm: Algorithm | None
    issuer: bytes
    subject: bytes
    spki: bytes


def parse_certificate(der: bytes) -> Certificate:
    """Read one certificate.

    Raises:
        Refused: `certificate-invalid`, whatever the bytes are: not DER, not version 3, a serial number that is not
            positive, a signature algorithm or key that we do not accept, an extension that cannot be read or stands
            twice; `too-large`.

    Spec:
        RFC 5280, section 4.1.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise Refused(Reason.TOO_LARGE, f"a certificate of {len(der)} bytes, at most {MAX_CERTIFICATE_BYTES} are read")
    try:
        body = _read_body(der)
        loaded = x509.load_der_x509_certificate(der)
        if body.algorithm is None:
            _check_hash(loaded)
        loaded.subject  # noqa: B018  read when asked for: now, or nobody may rely on it
        _check_issuer(_Issuer(body.issuer, loaded))
        return Certificate(
            der=der,
            x509=loaded,
            spki=body.spki,
            subject=body.subject,
            issuer=body.issuer,
            key=prepared(body.spki),
            extensions=MappingProxyType({_dotted(each.oid): each for each in loaded.extensions}),
            signed=body.signed,
            signature=body.signature,
            algorithm=body.algorithm,
            not_before=loaded.not_valid_before_utc,
            not_after=loaded.not_valid_after_utc,
        )
    except BadInput as error:
        raise _invalid(f"the key of the certificate: {error}") from error
    except UNREADABLE as error:
        raise _invalid(f"not a certificate that can be read: {error}") from error


@lru_cache(maxsize=256)
def _dotted(oid: ObjectIdentifier) -> str:
    return oid.dotted_string


class _Issuer:
    """An issuer's name: equal to others by its bytes, as leaves of one authority share it."""

    __slots__ = ("der", "loaded")

    def __init__(self, der: bytes, loaded: Loaded) -> None:
        self.der = der
        self.loaded = loaded

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Issuer) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)


@lru_cache(maxsize=64)
def _check_issuer(name: _Issuer) -> None:
    """Read a name: now, or nobody may rely on it."""
    name.loaded.issuer  # noqa: B018


def _check_hash(loaded: Loaded) -> None:
    """Check the hash of RSA-PSS, which names it in parameters: the library has read them."""
    used = loaded.signature_hash_algorithm
    if not is_sha2(used):
        name = "no hash" if used is None else used.name
        raise _invalid(f"the certificate is signed with {name}, expected SHA-256, SHA-384 or SHA-512")


authority_certificate = lru_cache(maxsize=256)(parse_certificate)
"""`parse_certificate` for certificates that come again and again: those of authorities."""


def leaf_verifies(leaf: Certificate, signature: bytes, message: bytes) -> bool:
    """Say whether `signature` over `message` holds under the key of `leaf`. Never raises."""
    return leaf.key.verify(signature, message)


def parse_pem_chain(pem: str | bytes, limit: int = MAX_CHAIN) -> tuple[bytes, ...]:
    """Return the certificates (DER) of a text with PEM blocks, in its order; what stands between blocks is skipped.

    The certificates themselves are not read.

    Raises:
        Refused: `certificate-invalid`: no block, other blocks than certificates, not base64; `too-large`: more than
            `limit` blocks, or a text longer than so many certificates can be.
    """
    data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
    if len(data) > limit * MAX_CERTIFICATE_BYTES * 3 // 2:
        raise Refused(Reason.TOO_LARGE, f"certificates as a text of {len(data)} bytes, at most {limit} are read")
    begun = data.count(b"-----BEGIN ")
    if begun > limit:
        raise Refused(Reason.TOO_LARGE, f"{begun} certificates, at most {limit} are read")
    blocks = [block for block in map(_block, data.split(b"-----BEGIN ")[1:]) if block]
    if not blocks or len(blocks) != begun:
        raise _invalid(f"{len(blocks)} PEM blocks that are certificates, {begun} blocks in all")
    try:
        return tuple([binascii.a2b_base64(block.translate(None, _SPACE), strict_mode=True) for block in blocks])
    except ValueError as error:
        raise _invalid(f"a PEM block is not base64: {error}") from error


def _block(part: bytes) -> bytes:
    """Return the content of a block, given what follows its beginning; empty where it is no certificate's."""
    content, end, _ = part.partition(b"-----END CERTIFICATE-----")
    label, dashes, content = content.partition(b"CERTIFICATE-----")
    whole = end and dashes and not label and content[:1] in _SPACES
    return content if whole and not content.translate(None, _BASE64 + _SPACE) else b""


def shown_name(name: bytes) -> str:
    """Return a distinguished name (DER) for people: bounded, printable ASCII. Nothing may be decided by it."""
    try:
        pairs = [
            asn1.elements(pair.content)
            for rdn in asn1.elements(asn1.only(name, asn1.SEQUENCE))
            for pair in asn1.elements(rdn.content)
        ]
        parts = [f"{_label(kind.content)}={value.content.decode('utf-8', 'replace')}" for kind, value in pairs]
    except ValueError:
        return "an unreadable name"
    return ascii(",".join(reversed(parts)))[1:-1][:100]


def _label(oid: bytes) -> str:
    return _LABELS.get(oid) or asn1.dotted(oid)


def _read_body(der: bytes) -> _Body:
    """Return the parts that count as bytes, and refuse what the library would only warn about."""
    tbs, algorithm, signature = asn1.elements(asn1.only(der, asn1.SEQUENCE))
    parts = asn1.elements(asn1.inside(tbs, asn1.SEQUENCE))
    if len(parts) < 8 or parts[0].whole != _VERSION_3:
        raise ValueError("not version 3, the one with extensions")
    _, serial, inner, issuer, _, subject, spki, *_ = parts
    if inner.whole != algorithm.whole:
        raise ValueError("two signature algorithms that differ")
    known = OF_CERTIFICATES.get(algorithm.whole)
    if known is None and not algorithm.content.startswith(_PSS):
        raise ValueError(f"signed with {_algorithm(algorithm.content)}, expected ECDSA or RSA with SHA-2, or Ed25519")
    if serial.content[:1] >= b"\x80" or not any(serial.content):
        raise ValueError("a serial number that is not positive")
    if signature.tag != _BIT_STRING or signature.content[:1] != b"\0":
        raise ValueError("a signature that does not consist of bytes")
    kind, _ = asn1.elements(spki.content)
    if kind.whole not in _KEYS:
        raise ValueError(f"a key of kind {_algorithm(kind.content)}, expected {ACCEPTED}")
    return _Body(tbs.whole, signature.content[1:], known, issuer.whole, subject.whole, spki.whole)


def _algorithm(content: bytes) -> str:
    """Name an algorithm with the object identifiers that stand in it."""
    found = [asn1.dotted(each.content) for each in asn1.elements(content) if each.tag == asn1.OBJECT]
    return "/".join(found)[:100] or "an unnamed algorithm"


def _invalid(detail: str) -> Refused:
    return Refused(Reason.CERTIFICATE_INVALID, detail[:250])
