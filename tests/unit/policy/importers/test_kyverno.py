"""Kyverno's verifyImages: each field becomes something of the same meaning, or is refused by its name."""

from collections.abc import Callable
from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.importers import Imported
from support.foreign_policies import EC1, EC2, EC384
from support.kyverno_policies import OWN_LOG, REKOR, WHO, entry, key, keyless, pem, policy, rule

Plain = Callable[..., dict[str, Any]]
PUBLIC = {"tlog": "required", "trust": "public-good"}


def required(found: dict[str, Any]) -> Any:
    return found["shop-check"]["require"]


def by(*names: str) -> dict[str, Any]:
    return {"name": "signed", "signature": {"by": {"any": list(names)}}}


def test_a_key_becomes_a_signer(plain: Plain) -> None:
    found = plain(policy(rule(entry(key()))))
    assert found["shop-check"] == {"images": ["registry.example/**"], "require": [by("shop-check")]}
    assert found["signers"] == {"shop-check": {"key": {"file": "keys/shop-check.pub"}, "tlog": "none"}}
    assert found["files"] == {"keys/shop-check.pub": EC1.encode()}


def test_without_a_count_every_entry_counts_and_every_key_is_one(plain: Plain) -> None:
    found = plain(policy(rule(entry(key(EC1 + EC2), keyless()))))
    assert required(found) == [
        {**by("shop-check"), "name": "signed"},
        {**by("shop-check-2"), "name": "signed-2"},
        {**by("shop-check-3"), "name": "signed-3"},
    ]


def test_a_count_of_one_is_any_and_more_are_counted(plain: Plain) -> None:
    sets = [{"count": 1, "entries": [key(), key(EC2)]}, {"count": 2, "entries": [key(EC1 + EC2), keyless()]}]
    first, second = required(plain(policy(rule(entry(attestors=sets)))))
    assert first == by("shop-check", "shop-check-2")
    assert second == {
        "name": "enough",
        "atLeast": {"atLeast": 2, "of": [by("shop-check"), by("shop-check-2"), by("shop-check-3")]},
    }
    assert required(plain(policy(rule(entry(attestors=[{"count": 0, "entries": [key(), key(EC2)]}]))))) == [
        by("shop-check"),
        {**by("shop-check-2"), "name": "signed-2"},
    ]


def test_nested_attestors_and_annotations(plain: Plain) -> None:
    nested = {"attestor": {"count": 1, "entries": [key(), {**key(EC2), "annotations": {"env": "prod"}}]}}
    (found,) = required(plain(policy(rule(entry(nested)))))
    assert found["anyOf"] == [
        by("shop-check"),
        {"name": "signed", "signature": {"by": {"any": ["shop-check-2"]}, "annotations": {"env": "prod"}}},
    ]


@pytest.mark.parametrize(
    ("attestor", "form"),
    [
        ({"keys": {"publicKeys": EC1}}, PUBLIC),
        ({"keys": {"publicKeys": EC1, **REKOR, "signatureAlgorithm": "sha256"}}, PUBLIC),
        ({"keys": {"publicKeys": EC1, "rekor": {}}, "signatureAlgorithm": "sha256"}, PUBLIC),
        (key(ctlog={"ignoreSCT": True, "pubkey": "x"}), {"tlog": "none"}),
        (key(rekor={"url": "https://rekor.example", "ignoreTlog": True}), {"tlog": "none"}),
        ({"keys": {"publicKeys": EC1, **OWN_LOG}}, {"tlog": "required", "trust": "shop-check-root"}),
        (
            key(ctlog={"tsaCertChain": pem("tsa-chain.pem")}),
            {"tlog": "none", "timestamps": "required", "trust": "shop-check-root"},
        ),
        (
            {"keys": {"publicKeys": EC1, **OWN_LOG, "ctlog": {"tsaCertChain": pem("tsa-chain.pem")}}},
            {"tlog": "required", "timestamps": "accepted", "trust": "shop-check-root"},
        ),
    ],
)
def test_what_a_key_looks_at(plain: Plain, attestor: dict[str, Any], form: dict[str, Any]) -> None:
    signers = plain(policy(rule(entry(attestor))))["signers"]
    assert signers == {"shop-check": {"key": {"file": "keys/shop-check.pub"}, **form}}


