"""ClusterImagePolicy: each field becomes something of the same meaning, or is refused by its name."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from preverify.model.errors import BadConfiguration
from support.foreign_policies import (
    EC1,
    EC2,
    EC384,
    FIXTURES,
    KEYS,
    OWN_LOG,
    WHO,
    encoded,
    key,
    keyless,
    policy,
    trust_root,
)

Plain = Callable[..., dict[str, Any]]


def test_a_key_becomes_a_signer(plain: Plain) -> None:
    found = plain(policy(key()))
    assert found["shop"] == {
        "images": ["registry.example/**"],
        "require": [{"name": "signed", "signature": {"by": {"any": ["release"]}}}],
    }
    assert found["signers"] == {"release": {"key": {"file": "keys/release.pub"}, "tlog": "none"}}
    assert found["files"] == {"keys/release.pub": EC1.encode()}


def test_any_authority_is_enough(plain: Plain) -> None:
    found = plain(policy(key(), keyless(name=""), {"key": {"data": EC2.rstrip()}}))
    assert found["shop"]["require"] == [
        {"name": "signed", "signature": {"by": {"any": ["release", "shop-1", "shop-2"]}}}
    ]
    assert found["files"]["keys/shop-2.pub"] == EC2.encode()


@pytest.mark.parametrize(
    ("authority", "form"),
    [
        (key(ctlog={"url": "https://rekor.sigstore.dev"}), {"tlog": "required", "trust": "public-good"}),
        (key(ctlog=OWN_LOG), {"tlog": "required", "trust": "own"}),
        (
            key(rfc3161timestamp={"trustRootRef": "own"}, ctlog=OWN_LOG),
            {"tlog": "none", "timestamps": "required", "trust": "own"},
        ),
        (key(source=[{"signaturePullSecrets": [{"name": "s"}]}], signatureFormat="legacy"), {"tlog": "none"}),
        (key(source=[{}]), {"tlog": "none"}),
        ({"name": "release", "key": {"data": EC1, "hashAlgorithm": "sha256"}}, {"tlog": "none"}),
    ],
)
def test_what_a_key_looks_at(plain: Plain, authority: dict[str, Any], form: dict[str, Any]) -> None:
    found = plain(policy(authority) + trust_root())
    assert found["signers"]["release"] == {"key": {"file": "keys/release.pub"}, **form}


@pytest.mark.parametrize(
    ("authority", "form"),
    [
        (keyless(), {"tlog": "required", "trust": "public-good", "sct": "required"}),
        (keyless(keyless={"url": "https://fulcio.sigstore.dev"}), {"tlog": "required", "trust": "public-good"}),
        (keyless(keyless={"insecureIgnoreSCT": True}), {"tlog": "required", "trust": "public-good", "sct": "none"}),
        (keyless(ctlog={"url": "https://rekor.sigstore.dev"}), {"tlog": "required", "trust": "public-good"}),
        (keyless(keyless={"trustRootRef": "own"}), {"tlog": "none", "trust": "own"}),
        (keyless(keyless={"trustRootRef": "own"}, ctlog=OWN_LOG), {"tlog": "required", "trust": "own"}),
        (
            keyless(keyless={"trustRootRef": "own"}, rfc3161timestamp={"trustRootRef": "own"}),
            {"tlog": "none", "timestamps": "required", "trust": "own"},
        ),
        (
            keyless(
                keyless={"trustRootRef": "own"},
                signatureFormat="bundle",
                attestations=[{"name": "x", "predicateType": "spdx"}],
            ),
            {"tlog": "required", "trust": "own"},
        ),
    ],
)
def test_what_an_identity_looks_at(plain: Plain, authority: dict[str, Any], form: dict[str, Any]) -> None:
    found = plain(policy(authority) + trust_root())
    assert found["signers"]["ci"] == {"keyless": {**WHO, "timestamps": "none", "sct": "required", **form}}


def test_the_older_version_takes_a_log_without_its_address(plain: Plain) -> None:
    found = plain(policy(key(ctlog={"trustRootRef": "own"}), version="v1alpha1") + trust_root())
    assert found["signers"]["release"] == {"key": {"file": "keys/release.pub"}, "tlog": "required", "trust": "own"}
    with pytest.raises(BadConfiguration, match="ctlog: names no url"):
        plain(policy(key(ctlog={}), version="v1alpha1"))


def test_identities_are_alternatives_and_expressions_look_anywhere(plain: Plain) -> None:
    second = {"issuerRegExp": "acme", "subjectRegExp": "^https://github.com/acme/"}
    found = plain(policy(keyless(WHO, second)))
    assert found["shop"]["require"][0]["signature"]["by"] == {"any": ["ci-0", "ci-1"]}
    looks = {"tlog": "required", "timestamps": "none", "trust": "public-good", "sct": "required"}
    patterns = {
        "issuerPattern": "(?s:.*)acme(?s:.*)",
        "subjectPattern": "^https://github.com/acme/(?s:.*)",
    }
    assert found["signers"]["ci-1"] == {"keyless": {**patterns, **looks}}


def test_every_attestation_of_an_authority_has_to_be_there(plain: Plain) -> None:
    types = [
        {"name": "provenance", "predicateType": "slsaprovenance"},
        {"name": "SBOM", "predicateType": "spdxjson"},
        {"name": "sbom", "predicateType": "https://example.com/own/v1"},
    ]
    found = plain(policy(key(attestations=types)))
    assert found["shop"]["require"] == [
        {"name": name, "attestation": {"type": kind, "by": {"any": ["release"]}}}
        for name, kind in (
            ("provenance", "https://slsa.dev/provenance/v0.2"),
            ("sbom", "https://spdx.dev/Document"),
            ("sbom-2", "https://example.com/own/v1"),
        )
    ]


def test_alike_attestations_of_several_authorities_are_one_rule(plain: Plain) -> None:
    attested = {"attestations": [{"name": "x", "predicateType": "vuln"}]}
    found = plain(policy(key(**attested), keyless(**attested)))
    kind = "https://cosign.sigstore.dev/attestation/vuln/v1"
    assert found["shop"]["require"] == [{"name": "x", "attestation": {"type": kind, "by": {"any": ["release", "ci"]}}}]


def test_authorities_that_ask_for_different_things_are_alternatives(plain: Plain) -> None:
    types = [{"name": "a", "predicateType": "spdx"}, {"name": "b", "predicateType": "vuln"}]
    (rule,) = plain(policy(key(attestations=types), keyless()))["shop"]["require"]
    first, second = rule["anyOf"]
    assert [each["name"] for each in first["allOf"]] == ["a", "b"]
    assert second == {"name": "signed", "signature": {"by": {"any": ["ci"]}}}


def test_static_authorities_pass_or_deny(plain: Plain) -> None:
    denied = {"static": {"action": "fail", "message": "no"}}
    found = plain(policy(denied))
    assert found["shop"]["require"] == [{"name": "denied", "signature": {"by": {"any": ["nobody"]}}}]
    assert found["signers"]["nobody"]["key"]["revokedAt"] == "1970-01-01T00:00:00Z"
    assert plain(policy(denied, key()))["shop"]["require"][0]["signature"]["by"]["any"] == ["release"]
    found = plain(policy(key(), {"static": {"action": "pass"}}), files={})
    assert found["shop"]["require"] == [{"name": "unchecked", "signature": {"by": {"any": ["unchecked"]}}}]


def test_modes_and_images(plain: Plain) -> None:
    images = [{"glob": "*"}, {"glob": "ghcr.io/acme/app@*"}, {"glob": "*"}]
    found = plain(policy(key(), images=images, mode="warn"))
    assert (found["shop"]["images"], found["shop"]["mode"]) == (["docker.io/library/*", "ghcr.io/acme/app"], "warn")
    assert "mode" not in plain(policy(key(), mode="enforce"))["shop"]


def test_a_trust_root_of_keys_becomes_a_root_of_parts(plain: Plain) -> None:
    found = plain(policy(keyless(keyless={"trustRootRef": "own"})) + trust_root())
    assert found["trust"] == {
        "roots": {
            "own": {
                "authorities": [{"files": ["trust/own-ca.pem"]}],
                "logs": [{"key": "trust/own-log.pub"}],
                "ctLogs": [{"key": "trust/own-ct-log.pub"}],
                "timestampAuthorities": [{"files": ["trust/own-tsa.pem"]}],
            }
        }
    }
    assert found["files"]["trust/own-ca.pem"] == (FIXTURES / "trust" / "ca-chain.pem").read_bytes()


def test_a_trust_root_in_a_tuf_repository_is_followed(plain: Plain) -> None:
    root = base64.b64encode(b'{"signed":{}}').decode()
    remote = {"mirror": "https://tuf.example/", "root": root, "targets": "targets"}
    found = plain(policy(keyless(keyless={"trustRootRef": "own"})) + trust_root(remote=remote))
    assert found["trust"] == {"roots": {"own": {"tuf": {"url": "https://tuf.example", "root": "trust/own-root.json"}}}}
    assert found["files"]["trust/own-root.json"] == b'{"signed":{}}'


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "spec: expected exactly one of remote and sigstoreKeys"),
        ({"remote": {}, "sigstoreKeys": KEYS}, "spec: expected exactly one of"),
        ({"repository": {"root": "", "mirrorFS": ""}}, "spec.repository: a repository inside"),
        ({"remote": {"root": "e30="}}, "spec.remote.mirror: is missing"),
        ({"remote": {"mirror": "https://tuf.example"}}, "spec.remote.root: is missing"),
        ({"remote": {"mirror": "https://t.example", "root": "%"}}, "spec.remote.root: is not base64"),
        (
            {"remote": {"mirror": "https://t.example", "root": "e30=", "targets": "x"}},
            "spec.remote.targets: another name",
        ),
        (
            {"remote": {"mirror": "https://t.example", "root": "e30=", "trustedRootTarget": "x"}},
            "spec.remote.trustedRootTarget: another name",
        ),
        ({"sigstoreKeys": {"tLogs": [{"publicKey": "e30="}]}}, r"spec.sigstoreKeys.tLogs\[0\].publicKey: is no PEM"),
        (
            {"sigstoreKeys": {"tLogs": [{"publicKey": encoded("ct.pub"), "hashAlgorithm": "sha-512"}]}},
            r"spec.sigstoreKeys.tLogs\[0\].hashAlgorithm: only trees",
        ),
        ({"sigstoreKeys": {**KEYS, "other": 1}}, "spec.sigstoreKeys.other: is not understood here"),
    ],
)
def test_trust_roots_that_cannot_be_said(plain: Plain, spec: dict[str, Any], said: str) -> None:
    form = {
        "apiVersion": "policy.sigstore.dev/v1alpha1",
        "kind": "TrustRoot",
        "metadata": {"name": "own"},
        "spec": spec,
    }
    with pytest.raises(BadConfiguration, match=said):
        plain(policy(key()) + "---\n" + yaml.safe_dump(form))


ATTESTED = {"name": "x", "predicateType": "spdx"}


@pytest.mark.parametrize(
    ("authority", "said"),
    [
        ({}, r"authorities\[0\]: expected exactly one of key, keyless and static"),
        ({**key(), **keyless()}, "expected exactly one of key, keyless and static"),
        ({"static": {}}, r"static.action: is missing"),
        ({"static": {"action": "maybe"}}, "static.action: is 'maybe', expected one of: pass, fail"),
        (
            {"static": {"action": "pass"}, "attestations": [ATTESTED]},
            r"authorities\[0\].attestations: is not understood",
        ),
        ({"key": {"kms": "awskms:///x"}}, "key.kms: a key service is not asked"),
        ({"key": {"secretRef": {"name": "x"}}}, "key.secretRef: secrets of a cluster are not read"),
        ({"key": {"data": EC1, "hashAlgorithm": "sha512"}}, "key.hashAlgorithm: the hash follows"),
        ({"key": {"data": "x"}}, "key.data: "),
        ({"key": {"data": EC1 + EC2}}, "key.data: holds 2 PEM blocks"),
        (
            {"key": {"data": EC384}},
            "key.data: holds a key on secp384r1, with which",
        ),
        ({"key": {"data": EC1, "other": 1}}, "key.other: is not understood here"),
        (key(ctlog={}), "ctlog: names no url"),
        (key(ctlog={"trustRootRef": "own"}), "ctlog: names no url"),
        (key(ctlog={**OWN_LOG, "trustRootRef": "none"}), "ctlog.trustRootRef: is 'none', and no TrustRoot"),
        (key(rfc3161timestamp={}), "rfc3161timestamp: names no trustRootRef"),
        (
            key(signatureFormat="bundle", attestations=[ATTESTED]),
            "signatureFormat: policy-controller reads bundles only",
        ),
        (keyless(signatureFormat="bundle"), "signatureFormat: policy-controller reads bundles only"),
        (keyless(signatureFormat="other"), "signatureFormat: is 'other'"),
        (keyless(WHO, WHO, signatureFormat="bundle", attestations=[ATTESTED]), "keyless.identities: policy-controller"),
        (key(source=[{"oci": "registry.example/sigs"}]), r"source\[0\].oci: evidence is looked for"),
        (key(source=[{"tagPrefix": "x"}]), r"source\[0\].tagPrefix: evidence is looked for"),
        (keyless(keyless={"ca-cert": {"data": EC1}}), "keyless.ca-cert: policy-controller v0.13 passes nothing"),
        (keyless(ctlog=OWN_LOG), "ctlog: trusts the TrustRoot 'own' beside certificates of the public"),
        (
            keyless(keyless={"trustRootRef": "own"}, ctlog={"url": "https://rekor.sigstore.dev"}),
            "roots are never pooled",
        ),
        (keyless(rfc3161timestamp={"trustRootRef": "own"}), "rfc3161timestamp: trusts the TrustRoot 'own'"),
        ({"keyless": {"identities": []}}, "keyless.identities: is missing"),
        (keyless({"issuer": "https://a.example"}), r"identities\[0\].subject: expected exactly one of subject and"),
        (keyless({**WHO, "issuerRegExp": "x"}), r"identities\[0\].issuer: expected exactly one of issuer and"),
        (keyless({"issuer": "https://a.example", "subjectRegExp": ".*"}), "subjectRegExp: .* matches everybody"),
        (key(attestations=[{"name": "x"}]), r"attestations\[0\].predicateType: '' is not an attestation type"),
        (key(attestations=[{"name": "x", "predicateType": "vsa"}]), "predicateType: 'vsa' is no predicate type URI"),
        (
            key(attestations=[{**ATTESTED, "policy": {"type": "cue", "data": "x"}}]),
            r"attestations\[0\].policy: this is code",
        ),
    ],
)
def test_authorities_that_cannot_be_said(plain: Plain, authority: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        plain(policy(authority) + trust_root())
    lost = plain(policy(authority) + trust_root(), lossy=True)
    assert lost["shop"]["require"] == [{"name": "denied", "signature": {"by": {"any": ["nobody"]}}}]
    assert len(lost["losses"]) == 1
    beside = plain(policy(authority, key(name="other")) + trust_root(), lossy=True)
    assert beside["shop"]["require"][0]["signature"]["by"]["any"] == ["other"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (policy(), "spec.authorities: is missing"),
        (policy(key(), match=[{"group": "", "version": "v1", "resource": "pods"}]), "spec.match: policies here"),
        (policy(key(), policy={"type": "rego", "data": "x"}), "spec.policy: this is code"),
    ],
)
def test_policies_that_cannot_be_said_deny_where_losses_are_allowed(plain: Plain, text: str, said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        plain(text)
    assert plain(text, lossy=True)["shop"]["require"][0]["name"] == "denied"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (policy(key(), images=[]), "spec.images: is missing"),
        (policy(key(), images=[{"glob": "acme/app"}]), r"spec.images\[0\].glob: 'acme/app' matches no image"),
        (policy(key(), mode="audit"), "spec.mode: is 'audit', expected one of: enforce, warn"),
        (policy(key(), other=1), "spec.other: is not understood here"),
        ("apiVersion: policy.sigstore.dev/v1\nkind: ClusterImagePolicy\nmetadata: {name: x}\n", "spec: is missing"),
        (policy(key()) + "---\n" + trust_root().replace("spec:", "spek:"), "spec: is missing"),
        (trust_root(), "holds no policy"),
    ],
)
def test_what_says_no_images_is_refused_in_any_case(plain: Plain, text: str, said: str) -> None:
    for lossy in (False, True):
        with pytest.raises(BadConfiguration, match=said):
            plain(text, lossy=lossy)
