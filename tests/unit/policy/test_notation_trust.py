"""Trust policies of Notation: what the format allows, as an anchor; everything else is refused where it stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.anchors import Action, NotationAnchor, NotationStatement
from preverify.model.distinguished_names import parse_name
from preverify.model.errors import BadConfiguration
from preverify.model.trust import Store, Trust
from preverify.policy.notation_trust import inline, read_trust_policy

MAIN = Store(kind="ca", name="main", certificates=(b"1",))
AUTHORITY = Store(kind="signingAuthority", name="cloud", certificates=(b"2",))
STAMPS = Store(kind="tsa", name="stamps", certificates=(b"3",))
TRUST = Trust(stores=(MAIN, AUTHORITY, STAMPS))
ENFORCE, LOG, SKIP = Action.ENFORCE, Action.LOG, Action.SKIP
SUBJECT = "x509.subject: C=US, ST=WA, O=acme"


def statement(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": "p",
        "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:main"],
        "trustedIdentities": ["*"],
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


def document(*statements: Any, **changes: Any) -> bytes:
    return json.dumps({"version": "1.0", "trustPolicies": list(statements) or [statement()], **changes}).encode()


def read(*statements: Any, **changes: Any) -> NotationAnchor:
    return read_trust_policy(document(*statements, **changes), store_of=TRUST.store_named)


def one(**changes: Any) -> NotationStatement:
    (found,) = read(statement(**changes)).statements
    return found


def refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(BadConfiguration) as caught:
        read_trust_policy(data, store_of=TRUST.store_named)
    return caught.value.where, caught.value.detail


def test_a_whole_policy() -> None:
    found = read(
        statement(
            name="here",
            registryScopes=["registry.test/a", "Registry.test:5000/b/c", "localhost/x", "index.docker.io/nginx"],
            signatureVerification={"level": "permissive", "verifyTimestamp": "afterCertExpiry"},
            trustStores=["ca:main", "tsa:stamps", "ca:main"],
            trustedIdentities=[SUBJECT, "x509.subject: C=US, S=OR, O=acme", "plugin.kind: x"],
        ),
        statement(name="rest", trustStores=["signingAuthority:cloud"]),
    )
    first, second = found.statements
    assert first == NotationStatement(
        name="here",
        scopes=("registry.test/a", "registry.test:5000/b/c", "localhost/x", "docker.io/library/nginx"),
        authentic_timestamp=LOG,
        expiry=LOG,
        revocation=LOG,
        after_expiry_only=True,
        stores=(MAIN.id, STAMPS.id),
        identities=(parse_name("C=US, ST=WA, O=acme"), parse_name("C=US, ST=OR, O=acme")),
    )
    assert second == NotationStatement(name="rest", stores=(AUTHORITY.id,))
    assert found.statement_for("registry.test/a") == first
    assert found.statement_for("registry.test/other") == second


@pytest.mark.parametrize(
    ("level", "actions"),
    [
        ("strict", (ENFORCE, ENFORCE, ENFORCE, ENFORCE)),
        ("permissive", (ENFORCE, LOG, LOG, LOG)),
        ("audit", (LOG, LOG, LOG, LOG)),
    ],
)
def test_levels(level: str, actions: tuple[Action, ...]) -> None:
    found = one(signatureVerification={"level": level, "override": None, "verifyTimestamp": ""})
    assert (found.authenticity, found.authentic_timestamp, found.expiry, found.revocation) == actions
    assert (found.skip, found.after_expiry_only) == (False, False)


def test_overrides() -> None:
    override = {"authenticity": "log", "authenticTimestamp": "enforce", "expiry": "enforce", "revocation": "skip"}
    found = one(signatureVerification={"level": "audit", "override": override})
    actions = (found.authenticity, found.authentic_timestamp, found.expiry, found.revocation)
    assert actions == (LOG, ENFORCE, ENFORCE, SKIP)


def test_level_skip_trusts_nobody() -> None:
    found = one(signatureVerification={"level": "skip"}, trustStores=None, trustedIdentities=None)
    assert found == NotationStatement(name="p", skip=True)


S = "trustPolicies[0]"
V = f"{S}.signatureVerification"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, f"{S}.name", "expected a name"),
    ({"name": None}, f"{S}.name", "expected a name"),
    ({"name": 1}, f"{S}.name", "expected a name"),
    ({"registryScope": ["*"]}, S, "did you mean 'registryScopes'"),
    ({"registryScopes": None}, f"{S}.registryScopes", "expected a list of texts"),
    ({"registryScopes": []}, f"{S}.registryScopes", "expected repositories"),
    ({"registryScopes": "*"}, f"{S}.registryScopes", "expected a list of texts"),
    ({"registryScopes": ["*", "a.b/c"]}, f"{S}.registryScopes", "'*' alone"),
    ({"registryScopes": ["a.b/c:tag"]}, f"{S}.registryScopes[0]", "without tag or digest"),
    ({"registryScopes": [f"a.b/c@sha256:{'0' * 64}"]}, f"{S}.registryScopes[0]", "without tag or digest"),
    ({"registryScopes": ["nginx"]}, f"{S}.registryScopes[0]", "names no registry"),
    ({"registryScopes": ["library/nginx"]}, f"{S}.registryScopes[0]", "names no registry"),
    ({"registryScopes": ["a.b"]}, f"{S}.registryScopes[0]", "names no registry"),
    ({"registryScopes": ["a.b/*"]}, f"{S}.registryScopes[0]", "not a repository name"),
    ({"registryScopes": ["https://a.b/c"]}, f"{S}.registryScopes[0]", "expected registry/repository"),
    ({"registryScopes": ["a.b/c", "A.b/c"]}, f"{S}.registryScopes", "stands twice"),
    ({"signatureVerification": None}, V, "expected an object"),
    ({"signatureVerification": {}}, f"{V}.level", "expected one of: strict, permissive, audit, skip"),
    ({"signatureVerification": {"level": "Strict"}}, f"{V}.level", "expected one of"),
    ({"signatureVerification": {"level": 1}}, f"{V}.level", "expected one of"),
    ({"signatureVerification": {"level": "strict", "overide": {}}}, V, "did you mean 'override'"),
    ({"signatureVerification": {"level": "strict", "override": ["x"]}}, f"{V}.override", "expected an object"),
    (
        {"signatureVerification": {"level": "strict", "override": {"integrity": "log"}}},
        f"{V}.override",
        "unknown key 'integrity'",
    ),
    (
        {"signatureVerification": {"level": "strict", "override": {"expiry": "skip"}}},
        f"{V}.override.expiry",
        "only revocation can",
    ),
    (
        {"signatureVerification": {"level": "strict", "override": {"expiry": "warn"}}},
        f"{V}.override.expiry",
        "expected enforce or log",
    ),
    (
        {"signatureVerification": {"level": "strict", "override": {"expiry": None}}},
        f"{V}.override.expiry",
        "expected enforce or log",
    ),
    (
        {"signatureVerification": {"level": "skip", "override": {"expiry": "log"}}},
        f"{V}.override",
        "cannot be customised",
    ),
    ({"signatureVerification": {"level": "skip"}}, S, "takes neither trust stores"),
    ({"signatureVerification": {"level": "skip"}, "trustStores": None}, S, "takes neither"),
    (
        {"signatureVerification": {"level": "strict", "verifyTimestamp": "never"}},
        f"{V}.verifyTimestamp",
        "expected always or afterCertExpiry",
    ),
    ({"trustStores": None}, f"{S}.trustStores", "at least one ca or signingAuthority"),
    ({"trustStores": ["tsa:stamps"]}, f"{S}.trustStores", "at least one ca or signingAuthority"),
    ({"trustStores": ["main"]}, f"{S}.trustStores[0]", "is no trust store"),
    ({"trustStores": ["CA:main"]}, f"{S}.trustStores[0]", "is no trust store"),
    ({"trustStores": ["ca:"]}, f"{S}.trustStores[0]", "is no trust store"),
    ({"trustStores": ["ca:../main"]}, f"{S}.trustStores[0]", "is no trust store"),
    ({"trustStores": ["ca:main", "ca:other"]}, f"{S}.trustStores[1]", "no trust store 'ca:other' is defined"),
    ({"trustStores": [1]}, f"{S}.trustStores", "expected a list of texts"),
    ({"trustedIdentities": None}, f"{S}.trustedIdentities", "expected identities"),
    ({"trustedIdentities": ["*", SUBJECT]}, f"{S}.trustedIdentities", "'*' alone"),
    ({"trustedIdentities": ["*", "*"]}, f"{S}.trustedIdentities", "'*' alone"),
    ({"trustedIdentities": [""]}, f"{S}.trustedIdentities[0]", "has no prefix"),
    ({"trustedIdentities": ["C=US"]}, f"{S}.trustedIdentities[0]", "has no prefix"),
    ({"trustedIdentities": ["x509.subject:"]}, f"{S}.trustedIdentities[0]", "no attribute"),
    ({"trustedIdentities": ["x509.subject: C=US, O=a"]}, f"{S}.trustedIdentities[0]", "ST is missing"),
    ({"trustedIdentities": ["plugin: x"]}, f"{S}.trustedIdentities", "so nobody is trusted"),
    ({"trustedIdentities": [SUBJECT, SUBJECT]}, f"{S}.trustedIdentities[1]", "overlaps"),
    ({"trustedIdentities": [SUBJECT, f"{SUBJECT}, OU=x"]}, f"{S}.trustedIdentities[1]", "overlaps"),
    ({"trustedIdentities": [f"{SUBJECT}, OU=x", SUBJECT]}, f"{S}.trustedIdentities[1]", "overlaps"),
]


@pytest.mark.parametrize(("changes", "where", "said"), REFUSED)
def test_statements_that_are_refused(changes: dict[str, Any], where: str, said: str) -> None:
    seen, detail = refused(document(statement(**changes)))
    assert (seen, said in detail) == (where, True), detail


@pytest.mark.parametrize(
    ("data", "where", "said"),
    [
        (b"", "", "not a trust policy document"),
        (b"[]", "", "expected an object"),
        (b'{"version":"1.0","version":"1.0","trustPolicies":[]}', "", "stands twice"),
        (document(version="1.1"), "version", "expected '1.0'"),
        (document(version=None), "version", "expected '1.0'"),
        (document(trustPolicies=[]), "trustPolicies", "at least one statement"),
        (document(trustPolicies={}), "trustPolicies", "at least one statement"),
        (document(globalPolicy=True), "", "unknown key 'globalPolicy'"),
        (document([]), "trustPolicies[0]", "expected an object"),
        (document(statement(), statement(registryScopes=["a.b/c"])), "trustPolicies[1].name", "stands twice"),
        (document(statement(), statement(name="q")), "trustPolicies[1].registryScopes", "stands twice"),
        (
            document(statement(registryScopes=["a.b/c"]), statement(name="q", registryScopes=["A.B/c"])),
            "trustPolicies[1].registryScopes",
            "stands twice",
        ),
        (b" " * ((1 << 20) + 1), "", "at most"),
    ],
)
def test_documents_that_are_refused(data: bytes, where: str, said: str) -> None:
    seen, detail = refused(data)
    assert (seen, said in detail) == (where, True), detail


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    refused(data)


def written(**changes: Any) -> NotationAnchor:
    parts: dict[str, Any] = {
        "stores": ["ca:main"],
        "identities": [SUBJECT],
        "level": "strict",
        "override": {},
        "verify_timestamp": "always",
        "store_of": TRUST.store_named,
        **changes,
    }
    return inline(**parts)


def test_one_statement_written_in_place() -> None:
    (found,) = written(override={"revocation": "skip"}, verify_timestamp="afterCertExpiry").statements
    assert found == NotationStatement(
        name="inline",
        revocation=SKIP,
        after_expiry_only=True,
        stores=(MAIN.id,),
        identities=(parse_name("C=US, ST=WA, O=acme"),),
    )


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"stores": []}, "stores"),
        ({"stores": ["ca:x"]}, "stores[0]"),
        ({"identities": []}, "identities"),
        ({"identities": ["x509.subject: C=US"]}, "identities[0]"),
        ({"level": "lax"}, "level"),
        ({"override": {"expiry": "skip"}}, "override.expiry"),
        ({"verify_timestamp": "never"}, "verifyTimestamp"),
        ({"level": "skip"}, ""),
    ],
)
def test_parts_in_place_follow_the_same_rules(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        written(**changes)
    assert caught.value.where == where
