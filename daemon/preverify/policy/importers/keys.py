"""Public keys that other tools verify with as we do."""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from preverify.policy.keys import read_public_key


def check_key(pem: bytes) -> None:
    """Refuse a key with which the other tool takes other signatures than preverify.

    Raises:
        ValueError: no key, or one on a larger curve: they take one hash with it, preverify each that cosign has used.
    """
    key = load_der_public_key(read_public_key(pem).spki)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name != "secp256r1":
        raise ValueError(f"holds a key on {key.curve.name}, with which the other tool accepts other hashes")
