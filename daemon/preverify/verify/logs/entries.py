"""Entries of transparency logs as bundles and annotations carry them. Reading one establishes nothing."""

import re
from dataclasses import dataclass, field

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.encodings.text import exact_members, from_base64

MAX_ANNOTATION_BYTES = 4 * 1024 * 1024
MAX_BODY_BYTES = 3 * 1024 * 1024
MAX_ITEMS = 10_000
"""Values in an annotation or a body: a few members around base64."""
MAX_HASHES = 64
"""A path in a tree of 2^63 leaves has no more; so a longer one leads nowhere."""

_MAX_INT64 = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_LOG_ID = re.compile(r"[0-9a-f]{64}")
_ID_BYTES = 32

_ENTRY = frozenset(
    {
        "logIndex",
        "logId",
        "kindVersion",
        "integratedTime",
        "inclusionPromise",
        "inclusionProof",
        "canonicalizedBody",
    }
)
_PROOF = frozenset({"logIndex", "rootHash", "treeSize", "hashes", "checkpoint"})
_ANNOTATION = frozenset({"SignedEntryTimestamp", "Payload"})
_PAYLOAD = frozenset({"body", "integratedTime", "logIndex", "logID"})
_BODY = frozenset({"kind", "apiVersion", "spec"})

_Object = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An inclusion proof with the checkpoint that it leads to.

    Attributes:
        log_index: Place in the tree that the checkpoint is of.
        root_hash: What the proof says that it leads to; empty where it does not say.
        tree_size: What the proof says of the tree's size.
        hashes: The path, from the leaf's neighbour up.
        checkpoint: The signed note as sent; empty where none was.
    """

    log_index: int
    root_hash: bytes
    tree_size: int
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One log entry as sent. Nothing in it is believed.

    Attributes:
        body: The entry's exact bytes as the log hashed them.
        log_id: Which log it says it is of, 32 bytes.
        log_index: Place in the log as a whole, over all its shards.
        integrated_time: When the log says that it took the entry, in seconds since 1970; 0 where it does not.
        promise: The signed entry time stamp, None where none was sent.
        proof: None where none was sent.
        kind: What the body is said to be; compared with the body when that is read.
        version: As `kind`.
        read: Where the body had to be read already: the very bytes, and what they hold.
    """

    body: bytes
    log_id: bytes
    log_index: int
    integrated_time: int
    promise: bytes | None
    proof: Proof | None
    kind: str
    version: str
    read: tuple[bytes, dict[str, object]] | None = field(default=None, repr=False, compare=False)

    def document(self) -> dict[str, object]:
        """Return the body as `parse_body` gives it. Raises as it does."""
        if self.read is not None and self.read[0] is self.body:
            return self.read[1]
        return parse_body(self.body)


def entry_from_bundle(document: object) -> Entry:
    """Read an element of a bundle's `tlogEntries` from strictly parsed JSON.

    Raises:
        MalformedEvidence: `bundle-malformed`.

    Spec:
        sigstore protobuf-specs, `sigstore_rekor.proto` (TransparencyLogEntry), proto3 JSON form: absent and null stand
        for zero, and 64-bit integers are decimal text.
    """
    members = _object(document, _ENTRY, "a log entry")
    log_id = _object(members.get("logId"), frozenset({"keyId"}), "logId").get("keyId")
    kind = _object(members.get("kindVersion"), frozenset({"kind", "version"}), "kindVersion")
    body = _bytes(members, "canonicalizedBody")
    if not 0 < len(body) <= MAX_BODY_BYTES:
        raise _malformed(f"canonicalizedBody of {len(body)} bytes, expected 1 to {MAX_BODY_BYTES}")
    return Entry(
        body=body,
        log_id=_exactly(from_base64(log_id, "logId.keyId", Reason.BUNDLE_MALFORMED), "logId.keyId"),
        log_index=_integer(members, "logIndex"),
        integrated_time=_integer(members, "integratedTime"),
        promise=_promise(members.get("inclusionPromise")),
        proof=_proof(members.get("inclusionProof")),
        kind=_text(kind, "kind"),
        version=_text(kind, "version"),
    )


