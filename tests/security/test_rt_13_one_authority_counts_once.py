"""RT-13: a threshold counts distinct keys, however often or under however many names one appears (CVE-2020-6174)."""

from collections.abc import Sequence

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Evidence
from preverify.model.verdicts import Outcome
from support import signed
from support.deciding import decide
from support.signed import verify

IMAGE = signed.image("legacy-unsigned")
DIGEST = IMAGE.subject.digest
BODY = signed.compact(signed.payload(DIGEST))
SIGNERS = {"one": "ec1", "two": "ec2", "three": "rsa2048"}
TWO_OF_THREE = {"by": {"atLeast": 2, "of": ["one", "two", "three"]}}


def outcome(evidence: Sequence[Evidence], rule: str = "signature") -> tuple[Outcome, str]:
    body = dict(TWO_OF_THREE) if rule == "signature" else {"type": "vuln", **TWO_OF_THREE}
    verdict = decide(IMAGE, evidence, {rule: body}, signers=SIGNERS)
    return verdict.outcome, verdict.reasons[0].reason.value


def test_two_distinct_keys_are_two() -> None:
    assert outcome([signed.legacy(BODY), signed.legacy(BODY, by="ec2")])[0] is Outcome.PASSED


def test_one_key_that_signed_many_times_is_one() -> None:
    """ECDSA gives other bytes each time: signatures are no identifiers."""
    again = [signed.legacy(BODY) for _ in range(5)]
    other = [signed.legacy(signed.compact({**signed.payload(DIGEST), "optional": {"n": str(n)}})) for n in range(5)]
    assert outcome([*again, *other]) == (Outcome.FAILED, "threshold-not-met")


def test_one_key_in_two_formats_is_one() -> None:
    envelope = signed.envelope(signed.statement(DIGEST, signed.COSIGN_SIGN))
    evidence = [signed.legacy(BODY), signed.bundled(signed.bundle({"dsseEnvelope": envelope}))]
    assert outcome(evidence) == (Outcome.FAILED, "threshold-not-met")


def test_one_key_twice_in_an_envelope_is_one() -> None:
    envelope = signed.envelope(signed.statement(DIGEST), by=("ec1", "ec1", "ec1"))
    assert outcome([signed.attestation(envelope)], "attestation") == (Outcome.FAILED, "threshold-not-met")
    both = signed.envelope(signed.statement(DIGEST), by=("ec1", "ec2"))
    assert outcome([signed.attestation(both)], "attestation")[0] is Outcome.PASSED


def test_one_key_under_several_key_ids_in_an_envelope_is_one() -> None:
    envelope = signed.envelope(signed.statement(DIGEST), by=("ec1", "ec1"))
    for i, signature in enumerate(envelope["signatures"]):
        signature["keyid"] = f"key-{i}"
    assert outcome([signed.attestation(envelope)], "attestation") == (Outcome.FAILED, "threshold-not-met")


def test_one_key_given_twice_to_the_verifier_is_one() -> None:
    findings = verify(IMAGE, [signed.legacy(BODY)], [signed.key("ec1"), signed.key("ec1")])
    assert len(findings) == 1


def test_one_key_under_two_names_cannot_meet_a_threshold() -> None:
    rule = {"signature": {"by": {"atLeast": 2, "of": ["one", "alias"]}}}
    with pytest.raises(BadConfiguration):  # at load: no such threshold can ever be met
        decide(IMAGE, [signed.legacy(BODY)] * 2, rule, signers={"one": "ec1", "alias": "ec1"})
