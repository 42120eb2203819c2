"""Exceptions: what they let pass, for how long, that everybody is told, and what they never touch."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Flaw, Gathered
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Mode, Outcome, RuleResult, Verdict
from preverify.policy.answers import compose, part_of
from preverify.policy.decide import decide
from preverify.policy.exceptions import PolicyException, excused
from preverify.policy.policies import PolicySet
from support.policies import (
    NOW,
    REPOSITORY,
    SIGNED,
    SUBJECT,
    attestation,
    gathered,
    new_id,
    not_obtained,
    policy_set,
    policy_text,
    signature,
)
from support.scans import found, scan

DAY = timedelta(days=1)
BOTH = (
    "[{name: signed, signature: {by: {any: [release]}}}, {name: built, attestation: {type: vuln, by: {any: [vendor]}}}]"
)


def exception_text(name: str = "hotfix", **spec: str) -> str:
    keys = {
        "policies": "[shop-release]",
        "images": '["registry.example/shop/**"]',
        "owner": "dana@acme.test",
        "reason": "rebuilding without network",
        "notBefore": '"2026-01-01T00:00:00Z"',
        "expires": '"2026-01-03T00:00:00Z"',
    } | spec
    lines = "\n".join(f"  {key}: {value}" for key, value in keys.items() if value)
    return f"apiVersion: preverify/v1\nkind: Exception\nmetadata: {{name: {name}}}\nspec:\n{lines}\n"


def policies(*exceptions: str, require: str = SIGNED, **spec: str) -> PolicySet:
    return policy_set(policy_text(require, **spec), *exceptions)


def decided(whole: PolicySet, *findings: Finding, now: datetime = NOW, seen: Gathered | None = None) -> Verdict:
    return decide(whole.policies[0], seen or gathered(), findings, now=now, trust_epoch="keys-only", new_id=new_id)


def only(verdict: Verdict) -> RuleResult:
    (result,) = verdict.rules
    return result


def test_a_rule_that_does_not_hold_passes_under_an_exception_that_says_who_and_until_when() -> None:
    verdict = decided(policies(exception_text(ticket="SEC-12")))
    result = only(verdict)
    assert (verdict.outcome, result.outcome, result.reason) == (Outcome.PASSED, Outcome.PASSED, Reason.OK)
    assert result.detail == (
        "exception hotfix by dana@acme.test (SEC-12) until 2026-01-03T00:00:00+00:00: "
        "no-signature: no signature was found"
    )
    assert result.excepted == verdict.excepted == ("hotfix",)
    assert result.evidence == ()
    assert verdict.valid_until == NOW + timedelta(hours=14)


def test_the_verdict_ends_with_the_exception() -> None:
    until = decided(policies(exception_text(expires='"2026-01-02T11:00:00Z"'))).valid_until
    assert until == NOW + timedelta(hours=1)


def test_what_holds_needs_no_exception() -> None:
    verdict = decided(policies(exception_text()), signature())
    assert verdict == replace(decided(policies(), signature()), policy_digest=verdict.policy_digest)
    assert verdict.excepted == ()


def test_what_could_not_be_obtained_is_never_excepted() -> None:
    verdict = decided(policies(exception_text()), seen=gathered(unobtained=(not_obtained(),)))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.rules == decided(policies(), seen=gathered(unobtained=(not_obtained(),))).rules


@pytest.mark.parametrize(
    ("spec", "covered"),
    [
        ({"rules": "[signed]"}, True),
        ({"rules": "[built]"}, False),
        ({"images": '["registry.example/shop/api"]'}, True),
        ({"images": '["registry.example/shop/ap"]'}, False),
        ({"images": '["mirror.example/shop/**", "registry.example/**"]'}, True),
        ({"images": "", "digests": f'["{SUBJECT.digest}"]'}, True),
        ({"images": "", "digests": f'["sha256:{"0" * 64}"]'}, False),
        ({"digests": f'["{SUBJECT.digest}"]', "images": '["registry.example/other"]'}, False),
        ({"digests": f'["sha256:{"0" * 64}"]'}, False),
    ],
)
def test_it_is_about_the_named_rules_and_images_only(spec: dict[str, str], covered: bool) -> None:
    result = decided(policies(exception_text(**spec), require=BOTH)).rules
    signed = next(each for each in result if each.rule == "signed")
    assert (signed.outcome is Outcome.PASSED) == covered


def test_only_named_policies_become_others() -> None:
    """A change of exceptions is a change of exactly the policies that it names."""
    texts = [policy_text(SIGNED), policy_text(SIGNED, name="other")]
    before, after = policy_set(*texts), policy_set(*texts, exception_text())
    assert [(p.name, p.digest == after.named(p.name).digest) for p in before.policies] == [  # type: ignore[union-attr]
        ("other", True),
        ("shop-release", False),
    ]
    longer = policy_set(*texts, exception_text(expires='"2026-01-04T00:00:00Z"'))
    assert len({each.named("shop-release").digest for each in (before, after, longer)}) == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("hours", "outcome", "reason"),
    [
        (-34.01, "failed", "no-signature"),
        (-34, "passed", "ok"),
        (13.99, "passed", "ok"),
        (14, "failed", "exception-expired"),
        (1000, "failed", "exception-expired"),
    ],
)
def test_it_counts_from_its_first_moment_to_its_last(hours: float, outcome: str, reason: str) -> None:
    whole = policies(exception_text())
    verdict = decided(whole, now=NOW + timedelta(hours=hours))
    assert (only(verdict).outcome.value, only(verdict).reason.value) == (outcome, reason)
    if reason == "exception-expired":
        assert only(verdict).detail == (
            "exception hotfix by dana@acme.test ended at 2026-01-03T00:00:00+00:00: "
            "no-signature: no signature was found"
        )


def test_what_fails_is_looked_at_again_when_an_exception_begins() -> None:
    whole = policies(exception_text(notBefore='"2026-01-02T10:05:00Z"'))
    assert decided(whole).due_at == NOW + timedelta(minutes=5)
    whole = policies(exception_text(notBefore='"2026-01-02T10:45:00Z"'))
    assert decided(whole).due_at == NOW + timedelta(minutes=15)  # failed ones are looked at that often anyway


def test_the_one_that_ends_last_counts() -> None:
    whole = policies(
        exception_text("a", expires='"2026-01-02T12:00:00Z"'),
        exception_text("b", expires='"2026-01-02T14:00:00Z"'),
        exception_text("c", expires='"2026-01-02T09:00:00Z"'),
    )
    verdict = decided(whole)
    assert (verdict.excepted, verdict.valid_until) == (("b",), NOW + timedelta(hours=4))


def test_an_audit_rule_is_excepted_and_does_not_count() -> None:
    audited = f"{SIGNED[:-1]}, {{name: more, mode: audit, signature: {{by: {{any: [vendor]}}}}}}]"
    verdict = decided(policies(exception_text(rules="[more]"), require=audited), signature())
    assert verdict.excepted == ()
    assert verdict.rules[1].excepted == ("hotfix",)


def test_bytes_that_are_others_are_no_matter_of_policy() -> None:
    child = Subject(REPOSITORY, Digest.of(b"child"))
    index = replace(
        gathered().image,
        media_type="application/vnd.oci.image.index.v1+json",
        children=(child.digest,),
        platforms=("linux/amd64",),
    )
    whole = policies(exception_text(), platforms="each")

    def seen(reason: Reason) -> Gathered:
        held = replace(gathered(), image=replace(index, subject=child), flaw=Flaw(reason=reason, detail="x"))
        return Gathered(image=index, children=(held,))

    assert only(decided(whole, seen=seen(Reason.DIGEST_MISMATCH))).reason is Reason.DIGEST_MISMATCH
    assert only(decided(whole, seen=seen(Reason.TOO_LARGE))).excepted == ("hotfix",)


@given(st.lists(st.sampled_from([signature(), signature("vendor"), attestation("vendor", "x")]), unique=True))
def test_an_exception_never_denies(findings: list[Finding]) -> None:
    without, under = decided(policies(require=BOTH), *findings), decided(WITH, *findings)
    assert under.outcome is Outcome.PASSED or without.outcome is not Outcome.PASSED


WITH = policies(exception_text(rules="[built]"), require=BOTH)


# --- vulnerabilities --------------------------------------------------------------------------------------------------


def excepting(name: str, *vulnerabilities: str, days: float = 1, since: float = -1) -> PolicyException:
    return PolicyException(
        name=name,
        rules=(),
        images=(),
        digests=(),
        vulnerabilities=vulnerabilities,
        owner="dana",
        reason="x",
        ticket="",
        not_before=NOW + since * DAY,
        expires=NOW + days * DAY,
    )


def scanned(found: set[str], exceptions: Sequence[PolicyException], *, until: datetime | None = None) -> RuleResult:
    """Return the result of a rule that denies every vulnerability found."""

    def check(excepted: frozenset[str]) -> RuleResult:
        left = sorted(found - excepted)
        return RuleResult(
            rule="no-critical",
            outcome=Outcome.FAILED if left else Outcome.PASSED,
            reason=Reason.VULNERABILITY_FOUND if left else Reason.OK,
            detail=", ".join(left) or "nothing found",
            evidence=("sha256:scan",),
            until=None if left else until,
        )

    return excused(check(frozenset()), exceptions, gathered(), now=NOW, again=check)


def test_named_vulnerabilities_are_passed_over_and_no_others() -> None:
    exception = excepting("lib", "CVE-2026-1")
    passed = scanned({"CVE-2026-1"}, [exception])
    assert (passed.outcome, passed.excepted) == (Outcome.PASSED, ("lib",))
    assert (passed.until, passed.evidence) == (NOW + DAY, ("sha256:scan",))
    assert passed.detail == (
        "exception lib by dana until 2026-01-03T10:00:00+00:00: vulnerability-found: CVE-2026-1; "
        "but for that: nothing found"
    )
    failed = scanned({"CVE-2026-1", "CVE-2026-2"}, [exception])
    assert (failed.outcome, failed.detail, failed.excepted) == (Outcome.FAILED, "CVE-2026-1, CVE-2026-2", ())


def test_several_exceptions_together_and_only_those_that_are_needed() -> None:
    one, two, both = (
        excepting("one", "CVE-1", days=1),
        excepting("two", "CVE-2", days=2),
        excepting("both", "CVE-1", "CVE-2", days=3),
    )
    assert scanned({"CVE-1", "CVE-2"}, [one, two]).excepted == ("one", "two")
    assert scanned({"CVE-1", "CVE-2"}, [one, two]).until == NOW + DAY
    assert scanned({"CVE-1", "CVE-2"}, [one, two, both]).excepted == ("both",)
    assert scanned({"CVE-2"}, [one, two]).excepted == ("two",)


def test_it_holds_no_longer_than_the_rule_does() -> None:
    assert scanned({"CVE-1"}, [excepting("a", "CVE-1")], until=NOW + timedelta(hours=1)).until == NOW + timedelta(
        hours=1
    )


def test_vulnerabilities_excepted_too_late_or_too_early() -> None:
    over = excepting("over", "CVE-1", days=-0.5)
    ended = scanned({"CVE-1"}, [over])
    assert (ended.reason, ended.outcome) == (Reason.EXCEPTION_EXPIRED, Outcome.FAILED)
    assert ended.detail.startswith("exception over by dana ended at ")
    assert scanned({"CVE-1", "CVE-2"}, [over]).reason is Reason.VULNERABILITY_FOUND  # it would not have been enough
    assert scanned({"CVE-1", "CVE-2"}, [over, excepting("b", "CVE-2")]).reason is Reason.EXCEPTION_EXPIRED
    soon = scanned({"CVE-1"}, [excepting("soon", "CVE-1", since=0.5)])
    assert (soon.outcome, soon.until) == (Outcome.FAILED, NOW + 0.5 * DAY)


def test_the_narrow_exception_is_used_before_the_wide_one() -> None:
    wide = excepting("wide", days=9)
    assert scanned({"CVE-1"}, [wide, excepting("narrow", "CVE-1")]).excepted == ("narrow",)
    assert scanned({"CVE-1", "CVE-2"}, [wide, excepting("narrow", "CVE-1")]).excepted == ("wide",)


def test_long_details_are_cut() -> None:
    passed = scanned({f"CVE-2026-{n}" for n in range(100)}, [excepting("wide")])
    assert len(passed.detail) == 500
    assert passed.detail.endswith("…")


def test_the_rule_about_vulnerabilities_passes_over_what_is_excepted() -> None:
    require = "[{name: no-critical, vulnerabilities: {scans: {by: {any: [release]}}, maxSeverity: high}}]"
    whole = policies(exception_text(vulnerabilities="[CVE-2026-1]"), require=require)

    def decided_on(*names: str) -> Verdict:
        finding, content = scan(*(found(name) for name in names))
        return decide(
            whole.policies[0],
            gathered(),
            (finding,),
            now=NOW,
            trust_epoch="keys-only",
            new_id=new_id,
            contents={finding.statement: content},
        )

    passed = decided_on("CVE-2026-1")
    assert (passed.outcome, passed.excepted) == (Outcome.PASSED, ("hotfix",))
    assert passed.rules[0].evidence != ()
    assert whole.policies[0].exceptions_ending(passed.excepted) == (datetime(2026, 1, 3, tzinfo=UTC),)
    assert whole.policies[0].exceptions_ending(()) == ()
    assert only(decided_on("CVE-2026-1", "CVE-2026-2")).reason is Reason.VULNERABILITY_FOUND


# --- answers ----------------------------------------------------------------------------------------------------------


def warnings(whole: PolicySet, *findings: Finding) -> tuple[str, ...]:
    verdict = decided(whole, *findings)
    (policy,) = whole.policies
    answer = compose(
        whole,
        REPOSITORY,
        SUBJECT.digest,
        {policy.name: part_of(verdict, policy.mode)},
        image="",
        generation=1,
        namespaces=None,
        now=NOW,
    )
    return answer.warnings


def test_whoever_asks_is_told() -> None:
    (warning,) = warnings(policies(exception_text()))
    assert warning.startswith("policy shop-release, rule signed: exception hotfix by dana@acme.test until ")
    assert warnings(policies(exception_text()), signature()) == ()


def test_rules_in_warn_mode_that_do_not_hold_are_told_those_in_audit_are_not() -> None:
    def with_mode(mode: Mode) -> str:
        return f"{SIGNED[:-1]}, {{name: more, mode: {mode.value}, signature: {{by: {{any: [vendor]}}}}}}]"

    (warning,) = warnings(policies(require=with_mode(Mode.WARN)), signature())
    assert warning.startswith("policy shop-release, rule more (warn): wrong-key: signed by ")
    assert warnings(policies(require=with_mode(Mode.WARN)), signature(), signature("vendor")) == ()
    assert warnings(policies(require=with_mode(Mode.AUDIT)), signature()) == ()


# --- documents --------------------------------------------------------------------------------------------------------


def test_the_canonical_form_is_the_same_set_again() -> None:
    whole = policies(
        exception_text("one", ticket="SEC-1", rules="[signed]"),
        exception_text("two", images="", digests=f"['{SUBJECT.digest}']", vulnerabilities="[CVE-2026-1, GHSA-x-1]"),
    )
    assert [each.name for each in whole.policies[0].exceptions] == ["one", "two"]
    again = PolicySet.from_document(whole.document)
    assert again == whole
    assert again.policies[0].exceptions == whole.policies[0].exceptions


def test_order_means_nothing() -> None:
    texts = exception_text("one", rules="[signed, built]"), exception_text("two")
    turned = exception_text("two"), exception_text("one", rules="[built, signed, built]")
    assert policies(*texts, require=BOTH).digest == policies(*turned, require=BOTH).digest


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"policies": "[shop-releas]"}, "spec.policies[0]: there is no policy 'shop-releas', did you mean"),
        ({"policies": "[zzz]"}, "there is no policy 'zzz', known: shop-release"),
        ({"policies": "[]"}, "spec.policies"),
        ({"rules": "[sined]"}, "spec.rules[0]: there is no rule 'sined', did you mean 'signed'?; of these policies"),
        ({"images": ""}, "excepts no image, expected 'images' or 'digests'"),
        ({"images": "[nginx]"}, "spec.images[0]"),
        ({"digests": "[x]"}, "spec.digests[0]"),
        ({"vulnerabilities": "['CVE *']"}, "spec.vulnerabilities[0]"),
        ({"owner": ""}, "spec.owner: is required and missing"),
        ({"reason": '"a\\nb"'}, "spec.reason"),
        ({"expires": ""}, "spec.expires: is required and missing"),
        ({"notBefore": ""}, "spec.notBefore: is required and missing"),
        ({"expires": "2026-01-03"}, "is no moment"),
        ({"expires": '"2026-01-01T00:00:00Z"'}, "'expires' is not within 90 days after 'notBefore'"),
        ({"expires": '"2026-04-01T00:00:01Z"'}, "'expires' is not within 90 days after 'notBefore'"),
        ({"expires": '"2026-01-03T00:00:00.5Z"'}, "whole seconds"),
        ({"forever": "true"}, "unknown key 'forever'"),
    ],
)
def test_an_exception_with_a_mistake_is_refused(spec: dict[str, str], expected: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        policies(exception_text(**spec))
    assert expected in str(refused.value)
    assert "policy-1.yaml:" in str(refused.value)


def test_ninety_days_are_the_most() -> None:
    assert policies(exception_text(expires='"2026-04-01T00:00:00Z"')).policies[0].exceptions


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(BadConfiguration, match="there is another exception named 'hotfix'"):
        policies(exception_text(), exception_text())


def test_their_number_is_bounded() -> None:
    many = "---\n".join(exception_text(f"e{n}") for n in range(1001))
    with pytest.raises(BadConfiguration, match="1001 exceptions, at most 1000"):
        policies(many)


def test_another_repository_of_the_same_digest_is_another_image() -> None:
    exception = policies(exception_text()).policies[0].exceptions[0]
    assert exception.covers("signed", SUBJECT)
    assert not exception.covers("signed", Subject(Repository("registry.example", "mirror/api"), SUBJECT.digest))
