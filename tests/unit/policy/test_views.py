"""Whose evidence a rule sees: the index's, each child's, that of named platforms; and how that becomes one result."""

from dataclasses import replace
from datetime import timedelta

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Flaw, Gathered, Image, Unobtained
from preverify.model.findings import Finding, Signing, Step
from preverify.model.platforms import Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome, RuleResult, Verdict
from preverify.policy.decide import decide
from preverify.policy.policies import Policy, PolicySet
from support.policies import (
    NOW,
    REPOSITORY,
    SIGNED,
    attestation,
    broken,
    key,
    new_id,
    not_obtained,
    one_policy,
    policy_set,
    policy_text,
    signature,
)

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
AMD, ARM = Digest.of(b"amd64"), Digest.of(b"arm64")
BOTH = ("linux/amd64", "linux/arm64")
EACH = one_policy(SIGNED, platforms="each")
NAMED = one_policy(SIGNED, platforms="[linux/amd64]")


def child(digest: Digest, *, held: bool = True, **more: object) -> Gathered:
    subject = Subject(REPOSITORY, digest)
    image = Image(subject=subject, manifest=b"{}" if held else b"", media_type=MANIFEST if held else "")
    return Gathered(image=image, **more)


def index(
    *children: Gathered,
    names: tuple[Digest, ...] = (AMD, ARM),
    platforms: tuple[str, ...] = BOTH,
    unobtained: tuple[Unobtained, ...] = (),
) -> Gathered:
    image = Image(
        subject=Subject(REPOSITORY, Digest.of(b"index")),
        manifest=b"index",
        media_type=INDEX,
        children=names,
        platforms=platforms,
    )
    return Gathered(image=image, children=children or tuple(map(child, names)), unobtained=unobtained)


def alone(platform: str | None = None, **more: object) -> Gathered:
    return replace(child(AMD), platform=platform, **more)


def about(digest: Digest | None, finding: Finding | None = None, *, n: int = 0) -> Finding:
    return replace(finding or signature(n=n), about="" if digest is None else str(digest))


def conclude(policy: Policy, gathered: Gathered, *findings: Finding) -> Verdict:
    return decide(policy, gathered, findings, now=NOW, trust_epoch="keys-only", new_id=new_id)


def said(policy: Policy, gathered: Gathered, *findings: Finding) -> tuple[str, str]:
    (result,) = conclude(policy, gathered, *findings).rules
    return result.outcome.value, result.reason.value


OWN, ON_AMD, ON_ARM = about(None), about(AMD), about(ARM)


@pytest.mark.parametrize(
    ("platforms", "findings", "expected"),
    [
        ("index", (OWN,), ("passed", "ok")),
        ("index", (ON_AMD, ON_ARM), ("failed", "no-signature")),
        ("index", (), ("failed", "no-signature")),
        ("each", (OWN,), ("failed", "no-signature")),
        ("each", (OWN, ON_AMD), ("failed", "no-signature")),
        ("each", (ON_AMD, ON_ARM), ("passed", "ok")),
        ("[linux/amd64]", (OWN,), ("failed", "no-signature")),
        ("[linux/amd64]", (ON_AMD,), ("passed", "ok")),
        ("[linux/amd64]", (ON_ARM,), ("failed", "no-signature")),
        ("[linux/arm64]", (ON_AMD,), ("failed", "no-signature")),
        ("[linux/amd64, linux/arm64]", (ON_AMD,), ("failed", "no-signature")),
        ("[linux/amd64, linux/arm64]", (ON_AMD, ON_ARM), ("passed", "ok")),
        ("[linux/s390x]", (OWN, ON_AMD, ON_ARM), ("failed", "platform-missing")),
        ("[linux/amd64, linux/s390x]", (OWN, ON_AMD, ON_ARM), ("failed", "platform-missing")),
    ],
)
def test_each_digest_is_judged_by_its_own_evidence(
    platforms: str, findings: tuple[Finding, ...], expected: tuple[str, str]
) -> None:
    """Case 8: a signature of a child used for the index, of one platform for another, of the index for a child."""
    assert said(one_policy(SIGNED, platforms=platforms), index(), *findings) == expected


