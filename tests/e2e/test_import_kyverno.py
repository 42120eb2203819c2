"""Kyverno's policies over signed images: its own command line and what they became here say the same.

Every field that is imported is satisfied once and violated once. Where both differ on purpose, the second list says so.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import registries
from support.foreign_policies import EC1, EC2, FIXTURES
from support.kyverno_policies import NO_LOG, entry, pem, policy, rule
from support.kyverno_policies import key as any_key
from support.peers import Peers, peers

pytestmark = pytest.mark.tools_all
Tool = Callable[[str], Path]
ED25519 = (FIXTURES / "keys" / "ed25519.pub").read_text()
RSA = (FIXTURES / "keys" / "rsa2048.pub").read_text()
MAIL = {"issuer": "http://127.0.0.1:5500/email", "subject": "alice@acme.test"}
GITHUB = "http://127.0.0.1:5500/github"
FLOW = "https://github.com/acme/widgets/.github/workflows/release.yml"
LOG = {"url": "https://rekor.example", "pubkey": pem("rekor1.pub")}
STRANGE_LOG = {"url": "https://rekor.example", "pubkey": pem("ct.pub")}
STAMPED = {"ignoreSCT": True, "tsaCertChain": pem("tsa-chain.pem")}
UNLOGGED = {"ctlog": {"ignoreSCT": True}}
OTHER = "https://example.com/other/v1"
SLSA = "https://slsa.dev/provenance/v1"
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
CUSTOM = "https://cosign.sigstore.dev/attestation/v1"


def key(data: str = EC1, **more: Any) -> dict[str, Any]:
    """Return a key without a log. Without `ignoreSCT`, Kyverno fetches the public log's keys even here."""
    return any_key(data, **{**UNLOGGED, **more})


def check(*entries: dict[str, Any], **more: Any) -> str:
    """Return a policy about all images."""
    return policy(rule(entry(*entries, **{"imageReferences": ["*"], **more})))


