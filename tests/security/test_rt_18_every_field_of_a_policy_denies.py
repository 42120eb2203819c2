"""RT-18: no field of a policy is ignored (CVE-2025-29778): violating each one denies, and unknown ones do not load.

The table below is compared with the fields of the code: a new field without a row here fails this file. Signers by
certificate, of Notation, with logs and time stamps, and Trust documents have a file of their own.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Gathered
from preverify.model.reference import Subject
from preverify.model.verdicts import Answer
from preverify.policy import policy_tests, presets, rules, trust_schema
from preverify.policy.exceptions import ExceptionDocument, ExceptionSpec
from preverify.policy.policies import PolicySet
from preverify.policy.presets import PRESETS
from preverify.policy.quorum import BySpec
from preverify.policy.rules import SPECS
from preverify.policy.rules.combined import OneDemand
from preverify.policy.schema import (
    KINDS,
    KeylessSpec,
    KeySpec,
    Metadata,
    NotationSpec,
    PolicyDocument,
    PolicySpec,
    RuleBase,
    RuleSpec,
    SignersDocument,
    SignerSpec,
    TrustPolicySpec,
)
from preverify.policy.wire import Part
from support.asking import ask
from support.field_rows import all_rows
from support.policies import (
    ATTESTED,
    SIGNED,
    SIGNERS,
    SUBJECT,
    attestation,
    gathered,
    pem,
    policy_set,
    policy_text,
    signature,
)
from support.predicates import changed, document, found

LABELS = {
    "api_version",
    "kind",
    "metadata",
    "spec",
    "name",
}  # frames and names; wrong ones do not load (test_documents)


def of_platforms(written: str, *, for_rule: bool = False) -> Answer:
    """Ask about an index that nobody signed, one of whose two children is signed."""
    children = tuple(Subject(SUBJECT.repository, Digest.of(name)) for name in (b"amd64", b"arm64"))
    image = replace(
        gathered().image,
        media_type="application/vnd.oci.image.index.v1+json",
        children=tuple(child.digest for child in children),
        platforms=("linux/amd64", "linux/arm64"),
    )
    nested = tuple(replace(gathered(), image=replace(gathered().image, subject=child)) for child in children)
    require = SIGNED.replace("name: signed,", f"name: signed, platforms: {written},") if for_rule else SIGNED
    spec = {} if for_rule else {"platforms": written}
    finding = replace(signature(), about=str(children[0].digest))
    return ask(policy_set(policy_text(require, **spec)), finding, seen=Gathered(image=image, children=nested))


def keyed(period: str) -> Answer:
    """Ask about a signature of which nobody says when it was made, by a key with a period: now counts."""
    signers = SIGNERS.replace("keys/release.pub}", f"keys/release.pub, {period}}}")
    return ask(policy_set(policy_text(SIGNED), signers=signers), signature())


def signed_by(by: str, more: str = "") -> PolicySet:
    return policy_set(policy_text(f"[{{name: signed, signature: {{by: {by}{more}}}}}]"))


BUILD = changed(
    document("cosign-provenance-v0.2"), "invocation/configSource/uri", "git+https://a.test/b@refs/tags/v1.2.3"
)
RUN = changed(BUILD, "invocation/environment", {"GITHUB_EVENT_NAME": "push"})
BRANCH = changed(BUILD, "invocation/configSource/uri", "git+https://a.test/b@refs/heads/main")
ASKED = changed(BUILD, "invocation/parameters", {"target": "release"})
TYPED = changed(BUILD, "invocation/environment", {"github_event_payload": {"inputs": {"version": "1"}}})
PULLED = changed(BUILD, "invocation/environment", {"GITHUB_EVENT_NAME": "pull_request"})
SUMMARY = changed(changed(document("cosign-vsa"), "resourceUri", str(SUBJECT)), "timeVerified", "2026-01-02T09:00:00Z")


def built(kept: str, violated: str, statement: dict[str, Any] = BUILD) -> tuple[Answer, Answer]:
    """Ask about provenance by a builder that the rule names, under a demand that holds and one that does not."""
    builders = "builders: [{id: 'https://ci.acme.test/builder@v1', level: 2}]"

    def answer(demand: str) -> Answer:
        both = demand if "builders" in demand else f"{builders}, {demand}"
        text = f"[{{name: built, attestation: {{type: slsa-provenance, by: {{any: [release]}}, {both}}}}}]"
        return ask(policy_set(policy_text(text)), found(statement))

    return answer(kept), answer(violated)


def summed(kept: str, violated: str) -> tuple[Answer, Answer]:
    """Ask about another verifier's summary, an hour old."""

    def answer(demand: str) -> Answer:
        text = f"[{{name: vouched, attestation: {{type: vsa, by: {{any: [release]}}, {demand}}}}}]"
        return ask(policy_set(policy_text(text)), found(SUMMARY))

    return answer(kept), answer(violated)