@pytest.mark.parametrize(
    ("platforms", "platform", "expected"),
    [
        ("index", None, ("passed", "ok")),
        ("each", None, ("passed", "ok")),
        ("[linux/amd64]", "linux/amd64", ("passed", "ok")),
        ("[linux/amd64]", "linux/arm64", ("failed", "platform-missing")),
        ("[linux/amd64]", "", ("failed", "platform-missing")),
        ("[linux/amd64, linux/arm64]", "linux/amd64", ("failed", "platform-missing")),
        ("[linux/amd64]", None, ("undecided", "registry-unavailable")),
    ],
)
def test_a_manifest_by_itself_is_its_own_only_platform(
    platforms: str, platform: str | None, expected: tuple[str, str]
) -> None:
    assert said(one_policy(SIGNED, platforms=platforms), alone(platform), OWN) == expected


def test_a_platform_that_could_not_be_read_is_undecided_with_the_cause() -> None:
    where = not_obtained(Reason.REGISTRY_REFUSED, what="configuration")
    assert said(NAMED, alone(None, unobtained=(where,)), OWN) == ("undecided", "registry-refused")


def test_an_index_without_anything_to_run_has_no_platform() -> None:
    empty = index(names=(), platforms=())
    assert said(EACH, empty, OWN) == ("failed", "platform-missing")
    assert said(NAMED, empty, OWN) == ("failed", "platform-missing")
    assert said(one_policy(SIGNED), empty, OWN) == ("passed", "ok")


def test_the_detail_names_the_platform_and_the_reason_is_the_childs() -> None:
    late = about(ARM, broken(Reason.SUBJECT_MISMATCH, Step.PAYLOAD, signer="release"))
    (result,) = conclude(EACH, index(), about(AMD, n=1), late).rules
    assert (result.reason, result.detail) == (Reason.SUBJECT_MISMATCH, "linux/arm64: broken")
    assert result.evidence == (signature(n=1).evidence, late.evidence)
    (result,) = conclude(EACH, index()).rules
    assert result.detail == "linux/amd64 (and 1 more of 2): no signature was found"


def test_a_pass_names_all_platforms_and_rests_on_the_evidence_of_all() -> None:
    (result,) = conclude(EACH, index(), about(AMD, n=1), about(ARM, n=2)).rules
    assert result.detail == "signature by release, for linux/amd64, linux/arm64"
    assert result.evidence == (signature(n=1).evidence, signature(n=2).evidence)
    (result,) = conclude(EACH, index(), about(AMD, n=1), about(ARM, n=1)).rules
    assert result.evidence == (signature(n=1).evidence,)


def test_a_child_that_could_not_be_read_is_undecided_unless_another_failed() -> None:
    there, away = child(AMD), child(ARM, held=False, unobtained=(not_obtained(retry_after=timedelta(minutes=10)),))
    verdict = conclude(EACH, index(there, away), ON_AMD)
    assert (verdict.outcome, verdict.rules[0].reason) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)
    assert verdict.rules[0].detail == "linux/arm64: sig-tag: status 503"
    assert verdict.due_at == NOW + timedelta(minutes=10)
    assert said(EACH, index(there, away)) == ("failed", "no-signature")
    assert said(EACH, index(there, child(ARM, held=False)), ON_AMD) == ("undecided", "registry-unavailable")
    beside = child(ARM, unobtained=(not_obtained(),))
    assert said(EACH, index(there, beside), ON_AMD) == ("undecided", "registry-unavailable")
    assert said(EACH, index(there, beside), ON_AMD, ON_ARM) == ("passed", "ok")


