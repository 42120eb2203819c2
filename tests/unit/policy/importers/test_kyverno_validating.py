"""ImageValidatingPolicy: the shapes that are recognised mean the same here, everything else is refused by its name."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.importers import Imported
from support.foreign_policies import EC1, EC2, EC384, FIXTURES, WHO
from support.kyverno_validating import PODS, attested, key, policy, signed

Plain = Callable[..., dict[str, Any]]
THREE = [key("a"), key("b", EC2), key("c", (FIXTURES / "keys" / "rsa2048.pub").read_text())]
TRUSTED_ROOT = (FIXTURES / "trust" / "trusted_root.json").read_text()


def pem(name: str) -> str:
    return (FIXTURES / "trust" / name).read_text()


def cosign(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "cosign": more}]


def keyless(*identities: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    return cosign(keyless={"identities": list(identities or (WHO,)), **more.pop("keyless", {})}, **more)


def by(*names: str, kind: str = "", rule: str = "") -> dict[str, Any]:
    whom = {"by": {"any": list(names)}}
    if kind:
        return {"name": rule or f"{names[0]}-attested", "attestation": {"type": kind, **whom}}
    return {"name": rule or f"{names[0]}-signed", "signature": whom}


def required(found: dict[str, Any]) -> Any:
    return found["shop"]["require"]


def test_a_signature_by_an_attestor(plain: Plain) -> None:
    found = plain(policy(signed("a")))
    assert found["shop"] == {"images": ["**"], "require": [by("a")]}
    assert found["signers"] == {"a": {"key": {"file": "keys/a.pub"}, "tlog": "none"}}
    assert found["files"] == {"keys/a.pub": EC1.encode()}


@pytest.mark.parametrize(
    ("expression", "rules"),
    [
        (signed("a", "b", "c"), [by("a", "b", "c")]),
        (signed("a", "b", needed=">= 2"), [by("a"), by("b")]),
        (signed("a", "b", needed="== 2"), [by("a"), by("b")]),
        (
            signed("a", "b", "c", needed="> 1"),
            [{"name": "enough", "atLeast": {"atLeast": 2, "of": [by("a"), by("b"), by("c")]}}],
        ),
        (signed("a") + " && " + signed("b"), [by("a"), by("b")]),
        (attested("b"), [by("b", kind="https://spdx.dev/Document")]),
        (attested("b", of='attestations["sbom"]'), [by("b", kind="https://spdx.dev/Document")]),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors['b']]) > 0)", [by("b")]),
        (
            "images.containers.all(i, verifyAttestationSignatures(i,attestations.sbom, [attestors.b, attestors.a])>=1)",
            [by("b", "a", kind="https://spdx.dev/Document")],
        ),
        (signed("a", needed="> 3"), [{"name": "denied", "signature": {"by": {"any": ["nobody"]}}}]),
    ],
)
def test_shapes(plain: Plain, expression: str, rules: list[dict[str, Any]]) -> None:
    assert required(plain(policy(expression, attestors=THREE))) == rules


def test_all_validations_count(plain: Plain) -> None:
    assert required(plain(policy(signed("a"), signed("b"), attested("a"), signed("a"), attestors=THREE))) == [
        by("a"),
        by("b"),
        by("a", kind="https://spdx.dev/Document"),
    ]


@pytest.mark.parametrize(
    ("attestors", "form"),
    [
        (cosign(key={"data": EC1}), {"tlog": "required", "trust": "public-good"}),
        (
            cosign(key={"data": EC1, "hashAlgorithm": "sha256"}, ctlog={"url": "https://x"}),
            {"tlog": "required", "trust": "public-good"},
        ),
        (cosign(key={"data": EC1}, trustedRoot={"value": TRUSTED_ROOT}), {"tlog": "required", "trust": "a-root"}),
        (
            cosign(key={"data": EC1}, ctlog={"insecureIgnoreTlog": True}, source={"PullSecrets": [{"name": "x"}]}),
            {"tlog": "none"},
        ),
        (cosign(key={"data": EC1}, ctlog={"insecureIgnoreTlog": True}, source={}), {"tlog": "none"}),
    ],
)
def test_what_a_key_looks_at(plain: Plain, attestors: list[dict[str, Any]], form: dict[str, Any]) -> None:
    found = plain(policy(signed("a"), attestors=attestors))
    assert found["signers"] == {"a": {"key": {"file": "keys/a.pub"}, **form}}


@pytest.mark.parametrize(
    ("attestors", "form"),
    [
        (keyless(), WHO),
        (keyless(ctlog={"insecureIgnoreSCT": True}), {**WHO, "sct": "none"}),
        (keyless(ctlog={"insecureIgnoreTlog": True}), {**WHO, "tlog": "none"}),
        (
            keyless({"issuerRegExp": "^https://issuer", "subjectRegExp": "@acme"}),
            {"issuerPattern": "^https://issuer(?s:.*)", "subjectPattern": "(?s:.*)@acme(?s:.*)"},
        ),
        (keyless(trustedRoot={"value": TRUSTED_ROOT}), {**WHO, "trust": "a-root"}),
        (
            keyless(tuf={"mirror": "https://tuf.example/", "root": {"data": base64.b64encode(b"{}").decode()}}),
            {**WHO, "trust": "a-root"},
        ),
    ],
)
def test_what_an_identity_looks_at(plain: Plain, attestors: list[dict[str, Any]], form: dict[str, Any]) -> None:
    found = plain(policy(signed("a"), attestors=attestors))
    looks = {"tlog": "required", "timestamps": "accepted", "sct": "required", "trust": "public-good"}
    assert found["signers"] == {"a": {"keyless": {**looks, **form}}}


def test_identities_are_alternatives(plain: Plain) -> None:
    found = plain(policy(signed("a"), attestors=keyless(WHO, {**WHO, "subject": "x@acme.example"})))
    assert required(found) == [by("a", "a-2")]


def test_notary_certificates_become_stores(plain: Plain) -> None:
    certificates = {"certs": {"value": pem("notation-root.pem")}, "tsaCerts": {"value": pem("tsa-root.pem")}}
    found = plain(policy(signed("n"), attestors=[{"name": "n", "notary": certificates}]))
    stores = ["ca:n", "tsa:n"]
    assert found["signers"] == {"n": {"notation": {"stores": stores, "identities": ["*"], "level": "strict"}}}
    assert list(found["trust"]["stores"]) == stores


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"matchImageReferences": [{"glob": "ghcr.io/*"}, {"glob": "ghcr.io/a:*"}]},
            {"images": ["ghcr.io/**", "ghcr.io/a"]},
        ),
        ({"validationActions": ["Audit"]}, {"mode": "audit"}),
        ({"validationActions": ["Audit", "Warn"]}, {"mode": "warn"}),
        ({"validationActions": ["Audit", "Deny"]}, {}),
        ({"validationActions": []}, {}),
        ({"kind": "NamespacedImageValidatingPolicy", "namespace": "shop"}, {"namespaces": ["shop"]}),
        ({"kind": "NamespacedImageValidatingPolicy"}, {"namespaces": ["default"]}),
        ({"evaluation": {"mode": "Kubernetes", "background": {}, "admission": {"enabled": True}}}, {}),
        ({"evaluation": {}, "failurePolicy": "Fail", "webhookConfiguration": {}, "autogen": {}, "credentials": {}}, {}),
        ({"matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": [{**PODS, "scope": "*"}]}}, {}),
        (
            {
                "matchConstraints": {
                    "resourceRules": [{**PODS, "resources": ["deployments"]}, {name: ["*"] for name in PODS}]
                }
            },
            {},
        ),
    ],
)
def test_images_modes_and_objects(plain: Plain, spec: dict[str, Any], expected: dict[str, Any]) -> None:
    found = plain(policy(signed("a"), **spec))["shop"]
    assert {"images": ["**"], **expected} == {key: value for key, value in found.items() if key != "require"}


def test_what_kyverno_does_beside_deciding_is_said(imported: Callable[..., Imported]) -> None:
    notes = " ".join(imported(policy(signed("a"), attestors=[key(source={"PullSecrets": [1]})])).notes)
    assert "images of init and ephemeral containers" in notes
    assert "PullSecrets: credentials" in notes


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("true", "is no shape that is recognised"),
        ("images.containers.map(image, extractPayload(image, attestations.sbom).x == 'y').all(e, e)", "is no shape"),
        (signed("a").replace("containers", "initContainers"), "is no shape"),
        (signed("a").replace("(e, e", "(e, f"), "is no shape"),
        (signed("a").replace("verifyImageSignatures(image", "verifyImageSignatures(other"), "is no shape"),
        (signed("a") + " || " + signed("a"), "is no shape"),
        ("!" + signed("a"), "is no shape"),
        (signed("a").replace("attestors.a", "variables.a"), "is no shape"),
        (signed("a", needed=">= 0"), "asks for >= 0 of 1 attestors"),
        (signed("a", "a", needed="== 1"), "asks for == 1 of 2 attestors"),
        (signed("x"), "names the attestor 'x', which is not there"),
        (attested("a", of="attestations.x"), "names the attestation 'x', which is not there"),
    ],
)
def test_code_is_refused(plain: Plain, expression: str, said: str) -> None:
    text = policy(expression)
    with pytest.raises(BadConfiguration, match=rf"validations\[0\].expression: {said}"):
        plain(text)
    lost = plain(text, lossy=True)
    assert required(lost) == [{"name": "denied", "signature": {"by": {"any": ["nobody"]}}}]
    assert len(lost["losses"]) == 1


@pytest.mark.parametrize(
    ("attestors", "said"),
    [
        ([{"name": "a"}], r"attestors\[0\]: expected exactly one of cosign and notary"),
        ([{"name": "a", "cosign": {}, "notary": {}}], "expected exactly one of cosign and notary"),
        ([{**key(), "other": 1}], r"attestors\[0\].other: is not understood"),
        (cosign(), "cosign: expected exactly one of key and keyless"),
        (cosign(key={"data": EC1}, keyless={}), "cosign: expected exactly one of key and keyless"),
        (cosign(certificate={"cert": {"value": "x"}}), "cosign.certificate: a signer by one certificate"),
        ([key(annotations={"env": "prod"})], "cosign.annotations: Kyverno compares annotations beside the signature"),
        (cosign(key={"kms": "x"}), "key.kms: a key service is not asked"),
        (cosign(key={"expression": "x"}), "key.expression: this is code"),
        (cosign(key={"data": EC1, "hashAlgorithm": "sha512"}), "key.hashAlgorithm: the hash follows"),
        (cosign(key={"data": "x"}), "key.data: "),
        (cosign(key={"data": EC384}), "key.data: holds a key on secp384r1"),
        (cosign(key={"data": EC1}, source={"repository": "x"}), "source.repository: evidence is looked for"),
        (cosign(key={"data": EC1}, source={"tagPrefix": "x"}), "source.tagPrefix: evidence is looked for"),
        (cosign(key={"data": EC1}, ctlog={"rekorPubKey": "x"}), "ctlog.rekorPubKey: is mixed with"),
        (cosign(key={"data": EC1}, ctlog={"ctLogPubKey": "x"}), "ctlog.ctLogPubKey: is mixed with"),
        (cosign(key={"data": EC1}, ctlog={"tsaCertChain": "x"}), "ctlog.tsaCertChain: is mixed with"),
        (keyless(keyless={"roots": "x"}), "keyless.roots: is mixed with"),
        (keyless(keyless={"additionalExtensions": {"a": "b"}}), "keyless.additionalExtensions: Kyverno does not look"),
        (cosign(keyless={"identities": []}), "keyless.identities: is missing"),
        (keyless({"issuer": "https://a"}), r"identities\[0\].subject: expected exactly one of"),
        (keyless({**WHO, "issuerRegExp": "x"}), r"identities\[0\].issuer: expected exactly one of"),
        (keyless({"issuer": "https://a", "subjectRegExp": ".*"}), "subjectRegExp: pattern .* matches everybody"),
        (keyless({"issuer": "https://a", "subjectExpression": "x"}), "subjectExpression: this is code"),
        (keyless(trustedRoot={"expression": "x"}), "trustedRoot.expression: this is code"),
        (keyless(trustedRoot={"value": "x"}, tuf={}), "tuf: stands beside trustedRoot"),
        (keyless(tuf={"mirror": "https://tuf.example"}), "tuf: expected mirror and root.data"),
        (keyless(tuf={"mirror": "https://tuf.example", "root": {"path": "x"}}), "tuf.root.path: is not read"),
        (keyless(tuf={"mirror": "https://tuf.example", "root": {"data": "%"}}), "tuf.root.data: is not base64"),
        ([{"name": "a", "notary": {}}], "notary.certs: is missing"),
        ([{"name": "a", "notary": {"tsaCerts": {"value": "x"}}}], "notary.certs: is missing"),
        ([{"name": "a", "notary": {"certs": {"expression": "x"}}}], "notary.certs.expression: this is code"),
    ],
)
def test_attestors_that_cannot_be_said(plain: Plain, attestors: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        plain(policy(signed("a"), attestors=attestors))
    assert required(plain(policy(signed("a"), attestors=attestors), lossy=True))[0]["name"] == "denied"
    unused = plain(policy(signed("b"), attestors=[*attestors, key("b")]))
    assert required(unused) == [by("b")]


@pytest.mark.parametrize(
    ("attestation", "said"),
    [
        ({"referrer": {"type": "x"}}, r"attestations\[0\].referrer: artifacts beside an image"),
        ({}, r"attestations\[0\]: expected intoto"),
        ({"intoto": {"type": "spdx "}}, r"intoto.type: 'spdx ' is not an attestation type"),
        ({"intoto": {"type": "spdx"}}, "intoto.type: 'spdx' is no predicate type URI"),
    ],
)
def test_attestations_that_cannot_be_said(plain: Plain, attestation: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        plain(policy(attested("a"), attestations=[{"name": "sbom", **attestation}]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (policy(signed("a"), matchConstraints=None), "spec.matchConstraints: is missing"),
        (policy(signed("a"), matchConstraints={}), "matchConstraints.resourceRules: expected pods"),
        (
            policy(signed("a"), matchConstraints={"resourceRules": [{**PODS, "operations": ["UPDATE"]}]}),
            "resourceRules: expected pods",
        ),
        (
            policy(signed("a"), matchConstraints={"resourceRules": [PODS], "namespaceSelector": {}}),
            "namespaceSelector: is not",
        ),
        (policy(signed("a"), matchConditions=[1]), "spec.matchConditions: this is code"),
        (policy(signed("a"), variables=[1]), "spec.variables: this is code"),
        (policy(signed("a"), images=[1]), "spec.images: this is code"),
        (policy(signed("a"), evaluation={"mode": "JSON"}), "evaluation.mode: is 'JSON'"),
        (policy(signed("a"), evaluation={"admission": {"enabled": False}}), "admission.enabled: is off"),
        (policy(signed("a"), validationActions=["Never"]), "spec.validationActions: holds 'Never'"),
        (
            policy(signed("a"), matchImageReferences=[{"expression": "x"}]),
            r"matchImageReferences\[0\].expression: this is code",
        ),
        (
            policy(signed("a"), matchImageReferences=[{"glob": "nginx*"}]),
            r"matchImageReferences\[0\].glob: 'nginx\*' has to name",
        ),
        (policy(signed("a"), matchImageReferences=[{"glob": "a*/x*"}]), "'a\\*/x\\*' has to name"),
        (policy(signed("a"), matchImageReferences=[{"glob": "ghcr.io/x"}]), "'ghcr.io/x' matches images by one tag"),
        (policy(signed("a")).replace("name: shop", "label: shop"), "expected metadata.name and spec"),
        (
            "apiVersion: policies.kyverno.io/v1\nkind: ImageValidatingPolicy\nspec: {}\n",
            "expected metadata.name and spec",
        ),
    ],
)
def test_what_says_no_images_is_refused_in_any_case(plain: Plain, text: str, said: str) -> None:
    for lossy in (False, True):
        with pytest.raises(BadConfiguration, match=said):
            plain(text, lossy=lossy)


def test_a_policy_without_validations_verifies_nothing(plain: Plain) -> None:
    with pytest.raises(BadConfiguration, match=r"spec.validations: is missing"):
        plain(policy())
    assert required(plain(policy(), lossy=True))[0]["name"] == "denied"
