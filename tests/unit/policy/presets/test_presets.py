"""Presets: each is exactly the long form that stands beside it, and nobody who is only nearly right passes."""

import json
from dataclasses import replace
from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.findings import Finding
from preverify.model.verdicts import Outcome
from preverify.policy.documents import load
from preverify.policy.policies import Policy, PolicySet
from preverify.policy.rules.evidence import Look
from preverify.trust import read_built_in
from support.policies import SIGNERS, policy_text, read_file, signature
from support.predicates import GITHUB_ISSUER
from support.presets import ISSUER, UIDPS, attested_by_npm, preset_set, signed_as

RELEASE = "https://github.com/chainguard-images/images/.github/workflows/release.yaml@refs/heads/main"
OTHER_UIDP = "45a0c61ea6fd977f050c5fb9ac06a69eed764595/fedcba9876543210"
ORG = f"{{chainguard-org: {{imageSyncer: {UIDPS[0]}, customImageBuilder: {OTHER_UIDP}}}}}"
LONG = {
    "{chainguard-public: {}}": (
        f'{{keyless: {{issuer: "{GITHUB_ISSUER}", subject: "{RELEASE}", trust: public-good}}}}',
        "signature: {by: {any: [cg]}}",
    ),
    f"{{chainguard-org: {{imageSyncer: {UIDPS[0]}}}}}": (
        f'{{keyless: {{issuer: "{ISSUER}", subject: "{ISSUER}/{UIDPS[0]}", trust: public-good}}}}',
        "signature: {by: {any: [cg]}}",
    ),
    ORG: (
        (
            f'{{keyless: {{issuer: "{ISSUER}", trust: public-good, '
            f"subjectPattern: 'https://issuer\\.enforce\\.dev/(?:{UIDPS[0]}|{OTHER_UIDP})'}}}}"
        ),
        "signature: {by: {any: [cg]}}",
    ),
    "{github-attestations: {repository: acme/a.b}}": (
        (
            f'{{keyless: {{issuer: "{GITHUB_ISSUER}", trust: public-good, '
            r"subjectPattern: 'https://github\.com/acme/a\.b/\.github/workflows/[^/@]+@refs/[^@]+', "
            'extensions: {sourceRepositoryURI: "https://github.com/acme/a.b"}}}'
        ),
        'attestation: {type: slsa-provenance, by: {any: [cg]}, minLevel: 1, source: "https://github.com/acme/a.b"}',
    ),
    "{github-attestations: {owner: acme, trust: staging}}": (
        (
            f'{{keyless: {{issuer: "{GITHUB_ISSUER}", trust: staging, '
            r"subjectPattern: 'https://github\.com/acme/[^/@]+/\.github/workflows/[^/@]+@refs/[^@]+', "
            'extensions: {sourceRepositoryOwnerURI: "https://github.com/acme"}}}'
        ),
        "attestation: {type: slsa-provenance, by: {any: [cg]}, minLevel: 1}",
    ),
    "{github-attestations: {repository: acme/api, ref: refs/heads/main, "
    "workflow: acme/api/.github/workflows/release.yml}}": (
        (
            f'{{keyless: {{issuer: "{GITHUB_ISSUER}", trust: public-good, '
            'subject: "https://github.com/acme/api/.github/workflows/release.yml@refs/heads/main", '
            'extensions: {sourceRepositoryURI: "https://github.com/acme/api", sourceRepositoryRef: refs/heads/main}}}'
        ),
        (
            "attestation: {type: slsa-provenance, by: {any: [cg]}, minLevel: 1, ref: refs/heads/main, "
            'source: "https://github.com/acme/api"}'
        ),
    ),
    "{github-attestations: {repository: acme/api, ref: refs/heads/main, "
    "workflow: acme/shared/.github/workflows/build.yml}}": (
        (
            f'{{keyless: {{issuer: "{GITHUB_ISSUER}", trust: public-good, '
            r"subjectPattern: 'https://github\.com/acme/shared/\.github/workflows/build\.yml@refs/[^@]+', "
            'extensions: {sourceRepositoryURI: "https://github.com/acme/api", sourceRepositoryRef: refs/heads/main}}}'
        ),
        (
            "attestation: {type: slsa-provenance, by: {any: [cg]}, minLevel: 1, ref: refs/heads/main, "
            'source: "https://github.com/acme/api"}'
        ),
    ),
    "{github-attestations: {owner: acme, workflow: acme/shared/.github/workflows/build.yml@refs/tags/v1}}": (
        (
            f'{{keyless: {{issuer: "{GITHUB_ISSUER}", trust: public-good, '
            'subject: "https://github.com/acme/shared/.github/workflows/build.yml@refs/tags/v1", '
            'extensions: {sourceRepositoryOwnerURI: "https://github.com/acme"}}}'
        ),
        "attestation: {type: slsa-provenance, by: {any: [cg]}, minLevel: 1}",
    ),
    "{signed-by-key: {file: keys/release.pub, tlog: none}}": (
        "{key: {file: keys/release.pub}, tlog: none}",
        "signature: {by: {any: [cg]}}",
    ),
    "{signed-by-key: {file: keys/release.pub, tlog: required}}": (
        "{key: {file: keys/release.pub}, tlog: required, trust: public-good}",
        "signature: {by: {any: [cg]}}",
    ),
}


