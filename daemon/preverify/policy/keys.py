"""Public keys as policy documents name them: PEM files."""

import base64

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from preverify.model.keys import TrustedKey

MAX_BYTES = 64 << 10
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 8192
_RSA_PSS_OID = bytes.fromhex("06092a864886f70d01010a")  # a key that may only do PSS, which no format here has
_KNOWN = "expected ECDSA P-256, P-384 or P-521, Ed25519, or RSA of 2048 to 8192 bits"


def read_public_key(pem: bytes) -> TrustedKey:
    """Return the key of a PEM file with exactly one public key.

    Raises:
        ValueError: what the file holds instead.
    """
    if len(pem) > MAX_BYTES:
        raise ValueError(f"key file of {len(pem)} bytes, at most {MAX_BYTES} are read")
    if b"PRIVATE KEY" in pem:
        raise ValueError("holds a private key; name the file with the public key, and treat this one as leaked")
    if b"BEGIN CERTIFICATE" in pem:
        raise ValueError("holds a certificate, expected a public key (openssl x509 -pubkey -noout takes it out)")
    if pem.count(b"-----BEGIN") != 1:
        raise ValueError(f"holds {pem.count(b'-----BEGIN')} PEM blocks, expected one public key")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"holds no readable PEM public key, {_KNOWN}") from error
    if not _is_known(key) or _RSA_PSS_OID in base64.b64decode(b"".join(pem.split(b"-----")[2].split())):
        raise ValueError(f"holds a key of another kind, {_KNOWN}")
    return TrustedKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _is_known(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in _CURVES
    if isinstance(key, rsa.RSAPublicKey):
        return _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS
    return isinstance(key, ed25519.Ed25519PublicKey)
