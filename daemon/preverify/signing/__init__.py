"""The signing process: the only one that can sign. It takes ids, never bytes, and reads for itself."""

from preverify.signing.client import SigningClient
from preverify.signing.keyfile import public_key
from preverify.signing.process import SigningProcess
from preverify.signing.sealer import own_of

__all__ = ["SigningClient", "SigningProcess", "own_of", "public_key"]
