"""The rule `imageAge`: neither too old nor too young, and known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import BadConfiguration
from preverify.model.findings import Claim, Finding, Step
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules.evidence import Look
from support.configured import document, image
from support.policies import NOW, attestation, broken, not_obtained, one_policy, policy_set, policy_text, signature
from support.predicates import GONE, changed, found
from support.predicates import document as statement

PASSED = (Outcome.PASSED, Reason.OK)
TOO_OLD = (Outcome.FAILED, Reason.IMAGE_TOO_OLD)
TOO_YOUNG = (Outcome.FAILED, Reason.CONFIG_DENIED)
UNKNOWN = (Outcome.FAILED, Reason.NO_TRUSTED_TIME)
BUILD = statement("cosign-provenance-v0.2")
BY = "by: {any: [release]}"


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def check(demand: str, *findings: Finding, created: str = "", **look: object) -> RuleResult:
    (rule,) = one_policy(f"[{{name: x, imageAge: {{{demand}}}}}]").rules
    seen = {"gathered": image(document(created=created)), **look}
    return rule.check(Look(findings=findings, now=NOW, **seen))  # type: ignore[arg-type]


def built(ago: timedelta, *, finished: timedelta | None = None, n: int = 0) -> Finding:
    """Return provenance by `release` of a build that started so long ago."""
    whole = changed(BUILD, "metadata/buildStartedOn", text(NOW - ago))
    if finished is not None:
        whole = changed(whole, "metadata/buildFinishedOn", text(NOW - finished))
    return found(whole, n=n)


def say(result: RuleResult) -> tuple[Outcome, Reason]:
    return result.outcome, result.reason


DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("demand", "ago", "wanted"),
    [
        ("maxAge: 30d", 30 * DAY - SECOND, PASSED),
        ("maxAge: 30d", 30 * DAY, TOO_OLD),
        ("minAge: 3d", 3 * DAY, PASSED),
        ("minAge: 3d", 3 * DAY - SECOND, TOO_YOUNG),
        ("minAge: 3d, maxAge: 30d", 10 * DAY, PASSED),
        ("maxAge: 30d", -timedelta(minutes=5), PASSED),
        ("maxAge: 30d", -timedelta(minutes=5) - SECOND, (Outcome.FAILED, Reason.TIMESTAMP_INVALID)),
        ("minAge: 3d", -400 * 365 * DAY, (Outcome.FAILED, Reason.TIMESTAMP_INVALID)),
    ],
)
def test_ages_are_compared_to_the_second(demand: str, ago: timedelta, wanted: tuple[Outcome, Reason]) -> None:
    assert say(check(demand, created=text(NOW - ago))) == wanted
    assert say(check(f"{demand}, {BY}", built(ago))) == wanted


def test_a_result_says_until_when_it_holds_or_when_time_mends_it() -> None:
    made = NOW - 2 * DAY
    for more, finding in (("", ()), (f", {BY}", (built(2 * DAY),))):
        old = check(f"maxAge: 30d{more}", *finding, created=text(made))
        young = check(f"minAge: 3d{more}", *finding, created=text(made))
        assert (old.outcome, old.until) == (Outcome.PASSED, made + 30 * DAY)
        assert (young.outcome, young.until) == (Outcome.FAILED, made + 3 * DAY)
        assert "too young until 2026-01-03T10:00:00Z" in young.detail
        assert check(f"minAge: 1d{more}", *finding, created=text(made)).until is None
        assert check(f"maxAge: 1d{more}", *finding, created=text(made)).until is None


@pytest.mark.parametrize("nobody", ["", "1970-01-01T00:00:00Z", "1980-01-01T00:00:01Z", "0001-01-01T00:00:00Z"])
def test_a_time_that_nobody_says_is_neither_old_nor_young(nobody: str) -> None:
    for demand in ("maxAge: 3650d", "minAge: 1s"):
        result = check(demand, created=nobody)
        assert (say(result), result.until) == (UNKNOWN, None)
        assert "demand it of provenance with 'by'" in result.detail
    epoch = found(changed(BUILD, "metadata/buildStartedOn", "1970-01-01T00:00:00Z"))
    gone = found(changed(BUILD, "metadata/buildStartedOn", GONE))
    for finding in (epoch, gone):
        assert say(check(f"minAge: 1s, {BY}", finding)) == UNKNOWN


def test_the_contrary_of_an_unknown_age_does_not_pass() -> None:
    (rule,) = one_policy("[{name: x, not: {imageAge: {maxAge: 30d}}}]").rules
    reproducible = image(document(created="1970-01-01T00:00:00Z"))
    assert rule.check(Look(findings=(), now=NOW, gathered=reproducible)).outcome is Outcome.FAILED


def test_the_end_of_a_build_counts_where_it_is_said() -> None:
    assert say(check(f"maxAge: 10d, {BY}", built(11 * DAY, finished=9 * DAY))) == PASSED
    assert say(check(f"maxAge: 10d, {BY}", built(9 * DAY, finished=11 * DAY))) == TOO_OLD


def test_only_provenance_by_the_named_signers_says_it() -> None:
    demand = f"maxAge: 30d, {BY}"
    assert say(check(demand)) == (Outcome.FAILED, Reason.ATTESTATION_MISSING)
    assert say(check(demand, signature())) == (Outcome.FAILED, Reason.ATTESTATION_MISSING)
    assert say(check(demand, attestation(predicate_type="https://spdx.dev/Document"))) == (
        Outcome.FAILED,
        Reason.PREDICATE_TYPE_MISMATCH,
    )
    foreign = replace(built(DAY), signer=attestation("vendor").signer)
    assert say(check(demand, foreign)) == (Outcome.FAILED, Reason.WRONG_KEY)
    assert say(check(demand, foreign, built(DAY))) == PASSED
    assert say(check(demand, unobtained=(not_obtained(),))) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)


@given(st.permutations([built(40 * DAY, n=1), built(DAY, n=2), broken(Reason.WRONG_KEY, Step.PARSED, n=3)]))
def test_one_good_build_is_enough_in_any_order(findings: list[Finding]) -> None:
    result = check(f"maxAge: 30d, {BY}", *findings)
    assert (say(result), result.until) == (PASSED, NOW + 29 * DAY)


def test_invalid_evidence_never_makes_it_pass() -> None:
    bad = [replace(built(DAY), step=Step.SIGNED, reason=Reason.SUBJECT_MISMATCH), broken(Reason.WRONG_KEY, Step.PARSED)]
    bad.append(replace(built(DAY), claim=Claim.SIGNATURE))
    for some in permutations([*bad, built(40 * DAY)]):
        assert check(f"maxAge: 30d, {BY}", *some).outcome is Outcome.FAILED


def test_what_could_not_be_read_is_said() -> None:
    missing = image(unobtained=(not_obtained(),))
    assert say(check("maxAge: 1d", gathered=missing)) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)


def test_it_needs_the_configuration_only_where_that_says_the_time() -> None:
    by_config, by_signer = (one_policy(f"[{{name: x, imageAge: {{maxAge: 1d{more}}}}}]") for more in ("", f", {BY}"))
    assert (by_config.needs, by_config.signers, by_config.platforms_of("x").each) == ({Need.CONFIG}, (), True)
    assert (by_signer.needs, by_signer.platforms_of("x").each) == (frozenset(), False)
    assert [signer.name for signer in by_signer.signers] == ["release"]


def test_times_have_zones() -> None:
    assert check("maxAge: 30d", created="2026-01-01T12:00:00+02:00").until == datetime(2026, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize("demand", ["maxAge: 30d", "minAge: 3d", f"minAge: 3d, maxAge: 30d, {BY}"])
def test_a_rule_is_rebuilt_from_its_canonical_form(demand: str) -> None:
    policies = policy_set(policy_text(f"[{{name: x, imageAge: {{{demand}}}}}]"))
    assert PolicySet.from_document(policies.document) == policies


@pytest.mark.parametrize(
    ("demand", "sentence"),
    [
        ("", "demands nothing"),
        (BY, "demands nothing"),
        ("minAge: 3d, maxAge: 3d", "no image would ever pass"),
        ("maxAge: 30", "is not a duration"),
        ("maxAge: 4000d", "out of range"),
        ("maxAge: 1d, by: {any: [nobody]}", "there is no signer 'nobody'"),
        ("maxage: 1d", "did you mean 'maxAge'"),
    ],
)
def test_what_is_not_understood_does_not_load(demand: str, sentence: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        check(demand)
    assert sentence in str(refused.value)
