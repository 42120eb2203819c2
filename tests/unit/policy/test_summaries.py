"""Demands on other verifiers' summaries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.verdicts import RuleResult
from preverify.policy.demands.summaries import SummaryDemand
from preverify.policy.rules.evidence import Look
from support.policies import SUBJECT, one_policy
from support.predicates import GONE, changed, document, found

MADE = datetime(2026, 3, 1, 10, 5, tzinfo=UTC)
NOW = MADE + timedelta(hours=1)
VERIFIER = "https://verifier.acme.test"
POLICY = "sha256:" + "1" * 64
OURS = changed(document("cosign-vsa"), "resourceUri", str(SUBJECT))
FAILED = changed(OURS, "verificationResult", "FAILED")


def say(demand: SummaryDemand, whole: dict[str, Any], now: datetime = NOW, **more: Any) -> tuple[str, str]:
    short = demand.shortfall(found(whole), subject=more.get("subject", SUBJECT), now=now, refused={})
    return ("ok", "") if short is None else (short.reason.value, short.detail)


def rule(demands: str, *wholes: dict[str, Any], now: datetime = NOW) -> RuleResult:
    """Check a rule of a policy against summaries that the key `release` signed."""
    (compiled,) = one_policy(f"[{{name: vouched, attestation: {{type: vsa, by: {{any: [release]}}{demands}}}}}]").rules
    findings = [found(whole, n=n) for n, whole in enumerate(wholes)]
    return compiled.check(Look(findings=findings, now=now, subject=SUBJECT))


DEMANDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "verifier": ({"verifier": VERIFIER}, {"verifier": VERIFIER + "/"}, "identity-mismatch"),
    "resources": ({"resources": (str(SUBJECT), "x")}, {"resources": ("pkg:oci/acme/app",)}, "subject-mismatch"),
    "levels": ({"levels": ("SLSA_BUILD_LEVEL_3",)}, {"levels": ("SLSA_BUILD_LEVEL_4",)}, "level-too-low"),
    "policy_digest": ({"policy_digest": POLICY}, {"policy_digest": "sha256:" + "2" * 64}, "content-mismatch"),
    "max_age": ({"max_age": timedelta(hours=2)}, {"max_age": timedelta(hours=1)}, "scan-stale"),
}


@pytest.mark.parametrize("name", list(DEMANDS))
def test_violating_each_demand_denies(name: str) -> None:
    kept, violated, reason = DEMANDS[name]
    assert say(SummaryDemand(**kept), OURS) == ("ok", "")
    assert say(SummaryDemand(**violated), OURS)[0] == reason


def test_every_demand_is_among_them() -> None:
    assert set(DEMANDS) == set(SummaryDemand.__dataclass_fields__)


def test_a_summary_that_says_failed_never_counts() -> None:
    assert say(SummaryDemand(), FAILED)[0] == "level-too-low"
    assert say(SummaryDemand(), changed(OURS, "verifiedLevels", ["FAILED"]))[0] == "level-too-low"
    nothing = {"predicateType": "https://acme.test/unread", "predicate": {}}
    assert say(SummaryDemand(), nothing)[0] == "level-too-low"


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (str(SUBJECT), "ok"),
        (str(SUBJECT.repository), "ok"),
        ("registry.example/shop/web", "subject-mismatch"),
        (f"registry.example/shop/api@sha256:{'0' * 64}", "subject-mismatch"),
        (f"registry.example/shop/api:v1@{SUBJECT.digest}", "subject-mismatch"),
        (f"oci://{SUBJECT}", "subject-mismatch"),
    ],
)
def test_a_summary_is_about_this_image_unless_the_rule_says_otherwise(resource: str, reason: str) -> None:
    assert say(SummaryDemand(), changed(OURS, "resourceUri", resource))[0] == reason
    assert say(SummaryDemand(resources=(resource,)), changed(OURS, "resourceUri", resource))[0] == "ok"


def test_without_a_subject_no_summary_is_about_it() -> None:
    assert say(SummaryDemand(), OURS, subject=None)[0] == "subject-mismatch"


@pytest.mark.parametrize(
    ("levels", "wanted", "reason"),
    [
        (["SLSA_BUILD_LEVEL_3"], "SLSA_BUILD_LEVEL_2", "ok"),
        (["SLSA_BUILD_LEVEL_2"], "SLSA_BUILD_LEVEL_3", "level-too-low"),
        (["SLSA_BUILD_LEVEL_UNEVALUATED"], "SLSA_BUILD_LEVEL_1", "level-too-low"),
        (["SLSA_SOURCE_LEVEL_3"], "SLSA_BUILD_LEVEL_1", "level-too-low"),
        (["SLSA_SOURCE_LEVEL_3", "SLSA_BUILD_LEVEL_1"], "SLSA_BUILD_LEVEL_1", "ok"),
        (["BCID_L1"], "BCID_L1", "ok"),
        (["BCID_L2"], "BCID_L1", "level-too-low"),
        ([], "BCID_L1", "level-too-low"),
    ],
)
def test_levels_of_a_track_are_ordered_and_others_are_names(levels: list[str], wanted: str, reason: str) -> None:
    assert say(SummaryDemand(levels=(wanted,)), changed(OURS, "verifiedLevels", levels))[0] == reason


def test_every_level_is_needed() -> None:
    both = SummaryDemand(levels=("BCID_L1", "SLSA_BUILD_LEVEL_3"))
    assert say(both, OURS)[0] == "level-too-low"
    assert say(both, changed(OURS, "verifiedLevels", ["SLSA_BUILD_LEVEL_3", "BCID_L1"]))[0] == "ok"


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (MADE - timedelta(minutes=5, seconds=1), "timestamp-invalid"),
        (MADE - timedelta(minutes=5), "ok"),
        (MADE + timedelta(days=1) - timedelta(seconds=1), "ok"),
        (MADE + timedelta(days=1), "scan-stale"),
    ],
)
def test_a_summary_is_neither_of_the_future_nor_too_old(now: datetime, reason: str) -> None:
    assert say(SummaryDemand(max_age=timedelta(days=1)), OURS, now)[0] == reason


def test_a_summary_of_no_time() -> None:
    undated = changed(OURS, "timeVerified", GONE)
    assert say(SummaryDemand(), undated)[0] == "ok"
    assert say(SummaryDemand(max_age=timedelta(days=1)), undated)[0] == "scan-stale"


def test_a_summary_says_itself_until_when_it_holds() -> None:
    dated = changed(OURS, "urn:preverify:validUntil", "2026-03-02T10:00:00Z")
    end = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert say(SummaryDemand(), dated, end - timedelta(seconds=1))[0] == "ok"
    assert say(SummaryDemand(), dated, end)[0] == "scan-stale"
    assert SummaryDemand().until(found(dated)) == end
    assert SummaryDemand(max_age=timedelta(hours=3)).until(found(dated)) == MADE + timedelta(hours=3)
    assert SummaryDemand(max_age=timedelta(days=9)).until(found(dated)) == end
    assert SummaryDemand().until(found(OURS)) is None


def test_the_rule_says_until_when_it_holds() -> None:
    assert rule(", maxAge: 2h", OURS).until == MADE + timedelta(hours=2)
    assert rule("", OURS).until is None


def test_the_rule_passes_one_good_summary_beside_bad_ones() -> None:
    other = changed(FAILED, "verifier/id", "https://other.test")
    result = rule("", other, changed(OURS, "resourceUri", "x"), OURS)
    assert (result.outcome.value, result.reason.value) == ("passed", "ok")


LATER = "2026-03-01T10:06:00Z"
EARLIER = "2026-03-01T10:04:00Z"


@pytest.mark.parametrize(
    ("refusal", "passes"),
    [
        (changed(FAILED, "timeVerified", LATER), False),
        (changed(FAILED, "timeVerified", "2026-03-01T10:05:00Z"), False),
        (changed(FAILED, "timeVerified", EARLIER), True),
        (changed(FAILED, "timeVerified", GONE), True),
        (changed(changed(FAILED, "timeVerified", LATER), "policy/uri", "https://acme.test/policy/2"), True),
        (changed(changed(FAILED, "timeVerified", LATER), "resourceUri", "elsewhere"), True),
        (changed(changed(FAILED, "timeVerified", LATER), "verifier/id", "https://other.test"), True),
    ],
)
def test_what_the_same_verifier_took_back_later_does_not_count(refusal: dict[str, Any], passes: bool) -> None:
    for order in ((OURS, refusal), (refusal, OURS), (refusal, OURS, changed(FAILED, "timeVerified", EARLIER))):
        result = rule("", *order)
        assert (result.outcome.value == "passed") is passes
        if not passes:
            assert result.reason.value == "level-too-low"


def test_an_undated_summary_is_taken_back_by_any_refusal() -> None:
    assert rule("", changed(OURS, "timeVerified", GONE), FAILED).outcome.value == "failed"


def test_nobody_else_takes_a_summary_back() -> None:
    """Whoever may write to the registry could else deny images."""
    (compiled,) = one_policy("[{name: vouched, attestation: {type: vsa, by: {any: [release]}}}]").rules
    stranger = found(changed(FAILED, "timeVerified", LATER), n=1)
    stranger = type(stranger)(**{**{f: getattr(stranger, f) for f in stranger.__slots__}, "signer": "key:stranger"})
    result = compiled.check(Look(findings=[stranger, found(OURS)], now=NOW, subject=SUBJECT))
    assert result.outcome.value == "passed"


def test_the_full_type_asks_for_the_type_alone_until_more_is_demanded() -> None:
    uri = "https://slsa.dev/verification_summary/v1"
    for demands, outcome in (("", "passed"), (", minLevel: 1", "failed")):
        text = f"[{{name: there, attestation: {{type: '{uri}', by: {{any: [release]}}{demands}}}}}]"
        (compiled,) = one_policy(text).rules
        result = compiled.check(Look(findings=[found(FAILED)], now=NOW, subject=SUBJECT))
        assert result.outcome.value == outcome


texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
demands = st.builds(
    SummaryDemand,
    verifier=texts,
    resources=st.lists(texts, max_size=2).map(tuple),
    levels=st.lists(texts, max_size=2).map(tuple),
    policy_digest=texts,
    max_age=st.none() | st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
)


@given(demand=demands)
def test_the_canonical_form_says_it_all(demand: SummaryDemand) -> None:
    assert SummaryDemand.from_canonical(demand.canonical()) == demand
