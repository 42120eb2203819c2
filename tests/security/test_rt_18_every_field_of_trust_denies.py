"""RT-18: no field of signers by certificate, of Notation signers and of Trust documents is ignored (CVE-2025-29778).

Each row has the real evidence of one case and two configurations (or two cases under one), which differ in this field
alone: the first admits, the second denies. The rows are compared with the fields of the code.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.verdicts import Outcome
from preverify.policy import trust_schema
from preverify.policy.schema import KeylessSpec, KeySpec, NotationSpec, SignerSpec, TrustPolicySpec
from preverify.policy.trust_documents import RootRequest
from preverify.policy.wire import Part
from preverify.trust.embedded import embedded
from support.deciding import decide_documents
from support.fixtures import FIXTURES, revocation_list, seed
from support.policies import policy_set

STACK = (FIXTURES / "trust" / "trusted_root.json").read_bytes()
OTHER = embedded("staging").target
FILES = {"other.json": OTHER, "tuf-root.json": b'{"signed": {}}', "other-root.json": b'{"signed": {"x": 1}}'}
WORKFLOW = "https://github.com/acme/widgets/.github/workflows/release.yml@refs/tags/v1.2.3"
EMAIL = {"issuer": "http://127.0.0.1:5500/email", "subject": "alice@acme.test", "trust": "stack"}
RUN = {"issuer": "http://127.0.0.1:5500/github", "subject": WORKFLOW, "trust": "stack"}
OWN = {"issuer": "https://login.acme.test", "subject": "signer@acme.test", "trust": "stack"}
OWN |= {"tlog": "none", "timestamps": "none", "sct": "none"}
BEFORE, AFTER = "2026-01-01T00:00:00Z", "2026-11-24T00:00:00Z"
"""All fixtures were signed between these."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A case's evidence under a signer and a trust."""

    case: str
    signer: Mapping[str, Any]
    trust: Mapping[str, Any] | None = None
    read_root: Callable[[RootRequest], bytes] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    def outcome(self) -> Outcome:
        one = seed(self.case)
        assert one is not None
        evidence = (*one.evidence, *one.revocation, revocation_list())
        rule = {"name": "signed", "signature": {"by": {"any": ["somebody"]}}}
        verdict = decide_documents(
            one.image,
            evidence,
            rule,
            signers={"somebody": self.signer},
            trust=self.trust,
            files={**FILES, **self.files},
            read_root=self.read_root,
        )
        return verdict.outcome


# --- whom: keys with logs and stamps, identities, Notation -----------------------------------------------------------

ROOTS = {"roots": {"stack": {"file": "trust/trusted_root.json"}, "foreign": {"file": "other.json"}}}
CA = ["trust/ca-root.pem", "trust/ca-intermediate.pem"]
OWN_TRUST = {"roots": {"stack": {"authorities": [{"files": CA}]}}}
STORES = {
    "stores": {
        "ca:main": {"files": ["trust/notation-root.pem"]},
        "ca:rogue": {"files": ["trust/notation-rogue-root.pem"]},
        "tsa:main": {"files": ["trust/tsa-root.pem"]},
        "tsa:rogue": {"files": ["trust/notation-rogue-root.pem"]},
    }
}


def by_key(case: str, **spec: Any) -> Given:
    return Given(case=case, signer={"key": {"file": "keys/ec1.pub"}, **spec}, trust=ROOTS)


def keyless(case: str, whom: Mapping[str, Any], **changes: Any) -> Given:
    spec = {name: value for name, value in {**whom, **changes}.items() if value is not None}
    return Given(case=case, signer={"keyless": spec}, trust=OWN_TRUST if whom is OWN else ROOTS)


def notation(case: str, declared: Mapping[str, Any] = STORES, **spec: Any) -> Given:
    given = {"stores": ["ca:main"], "identities": ["*"], **spec}
    return Given(case=case, signer={"notation": given}, trust=declared)


