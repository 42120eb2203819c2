"""Answers: states, modes, order, grace, and that nothing but current verdicts counts."""

import dataclasses
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.findings import Finding
from preverify.model.reference import Repository
from preverify.model.verdicts import Answer, AnswerState, Mode, Outcome, PolicyAnswer
from preverify.policy.answers import compose, part_of, policy_answer, worst
from preverify.policy.decide import decide
from preverify.policy.policies import PolicySet
from support.policies import (
    ATTESTED,
    NOW,
    REPOSITORY,
    SIGNED,
    SUBJECT,
    gathered,
    new_id,
    policy_set,
    policy_text,
    signature,
)

HOUR = timedelta(hours=1)
ORDER = [AnswerState.DENIED, AnswerState.UNKNOWN, AnswerState.EXPIRED, AnswerState.VERIFIED]
STATE_OF = {
    "passed": AnswerState.VERIFIED,
    "failed": AnswerState.DENIED,
    "undecided": AnswerState.UNKNOWN,
    "unknown": AnswerState.UNKNOWN,
    "expired": AnswerState.EXPIRED,
}


def modes(*words: str) -> PolicySet:
    return policy_set(*(policy_text(SIGNED, name=f"p{i}", mode=word) for i, word in enumerate(words)))


def part(policies: PolicySet, name: str, verdict: str, *, until: datetime | None = None) -> PolicyAnswer:
    policy = policies.named(name)
    assert policy is not None
    valid_until = until or (NOW - HOUR if verdict == "expired" else NOW + HOUR)
    return PolicyAnswer(
        policy=name,
        policy_digest=policy.digest,
        mode=policy.mode,
        verdict="passed" if verdict == "expired" else verdict,
        verdict_id=f"v_{name}",
        decided_at=NOW - 2 * HOUR,
        valid_until=valid_until if verdict in ("passed", "expired") else None,
        reasons=(("signed", "ok", "signature by release"),)
        if verdict in ("passed", "expired")
        else (("signed", "wrong-key", "signed by a stranger"),),
    )


def ask(policies: PolicySet, verdicts: dict[str, str], **options: object) -> Answer:
    parts = {name: part(policies, name, verdict) for name, verdict in verdicts.items() if verdict != "unknown"}
    return compose_with(policies, parts, **options)


def compose_with(policies: PolicySet, parts: dict[str, PolicyAnswer], **options: object) -> Answer:
    given_options: dict[str, object] = {
        "image": "registry.example/shop/api",
        "generation": 17,
        "namespaces": None,
        "now": NOW,
        **options,
    }
    return compose(policies, REPOSITORY, SUBJECT.digest, parts, **given_options)


@pytest.mark.parametrize(("verdict", "state"), list(STATE_OF.items()))
def test_one_enforcing_policy_is_the_answer(verdict: str, state: AnswerState) -> None:
    answer = ask(modes("enforce"), {"p0": verdict})
    assert (answer.state, answer.admit, answer.enforced) == (state, state is AnswerState.VERIFIED, True)
    assert (answer.generation, answer.image, answer.digest) == (17, "registry.example/shop/api", str(SUBJECT.digest))
    assert [p.verdict for p in answer.policies] == [verdict]
    assert answer.warnings == ()


@pytest.mark.parametrize(("one", "other"), list(product(STATE_OF, repeat=2)))
def test_the_worst_enforcing_policy_decides(one: str, other: str) -> None:
    answer = ask(modes("enforce", "enforce"), {"p0": one, "p1": other})
    assert answer.state is min((STATE_OF[one], STATE_OF[other]), key=ORDER.index)


@pytest.mark.parametrize(("mode", "verdict"), list(product(["warn", "audit"], STATE_OF)))
def test_other_modes_never_change_an_enforced_answer(mode: str, verdict: str) -> None:
    answer = ask(modes("enforce", mode), {"p0": "passed", "p1": verdict})
    assert (answer.state, answer.admit, answer.enforced) == (AnswerState.VERIFIED, True, True)
    denied = ask(modes("enforce", mode), {"p0": "failed", "p1": verdict})
    assert (denied.state, denied.admit) == (AnswerState.DENIED, False)
    assert bool(answer.warnings) == (mode == "warn" and verdict != "passed")


@pytest.mark.parametrize(("mode", "verdict"), list(product(["warn", "audit"], STATE_OF)))
def test_without_an_enforcing_policy_the_answer_is_what_it_would_be_and_admits(mode: str, verdict: str) -> None:
    answer = ask(modes(mode), {"p0": verdict})
    assert (answer.state, answer.admit, answer.enforced) == (STATE_OF[verdict], True, False)
    assert bool(answer.warnings) == (verdict != "passed")


def test_a_warning_says_which_policy_and_why() -> None:
    (warning,) = ask(modes("warn"), {"p0": "failed"}).warnings
    assert warning == "policy p0 (warn): wrong-key: p0: signed by a stranger"


