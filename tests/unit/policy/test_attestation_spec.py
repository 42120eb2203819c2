"""The written form of the rule `attestation`: what loads, what does not, and what it compiles to."""

import json
from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.verdicts import Mode
from preverify.policy.builders import Accepted
from preverify.policy.demands.attestation_types import TYPES, covers, kind_of
from preverify.policy.demands.provenance import ProvenanceDemand
from preverify.policy.demands.summaries import SummaryDemand
from preverify.policy.policies import PolicySet, canonical_json
from preverify.policy.rules.attestation import AttestedBy
from preverify.policy.rules.evidence import Look
from preverify.verify.predicates import READERS
from support.policies import one_policy, policy_set, policy_text
from support.predicates import found


def written(demands: str, kind: str = "slsa-provenance") -> str:
    return f"[{{name: built, attestation: {{type: '{kind}', by: {{any: [release]}}{demands and ', '}{demands}}}}}]"


def compiled(demands: str, kind: str = "slsa-provenance") -> AttestedBy:
    (rule,) = one_policy(written(demands, kind)).rules
    assert isinstance(rule, AttestedBy)
    return rule


def test_without_demands_only_signer_and_type_count() -> None:
    rule = compiled("")
    assert (rule.provenance, rule.summary, rule.predicate) == (None, None, ())
    assert rule.canonical() == {
        "by": {"atLeast": 1, "of": ["release"]},
        "type": "slsa-provenance",
        "types": list(TYPES["slsa-provenance"]),
    }


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        ("source: 'https://github.com/acme/api'", {"source": "https://github.com/acme/api"}),
        ("ref: refs/heads/main", {"ref": "refs/heads/main"}),
        ("branch: main", {"ref": "refs/heads/main"}),
        ("tag: v1.2.3", {"ref": "refs/tags/v1.2.3"}),
        ("versionedTag: v1.2", {"versioned_tag": "v1.2"}),
        ("trigger: [push, push, create]", {"trigger": ("create", "push")}),
        ("buildType: 'https://build.test/v1'", {"build_type": "https://build.test/v1"}),
        ("minLevel: 3", {"min_level": 3}),
        ("workflowInputs: {b: '2', a: '1'}", {"inputs": (("a", "1"), ("b", "2"))}),
        ("parameters: {}", {"parameters": ()}),
        (
            "parameters: {n: 1, b: true, l: [x], o: {z: null, a: y}}",
            {"parameters": (("b", "true"), ("l", '["x"]'), ("n", "1"), ("o", '{"a":"y","z":null}'))},
        ),
        ("allow: [self-hosted, pull-request]", {"allow": ("pull-request", "self-hosted")}),
        (
            "builders: [{id: 'https://b.test/x@refs/tags/v1.*', level: 3}, {id: exact}]",
            {"builders": (Accepted(id="https://b.test/x@refs/tags/v1.*", level=3), Accepted(id="exact"))},
        ),
    ],
)
def test_demands_on_provenance(demands: str, expected: dict[str, Any]) -> None:
    assert compiled(demands).provenance == ProvenanceDemand(**expected)
    assert compiled(demands, "https://slsa.dev/provenance/v1").provenance == ProvenanceDemand(**expected)


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        ("", {}),
        ("verifier: 'https://verifier.test'", {"verifier": "https://verifier.test"}),
        ("resourceUri: [b, a]", {"resources": ("a", "b")}),
        ("levels: [BCID_L1], minLevel: 2", {"levels": ("BCID_L1", "SLSA_BUILD_LEVEL_2")}),
        (f"policyDigest: 'sha256:{'1' * 64}'", {"policy_digest": "sha256:" + "1" * 64}),
    ],
)
def test_demands_on_summaries(demands: str, expected: dict[str, Any]) -> None:
    assert compiled(demands, "vsa").summary == SummaryDemand(**expected)


