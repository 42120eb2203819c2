"""Policies whose signers are identities in certificates and Notation trust policies: compiled, stored, concluded."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from preverify.model.anchors import Action, KeyAnchor, KeylessAnchor, Log, NotationAnchor, Stamps
from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration
from preverify.model.findings import Claim, Finding, Signing, Step, TrustedTime
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.trust import KEYS_ONLY
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.documents import load
from preverify.policy.lint import lint
from preverify.policy.policies import PolicySet
from preverify.policy.quorum import Quorum
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.signature import SignedBy
from support import signed
from support.policies import NOW, pem, policy_text

DAY = timedelta(days=1)
WORKFLOW = "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/main"
SUBJECT = Subject(Repository("registry.example", "shop/api"), Digest.of(b"image"))
SIGNED = "[{name: signed, signature: {by: {any: [%s]}}}]"
TRUST = """
apiVersion: preverify/v1
kind: Trust
metadata: {name: shop}
spec:
  roots:
    stack: {file: trusted_root.json}
    own: {authorities: [{files: [ca-root.pem, ca-intermediate.pem]}]}
  stores:
    "ca:vendor": {files: [notation-root.pem]}
"""
SIGNERS = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: all}
spec:
  release: {key: {file: release.pub}, tlog: none}
  logged:
    key: {file: release.pub, validUntil: "2027-01-01T00:00:00Z"}
    tlog: required
    timestamps: accepted
    trust: stack
  ci: {keyless: {issuer: "https://issuer.test", subject: "WORKFLOW", trust: stack}}
  dev: {keyless: {issuer: "https://issuer.test", subjectPattern: "[a-z]+@acme[.]test", trust: stack}}
  person: {keyless: {issuer: i, subject: s, trust: own, tlog: none, timestamps: required, sct: none}}
  vendor: {notation: {stores: ["ca:vendor"], identities: ["*"]}}
  loose: {notation: {stores: ["ca:vendor"], identities: ["*"], level: permissive}}
  lazy: {notation: {trustPolicy: {file: skip.json}}}
""".replace("WORKFLOW", WORKFLOW)
SKIP = b"""{"version": "1.0", "trustPolicies": [{"name": "p", "registryScopes": ["*"],
 "signatureVerification": {"level": "skip"}}]}"""


def read_file(name: str) -> bytes:
    if name == "release.pub":
        return pem("release")
    if name == "skip.json":
        return SKIP
    return (signed.FIXTURES / "trust" / name).read_bytes()


def policies(*documents: str, trust: str = TRUST, signers: str = SIGNERS) -> PolicySet:
    texts = [trust, signers, *documents]
    return load([(f"{n}.yaml", text.encode()) for n, text in enumerate(texts)], read_file)


def one(signer: str) -> PolicySet:
    return policies(policy_text(SIGNED % signer))


# --- compiled and stored ----------------------------------------------------------------------------------------------


def test_signers_become_anchors() -> None:
    anchors = {signer.name: signer.anchor for signer in policies().signers}
    logged, ci, person, loose = anchors["logged"], anchors["ci"], anchors["person"], anchors["loose"]
    assert isinstance(logged, KeyAnchor)
    assert (logged.log, logged.stamps, bool(logged.root)) == (Log.REQUIRED, Stamps.ACCEPTED, True)
    assert isinstance(ci, KeylessAnchor)
    assert (ci.log, ci.stamps, ci.sct, ci.root) == (Log.REQUIRED, Stamps.ACCEPTED, True, logged.root)
    assert isinstance(person, KeylessAnchor)
    assert (person.log, person.stamps, person.sct) == (Log.NONE, Stamps.REQUIRED, False)
    assert person.root != ci.root
    assert isinstance(loose, NotationAnchor)
    assert loose.statements[0].expiry is Action.LOG
    assert anchors["ci"].id == anchors["dev"].id  # one log check serves both


@pytest.mark.parametrize("signer", ["release", "logged", "ci", "dev", "person", "vendor", "loose", "lazy"])
def test_a_set_comes_back_from_its_document_with_its_trust(signer: str) -> None:
    loaded = one(signer)
    again = PolicySet.from_document(loaded.document)
    assert again == loaded
    assert again.anchors == loaded.anchors
    assert again.policies[0].trust_epoch == loaded.policies[0].trust_epoch
    assert {each for anchor in again.anchors for each in anchor.trusts} == {
        *(root.id for root in again.trust.roots),
        *(store.id for store in again.trust.stores),
    }


