"""Bodies of log entries: whether one describes exactly this signature, by this key, over these bytes.

Without this comparison an entry of anything else would vouch for anything (CVE-2022-36056, CVE-2026-22703).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import new

from preverify.model.errors import MalformedEvidence
from preverify.verify.encodings.text import exact_members, from_base64
from preverify.verify.logs.entries import Entry, kind_of
from preverify.verify.logs.fields import (
    MALFORMED,
    Members,
    algorithms,
    check_digest,
    check_hash,
    encoded_pem,
    inner,
    mismatch,
    pem,
    single,
    twice,
)

_HASHES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Bytes that were signed as they are. Where only their SHA-256 is known, `data` is empty and `sha256` is it."""

    data: bytes
    sha256: bytes = b""

    def digest(self, algorithm: str) -> bytes:
        """Return the digest by one of hashlib's algorithms.

        Raises:
            Refused: `log-entry-mismatch`: the bytes are not at hand, and it is another digest that is known of them.
        """
        if not self.sha256:
            return new(algorithm, self.data).digest()
        if algorithm != "sha256":
            raise mismatch(f"logged with a digest by {algorithm}, of the artifact only the one by sha256 is known")
        return self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Enveloped:
    """What a DSSE envelope holds.

    Attributes:
        payload_type: As sent.
        payload: Decoded.
        pae: What the signature covers: the pre-authentication encoding of both.
        envelope: The stored envelope's exact bytes; None where the evidence does not have them (bundles carry the
            envelope in a form of their own).
    """

    payload_type: str
    payload: bytes
    pae: bytes
    envelope: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What an entry has to describe: one signature over a message, or over an envelope that has no other signature.

    Attributes:
        signature: The raw bytes.
        spki: SubjectPublicKeyInfo (DER) of the key that verifies it.
        certificate: DER of the certificate that came with the signature; None where it was made with a bare key.
        content: What was signed.
        tag_format: It is of cosign's tag format, which alone has entries of the oldest kinds.
    """

    signature: bytes
    spki: bytes
    certificate: bytes | None
    content: Message | Enveloped
    tag_format: bool = False


def check_body(entry: Entry, described: Described) -> None:
    """Refuse an entry that is not about exactly this signature.

    Nothing is established by this alone: that a log holds the entry is for `check_entry` to say.

    Raises:
        Refused: `log-entry-mismatch`.

    Spec:
        Sigstore client specification, "Transparency log entry" (consistency); Rekor's entry types, each in its
        canonical form.
    """
    try:
        body = entry.document()
        named = kind_of(body)
        if named != (entry.kind, entry.version):
            said = _kind(entry.kind, entry.version)
            raise mismatch(f"an entry of kind {_kind(*named)} that is said to be {said}")
        read = _KINDS.get(named)
        if read is None:
            raise mismatch(f"log entries of kind {_kind(*named)} are not accepted")
        read(exact_members(body.get("spec"), _SPEC, "spec", MALFORMED), described)
    except MalformedEvidence as error:
        raise mismatch(error.detail) from error


# --- kinds of entries -------------------------------------------------------------------------------------------------


def _hashedrekord_v1(spec: Members, described: Described) -> None:
    """A message by its digest."""
    data, signature = inner(spec, "data", "hash"), inner(spec, "signature", "content", "publicKey")
    check_digest(data.get("hash"), _message(described).digest("sha256"), "the message")
    _check_signature(signature.get("content"), described)
    _check_pem(inner(signature, "publicKey", "content").get("content"), described)


def _rekord(spec: Members, described: Described) -> None:
    """A message by its digest, as cosign logged before it had `hashedrekord`."""
    if not described.tag_format:
        raise mismatch("log entries of kind rekord are accepted in cosign's tag format only")
    form = inner(spec, "signature", "format").get("format")
    if form != "x509":
        raise mismatch(f"a signature in format {str(form)[:40]!r}, expected 'x509'")
    _hashedrekord_v1(spec, described)


def _dsse(spec: Members, described: Described) -> None:
    """An envelope by digests of its payload and of itself."""
    enveloped = _enveloped(described)
    check_hash(spec.get("payloadHash"), enveloped.payload, "the payload")
    _check_envelope_hash(spec.get("envelopeHash"), enveloped)
    signature = single(spec.get("signatures"), "signature", "verifier")
    _check_signature(signature.get("signature"), described)
    _check_pem(signature.get("verifier"), described)


def _intoto_v1(spec: Members, described: Described) -> None:
    """An envelope by its digest. The signature is in the envelope alone: without its bytes nothing can be compared."""
    enveloped = _enveloped(described)
    if not described.tag_format or enveloped.envelope is None:
        raise mismatch("log entries of kind intoto 0.0.1 describe no signature where the envelope's bytes are not kept")
    content = inner(spec, "content", "hash", "payloadHash")
    _check_envelope_hash(content.get("hash"), enveloped)
    if content.get("payloadHash") is not None:  # the oldest entries have none; the envelope holds the payload
        check_hash(content["payloadHash"], enveloped.payload, "the payload")
    _check_pem(spec.get("publicKey"), described)


def _intoto_v2(spec: Members, described: Described) -> None:
    """An envelope, mostly without its payload, in which everything is base64 once more than it was."""
    enveloped = _enveloped(described)
    content = inner(spec, "content", "hash", "payloadHash", "envelope")
    check_hash(content.get("payloadHash"), enveloped.payload, "the payload")
    _check_envelope_hash(content.get("hash"), enveloped)
    logged = inner(content, "envelope", "payloadType", "payload", "signatures")
    if logged.get("payloadType") != enveloped.payload_type:
        seen = str(logged.get("payloadType"))[:80]
        raise mismatch(f"logged with payload type {seen!r}, expected {enveloped.payload_type[:80]!r}")
    if logged.get("payload") is not None and twice(logged["payload"], "payload") != enveloped.payload:
        raise mismatch("logged with another payload")
    signature = single(logged.get("signatures"), "sig", "publicKey", "keyid")
    _check_same(twice(signature.get("sig"), "sig"), described)
    _check_pem(signature.get("publicKey"), described)


def _hashedrekord_v2(spec: Members, described: Described) -> None:
    """A message, or an envelope's signed bytes, by a digest of the kind that the key signs."""
    record = inner(spec, "hashedRekordV002", "data", "signature")
    signature = inner(record, "signature", "content", "verifier")
    verifier = inner(signature, "verifier", "keyDetails", "x509Certificate", "publicKey")
    data = inner(record, "data", "algorithm", "digest")
    algorithm = algorithms(described.spki).get(str(verifier.get("keyDetails")))
    if algorithm is None:
        raise mismatch(f"logged with key details {str(verifier.get('keyDetails'))[:80]!r}, which this key has not")
    if data.get("algorithm") != algorithm:
        raise mismatch(f"logged with a digest {str(data.get('algorithm'))[:40]!r}, expected {algorithm!r}")
    content = described.content
    name = _HASHES[algorithm]
    covered = content.digest(name) if isinstance(content, Message) else new(name, content.pae).digest()
    if from_base64(data.get("digest"), "data.digest", MALFORMED) != covered:
        raise mismatch("logged with the digest of something else")
    _check_signature(signature.get("content"), described)
    _check_verifier(verifier, described)


