"""RT-26: what provenance says of its builder is checked against who signed it (GHSA-r2xv-vpr2-42m9).

The cases follow slsa-verifier's own negatives, on attestations of real tools and through real signatures.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from preverify import pipeline
from preverify.clock import SystemClock
from preverify.model.evidence import DESCRIBED_CHILD, Evidence
from preverify.model.verdicts import Verdict
from preverify.policy.documents import load
from support import signed
from support.deciding import MemorySource, decide
from support.predicates import changed, compact, document

IMAGE = signed.image("legacy-unsigned")
DIGEST = IMAGE.subject.digest
BUILDER = "https://ci.acme.test/builder@v1"
GENERATOR = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml"
WIDGETS = "https://github.com/acme/widgets"
BOUND = {"type": "slsa-provenance", "builders": [{"id": BUILDER, "level": 2}], "source": WIDGETS, "minLevel": 2}


def by_key(whole: dict[str, Any], by: str = "ec1") -> Evidence:
    statement = signed.statement(DIGEST, whole["predicateType"], predicate=whole["predicate"])
    return signed.attestation(signed.envelope(statement, (by,)))


def say(verdict: Verdict) -> tuple[str, str]:
    return verdict.outcome.value, verdict.rules[0].reason.value


def keyed(demands: dict[str, Any], *evidence: Evidence) -> tuple[str, str]:
    rule = {"attestation": {"by": {"any": ["release"]}, **demands}}
    return say(decide(IMAGE, evidence, rule, signers={"release": "ec1", "other": "ec2"}))


PROVENANCE = document("cosign-provenance-v0.2")


def test_a_builder_that_the_rule_binds_to_its_signers_passes() -> None:
    assert keyed(BOUND, by_key(PROVENANCE)) == ("passed", "ok")


@pytest.mark.parametrize(
    "builder",
    [
        "https://ci.acme.test/builder@v2",
        "https://ci.acme.test/builder@v1.evil.test",
        "https://ci.acme.test/builder",
        "HTTPS://CI.ACME.TEST/builder@v1",
        "https://cloudbuild.googleapis.com/GoogleHostedWorker@v0.3",
        f"{GENERATOR}@refs/tags/v2.1.0",
        "",
    ],
)
def test_an_accepted_signer_cannot_claim_another_builder(builder: str) -> None:
    assert keyed(BOUND, by_key(changed(PROVENANCE, "builder/id", builder))) == ("failed", "builder-mismatch")


def test_the_right_builder_by_the_wrong_signer_is_nobodys_word() -> None:
    assert keyed(BOUND, by_key(PROVENANCE, by="ec2")) == ("failed", "wrong-key")
    assert keyed(BOUND, by_key(PROVENANCE, by="stranger")) == ("failed", "wrong-key")


def test_no_key_may_claim_a_level_by_itself() -> None:
    """Else `minLevel` would ask the attestation to grade itself."""
    for name in ("cosign-provenance-v0.2", "github-npm", "slsa-generator-v0.2", "cloud-build-v0.1"):
        for demands in ({"minLevel": 1}, {"source": WIDGETS}):
            seen = keyed({"type": "slsa-provenance", **demands}, by_key(document(name)))
            assert seen == ("failed", "builder-mismatch")


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("invocation/configSource/uri", "git+https://github.com/evil/fork@refs/heads/main", "source-mismatch"),
        ("invocation/configSource/uri", "git+https://github.com/acme/widgets.evil@refs/heads/main", "source-mismatch"),
        ("invocation/configSource/uri", "https://evil.test/?git+https://github.com/acme/widgets", "source-mismatch"),
        ("invocation/environment", {"github_event_name": "pull_request"}, "source-mismatch"),
        ("invocation/configSource/uri", "git+https://github.com/acme/widgets@refs/pull/1/merge", "source-mismatch"),
    ],
)
def test_another_source_does_not_pass(path: str, value: object, reason: str) -> None:
    assert keyed(BOUND, by_key(changed(PROVENANCE, path, value))) == ("failed", reason)


def test_an_unsigned_statement_is_no_provenance() -> None:
    statement = signed.compact(signed.statement(DIGEST, PROVENANCE["predicateType"], predicate=PROVENANCE["predicate"]))
    bare = replace(signed.attestation(statement), annotations=(("predicateType", PROVENANCE["predicateType"]),))
    assert keyed(BOUND, bare)[0] == "failed"
    unsigned = {**signed.envelope(statement), "signatures": []}
    assert keyed(BOUND, signed.attestation(unsigned))[0] == "failed"


@pytest.mark.parametrize("name", ["buildkit-v0.2", "buildkit-v1"])
def test_buildkits_bare_statement_is_no_provenance(name: str) -> None:
    body = compact({**document(name), "subject": [{"digest": {"sha256": DIGEST.hex}}]})
    kind = ("in-toto.io/predicate-type", document(name)["predicateType"])
    bare = signed.buildkit(body, kind, (DESCRIBED_CHILD, str(DIGEST)))
    for demands in ({}, {"minLevel": 1}):
        assert keyed({"type": "slsa-provenance", **demands}, bare)[0] == "failed"


# --- an attestation in GitHub's form, by a certificate of a private instance ---

WORKFLOW = f"{WIDGETS}/.github/workflows/release.yml@refs/heads/main"
RUNNER = "https://github.com/actions/runner/github-hosted"


def keyless(evidence: tuple[Evidence, ...], **demands: Any) -> tuple[str, str]:
    documents = [
        {
            "apiVersion": "preverify/v1",
            "kind": "Trust",
            "metadata": {"name": "test"},
            "spec": {"roots": {"stack": {"file": "trust/trusted_root.json"}}},
        },
        {
            "apiVersion": "preverify/v1",
            "kind": "Signers",
            "metadata": {"name": "test"},
            "spec": {
                "ci": {"keyless": {"issuer": "http://127.0.0.1:5500/github", "subject": WORKFLOW, "trust": "stack"}}
            },
        },
        {
            "apiVersion": "preverify/v1",
            "kind": "Policy",
            "metadata": {"name": "test"},
            "spec": {
                "images": ["registry.test/**"],
                "require": [
                    {"name": "built", "attestation": {"type": "slsa-provenance", "by": {"any": ["ci"]}, **demands}}
                ],
            },
        },
    ]
    text = yaml.safe_dump_all(documents).encode()
    policies = load([("test.yaml", text)], lambda name: (signed.FIXTURES / name).read_bytes())
    image = signed.image("bundle-gh-good")
    source: Any = MemorySource(image, evidence)
    (verdict,) = pipeline.look(source, (policies,), image, clock=SystemClock()).verdicts
    return say(verdict)


def test_a_certificate_and_a_statement_that_disagree_are_refused_through_real_signatures() -> None:
    """The recorded attestation names another run than its certificate; asked for the type alone it counts."""
    evidence = signed.evidence("bundle-gh-good")
    assert keyless(evidence) == ("passed", "ok")
    for demands in ({"source": WIDGETS}, {"minLevel": 1}, {"builders": [{"id": RUNNER, "level": 2}]}):
        assert keyless(evidence, **demands) == ("failed", "extension-mismatch")
    assert keyless(evidence, builders=[{"id": BUILDER}]) == ("failed", "builder-mismatch")


def test_the_statement_of_one_image_says_nothing_of_another() -> None:
    other = signed.evidence("bundle-gh-about-another-image")
    assert keyless(other, source=WIDGETS)[0] == "failed"


def test_nothing_of_the_statement_can_be_changed_afterwards() -> None:
    (layer,) = signed.evidence("bundle-gh-good")
    bundle = json.loads(layer.body)
    payload = signed.compact(changed(document("github-private"), "runDetails/builder/id", WORKFLOW))
    bundle["dsseEnvelope"]["payload"] = signed.b64(payload)
    assert keyless((signed.with_body(layer, signed.compact(bundle)),), source=WIDGETS)[0] == "failed"
