"""What holds whatever rules a policy has and whatever evidence there is.

Invalid evidence never makes a verdict pass, no order means anything, and nothing expires before its `validUntil`.
"""

import json
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.contents import Component, Content
from preverify.model.digest import Digest
from preverify.model.evidence import Blob
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.tags import TagMove, Tags
from preverify.model.verdicts import AnswerState, Outcome, Verdict
from preverify.policy.answers import compose, policy_answer
from preverify.policy.decide import decide
from preverify.policy.policies import PolicySet
from preverify.policy.schema import RuleSpec
from support import scans
from support.policies import NOW, SUBJECT, attestation, broken, gathered, new_id, policy_set, policy_text, signature

CONFIG = json.dumps(
    {"os": "linux", "architecture": "amd64", "created": "2026-01-01T00:00:00Z", "config": {"User": "65532"}}
).encode()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(Digest.of(CONFIG)),
            "size": 9,
        },
        "layers": [],
        "annotations": {"org.opencontainers.image.base.name": "registry.example/base/a"},
    }
).encode()
SEEN = replace(
    gathered(),
    image=replace(gathered().image, manifest=MANIFEST),
    config=Blob(digest=Digest.of(CONFIG), body=CONFIG),
)
TAGS = Tags(names=("v1.2.3",), moves=(TagMove(tag="v1.2.3", before=None, after=SUBJECT.digest, at=NOW),))

# One or more demands of every kind. Each can be met by some of the pieces below, and not by others.
DEMANDS = {
    "signature": [
        "{by: {any: [release]}}",
        "{by: {all: [release, vendor]}}",
        "{by: {any: [security]}, annotations: {a: b}}",
    ],
    "attestation": ["{type: slsa-provenance, by: {any: [release]}}"],
    "sbom": ["{by: {any: [release]}, complete: [version, purl]}", "{by: {any: [vendor]}, maxAge: 30d}"],
    "packages": ["{by: {any: [release]}, deny: ['pkg:npm/left-pad']}", "{by: {any: [release]}, allow: ['pkg:deb/**']}"],
    "licenses": ["{by: {any: [release]}, allow: [MIT, Apache-2.0]}"],
    "vulnerabilities": [
        "{scans: {by: {any: [release]}}, maxSeverity: high}",
        "{scans: {by: {any: [release, vendor]}}, maxSeverity: low, grace: 7d, vex: {by: {any: [security]}}}",
    ],
    "endOfLife": ["{announced: {by: {any: [vendor]}}}"],
    "config": ["{nonRoot: true}", "{exposedPorts: ['80']}"],
    "baseImage": ["{repositories: ['registry.example/base/**']}"],
    "imageAge": ["{maxAge: 90d}", "{minAge: 12h}"],
    "repositories": ["{allow: ['registry.example/**']}", "{deny: ['registry.example/shop/**']}"],
    "tags": ["{semver: true, immutable: ['v*']}"],
    "cel": ["{expression: \"signatures.exists(s, 'release' in s.signers)\", by: {any: [release]}}"],
    "anyOf": ["[{signature: {by: {any: [vendor]}}}, {imageAge: {maxAge: 90d}}]"],
    "allOf": ["[{signature: {by: {any: [release]}}}, {config: {nonRoot: true}}]"],
    "atLeast": ["{atLeast: 1, of: [{signature: {by: {any: [vendor]}}}, {signature: {by: {any: [release]}}}]}"],
    "not": ["{packages: {by: {any: [release]}, deny: ['pkg:npm/left-pad']}}"],
}
OPENSSL = Component(name="openssl", version="3.0.1-1", purl=scans.OPENSSL, licenses=("Apache-2.0",))
LEFT_PAD = Component(name="left-pad", version="1.3.0", purl="pkg:npm/left-pad@1.3.0", licenses=("WTFPL",))
Piece = tuple[Finding, Content | None]

PIECES: list[Piece] = [
    (signature("release"), None),
    (signature("vendor"), None),
    (signature("security", annotations={"a": "b"}), None),
    (attestation("release"), None),
    (attestation("vendor", "https://chainguard.dev/end-of-life"), None),
    scans.bill(OPENSSL, created=NOW - timedelta(days=1)),
    scans.bill(OPENSSL, LEFT_PAD, created=NOW - timedelta(days=1)),
    scans.bill(OPENSSL, by="vendor", created=NOW - timedelta(days=29)),
    scans.scan(scans.found(severity="medium", published=NOW - timedelta(days=3))),
    scans.scan(scans.found(), by="vendor"),
    scans.vex(by="security"),
]
INVALID: list[Piece] = [
    (broken(Reason.SIGNATURE_INVALID, Step.PARSED, signer="release"), None),
    (broken(Reason.SUBJECT_MISMATCH, Step.SUBJECT, signer="release", n=1), None),
    (broken(Reason.CERTIFICATE_EXPIRED, Step.SIGNED, claim=Claim.ATTESTATION, signer="vendor", n=2), None),
    (broken(Reason.PAYLOAD_MALFORMED, Step.OBTAINED, claim=Claim.NONE, n=3), None),
    (signature("stranger"), None),
    (attestation("stranger"), None),
    scans.bill(OPENSSL, by="stranger"),
    scans.scan(by="stranger"),
    scans.vex(by="stranger"),
    (replace(attestation("release", scans.SPDX, n=7), statement="not-read"), None),
    (replace(attestation("release", scans.VULN, n=8), statement="not-read"), None),
]


