"""Our private key from a PEM file: checked when opened, deterministic when used."""

import hmac
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from preverify.attest.envelope import seal, signed_bytes
from preverify.attest.signatures import holds
from preverify.model.errors import BadConfiguration
from preverify.model.keys import TrustedKey

_MAX_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAKE = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.pem"
_SELF_TEST = b"preverify key file self test"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """An opened private key. `repr` never shows it."""

    _private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"KeyFile({self.public.id})"

    @property
    def public(self) -> TrustedKey:
        """Return the public key."""
        return TrustedKey(self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def own(self) -> TrustedKey:
        """Return what statements of ours are recognised by."""
        return self.public

    def seal(self, payload: bytes) -> bytes:
        """Return the envelope of a statement's payload. The same payload gives the same envelope."""
        return seal(payload, self.sign(signed_bytes(payload)))

    def sign(self, data: bytes) -> bytes:
        """Sign `data`. The same data gives the same signature.

        Spec:
            ECDSA P-256 with SHA-256 and the nonce of RFC 6979 (DER), or Ed25519 (RFC 8032).
        """
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(data)
        return self._private.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    @property
    def journal_secret(self) -> bytes:
        """Return the secret of the journal."""
        return self.derive(b"journal")

    def derive(self, purpose: bytes) -> bytes:
        """Return a secret that only holders of this key can compute, for our own records."""
        secret = self._private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return hmac.digest(secret, b"preverify " + purpose, "sha256")


def open_key(path: Path) -> KeyFile:
    """Open a private key.

    Raises:
        BadConfiguration: the file cannot be read, others may read it, or it holds no key that we sign with.
    """
    key = KeyFile(_load(_read(path), path))
    _check_companion(key, path)
    try:
        signature = key.sign(_SELF_TEST)
    except UnsupportedAlgorithm as error:
        raise BadConfiguration("deterministic ECDSA needs OpenSSL 3.2 or newer", where=str(path)) from error
    if signature != key.sign(_SELF_TEST) or not holds(key.public, signature, _SELF_TEST):
        raise BadConfiguration("does not sign deterministically: use another key", where=str(path))
    return key


def public_key(path: Path) -> TrustedKey:
    """Return the public key of a private key file, for processes that only recognise our statements.

    A public key beside it (same name, `.pub`) is read instead where there is one: then these processes need no access
    to the private key at all.

    Raises:
        BadConfiguration: neither can be used.
    """
    beside = path.with_suffix(".pub")
    if beside.is_file():
        return read_public(beside)
    return KeyFile(_load(_read(path), path)).public


def _check_companion(key: KeyFile, path: Path) -> None:
    beside = path.with_suffix(".pub")
    if beside.is_file() and read_public(beside) != key.public:
        raise BadConfiguration(f"is not the public key of {path.name}: write it anew or remove it", where=str(beside))


def read_public(path: Path) -> TrustedKey:
    """Return the public key in a PEM file.

    Raises:
        BadConfiguration: the file cannot be read, or holds none.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes()[:_MAX_BYTES])
    except OSError as error:
        raise BadConfiguration(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadConfiguration("is no public key in PEM form", where=str(path)) from error
    return TrustedKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _read(path: Path) -> bytes:
    """Read the file, after a look at who else could have."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BadConfiguration(f"signing key cannot be read: {error.strerror}", where=str(path)) from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise BadConfiguration("signing key is no regular file", where=str(path))
        if facts.st_mode & _OTHERS:
            mode = stat.S_IMODE(facts.st_mode)
            raise BadConfiguration(
                f"signing key has mode {mode:04o}, group or others may use it, expected 0600 or 0400: chmod 600 {path}",
                where=str(path),
            )
        if facts.st_size > _MAX_BYTES:
            raise BadConfiguration(f"signing key has {facts.st_size} bytes, at most {_MAX_BYTES}", where=str(path))
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)


def _load(data: bytes, path: Path) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise BadConfiguration("signing key is encrypted, expected plain PEM: openssl pkey", where=str(path)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadConfiguration(f"is no private key in PEM form; make one: {_MAKE}", where=str(path)) from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    # Other curves are hashed differently by old and new tools, RSA signatures are large and not needed here.
    raise BadConfiguration(
        f"signing key is {_kind(key)}, expected ECDSA P-256 (or Ed25519); make one: {_MAKE}", where=str(path)
    )


def _kind(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return f"ECDSA on {key.curve.name}"
    if isinstance(key, rsa.RSAPrivateKey | dsa.DSAPrivateKey):
        return f"{'RSA' if isinstance(key, rsa.RSAPrivateKey) else 'DSA'} with {key.key_size} bits"
    return "of another kind"
