"""Bare public-key operations: the least that any verifier has to do, by the same library."""

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from preverify.bench.samples import new_key, sign

_MESSAGE = b"x" * 300
"""About as long as a signing payload; a certificate is some hundreds of bytes longer, which costs a microsecond."""


def bare(needed: Mapping[str, int]) -> Callable[[], None]:
    """Return a function that performs operations: how often each kind of key verifies a signature."""
    steps = [step for kind, count in needed.items() for step in [_operation(kind)] * count]

    def perform() -> None:
        for step in steps:
            step()

    return perform


def _operation(kind: str) -> Callable[[], None]:
    """Return one verification with a key that is loaded already."""
    key = new_key(kind)
    signature = sign(key, _MESSAGE)
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return lambda: public.verify(signature, _MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(public, ed25519.Ed25519PublicKey):
        return lambda: public.verify(signature, _MESSAGE)
    algorithm = ec.ECDSA(hashes.SHA384() if isinstance(public.curve, ec.SECP384R1) else hashes.SHA256())
    return lambda: public.verify(signature, _MESSAGE, algorithm)