_KINDS: Mapping[tuple[str, str], Callable[[Members, Described], None]] = {
    ("hashedrekord", "0.0.1"): _hashedrekord_v1,
    ("hashedrekord", "0.0.2"): _hashedrekord_v2,
    ("dsse", "0.0.1"): _dsse,
    ("intoto", "0.0.1"): _intoto_v1,
    ("intoto", "0.0.2"): _intoto_v2,
    ("rekord", "0.0.1"): _rekord,
}
_SPEC = frozenset(
    {"data", "signature", "signatures", "payloadHash", "envelopeHash", "content", "publicKey", "hashedRekordV002"}
)


# --- comparisons ------------------------------------------------------------------------------------------------------


def _message(described: Described) -> Message:
    if not isinstance(described.content, Message):
        raise mismatch("the log entry is about a message, the signature about an envelope")
    return described.content


def _enveloped(described: Described) -> Enveloped:
    if not isinstance(described.content, Enveloped):
        raise mismatch("the log entry is about an envelope, the signature about a message")
    return described.content


def _check_envelope_hash(document: object, enveloped: Enveloped) -> None:
    """Compare the envelope's digest where its bytes are known. A bundle has them not: signature and payload bind."""
    if enveloped.envelope is not None:
        check_hash(document, enveloped.envelope, "the envelope")


def _check_signature(text: object, described: Described) -> None:
    _check_same(from_base64(text, "the logged signature", MALFORMED), described)


def _check_same(signature: bytes, described: Described) -> None:
    if signature != described.signature:
        raise mismatch("logged with another signature")


def _check_pem(text: object, described: Described) -> None:
    """Compare a key or certificate in base64 of PEM: what came with the signature, the certificate before the key."""
    label, expected = _expected(described)
    if text == encoded_pem(expected, label):  # as tools write it: no need to read it
        return
    if pem(from_base64(text, "the logged key", MALFORMED), label) != expected:
        raise mismatch(f"logged with another {label.lower()}")


def _check_verifier(verifier: Members, described: Described) -> None:
    label, expected = _expected(described)
    mine, other = (
        ("publicKey", "x509Certificate") if described.certificate is None else ("x509Certificate", "publicKey")
    )
    if verifier.get(other) is not None or verifier.get(mine) is None:
        raise mismatch(f"not logged with a {label.lower()}")
    if from_base64(inner(verifier, mine, "rawBytes").get("rawBytes"), mine, MALFORMED) != expected:
        raise mismatch(f"logged with another {label.lower()}")


def _expected(described: Described) -> tuple[str, bytes]:
    if described.certificate is None:
        return "PUBLIC KEY", described.spki
    return "CERTIFICATE", described.certificate


def _kind(kind: str, version: str) -> str:
    return f"{kind[:40]!r} {version[:20]!r}"