@pytest.mark.parametrize(
    ("attestor", "form"),
    [
        (keyless(), {**WHO, **PUBLIC}),
        (keyless(ctlog={"ignoreSCT": True}), {**WHO, **PUBLIC, "sct": "none"}),
        (keyless(rekor={"url": "https://rekor.sigstore.dev", "ignoreTlog": True}), {**WHO, **PUBLIC, "tlog": "none"}),
        (
            keyless(subject="https://github.com/acme/*", issuer="https://issuer?.example"),
            {
                "subjectPattern": "https://github\\.com/acme/(?s:.*)",
                "issuerPattern": "https://issuer(?s:.)\\.example",
                **PUBLIC,
            },
        ),
        (
            {"keyless": {"issuerRegExp": "^https://issuer", "subjectRegExp": "@acme", **REKOR}},
            {
                "issuerPattern": "^https://issuer(?s:.*)",
                "subjectPattern": "(?s:.*)@acme(?s:.*)",
                **PUBLIC,
            },
        ),
        (
            keyless(additionalExtensions={"githubWorkflowSha": "abc", "1.3.6.1.4.1.57264.1.2": "push"}),
            {**WHO, **PUBLIC, "extensions": {"githubWorkflowSHA": "abc", "githubWorkflowTrigger": "push"}},
        ),
        (
            keyless(roots=pem("fulcio-chain.pem"), ctlog={"pubkey": pem("ct.pub")}, **OWN_LOG),
            {**WHO, "tlog": "required", "trust": "shop-check-root"},
        ),
        (
            keyless(
                roots=pem("fulcio-chain.pem"),
                rekor={"url": "x", "ignoreTlog": True},
                ctlog={"ignoreSCT": True, "tsaCertChain": pem("tsa-chain.pem")},
            ),
            {**WHO, "tlog": "none", "timestamps": "required", "sct": "none", "trust": "shop-check-root"},
        ),
    ],
)
def test_what_an_identity_looks_at(plain: Plain, attestor: dict[str, Any], form: dict[str, Any]) -> None:
    signers = plain(policy(rule(entry(attestor))))["signers"]
    assert signers == {"shop-check": {"keyless": {"timestamps": "none", "sct": "required", **form}}}


@pytest.mark.parametrize(
    ("attestor", "form"),
    [
        ({"keys": {"publicKeys": EC1}}, {"timestamps": "accepted", **PUBLIC}),
        (key(ctlog={"ignoreSCT": True}), {"tlog": "none"}),
    ],
)
def test_what_a_key_of_bundles_looks_at(plain: Plain, attestor: dict[str, Any], form: dict[str, Any]) -> None:
    signers = plain(policy(rule(entry(attestor, type="SigstoreBundle"))))["signers"]
    assert signers == {"shop-check": {"key": {"file": "keys/shop-check.pub"}, **form}}


@pytest.mark.parametrize(
    ("attestor", "form"),
    [
        (keyless(subject="a*b"), {**WHO, "subject": "a*b", "timestamps": "accepted", **PUBLIC}),
        (
            keyless(rekor={"url": "x", "ignoreTlog": True}, ctlog={"ignoreSCT": True}),
            {**WHO, "timestamps": "none", "tlog": "none", "trust": "public-good"},
        ),
    ],
)
def test_what_an_identity_of_bundles_looks_at(plain: Plain, attestor: dict[str, Any], form: dict[str, Any]) -> None:
    signers = plain(policy(rule(entry(attestor, type="SigstoreBundle"))))["signers"]
    assert signers == {"shop-check": {"keyless": {"sct": "none", **form}}}


