"""RT-65: log entries, time stamps, certificates, signatures and subjects are counted before they are walked.

The bounds are those of the code; what is at a bound is read, also where every
entry of a list is looked at, and one more is refused before anything of the list is.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from preverify.model.evidence import Evidence, Format
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.model.trust import Trust
from preverify.verify import verify as verify_anchored
from preverify.verify.formats.cosign_legacy import CERTIFICATE_ANNOTATION, LOG_ANNOTATION, STAMP_ANNOTATION
from preverify.verify.notation import attributes as notation_envelope
from preverify.verify.sigstore.bundle_document import (
    MAX_BUNDLE_BYTES,
    MAX_CERTIFICATES,
    MAX_LOG_ENTRIES,
    MAX_STAMPS,
    MEDIA_TYPE,
    read_bundle,
)
from preverify.verify.statements.envelope import MAX_SIGNATURES
from preverify.verify.statements.statement import MAX_SUBJECTS
from support import notary, signed
from support.fixtures import seed
from support.signed import verify

IMAGE = signed.image("bundle-key-ec1")
DIGEST = IMAGE.subject.digest
(REAL,) = signed.evidence("bundle-key-ec1")
DOCUMENT: dict[str, Any] = json.loads(REAL.body)
LOGGED = next(
    found
    for layer in signed.evidence("bundle-att-signature-key-is-not-attestation-key")
    if "tlogEntries" in (found := json.loads(layer.body)["verificationMaterial"])
)
ENTRY = LOGGED["tlogEntries"][0]
STAMP = LOGGED["timestampVerificationData"]["rfc3161Timestamps"][0]
CERTIFICATE = {"rawBytes": "MIIB"}


def one(evidence: Evidence) -> Finding:
    (finding,) = verify(IMAGE, [evidence], [signed.key("ec1")])
    return finding


def material(**members: Any) -> Evidence:
    return signed.bundled({**DOCUMENT, "verificationMaterial": {**DOCUMENT["verificationMaterial"], **members}})


def stamps(count: int) -> dict[str, Any]:
    return {"rfc3161Timestamps": [STAMP] * count}


def chained(count: int, form: str = "application/vnd.dev.sigstore.bundle+json;version=0.2") -> Evidence:
    """Return an older bundle by certificate with a chain of so many."""
    chain = {"certificates": [CERTIFICATE] * count}
    return signed.bundled({**DOCUMENT, "mediaType": form, "verificationMaterial": {"x509CertificateChain": chain}})


def test_as_many_as_allowed_are_read() -> None:
    assert one(
        material(tlogEntries=[ENTRY] * MAX_LOG_ENTRIES, timestampVerificationData=stamps(MAX_STAMPS))
    ).established
    assert len(read_bundle(chained(MAX_CERTIFICATES).body).certificates) == MAX_CERTIFICATES


@pytest.mark.parametrize(
    "evidence",
    [
        material(tlogEntries=[ENTRY] * (MAX_LOG_ENTRIES + 1)),
        material(tlogEntries=[{}] * 200_000),
        material(tlogEntries=[None] * 1_000_000),
        material(tlogEntries=[{**ENTRY, "inclusionProof": {**ENTRY["inclusionProof"], "hashes": ["AA=="] * 500_000}}]),
        material(timestampVerificationData=stamps(MAX_STAMPS + 1)),
        material(timestampVerificationData={"rfc3161Timestamps": [0] * 1_000_000}),
        chained(MAX_CERTIFICATES + 1),
        chained(50_000),
        chained(0),
        chained(1, form=MEDIA_TYPE),
        signed.bundled({**DOCUMENT, "verificationMaterial": {f"k{i}": 0 for i in range(100_001)}}),
        signed.bundled(b" " * (MAX_BUNDLE_BYTES + 1)),
    ],
    ids=[
        "entries",
        "empty-entries",
        "null-entries",
        "hashes",
        "timestamps",
        "numbers",
        "certificates",
        "many-certificates",
        "no-certificate",
        "a-chain-where-one-is-due",
        "keys",
        "bytes",
    ],
)
def test_more_are_refused_soon(evidence: Evidence) -> None:
    begun = time.process_time()
    assert one(evidence).reason in (Reason.BUNDLE_MALFORMED, Reason.TOO_LARGE)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("case", "wanted"), [("bundle-keyless-email", Reason.OK), ("bundle-key-logged-ec1", Reason.OK)]
)
def test_at_the_bound_where_everything_is_looked_at(case: str, wanted: Reason) -> None:
    """Under an anchor that looks at logs and stamps, each of them is verified: as many as allowed cost little."""
    known = seed(case)
    assert known is not None
    (evidence,) = known.evidence
    document = json.loads(evidence.body)
    found = document["verificationMaterial"]
    entries, stamped = found["tlogEntries"], found["timestampVerificationData"]["rfc3161Timestamps"]
    for extra, reason in ((0, wanted), (1, Reason.BUNDLE_MALFORMED)):
        for more in (
            {"tlogEntries": entries * (MAX_LOG_ENTRIES + extra)},
            {"timestampVerificationData": {"rfc3161Timestamps": stamped * (MAX_STAMPS + extra)}},
        ):
            body = signed.compact({**document, "verificationMaterial": {**found, **more}})
            begun = time.process_time()
            (finding,) = known.findings([signed.with_body(evidence, body)])
            assert finding.reason is reason
            assert time.process_time() - begun < 2


def test_the_same_witness_many_times_is_one_witness() -> None:
    known = seed("bundle-keyless-email")
    assert known is not None
    (evidence,) = known.evidence
    document = json.loads(evidence.body)
    found = document["verificationMaterial"]
    body = signed.compact({**document, "verificationMaterial": {**found, "tlogEntries": found["tlogEntries"] * 8}})
    (once,), (often,) = known.findings([evidence]), known.findings([signed.with_body(evidence, body)])
    assert once.signing == often.signing


@pytest.mark.parametrize(
    "annotation",
    [
        (CERTIFICATE_ANNOTATION, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" * 50_000),
        (LOG_ANNOTATION, '{"Payload":' * 100_000),
        (LOG_ANNOTATION, "[" + "0," * 1_000_000 + "0]"),
        (STAMP_ANNOTATION, '{"SignedRFC3161Timestamp":"' + "A" * 3_000_000 + '"}'),
    ],
    ids=["certificates", "deep-entry", "long-entry", "stamp"],
)
def test_annotations_of_the_tag_format_are_bounded(annotation: tuple[str, str]) -> None:
    known = seed("legacy-keyless-email")
    assert known is not None
    (evidence,) = known.evidence
    kept = tuple(each for each in evidence.annotations if each[0] != annotation[0])
    begun = time.process_time()
    (finding,) = known.findings([replace(evidence, annotations=(*kept, annotation))])
    assert not finding.established
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("sign", [notary.jws, notary.cose])
def test_certificates_of_a_notation_envelope_are_bounded(sign: Callable[..., bytes]) -> None:
    form = Format.NOTATION_JWS if sign is notary.jws else Format.NOTATION_COSE
    for count in (notation_envelope.MAX_CERTIFICATES + 1, 2000):
        body = sign(chain=(notary.SIGNER.der, *(notary.BETWEEN.der,) * (count - 2), notary.ROOT.der))
        begun = time.process_time()
        (finding,) = verify_anchored(
            notary.IMAGE,
            [notary.evidence(body, form)],
            [notary.anchor()],
            trust=Trust(stores=(notary.MAIN,)),
            now=notary.NOW,
        )
        assert finding.reason in (Reason.ENVELOPE_MALFORMED, Reason.TOO_LARGE)
        assert time.process_time() - begun < 2


def test_signatures_of_an_envelope_are_bounded() -> None:
    envelope = signed.envelope(signed.statement(DIGEST))
    many = {**envelope, "signatures": envelope["signatures"] * MAX_SIGNATURES}
    assert one(signed.attestation(many)).established
    assert one(signed.attestation({**many, "signatures": many["signatures"] * 2})).reason is Reason.ENVELOPE_MALFORMED


def test_subjects_of_a_statement_are_bounded() -> None:
    subject = {"digest": {"sha256": DIGEST.hex}}
    most = signed.statement(DIGEST, subject=[subject] * MAX_SUBJECTS)
    assert one(signed.attestation(signed.envelope(most))).established
    more = signed.statement(DIGEST, subject=[subject] * (MAX_SUBJECTS + 1))
    assert one(signed.attestation(signed.envelope(more))).reason is Reason.STATEMENT_MALFORMED
