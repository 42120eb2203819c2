"""Public keys: loading, the algorithms that we accept for each kind, and the raw verification."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from preverify.model.errors import BadInput
from preverify.model.keys import TrustedKey
from preverify.verify.keys.algorithms import Algorithm

ACCEPTED = "ECDSA P-256, P-384 or P-521, RSA of 2048 to 8192 bits, or Ed25519"
_MAX_FILE = 64 * 1024
_RSA_BITS = range(2048, 8193)
_RSA_PSS_OID = bytes.fromhex("06092a864886f70d01010a")
_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
# New tools hash by curve, old ones always with SHA-256 (formats differ in nothing else): the curve's own comes first.
_ECDSA: dict[str, tuple[ec.ECDSA, ...]] = {
    "secp256r1": (ec.ECDSA(_SHA256),),
    "secp384r1": (ec.ECDSA(_SHA384), ec.ECDSA(_SHA256)),
    "secp521r1": (ec.ECDSA(_SHA512), ec.ECDSA(_SHA256)),
}
_PREHASHED = Prehashed(_SHA256)
_ECDSA_PREHASHED = ec.ECDSA(_PREHASHED)
_PKCS1 = padding.PKCS1v15()
_PSS = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=32)


class Scheme(StrEnum):
    """How an RSA key signs. The other kinds of key have one scheme each, which follows from the key."""

    BY_KEY = "by-key"  # RSA: PKCS#1 v1.5 with SHA-256, which is all that cosign and sigstore write
    RSA_PSS_SHA256 = "rsa-pss-sha256"  # MGF1 with SHA-256, 32 bytes of salt


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A trusted key made ready for use. `verify(signature, message)` says whether the signature holds.

    Attributes:
        id: As `TrustedKey.id`; findings name signers by it.
        raw: As the library has it.
        ed25519: The raw 32 bytes of an Ed25519 key, else empty.
        verify: The raw check. Never raises for bad signatures, however they are formed.
        verify_digest: The same for a message of which only the SHA-256 is known; never holds where the key hashes
            otherwise.
    """

    id: str
    raw: Any = field(repr=False, compare=False)
    ed25519: bytes
    verify: Callable[[bytes, bytes], bool]
    verify_digest: Callable[[bytes, bytes], bool]

    @property
    def hint(self) -> str:
        """Return what a sigstore bundle calls this key: base64 of the SHA-256 of its SubjectPublicKeyInfo."""
        return base64.b64encode(bytes.fromhex(self.id.removeprefix("key:"))).decode()

    def verify_as(self, algorithm: Algorithm, signature: bytes, message: bytes) -> bool:
        """Say whether a signature holds by exactly this algorithm, as where its name is part of what is signed."""
        return isinstance(self.raw, algorithm.of) and _holds(self.raw.verify, (algorithm.how,), signature, message)


def load_public_key(data: bytes) -> TrustedKey:
    """Read one public key as people keep it in files: PEM or DER SubjectPublicKeyInfo.

    The result holds the canonical encoding, so that one key is one `TrustedKey` however its file spells it.

    Raises:
        BadInput: no such key, a private key or certificate instead, or a kind that we do not accept; says which.
    """
    if len(data) > _MAX_FILE:
        raise BadInput(f"a file of {len(data)} bytes is no public key, expected PEM or DER of at most {_MAX_FILE}")
    is_pem = b"-----BEGIN" in data
    if is_pem and (data.count(b"-----BEGIN") != 1 or b"PUBLIC KEY-----" not in data):
        kind = data.partition(b"-----BEGIN ")[2].partition(b"-----")[0][:40].decode("ascii", "replace")
        raise BadInput(f"expected one PEM block 'PUBLIC KEY', found {data.count(b'-----BEGIN')}, the first {kind!r}")
    try:
        key = load_pem_public_key(data) if is_pem else load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(f"not a public key that can be read: {error}"[:200]) from error
    spki = _canonical(key)
    if _RSA_PSS_OID in (base64.b64decode(b"".join(data.split(b"-----")[2].split())) if is_pem else data):
        raise BadInput(f"an RSA key restricted to PSS is not accepted, expected {ACCEPTED}")
    prepared(spki)
    return TrustedKey(spki)


@lru_cache(maxsize=1024)
def prepared(spki: bytes) -> PublicKey:
    """Parse SubjectPublicKeyInfo bytes for use, once per key: parsing costs a tenth of a verification.

    Raises:
        BadInput: not a key that we accept, or not in the encoding that `load_public_key` gives. Two encodings of one
            key would otherwise count as two signers.
    """
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(f"not a public key that can be read: {error}"[:200]) from error
    if _canonical(key) != spki:
        raise BadInput("the key is not in canonical encoding, load it with load_public_key")
    return PublicKey(
        id=TrustedKey(spki).id,
        raw=key,
        ed25519=key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else b"",
        verify=_verifier(key),
        verify_digest=_digest_verifier(key),
    )


def verify_signature(key: TrustedKey, signature: bytes, message: bytes, scheme: Scheme = Scheme.BY_KEY) -> bool:
    """Say whether `signature` over `message` holds under `key`.

    Args:
        key: As loaded by `load_public_key`.
        signature: Raw bytes: DER for ECDSA, as RFC 8017 and RFC 8032 have it for the others.
        message: The exact bytes that were signed; hashed here.
        scheme: Only RSA keys have a choice; a scheme that the key cannot do never holds.
    """
    if scheme is Scheme.BY_KEY:
        return prepared(key.spki).verify(signature, message)
    rsa_key = load_der_public_key(key.spki)
    return isinstance(rsa_key, rsa.RSAPublicKey) and _holds(rsa_key.verify, ((_PSS, _SHA256),), signature, message)


def _canonical(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _verifier(key: PublicKeyTypes) -> Callable[[bytes, bytes], bool]:
    """Return the one check that suits `key`, or refuse the key by name."""
    if isinstance(key, ec.EllipticCurvePublicKey) and (algorithms := _ECDSA.get(key.curve.name)):
        return partial(_holds, key.verify, tuple((each,) for each in algorithms))
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return partial(_holds, key.verify, ((_PKCS1, _SHA256),))
    if isinstance(key, Ed25519PublicKey):
        return partial(_holds, key.verify, ((),))
    raise BadInput(f"{_name(key)} is not accepted, expected {ACCEPTED}")


def _digest_verifier(key: PublicKeyTypes) -> Callable[[bytes, bytes], bool]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return partial(_holds, key.verify, ((_ECDSA_PREHASHED,),))
    if isinstance(key, rsa.RSAPublicKey):
        return partial(_holds, key.verify, ((_PKCS1, _PREHASHED),))
    return _never_holds  # Ed25519 signs the message itself


def _never_holds(signature: bytes, digest: bytes) -> bool:
    del signature, digest
    return False


def _name(key: PublicKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"an EC key on {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"an RSA key of {key.key_size} bits"
    return f"a key of kind {type(key).__name__.removesuffix('PublicKey')}"


def _holds(check: Callable[..., None], ways: Sequence[tuple[Any, ...]], signature: bytes, message: bytes) -> bool:
    """Say whether a signature holds in one of several ways, each what `check` is told beside."""
    for how in ways:
        try:
            check(signature, message, *how)
        except (InvalidSignature, ValueError):  # ValueError: a length or form that no signature has
            continue
        return True
    return False
