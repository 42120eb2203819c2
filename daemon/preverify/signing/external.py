"""A key that stays in a device (PKCS#11) or a key service: what it signs is checked here before anybody gets it."""

import os
from importlib.util import find_spec
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_der_public_key
from securesystemslib.signer import Signer, SSlibKey  # type: ignore[attr-defined]  # public, if not marked so

from preverify.attest.envelope import seal, signed_bytes
from preverify.attest.signatures import holds
from preverify.model.errors import BadConfiguration, PreverifyError, Unavailable
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.settings import Signing, read_bounded
from preverify.signing.keyfile import read_public

_MAX_PIN_BYTES = 1024
_SELF_TEST = b"preverify signing self test"
# Scheme of the URI -> extra of this package, module that it brings, scheme as the library calls it.
_SCHEMES = {
    "awskms": ("kms-aws", "boto3", "awskms"),
    "azurekms": ("kms-azure", "azure.keyvault.keys", "azurekms"),
    "gcpkms": ("kms-gcp", "google.cloud.kms", "gcpkms"),
    "hashivault": ("kms-vault", "hvac", "hv"),
    "hsm": ("hsm", "pkcs11", "hsm"),
}


class ExternalKey:
    """A private key that we can ask for signatures and never see."""

    journal_secret: bytes | None = None

    def __init__(self, signer: Signer, public: TrustedKey) -> None:
        self._signer = signer
        self.own = public

    def seal(self, payload: bytes) -> bytes:
        """Return the envelope of a statement's payload. Another signature each time, as the device likes.

        Raises:
            Unavailable: no signature, or one that does not verify under the configured public key.
        """
        return seal(payload, self.sign(signed_bytes(payload)))

    def sign(self, data: bytes) -> bytes:
        """Have `data` signed, and check the signature."""
        try:
            signature = bytes.fromhex(self._signer.sign(data).signature)
        except Exception as error:  # the library lets out whatever the one of the device or service lets out
            raise Unavailable(f"the key of signing.uri: {_said(error)}", reason=Reason.TRUST_UNAVAILABLE) from error
        if not holds(self.own, signature, data):
            raise Unavailable(
                "the key of signing.uri is another one than signing.publicKeyFile: its signature does not verify",
                reason=Reason.TRUST_UNAVAILABLE,
            )
        return signature


def open_external(settings: Signing) -> ExternalKey:
    """Open the key of `signing.uri` and have it sign something meaningless.

    Raises:
        BadConfiguration: the address, the public key, the PIN file or the module cannot be used, or it does not sign.
    """
    if settings.uri is None or settings.public_key_file is None:
        raise BadConfiguration("says no uri with a publicKeyFile", where="signing")
    scheme, _, rest = settings.uri.partition(":")
    extra, module, name = _SCHEMES[scheme]
    if not _installed(module):
        raise BadConfiguration(f"signing by {scheme}: needs {module}: install preverify[{extra}]", where="signing.uri")
    public = read_public(settings.public_key_file)
    key = ExternalKey(_signer(settings, f"{name}:{rest}", public), public)
    try:
        key.sign(_SELF_TEST)
    except Unavailable as error:
        raise BadConfiguration(f"does not sign: {error}", where="signing.uri") from error
    return key


def _signer(settings: Signing, uri: str, public: TrustedKey) -> Signer:
    if settings.pkcs11_module is not None:
        if not settings.pkcs11_module.is_file():
            raise BadConfiguration("no such file, expected a PKCS#11 library", where=str(settings.pkcs11_module))
        os.environ["PYKCS11LIB"] = str(settings.pkcs11_module)  # the library takes it from nowhere else

    def secret(_: str) -> str:
        """Return the PIN, read anew: it may be changed while we run."""
        if settings.pin_file is None:
            raise BadConfiguration("asks for a PIN, but there is no pinFile", where="signing.uri")
        return read_bounded(settings.pin_file, _MAX_PIN_BYTES).decode().strip("\r\n")

    try:
        return Signer.from_priv_key_uri(uri, SSlibKey.from_crypto(_loaded(settings.public_key_file, public)), secret)
    except PreverifyError:
        raise
    except Exception as error:
        raise BadConfiguration(f"cannot be used: {_said(error)}", where="signing.uri") from error


def _loaded(path: Path | None, public: TrustedKey) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    key = load_der_public_key(public.spki)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    # The same as for key files: what every reader of our statements verifies.
    raise BadConfiguration("is neither ECDSA P-256 nor Ed25519", where=str(path))


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


def _said(error: Exception) -> str:
    """Return what an error says, on one line; devices often say it by its name alone."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