def test_only_what_a_policy_rests_on_is_its_epoch() -> None:
    """A root that is added, or another policy's root that changes, invalidates nothing."""
    assert one("release").policies[0].trust_epoch == KEYS_ONLY
    ci, vendor, person = (one(name).policies[0].trust_epoch for name in ("ci", "vendor", "person"))
    assert len({ci, vendor, person, KEYS_ONLY}) == 4
    both = policies(policy_text(SIGNED % "ci"), policy_text(SIGNED % "vendor", name="other"))
    assert {policy.trust_epoch for policy in both.policies} == {ci, vendor}


def test_what_a_root_holds_is_no_part_of_the_policys_digest() -> None:
    """Consumers compare the policy's digest: a log that is added must not make every statement look outdated."""
    changed = TRUST.replace("{file: trusted_root.json}", "{authorities: [{files: [ca-root.pem]}]}")
    before, after = one("ci"), policies(policy_text(SIGNED % "ci"), trust=changed)
    assert before.policies[0].digest == after.policies[0].digest
    assert before.policies[0].trust_epoch != after.policies[0].trust_epoch
    assert before.digest != after.digest  # so that the change is staged and brought into force


def test_a_stored_document_without_its_trust_is_refused() -> None:
    loaded = one("ci")
    broken = loaded.document.replace(b'"roots":[', b'"roots":[],"rootz":[')
    with pytest.raises(BadConfiguration, match="stored policy set"):
        PolicySet.from_document(broken)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [("gone.json", r"file 'gone\.json': No such file"), ("../skip.json", "leaves the policy directory")],
)
def test_a_trust_policy_that_cannot_be_read_is_named_once_with_its_place(file: str, sentence: str) -> None:
    with pytest.raises(BadConfiguration, match=sentence) as caught:
        policies(policy_text(SIGNED % "ci"), signers=SIGNERS.replace("skip.json", file))
    assert caught.value.where.startswith("1.yaml")
    assert "1.yaml" not in caught.value.detail


# --- remarks ----------------------------------------------------------------------------------------------------------


def test_trust_policies_that_verify_less_are_remarked_on() -> None:
    remarks = {(remark.code, remark.about) for remark in lint(policies(policy_text(SIGNED % "ci")), now=NOW)}
    assert ("skips-verification", "lazy") in remarks
    assert ("only-logged", "loose") in remarks
    assert not any(about == "vendor" and code != "unused-signer" for code, about in remarks)


# --- concluded --------------------------------------------------------------------------------------------------------


def quorum(*names: str, needed: int = 1) -> Quorum:
    known = {signer.name: signer for signer in policies().signers}
    return Quorum.of(needed, [known[name] for name in names])


def finding(by: Quorum, name: str, *, at: datetime | None = None, **changes: Any) -> Finding:
    (signer,) = [each for each in by.signers if each.name == name]
    signing = {"anchor": signer.anchor.id, "issuer": "https://issuer.test", "identity": WORKFLOW}
    signing |= {key: changes.pop(key) for key in tuple(changes) if key in Signing.__dataclass_fields__}
    if at is not None:
        signing["times"] = (TrustedTime(at=at, by="tsa:1"),)
    values: dict[str, Any] = {
        "evidence": f"e-{name}-{signing['identity']}",
        "format": "sigstore-bundle",
        "claim": Claim.SIGNATURE,
        "step": Step.ESTABLISHED,
        "reason": Reason.OK,
        "detail": "",
        "signer": f"keyless:{signing['identity']}",
        "signing": Signing(**signing),
    }
    return Finding(**{**values, **changes})


def check(by: Quorum, *findings: Finding, subject: Subject | None = SUBJECT) -> RuleResult:
    rule = SignedBy(name="signed", mode=Mode.ENFORCE, by=by)
    return rule.check(Look(findings=findings, now=NOW, subject=subject))


