"""Rules: what counts, and what is said where nothing does."""

import pytest

from preverify.model.evidence import Unobtained
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.rules.attestation import TYPES
from preverify.policy.rules.evidence import Look
from support.policies import (
    ATTESTED,
    PROVENANCE,
    SIGNED,
    attestation,
    broken,
    key,
    not_obtained,
    one_policy,
    signature,
)


def check(
    require: str, *findings: Finding, truncated: bool = False, unobtained: tuple[Unobtained, ...] = ()
) -> RuleResult:
    (rule,) = one_policy(require).rules
    return rule.check(Look(findings=findings, truncated=truncated, unobtained=unobtained))


def say(result: RuleResult) -> tuple[str, str]:
    return result.outcome.value, result.reason.value


def signed_by(by: str, annotations: str = "{}") -> str:
    return f"[{{name: signed, signature: {{by: {by}, annotations: {annotations}}}}}]"


def attested_by(by: str, kind: str = "slsa-provenance") -> str:
    return f"[{{name: built, attestation: {{type: '{kind}', by: {by}}}}}]"


PASSED = ("passed", "ok")


def test_one_signature_by_the_named_key_passes() -> None:
    result = check(SIGNED, signature("release"))
    assert say(result) == PASSED
    assert result.detail == "signature by release"
    assert result.evidence == (signature("release").evidence,)


def test_nothing_found_is_no_signature() -> None:
    assert say(check(SIGNED)) == ("failed", "no-signature")
    assert say(check(ATTESTED)) == ("failed", "attestation-missing")


def test_evidence_of_another_kind_is_as_if_there_were_none() -> None:
    """ "Here is its SBOM" does not say "run it", and the other way round."""
    assert say(check(SIGNED, attestation("release"))) == ("failed", "no-signature")
    assert say(check(ATTESTED, signature("release"))) == ("failed", "attestation-missing")


def test_a_signature_by_a_key_that_another_rule_names_is_wrong_key() -> None:
    result = check(SIGNED, signature("vendor"))
    assert say(result) == ("failed", "wrong-key")
    assert key("vendor").id[:20] in result.detail
    assert "expected release" in result.detail


def test_a_late_failure_under_a_foreign_key_gets_no_further_than_wrong_key() -> None:
    foreign = broken(Reason.SUBJECT_MISMATCH, Step.PAYLOAD, signer="vendor")
    own = broken(Reason.PAYLOAD_MALFORMED, Step.SIGNED, signer="release")
    assert say(check(SIGNED, foreign)) == ("failed", "wrong-key")
    assert say(check(SIGNED, foreign, own)) == ("failed", "payload-malformed")


def test_the_reason_is_that_of_the_evidence_that_got_furthest() -> None:
    early = broken(Reason.SIGNATURE_INVALID, Step.PARSED)
    late = broken(Reason.SUBJECT_MISMATCH, Step.PAYLOAD, signer="release", detail="about another image")
    result = check(SIGNED, early, late)
    assert (say(result), result.detail) == (("failed", "subject-mismatch"), "about another image")
    assert result.evidence == (late.evidence,)


def test_ties_go_to_the_evidence_that_was_read_first() -> None:
    one = broken(Reason.SIGNATURE_INVALID, Step.PARSED, n=1)
    two = broken(Reason.WRONG_KEY, Step.PARSED, n=2)
    assert say(check(SIGNED, one, two)) == ("failed", "signature-invalid")
    assert say(check(SIGNED, two, one)) == ("failed", "wrong-key")


def test_unreadable_evidence_explains_both_kinds_of_rule() -> None:
    unreadable = broken(Reason.BUNDLE_MALFORMED, Step.OBTAINED, claim=Claim.NONE)
    assert say(check(SIGNED, unreadable)) == ("failed", "bundle-malformed")
    assert say(check(ATTESTED, unreadable)) == ("failed", "bundle-malformed")


@pytest.mark.parametrize("outside", ["before", "after"])
def test_bad_evidence_does_not_spoil_good(outside: str) -> None:
    bad = tuple(broken(Reason.SIGNATURE_INVALID, Step.PARSED, n=n) for n in range(3))
    findings = (*bad, signature("release")) if outside == "before" else (signature("release"), *bad)
    assert say(check(SIGNED, *findings, truncated=True, unobtained=(not_obtained(),))) == PASSED


def test_what_could_not_be_obtained_makes_an_unsatisfied_rule_undecided() -> None:
    unobtained = (not_obtained(Reason.REGISTRY_REFUSED, what="att-tag"), not_obtained())
    result = check(SIGNED, broken(Reason.WRONG_KEY, Step.PARSED), unobtained=unobtained, truncated=True)
    assert say(result) == ("undecided", "registry-refused")
    assert result.detail == "att-tag: status 503"
    assert say(check(signed_by("{all: [release, vendor]}"), signature(), unobtained=unobtained))[0] == "undecided"


def test_more_evidence_than_is_read_is_a_failure_of_its_own_only_where_nothing_is_valid() -> None:
    bad = broken(Reason.WRONG_KEY, Step.PARSED)
    assert say(check(SIGNED, bad, truncated=True)) == ("failed", "too-much-evidence")
    assert say(check(SIGNED, bad, signature(), truncated=True)) == PASSED
    both = signed_by("{all: [release, vendor]}")
    assert say(check(both, signature(), truncated=True)) == ("failed", "threshold-not-met")