def test_what_could_not_be_had_of_the_index_is_nothing_to_its_children() -> None:
    assert said(EACH, index(unobtained=(not_obtained(),)), ON_AMD, ON_ARM) == ("passed", "ok")
    assert said(one_policy(SIGNED), index(unobtained=(not_obtained(),))) == ("undecided", "registry-unavailable")


def test_a_void_child_fails_with_its_own_reason() -> None:
    void = child(ARM, held=False, flaw=Flaw(reason=Reason.CONTENT_MISMATCH, detail="is an index inside of an index"))
    (result,) = conclude(EACH, index(child(AMD), void), ON_AMD, ON_ARM).rules
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.CONTENT_MISMATCH)
    assert result.detail == "linux/arm64: is an index inside of an index"
    assert said(NAMED, index(child(AMD), void), ON_AMD) == ("passed", "ok"), "another platform is not asked about"


def test_a_child_that_nobody_looked_at_is_undecided() -> None:
    """As after an edit of policies, until it is looked at."""
    assert said(EACH, index(child(AMD)), ON_AMD, ON_ARM) == ("undecided", "registry-unavailable")
    assert said(NAMED, index(child(AMD)), ON_AMD) == ("passed", "ok")
    older = index(platforms=())
    assert said(EACH, older, ON_AMD, ON_ARM) == ("undecided", "registry-unavailable")
    assert said(NAMED, older, ON_AMD, ON_ARM) == ("undecided", "registry-unavailable")


def test_too_much_beside_one_child_is_that_childs_reason() -> None:
    flooded = index(child(AMD), child(ARM, truncated=True))
    assert said(EACH, flooded, ON_AMD) == ("failed", "too-much-evidence")
    assert said(EACH, flooded, ON_AMD, ON_ARM) == ("passed", "ok")


def test_a_child_without_a_platform_has_to_satisfy_whatever_is_named() -> None:
    some = index(platforms=("linux/amd64", ""))
    (result,) = conclude(NAMED, some, ON_AMD).rules
    assert (result.outcome, result.detail) == (Outcome.FAILED, f"{str(ARM)[:19]}: no signature was found")
    assert said(NAMED, some, ON_AMD, ON_ARM) == ("passed", "ok")
    (result,) = conclude(NAMED, index(platforms=("", "")), ON_AMD, ON_ARM).rules
    assert result.detail == "linux/amd64 is not there, only no manifest that says its platform"


def test_another_spelling_and_other_variants_do_not_hide_a_child() -> None:
    some = index(platforms=("linux/amd64", "linux/amd64/v3"))
    assert said(NAMED, some, ON_AMD) == ("failed", "no-signature")
    assert said(NAMED, some, ON_AMD, ON_ARM) == ("passed", "ok")


def test_one_child_for_two_platforms_is_judged_once() -> None:
    twice = index(child(AMD), names=(AMD, AMD))
    (result,) = conclude(EACH, twice, ON_AMD).rules
    assert result.detail == "signature by release, for linux/amd64+linux/arm64"
    assert said(one_policy(SIGNED, platforms="[linux/arm64]"), twice, ON_AMD) == ("passed", "ok")


def test_times_and_doubts_of_all_children_count() -> None:
    soon, late = NOW + timedelta(hours=1), NOW + timedelta(hours=2)

    def signed(digest: Digest, **more: object) -> Finding:
        return about(digest, replace(signature(), signing=Signing(anchor=key("release").id, **more)))

    verdict = conclude(EACH, index(), signed(AMD, until=late), signed(ARM, until=soon))
    assert (verdict.outcome, verdict.valid_until) == (Outcome.PASSED, soon)
    assert not verdict.degraded
    verdict = conclude(EACH, index(), signed(AMD), signed(ARM, degraded=("expiry: over",)))
    assert verdict.degraded


CHAINGUARD = (
    "[{name: signed, platforms: index, signature: {by: {any: [release]}}},"
    " {name: provenance, attestation: {type: slsa-provenance, by: {any: [release]}}}]"
)


