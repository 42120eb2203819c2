"""How a look is settled against what stands: renewals, outages, publication and withdrawal. Values only."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from preverify import pipeline
from preverify.model.evidence import Gathered, Image
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.trust import KEYS_ONLY, Trust
from preverify.model.verdicts import Outcome, RuleResult, Verdict
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.ports import Layout, Recording, StoredStatement
from support.values import digest_of_number

NOW = datetime(2026, 1, 2, 10, tzinfo=UTC)
SUBJECT = Subject(Repository("registry.example", "shop/api"), digest_of_number(1))
DAY = timedelta(days=1)
POLICY = b"""
apiVersion: preverify/v1
kind: Signers
metadata: {name: shop}
spec: {release: {key: {file: key.pub}, tlog: none}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: signed}
spec:
  images: ["registry.example/shop/**"]
  require: [{name: signed, signature: {by: {any: [release]}}}]
"""


class FixedClock:
    """Time stands still; ids count up."""

    count = 0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def new_id(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count}"


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    from support.daemon import new_key, public_pem

    pem = public_pem(new_key())
    return load([("policy.yaml", POLICY)], lambda _: pem)


def verdict(policies: PolicySet, outcome: Outcome, *, name: str = "v_1", valid: timedelta | None = DAY) -> Verdict:
    passed = outcome is Outcome.PASSED
    reason = {Outcome.PASSED: Reason.OK, Outcome.FAILED: Reason.NO_SIGNATURE}.get(outcome, Reason.REGISTRY_UNAVAILABLE)
    return Verdict(
        id=name,
        subject=SUBJECT,
        policy="signed",
        policy_digest=policies.policies[0].digest,
        trust_epoch=KEYS_ONLY,
        outcome=outcome,
        rules=(RuleResult(rule="signed", outcome=outcome, reason=reason, detail=""),),
        decided_at=NOW,
        valid_until=NOW + valid if passed and valid is not None else None,
        due_at=NOW + DAY / 2,
    )


def statement(*, valid: timedelta = 7 * DAY, state: str = "published") -> StoredStatement:
    return StoredStatement(
        id="s_1",
        source="shop",
        subject=SUBJECT,
        profile="default",
        set_id="sha256:1",
        verdicts=("v_1",),
        state=state,
        envelope=b"{}",
        key_id="key:1",
        layouts=(Layout.ATT,),
        manifests=(),
        attempts=0,
        valid_until=NOW + valid,
    )


def settle(
    policies: PolicySet,
    seen: Verdict,
    *,
    current: tuple[Verdict, ...] = (),
    live: tuple[StoredStatement, ...] = (),
    publishing: bool = True,
) -> Recording:
    image = Image(subject=SUBJECT, manifest=b"{}", media_type="application/vnd.oci.image.manifest.v1+json")
    look = pipeline.Look(gathered=Gathered(image=image), findings=(), verdicts=(seen,))
    return pipeline.settle(
        look,
        pipeline.Standing(current=current, live=live),
        policies,
        source="shop",
        cause="sweep",
        generation=1,
        clock=FixedClock(),
        publishing=publishing,
        renew_before=timedelta(days=3.5),
    )


def test_a_first_pass_is_recorded_and_published(policies: PolicySet) -> None:
    recording = settle(policies, verdict(policies, Outcome.PASSED))
    assert [v.id for v in recording.verdicts] == ["v_1"]
    assert recording.publish == ("v_1",)
    assert not recording.withdraw


def test_without_a_signing_key_nothing_is_published(policies: PolicySet) -> None:
    assert settle(policies, verdict(policies, Outcome.PASSED), publishing=False).publish is None


def test_the_same_conclusion_again_renews_in_place(policies: PolicySet) -> None:
    """History must not grow by a row for every sweep of every image."""
    prior = verdict(policies, Outcome.PASSED)
    again = replace(prior, id="v_2", valid_until=NOW + 2 * DAY)
    recording = settle(policies, again, current=(prior,), live=(statement(),))
    assert recording.verdicts == ()
    assert [(r.verdict_id, r.valid_until) for r in recording.renewals] == [("v_1", NOW + 2 * DAY)]
    assert recording.publish == ("v_1",)  # the set that stands: publishing it again changes nothing


def test_a_statement_that_ends_with_an_exception_is_not_issued_again_at_each_look() -> None:
    """It cannot hold for longer; each further one would cost requests and say the same."""
    text = f"""
