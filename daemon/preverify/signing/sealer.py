"""The ways to sign, of which one is configured: a key file, a key in a device or service, or certificates."""

from typing import Protocol

from preverify.attest.identity import Own, OwnIdentity
from preverify.model.errors import BadConfiguration, MalformedEvidence
from preverify.model.trusted_root import MAX_BYTES, parse_trusted_root
from preverify.settings import Keyless, Signing, read_bounded
from preverify.signing.keyfile import open_key, public_key, read_public


class Sealer(Protocol):
    """Whoever signs our statements."""

    @property
    def own(self) -> Own:
        """Return what statements that it sealed are recognised by."""

    @property
    def journal_secret(self) -> bytes | None:
        """Return a secret that nobody else can compute; None where there is none."""

    def seal(self, payload: bytes) -> bytes:
        """Return the bytes to publish for a statement's payload: an envelope, or a bundle with one.

        Raises:
            Unavailable: whoever signs does not answer, or not rightly.
        """


def open_sealer(settings: Signing) -> Sealer:
    """Open what is configured; only the signing process does.

    Raises:
        BadConfiguration: it cannot be used, or does not sign.
    """
    if settings.keyless is not None:
        from preverify.signing.keyless import open_keyless

        return open_keyless(settings.keyless)
    if settings.uri is not None:
        from preverify.signing.external import open_external

        return open_external(settings)
    if settings.key_file is None:
        raise BadConfiguration("says no way to sign", where="signing")
    return open_key(settings.key_file)


def own_of(settings: Signing) -> Own | None:
    """Return what statements are recognised by, for processes that cannot sign; None where nothing is signed.

    Raises:
        BadConfiguration: the public part cannot be read.
    """
    if settings.keyless is not None:
        return identity_of(settings.keyless)
    if settings.public_key_file is not None:
        return read_public(settings.public_key_file)
    return public_key(settings.key_file) if settings.key_file is not None else None


def identity_of(settings: Keyless) -> OwnIdentity:
    """Return the identity that is signed as, under the authorities of the configured root.

    Raises:
        BadConfiguration: the root cannot be read, or has no authority.
    """
    path = settings.trusted_root_file
    try:
        root = parse_trusted_root(read_bounded(path, MAX_BYTES), str(path))
    except MalformedEvidence as error:
        raise BadConfiguration(error.detail, where=str(path)) from error
    issuing = tuple(dict.fromkeys(each.certificates[0] for each in root.authorities))
    if not issuing:
        raise BadConfiguration("names no certificate authority, so no certificate could ever count", where=str(path))
    return OwnIdentity(issuer=settings.issuer, identity=settings.identity, issuing=issuing)
