"""RT-12: a valid attestation of another type must not satisfy a demanded one (CVE-2022-35929, CVE-2022-35930)."""

import pytest

from preverify.model.verdicts import Outcome
from support import signed
from support.deciding import decide

SIGNERS = {"release": "ec1"}


def demand(kind: str) -> dict[str, object]:
    return {"attestation": {"type": kind, "by": {"any": ["release"]}}}


@pytest.mark.parametrize("case", ["legacy-att-type-absent", "legacy-att-bad-lying-annotation"])
def test_a_scan_is_no_provenance(case: str) -> None:
    verdict = decide(signed.image(case), signed.evidence(case), demand("slsa-provenance"), signers=SIGNERS)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reasons[0].reason.value == "predicate-type-mismatch"


@pytest.mark.parametrize("form", ["att", "bundle"])
def test_an_sbom_is_no_provenance_and_no_signature(form: str) -> None:
    image = signed.image("legacy-unsigned")
    envelope = signed.envelope(signed.statement(image.subject.digest, "https://spdx.dev/Document"))
    evidence = (
        signed.attestation(envelope) if form == "att" else signed.bundled(signed.bundle({"dsseEnvelope": envelope}))
    )
    assert decide(image, [evidence], demand("spdx"), signers=SIGNERS).outcome is Outcome.PASSED
    for kind in ("slsa-provenance", "vuln", "vsa", "https://spdx.dev/Documents"):
        assert decide(image, [evidence], demand(kind), signers=SIGNERS).outcome is Outcome.FAILED
    signature = {"signature": {"by": {"any": ["release"]}}}
    verdict = decide(image, [evidence], signature, signers=SIGNERS)
    assert (verdict.outcome, verdict.reasons[0].reason.value) == (Outcome.FAILED, "no-signature")


@pytest.mark.parametrize("case", ["bundle-att-only-no-signature", "bundle-bad-own-statement-is-a-report"])
def test_no_attestation_of_any_kind_is_a_signature(case: str) -> None:
    """A report of failure about an image would otherwise approve it."""
    signature = {"signature": {"by": {"any": ["release"]}}}
    verdict = decide(signed.image(case), signed.evidence(case), signature, signers=SIGNERS)
    assert (verdict.outcome, verdict.reasons[0].reason.value) == (Outcome.FAILED, "no-signature")
