"""RT-19: a signer without identity, or a policy that anything satisfies, does not load (sigstore-go v1.2.2).

Nobody can leave out whom a signer is: a key, an issuer together with a subject, or stores together with identities.
What is left open on purpose (`identities: ["*"]`, as the Notary Project has it) is bound to stores that somebody
filled.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.documents import load
from preverify.policy.lint import lint
from preverify.trust.embedded import embedded
from support.fixtures import FIXTURES
from support.policies import NOW, SIGNED, pem, policy_set, policy_text


def read(name: str) -> bytes:
    """Return a certificate, a key, or nothing: what an empty file says of its owner."""
    if name == "keys/release.pub":
        return pem("release")
    return (FIXTURES / "trust" / "notation-root.pem").read_bytes() if name == "root.pem" else b""


def text(signer: str) -> bytes:
    """Return a signer beside trust stores that somebody filled."""
    frame = "apiVersion: preverify/v1\nkind: {}\nmetadata: {{name: x}}\nspec: {}\n"
    stores = "{stores: {'ca:all': {files: [root.pem]}, 'tsa:all': {files: [root.pem]}}}"
    return (frame.format("Trust", stores) + "---\n" + frame.format("Signers", f"{{anybody: {signer}}}")).encode()


@pytest.mark.parametrize(
    "signer",
    [
        "{}",
        "null",
        "{tlog: none}",
        "{key: {}, tlog: none}",
        "{key: null, tlog: none}",
        "{key: {file: ''}, tlog: none}",
        "{key: {file: '*'}, tlog: none}",
        "{key: {file: keys/empty.pub}, tlog: none}",
        "{keyless: {}}",
        "{keyless: null}",
        "{keyless: {trust: public-good}}",
        "{keyless: {issuer: '', subject: '', trust: public-good}}",
        "{keyless: {issuer: 'https://a.test', trust: public-good}}",
        "{keyless: {subject: 'a@b.test', trust: public-good}}",
        "{keyless: {issuer: 'https://a.test', subject: '', trust: public-good}}",
        "{keyless: {issuer: '', subject: 'a@b.test', trust: public-good}}",
        "{keyless: {issuer: 'https://a.test', subject: null, trust: public-good}}",
        "{keyless: {issuer: 'https://a.test', subject: 'a@b.test'}}",
        "{keyless: {issuer: 'https://a.test', subject: 'a@b.test', trust: ''}}",
        "{keyless: {issuer: 'https://a.test', extensions: {sourceRepositoryURI: 'a'}, trust: public-good}}",
        "{keyless: {issuerRegExp: '.*', subjectRegExp: '.*', trust: public-good}}",
        "{notation: {}}",
        "{notation: null}",
        "{notation: {identities: ['*']}}",
        "{notation: {stores: ['ca:all']}}",
        "{notation: {stores: [], identities: ['*']}}",
        "{notation: {stores: ['ca:all'], identities: []}}",
        "{notation: {stores: ['ca:all'], identities: ['']}}",
        "{notation: {stores: ['ca:all'], identities: ['x509.subject: ']}}",
        "{notation: {stores: ['ca:all'], identities: ['x509.subject: O=acme']}}",
        "{notation: {stores: ['ca:all'], identities: ['*', 'x509.subject: C=US, ST=WA, O=acme']}}",
        "{notation: {stores: ['ca:*'], identities: ['*']}}",
        "{notation: {stores: ['ca:nowhere'], identities: ['*']}}",
        "{notation: {stores: ['tsa:all'], identities: ['*']}}",
        "{notation: {trustPolicy: {}}}",
        "{notation: {trustPolicy: {file: ''}}}",
        "{any: true}",
    ],
)
def test_a_signer_without_identity_does_not_load(signer: str) -> None:
    with pytest.raises(BadConfiguration, match=r"spec\.anybody"):
        load([("x.yaml", text(signer))], read, read_root=lambda request: embedded(request.name).target)


def test_those_that_name_somebody_load() -> None:
    """Else everything above could be refused for another reason."""
    for signer in (
        "{key: {file: keys/release.pub}, tlog: none}",
        "{keyless: {issuer: 'https://a.test', subject: 'a@b.test', trust: public-good}}",
        "{keyless: {issuerPattern: 'https://a[.]test', subjectPattern: '[a-z]+@b[.]test', trust: public-good}}",
        "{notation: {stores: ['ca:all'], identities: ['*']}}",
        "{notation: {stores: ['ca:all'], identities: ['x509.subject: C=US, ST=WA, O=acme']}}",
    ):
        load([("x.yaml", text(signer))], read, read_root=lambda request: embedded(request.name).target)


@pytest.mark.parametrize("kind", ["issuer", "subject"])
@pytest.mark.parametrize(
    "pattern",
    [
        "",
        ".*",
        ".+",
        "^.*$",
        "(?s).*",
        ".*|x",
        "x|.*",
        "(.*)",
        "[^@]*|.*@.*",
        "[ -~]+",
        "[!-~]*",
        "[a-zA-Z0-9:/@._+-]+",
        r"\\S+",
        r"[\\w:/@.-]+",
        "https?://.*",
        "https://[!-~]+",
        "https://[^/]+(/.*)?",
        "[^@]+@[^@]+",
        "spiffe://.+",
        "(",
        "a)|(.*",
    ],
)
def test_a_pattern_that_everybody_matches_does_not_load(kind: str, pattern: str) -> None:
    other = {"issuer": "subject: 'a@b.test'", "subject": "issuer: 'https://a.test'"}[kind]
    signer = f'{{keyless: {{{kind}Pattern: "{pattern}", {other}, trust: public-good}}}}'
    with pytest.raises(BadConfiguration, match=r"spec\.anybody"):
        load([("x.yaml", text(signer))], read, read_root=lambda request: embedded(request.name).target)


@pytest.mark.parametrize(
    "statement",
    [
        {},
        {"trustedIdentities": []},
        {"trustStores": []},
        {"trustedIdentities": ["*", "x509.subject: C=US, ST=WA, O=acme"]},
        {"registryScopes": []},
        {"registryScopes": ["*", "a.test/b"]},
        {"signatureVerification": {}},
        {"signatureVerification": {"level": "none"}},
        {"signatureVerification": {"level": "skip"}, "trustStores": ["ca:all"]},
        {"signatureVerification": {"level": "strict", "override": {"integrity": "skip"}}},
    ],
    ids=json.dumps,
)
def test_a_notation_trust_policy_without_identity_does_not_load(statement: dict[str, Any]) -> None:
    whole = {
        "name": "p",
        "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:all"],
        "trustedIdentities": ["*"],
    }
    signer = "{notation: {trustPolicy: {file: trustpolicy.json}}}"

    def policy(written: dict[str, Any]) -> bytes:
        return json.dumps({"version": "1.0", "trustPolicies": [written]}).encode()

    def with_policy(written: dict[str, Any]) -> Callable[[str], bytes]:
        return lambda name: policy(written) if name == "trustpolicy.json" else read(name)

    load([("x.yaml", text(signer))], with_policy(whole))
    wrong = {**whole, **statement} if statement else {}
    with pytest.raises(BadConfiguration, match=r"spec\.anybody"):
        load([("x.yaml", text(signer))], with_policy(wrong))


def test_a_trust_policy_that_skips_is_remarked_upon() -> None:
    """The level `skip` is the format's own; it cannot be written without being told of."""
    skipping = {"name": "p", "registryScopes": ["*"], "signatureVerification": {"level": "skip"}}
    document = json.dumps({"version": "1.0", "trustPolicies": [skipping]}).encode()
    signer = text("{notation: {trustPolicy: {file: trustpolicy.json}}}")
    loaded = load([("x.yaml", signer)], lambda name: document if name == "trustpolicy.json" else read(name))
    assert "skips-verification" in {remark.code for remark in lint(loaded, now=NOW)}