@pytest.mark.parametrize(
    ("verdict", "reason", "detail"),
    [
        ("passed", "ok", "p0: signature by release"),
        ("failed", "wrong-key", "p0: signed by a stranger"),
        ("undecided", "wrong-key", "p0: signed by a stranger"),
        ("unknown", "", "p0: not verified yet"),
        ("expired", "", "p0: passed, valid until 2026-01-02T09:00:00+00:00"),
    ],
)
def test_the_reason_is_the_first_of_the_deciding_policy(verdict: str, reason: str, detail: str) -> None:
    answer = ask(modes("enforce"), {"p0": verdict})
    assert (answer.reason, answer.detail) == (reason, detail)


def test_verdicts_without_reasons_are_answered_all_the_same() -> None:
    policies = modes("enforce")
    for verdict, expected in (("passed", ("ok", "")), ("failed", ("", "p0: failed"))):
        bare = dataclasses.replace(part(policies, "p0", verdict), reasons=())
        answer = compose_with(policies, {"p0": bare})
        assert (answer.reason, answer.detail) == expected


def test_a_verdict_under_another_policy_digest_counts_as_none() -> None:
    policies = modes("enforce")
    old = dataclasses.replace(part(policies, "p0", "passed"), policy_digest="sha256:" + "0" * 64)
    answer = compose_with(policies, {"p0": old})
    assert (answer.state, answer.policies[0].verdict, answer.policies[0].verdict_id) == (
        AnswerState.UNKNOWN,
        "unknown",
        "",
    )


def test_a_stored_mode_never_overrules_the_policys() -> None:
    policies = modes("enforce")
    stored = dataclasses.replace(part(policies, "p0", "failed"), mode=Mode.AUDIT, policy="renamed")
    answer = compose_with(policies, {"p0": stored})
    assert (answer.admit, answer.policies[0].mode, answer.policies[0].policy) == (False, Mode.ENFORCE, "p0")


def test_a_passed_verdict_holds_up_to_its_time_and_no_longer() -> None:
    policies = modes("enforce")
    until = part(policies, "p0", "passed", until=NOW)
    assert compose_with(policies, {"p0": until}, now=NOW - timedelta(microseconds=1)).state is AnswerState.VERIFIED
    assert compose_with(policies, {"p0": until}, now=NOW).state is AnswerState.EXPIRED
    timeless = dataclasses.replace(until, valid_until=None)
    answer = compose_with(policies, {"p0": timeless}, expired_grace=timedelta(days=365))
    assert (answer.state, answer.admit) == (AnswerState.EXPIRED, False)
    assert answer.detail == "p0: passed, valid until an unknown time"


def test_valid_until_is_the_earliest_of_what_the_answer_rests_on() -> None:
    policies = modes("enforce", "enforce", "warn")
    parts = {f"p{i}": part(policies, f"p{i}", "passed", until=NOW + (3 - i) * HOUR) for i in range(3)}
    assert compose_with(policies, parts).valid_until == NOW + 2 * HOUR
    assert ask(policies, {"p0": "failed", "p1": "passed"}).valid_until is None


def test_an_expired_verdict_admits_within_a_configured_grace_only() -> None:
    policies = modes("enforce", "enforce")
    verdicts = {"p0": "passed", "p1": "expired"}
    assert not ask(policies, verdicts).admit
    within = ask(policies, verdicts, expired_grace=timedelta(minutes=61))
    assert (within.state, within.admit) == (AnswerState.EXPIRED, True)
    assert within.warnings == ("verdict expired, admitted within the configured grace",)
    assert not ask(policies, verdicts, expired_grace=HOUR).admit
    assert not ask(policies, {"p0": "unknown", "p1": "expired"}, expired_grace=timedelta(days=1)).admit
    assert not ask(policies, {"p0": "failed", "p1": "expired"}, expired_grace=timedelta(days=1)).admit


def test_images_without_policy_are_denied_unless_configured_and_always_say_so() -> None:
    policies = modes("enforce")
    other = Repository("registry.example", "other/api")

    def answer(no_policy: str) -> Answer:
        return compose(
            policies,
            other,
            SUBJECT.digest,
            {"p0": part(policies, "p0", "passed")},
            image=str(other),
            generation=1,
            namespaces="prod",
            now=NOW,
            no_policy=no_policy,
            stale_since=NOW,
        )

    denied, allowed = answer("deny"), answer("allow")
    assert (denied.state, denied.admit, denied.enforced, denied.reason) == (
        AnswerState.DENIED,
        False,
        True,
        "no-policy",
    )
    assert (allowed.state, allowed.admit, allowed.enforced, allowed.reason) == (
        AnswerState.DENIED,
        True,
        False,
        "no-policy",
    )
    assert denied.detail == "no policy matches registry.example/other/api"
    assert allowed.warnings == (f"{denied.detail}; admitted by configuration",)
    assert denied.stale_since == NOW


def test_namespace_bound_policies_count_only_in_their_namespaces() -> None:
    policies = policy_set(policy_text(SIGNED, name="p0"), policy_text(ATTESTED, name="p1", namespaces="['prod-*']"))
    verdicts = {"p0": "passed", "p1": "failed"}
    assert ask(policies, verdicts).state is AnswerState.VERIFIED
    assert ask(policies, verdicts, namespaces="dev").state is AnswerState.VERIFIED
    assert ask(policies, verdicts, namespaces="prod-eu").state is AnswerState.DENIED
    only_bound = policy_set(policy_text(SIGNED, name="p0", namespaces="[prod]"))
    assert ask(only_bound, {"p0": "passed"}).reason == "no-policy"