def own(who: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a keyless attestor of the fixtures' own instance."""
    instance = {"roots": pem("fulcio-chain.pem"), "rekor": LOG, "ctlog": {"pubkey": pem("ct.pub")}}
    return {"keyless": {**(who or MAIL), **instance, **more}}


def sets(*several: dict[str, Any]) -> str:
    return check(attestors=list(several))


def count(needed: int, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"count": needed, "entries": list(entries)}


def attested(kind: str, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"attestations": [{"name": "a", "type": kind, "attestors": [{"entries": list(entries), **more}]}]}


BUNDLE = {"type": "SigstoreBundle"}
NOTARY = {"type": "Notary"}

SAME: list[tuple[str, str, bool]] = [
    (check(key()), "legacy-key-ec1", True),
    (check(key()), "legacy-key-rsa2048", False),
    (check(key(RSA)), "legacy-key-rsa2048", True),
    (check(key(ED25519)), "legacy-key-ed25519", True),
    (check(key(ED25519)), "legacy-key-ec1", False),
    (check(key(signatureAlgorithm="sha256")), "legacy-key-ec1", True),
    # counts and sets
    (check(key(), key(EC2)), "legacy-three-signatures-ec1", True),
    (check(key(), key(EC2)), "legacy-key-ec1", False),
    (check(key(EC1 + EC2)), "legacy-three-signatures-ec1", True),
    (check(key(EC1 + EC2)), "legacy-key-ec1", False),
    (sets(count(1, key(), key(EC2))), "legacy-key-ec1", True),
    (sets(count(1, key(RSA), key(EC2))), "legacy-key-ec1", False),
    (sets(count(1, key(EC2 + EC1))), "legacy-key-ec1", True),
    (sets(count(2, key(), key(EC2), key(RSA))), "legacy-three-signatures-ec1", True),
    (sets(count(2, key(), key(EC2), key(RSA))), "legacy-key-ec1", False),
    (sets(count(1, key()), count(1, key(EC2))), "legacy-three-signatures-ec1", True),
    (sets(count(1, key()), count(1, key(EC2))), "legacy-key-ec1", False),
    (sets(count(1, {"attestor": count(2, key(), key(EC2))}, key(RSA))), "legacy-three-signatures-ec1", True),
    (sets(count(1, {"attestor": count(2, key(), key(EC2))}, key(RSA))), "legacy-key-ec1", False),
    (sets(count(2, key(), key(EC1))), "legacy-key-ec1", True),
    # annotations
    (check({**key(), "annotations": {"env": "prod"}}), "legacy-annotations-right", True),
    (check({**key(), "annotations": {"env": "test"}}), "legacy-annotations-right", False),
    (check({**key(), "annotations": {"env": "prod"}}), "legacy-key-ec1", False),
    # logs and time stamps of keys
    (check({"keys": {"publicKeys": EC1, "rekor": LOG, **UNLOGGED}}), "legacy-key-tlog-ec1", True),
    (check({"keys": {"publicKeys": EC1, "rekor": STRANGE_LOG, **UNLOGGED}}), "legacy-key-tlog-ec1", False),
    (check(key(ctlog=STAMPED)), "legacy-key-timestamp", True),
    (check(key(RSA, ctlog=STAMPED)), "legacy-key-timestamp", False),
    # identities
    (check(own()), "legacy-keyless-email", True),
    (check(own()), "legacy-keyless-workflow", False),
    (check(own({**MAIL, "issuer": GITHUB})), "legacy-keyless-email", False),
    (check(own({"issuer": GITHUB, "subject": f"{FLOW}@refs/tags/*"})), "legacy-keyless-workflow", True),
    (check(own({"issuer": GITHUB, "subject": f"{FLOW}@refs/heads/*"})), "legacy-keyless-workflow", False),
    (check(own({"issuer": "http://127.?.0.1:*/github", "subject": f"{FLOW}@*"})), "legacy-keyless-workflow", True),
    (check(own({"issuerRegExp": "500/git", "subjectRegExp": "widgets"})), "legacy-keyless-workflow", True),
    (check(own({"issuerRegExp": "^500/git", "subjectRegExp": "widgets"})), "legacy-keyless-workflow", False),
    (check(own({"issuerRegExp": "500/git", "subjectRegExp": r"v\d\d"})), "legacy-keyless-workflow", False),
    (check(own(rekor=STRANGE_LOG)), "legacy-keyless-email", False),
    (check(own(roots=pem("rogue-chain.pem"))), "legacy-keyless-email", False),
    (check(own(ctlog={"pubkey": pem("rekor1.pub")})), "legacy-keyless-email", False),
    (check(own(ctlog={"ignoreSCT": True})), "legacy-keyless-email", True),
    (check(own(rekor={"url": "x", "ignoreTlog": True})), "legacy-keyless-email", False),
    (check(own(rekor={"url": "x", "ignoreTlog": True}, ctlog=STAMPED)), "legacy-keyless-timestamp-only", True),
    (
        check(own({"issuer": GITHUB, "subject": f"{FLOW}@*"}, additionalExtensions={"githubWorkflowTrigger": "push"})),
        "legacy-keyless-workflow",
        True,
    ),
    (
        check(own({"issuer": GITHUB, "subject": f"{FLOW}@*"}, additionalExtensions={"githubWorkflowTrigger": "tag"})),
        "legacy-keyless-workflow",
        False,
    ),
    # attestations
    (check(**attested(SLSA, key())), "legacy-att-slsaprovenance1", True),
    (check(**attested(OTHER, key())), "legacy-att-slsaprovenance1", False),
    (check(**attested(SLSA, key(RSA))), "legacy-att-slsaprovenance1", False),
    (check(**attested(VULN, key(RSA), key(), count=1)), "legacy-att-vuln", True),
    (check(**attested(VULN, key(RSA), key())), "legacy-att-vuln", False),
    (check(key(RSA), **attested(CUSTOM, key())), "legacy-att-custom", False),
    (
        check(**attested(SLSA, own({"issuer": GITHUB, "subject": f"{FLOW}@*"}))),
        "legacy-att-keyless-slsaprovenance1",
        True,
    ),
    (check(**attested(SLSA, own())), "legacy-att-keyless-slsaprovenance1", False),
    # bundles
    (check(key(), **BUNDLE), "bundle-key-ec1", True),
    (check(key(RSA), **BUNDLE), "bundle-key-ec1", False),
    (check(**attested(VULN, key()), **BUNDLE), "bundle-att-vuln", True),
    (check(**attested(OTHER, key()), **BUNDLE), "bundle-att-vuln", False),
    # Notary
    (check({"certificates": {"cert": pem("notation-root.pem")}}, **NOTARY), "notation-jws-ec256", True),
    (check({"certificates": {"certChain": pem("notation-root.pem")}}, **NOTARY), "notation-cose-rsa3072", True),
    (check({"certificates": {"cert": pem("notation-rogue-root.pem")}}, **NOTARY), "notation-jws-ec256", False),
    (check({"certificates": {"cert": pem("notation-root.pem")}}, **NOTARY), "notation-jws-expired", False),
    # which images
    (
        policy(
            rule(entry(key(RSA), imageReferences=["ghcr.io/*"]), entry(key(), imageReferences=["127.0.0.1*/acme/*"]))
        ),
        "legacy-key-ec1",
        True,
    ),
    (policy(rule(entry(key(RSA), imageReferences=["127.0.0.1*/acme/legacy@*"]))), "legacy-key-ec1", False),
    (
        policy(rule(entry(key(), imageReferences=["*"])), rule(entry(key(RSA), imageReferences=["*"]), name="b")),
        "legacy-key-ec1",
        False,
    ),
]

DIFFERENT: list[tuple[str, str, bool, bool, str]] = [
    (check(key()), "bundle-key-ec1", False, True, "the form that a signature is stored in is no part of who signed"),
    (check(key(ctlog=STAMPED)), "legacy-key-ec1", True, False, "a time stamp that is asked for has to be there"),
    (
        check({"keys": {"publicKeys": EC2, **NO_LOG, **UNLOGGED}}, **BUNDLE),
        "bundle-att-vsa-failed-alone",
        True,
        False,
        "an attestation, here one that says FAILED, is no signature",
    ),
]


@pytest.fixture(scope="module")
def room(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    tool("kyverno")
    with peers(tool, tmp_path_factory.mktemp("peers")) as room:
        yield room


@pytest.mark.parametrize(("text", "case", "verdict"), SAME, ids=[f"{i}-{row[1]}" for i, row in enumerate(SAME)])
def test_both_say_the_same(room: Peers, text: str, case: str, *, verdict: bool) -> None:
    image = room.image(case)
    assert (room.kyverno(image, text), room.ours(image, text)) == (verdict, verdict)


@pytest.mark.parametrize(("text", "case", "theirs", "ours", "why"), DIFFERENT, ids=[row[4] for row in DIFFERENT])
def test_where_both_differ(room: Peers, text: str, case: str, why: str, *, theirs: bool, ours: bool) -> None:
    image = room.image(case)
    assert (room.kyverno(image, text), room.ours(image, text)) == (theirs, ours), why


def test_what_is_skipped_is_excluded(room: Peers) -> None:
    """Of two policies that match an image, the one that skips it demands nothing."""
    image = room.image("legacy-key-rsa2048")
    skipping = policy(rule(entry(key(), imageReferences=["*"], skipImageReferences=["127.0.0.1*/acme/le*"])))
    counts = room.kyverno_counts(image, skipping)
    assert (counts["pass"], counts["fail"], counts["skip"] > 0) == (0, 0, True)
    wanting = check(key(RSA)).replace("name: shop", "name: other")
    assert room.ours(image, f"{skipping}---\n{wanting}")
    assert not room.ours(image, f"{check(key())}---\n{wanting}")


NAMES = {"issuer": "issuer", "issuer_regexp": "issuerRegExp", "identity": "subject", "identity_regexp": "subjectRegExp"}
EXTENSIONS = {
    "github-workflow-trigger": "githubWorkflowTrigger",
    "github-workflow-sha": "githubWorkflowSha",
    "github-workflow-name": "githubWorkflowName",
    "github-workflow-repository": "githubWorkflowRepository",
    "github-workflow-ref": "githubWorkflowRef",
}
ROOTS = {"notation/strict": "notation-root.pem", "notation/rogue-root": "notation-rogue-root.pem"}


def of_case(case: dict[str, Any]) -> str:
    """Return the policy that asks for what a case of the fixtures trusts."""
    trust = case["trust"]
    if trust["type"] == "notation":
        return check({"certificates": {"cert": pem(ROOTS[trust["config"]])}}, **NOTARY)
    asked: dict[str, Any] = {"rekor": LOG if trust.get("tlog", "none") != "none" else {"url": "x", "ignoreTlog": True}}
    if trust.get("timestamps"):
        asked["ctlog"] = STAMPED
    if trust["type"] == "key":
        attestor = key((FIXTURES / trust["key"]).read_text(), **asked)
    else:
        who = {theirs: trust[ours] for ours, theirs in NAMES.items() if trust.get(ours)}
        facts = {EXTENSIONS[name]: value for name, value in (trust.get("extensions") or {}).items()}
        attestor = own(who, **asked, **({"additionalExtensions": facts} if facts else {}))
    more = BUNDLE if case["format"] == "sigstore-bundle" else {}
    if case["kind"] == "attestation":
        return check(**attested(case["predicate_type"], attestor), **more)
    return check({**attestor, **({"annotations": trust["annotations"]} if trust.get("annotations") else {})}, **more)


def can_be_asked(case: dict[str, Any]) -> bool:
    """Say whether Kyverno can be asked without network for what a case trusts, and a registry can hold it."""
    trust = case["trust"]
    if case.get("served_by") or "crl" in case["id"] or trust.get("user_metadata"):
        return False
    if case["api"] != "referrers" and case["format"] != "cosign-legacy":
        return False
    if trust["type"] == "notation":
        return trust["config"] in ROOTS
    if case["format"] == "sigstore-bundle":
        plain = trust["type"] == "key" and trust.get("tlog", "none") == "none" and not trust.get("timestamps")
        return plain and not trust.get("annotations")
    return trust["type"] in ("key", "keyless") and case["id"] != "legacy-bad-ten-thousand-signatures"


STORED = {
    "bundle-stored-other-artifact-type": "it goes by what the referrer is called, which nobody signed",
    "bundle-stored-bad-beside-good": "one bundle that it cannot read hides the others",
}
"""Where a good signature does not count there because of how it is stored."""

CASES = [c for c in registries.cases() if can_be_asked(c) and c["trust"].get("key") != "keys/ec384.pub"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_no_image_of_the_fixtures_passes_here_that_does_not_there(room: Peers, case: dict[str, Any]) -> None:
    image, text = room.image(case["id"]), of_case(case)
    theirs, ours = room.kyverno(image, text), room.ours(image, text)
    assert (theirs or not ours) == (case["id"] not in STORED)
    assert ours == (case["expected"] == "verified")