def test_notary_certificates_become_a_store(plain: Plain) -> None:
    certificates = {"certificates": {"cert": pem("notation-root.pem"), "certChain": pem("notation-rogue-root.pem")}}
    found = plain(policy(rule(entry(certificates, type="Notary"))))
    assert found["signers"] == {
        "shop-check": {"notation": {"stores": ["ca:shop-check"], "identities": ["*"], "level": "strict"}}
    }
    assert found["trust"] == {"stores": {"ca:shop-check": {"files": ["certs/shop-check.pem"]}}}
    assert found["files"]["certs/shop-check.pem"].count(b"BEGIN CERTIFICATE") == 2


def test_attestations_are_demanded_beside_signatures(plain: Plain) -> None:
    kinds = [
        {"name": "sbom", "type": "https://spdx.dev/Document", "attestors": [{"entries": [key(EC2)]}]},
        {"predicateType": "https://x.example/y", "type": "", "attestors": [{"count": 1, "entries": [key(), key(EC2)]}]},
    ]
    assert required(plain(policy(rule(entry(key(), attestations=kinds))))) == [
        by("shop-check"),
        {"name": "attested", "attestation": {"type": "https://spdx.dev/Document", "by": {"any": ["shop-check-2"]}}},
        {
            "name": "attested-2",
            "attestation": {"type": "https://x.example/y", "by": {"any": ["shop-check", "shop-check-2"]}},
        },
    ]


def test_images_modes_and_namespaces(plain: Plain) -> None:
    many = entry(
        key(),
        imageReferences=["docker.io/nginx:*", "ghcr.io/acme/*"],
        skipImageReferences=["ghcr.io/acme/debug*"],
        required=False,
        imageRegistryCredentials={"secrets": ["x"]},
        validate={"message": "no"},
    )
    match = {
        "any": [
            {"resources": {"kinds": ["v1/Pod"], "namespaces": ["shop", "team-*"], "operations": ["CREATE", "UPDATE"]}}
        ]
    }
    found = plain(
        policy(rule(many, match=match), validationFailureAction="Audit", applyRules="All", webhookConfiguration={})
    )
    assert {key: value for key, value in found["shop-check"].items() if key != "require"} == {
        "images": ["docker.io/nginx", "docker.io/library/nginx", "ghcr.io/acme/**"],
        "exclude": ["ghcr.io/acme/debug**"],
        "namespaces": ["shop", "team-*"],
        "mode": "audit",
    }


@pytest.mark.parametrize(
    ("spec", "action", "mode"),
    [
        ({}, None, None),
        ({"validationFailureAction": "enforce"}, "Audit", "audit"),
        ({"validationFailureAction": "audit"}, "Enforce", None),
        ({"validationFailureAction": None}, None, "audit"),
        ({"validationFailureAction": "Audit", "emitWarning": True}, None, "warn"),
    ],
)
def test_modes(plain: Plain, spec: dict[str, Any], action: str | None, mode: str | None) -> None:
    more = {"failureAction": action} if action else {}
    assert plain(policy(rule(entry(key(), **more)), **spec))["shop-check"].get("mode") == mode