def test_a_silent_feed_is_shown_and_believed_only_so_long() -> None:
    policies = modes("enforce")
    stale = ask(policies, {"p0": "passed"}, stale_since=NOW - HOUR)
    assert (stale.state, stale.stale_since) == (AnswerState.VERIFIED, NOW - HOUR)
    assert ask(policies, {"p0": "passed"}, stale_since=NOW - HOUR, max_stale=HOUR).state is AnswerState.VERIFIED
    late = ask(policies, {"p0": "passed"}, stale_since=NOW - HOUR, max_stale=timedelta(minutes=59))
    assert (late.state, late.admit, late.valid_until) == (AnswerState.UNKNOWN, False, None)
    assert "heard nothing since 2026-01-02T09:00:00+00:00" in late.detail
    denied = ask(policies, {"p0": "failed"}, stale_since=NOW - HOUR, max_stale=timedelta(0))
    assert (denied.state, denied.reason) == (AnswerState.DENIED, "wrong-key")
    grace = {"expired_grace": timedelta(days=1), "stale_since": NOW - HOUR, "max_stale": timedelta(0)}
    assert not ask(policies, {"p0": "expired"}, **grace).admit


@given(
    verdicts=st.lists(
        st.tuples(st.sampled_from(["enforce", "warn", "audit"]), st.sampled_from(sorted(STATE_OF))), max_size=4
    )
)
def test_verified_means_that_every_enforcing_policy_passed(verdicts: list[tuple[str, str]]) -> None:
    answer = ask(modes(*(mode for mode, _ in verdicts)), {f"p{i}": v for i, (_, v) in enumerate(verdicts)})
    enforcing = [v for mode, v in verdicts if mode == "enforce"]
    if enforcing:
        assert (answer.state is AnswerState.VERIFIED) == all(v == "passed" for v in enforcing)
        assert answer.admit == (answer.state is AnswerState.VERIFIED)
    elif verdicts:
        assert (answer.admit, answer.enforced) == (True, False)
    else:
        assert (answer.state, answer.admit) == (AnswerState.DENIED, False)


def test_a_real_verdict_becomes_a_part_with_the_mode_of_its_policy() -> None:
    policies = modes("warn")
    (policy,) = policies.policies

    def verdict(*findings: Finding) -> PolicyAnswer:
        decided = decide(policy, gathered(), findings, now=NOW, trust_epoch="", new_id=new_id)
        assert policy_answer(policy_set(), decided) == part_of(decided, Mode.ENFORCE)
        return policy_answer(policies, decided)

    passed, failed = verdict(signature()), verdict()
    assert (passed.mode, passed.verdict, passed.valid_until) == (Mode.WARN, Outcome.PASSED.value, NOW + 24 * HOUR)
    assert failed.reasons == (("signed", "no-signature", "no signature was found"),)
    assert (failed.policy_digest, failed.verdict_id, failed.decided_at) == (policy.digest, "v_1", NOW)


def test_without_image_the_worst_repository_decides() -> None:
    policies = modes("enforce")
    verified, denied = ask(policies, {"p0": "passed"}), ask(policies, {"p0": "failed"})
    expired, unknown = ask(policies, {"p0": "expired"}), ask(policies, {"p0": "unknown"})
    assert worst((verified, verified), considered=2).state is AnswerState.VERIFIED
    for answers, state in [
        ((verified, denied, unknown, expired), AnswerState.DENIED),
        ((verified, unknown, expired), AnswerState.UNKNOWN),
        ((verified, expired), AnswerState.EXPIRED),
    ]:
        combined = worst(answers, considered=len(answers))
        assert (combined.state, combined.admit, combined.considered) == (state, False, len(answers))


def test_without_image_every_repository_has_to_admit() -> None:
    admitted_anyway, refused = ask(modes("warn"), {"p0": "failed"}), ask(modes("enforce"), {"p0": "unknown"})
    combined = worst((admitted_anyway, refused), considered=2)
    assert (combined.state, combined.admit, combined.enforced) == (AnswerState.DENIED, False, True)
    assert combined.warnings == admitted_anyway.warnings


def test_without_image_the_earliest_end_of_validity_counts() -> None:
    policies = modes("enforce")
    answers = [compose_with(policies, {"p0": part(policies, "p0", "passed", until=NOW + n * HOUR)}) for n in (3, 1, 2)]
    assert worst(answers, considered=3).valid_until == NOW + HOUR
    assert worst([*answers, ask(policies, {"p0": "failed"})], considered=4).valid_until is None


def test_a_digest_that_no_repository_holds_is_unknown() -> None:
    answer = worst((), considered=0, digest="sha256:x", generation=3)
    assert (answer.state, answer.admit, answer.considered) == (AnswerState.UNKNOWN, False, 0)
    assert (answer.digest, answer.generation) == ("sha256:x", 3)