def by_policy(case: str, file: str) -> Given:
    return Given(case=case, signer={"notation": {"trustPolicy": {"file": file}}}, trust=STORES)


LOGGED = by_key("bundle-key-logged-rekor1", tlog="required", trust="stack")
STAMPED = by_key("legacy-key-timestamp", tlog="none", timestamps="required", trust="stack")
BY_EMAIL = keyless("legacy-keyless-email", EMAIL)
BY_RUN = keyless("legacy-keyless-workflow", RUN)
SUBJECT = "x509.subject: C=US, ST=WA, O=acme"
SIGNERS: dict[str, tuple[Given, Given]] = {
    "SignerSpec.tlog": (LOGGED, replace(LOGGED, case="bundle-key-ec1")),
    "SignerSpec.timestamps": (STAMPED, replace(STAMPED, case="legacy-key-ec1")),
    "SignerSpec.trust": (LOGGED, by_key("bundle-key-logged-rekor1", tlog="required", trust="foreign")),
    "SignerSpec.keyless": (BY_EMAIL, replace(BY_EMAIL, case="legacy-key-ec1")),
    "SignerSpec.notation": (
        notation("notation-jws-rsa2048"),
        notation("legacy-key-ec1"),
    ),
    "KeylessSpec.issuer": (BY_EMAIL, keyless("legacy-keyless-email", EMAIL, issuer="http://127.0.0.1:5500/e")),
    "KeylessSpec.issuer_pattern": tuple(
        keyless("legacy-keyless-email", EMAIL, issuer=None, issuerPattern=pattern)
        for pattern in (r"http://127\.0\.0\.1:\d+/email", r"http://127\.0\.0\.1:\d+/e")
    ),
    "KeylessSpec.subject": (BY_EMAIL, keyless("legacy-keyless-email", EMAIL, subject="alice@acme.tes")),
    "KeylessSpec.subject_pattern": tuple(
        keyless("legacy-keyless-email", EMAIL, subject=None, subjectPattern=pattern)
        for pattern in (r"[a-z]+@acme\.test", r"[a-z]+@acme\.tes")
    ),
    "KeylessSpec.extensions": tuple(
        keyless("legacy-keyless-workflow", RUN, extensions={"githubWorkflowRepository": repository})
        for repository in ("acme/widgets", "acme/widget")
    ),
    "KeylessSpec.trust": (BY_EMAIL, keyless("legacy-keyless-email", EMAIL, trust="foreign")),
    "KeylessSpec.tlog": tuple(
        keyless("legacy-keyless-timestamp-only", EMAIL, tlog=log) for log in ("none", "required")
    ),
    "KeylessSpec.timestamps": tuple(
        keyless("legacy-keyless-email", EMAIL, timestamps=stamps) for stamps in ("accepted", "required")
    ),
    "KeylessSpec.sct": tuple(keyless("legacy-cert-good", OWN, sct=sct) for sct in ("none", "required")),
    "NotationSpec.trust_policy": (
        by_policy("notation-jws-identity-right", "notation/identity-right/notation/trustpolicy.json"),
        by_policy("notation-jws-identity-right", "notation/identity-wrong/notation/trustpolicy.json"),
    ),
    "TrustPolicySpec.file": (
        by_policy("notation-cose-identity-right", "notation/identity-right/notation/trustpolicy.json"),
        by_policy("notation-cose-identity-right", "notation/identity-wrong/notation/trustpolicy.json"),
    ),
    "NotationSpec.stores": tuple(notation("notation-jws-rsa2048", stores=[store]) for store in ("ca:main", "ca:rogue")),
    "NotationSpec.identities": tuple(
        notation("notation-jws-rsa2048", identities=[who]) for who in (SUBJECT, f"{SUBJECT}2")
    ),
    "NotationSpec.level": tuple(
        notation("notation-jws-expired-permissive", level=level) for level in ("permissive", "strict")
    ),
    "NotationSpec.override": tuple(
        notation("notation-jws-expired-permissive", override={"expiry": action}) for action in ("log", "enforce")
    ),
    "NotationSpec.verify_timestamp": tuple(
        notation("notation-jws-timestamped", stores=["ca:main", "tsa:rogue"], verifyTimestamp=when)
        for when in ("afterCertExpiry", "always")
    ),
}
# The other spelling of a demand that is written: both have to be asked for by their own field.
KEYS = {"SignerSpec.key", "SignerSpec.preset"}