---
apiVersion: preverify/v1
kind: Exception
metadata: {{name: hotfix}}
spec: {{policies: [signed], images: ["**"], owner: o, reason: r,
  notBefore: "{NOW.isoformat()}", expires: "{(NOW + DAY).isoformat()}"}}
"""
    from support.daemon import new_key, public_pem

    pem = public_pem(new_key())
    excepting = load([("policy.yaml", POLICY + text.encode())], lambda _: pem)
    prior = verdict(excepting, Outcome.PASSED)
    prior = replace(prior, rules=(replace(prior.rules[0], excepted=("hotfix",)),))
    ending = settle(excepting, replace(prior, id="v_2"), current=(prior,), live=(statement(valid=DAY),))
    assert (ending.verdicts, len(ending.renewals)) == ((), 1)
    sooner = settle(excepting, replace(prior, id="v_2"), current=(prior,), live=(statement(valid=DAY / 2),))
    assert [v.id for v in sooner.verdicts] == ["v_2"]


def test_other_ids_of_the_evidence_are_no_new_decision(policies: PolicySet) -> None:
    """Publishing into a `.att` with foreign layers changes their ids; it must not cause the next publication."""
    prior = verdict(policies, Outcome.PASSED)
    moved = replace(prior, id="v_2", rules=(replace(prior.rules[0], evidence=("sha256:other",)),))
    recording = settle(policies, moved, current=(prior,), live=(statement(),))
    assert (recording.verdicts, recording.publish) == ((), ("v_1",))
    other = replace(prior, id="v_2", rules=(replace(prior.rules[0], detail="signature by somebody else"),))
    assert settle(policies, other, current=(prior,), live=(statement(),)).verdicts == (other,)


def test_a_publication_at_half_its_life_is_a_new_decision(policies: PolicySet) -> None:
    """`timeVerified` must be the time of a decision, not of a copy."""
    prior = verdict(policies, Outcome.PASSED)
    again = replace(prior, id="v_2")
    recording = settle(policies, again, current=(prior,), live=(statement(valid=3 * DAY),))
    assert [v.id for v in recording.verdicts] == ["v_2"]
    assert recording.publish == ("v_2",)


def test_an_outage_does_not_take_a_pass_away(policies: PolicySet) -> None:
    prior = verdict(policies, Outcome.PASSED)
    recording = settle(
        policies, verdict(policies, Outcome.UNDECIDED, name="v_2"), current=(prior,), live=(statement(),)
    )
    assert recording.verdicts == ()
    assert recording.renewals == ()
    assert not recording.withdraw


def test_an_outage_does_not_stretch_a_pass(policies: PolicySet) -> None:
    """Once the verdict is over, undecided is what it is: never verified."""
    prior = verdict(policies, Outcome.PASSED, valid=timedelta(seconds=-1))
    recording = settle(
        policies, verdict(policies, Outcome.UNDECIDED, name="v_2"), current=(prior,), live=(statement(),)
    )
    assert [v.id for v in recording.verdicts] == ["v_2"]
    assert recording.publish is None
    assert not recording.withdraw


def test_a_failure_withdraws(policies: PolicySet) -> None:
    prior = verdict(policies, Outcome.PASSED)
    recording = settle(policies, verdict(policies, Outcome.FAILED, name="v_2"), current=(prior,), live=(statement(),))
    assert [v.id for v in recording.verdicts] == ["v_2"]
    assert recording.withdraw
    assert recording.publish is None


def test_a_failure_without_statements_has_nothing_to_withdraw(policies: PolicySet) -> None:
    assert not settle(policies, verdict(policies, Outcome.FAILED)).withdraw


def test_a_verdict_under_another_policy_digest_counts_for_nothing(policies: PolicySet) -> None:
    stranger = replace(verdict(policies, Outcome.PASSED), policy_digest="sha256:" + "0" * 64)
    recording = settle(policies, stranger)
    assert recording.publish is None


def test_an_image_that_no_policy_matches_any_more_loses_its_statement(policies: PolicySet) -> None:
    empty = PolicySet.of({}, {}, Trust())
    image = Image(subject=SUBJECT, manifest=b"{}", media_type="application/vnd.oci.image.manifest.v1+json")
    recording = pipeline.settle(
        pipeline.Look(gathered=Gathered(image=image), findings=(), verdicts=()),
        pipeline.Standing(current=(verdict(policies, Outcome.PASSED),), live=(statement(),)),
        empty,
        source="shop",
        cause="policy",
        generation=2,
        clock=FixedClock(),
        publishing=True,
        renew_before=timedelta(days=3.5),
    )
    assert recording.withdraw
