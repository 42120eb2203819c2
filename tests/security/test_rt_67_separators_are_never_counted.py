"""RT-67: ten megabytes of separators are refused before anything is split (CVE-2025-27144, CVE-2025-66506).

A reader that splits a token at its dots makes a value of each; so does one that reads a list before it asks how long it
may be. Each text here is refused within a small multiple of its own size, and soon.
"""

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from preverify.model.anchors import KeyAnchor, KeylessAnchor
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Evidence, Format
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository
from preverify.model.trust import SigstoreRoot, Trust
from preverify.registry.auth import parse_challenges
from preverify.registry.urls import Url
from preverify.verify import verify
from preverify.verify.certificates.certificate import parse_certificate, parse_pem_chain
from preverify.verify.formats.cosign_legacy import CERTIFICATE_ANNOTATION, LOG_ANNOTATION, STAMP_ANNOTATION
from preverify.verify.logs.entries import entry_from_annotation, entry_from_bundle
from preverify.verify.logs.witness import check_entry
from preverify.verify.refusal import Refused
from support import logged, notary, pki, signed
from support.signed import b64, compact

SIZE = 10 * 1024 * 1024
DOTS = "." * SIZE
IMAGE = signed.image("bundle-key-ec1")
ROOT = SigstoreRoot(name="own", authorities=(pki.root().authority(),))
ANCHORS = (KeyAnchor(key=signed.key("ec1")), KeylessAnchor(root=ROOT.id), notary.anchor())


@contextmanager
def bounded(*, times: float = 4) -> Iterator[None]:
    """Whatever is done inside takes up no more memory than `times` the ten megabytes, and two seconds."""
    tracemalloc.start()
    begun = time.process_time()
    try:
        yield
        peak, spent = tracemalloc.get_traced_memory()[1], time.process_time() - begun
    finally:
        tracemalloc.stop()
    assert peak <= times * SIZE, f"{peak >> 20} MiB"
    assert spent < 2


def look(evidence: Evidence) -> Finding:
    trust = Trust(roots=(ROOT,), stores=(notary.MAIN,))
    found = verify(IMAGE, [evidence], ANCHORS, trust=trust, now=pki.SIGNED_AT)
    assert not any(each.established for each in found)
    return found[0]