def test_every_kind_of_rule_is_among_the_demands() -> None:
    frames = {"name", "mode", "platforms", "preset"}
    kinds = {field.alias or name for name, field in RuleSpec.model_fields.items()}
    assert DEMANDS.keys() == kinds - frames


@st.composite
def policies(draw: st.DrawFn) -> list[str]:
    """Return one to four rules, as flow text."""
    kinds = draw(st.lists(st.sampled_from(sorted(DEMANDS)), min_size=1, max_size=4))
    return [f"{{name: r{number}, {kind}: {draw(st.sampled_from(DEMANDS[kind]))}}}" for number, kind in enumerate(kinds)]


pieces = st.lists(st.sampled_from(range(len(PIECES))), unique=True).map(lambda numbers: [PIECES[n] for n in numbers])
invalid = st.lists(st.sampled_from(range(len(INVALID))), unique=True).map(lambda numbers: [INVALID[n] for n in numbers])


def load(rules: list[str]) -> PolicySet:
    return policy_set(policy_text(f"[{', '.join(rules)}]", validFor="24h"))


def decided(policies: PolicySet, found: list[Piece]) -> Verdict:
    contents = {finding.statement: content for finding, content in found if content is not None}
    return decide(
        policies.policies[0],
        SEEN,
        [finding for finding, _ in found],
        now=NOW,
        trust_epoch="t",
        new_id=new_id,
        contents=contents,
        tags=TAGS,
    )


@given(policies(), pieces, invalid)
def test_invalid_evidence_never_makes_a_verdict_pass(rules: list[str], found: list[Piece], bad: list[Piece]) -> None:
    loaded = load(rules)
    before, after = decided(loaded, found), decided(loaded, [*bad, *found])
    assert after.outcome is not Outcome.PASSED or before.outcome is Outcome.PASSED, (rules, before.rules, after.rules)


@given(policies(), pieces, invalid, st.randoms(use_true_random=False))
def test_no_order_means_anything(
    rules: list[str], found: list[Piece], bad: list[Piece], shuffled: random.Random
) -> None:
    other_rules, other_found = [*rules], [*found, *bad]
    shuffled.shuffle(other_rules)
    shuffled.shuffle(other_found)
    one, other = decided(load(rules), [*found, *bad]), decided(load(other_rules), other_found)
    assert one.outcome is other.outcome
    assert (one.valid_until, one.due_at) == (other.valid_until, other.due_at)
    assert {r.rule: r.outcome for r in one.rules} == {r.rule: r.outcome for r in other.rules}


@given(st.lists(policies(), min_size=2, max_size=3), pieces, st.randoms(use_true_random=False))
def test_the_order_of_policies_does_not_matter(
    written: list[list[str]], found: list[Piece], shuffled: random.Random
) -> None:
    texts = [policy_text(f"[{', '.join(rules)}]", name=f"p{n}") for n, rules in enumerate(written)]
    other = [*texts]
    shuffled.shuffle(other)
    one, two = policy_set(*texts), policy_set(*other)
    assert one == two
    assert one.document == two.document


@given(policies(), pieces, st.floats(min_value=0, max_value=48))
def test_nothing_expires_before_its_end(rules: list[str], found: list[Piece], hours: float) -> None:
    loaded = load(rules)
    verdict = decided(loaded, found)
    if verdict.valid_until is None:
        return
    assert verdict.valid_until > NOW
    at = NOW + timedelta(hours=hours)
    answer = compose(
        loaded,
        SUBJECT.repository,
        SUBJECT.digest,
        {"shop-release": policy_answer(loaded, verdict)},
        image="",
        generation=1,
        namespaces=None,
        now=at,
    )
    assert (answer.state is AnswerState.EXPIRED) == (at >= verdict.valid_until)
    assert answer.valid_until == verdict.valid_until


@pytest.mark.parametrize("kind", sorted(DEMANDS))
def test_some_evidence_satisfies_every_kind(kind: str) -> None:
    """Otherwise the properties above would hold of rules that never pass."""
    found = [piece for piece in PIECES if piece[0].predicate_type != "https://chainguard.dev/end-of-life"]
    without_left_pad = [p for p in found if not (p[1] and getattr(p[1], "components", ())[-1:] == (LEFT_PAD,))]
    outcomes = {
        decided(load([f"{{name: x, {kind}: {demand}}}"]), each).outcome
        for demand in DEMANDS[kind]
        for each in (found, without_left_pad)
    }
    assert Outcome.PASSED in outcomes