def loaded(signer: str, demand: str) -> PolicySet:
    signers = f"apiVersion: preverify/v1\nkind: Signers\nmetadata: {{name: s}}\nspec: {{cg: {signer}}}\n"
    policy = policy_text(f"[{{name: x, {demand}}}]")
    return load([("s.yaml", signers.encode()), ("p.yaml", policy.encode())], read_file, read_root=read_built_in)


def nameless(policies: PolicySet) -> Any:
    """Return what decides, with the signer under another name."""
    (policy,) = policies.policies
    (signer,) = policy.signers
    return json.loads(json.dumps(policy.canonical()).replace(f'"{signer.name}"', '"cg"'))


@pytest.mark.parametrize("preset", LONG)
def test_a_rule_by_preset_is_its_long_form(preset: str) -> None:
    assert nameless(preset_set(preset)) == nameless(loaded(*LONG[preset]))


@pytest.mark.parametrize("preset", LONG)
def test_a_signer_by_preset_is_its_long_form(preset: str) -> None:
    signer, demand = LONG[preset]
    assert loaded(f"{{preset: {preset}}}", demand).digest == loaded(signer, demand).digest


def rule_of(preset: str) -> tuple[Policy, Any]:
    policy = preset_set(preset).policies[0]
    return policy, policy.rules[0]


@pytest.mark.parametrize(
    ("preset", "issuer", "identity"),
    [
        ("{chainguard-public: {}}", GITHUB_ISSUER, RELEASE),
        (ORG, ISSUER, f"{ISSUER}/{UIDPS[0]}"),
        (ORG, ISSUER, f"{ISSUER}/{OTHER_UIDP}"),
    ],
)
def test_only_the_exact_identity_passes(preset: str, issuer: str, identity: str) -> None:
    policies = preset_set(preset)
    (rule,) = policies.policies[0].rules

    def outcome(issuer: str, identity: str) -> Outcome:
        result: Outcome = rule.check(Look(findings=[signed_as(policies, issuer, identity)])).outcome
        return result

    assert outcome(issuer, identity) is Outcome.PASSED
    near = [
        (issuer, identity + "x"),
        (issuer, "x" + identity),
        (issuer, identity[:-1]),
        (issuer, identity.replace(".", "x", 1)),
        (issuer, identity.upper()),
        (issuer, identity + "\n"),
        (issuer, f"{identity}|"),
        (issuer + "/", identity),
        (issuer.replace("https", "http"), identity),
        (issuer + ".evil.test", identity),
        ("", identity),
    ]
    assert {outcome(*each) for each in near} == {Outcome.FAILED}


def npm(**changed: str) -> Finding:
    """Return the recorded attestation; `changed` are facts of its certificate that are others."""
    finding = attested_by_npm()
    assert finding.signing is not None
    extensions = {**dict(finding.signing.extensions), **{k: v for k, v in changed.items() if k != "identity"}}
    identity = changed.get("identity", finding.signing.identity)
    signing = replace(finding.signing, identity=identity, extensions=tuple(sorted(extensions.items())))
    return replace(finding, signing=signing)


NPM = "sigstore/sigstore-js"
WORKFLOW = f"{NPM}/.github/workflows/release.yml"


@pytest.mark.parametrize(
    ("parameters", "passes"),
    [
        (f"repository: {NPM}", True),
        ("owner: sigstore", True),
        (f"repository: {NPM}, ref: refs/heads/main, workflow: {WORKFLOW}", True),
        (f"owner: sigstore, workflow: {WORKFLOW}", True),
        (f"owner: sigstore, workflow: '{WORKFLOW}@refs/heads/main'", True),
        ("repository: sigstore/sigstore-j", False),
        ("repository: sigstore/sigstore-jsx", False),
        ("repository: sigstore/sigstore.js", False),
        ("owner: sigstor", False),
        ("owner: Sigstore", False),
        (f"repository: {NPM}, ref: refs/heads/mai", False),
        (f"repository: {NPM}, ref: refs/tags/main", False),
        (f"repository: {NPM}, workflow: {NPM}/.github/workflows/releasexyml.yml", False),
        (f"owner: sigstore, workflow: '{WORKFLOW}@refs/heads/mai'", False),
        (f"repository: {NPM}, trust: staging", False),
    ],
)
def test_a_real_attestation_of_github_passes_under_its_own_name_only(parameters: str, passes: bool) -> None:
    _, rule = rule_of(f"{{github-attestations: {{{parameters}}}}}")
    result = rule.check(Look(findings=[npm()]))
    assert (result.outcome is Outcome.PASSED) == passes, result