def listed(value: bytes, size: int = SIZE) -> bytes:
    """Return a list of so many bytes that holds one short value again and again."""
    return b"[" + b",".join([value] * (size // (len(value) + 1))) + b"]"


def raw(document: dict[str, Any], name: str, value: bytes) -> bytes:
    """Return a document in which a member is these bytes."""
    marked = compact({**document, name: "HERE"})
    assert marked.count(b'"HERE"') == 1
    return marked.replace(b'"HERE"', value)


# --- envelopes --------------------------------------------------------------------------------------------------------

NOTATION = {Format.NOTATION_JWS: notary.jws, Format.NOTATION_COSE: notary.cose}
FLOODS: dict[str, Callable[[], bytes]] = {
    "dots": DOTS.encode,
    "a compact token": lambda: b"eyJhbGciOiJFUzI1NiJ9" + DOTS.encode(),
    "parts of a token": lambda: b"YQ." * (SIZE // 3),
    "commas": lambda: b"," * SIZE,
    "colons": lambda: b":" * SIZE,
    "line breaks": lambda: b"\n" * SIZE,
    "empty lists": lambda: listed(b"[]"),
    "empty objects": lambda: listed(b"{}"),
    "numbers": lambda: listed(b"0"),
    "CBOR lists": lambda: b"\xd2\x84\x40\xa0\x9a\x00\x9f\xff\xff" + b"\x80" * SIZE,
    "CBOR nulls": lambda: b"\xd2\x84\x40\xa0\x40\x9a\x00\x9f\xff\xff" + b"\xf6" * SIZE,
}


@pytest.mark.parametrize("flood", sorted(FLOODS))
@pytest.mark.parametrize("form", sorted(NOTATION))
def test_notation_envelopes(form: Format, flood: str) -> None:
    evidence = notary.evidence(FLOODS[flood](), form)
    with bounded(times=1):
        assert look(evidence).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("member", ["payload", "protected", "signature"])
def test_parts_of_a_jws(member: str) -> None:
    """Also where the envelope as a whole is not too large: its longest parts are decoded once, or not at all."""
    for size, reason in ((SIZE, Reason.TOO_LARGE), (1_000_000, Reason.ENVELOPE_MALFORMED)):
        whole = notary.jws()
        document = {**json.loads(whole), member: "." * size}
        evidence = notary.evidence(compact(document))
        with bounded(times=1):
            assert look(evidence).reason is reason


@pytest.mark.parametrize("tail", [b"\x80", b"\xf6", b"\xa0", b"\x60"])
def test_values_of_a_cose_message_that_is_not_too_large(tail: bytes) -> None:
    body = b"\xd2\x84\x40\xa0\x40\x9a\x00\x0f\x00\x00" + tail * 0xF0000
    evidence = notary.evidence(body, Format.NOTATION_COSE)
    with bounded(times=1):
        assert look(evidence).reason is Reason.ENVELOPE_MALFORMED


ENVELOPE = signed.envelope(signed.statement(IMAGE.subject.digest))
TEXT = compact(DOTS)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (raw(ENVELOPE, "payload", TEXT), Reason.ENVELOPE_MALFORMED),
        (raw(ENVELOPE, "payloadType", TEXT), Reason.ENVELOPE_MALFORMED),
        (raw(ENVELOPE, "signatures", TEXT), Reason.ENVELOPE_MALFORMED),
        (raw(ENVELOPE, "signatures", b'[{"keyid":' + TEXT + b',"sig":"AAAA"}]'), Reason.SIGNATURE_INVALID),
        (raw(ENVELOPE, "signatures", b'[{"sig":' + TEXT + b"}]"), Reason.SIGNATURE_INVALID),
        (raw(ENVELOPE, "signatures", listed(b"[]")), Reason.ENVELOPE_MALFORMED),
        (raw(ENVELOPE, "signatures", listed(b"{}")), Reason.ENVELOPE_MALFORMED),
        (raw(ENVELOPE, "signatures", listed(b'{"sig":""}')), Reason.ENVELOPE_MALFORMED),
        (raw(ENVELOPE, "unknown", listed(b"[]")), Reason.ENVELOPE_MALFORMED),
        (raw(ENVELOPE, "unknown", b"[" * (SIZE // 2) + b"]" * (SIZE // 2)), Reason.ENVELOPE_MALFORMED),
        (listed(b"[]"), Reason.ENVELOPE_MALFORMED),
        (DOTS.encode(), Reason.ENVELOPE_MALFORMED),
        (b"," * SIZE, Reason.ENVELOPE_MALFORMED),
        (b":" * SIZE, Reason.ENVELOPE_MALFORMED),
        (b"\n" * SIZE, Reason.ENVELOPE_MALFORMED),
    ],
    ids=range(15),
)
def test_dsse_envelopes(body: bytes, reason: Reason) -> None:
    """Whole bills of materials are attested, so that these are not too large: what they are made of counts."""
    with bounded():
        assert look(signed.attestation(body)).reason is reason


PARTS = ("an unknown member", "dots", "entries", "media type", "signatures", "stamps")


def full_of(part: str) -> bytes:
    """Return a bundle that is just not too large, and full of one part."""
    key = signed.bundle({"dsseEnvelope": ENVELOPE})
    size = 8_000_000
    stamps = b'{"rfc3161Timestamps":' + listed(b"[]", size) + b"}"
    known = key["verificationMaterial"]
    full = {
        "entries": lambda: raw(key, "verificationMaterial", raw(known, "tlogEntries", listed(b"[]", size))),
        "stamps": lambda: raw(key, "verificationMaterial", raw(known, "timestampVerificationData", stamps)),
        "signatures": lambda: raw(key, "dsseEnvelope", raw(ENVELOPE, "signatures", listed(b"{}", size))),
        "an unknown member": lambda: raw(key, "x", listed(b"[]", size)),
        "dots": lambda: raw(key, "dsseEnvelope", raw(ENVELOPE, "payload", compact("." * size))),
        "media type": lambda: raw(key, "mediaType", compact("." * size)),
    }
    return full[part]()


@pytest.mark.parametrize("part", PARTS)
def test_bundles(part: str) -> None:
    body = full_of(part)
    evidence, larger = signed.bundled(body), signed.bundled(body + b" " * SIZE)
    with bounded():
        found = look(evidence).reason
    assert found in (Reason.BUNDLE_MALFORMED, Reason.ENVELOPE_MALFORMED, Reason.BUNDLE_VERSION)
    with bounded(times=1):
        assert look(larger).reason is Reason.TOO_LARGE


def test_payloads_of_the_tag_format() -> None:
    for body in (DOTS.encode(), listed(b"[]"), b'{"critical":' + TEXT + b"}"):
        layer = signed.legacy(body)
        with bounded(times=1):
            assert look(layer).reason is Reason.TOO_LARGE


# --- annotations, chains of certificates, log entries -----------------------------------------------------------------

BLOCK = "-----BEGIN CERTIFICATE-----\n"
LAYER = signed.legacy(compact(signed.payload(IMAGE.subject.digest)))


@pytest.mark.parametrize(
    "text",
    [DOTS, "-" * SIZE, "\n" * SIZE, BLOCK * (SIZE // len(BLOCK)), BLOCK + "A " * (SIZE // 2), BLOCK + "\n" * SIZE],
    ids=["dots", "dashes", "lines", "headers", "words", "one open block"],
)
def test_chains_in_pem(text: str) -> None:
    with bounded():
        with pytest.raises(Refused) as caught:
            parse_pem_chain(text)
        assert caught.value.reason is Reason.TOO_LARGE
    layer = replace(LAYER, annotations=(*LAYER.annotations, (CERTIFICATE_ANNOTATION, text)))
    with bounded():
        found = verify(IMAGE, [layer], ANCHORS[1:2], trust=Trust(roots=(ROOT,)), now=pki.SIGNED_AT)
    assert [each.reason for each in found] == [Reason.TOO_LARGE]


@pytest.mark.parametrize(
    "text", [DOTS, "," * SIZE, listed(b"[]").decode(), f'{{"SignedRFC3161Timestamp":"{DOTS}"}}'], ids=range(4)
)
@pytest.mark.parametrize("name", [LOG_ANNOTATION, STAMP_ANNOTATION])
def test_annotations(name: str, text: str) -> None:
    leaf = pki.leaf(pki.root())
    body = compact(signed.payload(IMAGE.subject.digest))
    plain = signed.legacy(body, signature=b64(leaf.signs(body)))
    notes = ((CERTIFICATE_ANNOTATION, leaf.pem.decode()), (name, text))
    layer = replace(plain, annotations=(*plain.annotations, *notes))
    with bounded():
        found = verify(IMAGE, [layer], ANCHORS[1:2], trust=Trust(roots=(ROOT,)), now=pki.SIGNED_AT)
    assert [each.reason for each in found] == [Reason.TOO_LARGE]


def test_a_signature_annotation_of_dots() -> None:
    layer = signed.legacy(LAYER.body, signature=DOTS)
    with bounded():
        assert look(layer).reason is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("name", ["checkpoint", "hashes", "canonicalizedBody"])
def test_entries_of_a_bundle(name: str) -> None:
    entry: dict[str, Any] = {
        "logIndex": "1",
        "logId": {"keyId": b64(bytes(32))},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
        "canonicalizedBody": b64(b"{}"),
        "inclusionProof": {"logIndex": "1", "treeSize": "2", "rootHash": "", "hashes": [], "checkpoint": None},
    }
    if name == "hashes":
        entry["inclusionProof"][name] = [""] * (SIZE // 3)
    elif name == "canonicalizedBody":
        entry[name] = DOTS
    else:
        entry["inclusionProof"][name] = {"envelope": f"log.test\n1\n{b64(bytes(32))}\n\n" + "— . .\n" * (SIZE // 8)}
    with bounded():
        if name == "checkpoint":  # is only looked at where the log is trusted
            ledger = logged.Ledger()
            read = entry_from_bundle({**entry, "logId": {"keyId": b64(ledger.id)}})
            with pytest.raises(Refused, match=r"checkpoint of|no tree has"):
                check_entry(read, [ledger.log], promise=False, proof=True)
        else:
            with pytest.raises(MalformedEvidence):
                entry_from_bundle(entry)


def test_a_checkpoint_of_lines_behind_a_good_path() -> None:
    """The path holds, so that the note is opened: its length is looked at before its lines."""
    ledger = logged.Ledger()
    entry = ledger.entry(checkpoint=lambda size, top: ledger.note(size, top) + "\n" + "— . .\n" * (SIZE // 8))
    with bounded(), pytest.raises(Refused, match="checkpoint of") as caught:
        check_entry(entry, [ledger.log], promise=False, proof=True)
    assert caught.value.reason is Reason.LOG_PROOF_INVALID


def test_an_annotation_of_values() -> None:
    text = '{"Payload":' + listed(b"[]", 4_000_000).decode() + "}"
    with bounded(), pytest.raises(MalformedEvidence) as caught:
        entry_from_annotation(text)
    assert caught.value.reason is Reason.PAYLOAD_MALFORMED


def test_a_certificate_of_separators() -> None:
    for der in (DOTS.encode(), b"\x30\x00" * (SIZE // 2)):
        with bounded(times=1), pytest.raises(Refused) as caught:
            parse_certificate(der)
        assert caught.value.reason is Reason.TOO_LARGE


# --- what registries and callers send ---------------------------------------------------------------------------------


def test_challenges_of_a_registry() -> None:
    for text in ("Bearer " + "," * SIZE, "Bearer " + "a=b," * (SIZE // 4), "." * SIZE, "Bearer " * (SIZE // 7)):
        with bounded(times=1):
            assert len(str(parse_challenges(text))) < 100_000


def test_addresses_and_names() -> None:
    for parse, text in (
        (Url.parse, "https://" + DOTS),
        (Url.parse, "https://a.test/" + "/." * (SIZE // 2)),
        (Reference.parse, DOTS),
        (Reference.parse, "a.test/" + "a/" * (SIZE // 2)),
        (Repository.parse, "a.test/" + "/" * SIZE),
    ):
        with bounded(times=8), pytest.raises((BadInput, ValueError)) as caught:
            parse(text)
        assert len(str(caught.value)) < 1000