@pytest.mark.parametrize(
    ("by", "signers", "expected"),
    [
        ("{any: [release, vendor]}", ["vendor"], "ok"),
        ("{all: [release, vendor]}", ["vendor"], "threshold-not-met"),
        ("{all: [release, vendor]}", ["vendor", "release"], "ok"),
        ("{atLeast: 2, of: [release, vendor, security]}", ["security"], "threshold-not-met"),
        ("{atLeast: 2, of: [release, vendor, security]}", ["security", "release"], "ok"),
        ("{atLeast: 2, of: [release, vendor, security]}", ["security", "stranger"], "threshold-not-met"),
        ("{atLeast: 2, of: [release, vendor, security]}", ["stranger"], "wrong-key"),
    ],
)
def test_thresholds_count_named_signers(by: str, signers: list[str], expected: str) -> None:
    assert check(signed_by(by), *map(signature, signers)).reason.value == expected
    assert check(attested_by(by), *map(attestation, signers)).reason.value == expected


def test_a_threshold_that_is_not_met_says_who_signed() -> None:
    result = check(signed_by("{all: [release, vendor]}"), signature("vendor"))
    assert result.detail == "1 of 2 needed signers: only vendor"
    assert result.evidence == (signature("vendor").evidence,)


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        ({"stage": "production", "team": "shop", "more": "is fine"}, "ok"),
        ({"stage": "production"}, "annotation-mismatch"),
        ({"stage": "Production", "team": "shop"}, "annotation-mismatch"),
        ({}, "annotation-mismatch"),
    ],
)
def test_annotations_are_compared_exactly(signed: dict[str, str], expected: str) -> None:
    rule = signed_by("{any: [release]}", "{stage: production, team: shop}")
    assert check(rule, signature(annotations=signed)).reason.value == expected


def test_annotations_of_different_signatures_do_not_add_up() -> None:
    rule = signed_by("{any: [release]}", "{stage: production, team: shop}")
    one, other = signature(annotations={"stage": "production"}, n=1), signature(annotations={"team": "shop"}, n=2)
    result = check(rule, one, other)
    assert result.reason is Reason.ANNOTATION_MISMATCH
    assert result.detail == "annotation 'team' is not signed, expected 'shop'"


@pytest.mark.parametrize(
    ("kind", "predicate_type"),
    [(kind, uri.replace("/v*", "/v2.3")) for kind, uris in TYPES.items() for uri in uris],
)
def test_a_short_name_covers_all_its_versions(kind: str, predicate_type: str) -> None:
    said = say(check(attested_by("{any: [release]}", kind), attestation("release", predicate_type)))
    assert said == (("failed", "level-too-low") if kind == "vsa" else PASSED)  # `vsa` wants it to say PASSED
    for other in set(TYPES) - {kind}:
        result = check(attested_by("{any: [release]}", other), attestation("release", predicate_type))
        assert say(result) == ("failed", "predicate-type-mismatch")


@pytest.mark.parametrize(
    "predicate_type",
    [
        "https://spdx.dev/Document/",
        "https://spdx.dev/Document/v",
        "https://spdx.dev/Document/v2.",
        "https://spdx.dev/Documents",
        "https://spdx.dev/Document/v2.3/x",
        "https://spdx.dev/document",
        "x https://spdx.dev/Document",
        "",
    ],
)
def test_what_only_looks_like_a_version_is_another_type(predicate_type: str) -> None:
    result = check(attested_by("{any: [release]}", "spdx"), attestation("release", predicate_type))
    assert say(result) == ("failed", "predicate-type-mismatch")


def test_a_full_uri_means_only_itself() -> None:
    rule = attested_by("{any: [release]}", PROVENANCE)
    assert say(check(rule, attestation("release", PROVENANCE))) == PASSED
    assert check(rule, attestation("release", PROVENANCE + ".1")).reason is Reason.PREDICATE_TYPE_MISMATCH


def test_another_type_by_another_key_is_about_the_key() -> None:
    sbom = attestation("vendor", "https://spdx.dev/Document")
    assert say(check(ATTESTED, sbom)) == ("failed", "wrong-key")
    result = check(ATTESTED, sbom, attestation("release", "https://spdx.dev/Document"))
    assert say(result) == ("failed", "predicate-type-mismatch")
    assert result.detail == "attests 'https://spdx.dev/Document', expected slsa-provenance"


@pytest.mark.parametrize(
    "contradiction",
    [
        {"step": Step.SUBJECT},
        {"signer": ""},
        {"claim": Claim.NONE},
    ],
)
def test_a_finding_that_says_ok_without_establishing_anything_never_counts(contradiction: dict[str, object]) -> None:
    values = {name: getattr(signature(), name) for name in Finding.__dataclass_fields__}
    result = check(SIGNED, Finding(**{**values, **contradiction}))
    assert result.outcome is Outcome.FAILED


def test_an_established_finding_with_a_reason_never_counts() -> None:
    values = {name: getattr(signature(), name) for name in Finding.__dataclass_fields__}
    result = check(SIGNED, Finding(**{**values, "reason": Reason.CONTENT_MISMATCH}))
    assert say(result) == ("failed", "content-mismatch")


@pytest.mark.parametrize(("mode", "counted"), [("enforce", True), ("warn", False), ("audit", False)])
def test_only_enforced_rules_count(mode: str, counted: bool) -> None:
    policy = one_policy(
        f"[{{name: a, mode: {mode}, signature: {{by: {{any: [release]}}}}}},"
        f" {{name: b, mode: {mode}, attestation: {{type: vuln, by: {{any: [release]}}}}}},"
        " {name: c, signature: {by: {any: [release]}}}]"
    )
    assert [rule.check(Look(findings=())).counted for rule in policy.rules] == [counted, counted, True]