# --- by whom vouched for: Trust documents -----------------------------------------------------------------------------


def stack(**changes: Any) -> Mapping[str, Any]:
    """Return the private Sigstore as parts."""
    parts = {
        "authorities": [{"files": ["trust/fulcio-chain.pem"]}],
        "logs": [
            {"key": "trust/rekor1.pub", "origin": "rekor1.stack.test - 4796269483397106216"},
            {"key": "trust/rekor2.pub", "origin": "rekor2.stack.test"},
        ],
        "ctLogs": [{"key": "trust/ct.pub"}],
        "timestampAuthorities": [{"files": ["trust/tsa-chain.pem"]}],
    }
    return {"roots": {"stack": {name: value for name, value in {**parts, **changes}.items() if value}}}


def rooted(form: Mapping[str, Any]) -> Given:
    return replace(BY_EMAIL, trust={"roots": {"stack": form}})


def fetched(**tuf: str) -> Given:
    """Return a root by TUF; the repository of the right address and root metadata has the right root."""

    def read_root(request: RootRequest) -> bytes:
        right = (request.url, request.root) == ("https://tuf.acme.test", FILES["tuf-root.json"])
        return STACK if right else OTHER

    form = {"url": "https://tuf.acme.test", "root": "tuf-root.json", **tuf}
    return replace(rooted({"tuf": form}), read_root=read_root)


def period(spec: str, part: str, entry: Mapping[str, Any], given: Given = BY_EMAIL) -> dict[str, tuple[Given, Given]]:
    """The rows of both ends of the time in which a part of a root is trusted."""

    def dated(**dates: str) -> Given:
        return replace(given, trust=stack(**{part: [{**entry, **dates}]}))

    return {
        f"{spec}.valid_from": (dated(validFrom=BEFORE), dated(validFrom=AFTER)),
        f"{spec}.valid_until": (dated(validUntil=AFTER), dated(validUntil=BEFORE)),
    }