# field of the written form -> (an answer that admits, the same with only this field violated)
STAGED = "{any: [release]}, annotations: {stage: production}"
TABLE: dict[str, tuple[Answer, Answer]] = {
    "KeySpec.file": (
        ask(policy_set(policy_text(SIGNED)), signature()),
        ask(policy_set(policy_text(SIGNED), reader=lambda _: pem("vendor")), signature()),
    ),
    "KeySpec.valid_from": (
        keyed('validFrom: "2026-01-02T10:00:00Z"'),
        keyed('validFrom: "2026-01-02T10:00:01Z"'),
    ),
    "KeySpec.valid_until": (
        keyed('validUntil: "2026-01-02T10:00:01Z"'),
        keyed('validUntil: "2026-01-02T09:59:59Z"'),
    ),
    "KeySpec.revoked_at": (
        keyed('revokedAt: "2026-01-02T10:00:01Z"'),
        keyed('revokedAt: "2026-01-02T10:00:00Z"'),
    ),
    "SignerSpec.key": (
        ask(policy_set(policy_text(SIGNED)), signature()),
        ask(policy_set(policy_text(SIGNED), signers=SIGNERS.replace("release.pub", "vendor.pub")), signature()),
    ),
    "BySpec.any": (
        ask(signed_by("{any: [release, vendor]}"), signature("vendor")),
        ask(signed_by("{any: [release, vendor]}"), signature("security")),
    ),
    "BySpec.all": (
        ask(signed_by("{all: [release, vendor]}"), signature("vendor"), signature()),
        ask(signed_by("{all: [release, vendor]}"), signature("vendor")),
    ),
    "BySpec.at_least": (
        ask(signed_by("{atLeast: 2, of: [release, vendor]}"), signature(), signature("vendor")),
        ask(signed_by("{atLeast: 2, of: [release, vendor]}"), signature(), signature(n=2)),
    ),
    "BySpec.of": (
        ask(signed_by("{atLeast: 1, of: [release, vendor]}"), signature("vendor")),
        ask(signed_by("{atLeast: 1, of: [release, vendor]}"), signature("security")),
    ),
    "SignatureSpec.by": (
        ask(signed_by("{any: [release]}"), signature()),
        ask(signed_by("{any: [release]}"), signature("vendor")),
    ),
    "SignatureSpec.annotations": (
        ask(signed_by(STAGED), signature(annotations={"stage": "production"})),
        ask(signed_by(STAGED), signature(annotations={"stage": "test"})),
    ),
    "AttestationSpec.type": (
        ask(policy_set(policy_text(ATTESTED)), attestation()),
        ask(policy_set(policy_text(ATTESTED)), attestation("release", "https://spdx.dev/Document")),
    ),
    "AttestationSpec.by": (
        ask(policy_set(policy_text(ATTESTED)), attestation()),
        ask(policy_set(policy_text(ATTESTED)), attestation("vendor")),
    ),
    "AttestationSpec.predicate": built("predicate: {trigger: push}", "predicate: {trigger: pull}", RUN),
    "AttestationSpec.min_level": built("minLevel: 2", "minLevel: 3"),
    "AttestationSpec.builders": built("minLevel: 1", "builders: [{id: 'https://ci.acme.test/builder@v2'}]"),
    "AttestationSpec.source": built("source: 'https://a.test/b'", "source: 'https://a.test/c'"),
    "AttestationSpec.ref": built("ref: refs/tags/v1.2.3", "ref: refs/heads/v1.2.3"),
    "AttestationSpec.branch": built("branch: main", "branch: dev", BRANCH),
    "AttestationSpec.tag": built("tag: v1.2.3", "tag: v1.2"),
    "AttestationSpec.versioned_tag": built("versionedTag: v1.2", "versionedTag: v1.3"),
    "AttestationSpec.trigger": built("trigger: [push]", "trigger: [schedule]", RUN),
    "AttestationSpec.build_type": built("buildType: 'https://ci.acme.test/make/v1'", "buildType: 'https://x.test'"),
    "AttestationSpec.parameters": built("parameters: {target: release}", "parameters: {target: debug}", ASKED),
    "AttestationSpec.workflow_inputs": built("workflowInputs: {version: '1'}", "workflowInputs: {version: '2'}", TYPED),
    "AttestationSpec.allow": built("allow: [pull-request]", "allow: [self-hosted]", PULLED),
    "AttestationSpec.verifier": summed("verifier: 'https://verifier.acme.test'", "verifier: 'https://x.test'"),
    "AttestationSpec.resource_uri": summed(f"resourceUri: ['{SUBJECT}']", "resourceUri: [elsewhere]"),
    "AttestationSpec.levels": summed("levels: [SLSA_BUILD_LEVEL_3]", "levels: [SLSA_SOURCE_LEVEL_3]"),
    "AttestationSpec.policy_digest": summed(f"policyDigest: 'sha256:{'1' * 64}'", f"policyDigest: 'sha256:{'2' * 64}'"),
    "AttestationSpec.max_age": summed("maxAge: 2h", "maxAge: 30m"),
    "BuilderSpec.id": built("minLevel: 1", "builders: [{id: 'https://ci.acme.test/builder'}]"),
    "BuilderSpec.level": built(
        "minLevel: 2", "minLevel: 2, builders: [{id: 'https://ci.acme.test/builder@v1', level: 1}]"
    ),
    "RuleSpec.signature": (
        ask(policy_set(policy_text(SIGNED)), signature()),
        ask(policy_set(policy_text(SIGNED)), attestation()),
    ),
    "RuleSpec.attestation": (
        ask(policy_set(policy_text(ATTESTED)), attestation()),
        ask(policy_set(policy_text(ATTESTED)), signature()),
    ),
    "RuleSpec.mode": tuple(
        ask(
            policy_set(
                policy_text(
                    "[{name: signed, signature: {by: {any: [release]}}},"
                    f" {{name: built, mode: {mode}, attestation: {{type: vuln, by: {{any: [release]}}}}}}]"
                )
            ),
            signature(),
        )
        for mode in ("audit", "enforce")
    ),
    "PolicySpec.images": (
        ask(policy_set(policy_text(SIGNED)), signature()),
        ask(policy_set(policy_text(SIGNED)), signature(), repository="elsewhere/api"),
    ),
    "PolicySpec.exclude": (
        ask(policy_set(policy_text(SIGNED, exclude="[registry.example/other/**]")), signature()),
        ask(policy_set(policy_text(SIGNED, exclude="[registry.example/shop/**]")), signature()),
    ),
    "PolicySpec.namespaces": (
        ask(policy_set(policy_text(SIGNED, namespaces="[prod]")), signature(), namespace="prod"),
        ask(policy_set(policy_text(SIGNED, namespaces="[prod]")), signature(), namespace="dev"),
    ),
    "PolicySpec.mode": (
        ask(policy_set(policy_text(SIGNED, mode="warn"))),
        ask(policy_set(policy_text(SIGNED, mode="enforce"))),
    ),
    "PolicySpec.platforms": (of_platforms("[linux/amd64]"), of_platforms("each")),
    "RuleSpec.platforms": (of_platforms("[linux/amd64]", for_rule=True), of_platforms("index", for_rule=True)),
    "PolicySpec.valid_for": (
        ask(policy_set(policy_text(SIGNED, validFor="2h")), signature(), later_hours=1.9),
        ask(policy_set(policy_text(SIGNED, validFor="2h")), signature(), later_hours=2),
    ),
    "PolicySpec.require": (
        ask(policy_set(policy_text(f"{SIGNED[:-1]}, {ATTESTED[1:]}")), signature(), attestation()),
        ask(policy_set(policy_text(f"{SIGNED[:-1]}, {ATTESTED[1:]}")), signature()),
    ),
}
TABLE |= all_rows()
# Who answers for an exception, and why: told, and required (test_exceptions).
FOR_PEOPLE = {f"ExceptionSpec.{name}" for name in ("owner", "reason", "ticket")}
# Whose rows stand in the other file: signers that are not bare keys.
ELSEWHERE = {KeylessSpec, NotationSpec, TrustPolicySpec, SignerSpec}