@pytest.mark.parametrize(
    ("demands", "kind", "message"),
    [
        ("", "slsa-provenence", "did you mean 'slsa-provenance'"),
        ("", "zzz", "expected a predicate type URI or one of: apko, custom"),
        ("source: x", "slsa-provenance", "is not a repository"),
        ("source: 'git+https://github.com/acme/api'", "slsa-provenance", "is not a repository"),
        ("source: 'https://github.com/acme/api@refs/heads/main'", "slsa-provenance", "is not a repository"),
        ("source: 'https://github.com/acme/*'", "slsa-provenance", "is not a repository"),
        ("ref: main", "slsa-provenance", "is not a full ref"),
        ("branch: ''", "slsa-provenance", "is not a name"),
        ("branch: main, tag: v1", "slsa-provenance", "names branch and tag"),
        ("versionedTag: '1.2'", "slsa-provenance", "is not a version"),
        ("trigger: []", "slsa-provenance", "at least 1 item"),
        ("minLevel: 4", "slsa-provenance", "less than or equal to 3"),
        ("minLevel: 0", "slsa-provenance", "greater than or equal to 1"),
        ("minLevel: '3'", "slsa-provenance", "valid integer"),
        ("buildType: x", "slsa-provenance", "is not a URI"),
        ("builders: []", "slsa-provenance", "at least 1 item"),
        ("builders: [{level: 3}]", "slsa-provenance", "is required and missing"),
        ("builders: [{id: '*'}]", "slsa-provenance", "is not a builder"),
        ("builders: [{id: 'https://b.test/*'}]", "slsa-provenance", "is not a builder"),
        ("builders: [{id: 'https://*.test/x@v*'}]", "slsa-provenance", "is not a builder"),
        ("builders: [{id: '@*'}]", "slsa-provenance", "is not a builder"),
        ("builders: [{id: x, signer: y}]", "slsa-provenance", "unknown key 'signer'"),
        ("allow: [everything]", "slsa-provenance", "pull-request"),
        ("parameters: {n: 9007199254740992}", "slsa-provenance", "a parameter cannot be compared"),
        ("workflowInputs: {n: 1}", "slsa-provenance", "valid string"),
        ("builder: x", "slsa-provenance", "did you mean 'builders'"),
        ("cel: x", "slsa-provenance", "'cel' is not in this version"),
        ("workflow: x", "slsa-provenance", "'workflow' is not in this version"),
        (
            "source: 'https://github.com/acme/api'",
            "spdx",
            "'source' is a demand on attestations of type slsa-provenance",
        ),
        ("allow: [self-hosted]", "https://acme.test/x", "'allow' is a demand on attestations of type slsa-provenance"),
        ("minLevel: 1", "spdx", "'minLevel' is a demand"),
        ("verifier: 'https://v.test'", "slsa-provenance", "'verifier' is a demand on attestations of type vsa"),
        ("maxAge: 1h", "vuln", "'maxAge' is a demand on attestations of type vsa"),
        ("maxAge: 1ms", "vsa", "is out of range"),
        ("maxAge: 60", "vsa", "is not a duration"),
        ("levels: [SLSA_ACME]", "vsa", "is not a level"),
        ("levels: ['a,b']", "vsa", "is not a level"),
        ("policyDigest: x", "vsa", "digest"),
        ("resourceUri: []", "vsa", "at least 1 item"),
        ("predicate: {a: b}", "https://acme.test/x", "'predicate' needs a type whose predicates are read"),
        ("predicate: {'A b': c}", "spdx", "is not a fact"),
        ("predicate: {version: 1}", "spdx", "valid string"),
    ],
)
def test_what_could_not_hold_or_would_hold_for_anything_does_not_load(demands: str, kind: str, message: str) -> None:
    with pytest.raises(BadConfiguration, match=message):
        policy_set(policy_text(written(demands, kind)))


def facts_hold(demands: str, name: str, kind: str) -> tuple[str, str]:
    (rule,) = one_policy(written(demands, kind)).rules
    result = rule.check(Look(findings=[found(name)]))
    return result.outcome.value, result.detail