def entry_from_annotation(text: str) -> Entry:
    """Read cosign's annotation `dev.sigstore.cosign/bundle`. Kind and version are the body's own.

    Raises:
        MalformedEvidence: `payload-malformed`, or `too-large`.

    Spec:
        cosign, "Signature specification", `bundle`: the answer of a Rekor v1 log, with a promise and without a proof.
    """
    reason = Reason.PAYLOAD_MALFORMED
    # Half a surrogate pair has no bytes; whatever it becomes, the parser refuses.
    document = parse(text.encode("utf-8", "surrogatepass"), max_bytes=MAX_ANNOTATION_BYTES, max_items=MAX_ITEMS)
    members = exact_members(document, _ANNOTATION, "the log annotation", reason)
    payload = exact_members(members.get("Payload"), _PAYLOAD, "Payload", reason)
    body = from_base64(payload.get("body"), "Payload.body", reason)
    log_id = payload.get("logID")
    if not isinstance(log_id, str) or not _LOG_ID.fullmatch(log_id):
        raise MalformedEvidence(reason, "Payload.logID is not 64 hexadecimal digits in lower case")
    read = parse_body(body)
    kind, version = kind_of(read)
    return Entry(
        body=body,
        log_id=bytes.fromhex(log_id),
        log_index=_plain_integer(payload, "logIndex"),
        integrated_time=_plain_integer(payload, "integratedTime"),
        promise=from_base64(members.get("SignedEntryTimestamp"), "SignedEntryTimestamp", reason),
        proof=None,
        kind=kind,
        version=version,
        read=(body, read),
    )


def parse_body(body: bytes) -> _Object:
    """Return an entry's body as JSON, with `kind`, `apiVersion` and `spec` spelled so.

    Raises:
        MalformedEvidence: `payload-malformed`, or `too-large`.
    """
    document = parse(body, max_bytes=MAX_BODY_BYTES, max_items=MAX_ITEMS)
    return exact_members(document, _BODY, "the log entry's body", Reason.PAYLOAD_MALFORMED)


def kind_of(body: _Object) -> tuple[str, str]:
    """Return kind and version that a body says it has.

    Raises:
        MalformedEvidence: `payload-malformed`.
    """
    kind, version = body.get("kind"), body.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, "the log entry's body does not say what kind it is of")
    return kind, version


def _promise(document: object) -> bytes | None:
    """Return a promise; one without a time stamp in it is none, as proto3 JSON has it."""
    if document is None:
        return None
    members = _object(document, frozenset({"signedEntryTimestamp"}), "inclusionPromise")
    return _bytes(members, "signedEntryTimestamp") or None


def _proof(document: object) -> Proof | None:
    if document is None:
        return None
    members = _object(document, _PROOF, "inclusionProof")
    hashes = members.get("hashes")
    if hashes is None:
        hashes = []
    if not isinstance(hashes, list) or len(hashes) > MAX_HASHES:
        count = len(hashes) if isinstance(hashes, list) else "no list of"
        raise _malformed(f"{count} hashes in an inclusion proof, at most {MAX_HASHES} make a path")
    checkpoint = members.get("checkpoint")
    note = {} if checkpoint is None else _object(checkpoint, frozenset({"envelope"}), "checkpoint")
    return Proof(
        log_index=_integer(members, "logIndex"),
        root_hash=_bytes(members, "rootHash"),
        tree_size=_integer(members, "treeSize"),
        hashes=tuple(_exactly(from_base64(each, "a hash", Reason.BUNDLE_MALFORMED), "a hash") for each in hashes),
        checkpoint=_text(note, "envelope"),
    )


def _object(document: object, known: frozenset[str], what: str) -> _Object:
    if not isinstance(document, dict):
        raise _malformed(f"{what} is {type(document).__name__}, expected an object")
    if not document.keys() <= known:
        unknown = next(key for key in document if key not in known)
        raise _malformed(f"{what} has an unknown member {unknown[:40]!r}")
    return document


def _integer(members: _Object, name: str) -> int:
    value = members.get(name)
    if value is None:
        return 0
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    return _in_range(value, name, Reason.BUNDLE_MALFORMED)


def _plain_integer(members: _Object, name: str) -> int:
    return _in_range(members.get(name), f"Payload.{name}", Reason.PAYLOAD_MALFORMED)


def _in_range(value: object, name: str, reason: Reason) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_INT64:
        raise MalformedEvidence(reason, f"{name} is {str(value)[:40]!r}, expected an integer from 0 to 2^63 - 1")
    return value


def _bytes(members: _Object, name: str) -> bytes:
    value = members.get(name)
    return b"" if value is None else from_base64(value, name, Reason.BUNDLE_MALFORMED)


def _text(members: _Object, name: str) -> str:
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _malformed(f"{name} is {type(value).__name__}, expected text")
    return value


def _exactly(data: bytes, what: str) -> bytes:
    if len(data) != _ID_BYTES:
        raise _malformed(f"{what} of {len(data)} bytes, expected {_ID_BYTES}")
    return data


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.BUNDLE_MALFORMED, detail)
