"""Certificates as policy documents name them: files of certificates, and chains in the order that verification uses."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

MAX_BYTES = 256 << 10
MAX_CERTIFICATES = 20
_BEGIN = b"-----BEGIN "
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)


def read_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a file, PEM or one in DER, in the file's order.

    Raises:
        ValueError: what the file holds instead.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"certificate file of {len(data)} bytes, at most {MAX_BYTES} are read")
    if b"PRIVATE KEY" in data:
        raise ValueError("holds a private key; name a file with certificates only, and treat this key as leaked")
    blocks, certificates = data.count(_BEGIN), data.count(_CERTIFICATE)
    if blocks != certificates:
        raise ValueError(f"holds {blocks - certificates} PEM blocks that are no certificates, expected certificates")
    if certificates > MAX_CERTIFICATES:
        raise ValueError(f"holds {certificates} certificates, at most {MAX_CERTIFICATES} are read")
    try:
        found = x509.load_pem_x509_certificates(data) if blocks else [x509.load_der_x509_certificate(data)]
    except _UNREADABLE as error:
        raise ValueError("holds no readable certificates, expected PEM or one in DER") from error
    return tuple(found)


def chain_of(certificates: Sequence[x509.Certificate]) -> tuple[bytes, ...]:
    """Order an authority's certificates from the issuing one to the root.

    Files list them in either order; which signed which decides. Every certificate has its place in the one chain.

    Raises:
        ValueError: it is not one chain that ends in a self-signed certificate of an authority.
    """
    pool = list({_der(each): each for each in certificates}.values())
    if len(pool) > MAX_CERTIFICATES:
        raise ValueError(f"has {len(pool)} certificates, at most {MAX_CERTIFICATES} are read")
    lowest = [each for each in pool if not any(issued(other, each) for other in pool if other is not each)]
    if len(lowest) != 1:
        names = "; ".join(_name(each) for each in lowest) or "none"
        raise ValueError(f"is not one chain: certificates that issue no other are {names}, expected exactly one")
    chain = lowest
    while len(chain) < len(pool):
        above = [each for each in pool if each not in chain and issued(chain[-1], each)]
        if len(above) != 1:
            break
        chain.append(above[0])
    if len(chain) < len(pool):
        left = next(each for each in pool if each not in chain)
        raise ValueError(f"is not one chain: {_name(left)} has no place in it")
    if not issued(chain[-1], chain[-1]):
        raise ValueError(f"ends in {_name(chain[-1])}, which another authority issued; add that one's certificate")
    for each in chain[1:]:
        if not is_ca(each):
            raise ValueError(f"{_name(each)} issued another certificate, but is no authority (basic constraints)")
    return tuple(map(_der, chain))


def check_issuer(certificate: bytes) -> None:
    """Refuse an issuing certificate that may not issue.

    Raises:
        ValueError: says which.
    """
    found = x509.load_der_x509_certificate(certificate)
    if not is_ca(found):
        raise ValueError(
            f"{_name(found)} is no authority (basic constraints); name the issuing certificate, not a leaf"
        )


def check_stamper(certificate: bytes) -> None:
    """Refuse the lowest certificate of a time stamp authority that is neither an authority nor for time stamps.

    Raises:
        ValueError: says which.
    """
    found = x509.load_der_x509_certificate(certificate)
    if not is_ca(found) and not _may_stamp(found):
        raise ValueError(f"{_name(found)} is neither an authority nor meant for time stamps (extended key usage)")


def check_stored(certificate: x509.Certificate, *, kind: str) -> bytes:
    """Return the DER form of a certificate that a Notation trust store may hold.

    Raises:
        ValueError: says why it may not.

    Spec:
        Notary Project, trust store and trust policy, "Trust Store"; as notation-go reads it: `tsa` holds root
        certificates only, the others authorities or self-signed signing certificates.
    """
    self_signed = issued(certificate, certificate)
    if kind == "tsa":
        if not (self_signed and is_ca(certificate)):
            raise ValueError(f"{_name(certificate)} is no root certificate; a tsa store holds nothing else")
    elif not (self_signed or is_ca(certificate)):
        raise ValueError(f"{_name(certificate)} is neither an authority nor self-signed; name its issuer's certificate")
    return _der(certificate)


def is_ca(certificate: x509.Certificate) -> bool:
    """Say whether the basic constraints make it an authority; unreadable extensions make it none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return False


def _may_stamp(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in usage


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether `issuer` names and signed `certificate`."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    return repr(certificate.subject.rfc4514_string()[:100])


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