REKOR1 = {"key": "trust/rekor1.pub", "origin": "rekor1.stack.test - 4796269483397106216"}
BUNDLE = replace(BY_EMAIL, case="bundle-keyless-email")
PARTS = replace(BY_EMAIL, trust=stack())
ROGUE = {"files": ["trust/rogue-root.pem", "trust/rogue-intermediate.pem"]}
FULCIO = {"files": ["trust/fulcio-chain.pem"]}
CT = {"key": "trust/ct.pub"}
TRUST: dict[str, tuple[Given, Given]] = {
    "TrustSpec.roots": (PARTS, rooted({"file": "other.json"})),
    "TrustSpec.stores": tuple(
        notation("notation-jws-rsa2048", {"stores": {"ca:main": {"files": [f"trust/{name}.pem"]}}})
        for name in ("notation-root", "notation-rogue-root")
    ),
    "RootSpec.file": (rooted({"file": "trust/trusted_root.json"}), rooted({"file": "other.json"})),
    "RootSpec.tuf": (fetched(), replace(fetched(), read_root=lambda _: OTHER)),
    "TufSpec.url": (fetched(), fetched(url="https://tuf.acme.test/other")),
    "TufSpec.root": (fetched(), fetched(root="other-root.json")),
    "RootSpec.authorities": (PARTS, replace(PARTS, trust=stack(authorities=[]))),
    "RootSpec.logs": (PARTS, replace(PARTS, trust=stack(logs=[]))),
    "RootSpec.ct_logs": (PARTS, replace(PARTS, trust=stack(ctLogs=[]))),
    "RootSpec.timestamp_authorities": (
        replace(BUNDLE, trust=stack()),
        replace(BUNDLE, trust=stack(timestampAuthorities=[])),
    ),
    "AuthoritySpec.files": (PARTS, replace(PARTS, trust=stack(authorities=[ROGUE]))),
    **period("AuthoritySpec", "authorities", FULCIO),
    "LogSpec.key": (PARTS, replace(PARTS, trust=stack(logs=[{"key": "trust/ct.pub"}]))),
    "LogSpec.origin": (
        replace(LOGGED, trust=stack()),
        replace(LOGGED, trust=stack(logs=[{**REKOR1, "origin": "rekor1.stack.test - 1"}])),
    ),
    **period("LogSpec", "logs", REKOR1),
    "CtLogSpec.key": (PARTS, replace(PARTS, trust=stack(ctLogs=[{"key": "trust/rekor1.pub"}]))),
    **period("CtLogSpec", "ctLogs", CT),
    "StoreSpec.files": tuple(
        notation("notation-jws-rsa2048", {"stores": {"ca:main": {"files": [f"trust/{name}.pem"]}}})
        for name in ("notation-root", "ca-root")
    ),
    "StoreSpec.directory": tuple(
        notation(
            "notation-jws-rsa2048",
            {"stores": {"ca:main": {"directory": f"notation/{name}/notation/truststore/x509/ca/main"}}},
        )
        for name in ("strict", "rogue-root")
    ),
}
# Periods of time stamp authorities are those of `AuthoritySpec`, but looked at elsewhere.
STAMPERS = period("AuthoritySpec", "timestampAuthorities", {"files": ["trust/tsa-chain.pem"]}, BUNDLE)
LABELS = {"api_version", "kind", "metadata", "spec", "name"}


def parts() -> Iterator[type[Part]]:
    """Return the written parts that this file is about: all of `trust_schema`, and signers that are not bare keys."""
    yield from (SignerSpec, KeylessSpec, NotationSpec, TrustPolicySpec)
    for found in vars(trust_schema).values():
        if isinstance(found, type) and issubclass(found, Part) and found.__module__ == trust_schema.__name__:
            yield found


def test_every_field_has_its_row() -> None:
    fields = {
        f"{part.__name__}.{name}"
        for part in parts()
        for name in part.model_fields
        if name not in LABELS and not part.__name__.startswith("_")
    }
    assert fields == set(SIGNERS) | set(TRUST) | KEYS


@pytest.mark.parametrize("name", [*SIGNERS, *TRUST])
def test_violating_a_field_denies(name: str) -> None:
    kept, violated = {**SIGNERS, **TRUST}[name]
    assert (kept.outcome(), violated.outcome()) == (Outcome.PASSED, Outcome.FAILED)


@pytest.mark.parametrize("pair", STAMPERS.values(), ids=["from", "until"])
def test_periods_of_time_stamp_authorities_are_looked_at(pair: tuple[Given, Given]) -> None:
    assert [given.outcome() for given in pair] == [Outcome.PASSED, Outcome.FAILED]


@pytest.mark.parametrize("action", ["enforce", "log"])
@pytest.mark.parametrize(
    ("check", "case", "stores"),
    [
        ("authenticity", "notation-jws-rsa2048", ["ca:rogue"]),
        ("authenticTimestamp", "notation-jws-timestamped", ["ca:main", "tsa:rogue"]),
        ("expiry", "notation-jws-expired-permissive", ["ca:main"]),
        ("revocation", "notation-jws-crl-revoked", ["ca:main"]),
    ],
)
def test_each_check_of_notation_follows_its_own_override(check: str, case: str, stores: list[str], action: str) -> None:
    # Nobody is asked about a chain that is not trusted, so where that is only logged, revocations have to be as well.
    unasked = {"revocation": "log"} if check == "authenticity" else {}
    given = notation(case, stores=stores, override={**unasked, check: action})
    assert given.outcome() is (Outcome.PASSED if action == "log" else Outcome.FAILED)
    others = {"authenticity", "authenticTimestamp", "expiry", "revocation"} - {check}
    beside = notation(case, stores=stores, override=dict.fromkeys(sorted(others), "log"))
    assert beside.outcome() is Outcome.FAILED


