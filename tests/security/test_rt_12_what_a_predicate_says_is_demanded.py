"""RT-12: a valid attestation of the demanded type is not yet what was demanded: its content counts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from preverify.model.digest import Digest
from preverify.model.evidence import Evidence
from preverify.model.verdicts import Outcome
from support import signed
from support.deciding import decide
from support.predicates import changed, document, minimal

IMAGE = signed.image("legacy-unsigned")
DIGEST = IMAGE.subject.digest
NOW = datetime.now(UTC).replace(microsecond=0)
VSA = "https://slsa.dev/verification_summary/v1"


def attested(whole: dict[str, Any], by: str = "ec1", about: Digest = DIGEST) -> Evidence:
    statement = signed.statement(about, whole["predicateType"], predicate=whole["predicate"])
    return signed.bundled(signed.bundle({"dsseEnvelope": signed.envelope(statement, (by,))}))


def say(demands: dict[str, Any], *evidence: Evidence) -> tuple[str, str]:
    demand = {"attestation": {"by": {"any": ["release"]}, **demands}}
    verdict = decide(IMAGE, evidence, demand, signers={"release": "ec1"})
    reasons = {"ok"} if verdict.outcome is Outcome.PASSED else {verdict.reasons[0].reason.value}
    return verdict.outcome.value, reasons.pop()


def summary(**changes: Any) -> dict[str, Any]:
    """Return a summary about this image, made an hour ago."""
    made = (NOW - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    whole = changed(document("cosign-vsa"), "resourceUri", str(IMAGE.subject))
    whole = changed(whole, "timeVerified", made)
    for path, value in changes.items():
        whole = changed(whole, path.replace("__", "/"), value)
    return whole


WANTED: dict[str, Any] = {
    "type": "vsa",
    "verifier": "https://verifier.acme.test",
    "minLevel": 3,
    "policyDigest": "sha256:" + "1" * 64,
    "maxAge": "24h",
}


def test_the_summary_that_was_demanded_passes() -> None:
    assert say(WANTED, attested(summary())) == ("passed", "ok")


@pytest.mark.parametrize(
    ("whole", "reason"),
    [
        (summary(verificationResult="FAILED"), "level-too-low"),
        (summary(verifier__id="https://verifier.evil.test"), "identity-mismatch"),
        (summary(resourceUri="registry.test/other/image"), "subject-mismatch"),
        (summary(resourceUri="pkg:oci/acme/app"), "subject-mismatch"),
        (summary(policy__digest={"sha256": "2" * 64}), "content-mismatch"),
        (summary(policy__digest={}), "content-mismatch"),
        (summary(timeVerified="2026-03-01T10:05:00Z"), "scan-stale"),
        (summary(timeVerified="2099-01-01T00:00:00Z"), "timestamp-invalid"),
        (summary(verifiedLevels=["SLSA_BUILD_LEVEL_2"]), "level-too-low"),
        (summary(verifiedLevels=["SLSA_BUILD_LEVEL_UNEVALUATED"]), "level-too-low"),
        (summary(verifiedLevels=[]), "level-too-low"),
        (summary(verifiedLevels=["SLSA_BEST"]), "statement-malformed"),
        (summary(verifiedLevels=["FAILED", "SLSA_BUILD_LEVEL_3"]), "level-too-low"),
    ],
)
def test_any_other_summary_does_not(whole: dict[str, Any], reason: str) -> None:
    assert say(WANTED, attested(whole)) == ("failed", reason)


def test_a_summary_by_a_stranger_or_about_another_image_does_not() -> None:
    assert say(WANTED, attested(summary(), by="stranger")) == ("failed", "signature-invalid")  # it names our key
    assert say(WANTED, attested(summary(), about=Digest.of(b"other"))) == ("failed", "subject-mismatch")


def test_an_old_passed_summary_is_not_played_back_after_a_refusal() -> None:
    again = summary(timeVerified=(NOW - timedelta(minutes=1)).isoformat().replace("+00:00", "Z"))
    refused = changed(again, "verificationResult", "FAILED")
    for order in ((summary(), refused), (refused, summary())):
        assert say(WANTED, *map(attested, order)) == ("failed", "level-too-low")
    assert say(WANTED, attested(summary()), attested(refused, by="stranger")) == ("passed", "ok")


def test_an_sbom_says_of_what_it_is_and_that_there_is_something_in_it() -> None:
    wanted = {"type": "spdx", "predicate": {"packages.count": "1"}}
    sbom = document("cosign-spdx")
    assert say(wanted, attested(sbom)) == ("passed", "ok")
    assert say(wanted, attested(sbom, about=Digest.of(b"other"))) == ("failed", "subject-mismatch")
    assert say(wanted, attested(changed(sbom, "packages", []))) == ("failed", "content-mismatch")
    assert say(wanted, attested(changed(sbom, "packages", ["not a package"]))) == ("failed", "statement-malformed")


def test_a_report_of_failed_tests_is_no_report_of_passed_ones() -> None:
    kind = "https://in-toto.io/attestation/test-result/v0.1"
    wanted = {"type": "test-result", "predicate": {"result": "PASSED"}}
    passed = {"predicateType": kind, "predicate": minimal(kind)}
    assert say(wanted, attested(passed)) == ("passed", "ok")
    assert say(wanted, attested(changed(passed, "result", "FAILED"))) == ("failed", "content-mismatch")


def test_one_good_attestation_is_not_spoiled_by_bad_ones() -> None:
    bad = [attested(summary(verifiedLevels=["SLSA_BEST"])), attested(summary(resourceUri="x")), signed.bundled(b"junk")]
    assert say(WANTED, *bad, attested(summary())) == ("passed", "ok")