@pytest.mark.parametrize(
    "changed",
    [
        {"identity": f"https://github.com/{WORKFLOW}@refs/heads/main@x"},
        {"identity": f"https://github.com/sigstore/x/{WORKFLOW}@refs/heads/main"},
        {"identity": f"https://github.com.evil.test/{WORKFLOW}@refs/heads/main"},
        {"identity": f"https://githubxcom/{WORKFLOW}@refs/heads/main"},
        {"identity": "https://github.com/sigstore/sigstore-js/x/workflows/release.yml@refs/heads/main"},
        {"sourceRepositoryURI": "https://github.com/sigstore/sigstore-jsx"},
        {"sourceRepositoryURI": ""},
    ],
)
def test_a_certificate_that_says_otherwise_does_not_count(changed: dict[str, str]) -> None:
    _, rule = rule_of(f"{{github-attestations: {{repository: {NPM}}}}}")
    assert rule.check(Look(findings=[npm(**changed)])).outcome is Outcome.FAILED


def test_rules_that_say_the_same_share_one_signer() -> None:
    rule = "preset: {signed-by-key: {file: keys/release.pub, tlog: none}}"
    other = "preset: {signed-by-key: {file: keys/vendor.pub, tlog: none}}"
    text = policy_text(
        f"[{{name: a, {rule}}}, {{name: b, mode: audit, platforms: each, {rule}}}, {{name: c, {other}}}, "
        "{name: d, signature: {by: {any: [release]}}}]"
    )
    policies = load([("s.yaml", SIGNERS.encode()), ("p.yaml", text.encode())], read_file)
    (policy,) = policies.policies
    assert policy.rules[0].quorums == policy.rules[1].quorums
    assert len(policy.signers) == 3
    assert policy.rules[1].mode.value == "audit"
    assert policy.platforms_of("b").canonical() == "each"
    assert policy.rules[0].check(Look(findings=[signature()])).outcome is Outcome.PASSED
    assert PolicySet.from_document(policies.document) == policies


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("{aws-signer: {}}", "'aws-signer' is not in this version of preverify: its signatures need AWS's plugin"),
        ("{}", "names no preset, expected exactly one of: chainguard-public, chainguard-org, github-attestations"),
        ("{chainguard-public: {}, signed-by-key: {file: a, tlog: none}}", "names chainguard-public and signed-by-key"),
        ("{chainguard-pblic: {}}", "unknown key 'chainguard-pblic', did you mean 'chainguard-public'?"),
        ("{chainguard-public: {org: x}}", "unknown key 'org'"),
        ("{chainguard-org: {}}", "names nobody, expected 'imageSyncer', 'customImageBuilder' or both"),
        ("{chainguard-org: {imageSyncer: '.*'}}", "is no UIDP"),
        (f"{{chainguard-org: {{imageSyncer: '{UIDPS[0]}|x'}}}}", "is no UIDP"),
        ("{github-attestations: {}}", "expected exactly one of 'repository' and 'owner'"),
        ("{github-attestations: {owner: a, repository: a/b}}", "expected exactly one of 'repository' and 'owner'"),
        ("{github-attestations: {owner: 'a/b'}}", "is not an owner like acme"),
        ("{github-attestations: {repository: '*/*'}}", "is not a repository like acme/api"),
        ("{github-attestations: {repository: a/b, workflow: release.yml}}", "is not like acme/api/.github/workflows"),
        ("{github-attestations: {repository: a/b, ref: main}}", "is not a full ref, expected refs/…"),
        ("{github-attestations: {repository: a/b, trust: nobody}}", "1.yaml:6: spec.github-attestations."),
        ("{signed-by-key: {file: keys/x.pub, tlog: none}}", "1.yaml:6: spec.signed-by-key."),
        ("{signed-by-key: {file: keys/release.pub}}", "signed-by-key.tlog: is required and missing"),
    ],
)
def test_a_preset_with_a_mistake_is_refused(preset: str, expected: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        preset_set(preset)
    assert expected in str(refused.value)


def test_a_preset_stands_alone() -> None:
    beside = "[{name: x, preset: {chainguard-public: {}}, signature: {by: {any: [release]}}}]"
    with pytest.raises(BadConfiguration, match="demands preset, signature, expected exactly one"):
        load([("s.yaml", SIGNERS.encode()), ("p.yaml", policy_text(beside).encode())], read_file)
    signer = "{preset: {chainguard-public: {}}, tlog: none}"
    with pytest.raises(BadConfiguration, match="tlog beside 'preset'"):
        loaded(signer, "signature: {by: {any: [cg]}}")
    both = "{preset: {chainguard-public: {}}, key: {file: keys/release.pub}}"
    with pytest.raises(BadConfiguration, match="is key and preset, expected exactly one of"):
        loaded(both, "signature: {by: {any: [cg]}}")


def test_a_signer_of_the_same_name_is_refused() -> None:
    signers = (
        SIGNERS.replace("name: all", "name: more").replace("  release:", "  chainguard-public:").split("  security")[0]
    )
    with pytest.raises(BadConfiguration, match="there is another signer named 'chainguard-public'"):
        preset_set("{chainguard-public: {}}", signers)
