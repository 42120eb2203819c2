"""ClusterImagePolicies over signed images: policy-controller's own tester and what they became here say the same.

Every field that is imported is satisfied once and violated once. Where both differ on purpose, the second list says so.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from preverify import wiring
from preverify.commands.app import run
from preverify.model.verdicts import Mode
from support import registries
from support.foreign_policies import EC1, EC2, FIXTURES, KEYS, OWN_LOG, encoded, key, keyless, policy, trust_root
from support.peers import Peers, peers

pytestmark = pytest.mark.tools_all
Tool = Callable[[str], Path]
ED25519 = (FIXTURES / "keys" / "ed25519.pub").read_text()
RSA = (FIXTURES / "keys" / "rsa2048.pub").read_text()
MAIL = {"issuer": "http://127.0.0.1:5500/email", "subject": "alice@acme.test"}
GITHUB = "http://127.0.0.1:5500/github"
FLOW = "https://github.com/acme/widgets/.github/workflows/release.yml"
INSTANCE = {**KEYS, "certificateAuthorities": [{"subject": {}, "uri": "x", "certChain": encoded("fulcio-chain.pem")}]}
ROOT = trust_root(sigstoreKeys=INSTANCE)
STRANGE_LOG = trust_root(sigstoreKeys={**INSTANCE, "tLogs": [{**KEYS["tLogs"][0], "publicKey": encoded("ct.pub")}]})
STRANGE_CT = trust_root(
    sigstoreKeys={**INSTANCE, "ctLogs": [{**KEYS["ctLogs"][0], "publicKey": encoded("rekor1.pub")}]}
)
STRANGE_CA = trust_root(
    sigstoreKeys={
        **INSTANCE,
        "certificateAuthorities": [{"subject": {}, "uri": "x", "certChain": encoded("rogue-chain.pem")}],
    }
)
OTHER = "https://example.com/other/v1"
IMAGES: list[dict[str, str]] = [{"glob": "**"}]


BUNDLED = "bundle-att-keyless-slsaprovenance1"
BUNDLE = {"signatureFormat": "bundle", "ctlog": None, "rfc3161timestamp": {"trustRootRef": "own"}}
WORKFLOW = {"issuer": GITHUB, "subject": f"{FLOW}@refs/heads/main"}


def own(*identities: dict[str, str], **more: Any) -> dict[str, Any]:
    return keyless(*(identities or (MAIL,)), keyless={"trustRootRef": "own"}, **{"ctlog": OWN_LOG, **more})


URL = keyless(MAIL, keyless={"url": "https://fulcio.example", "trustRootRef": "own"}, ctlog=OWN_LOG)


def attested(*types: str, **more: Any) -> dict[str, Any]:
    return {"attestations": [{"name": f"a{i}", "predicateType": kind} for i, kind in enumerate(types)], **more}


def where(*globs: str) -> dict[str, Any]:
    return {"images": [{"glob": glob} for glob in globs]}


SAME: list[tuple[str, str, str, bool]] = [
    # policy, trust root, image, verdict
    (policy(key(), images=IMAGES), "", "legacy-key-ec1", True),
    (policy(key(), images=IMAGES), "", "legacy-key-rsa2048", False),
    (policy(key(RSA), images=IMAGES), "", "legacy-key-rsa2048", True),
    (policy(key(EC2), key(RSA), images=IMAGES), "", "legacy-key-rsa2048", True),
    (policy(key(EC2), key(RSA), images=IMAGES), "", "legacy-key-ec1", False),
    (policy(key(), images=IMAGES), "", "legacy-three-signatures-ec1", True),
    (policy(key(), images=IMAGES), "", "legacy-key-ed25519", False),
    (policy({"static": {"action": "fail", "message": "no"}}, images=IMAGES), "", "legacy-key-ec1", False),
    (policy({"static": {"action": "fail"}}, key(), images=IMAGES), "", "legacy-key-ec1", True),
    (policy({"static": {"action": "pass"}}, images=IMAGES), "", "legacy-unsigned", True),
    (policy(key(ED25519), images=IMAGES), "", "legacy-key-ed25519", True),
    (policy(key(algorithm="sha256", signatureFormat="legacy"), images=IMAGES), "", "legacy-key-ec1", True),
    (policy(key(RSA, algorithm="sha256", signatureFormat="legacy"), images=IMAGES), "", "legacy-key-ec1", False),
    (policy(key(), images=IMAGES, mode="enforce"), "", "legacy-key-ec1", True),
    (policy(key(RSA), images=IMAGES, mode="enforce"), "", "legacy-key-ec1", False),
    # logs and time stamps of keys
    (policy(key(ctlog=OWN_LOG), images=IMAGES), ROOT, "legacy-key-tlog-ec1", True),
    (policy(key(ctlog=OWN_LOG), images=IMAGES), STRANGE_LOG, "legacy-key-tlog-ec1", False),
    (policy(key(ctlog={"trustRootRef": "own"}), version="v1alpha1", images=IMAGES), ROOT, "legacy-key-tlog-ec1", True),
    (policy(key(rfc3161timestamp={"trustRootRef": "own"}), images=IMAGES), ROOT, "legacy-key-timestamp", True),
    (policy(key(RSA, rfc3161timestamp={"trustRootRef": "own"}), images=IMAGES), ROOT, "legacy-key-timestamp", False),
    # identities
    (policy(own(), images=IMAGES), ROOT, "legacy-keyless-email", True),
    (policy(own(), images=IMAGES), ROOT, "legacy-keyless-workflow", False),
    (policy(own({**MAIL, "issuer": GITHUB}), images=IMAGES), ROOT, "legacy-keyless-email", False),
    (
        policy(own(MAIL, {"issuer": GITHUB, "subjectRegExp": f"^{FLOW}@refs/tags/v"}), images=IMAGES),
        ROOT,
        "legacy-keyless-workflow",
        True,
    ),
    (
        policy(own({"issuer": GITHUB, "subjectRegExp": "^widgets"}), images=IMAGES),
        ROOT,
        "legacy-keyless-workflow",
        False,
    ),
    (
        policy(own({"issuerRegExp": "500/git", "subjectRegExp": "widgets"}), images=IMAGES),
        ROOT,
        "legacy-keyless-workflow",
        True,
    ),
    (
        policy(own({"issuerRegExp": "^500/git", "subjectRegExp": "widgets"}), images=IMAGES),
        ROOT,
        "legacy-keyless-workflow",
        False,
    ),
    (
        policy(own({"issuer": GITHUB, "subjectRegExp": r"v\d+\.\d+\.\d+$"}), images=IMAGES),
        ROOT,
        "legacy-keyless-workflow",
        True,
    ),
    (policy(own({"issuer": GITHUB, "subjectRegExp": r"v\d\d"}), images=IMAGES), ROOT, "legacy-keyless-workflow", False),
    (policy(own(), images=IMAGES), STRANGE_LOG, "legacy-keyless-email", False),
    (policy(own(), images=IMAGES), STRANGE_CA, "legacy-keyless-email", False),
    (policy(own(), images=IMAGES), STRANGE_CT, "legacy-keyless-email", False),
    (
        policy(keyless(MAIL, keyless={"trustRootRef": "own", "insecureIgnoreSCT": True}, ctlog=OWN_LOG), images=IMAGES),
        STRANGE_CT,
        "legacy-keyless-email",
        True,
    ),
    (policy(own(ctlog=None), images=IMAGES), ROOT, "legacy-keyless-email", False),
    (
        policy(own(ctlog=None, rfc3161timestamp={"trustRootRef": "own"}), images=IMAGES),
        ROOT,
        "legacy-keyless-timestamp-only",
        True,
    ),
    (
        policy(own(ctlog=None, rfc3161timestamp={"trustRootRef": "own"}), images=IMAGES),
        ROOT,
        "legacy-keyless-email",
        False,
    ),
    (policy(URL, images=IMAGES), ROOT, "legacy-keyless-email", True),
    (policy(URL, images=IMAGES), ROOT, "legacy-keyless-workflow", False),
    # attestations
    (policy(key(**attested("slsaprovenance")), images=IMAGES), "", "legacy-att-slsaprovenance", True),
    (policy(key(**attested("slsaprovenance1")), images=IMAGES), "", "legacy-att-slsaprovenance1", True),
    (policy(key(**attested("https://slsa.dev/provenance/v1")), images=IMAGES), "", "legacy-att-slsaprovenance1", True),
    (policy(key(**attested(OTHER)), images=IMAGES), "", "legacy-att-slsaprovenance1", False),
    (policy(key(**attested("spdxjson")), images=IMAGES), "", "legacy-att-spdxjson", True),
    (policy(key(**attested("cyclonedx")), images=IMAGES), "", "legacy-att-cyclonedx", True),
    (policy(key(**attested("vuln")), images=IMAGES), "", "legacy-att-vuln", True),
    (policy(key(**attested("custom")), images=IMAGES), "", "legacy-att-custom", True),
    (policy(key(**attested("custom", OTHER)), images=IMAGES), "", "legacy-att-custom", False),
    (policy(key(RSA, **attested("custom")), images=IMAGES), "", "legacy-att-custom", False),
    (policy(key(RSA), key(**attested("custom")), images=IMAGES), "", "legacy-att-custom", True),
    (
        policy(key(**attested(OTHER, "custom")), key(**attested("custom")), images=IMAGES),
        "",
        "legacy-att-custom",
        True,
    ),
    (policy(key(**attested(OTHER, "custom")), key(**attested(OTHER)), images=IMAGES), "", "legacy-att-custom", False),
    (
        policy(
            own({"issuer": GITHUB, "subject": f"{FLOW}@refs/heads/main"}, **attested("slsaprovenance1")), images=IMAGES
        ),
        ROOT,
        "legacy-att-keyless-slsaprovenance1",
        True,
    ),
    (policy(own(**attested("slsaprovenance1")), images=IMAGES), ROOT, "legacy-att-keyless-slsaprovenance1", False),
    (policy(own(**attested("slsaprovenance1"), **BUNDLE), images=IMAGES), ROOT, BUNDLED, False),
    (policy(own(WORKFLOW, **attested(OTHER), **BUNDLE), images=IMAGES), ROOT, BUNDLED, False),
    (policy(own(WORKFLOW, **attested("slsaprovenance1"), **BUNDLE), images=IMAGES), STRANGE_CA, BUNDLED, False),
    # which images
    (policy(key(), **where("127.0.0.1:*/acme/*")), "", "legacy-key-ec1", True),
    (policy(key(), **where("127.0.0.1:*/acme/le*")), "", "legacy-key-ec1", True),
    (policy(key(), **where("127.0.0.1:*/acme/legacy@*")), "", "legacy-key-ec1", True),
    (policy(key(), **where("127.0.0.1:*/*", "*")), "", "legacy-key-ec1", False),
    (policy(key(), **where("127.0.0.1:*/acme/l@*")), "", "legacy-key-ec1", False),
    (policy(key(), **where("**legacy**")), "", "legacy-key-ec1", True),
    (policy(key(RSA), **where("**legacy**")), "", "legacy-key-ec1", False),
    (
        policy(key(RSA), images=IMAGES) + "---\n" + policy(key(), images=IMAGES).replace("name: shop", "name: b"),
        "",
        "legacy-key-ec1",
        False,
    ),
]

DIFFERENT: list[tuple[str, str, str, bool, bool, str]] = [
    # policy, trust root, image, theirs, ours, why
    (
        policy(key(), images=IMAGES),
        "",
        "bundle-key-ec1",
        False,
        True,
        "the form that a signature is stored in is no part of who signed",
    ),
    (
        policy(key(rfc3161timestamp={"trustRootRef": "own"}), images=IMAGES),
        ROOT,
        "legacy-key-ec1",
        True,
        False,
        "a time stamp that is asked for has to be there",
    ),
    (
        policy(own(WORKFLOW, **attested("slsaprovenance1"), **BUNDLE), images=IMAGES),
        ROOT,
        BUNDLED,
        False,
        True,
        "this version of the tester does not read bundles with entries of the newer log",
    ),
]


@pytest.fixture(scope="module")
def room(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    tool("policy-tester")
    with peers(tool, tmp_path_factory.mktemp("peers")) as room:
        yield room


@pytest.mark.parametrize(("text", "root", "case", "verdict"), SAME, ids=[f"{i}-{row[2]}" for i, row in enumerate(SAME)])
def test_both_say_the_same(room: Peers, text: str, root: str, case: str, *, verdict: bool) -> None:
    image = room.image(case)
    assert (room.policy_controller(image, text, root), room.ours(image, text, root)) == (verdict, verdict)


@pytest.mark.parametrize(
    ("text", "root", "case", "theirs", "ours", "why"), DIFFERENT, ids=[row[5] for row in DIFFERENT]
)
def test_where_both_differ(room: Peers, text: str, root: str, case: str, why: str, *, theirs: bool, ours: bool) -> None:
    image = room.image(case)
    assert (room.policy_controller(image, text, root), room.ours(image, text, root)) == (theirs, ours), why


@pytest.mark.parametrize("glob", ["127.0.0.1:*/acme/legacy", "127.0.0.1:*/acme/legacy:*", "127.0.0.1:*/acme/legacy:**"])
def test_globs_that_match_no_digest_are_refused(room: Peers, tmp_path: Path, glob: str) -> None:
    """Admission only sees digests: what the tester finds no policy for, no import may cover."""
    text = policy(key(), **where(glob))
    assert not room.policy_controller(room.image("legacy-key-ec1"), text)
    (tmp_path / "policy.yaml").write_text(text)
    assert run(["policy", "import", str(tmp_path / "policy.yaml")]) == 2


@pytest.mark.parametrize("data", [EC1, RSA])
def test_a_policy_that_warns_refuses_nothing(room: Peers, tmp_path: Path, data: str) -> None:
    """Here the verdict stays what it is, and the mode says what it does."""
    image, text = room.image("legacy-key-ec1"), policy(key(data), images=IMAGES, mode="warn")
    (tmp_path / "policy.yaml").write_text(text)
    assert run(["policy", "import", str(tmp_path / "policy.yaml"), "--out", str(tmp_path / "ours")]) == 0
    (imported,) = wiring.read_policies((tmp_path / "ours",)).policies
    assert imported.mode is Mode.WARN
    assert room.policy_controller(image, text)


NAMES = {"issuer": "issuer", "issuer_regexp": "issuerRegExp", "identity": "subject", "identity_regexp": "subjectRegExp"}


def of_case(case: dict[str, Any]) -> str:
    """Return the policy that asks for what a case of the fixtures trusts."""
    trust = case["trust"]
    more: dict[str, Any] = attested(case["predicate_type"]) if case["kind"] == "attestation" else {}
    if trust.get("timestamps"):
        more["rfc3161timestamp"] = {"trustRootRef": "own"}
    elif trust.get("tlog", "none") != "none":
        more["ctlog"] = OWN_LOG
    if trust["type"] == "key":
        return policy(key((FIXTURES / trust["key"]).read_text(), **more), images=IMAGES)
    names = {
        "issuer": "issuer",
        "issuer_regexp": "issuerRegExp",
        "identity": "subject",
        "identity_regexp": "subjectRegExp",
    }
    who = {theirs: trust[ours] for ours, theirs in names.items() if trust.get(ours)}
    return policy(own(who, **{"ctlog": None, **more}), images=IMAGES)


CASES = [
    case
    for case in registries.cases()
    if case["format"] == "cosign-legacy"
    and case["trust"]["type"] in ("key", "keyless")
    and case["trust"].get("key") != "keys/ec384.pub"
    and not case["trust"].keys() & {"annotations", "extensions"}
    and not case.get("served_by")
    and case["id"] != "legacy-bad-ten-thousand-signatures"
]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_no_image_of_the_fixtures_passes_here_that_does_not_there(room: Peers, case: dict[str, Any]) -> None:
    image, text = room.image(case["id"]), of_case(case)
    theirs, ours = room.policy_controller(image, text, ROOT), room.ours(image, text, ROOT)
    assert theirs or not ours
    assert ours == (case["expected"] == "verified")
