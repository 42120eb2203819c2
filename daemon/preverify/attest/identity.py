"""Ourselves by certificate: the identity that keyless statements are signed as, and whether a certificate has it."""

import base64
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.model import fulcio
from preverify.model.errors import MalformedEvidence
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse as parse_json

MAX_NOTED_BYTES = 1024 * 1024
_ISSUER = f"{fulcio.PREFIX}{fulcio.ISSUER}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnIdentity:
    """The identity that our statements are signed as.

    Recognising a statement as ours is less than verifying it: log entries and time stamps are not looked at, and old
    certificates count. Whoever could make such a certificate holds our identity already.

    Attributes:
        issuer: Of the identity token.
        identity: The certificate's subject alternative name, an e-mail address or URI.
        issuing: DER certificates, each of an authority that issues such certificates itself.
    """

    issuer: str
    identity: str
    issuing: tuple[bytes, ...]

    @property
    def id(self) -> str:
        """Return `keyless:` and a digest over issuer and identity, as findings name signers."""
        framed = f"{len(self.issuer.encode())}:{self.issuer}{self.identity}"
        return f"keyless:{sha256(framed.encode()).hexdigest()}"

    def key_in(self, certificate: bytes) -> TrustedKey | None:
        """Return the key of a certificate (DER) that one of the authorities issued to us; None for every other one."""
        try:
            leaf = x509.load_der_x509_certificate(certificate)
            if not self._names_us(leaf) or not any(_issued(leaf, each) for each in self.issuing):
                return None
            return TrustedKey(leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return None

    def write(self) -> bytes:
        """Return the form in which every process of this machine finds it."""
        issuing = [base64.b64encode(each).decode() for each in self.issuing]
        return json.dumps({"issuer": self.issuer, "identity": self.identity, "issuing": issuing}).encode()

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read what `write` gave.

        Raises:
            MalformedEvidence: it is something else.
        """
        document = parse_json(data, max_bytes=MAX_NOTED_BYTES, reason=Reason.CONTENT_MISMATCH)
        try:  # the types are not asked for first: anything unexpected is caught below
            return cls(
                issuer=str(document["issuer"]),  # type: ignore[index]
                identity=str(document["identity"]),  # type: ignore[index]
                issuing=tuple(base64.b64decode(each, validate=True) for each in document["issuing"]),  # type: ignore[index]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"is no noted identity: {error}") from error

    def _names_us(self, leaf: x509.Certificate) -> bool:
        """Say whether exactly one name stands there, ours, and exactly our issuer."""
        issuers = [e.value for e in leaf.extensions if e.oid.dotted_string == _ISSUER]
        if [e.value for e in issuers if isinstance(e, x509.UnrecognizedExtension)] != [_utf8_string(self.issuer)]:
            return False
        names = [n for e in leaf.extensions if isinstance(e.value, x509.SubjectAlternativeName) for n in e.value]
        kinds = (x509.RFC822Name, x509.UniformResourceIdentifier)
        return [name.value if isinstance(name, kinds) else None for name in names] == [self.identity]


Own = TrustedKey | OwnIdentity
"""What our statements are recognised by: a key, or the identity in a certificate."""


def _issued(leaf: x509.Certificate, issuing: bytes) -> bool:
    try:
        leaf.verify_directly_issued_by(x509.load_der_x509_certificate(issuing))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _utf8_string(text: str) -> bytes:
    """Return a DER UTF8String."""
    data = text.encode()
    if len(data) < 0x80:
        return bytes((0x0C, len(data))) + data
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes((0x0C, 0x80 | len(length))) + length + data
