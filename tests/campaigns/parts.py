"""The parts that evidence of each format is made of, so that one of them can be taken from elsewhere."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cbor2

from campaigns.spans import Path, spans_of
from preverify.model.anchors import Action, Anchor, KeyAnchor, KeylessAnchor, Log, NotationAnchor, Stamps
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Format
from preverify.model.trust import Trust

PAYLOAD, TYPE, SIGNATURE, HEADER = "payload", "payload type", "signature", "protected header"
CERTIFICATE, STAMP = "certificate", "time stamp"
ENTRY, BODY, PROMISE, INTEGRATED = "log entry", "log entry's body", "signed entry time stamp", "integrated time"
PROOF, CHECKPOINT, LOG = "inclusion proof", "checkpoint", "log id"

SIGNATURE_KEY = "dev.cosignproject.cosign/signature"
CERTIFICATE_KEY = "dev.sigstore.cosign/certificate"
CHAIN_KEY = "dev.sigstore.cosign/chain"
LOG_KEY = "dev.sigstore.cosign/bundle"
STAMP_KEY = "dev.sigstore.cosign/rfc3161timestamp"
NOTATION_STAMP = "io.cncf.notary.timestampSignature"

_ENTRY: Path = ("verificationMaterial", "tlogEntries", 0)
_PROOF: Path = (*_ENTRY, "inclusionProof")
_IN_BODY: Mapping[Format, Mapping[str, Path]] = {
    Format.SIGSTORE_BUNDLE: {
        PAYLOAD: ("dsseEnvelope", "payload"),
        TYPE: ("dsseEnvelope", "payloadType"),
        SIGNATURE: ("dsseEnvelope", "signatures", 0, "sig"),
        CERTIFICATE: ("verificationMaterial", "certificate"),
        STAMP: ("verificationMaterial", "timestampVerificationData"),
        ENTRY: _ENTRY,
        BODY: (*_ENTRY, "canonicalizedBody"),
        PROMISE: (*_ENTRY, "inclusionPromise"),
        INTEGRATED: (*_ENTRY, "integratedTime"),
        LOG: (*_ENTRY, "logId"),
        PROOF: _PROOF,
        CHECKPOINT: (*_PROOF, "checkpoint"),
    },
    Format.COSIGN_ATTESTATION: {
        PAYLOAD: ("payload",),
        TYPE: ("payloadType",),
        SIGNATURE: ("signatures", 0, "sig"),
    },
    Format.NOTATION_JWS: {
        PAYLOAD: ("payload",),
        HEADER: ("protected",),
        SIGNATURE: ("signature",),
        CERTIFICATE: ("header", "x5c"),
        STAMP: ("header", NOTATION_STAMP),
    },
}
_IN_LOG_ANNOTATION: Mapping[str, Path] = {
    PROMISE: ("SignedEntryTimestamp",),
    BODY: ("Payload", "body"),
    INTEGRATED: ("Payload", "integratedTime"),
    LOG: ("Payload", "logID"),
}
_IN_COSE: Mapping[str, int] = {HEADER: 0, PAYLOAD: 2, SIGNATURE: 3}
_IN_COSE_UNPROTECTED: Mapping[str, int | str] = {CERTIFICATE: 33, STAMP: NOTATION_STAMP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of one piece of evidence. `value` compares by its bytes or its spelling."""

    name: str
    value: Any
    put: Callable[[Any], Evidence]


def parts_of(evidence: Evidence) -> dict[str, Part]:
    """Return the parts that stand in a piece of evidence, by name."""
    found = [*_annotated(evidence), *_in_cose(evidence), *_in_json(evidence)]
    if evidence.format is Format.COSIGN_SIGNATURE:
        found.append(Part(name=PAYLOAD, value=evidence.body, put=lambda body: with_body(evidence, body)))
    return {part.name: part for part in found}


def with_body(evidence: Evidence, body: bytes) -> Evidence:
    """Return evidence with another body, and the digest that belongs to it."""
    return replace(evidence, body=body, digest=Digest.of(body))


def with_annotation(evidence: Evidence, key: str, text: str | None) -> Evidence:
    """Return evidence with another value of an annotation, or without it."""
    kept = tuple((k, text if k == key else v) for k, v in evidence.annotations)
    return replace(evidence, annotations=tuple((k, v) for k, v in kept if v is not None))


