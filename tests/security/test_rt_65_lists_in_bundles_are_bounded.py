"""RT-65: log entries, timestamps, certificates, signatures and subjects are counted before they are walked."""

import json
import time
from typing import Any

import pytest

from preverify.model.evidence import Evidence
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.verify import verify
from support import signed

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


def test_as_many_as_allowed_are_read() -> None:
    assert one(material(tlogEntries=[ENTRY] * 8, timestampVerificationData=stamps(8))).established


@pytest.mark.parametrize(
    "evidence",
    [
        material(tlogEntries=[ENTRY] * 9),
        material(tlogEntries=[{}] * 200_000),
        material(tlogEntries=[None] * 1_000_000),
        material(timestampVerificationData=stamps(9)),
        material(timestampVerificationData={"rfc3161Timestamps": [0] * 1_000_000}),
        material(publicKey=None, x509CertificateChain={"certificates": [CERTIFICATE] * 50_000}),
        signed.bundled({**DOCUMENT, "verificationMaterial": {f"k{i}": 0 for i in range(100_001)}}),
    ],
    ids=["entries", "empty-entries", "null-entries", "timestamps", "numbers", "certificates", "keys"],
)
def test_more_are_refused_soon(evidence: Evidence) -> None:
    begun = time.process_time()
    assert one(evidence).reason is Reason.BUNDLE_MALFORMED
    assert time.process_time() - begun < 2


def test_signatures_of_an_envelope_are_bounded() -> None:
    envelope = signed.envelope(signed.statement(DIGEST))
    many = {**envelope, "signatures": envelope["signatures"] * 10}
    assert one(signed.attestation(many)).established
    assert one(signed.attestation({**many, "signatures": many["signatures"] * 2})).reason is Reason.ENVELOPE_MALFORMED


def test_subjects_of_a_statement_are_bounded() -> None:
    subject = {"digest": {"sha256": DIGEST.hex}}
    most = signed.statement(DIGEST, subject=[subject] * 1024)
    assert one(signed.attestation(signed.envelope(most))).established
    more = signed.statement(DIGEST, subject=[subject] * 1025)
    assert one(signed.attestation(signed.envelope(more))).reason is Reason.STATEMENT_MALFORMED
