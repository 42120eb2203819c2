"""The signing process: the only one that opens the key. It takes ids, never bytes, and reads for itself."""

from preverify.signing.client import SigningClient
from preverify.signing.keyfile import public_key
from preverify.signing.process import SigningProcess

__all__ = ["SigningClient", "SigningProcess", "public_key"]