def below(part: type[Part]) -> Iterator[type[Part]]:
    for child in part.__subclasses__():
        yield child
        yield from below(child)


def of_rules() -> Iterator[type[BaseModel]]:
    """Yield the written forms of all rules, and the parts that stand inside of them."""
    inside = (part for part in below(Part) if part.__module__.startswith(f"{rules.__name__}."))
    # A nested demand is any of the others again; that it holds each kind is said in the tests of combined rules.
    yield from (part for part in inside if not issubclass(part, OneDemand))


def written_parts() -> Iterator[type[BaseModel]]:
    yield from (
        KeySpec,
        BySpec,
        *of_rules(),
        RuleSpec,
        PolicySpec,
        Metadata,
        SignersDocument,
        PolicyDocument,
        ExceptionSpec,
        ExceptionDocument,
        *of_presets(),
    )


def of_presets() -> Iterator[type[BaseModel]]:
    yield from (part for part in below(Part) if part.__module__.startswith(f"{presets.__name__}"))


def test_every_field_has_its_row() -> None:
    fields = {f"{part.__name__}.{name}" for part in written_parts() for name in part.model_fields if name not in LABELS}
    assert fields == set(TABLE) - {"SignerSpec.key", "SignerSpec.preset"} | FOR_PEOPLE


