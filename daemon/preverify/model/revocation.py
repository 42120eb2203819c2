"""What has to be asked for to know whether certificates are revoked, and what came back, as evidence."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Format, Place


class RevocationKind(StrEnum):
    """The two ways in which authorities publish revocations. The value is the answer's media type."""

    CRL = "application/pkix-crl"
    OCSP = "application/ocsp-response"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One question about a certificate whose chain is anchored; nothing is ever wanted for other certificates.

    Attributes:
        kind: What is asked for.
        url: Where, as the certificate says: always `http://`, bounded in length. Whether the address may be asked is
            for who fetches.
        request: The OCSP request (DER); empty for a revocation list, which is the same whoever asks.
        issuer: Certificate (DER) under which an answer has to hold, so that nothing else need be kept.
    """

    kind: RevocationKind
    url: str
    request: bytes = b""
    issuer: bytes

    @property
    def asked(self) -> str:
        """Return what tells answers to different requests at one address apart; empty for revocation lists."""
        return sha256(self.request).hexdigest() if self.request else ""

    def answered(self, body: bytes) -> Evidence:
        """Return what came back as evidence. Nothing about it is believed yet."""
        digest = Digest.of(body)
        return Evidence(
            format=Format.REVOCATION,
            manifest=digest,
            index=0,
            body=body,
            digest=digest,
            media_type=self.kind.value,
            annotations=(("asked", self.asked), ("url", self.url)),
            place=Place.REVOCATION,
        )
