"""Signing by a certificate that lasts for minutes: token -> certificate -> signature -> log entry and time stamps.

The token is the only secret, and is read anew for each signature. No key outlives its one signature.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sigstore.dsse import Statement
from sigstore.models import Bundle, SigningConfig, TrustedRoot
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer, SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity
from sigstore_models.trustroot import v1 as trustroot

from preverify.attest.identity import OwnIdentity
from preverify.model.dsse import IN_TOTO_PAYLOAD
from preverify.model.errors import BadConfiguration, BadInput, MalformedEvidence, Unavailable
from preverify.model.hosts import is_loopback_host
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse as parse_json
from preverify.model.trusted_root import MAX_BYTES
from preverify.settings import Keyless, read_bounded
from preverify.signing.sealer import identity_of

_MAX_TOKEN_BYTES = 64 * 1024
_TIMEOUT_SECONDS = (5.0, 10.0)  # to connect, and for each read


class CertificateSigner:
    """Signs as an identity, through the services of one signing configuration."""

    journal_secret: bytes | None = None

    def __init__(self, settings: Keyless, own: OwnIdentity, root: TrustedRoot, services: bytes) -> None:
        self._settings = settings
        self.own = own
        self._root = root
        self._services = services

    def seal(self, payload: bytes) -> bytes:
        """Sign a statement's payload; returns a bundle (v0.3) that every consumer can verify, and was verified here.

        Raises:
            Unavailable: no usable token, a service that does not answer, or a bundle that would not verify.
        """
        try:
            bundle = self._signed(payload)
            self._verify(bundle, payload)
        except Exception as error:  # the library lets out its own, requests', pydantic's and cryptography's errors
            raise Unavailable(f"keyless signing: {_said(error)}", reason=Reason.TRUST_UNAVAILABLE) from error
        return json.dumps(json.loads(bundle.to_json()), separators=(",", ":")).encode()

    def _signed(self, payload: bytes) -> Bundle:
        services = _services(self._services)
        authority, log, stampers = services.get_fulcio(), services.get_tlogs()[0], services.get_tsas()
        sessions: tuple[Any, ...] = (authority.session, _session_of(log))
        for session in sessions:
            # Without, the library waits for ever. Time stamp authorities have a limit of their own.
            session.request = partial(session.request, timeout=_TIMEOUT_SECONDS)
        context = SigningContext(fulcio=authority, rekor=log, trusted_root=self._root, tsa_clients=stampers)
        return Signer(IdentityToken(self._token()), context).sign_dsse(Statement(payload))

    def _verify(self, bundle: Bundle, payload: bytes) -> None:
        """Verify as a consumer does: a time stamp authority that did not answer, for example, is only noticed here."""
        policy = Identity(identity=self.own.identity, issuer=self.own.issuer)
        kind, signed = Verifier(trusted_root=self._root).verify_dsse(bundle, policy)
        if (kind, signed) != (IN_TOTO_PAYLOAD, payload):
            raise BadInput(f"the bundle holds something else than was to be signed ({kind[:60]})")

    def _token(self) -> str:
        return read_bounded(self._settings.identity_token_file, _MAX_TOKEN_BYTES).decode("ascii").strip()


def open_keyless(settings: Keyless) -> CertificateSigner:
    """Read trusted root and signing configuration; nothing is asked yet.

    Raises:
        BadConfiguration: one of them cannot be used.
    """
    own = identity_of(settings)
    services = read_bounded(settings.signing_config_file, MAX_BYTES)
    _check_authorities(services, settings.signing_config_file)
    path = settings.signing_config_file
    try:
        _services(services)
        path = settings.trusted_root_file
        root = TrustedRoot(trustroot.TrustedRoot.from_json(read_bounded(path, MAX_BYTES)))
    except Exception as error:
        raise BadConfiguration(f"cannot be used for signing: {_said(error)}", where=str(path)) from error
    return CertificateSigner(settings, own, root, services)


def _services(document: bytes) -> SigningConfig:
    """Return the services that are valid now: it looks at their periods when it is built."""
    return SigningConfig(trustroot.SigningConfig.from_json(document))


def _check_authorities(services: bytes, path: Path) -> None:
    """Refuse to send the token in the clear."""
    try:
        document = parse_json(services, max_bytes=MAX_BYTES, reason=Reason.CONTENT_MISMATCH)
        urls = [str(each["url"]) for each in document["caUrls"]]  # type: ignore[index]  # else: caught below
    except (MalformedEvidence, KeyError, TypeError) as error:
        raise BadConfiguration("is no signing configuration with caUrls", where=str(path)) from error
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback_host(parts.hostname or ""):
            raise BadConfiguration(
                f"certificate authority {url[:120]!r}: the token would cross the network in the clear, expected https",
                where=str(path),
            )


def _session_of(log: Any) -> Any:
    return log._session  # noqa: SLF001 - there is no other way to its timeout


def _said(error: Exception) -> str:
    """Return what went wrong on one line; the library often says it only in what its error came from."""
    words: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(words) < 3:
        text = " ".join(str(seen).split())[:200]
        words.append(f"{type(seen).__name__}: {text}" if text else type(seen).__name__)
        seen = seen.__cause__
    return "; ".join(words)
