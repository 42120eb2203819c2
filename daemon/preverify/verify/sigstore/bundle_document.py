"""Sigstore bundles v0.1 to v0.3 as documents: read strictly, one meaning or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.encodings.text import from_base64
from preverify.verify.logs.entries import Entry, entry_from_bundle
from preverify.verify.statements.envelope import Envelope, read_envelope

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
VERSIONS: Mapping[str, int] = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": 1,
    "application/vnd.dev.sigstore.bundle+json;version=0.2": 2,
    "application/vnd.dev.sigstore.bundle+json;version=0.3": 3,
    MEDIA_TYPE: 3,
}
MAX_BUNDLE_BYTES = 8 * 1024 * 1024
MAX_LOG_ENTRIES = 8
MAX_STAMPS = 8
MAX_CERTIFICATES = 10
MAX_ITEMS = 10_000
"""Values in a bundle: eight entries with the longest inclusion proofs, and all the rest, are fewer than a thousand."""

_BUNDLE = frozenset({"mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope"})
_MATERIAL = frozenset({"certificate", "x509CertificateChain", "publicKey", "tlogEntries", "timestampVerificationData"})
_KEYS = ("certificate", "x509CertificateChain", "publicKey")
_ENVELOPE = frozenset({"payload", "payloadType", "signatures"})
_SIGNATURE = frozenset({"sig", "keyid"})

_Object = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSignature:
    """A signature over an artifact's bytes. `algorithm` and `digest` only identify; both empty where not sent."""

    signature: bytes
    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDocument:
    """A bundle as read. Nothing in it is believed.

    Attributes:
        version: 1, 2 or 3, for v0.1 to v0.3.
        certificates: DER, leaf first; empty where the bundle is by key.
        hint: What the bundle calls the key that it was made with; empty where it does not.
        content: What was signed, with the signature.
    """

    version: int
    certificates: tuple[bytes, ...]
    hint: str
    entries: tuple[Entry, ...]
    stamps: tuple[bytes, ...]
    content: MessageSignature | Envelope


def read_bundle(body: bytes) -> BundleDocument:
    """Read a bundle.

    Members that nobody knows are refused: a reader of another version may be told something else by them.

    Raises:
        MalformedEvidence: `bundle-malformed`, `bundle-version`, `envelope-malformed`, `signature-invalid` or
            `too-large`.

    Spec:
        sigstore protobuf-specs, `sigstore_bundle.proto`, proto3 JSON form.
    """
    document = parse(body, max_bytes=MAX_BUNDLE_BYTES, max_items=MAX_ITEMS, reason=Reason.BUNDLE_MALFORMED)
    bundle = _object(document, "bundle", _BUNDLE)
    media_type = bundle.get("mediaType")
    if not isinstance(media_type, str):
        raise malformed("mediaType is missing")
    version = VERSIONS.get(media_type)
    if version is None:
        raise MalformedEvidence(Reason.BUNDLE_VERSION, f"mediaType is {media_type[:80]!r}, expected {MEDIA_TYPE}")
    material = _object(bundle.get("verificationMaterial"), "verificationMaterial", _MATERIAL)
    present = [name for name in _KEYS if material.get(name) is not None]
    if len(present) != 1:
        raise malformed(
            f"{' and '.join(present) or 'neither key nor certificate'}, expected exactly one of: {', '.join(_KEYS)}"
        )
    hint = _hint(material["publicKey"]) if present == ["publicKey"] else ""
    return BundleDocument(
        version=version,
        certificates=() if present == ["publicKey"] else _certificates(material, present[0], version),
        hint=hint,
        entries=tuple(map(entry_from_bundle, _list(material, "tlogEntries", MAX_LOG_ENTRIES))),
        stamps=_stamps(material.get("timestampVerificationData")),
        content=_content(bundle, hint),
    )


def _hint(key: object) -> str:
    hint = _object(key, "publicKey", frozenset({"hint"})).get("hint")
    if hint is not None and not isinstance(hint, str):
        raise malformed("publicKey.hint is no text")
    return hint or ""