TEXT = """
apiVersion: preverify/v1
kind: Trust
metadata: {name: t}
spec:
  roots: {own: {authorities: [{files: [a.pem], validFrom: "2026-01-01T00:00:00Z"}], logs: [{key: l.pub}],
      ctLogs: [{key: c.pub}]}}
  stores: {"ca:main": {files: [b.pem]}}
"""


@pytest.mark.parametrize(
    ("place", "with_more"),
    [
        ("metadata: {name: t}", "metadata: {name: t, labels: {}}"),
        ("  stores:", "  rootz: {}\n  stores:"),
        ("own: {", "own: {insecure: true, "),
        ("[{files: [a.pem]", "[{subject: x, files: [a.pem]"),
        ("[{key: l.pub}]", "[{key: l.pub, url: x}]"),
        ("[{key: c.pub}]", "[{key: c.pub, origin: x}]"),
        ("{files: [b.pem]}", "{files: [b.pem], recursive: true}"),
        ("own: {authorities", "got: {tuf: {url: 'https://a.test', root: r.json, insecure: true}}, own: {authorities"),
    ],
)
def test_an_unknown_key_anywhere_in_trust_does_not_load(place: str, with_more: str) -> None:
    assert place in TEXT
    with pytest.raises(BadConfiguration, match="unknown key"):
        policy_set(TEXT.replace(place, with_more, 1))


@pytest.mark.parametrize(
    "signer",
    [
        {"keyless": {**EMAIL, "subjectRegExp": ".*"}},
        {"keyless": EMAIL, "tlog": "none"},
        {"keyless": EMAIL, "trust": "stack"},
        {"keyless": {**EMAIL, "extensions": {"sourceRepositoryUri": "x"}}},
        {"keyless": {**EMAIL, "sct": "optional"}},
        {"keyless": {**EMAIL, "tlog": "optional"}},
        {"keyless": {**EMAIL, "timestamps": "optional"}},
        {"notation": {"stores": ["ca:main"], "identities": ["*"], "trustPolicy": {"file": "x"}}},
        {"notation": {"stores": ["ca:main"], "identities": ["*"], "level": "skip"}},
        {"notation": {"stores": ["ca:main"], "identities": ["*"], "override": {"integrity": "log"}}},
        {"notation": {"stores": ["ca:main"], "identities": ["*"], "override": {"revokation": "log"}}},
        {"notation": {"stores": ["ca:main"], "identities": ["*"], "verifyTimestamp": "never"}},
        {"notation": {"trustPolicy": {"file": "x", "insecure": True}}},
        {"key": {"file": "keys/ec1.pub"}, "tlog": "optional"},
        {"key": {"file": "keys/ec1.pub"}, "tlog": "none", "trust": "stack"},
        {"key": {"file": "keys/ec1.pub"}, "tlog": "required"},
        {"key": {"file": "keys/ec1.pub"}, "tlog": "none", "timestamps": "required"},
    ],
    ids=json.dumps,
)
def test_what_is_not_understood_in_a_signer_does_not_load(signer: Mapping[str, Any]) -> None:
    trust = {**ROOTS, **STORES}
    with pytest.raises(BadConfiguration):
        replace(BY_EMAIL, signer=signer, trust=trust).outcome()


def test_key_periods_are_rows_of_the_other_file() -> None:
    assert {"valid_from", "valid_until", "revoked_at"} < set(KeySpec.model_fields)
