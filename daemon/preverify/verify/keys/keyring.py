"""The keys of one verification, and what to say of a signature that none of them verifies."""

from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.verify.keys.ed25519ph import is_ed25519ph
from preverify.verify.keys.public_keys import PublicKey, prepared

_ED25519_BYTES = 64
_RSA_BYTES = range(256, 1025)
_DER_SEQUENCE = 0x30
_ECDSA_CONTENT = range(0x40, 0x49)  # what a P-256 signature's header announces, nearly always
_MAX_DIAGNOSES = 16


class Keyring:
    """The distinct keys that evidence is tried against. Lives for one call of `verify`.

    Two key ids with the same SubjectPublicKeyInfo are one key here, so one signature never counts twice.
    """

    __slots__ = ("_diagnoses_left", "keys")

    def __init__(self, keys: Iterable[TrustedKey]) -> None:
        self.keys: tuple[PublicKey, ...] = tuple({key.spki: prepared(key.spki) for key in keys}.values())
        self._diagnoses_left = _MAX_DIAGNOSES

    def holders(self, signature: bytes, message: bytes) -> tuple[PublicKey, ...]:
        """Return the keys under which `signature` over `message` holds; in practice one or none."""
        return tuple([key for key in self.keys if key.verify(signature, message)])

    def explain(self, signature: bytes, message: bytes, hint: str = "") -> tuple[Reason, str]:
        """Say why a signature that no key verifies establishes nothing.

        Args:
            signature: As sent.
            message: What it should cover.
            hint: The key that the evidence itself names (a bundle's `publicKey.hint`), believed for wording only.
        """
        if not is_well_formed(signature):
            return (
                Reason.SIGNATURE_INVALID,
                f"{len(signature)} bytes that are no signature: empty, cut short or garbled",
            )
        if self._is_prehashed(signature, message):
            return Reason.ALGORITHM_NOT_ALLOWED, "Ed25519ph (prehashed) signature, expected plain Ed25519"
        if hint and any(key.hint == hint for key in self.keys):
            return Reason.SIGNATURE_INVALID, "does not verify under the trusted key that its hint names"
        return Reason.WRONG_KEY, f"verifies under none of the {len(self.keys)} trusted keys"

    def _is_prehashed(self, signature: bytes, message: bytes) -> bool:
        """Recognise Ed25519ph under one of our keys; at most a few times, because it is slow and only wording."""
        if len(signature) != _ED25519_BYTES:
            return False
        for key in self.keys:
            if key.ed25519 and self._diagnoses_left:
                self._diagnoses_left -= 1
                if is_ed25519ph(key.ed25519, signature, message):
                    return True
        return False


def is_well_formed(signature: bytes) -> bool:
    """Say whether some key of a kind that we know could have made these bytes.

    Decides only between the words `signature-invalid` and `wrong-key`, never whether anything is accepted.
    """
    size = len(signature)
    if size in _RSA_BYTES:
        return True
    try:
        decode_dss_signature(signature)
    except ValueError:
        looks_cut = size > 2 and signature[0] == _DER_SEQUENCE and signature[1] in _ECDSA_CONTENT
        return size == _ED25519_BYTES and not looks_cut
    return True
