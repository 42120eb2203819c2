"""Algorithms as certificates and time stamps name them: in exactly these encodings, and what each asks of a key."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from preverify.verify.encodings import der

Hash = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """How one kind of signature is checked: by keys of class `of`, whose `verify` is told `how` beside."""

    of: type[Any]
    how: tuple[Any, ...] = ()


def _identifiers(oid: str, *, null: tuple[bool, ...]) -> tuple[bytes, ...]:
    """Return an AlgorithmIdentifier (DER) without parameters, or with NULL."""
    kind = der.element(der.OBJECT, bytes.fromhex(oid))
    return tuple(der.element(der.SEQUENCE, kind, b"\x05\x00" if each else b"") for each in null)


_EITHER = (False, True)
_NAMES = frozenset({"sha256", "sha384", "sha512"})
_SHA2: tuple[tuple[Hash, hashes.HashAlgorithm, int], ...] = (
    (hashlib.sha256, hashes.SHA256(), 1),
    (hashlib.sha384, hashes.SHA384(), 2),
    (hashlib.sha512, hashes.SHA512(), 3),
)
_ECDSA = {number: Algorithm(of=ec.EllipticCurvePublicKey, how=(ec.ECDSA(each),)) for _, each, number in _SHA2}
_PKCS1 = {number: Algorithm(of=rsa.RSAPublicKey, how=(padding.PKCS1v15(), each)) for _, each, number in _SHA2}


def is_sha2(function: hashes.HashAlgorithm | None) -> bool:
    """Say whether a hash function, as the library tells it of a signature, is one that we accept."""
    return function is not None and function.name in _NAMES


HASHES: Mapping[bytes, Hash] = {
    each: function for function, _, number in _SHA2 for each in _identifiers(f"60864801650304020{number}", null=_EITHER)
}
"""SHA-2, without parameters or with NULL.

Spec:
    RFC 5754, section 2.
"""

OF_CERTIFICATES: Mapping[bytes, Algorithm] = {
    **{each: _ECDSA[n] for n in _ECDSA for each in _identifiers(f"2a8648ce3d04030{n + 1}", null=(False,))},
    **{each: _PKCS1[n] for n in _PKCS1 for each in _identifiers(f"2a864886f70d01010{n + 10:x}", null=(True,))},
    **{each: Algorithm(of=Ed25519PublicKey) for each in _identifiers("2b6570", null=(False,))},
}
"""Signatures of certificates: ECDSA and RSA PKCS#1 v1.5 with SHA-2, Ed25519."""

OF_STAMPS: Mapping[bytes, Mapping[Hash, Algorithm]] = {
    **{
        each: {function: _ECDSA[n]}
        for function, _, n in _SHA2
        for each in _identifiers(f"2a8648ce3d04030{n + 1}", null=_EITHER)
    },
    **{
        each: {function: _PKCS1[n]}
        for function, _, n in _SHA2
        for each in _identifiers(f"2a864886f70d01010{n + 10:x}", null=_EITHER)
    },
    **{
        each: {function: _PKCS1[n] for function, _, n in _SHA2}
        for each in _identifiers("2a864886f70d010101", null=_EITHER)
    },
}
"""Signatures of time stamps, each with the hash functions of a token that it goes with: `rsaEncryption` names none."""