def _in_json(evidence: Evidence) -> Iterator[Part]:
    places = _IN_BODY.get(evidence.format)
    spans = spans_of(evidence.body) if places else None
    if places is None or spans is None:
        return
    for name, path in places.items():
        if spans.has(path):

            def put(text: str, path: Path = path) -> Evidence:
                return with_body(evidence, spans.put_text(path, text).encode())

            yield Part(name=name, value=spans.spelled(path), put=put)


def _annotated(evidence: Evidence) -> Iterator[Part]:
    if evidence.format not in (Format.COSIGN_SIGNATURE, Format.COSIGN_ATTESTATION):
        return
    wanted = {CERTIFICATE_KEY: CERTIFICATE, LOG_KEY: ENTRY, STAMP_KEY: STAMP}
    if evidence.format is Format.COSIGN_SIGNATURE:
        wanted[SIGNATURE_KEY] = SIGNATURE
    for key, text in evidence.annotations:
        if key in wanted:
            yield _annotation(evidence, wanted[key], key, text)
    log = evidence.annotation(LOG_KEY)
    spans = None if log is None else spans_of(log)
    if spans is None:
        return
    for name, path in _IN_LOG_ANNOTATION.items():
        if spans.has(path):

            def put(text: str, path: Path = path) -> Evidence:
                return with_annotation(evidence, LOG_KEY, spans.put_text(path, text))

            yield Part(name=name, value=spans.spelled(path), put=put)


def _annotation(evidence: Evidence, name: str, key: str, text: str) -> Part:
    return Part(name=name, value=text, put=lambda other: with_annotation(evidence, key, other))


def _in_cose(evidence: Evidence) -> Iterator[Part]:
    if evidence.format is not Format.NOTATION_COSE:
        return
    message = cose_of(evidence.body)
    if message is None:
        return
    for name, index in _IN_COSE.items():

        def put(value: Any, index: int = index) -> Evidence:
            changed = [value if i == index else each for i, each in enumerate(message)]
            return with_body(evidence, cose(changed))

        yield Part(name=name, value=message[index], put=put)
    for name, label in _IN_COSE_UNPROTECTED.items():
        if label in message[1]:

            def put_header(value: Any, label: int | str = label) -> Evidence:
                changed = [message[0], {**message[1], label: value}, *message[2:]]
                return with_body(evidence, cose(changed))

            yield Part(name=name, value=message[1][label], put=put_header)


def cose_of(body: bytes) -> list[Any] | None:
    """Return the four elements of a COSE_Sign1; None for anything else."""
    try:
        message = cbor2.loads(body)
    except (cbor2.CBORDecodeError, ValueError, RecursionError):
        return None
    if not isinstance(message, cbor2.CBORTag) or message.tag != 18:
        return None
    elements = message.value
    if not isinstance(elements, list | tuple) or len(elements) != 4 or not isinstance(elements[1], Mapping):
        return None
    return list(elements)


def cose(elements: Sequence[Any]) -> bytes:
    """Return a COSE_Sign1 of four elements."""
    return cbor2.dumps(cbor2.CBORTag(18, list(elements)))


# --- what an anchor looks at ---


def looked_at(anchor: Anchor, trust: Trust) -> frozenset[str]:
    """Return the names of the parts that have to hold for a finding under an anchor."""
    if isinstance(anchor, NotationAnchor):
        return _looked_at_by_notation(anchor, trust)
    names = {PAYLOAD, TYPE, SIGNATURE}
    if isinstance(anchor, KeylessAnchor):
        names.add(CERTIFICATE)
    if anchor.log is Log.REQUIRED:
        names |= {ENTRY, BODY, PROMISE, INTEGRATED, PROOF, CHECKPOINT, LOG}
    if anchor.stamps is not Stamps.NONE and trust.root(anchor.root).timestamp_authorities:
        names.add(STAMP)
    assert isinstance(anchor, KeyAnchor | KeylessAnchor)
    return frozenset(names)


def _looked_at_by_notation(anchor: NotationAnchor, trust: Trust) -> frozenset[str]:
    (statement,) = anchor.statements
    if statement.skip:
        return frozenset()
    names = {PAYLOAD, HEADER, SIGNATURE, CERTIFICATE}
    authorities = any(trust.store(each).kind == "tsa" for each in statement.stores)
    if authorities and statement.authentic_timestamp is Action.ENFORCE:
        names.add(STAMP)
    return frozenset(names)
