import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.attest.statement import MAX_SKEW, build, profile_uri, rfc3339, verdict_set_id
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome
from support.statements import POLICY, PROFILE, VERIFIER, passed

AT = datetime(2026, 1, 2, 10, 0, 0, 250_000, tzinfo=UTC)
SUBJECT = Subject(Repository("registry.example", "shop/api"), Digest("sha256", "3f" * 32))
INPUT = Digest("sha256", "77" * 32)

GOLDEN = (
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"inputAttestations":[{"digest":{"sha256":"'
    + b"77" * 32
    + b'"},"uri":"registry.example/shop/api@sha256:'
    + b"77" * 32
    + b'"}],"policy":{"digest":{"sha256":"'
    + b"5a" * 32
    + b'"},"uri":"urn:preverify:profile:default"},"resourceUri":"registry.example/shop/api@sha256:'
    + b"3f" * 32
    + b'","slsaVersion":"1.2","timeVerified":"2026-01-02T10:00:00Z","urn:preverify:generation":17,'
    b'"urn:preverify:policies":{"shop-release":"sha256:'
    + b"9b"
    * 32
    + b'"},"urn:preverify:validUntil":"2026-01-09T10:00:00Z","urn:preverify:verdicts":["v_1"],'
    b'"verificationResult":"PASSED","verifiedLevels":["SLSA_BUILD_LEVEL_UNEVALUATED"],'
    b'"verifier":{"id":"https://platform.acme.example/preverify","version":{"preverify":"0.1.0"}}},'
    b'"predicateType":"https://slsa.dev/verification_summary/v1",'
    b'"subject":[{"digest":{"sha256":"' + b"3f" * 32 + b'"},"name":"registry.example/shop/api"}]}'
)


def make(verdicts=None, **changes):
    verdicts = (passed(SUBJECT, at=AT),) if verdicts is None else verdicts
    arguments = {
        "verifier_id": VERIFIER,
        "version": "0.1.0",
        "profile_digest": PROFILE,
        "generation": 17,
        "policies": {v.policy: v.policy_digest for v in verdicts},
        "validity": timedelta(days=7),
        "input_attestations": (INPUT,),
        "now": AT,
    } | changes
    return build(SUBJECT, "default", verdicts, **arguments)


def test_golden_bytes() -> None:
    """Other people's tools and our own retries rest on every byte."""
    built = make()
    assert built.payload == GOLDEN
    assert built.valid_until == datetime(2026, 1, 9, 10, tzinfo=UTC)


def test_only_members_that_strict_readers_know() -> None:
    """Go's strict decoder refuses unknown members of a Statement and of its subjects."""
    document = json.loads(make().payload)
    assert set(document) == {"_type", "subject", "predicateType", "predicate"}
    assert [set(s) for s in document["subject"]] == [{"name", "digest"}]


def test_the_clock_and_the_order_take_no_part_in_the_bytes() -> None:
    one, two = passed(SUBJECT, name="v_1", at=AT, policy="a"), passed(SUBJECT, name="v_2", at=AT, policy="b")
    other = Digest("sha256", "11" * 32)
    first = make((one, two), input_attestations=(INPUT, other))
    second = make((two, one), input_attestations=(other, INPUT, INPUT), now=AT + timedelta(days=1))
    assert first == second


def test_time_verified_is_the_latest_decision() -> None:
    one = passed(SUBJECT, name="v_1", at=AT, policy="a")
    two = passed(SUBJECT, name="v_2", at=AT + timedelta(hours=1), policy="b")
    predicate = json.loads(make((one, two), now=AT + timedelta(hours=1)).payload)["predicate"]
    assert predicate["timeVerified"] == "2026-01-02T11:00:00Z"


def test_sha512_subjects_are_named_by_their_algorithm() -> None:
    subject = Subject(SUBJECT.repository, Digest("sha512", "3f" * 64))
    verdict = passed(subject, at=AT)
    built = build(
        subject,
        "default",
        (verdict,),
        verifier_id=VERIFIER,
        version="0.1.0",
        profile_digest=PROFILE,
        generation=1,
        policies={verdict.policy: POLICY},
        validity=timedelta(days=7),
        input_attestations=(),
        now=AT,
    )
    document = json.loads(built.payload)
    assert document["subject"][0]["digest"] == {"sha512": "3f" * 64}
    assert document["predicate"]["inputAttestations"] == []


@given(
    first=st.frozensets(st.sampled_from(["v_1", "v_2", "v_3", "v_4"]), min_size=1),
    second=st.frozensets(st.sampled_from(["v_1", "v_2", "v_3", "v_4"]), min_size=1),
)
def test_one_set_one_statement_and_different_sets_different_ones(first: frozenset[str], second: frozenset[str]) -> None:
    """Decided in the same second under the same policies, two sets still are two."""

    def of(ids):
        return make(tuple(passed(SUBJECT, name=i, at=AT, policy=f"p-{n}") for n, i in enumerate(sorted(ids)))).payload

    assert (of(first) == of(second)) == (first == second)
    assert (verdict_set_id(list(first)) == verdict_set_id(sorted(second))) == (first == second)


def test_a_clock_behind_the_verdicts_signs_nothing() -> None:
    """Case 60 of the negative list: skew beyond five minutes."""
    make(now=AT - MAX_SKEW)
    with pytest.raises(BadInput, match="set the clock"):
        make(now=AT - MAX_SKEW - timedelta(seconds=1))


def test_a_statement_that_would_be_over_is_not_made() -> None:
    with pytest.raises(BadInput, match="decide anew"):
        make(now=AT + timedelta(days=7))


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ((), "no verdict about"),
        ((passed(Subject(SUBJECT.repository, INPUT), at=AT),), "is about"),
        ((passed(Subject(Repository("registry.example", "other"), SUBJECT.digest), at=AT),), "is about"),
    ],
)
def test_refused_sets(verdicts, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        make(verdicts, policies={"shop-release": POLICY})


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNDECIDED])
def test_only_passed_verdicts(outcome: Outcome) -> None:
    from dataclasses import replace

    with pytest.raises(BadInput, match=f"is {outcome.value}, not passed"):
        make((replace(passed(SUBJECT, at=AT), outcome=outcome),))


