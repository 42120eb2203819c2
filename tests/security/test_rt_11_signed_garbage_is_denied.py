"""RT-11: a good signature over something unreadable, empty or of another type must not pass (CVE-2026-39395)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from preverify.model.evidence import Evidence, Format
from preverify.model.verdicts import Outcome, Verdict
from preverify.verify.formats.cosign_legacy import CERTIFICATE_ANNOTATION
from support import notary, pki, signed
from support.deciding import decide, decide_documents

IMAGE = signed.image("legacy-unsigned")
DIGEST = IMAGE.subject.digest
ROOT = pki.root("garbage root")
ISSUING = pki.intermediate(ROOT, "garbage issuing")
SIGNATURE = {"signature": {"by": {"any": ["release"]}}}
PROVENANCE = {"attestation": {"type": "slsa-provenance", "by": {"any": ["release"]}}}


def attestation(document: object) -> Evidence:
    return signed.attestation(signed.envelope(document))


def bundle(document: object) -> Evidence:
    return signed.bundled(signed.bundle({"dsseEnvelope": signed.envelope(document)}))


CONTENT: list[tuple[object, str, str]] = [
    (b"\x00\xff garbage", "payload-malformed", "statement-malformed"),
    (b"", "payload-malformed", "statement-malformed"),
    (b"{}", "payload-malformed", "statement-malformed"),
    (b"[]", "payload-malformed", "statement-malformed"),
    (b"null", "payload-malformed", "statement-malformed"),
    (b'{"critical":{}}', "payload-type-mismatch", "statement-malformed"),
    (b'{"_type":"https://in-toto.io/Statement/v1"}', "payload-malformed", "statement-malformed"),
]


@pytest.mark.parametrize(("content", "payload", "statement"), CONTENT, ids=range(len(CONTENT)))
def test_signed_garbage_is_denied(content: bytes, payload: str, statement: str) -> None:
    attempts: list[tuple[Evidence, dict[str, Any], str]] = [
        (signed.legacy(content), SIGNATURE, payload),
        (bundle(content), SIGNATURE, statement),
        (bundle(content), PROVENANCE, statement),
        (attestation(content), PROVENANCE, statement),
    ]
    for evidence, rule, reason in attempts:
        verdict = decide(IMAGE, [evidence], rule, signers={"release": "ec1"})
        assert verdict.outcome is Outcome.FAILED
        assert verdict.reasons[0].reason.value == reason


AT = pki.SIGNED_AT + timedelta(seconds=30)


def by_certificate(body: bytes) -> Verdict:
    """Ask about whatever bytes, signed with a certificate for the right identity."""
    leaf = pki.leaf(ISSUING)
    layer = signed.legacy(body, signature=signed.b64(leaf.signs(body)))
    layer = replace(layer, annotations=(*layer.annotations, (CERTIFICATE_ANNOTATION, leaf.pem.decode())))
    who = {
        "issuer": "https://issuer.test",
        "subject": "https://github.test/o/r/.github/workflows/x.yml@refs/heads/main",
    }
    signer = {"keyless": {**who, "trust": "own", "tlog": "none", "timestamps": "none", "sct": "none"}}
    return decide_documents(
        IMAGE,
        [layer],
        {"name": "signed", **SIGNATURE},
        signers={"release": signer},
        trust={"roots": {"own": {"authorities": [{"files": ["own.pem"]}]}}},
        files={"own.pem": ISSUING.pem + ROOT.pem},
        now=AT,
    )


def by_notation(body: bytes, form: Format) -> Verdict:
    """Ask about whatever bytes as the payload of a Notation signature by the right signer."""
    envelope = notary.jws(body) if form is Format.NOTATION_JWS else notary.cose(body)
    return decide_documents(
        notary.IMAGE,
        [notary.evidence(envelope, form)],
        {"name": "signed", **SIGNATURE},
        signers={"release": {"notation": {"stores": ["ca:main"], "identities": ["*"]}}},
        trust={"stores": {"ca:main": {"files": ["root.pem"]}}},
        files={"root.pem": notary.ROOT.pem},
        now=notary.NOW,
    )


@pytest.mark.parametrize(("content", "payload", "statement"), CONTENT, ids=range(len(CONTENT)))
def test_garbage_signed_by_certificate_is_denied(content: bytes, payload: str, statement: str) -> None:
    del statement
    seen = by_certificate(content)
    assert (seen.outcome, seen.reasons[0].reason.value) == (Outcome.FAILED, payload)
    for form in (Format.NOTATION_JWS, Format.NOTATION_COSE):
        seen = by_notation(content, form)
        assert (seen.outcome, seen.reasons[0].reason.value) == (Outcome.FAILED, "payload-malformed")


@pytest.mark.parametrize("form", [attestation, bundle])
def test_the_right_signer_of_the_wrong_predicate_is_denied(form: Any) -> None:
    verdict = decide(IMAGE, [form(signed.statement(DIGEST))], PROVENANCE, signers={"release": "ec1"})
    assert (verdict.outcome, verdict.reasons[0].reason.value) == (Outcome.FAILED, "predicate-type-mismatch")


def test_the_same_signer_with_the_right_content_passes() -> None:
    """Else everything above could pass by refusing everything."""
    right = attestation(signed.statement(DIGEST, "https://slsa.dev/provenance/v1"))
    assert decide(IMAGE, [right], PROVENANCE, signers={"release": "ec1"}).outcome is Outcome.PASSED
    assert by_certificate(signed.compact(signed.payload(DIGEST))).outcome is Outcome.PASSED
    for form in (Format.NOTATION_JWS, Format.NOTATION_COSE):
        assert by_notation(notary.payload(), form).outcome is Outcome.PASSED
    layer = signed.legacy(signed.compact(signed.payload(DIGEST)))
    assert decide(IMAGE, [layer], SIGNATURE, signers={"release": "ec1"}).outcome is Outcome.PASSED