@pytest.mark.parametrize(
    "root",
    [
        "{}",
        "null",
        "{authorities: []}",
        "{logs: [], ctLogs: []}",
        "{authorities: [{files: []}]}",
        "{file: ''}",
        "{tuf: {}}",
    ],
)
def test_a_root_that_trusts_nothing_in_particular_does_not_load(root: str) -> None:
    document = f"apiVersion: preverify/v1\nkind: Trust\nmetadata: {{name: x}}\nspec: {{roots: {{own: {root}}}}}\n"
    with pytest.raises(BadConfiguration, match=r"spec\.roots\.own"):
        policy_set(document)


@pytest.mark.parametrize(
    "require",
    [
        "[]",
        "null",
        "[{name: nothing}]",
        "[{name: a, signature: {}}]",
        "[{name: a, signature: {by: {any: ['*']}}}]",
        "[{name: a, signature: {by: {any: []}}}]",
        "[{name: a, attestation: {type: '*', by: {any: [release]}}}]",
        "[{name: a, attestation: {type: '', by: {any: [release]}}}]",
        "[{name: a, mode: audit, signature: {by: {any: [release]}}}]",
    ],
)
def test_a_policy_that_anything_satisfies_does_not_load(require: str) -> None:
    with pytest.raises(BadConfiguration):
        policy_set(policy_text(require))


def test_images_of_any_registry_are_remarked_upon() -> None:
    remarks = lint(policy_set(policy_text(SIGNED, images="['**']")), now=NOW)
    assert "catch-all-images" in {remark.code for remark in remarks}