@pytest.mark.parametrize(
    "policies",
    [
        {},
        {"shop-release": "sha256:" + "00" * 32},
        {"shop-release": POLICY, "another": POLICY},
        {"another": POLICY},
    ],
)
def test_the_verdicts_are_exactly_those_of_the_profile(policies) -> None:
    """A policy without a verdict would be claimed to have passed; one more verdict would say nothing."""
    with pytest.raises(BadInput, match="the profile wants exactly"):
        make(policies=policies)


def test_two_verdicts_of_one_policy_are_refused() -> None:
    with pytest.raises(BadInput, match="the profile wants exactly"):
        make((passed(SUBJECT, name="v_1", at=AT), passed(SUBJECT, name="v_2", at=AT)))


def test_too_many_policies_for_one_statement() -> None:
    verdicts = tuple(passed(SUBJECT, name=f"v_{n}", at=AT, policy=f"policy-{n}-{'x' * 60}") for n in range(700))
    with pytest.raises(BadInput, match="fewer policies"):
        make(verdicts)


def test_small_things() -> None:
    assert profile_uri("default") == "urn:preverify:profile:default"
    assert rfc3339(datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-02T10:00:00Z"


def test_exceptions_are_stated_and_end_the_statement() -> None:
    """Whoever reads it has to see that something was let pass, and must not believe it for longer than that."""
    rule = passed(SUBJECT, at=AT).rules[0]
    one = replace(passed(SUBJECT, name="v_1", at=AT, policy="a"), rules=(replace(rule, excepted=("hotfix", "b")),))
    two = replace(passed(SUBJECT, name="v_2", at=AT, policy="b"), rules=(replace(rule, excepted=("a", "b")),))
    quiet = (replace(rule, counted=False, excepted=("audited",)), rule)
    built = make((one, two), ends=AT.replace(microsecond=0) + timedelta(hours=1))
    predicate = json.loads(built.payload)["predicate"]
    assert predicate["urn:preverify:exceptions"] == ["a", "b", "hotfix"]
    assert predicate["urn:preverify:validUntil"] == "2026-01-02T11:00:00Z"
    assert built.valid_until == datetime(2026, 1, 2, 11, tzinfo=UTC)
    later = make((one,), ends=AT + timedelta(days=30))
    assert later.valid_until == datetime(2026, 1, 9, 10, tzinfo=UTC)
    assert make((replace(passed(SUBJECT, at=AT), rules=quiet),)).payload == GOLDEN
    with pytest.raises(BadInput, match="would have ended"):
        make((one,), ends=AT)
