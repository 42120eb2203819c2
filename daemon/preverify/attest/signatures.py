"""Whether a signature of ours holds: the algorithms that we sign with, nothing else."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_der_public_key

from preverify.model.keys import TrustedKey


def holds(key: TrustedKey, signature: bytes, data: bytes) -> bool:
    """Say whether `signature` over `data` verifies under `key` (ECDSA P-256 with SHA-256, or Ed25519)."""
    try:
        public = load_der_public_key(key.spki)
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, data)
            return True
        if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
            public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
            return True
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return False
