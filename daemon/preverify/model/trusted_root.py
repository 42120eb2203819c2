"""Sigstore's trusted_root.json: one instance's authorities, logs and certificates, read strictly."""

from hashlib import sha256
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from preverify.model.errors import MalformedEvidence
from preverify.model.proto_json import Members, Path, Reading
from preverify.model.strict_json import parse
from preverify.model.trust import Authority, Log, Period, SigstoreRoot

MEDIA_TYPES = (
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
MAX_BYTES = 4 * 1024 * 1024

_ROOT = ("mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities")
_LOG = ("baseUrl", "hashAlgorithm", "publicKey", "logId")
_LOG_V2 = (*_LOG, "checkpointKeyId", "operator")
_AUTHORITY = ("subject", "uri", "certChain", "validFor")
_AUTHORITY_V2 = (*_AUTHORITY, "operator")
_HINT_BYTES = 4
_RSA_BITS = range(2048, 8193)
_ED25519_NOTE = b"\n\x01"
_RSA = "RSA with PKCS #1 v1.5"
_KINDS = {
    "PKIX_ECDSA_P256_SHA_256": "secp256r1",
    "PKIX_ECDSA_P384_SHA_384": "secp384r1",
    "PKIX_ECDSA_P384_SHA_256": "secp384r1",
    "PKIX_ECDSA_P521_SHA_512": "secp521r1",
    "PKIX_ECDSA_P521_SHA_256": "secp521r1",
    "PKIX_ED25519": "Ed25519",
    "PKIX_RSA_PKCS1V15_2048_SHA256": _RSA,
    "PKIX_RSA_PKCS1V15_3072_SHA256": _RSA,
    "PKIX_RSA_PKCS1V15_4096_SHA256": _RSA,
    "PKIX_RSA_PKCS1V5": _RSA,
    "PKCS1_RSA_PKCS1V5": _RSA,
}
"""Kinds of key by what `keyDetails` calls them; others sign in ways that nothing here verifies."""


def parse_trusted_root(data: bytes, name: str) -> SigstoreRoot:
    """Return the root that a document describes, called `name`.

    Raises:
        BadConfiguration: says where in the document; what is not understood is refused, because less trust than was
            meant is a surprise as well.

    Spec:
        sigstore protobuf-specs, `sigstore_trustroot.proto`, proto3 JSON form.
    """
    return _Reading(name).root(data)


class _Reading(Reading):
    """The root being read: what is known of it depends on its version."""

    newer = False

    def root(self, data: bytes) -> SigstoreRoot:
        try:
            document = parse(data, max_bytes=MAX_BYTES)
        except MalformedEvidence as error:
            raise self.bad((), error.detail) from error
        if isinstance(document, dict) and document.get("mediaType") not in MEDIA_TYPES:
            seen = str(document.get("mediaType"))[:80]
            raise self.bad(("mediaType",), f"{seen!r} is no trusted root, expected {MEDIA_TYPES[0]}")
        root = self.members(document, (), _ROOT)
        self.newer = root["mediaType"] == MEDIA_TYPES[2]
        return SigstoreRoot(
            name=self.name,
            authorities=self.listed(root, (), "certificateAuthorities", self._authority),
            logs=self.listed(root, (), "tlogs", self._log),
            ct_logs=self.listed(root, (), "ctlogs", self._ct_log),
            timestamp_authorities=self.listed(root, (), "timestampAuthorities", self._authority),
        )

    # --- logs ---------------------------------------------------------------------------------------------------------

    def _log(self, document: object, path: Path) -> Log:
        return self._any_log(document, path, named=True)

    def _ct_log(self, document: object, path: Path) -> Log:
        return self._any_log(document, path, named=False)

    def _any_log(self, document: object, path: Path, *, named: bool) -> Log:
        """Read a log. `named`: its id may be bound to its name, as the ids of Rekor v2 are."""
        members = self.members(document, path, _LOG_V2 if self.newer else _LOG)
        base_url = self.text(members, path, "baseUrl")
        if members.get("hashAlgorithm") != "SHA2_256":
            seen = str(members.get("hashAlgorithm"))[:80]
            raise self.bad((*path, "hashAlgorithm"), f"is {seen!r}, expected 'SHA2_256'")
        key, valid = self._key(members.get("publicKey"), (*path, "publicKey"))
        spki = _canonical(key)
        ids = {sha256(spki).digest(): ""}
        if named and isinstance(key, Ed25519PublicKey):
            note = _ED25519_NOTE + key.public_bytes_raw()
            ids |= {sha256(each.encode() + note).digest(): each for each in _names(base_url)}
        log_id = self._key_id(members.get("logId"), (*path, "logId"))
        if log_id not in ids:
            raise self.bad((*path, "logId", "keyId"), "is not the digest of this key, nor of this key and base URL")
        self._check_hint(members, path, ids)
        return Log(key=spki, id=log_id, origin=ids[log_id], valid=valid)

    def _key(self, document: object, path: Path) -> tuple[PublicKeyTypes, Period]:
        members = self.members(document, path, ("rawBytes", "keyDetails", "validFor"))
        details = self.text(members, path, "keyDetails")
        if details not in _KINDS:
            raise self.bad((*path, "keyDetails"), f"{details[:80]!r} is not accepted, expected one of: {_known()}")
        raw = self.raw(members, path, "rawBytes")
        try:
            key = load_der_public_key(raw)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise self.bad((*path, "rawBytes"), f"not a public key that can be read: {error}"[:200]) from error
        kind = _kind(key)
        if kind != _KINDS[details]:
            raise self.bad((*path, "keyDetails"), f"{details!r} of a key that is {kind}, expected {_KINDS[details]}")
        return key, self._period(members, path)

    def _check_hint(self, members: Members, path: Path, ids: dict[bytes, str]) -> None:
        """Refuse a checkpoint key id that is not this key's. Checkpoints are told by the key itself."""
        if members.get("checkpointKeyId") is None:
            return
        where = (*path, "checkpointKeyId")
        hint = self._key_id(members["checkpointKeyId"], where)
        if hint not in {*ids, *(each[:_HINT_BYTES] for each in ids)}:
            raise self.bad((*where, "keyId"), "is not the digest of this key, nor of this key and base URL")

    def _key_id(self, document: object, path: Path) -> bytes:
        return self.raw(self.members(document, path, ("keyId",)), path, "keyId")

    # --- authorities --------------------------------------------------------------------------------------------------

    def _authority(self, document: object, path: Path) -> Authority:
        members = self.members(document, path, _AUTHORITY_V2 if self.newer else _AUTHORITY)
        chain = (*path, "certChain")
        certificates = self.listed(
            self.members(members.get("certChain"), chain, ("certificates",)), chain, "certificates", self._certificate
        )
        if not certificates:
            raise self.bad((*chain, "certificates"), "an empty chain, expected at least one certificate")
        return Authority(certificates=certificates, valid=self._period(members, path), name=self._named(members, path))

    def _named(self, members: Members, path: Path) -> str:
        """Return a name for people: the subject's, else the address."""
        if members.get("uri") is not None:
            self.text(members, path, "uri")
        if members.get("subject") is None:
            return str(members.get("uri") or "")
        where = (*path, "subject")
        subject = self.members(members["subject"], where, ("organization", "commonName"))
        parts = [self.text(subject, where, each) for each in ("organization", "commonName") if subject.get(each)]
        return ", ".join(parts)

    def _certificate(self, document: object, path: Path) -> bytes:
        der = self.raw(self.members(document, path, ("rawBytes",)), path, "rawBytes")
        try:
            _canonical(x509.load_der_x509_certificate(der).public_key())
        except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
            raise self.bad((*path, "rawBytes"), f"not a certificate that can be read: {error}"[:200]) from error
        return der

    def _period(self, members: Members, path: Path) -> Period:
        """Read `validFor`: from its start to its end, both included. Only the end may be open."""
        where = (*path, "validFor")
        span = self.members(members.get("validFor"), where, ("start", "end"))
        start = self.moment(span, where, "start")
        end = None if span.get("end") is None else self.moment(span, where, "end")
        if end is not None and end < start:
            raise self.bad(where, f"ends at {end.isoformat()}, before its start at {start.isoformat()}")
        return Period(start=start, end=end)


def _names(base_url: str) -> tuple[str, ...]:
    """Return what a log at this address may call itself, the usual one last: its host, with port, with path."""
    try:
        parts = urlsplit(base_url if "//" in base_url else f"//{base_url}")
        host = parts.hostname or ""
    except ValueError:  # an address that is none, such as a broken IPv6 one
        return ()
    return tuple(each for each in (parts.netloc + parts.path.rstrip("/"), parts.netloc, host) if each)


def _kind(key: PublicKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    if isinstance(key, Ed25519PublicKey):
        return "Ed25519"
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA if key.key_size in _RSA_BITS else f"RSA of {key.key_size} bits"
    return type(key).__name__.removesuffix("PublicKey")


def _canonical(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _known() -> str:
    return ", ".join(sorted(_KINDS))