@pytest.mark.parametrize(
    ("match", "namespaces"),
    [
        ({"resources": {"kinds": ["Pod", "Deployment"]}}, None),
        ({"all": [{"resources": {"kinds": ["Pod"], "namespaces": ["a"]}}]}, ["a"]),
        ({"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["a", "*"]}}]}, None),
        (
            {"any": [{"resources": {"kinds": ["Pod"], "namespaces": [name]}} for name in ("a", "b", "a")]},
            ["a", "b"],
        ),
        ({"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["a"]}}, {"resources": {"kinds": ["Pod"]}}]}, None),
    ],
)
def test_objects(plain: Plain, match: dict[str, Any], namespaces: list[str] | None) -> None:
    assert plain(policy(rule(entry(key()), match=match)))["shop-check"].get("namespaces") == namespaces


def test_a_policy_inside_a_namespace_holds_there(plain: Plain) -> None:
    assert plain(policy(rule(entry(key())), kind="Policy", namespace="shop"))["shop-check"]["namespaces"] == ["shop"]
    assert plain(policy(rule(entry(key())), kind="Policy"))["shop-check"]["namespaces"] == ["default"]
    match = {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["a"]}}]}
    with pytest.raises(BadConfiguration, match=r"rules\[0\].match: names namespaces in a policy that is inside"):
        plain(policy(rule(entry(key()), match=match), kind="Policy"))


def test_what_kyverno_does_beside_deciding_is_said(imported: Callable[..., Imported]) -> None:
    notes = " ".join(imported(policy(rule(entry(key(), mutateDigest=True, required=False)))).notes)
    assert "mutateDigest: images are not changed here" in notes
    assert "required: false" in notes


def test_every_entry_is_a_policy(plain: Plain) -> None:
    unnamed = rule(entry(key()))
    del unnamed["name"]
    found = plain(policy(rule(entry(key()), entry(key(EC2))), unnamed))
    assert {"shop-check", "shop-check-2", "shop"} < found.keys()


ATTESTED = {"type": "https://x.example/y"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"keys": {"publicKeys": EC1, "kms": "x"}}, "keys.kms: is not asked"),
        ({"keys": {"publicKeys": EC1, "secret": {"name": "x"}}}, "keys.secret: is not asked"),
        ({"keys": {"publicKeys": EC1, "signatureAlgorithm": "sha512"}}, "keys.signatureAlgorithm: the hash"),
        ({"keys": {"publicKeys": EC1}, "signatureAlgorithm": "sha512"}, r"entries\[0\].signatureAlgorithm: the hash"),
        ({"keys": {"publicKeys": "{{ keys.data }}"}}, "keys.publicKeys: holds no public keys"),
        ({"keys": {"publicKeys": EC384}}, "keys.publicKeys: holds a key on secp384r1"),
        ({"keys": {"publicKeys": EC1 + "x"}}, "keys.publicKeys: holds no public keys"),
        (key("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "keys.publicKeys: holds no readable"),
        ({"keys": {"publicKeys": EC1, "rekor": {"url": "https://rekor.example"}}}, "rekor.url: is another log"),
        ({"keys": {"publicKeys": EC1, "ctlog": {"tsaCertChain": pem("tsa-chain.pem")}}}, "keys: trusts timestampAuth"),
        ({"keys": {"publicKeys": EC1, "rekor": {"url": "x", "pubkey": "y"}}}, "keys: names roots or logs that cannot"),
        ({**key(), "repository": "x"}, r"entries\[0\].repository: evidence"),
        ({**key(), **keyless()}, r"entries\[0\]: expected exactly one of keys"),
        ({"annotations": {"a": "b"}}, r"entries\[0\]: expected exactly one of keys"),
        ({"certificates": {"cert": EC1}}, "certificates: a signer by one certificate"),
        ({"keyless": {"issuer": "x", **REKOR}}, "keyless.subject: expected exactly one of subject and"),
        (keyless(issuerRegExp="x"), "keyless.issuer: expected exactly one of issuer and"),
        (keyless(subject="*"), "keyless.subject: pattern .* matches everybody"),
        ({"keyless": {"issuer": "x", "subjectRegExp": ".*", **REKOR}}, "keyless.subjectRegExp: pattern .* matches"),
        (keyless(additionalExtensions={"oidcIssuer": "x"}), "additionalExtensions.oidcIssuer: expected one of"),
        (keyless(additionalExtensions={"githubWorkflowRef": "x*"}), "additionalExtensions.githubWorkflowRef: expected"),
        (keyless(roots=pem("fulcio-chain.pem")), "keyless: trusts authorities of one's own beside the public"),
        ({"attestor": {"entries": []}}, "attestor.entries: is missing"),
        ({"attestor": {"count": 3, "entries": [key()]}}, "attestor.count: is 3, and there are 1 entries"),
        ({"attestor": {"count": -1, "entries": [key()]}}, "attestor.count: is -1, expected at least 1"),
        ({"attestor": {"entries": [{**key(), "other": 1}]}}, r"attestor.entries\[0\].other: is not understood"),
    ],
)
def test_attestors_that_cannot_be_said(plain: Plain, change: dict[str, Any], said: str) -> None:
    text = policy(rule(entry(change)))
    with pytest.raises(BadConfiguration, match=said):
        plain(text)
    lost = plain(text, lossy=True)
    assert required(lost) == [{"name": "denied", "signature": {"by": {"any": ["nobody"]}}}]
    assert len(lost["losses"]) == 1
    beside = policy(rule(entry(attestors=[{"count": 1, "entries": [change, key(EC2)]}])))
    assert required(plain(beside, lossy=True)) == [by("shop-check")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "Other"}, "type: is 'Other', expected one of: Cosign, SigstoreBundle, Notary"),
        ({"repository": "x"}, r"verifyImages\[0\].repository: evidence"),
        ({"validate": {"deny": {"conditions": []}}}, "validate.deny: this is code"),
        ({"attestors": []}, r"verifyImages\[0\]: has neither attestors nor attestations"),
        ({"type": "Notary"}, "keys: Notary asks for certificates"),
        ({"type": "Notary", "attestors": [{"entries": [keyless()]}]}, "keyless: Notary asks for certificates"),
        ({"type": "Notary", "attestors": [{"entries": [{"certificates": {}}]}]}, "certificates: expected cert or"),
        (
            {"type": "Notary", "attestors": [{"entries": [{"certificates": {"cert": "x", "rekor": {"url": "x"}}}]}]},
            "certificates.rekor: Notary looks at no such log",
        ),
        ({"type": "Notary", "attestors": [], "attestations": [ATTESTED]}, r"attestations\[0\]: attestations in Notary"),
        ({"type": "SigstoreBundle"}, "keys: one of rekor.ignoreTlog and ctlog.ignoreSCT alone"),
        (
            {"type": "SigstoreBundle", "attestors": [{"entries": [{**keyless(), "annotations": {"a": "b"}}]}]},
            "annotations: SigstoreBundle looks at annotations of",
        ),
        (
            {"type": "SigstoreBundle", "attestors": [{"entries": [keyless(additionalExtensions={})]}]},
            "additionalExtensions: SigstoreBundle does not look at it",
        ),
        ({"type": "SigstoreBundle", "attestors": [{"entries": [keyless(roots="x")]}]}, "keyless: names roots or logs"),
        ({"attestations": [{}]}, r"attestations\[0\].type: '' is not an attestation type"),
        ({"attestations": [{"type": "vsa"}]}, r"attestations\[0\].type: 'vsa' is no predicate type URI"),
        ({"attestations": [ATTESTED]}, r"attestations\[0\].attestors: is missing"),
        ({"attestations": [{**ATTESTED, "conditions": [{"all": []}]}]}, r"attestations\[0\].conditions: this is code"),
        (
            {"attestations": [{**ATTESTED, "attestors": [{"entries": [key(EC1 + EC2)]}]}]},
            "keys.publicKeys: Kyverno only looks at the first key",
        ),
        (
            {"attestations": [{**ATTESTED, "attestors": [{"entries": [{"attestor": {"entries": [key()]}}]}]}]},
            "attestor: Kyverno does not look into it",
        ),
        (
            {"attestations": [{**ATTESTED, "attestors": [{"entries": [{**key(), "annotations": {"a": "b"}}]}]}]},
            "annotations: Cosign looks at annotations of cosign's older signatures only",
        ),
    ],
)
def test_entries_that_cannot_be_said_deny_where_losses_are_allowed(
    plain: Plain, change: dict[str, Any], said: str
) -> None:
    text = policy(rule(entry(key(), **change)))
    with pytest.raises(BadConfiguration, match=said):
        plain(text)
    assert "denied" in [each["name"] for each in required(plain(text, lossy=True))]