def test_the_wanted_identity_passes() -> None:
    by = quorum("ci")
    result = check(by, finding(by, "ci"))
    assert (result.outcome, result.detail, result.degraded, result.until) == (
        Outcome.PASSED,
        "signature by ci",
        False,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"identity": "https://github.com/acme/fork"}, Reason.IDENTITY_MISMATCH),
        ({"issuer": "https://other.test"}, Reason.ISSUER_MISMATCH),
        ({"anchor": "keyless:other"}, Reason.WRONG_KEY),
        ({"until": NOW}, Reason.SIGNATURE_EXPIRED),
    ],
)
def test_a_near_miss_is_denied_with_its_own_reason(changes: dict[str, Any], reason: Reason) -> None:
    by = quorum("ci")
    result = check(by, finding(by, "ci", **changes))
    assert (result.outcome, result.reason) == (Outcome.FAILED, reason)
    assert check(by, finding(by, "ci", **changes), finding(by, "ci")).outcome is Outcome.PASSED


def test_a_failed_finding_of_somebody_elses_anchor_says_nothing_about_this_rule() -> None:
    by, other = quorum("release"), quorum("ci")
    failed = finding(other, "ci", step=Step.SIGNED, reason=Reason.NOT_IN_LOG, signer="")
    result = check(by, failed)
    assert (result.reason, result.detail) == (
        Reason.WRONG_KEY,
        "signed otherwise, which this rule does not name; expected release",
    )
    assert check(other, failed).reason is Reason.NOT_IN_LOG


def test_one_person_counts_once_however_many_signers_match() -> None:
    """RT-13."""
    by = quorum("ci", "dev", needed=2)
    alice = finding(by, "dev", identity="alice@acme.test")
    assert check(by, alice).reason is Reason.THRESHOLD_NOT_MET
    assert check(by, alice, finding(by, "dev", identity="bob@acme.test")).reason is Reason.THRESHOLD_NOT_MET
    assert check(by, alice, finding(by, "ci")).outcome is Outcome.PASSED


def test_signers_of_different_kinds_count_together() -> None:
    by = quorum("release", "ci", needed=2)
    bare = finding(by, "ci", signer=by.signers[1].anchor.id, signing=None)
    assert check(by, bare).reason is Reason.THRESHOLD_NOT_MET
    result = check(by, bare, finding(by, "ci"))
    assert (result.outcome, result.detail) == (Outcome.PASSED, "signature by ci, release")


def test_the_end_of_what_counts_is_the_end_of_the_result() -> None:
    by = quorum("ci")
    assert check(by, finding(by, "ci", until=NOW + DAY)).until == NOW + DAY
    longer = finding(by, "ci", until=NOW + 2 * DAY, evidence="longer")
    assert check(by, finding(by, "ci", until=NOW + DAY), longer).until == NOW + 2 * DAY
    assert check(by, longer, finding(by, "ci")).until is None


def test_what_is_only_logged_makes_the_result_degraded() -> None:
    """RT-24: it counts, says so, and gives way to something better."""
    by = quorum("loose")
    logged = finding(by, "loose", degraded=("signature-expired: over",))
    result = check(by, logged)
    assert (result.outcome, result.degraded) == (Outcome.PASSED, True)
    assert "only logged: signature-expired: over" in result.detail
    better = check(by, logged, finding(by, "loose", evidence="better"))
    assert (better.degraded, better.evidence) == (False, ("better",))


def test_a_trust_policy_that_skips_passes_without_evidence_and_is_degraded() -> None:
    by = quorum("lazy")
    result = check(by)
    assert (result.outcome, result.degraded, result.evidence) == (Outcome.PASSED, True, ())
    assert "the trust policy of lazy skips verification here" in result.detail
    assert check(by, subject=None).reason is Reason.NO_SIGNATURE
    both = quorum("lazy", "ci", needed=2)
    assert check(both).reason is Reason.NO_SIGNATURE
    assert check(both, finding(both, "ci")).degraded


def test_a_key_that_ends_is_part_of_the_result_only_without_a_trusted_time() -> None:
    by = quorum("logged")
    assert check(by, finding(by, "logged", at=NOW)).until is None
    assert check(by, finding(by, "logged")).until is not None