def test_no_written_part_is_forgotten() -> None:
    assert {*of_rules()} >= {part for part in SPECS.values() if issubclass(part, Part)}
    # Expectations of tests of policies are no part of policies; each is violated in the tests of `policy_tests`.
    elsewhere = {trust_schema.__name__, policy_tests.__name__}
    here = {part for part in below(Part) if part.__module__ not in elsewhere}
    assert {*PRESETS} <= {*of_presets()}
    assert here == {*written_parts(), *ELSEWHERE, RuleBase, OneDemand, *below(OneDemand)}
    assert set(KINDS.values()) == {SignersDocument, PolicyDocument, ExceptionDocument, trust_schema.TrustDocument}


@pytest.mark.parametrize("field", list(TABLE))
def test_violating_a_field_denies(field: str) -> None:
    kept, violated = TABLE[field]
    assert kept.admit
    assert not violated.admit


@pytest.mark.parametrize("for_rule", [False, True])
def test_a_platform_that_is_named_has_to_be_there(for_rule: bool) -> None:
    assert of_platforms("[linux/amd64]", for_rule=for_rule).admit
    for word in ("index", "each", "[linux/arm64]", "[linux/amd64, linux/s390x]"):
        assert not of_platforms(word, for_rule=for_rule).admit


@pytest.mark.parametrize(
    ("known", "unknown"),
    [
        ("tlog: none", "tlog: rekor2"),
        ("tlog: none", "tlog: null"),
        ("tlog: none", "tlog: none, timestamps: maybe"),
        ("keys/release.pub}", "keys/release.pub, validFrom: 2026}"),
        ("keys/release.pub}", 'keys/release.pub, validFrom: "2026-01-02T10:00:00"}'),
        ("keys/release.pub}", 'keys/release.pub, revokedAt: "never"}'),
    ],
)
def test_a_value_of_a_signer_that_is_not_understood_does_not_load(known: str, unknown: str) -> None:
    signers = SIGNERS.replace(known, unknown, 1)
    assert signers != SIGNERS
    with pytest.raises(BadConfiguration):
        policy_set(policy_text(SIGNED), signers=signers)