def test_a_rule_may_be_about_other_manifests_than_its_policy() -> None:
    """As images are often published: the index signed, its children attested."""
    policy = one_policy(CHAINGUARD, platforms="each")
    facts = [about(None), about(AMD, attestation()), about(ARM, attestation())]
    assert conclude(policy, index(), *facts).outcome is Outcome.PASSED
    assert [r.rule for r in conclude(policy, index(), *facts[1:]).reasons] == ["signed"]
    assert [r.rule for r in conclude(policy, index(), *facts[:2]).reasons] == ["provenance"]
    swapped = [about(AMD), about(ARM), about(None, attestation())]
    assert {r.rule for r in conclude(policy, index(), *swapped).reasons} == {"signed", "provenance"}


def test_what_is_written_is_in_the_digest_and_comes_back() -> None:
    policies = policy_set(
        policy_text(CHAINGUARD, name="a", platforms="each"),
        policy_text(SIGNED, name="b", platforms="[linux/arm64, linux/amd64]"),
        policy_text(SIGNED.replace("name: signed,", "name: signed, platforms: index,"), name="c"),
        policy_text(SIGNED, name="d"),
    )
    a, b, c, d = policies.policies
    assert PolicySet.from_document(policies.document) == policies
    assert a.own_platforms == (("signed", Platforms()),)
    assert (a.gathers, b.gathers, c.gathers) == (
        Platforms.of("each"),
        Platforms.of(["linux/amd64", "linux/arm64"]),
        Platforms(),
    )
    assert c.own_platforms == (), "what a rule says and the policy says too is no difference"
    assert b"platforms" in policies.document
    forms = {p.name: p.canonical() for p in policies.policies}
    assert forms["c"]["require"] == forms["d"]["require"]
    assert len({a.digest, b.digest, c.digest, d.digest, EACH.digest, NAMED.digest}) == 6
    assert policies.gathers(REPOSITORY) == Platforms(each=True, names=("linux/amd64", "linux/arm64"))
    assert policies.gathers(Repository("elsewhere.example", "x")) == Platforms()


def test_an_index_speaks_for_children_that_its_rules_looked_at() -> None:
    audit = SIGNED[:-1] + ", {name: a, mode: audit, platforms: [linux/arm64], signature: {by: {any: [release]}}}]"
    for policy, expected in (
        (one_policy(SIGNED), [True, True, True]),
        (EACH, [True, True, True]),
        (NAMED, [True, False, True]),
        (one_policy(audit), [True, True, True]),
    ):
        seen = [policy.vouches_for(p) for p in (["linux/amd64"], ["linux/arm64"], ["linux/arm64", "linux/amd64/v2"])]
        assert seen == expected
        assert not policy.vouches_for([])


@pytest.mark.parametrize(
    ("spec", "rule"), [("any", ""), ("null", ""), ("7", ""), ("[7]", ""), ("[linux]", ""), ("[]", ""), ("index", "any")]
)
def test_what_is_unclear_does_not_load(spec: str, rule: str) -> None:
    require = SIGNED.replace("name: signed,", f"name: signed, platforms: {rule},") if rule else SIGNED
    with pytest.raises(BadConfiguration, match=r"platform|none of: index"):
        one_policy(require, platforms=spec)


def test_the_order_of_reasons_is_that_of_the_evidence_that_got_furthest_on_any_platform() -> None:
    late = about(ARM, broken(Reason.SUBJECT_MISMATCH, Step.SUBJECT, signer="release", n=1))
    policy = one_policy(
        "[{name: own, platforms: index, signature: {by: {any: [release]}}},"
        " {name: signed, signature: {by: {any: [release]}}}]",
        platforms="each",
    )
    verdict = conclude(policy, index(), ON_AMD, late)
    assert [r.rule for r in verdict.rules] == ["signed", "own"]
    assert all(isinstance(r, RuleResult) for r in verdict.rules)
