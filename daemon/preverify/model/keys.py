"""Public keys that a policy trusts, as values."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key by its exact SubjectPublicKeyInfo bytes (DER). Two names of one key are one key."""

    spki: bytes

    @property
    def id(self) -> str:
        """Return `key:` and the SHA-256 of the SubjectPublicKeyInfo in hex; findings name signers by it."""
        return "key:" + hashlib.sha256(self.spki).hexdigest()
