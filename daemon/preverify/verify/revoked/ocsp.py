"""OCSP: the question about one certificate, and what an answer says."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, SignatureAlgorithmOID

from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import UNREADABLE, Certificate, parse_certificate
from preverify.verify.certificates.issued import is_issued
from preverify.verify.keys.algorithms import is_sha2
from preverify.verify.refusal import Refused
from preverify.verify.revoked.crls import SKEW, unknown, usable_url

MAX_OCSP_BYTES = 64 << 10
_MAX_RESPONDERS = 5
_RSA = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """An answer that a certificate is (or at the signing was) good.

    `responder` is who answered in the issuer's place and whose own standing has to be checked, else None.
    """

    until: datetime
    responder: Certificate | None


def urls_of(certificate: Certificate) -> tuple[str, ...] | None:
    """Return the addresses that answer for a certificate; empty: none by plain HTTP; None: it names no OCSP at all."""
    named = [
        each.access_location
        for each in certificate.value(x509.AuthorityInformationAccess) or ()
        if each.access_method == AuthorityInformationAccessOID.OCSP
    ]
    if not named:
        return None
    texts = (each.value for each in named if isinstance(each, x509.UniformResourceIdentifier))
    return tuple(url for url in texts if usable_url(url))


def request_for(certificate: Certificate, issuer: Certificate) -> bytes:
    """Return the request (DER) about one certificate: always the same bytes, so that answers can be kept.

    Spec:
        RFC 6960, section 4.1; RFC 5019 (no nonce, SHA-1 in the certificate's id: what every responder knows. Nothing
        rests on that hash: the answer is signed, and about a number of this issuer).
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate.x509, issuer.x509, hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(Encoding.DER)


def read_answer(
    body: bytes, request: bytes, issuer: Certificate, *, now: datetime, signed_at: datetime | None = None
) -> Good:
    """Say what an answer means.

    Args:
        body: The answer as it came.
        request: What was asked, as `request_for` gives it.
        issuer: Who issued the certificate that was asked about.
        now: Time of the verification.
        signed_at: A trusted time of signing: what became invalid later only was good then.

    Raises:
        Refused: `certificate-revoked`, or `revocation-unknown` for everything that is no clear answer.

    Spec:
        RFC 6960, sections 3.2 and 4.2.2.
    """
    try:
        response = ocsp.load_der_ocsp_response(body)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise unknown(f"the OCSP responder says {response.response_status.name.lower()}")
        if len(list(response.responses)) != 1:
            raise unknown("an OCSP answer about several certificates, expected one")
        _check_subject(response, ocsp.load_der_ocsp_request(request))
        responder = _signer(response, issuer, now)
        _check_times(response, now)
        _check_extensions(response)
        _check_status(response, signed_at)
        until = response.next_update_utc
    except UNREADABLE as error:
        raise unknown(f"not an OCSP answer that can be read: {error}") from error
    assert until is not None  # noqa: S101  `_check_times`
    return Good(until=until, responder=responder)


def _check_subject(response: ocsp.OCSPResponse, asked: ocsp.OCSPRequest) -> None:
    if response.serial_number != asked.serial_number:
        raise unknown(f"the OCSP answer is about certificate {response.serial_number}, not {asked.serial_number}"[:200])
    same = (
        response.hash_algorithm.name == asked.hash_algorithm.name,
        response.issuer_name_hash == asked.issuer_name_hash,
        response.issuer_key_hash == asked.issuer_key_hash,
    )
    if not all(same):
        raise unknown("the OCSP answer is about a certificate of another issuer")


def _signer(response: ocsp.OCSPResponse, issuer: Certificate, now: datetime) -> Certificate | None:
    """Return who signed in the issuer's place and needs checking; None for the issuer, or one that needs none."""
    if _holds(response, issuer):
        return None
    for responder in _delegates(response, issuer, now):
        if _holds(response, responder):
            exempt = responder.extension(x509.OCSPNoCheck) is not None
            return None if exempt else responder
    raise unknown(f"the OCSP answer is signed neither by {issuer.name!r} nor by a responder of its making")


def _delegates(response: ocsp.OCSPResponse, issuer: Certificate, now: datetime) -> Iterator[Certificate]:
    for each in response.certificates[:_MAX_RESPONDERS]:
        try:
            candidate = parse_certificate(each.public_bytes(Encoding.DER))
        except Refused:
            continue
        purposes = candidate.value(x509.ExtendedKeyUsage)
        if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
            continue
        if is_issued(candidate, issuer) and candidate.not_before <= now <= candidate.not_after:
            yield candidate


def _holds(response: ocsp.OCSPResponse, signer: Certificate) -> bool:
    used, key = response.signature_hash_algorithm, signer.x509.public_key()
    if used is None or not is_sha2(used):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey) and response.signature_algorithm_oid in _RSA:
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), used)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(used))
            return True
    except (InvalidSignature, ValueError):
        pass
    return False


def _check_times(response: ocsp.OCSPResponse, now: datetime) -> None:
    until = response.next_update_utc
    if until is None or now > until:
        raise unknown(f"the OCSP answer was good until {'an unsaid time' if until is None else until.isoformat()}")
    if response.this_update_utc > now + SKEW:
        raise unknown(f"the OCSP answer is of {response.this_update_utc.isoformat()}, which has not come yet")


def _check_extensions(response: ocsp.OCSPResponse) -> None:
    for each in (*response.extensions, *response.single_extensions):
        if each.critical and not isinstance(each.value, x509.OCSPNonce | x509.InvalidityDate):
            raise unknown(f"the OCSP answer has a critical extension {each.oid.dotted_string[:60]}")


def _check_status(response: ocsp.OCSPResponse, signed_at: datetime | None) -> None:
    if response.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return
    if response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise unknown(f"the OCSP responder does not know certificate {response.serial_number}")
    for each in response.single_extensions:
        later = isinstance(each.value, x509.InvalidityDate) and each.value.invalidity_date_utc
        if later and signed_at is not None and signed_at < later:
            return
    when = response.revocation_time_utc
    raise Refused(
        Reason.CERTIFICATE_REVOKED,
        f"OCSP: certificate {response.serial_number} was revoked at {when.isoformat() if when else 'an unsaid time'}",
    )