def _certificates(material: _Object, name: str, version: int) -> tuple[bytes, ...]:
    if name == "certificate":
        return (_raw(material[name], name, "rawBytes"),)
    if version >= 3:
        raise malformed("a v0.3 bundle with a certificate chain, expected one certificate or a public key")
    chain = _object(material[name], name, frozenset({"certificates"}))
    certificates = _list(chain, "certificates", MAX_CERTIFICATES)
    if not certificates:
        raise malformed("an empty certificate chain")
    return tuple(_raw(each, "a certificate", "rawBytes") for each in certificates)


def _stamps(data: object) -> tuple[bytes, ...]:
    if data is None:
        return ()
    stamps = _object(data, "timestampVerificationData", frozenset({"rfc3161Timestamps"}))
    listed = _list(stamps, "rfc3161Timestamps", MAX_STAMPS)
    return tuple(_raw(each, "a time stamp", "signedTimestamp") for each in listed)


def _content(bundle: _Object, hint: str) -> MessageSignature | Envelope:
    message, envelope = bundle.get("messageSignature"), bundle.get("dsseEnvelope")
    if (message is None) == (envelope is None):
        raise malformed("expected exactly one of messageSignature and dsseEnvelope")
    return _single(envelope, hint) if message is None else _message(message)


def _message(document: object) -> MessageSignature:
    message = _object(document, "messageSignature", frozenset({"messageDigest", "signature"}))
    signature = from_base64(message.get("signature"), "messageSignature.signature", Reason.SIGNATURE_INVALID)
    named = message.get("messageDigest")
    if named is None:
        return MessageSignature(signature=signature, algorithm="", digest=b"")
    digest = _object(named, "messageDigest", frozenset({"algorithm", "digest"}))
    algorithm = digest.get("algorithm")
    if not isinstance(algorithm, str):
        raise malformed("messageDigest.algorithm is no text")
    return MessageSignature(
        signature=signature,
        algorithm=algorithm,
        digest=from_base64(digest.get("digest"), "messageDigest.digest", Reason.BUNDLE_MALFORMED),
    )


def _single(document: object, hint: str) -> Envelope:
    """Read a bundle's envelope: one signature exactly, and a key id that does not contradict the hint."""
    members = _object(document, "dsseEnvelope", _ENVELOPE)
    signatures = members.get("signatures")
    for each in signatures if isinstance(signatures, list) else ():
        _object(each, "a signature", _SIGNATURE)
    envelope = read_envelope(document)
    if len(envelope.signatures) != 1:
        raise MalformedEvidence(
            Reason.ENVELOPE_MALFORMED, f"a bundle with {len(envelope.signatures)} signatures, expected one"
        )
    if hint and envelope.key_ids[0] not in ("", hint):
        raise malformed("the envelope's keyid and the bundle's key hint differ")
    return envelope


def _raw(document: object, what: str, member: str) -> bytes:
    return from_base64(
        _object(document, what, frozenset({member})).get(member), f"{what}: {member}", Reason.BUNDLE_MALFORMED
    )


def _list(document: _Object, name: str, most: int) -> Sequence[object]:
    """Return a list; proto3 JSON leaves empty ones out."""
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > most:
        seen = f"{len(value)} entries" if isinstance(value, list) else type(value).__name__
        raise malformed(f"{name} is {seen}, expected a list of at most {most}")
    return value


def _object(value: object, what: str, known: frozenset[str]) -> _Object:
    if not isinstance(value, dict):
        raise malformed(f"{what} is {type(value).__name__}, expected an object")
    if not value.keys() <= known:
        unknown = next(key for key in value if key not in known)
        raise malformed(f"{what} has a member {unknown[:40]!r}, expected only: {', '.join(sorted(known))}")
    return value


def malformed(detail: str) -> MalformedEvidence:
    """Return the refusal of a bundle that is not of its form."""
    return MalformedEvidence(Reason.BUNDLE_MALFORMED, detail)