@pytest.mark.parametrize("word", ["some", "all", "[]", "[linux]", "linux/amd64", "null", "true", "[each]"])
def test_a_value_of_platforms_that_is_not_understood_does_not_load(word: str) -> None:
    with pytest.raises(BadConfiguration):
        policy_set(policy_text(SIGNED, platforms=word))


LATER = [
    ("signer", key, f"{{x: {{key: {{file: keys/release.pub}}, tlog: none, {key}: x}}}}") for key in SignerSpec.later
] + [("key", key, f"{{x: {{key: {{file: keys/release.pub, {key}: x}}, tlog: none}}}}") for key in KeySpec.later]


@pytest.mark.parametrize(("where", "key", "spec"), LATER)
def test_words_of_later_versions_in_signers_do_not_load(where: str, key: str, spec: str) -> None:
    document = f"apiVersion: preverify/v1\nkind: Signers\nmetadata: {{name: later}}\nspec: {spec}\n"
    with pytest.raises(BadConfiguration, match=f"'{key}' is not in this version of preverify"):
        policy_set(document)


@pytest.mark.parametrize("key", [*PolicySpec.later])
def test_words_of_later_versions_in_policies_do_not_load(key: str) -> None:
    with pytest.raises(BadConfiguration, match=f"'{key}' is not in this version of preverify"):
        policy_set(policy_text(SIGNED, **{key: "{}"}))


@pytest.mark.parametrize("key", [*SPECS["attestation"].later])
def test_words_of_later_versions_in_attestations_do_not_load(key: str) -> None:
    with pytest.raises(BadConfiguration, match=f"'{key}' is not in this version of preverify"):
        policy_set(policy_text(f"[{{name: a, attestation: {{type: vuln, by: {{any: [release]}}, {key}: x}}}}]"))


@pytest.mark.parametrize(
    "text",
    [
        policy_text(SIGNED) + "subjectRegExp: x\n",
        policy_text(SIGNED, subjectRegExp="x"),
        policy_text(SIGNED).replace("{name: shop-release}", "{name: shop-release, labels: {}}"),
        policy_text(SIGNED.replace("{name: signed,", "{name: signed, subjectRegExp: x,")),
        policy_text(SIGNED.replace("{by:", "{subjectRegExp: x, by:")),
        policy_text(SIGNED.replace("{any:", "{subjectRegExp: x, any:")),
        SIGNERS.replace("name: all", "name: more, x: y").replace("  release", "  other"),
        SIGNERS.replace("tlog: none", "tlog: none, subjectRegExp: x").replace("  release", "  other"),
        SIGNERS.replace("keys/release.pub", "keys/release.pub, subjectRegExp: x").replace("  release", "  other"),
    ],
)
def test_an_unknown_key_anywhere_does_not_load(text: str) -> None:
    with pytest.raises(BadConfiguration, match="unknown key"):
        policy_set(text)
