"""What both envelopes of Notation say, in one form, and the rules for signed attributes that they share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.verify.refusal import Refused

MAX_ENVELOPE_BYTES = 1 << 20
MAX_CERTIFICATES = 10
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
PREFIX = "io.cncf.notary."
SCHEME = f"{PREFIX}signingScheme"
SIGNING_TIME = f"{PREFIX}signingTime"
AUTHENTIC_TIME = f"{PREFIX}authenticSigningTime"
EXPIRY = f"{PREFIX}expiry"
PLUGIN = f"{PREFIX}verificationPlugin"
TIMESTAMP = f"{PREFIX}timestampSignature"
TIMES = (SIGNING_TIME, AUTHENTIC_TIME, EXPIRY)

X509 = "notary.x509"
AUTHORITY = "notary.x509.signingAuthority"
_TIME_OF = {X509: SIGNING_TIME, AUTHORITY: AUTHENTIC_TIME}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Signed attributes. Nothing about them is believed before the signature is verified.

    `signing_time` is the signer's own word under `notary.x509` and the authority's under `signingAuthority`.
    """

    scheme: str
    signing_time: datetime
    expiry: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An envelope that was read; nothing in it is verified.

    Attributes:
        algorithm: JOSE name: `PS256`, `ES384` and so on; COSE's numbers are translated.
        content_type: Of the payload.
        attributes: Signed attributes.
        payload: Exact payload bytes.
        signed: Exact bytes that the signature covers.
        signature: Raw: r and s of equal length for ECDSA.
        chain: Certificates (DER), as sent: leaf first.
        timestamp: A TimeStampToken (DER), where there is one.
    """

    algorithm: str
    content_type: str
    attributes: Attributes
    payload: bytes
    signed: bytes
    signature: bytes
    chain: tuple[bytes, ...]
    timestamp: bytes | None


def read_attributes(headers: Mapping[str, object], critical: object) -> Attributes:
    """Check the protected headers of one envelope.

    Args:
        headers: By name; those of `TIMES` are moments or absent. Others are signed, and ignored where not critical.
        critical: What `crit` holds.

    Raises:
        MalformedEvidence: `envelope-malformed`.
        Refused: `critical-header-unknown`: a header that has to be understood, and is not.

    Spec:
        Notary Project, signature specification, "Signed Attributes" and "Standard Attributes".
    """
    scheme = headers.get(SCHEME)
    if not isinstance(scheme, str) or scheme not in _TIME_OF:
        raise malformed(f"{SCHEME} is {str(scheme)[:60]!r}, expected {X509} or {AUTHORITY}")
    _check_critical(headers, critical, scheme)
    wanted = _TIME_OF[scheme]
    other = AUTHENTIC_TIME if wanted == SIGNING_TIME else SIGNING_TIME
    if other in headers:
        raise malformed(f"{other} stands in a signature of scheme {scheme}, which has {wanted}")
    signing_time, expiry = headers.get(wanted), headers.get(EXPIRY)
    if not isinstance(signing_time, datetime):
        raise malformed(f"{wanted} is missing")
    if not isinstance(expiry, datetime):
        return Attributes(scheme=scheme, signing_time=signing_time, expiry=None)
    if expiry <= signing_time:
        raise malformed(f"expiry {expiry.isoformat()} is not after the signing time {signing_time.isoformat()}")
    return Attributes(scheme=scheme, signing_time=signing_time, expiry=expiry)


def _check_critical(headers: Mapping[str, object], critical: object, scheme: str) -> None:
    if not isinstance(critical, list) or not all(isinstance(name, str) for name in critical):
        raise malformed("crit is missing or no list of names")
    understood = {SCHEME, EXPIRY} & headers.keys() | ({AUTHENTIC_TIME} if scheme == AUTHORITY else set())
    names: frozenset[str] = frozenset(critical)
    if len(names) != len(critical):
        raise malformed("a name stands twice in crit")
    if absent := sorted(names - headers.keys()):
        raise malformed(f"{absent[0][:80]!r} is marked critical but does not stand there")
    unknown = sorted(names - understood) or [name for name in headers if name.startswith(PLUGIN)]
    if unknown:
        raise Refused(Reason.CRITICAL_HEADER_UNKNOWN, f"header {unknown[0][:80]!r} has to be understood, and is not")
    if unmarked := sorted(understood - names):
        raise malformed(f"{unmarked[0]} is not marked critical")


def malformed(detail: str) -> MalformedEvidence:
    """Return the error for an envelope that is none."""
    return MalformedEvidence(Reason.ENVELOPE_MALFORMED, detail)
