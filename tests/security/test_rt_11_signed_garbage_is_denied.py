"""RT-11: a good signature over something unreadable, empty or of another type must not pass (CVE-2026-39395)."""

from typing import Any

import pytest

from preverify.model.evidence import Evidence
from preverify.model.verdicts import Outcome
from support import signed
from support.deciding import decide

IMAGE = signed.image("legacy-unsigned")
DIGEST = IMAGE.subject.digest
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


@pytest.mark.parametrize("form", [attestation, bundle])
def test_the_right_signer_of_the_wrong_predicate_is_denied(form: Any) -> None:
    verdict = decide(IMAGE, [form(signed.statement(DIGEST))], PROVENANCE, signers={"release": "ec1"})
    assert (verdict.outcome, verdict.reasons[0].reason.value) == (Outcome.FAILED, "predicate-type-mismatch")


def test_the_same_signer_with_the_right_content_passes() -> None:
    """Else everything above could pass by refusing everything."""
    right = attestation(signed.statement(DIGEST, "https://slsa.dev/provenance/v1"))
    assert decide(IMAGE, [right], PROVENANCE, signers={"release": "ec1"}).outcome is Outcome.PASSED
    layer = signed.legacy(signed.compact(signed.payload(DIGEST)))
    assert decide(IMAGE, [layer], SIGNATURE, signers={"release": "ec1"}).outcome is Outcome.PASSED