def changed(where: str, **change: Any) -> str:
    """Return a policy that is changed at one of its levels."""
    if where == "spec":
        return policy(rule(entry(key())), **change)
    if where == "rule":
        return policy(rule(entry(key()), **change))
    return policy(rule(entry(key(), **change)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed("spec", validationFailureAction="Never"), "spec.validationFailureAction: is 'Never'"),
        (changed("spec", validationFailureActionOverrides=[{}]), "spec.validationFailureActionOverrides: one policy"),
        (changed("spec", applyRules="One"), "spec.applyRules: all rules count"),
        (changed("spec", admission=False), "spec.admission: is off"),
        (
            changed("spec", webhookConfiguration={"matchConditions": [1]}),
            "matchConditions: policies here are about images",
        ),
        (changed("spec", rules=[]), "spec.rules: is missing"),
        (changed("spec", other=1), "spec.other: is not understood"),
        (changed("rule", validate={"message": "x"}), r"rules\[0\].validate: only verifyImages"),
        (changed("rule", mutate={"x": "y"}), r"rules\[0\].mutate: only verifyImages"),
        (changed("rule", generate={"x": "y"}), r"rules\[0\].generate: only verifyImages"),
        (changed("rule", context=[1]), r"rules\[0\].context: this is code"),
        (changed("rule", preconditions={"all": []}), r"rules\[0\].preconditions: this is code"),
        (changed("rule", celPreconditions=[1]), r"rules\[0\].celPreconditions: this is code"),
        (changed("rule", imageExtractors={"a": 1}), r"rules\[0\].imageExtractors: this is code"),
        (changed("rule", exclude={"any": []}), r"rules\[0\].exclude: policies here are about images"),
        (changed("rule", verifyImages=[]), r"rules\[0\].verifyImages: is missing"),
        (changed("rule", match=None), r"rules\[0\].match: is missing"),
        (changed("rule", match={}), r"rules\[0\].match: expected resources"),
        (changed("rule", match={"any": [{"subjects": []}]}), r"match.any\[0\]: expected resources"),
        (
            changed("rule", match={"any": [{"resources": {"kinds": ["Pod"]}, "subjects": [1]}]}),
            r"match.any\[0\].subjects: is not understood",
        ),
        (changed("rule", match={"all": [{"resources": {"kinds": ["Pod"]}}] * 2}), "match.all: several filters"),
        (
            changed("rule", match={name: [{"resources": {"kinds": ["Pod"]}}] for name in ("any", "all")}),
            "match.all: several filters",
        ),
        (changed("rule", match={"resources": {"kinds": ["Deployment"]}}), "resources.kinds: expected Pod"),
        (changed("rule", match={"resources": {"kinds": ["Pod", "Service"]}}), "resources.kinds: expected Pod"),
        (
            changed("rule", match={"resources": {"kinds": ["Pod"], "operations": ["CREATE"]}}),
            "resources.operations: pods",
        ),
        (changed("rule", match={"resources": {"kinds": ["Pod"], "namespaces": ["a?"]}}), "resources.namespaces: '\\?'"),
        (
            changed("rule", match={"resources": {"kinds": ["Pod"], "selector": {}}}),
            "resources.selector: is not understood",
        ),
        (changed("entry", image="x"), r"verifyImages\[0\].image: is the older form"),
        (changed("entry", key="x"), r"verifyImages\[0\].key: is the older form"),
        (changed("entry", annotations={"a": "b"}), r"verifyImages\[0\].annotations: is the older form"),
        (changed("entry", failureAction="x"), r"verifyImages\[0\].failureAction: is 'x'"),
        (changed("entry", imageReferences=[]), r"verifyImages\[0\].imageReferences: is missing"),
        (changed("entry", imageReferences=["ghcr.io/x"]), "imageReferences: element 0, 'ghcr.io/x', matches images"),
        (changed("entry", skipImageReferences=["ghcr.io/x:*"]), "skipImageReferences: element 0, 'ghcr.io/x:\\*'"),
        ("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec: {}\n", "expected metadata.name and spec"),
        ("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: x}\n", "expected metadata.name and spec"),
        ("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {}\nspec: {}\n", "expected metadata.name and spec"),
    ],
)
def test_what_says_no_images_is_refused_in_any_case(plain: Plain, text: str, said: str) -> None:
    for lossy in (False, True):
        with pytest.raises(BadConfiguration, match=said):
            plain(text, lossy=lossy)