def test_another_type_is_named() -> None:
    outcome, detail = facts_hold("", "cosign-spdx", "cyclonedx")
    assert (outcome, detail) == ("failed", "attests 'https://spdx.dev/Document', expected cyclonedx")


def test_provenance_is_judged_by_its_demands() -> None:
    builders = "builders: [{id: 'https://ci.acme.test/builder@v1', level: 2}]"
    kept, violated = f"{builders}, minLevel: 2", f"{builders}, minLevel: 3"
    assert facts_hold(kept, "cosign-provenance-v0.2", "slsa-provenance")[0] == "passed"
    outcome, detail = facts_hold(violated, "cosign-provenance-v0.2", "slsa-provenance")
    assert (outcome, detail) == ("failed", "SLSA build level 2 as far as signer and builder tell, expected 3")


def test_facts_of_a_predicate() -> None:
    assert facts_hold("predicate: {packages.count: '1', version: SPDX-2.3}", "cosign-spdx", "spdx")[0] == "passed"
    outcome, detail = facts_hold("predicate: {version: SPDX-2.2}", "cosign-spdx", "spdx")
    assert (outcome, "'SPDX-2.3', expected 'SPDX-2.2'" in detail) == ("failed", True)
    outcome, detail = facts_hold("predicate: {versoin: x}", "cosign-spdx", "spdx")
    assert (outcome, "it states: created, name, namespace" in detail) == ("failed", True)


FULL = {
    "slsa-provenance": (
        "predicate: {trigger: push}, minLevel: 2, source: 'https://github.com/acme/api', versionedTag: v1, "
        "builders: [{id: 'https://b.test/x@v*', level: 2}], trigger: [push], buildType: 'https://build.test/v1', "
        "parameters: {n: 1.5, o: {b: [x, null], a: false}}, workflowInputs: {a: b}, allow: [self-hosted]"
    ),
    "vsa": (
        "predicate: {slsaVersion: '1.0'}, minLevel: 2, verifier: 'https://v.test', resourceUri: [x], "
        f"levels: [A], policyDigest: 'sha256:{'1' * 64}', maxAge: 7d"
    ),
    "https://slsa.dev/verification_summary/v1": "levels: [A]",
    "custom": "predicate: {data: x}",
}


@pytest.mark.parametrize("kind", list(FULL))
def test_the_canonical_form_says_it_all(kind: str) -> None:
    policies = policy_set(policy_text(written(FULL[kind], kind)))
    (rule,) = policies.policies[0].rules
    form = json.loads(canonical_json(rule.canonical()))
    assert AttestedBy.from_canonical("built", Mode.ENFORCE, form, {s.name: s for s in rule.by.signers}) == rule
    assert PolicySet.from_document(policies.document) == policies


def test_each_demand_changes_the_digest_of_the_policy() -> None:
    digests = {one_policy(written(demands)).digest for demands in ("", "minLevel: 1", "minLevel: 2", "parameters: {}")}
    assert len(digests) == 4


def test_short_names_are_those_of_the_readers() -> None:
    """A short name without a reader could demand nothing, and one reader under two names would split a kind."""
    read: dict[str, set[str]] = {}
    for reader in READERS:
        read.setdefault(reader.NAME, set()).update(reader.TYPES)
    assert {name: set(types) for name, types in TYPES.items()} == read


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("spdx", "spdx"),
        ("https://spdx.dev/Document/v2.3", "spdx"),
        ("https://spdx.dev/Document/vx", ""),
        ("https://acme.test/x", ""),
        ("https://slsa.dev/provenance/v0.1", "slsa-provenance"),
    ],
)
def test_the_kind_of_a_type(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_a_pattern_is_no_predicate_type() -> None:
    assert not covers("https://spdx.dev/Document/v*", "https://spdx.dev/Document/v*")
