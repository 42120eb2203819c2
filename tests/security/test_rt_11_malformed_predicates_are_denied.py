"""RT-11: the right signer, the right type, and a predicate that is none must not pass (CVE-2026-39395)."""

from typing import Any

import pytest

from preverify.model.verdicts import Outcome, Verdict
from preverify.policy.demands.attestation_types import TYPES
from support import signed
from support.deciding import decide
from support.predicates import GONE, changed, document, minimal

IMAGE = signed.image("legacy-unsigned")
DIGEST = IMAGE.subject.digest
EXACT = [uri.replace("/v*", "/v2.3") for uris in TYPES.values() for uri in uris]


def verdict(form: str, predicate_type: str, predicate: Any, kind: str = "") -> Verdict:
    envelope = signed.envelope(signed.statement(DIGEST, predicate_type, predicate=predicate))
    bundle = signed.bundled(signed.bundle({"dsseEnvelope": envelope}))
    evidence = signed.attestation(envelope) if form == "att" else bundle
    demand = {"attestation": {"type": kind or predicate_type, "by": {"any": ["release"]}}}
    return decide(IMAGE, [evidence], demand, signers={"release": "ec1"})


@pytest.mark.parametrize("form", ["att", "bundle"])
@pytest.mark.parametrize("predicate_type", EXACT)
def test_a_predicate_of_a_known_type_has_its_shape(form: str, predicate_type: str) -> None:
    assert verdict(form, predicate_type, minimal(predicate_type)).outcome is Outcome.PASSED
    for predicate in (None, [], 7, {"builder": []} if "slsa" in predicate_type else "\x00"):
        seen = verdict(form, predicate_type, predicate)
        assert seen.outcome is Outcome.FAILED
        assert seen.reasons[0].reason.value == "statement-malformed"


def test_what_nobody_reads_is_nobodys_shape() -> None:
    for predicate in (None, [], "text", {"a": 1}):
        assert verdict("att", "https://acme.test/own", predicate).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("cosign-openvex", "statements/0/justification", GONE),  # not_affected, for no reason
        ("cosign-openvex", "statements/0/status", "ignored"),
        ("cosign-vuln", "scanner/result/Results", "none"),
        ("cosign-spdx", "packages", None),
        ("cosign-vsa", "verifiedLevels", ["SLSA_ACME_LEVEL_VERY_HIGH"]),
        ("cosign-vsa", "verificationResult", "passed"),
        ("slsa-generator-v0.2", "invocation/environment/GITHUB_EVENT_NAME", "pull_request"),
    ],
)
def test_one_member_voids_the_attestation(name: str, path: str, value: object) -> None:
    whole = document(name)
    good = verdict("bundle", whole["predicateType"], whole["predicate"])
    assert good.outcome is Outcome.PASSED
    if value is None:
        value = {"not": "a list"}
    seen = verdict("bundle", whole["predicateType"], changed(whole, path, value)["predicate"])
    assert (seen.outcome, seen.reasons[0].reason.value) == (Outcome.FAILED, "statement-malformed")


def test_two_readings_of_one_predicate_are_none() -> None:
    """A reader that ignores case would see another builder than one that does not."""
    whole = changed(document("github-attestation"), "runDetails/builder/Id", "https://github.com/evil/builder")
    seen = verdict("bundle", whole["predicateType"], whole["predicate"])
    assert (seen.outcome, seen.reasons[0].reason.value) == (Outcome.FAILED, "statement-malformed")
    twice = signed.compact(signed.statement(DIGEST, "https://slsa.dev/provenance/v1", predicate=minimal("x")))
    twice = twice.replace(b'"scanner":{}', b'"runDetails":{"builder":{"id":"a"}},"runDetails":{"builder":{"id":"b"}}')
    assert twice.count(b"runDetails") == 2
    demand = {"attestation": {"type": "slsa-provenance", "by": {"any": ["release"]}}}
    doubled = decide(IMAGE, [signed.attestation(signed.envelope(twice))], demand, signers={"release": "ec1"})
    assert (doubled.outcome, doubled.reasons[0].reason.value) == (Outcome.FAILED, "statement-malformed")
