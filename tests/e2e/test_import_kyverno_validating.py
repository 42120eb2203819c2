"""Kyverno's newer policies over signed images: its own command line and what they became here say the same.

Identities are left to expectations in writing: whatever the root, that command line first fetches the public one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import registries
from support.foreign_policies import EC2, FIXTURES
from support.kyverno_validating import attested, key, policy, signed
from support.peers import Peers, peers

pytestmark = pytest.mark.tools_all
Tool = Callable[[str], Path]
RSA = (FIXTURES / "keys" / "rsa2048.pub").read_text()
THREE = [key("a"), key("b", EC2), key("c", RSA)]


def notary(root: str, *, stamps: bool = False) -> list[dict[str, Any]]:
    """Return an attestor by Notary's certificates."""
    certs = {"certs": {"value": (FIXTURES / "trust" / root).read_text()}}
    stamped = {"tsaCerts": {"value": (FIXTURES / "trust" / "tsa-root.pem").read_text()}}
    return [{"name": "vendor", "notary": {**certs, **(stamped if stamps else {})}}]


def check(*expressions: str, **spec: Any) -> str:
    return policy(*expressions, **{"attestors": THREE, "matchImageReferences": [{"glob": "*/acme/*"}], **spec})


SAME: list[tuple[str, str, bool]] = [
    (check(signed("a")), "legacy-key-ec1", True),
    (check(signed("b")), "legacy-key-ec1", False),
    (check(signed("b", "a")), "legacy-key-ec1", True),
    (check(signed("b", "a", needed=">= 2")), "legacy-key-ec1", False),
    (check(signed("b", "a", needed=">= 2")), "legacy-three-signatures-ec1", True),
    (check(signed("a", "b", "c", needed="== 3")), "legacy-three-signatures-ec1", True),
    (check(signed("a", "b", "c", needed="> 1")), "legacy-key-ec1", False),
    (check(signed("a"), signed("b")), "legacy-three-signatures-ec1", True),
    (check(signed("a"), signed("b")), "legacy-key-ec1", False),
    (check(signed("a") + " && " + signed("b")), "legacy-three-signatures-ec1", True),
    (check(signed("a") + " && " + signed("b")), "legacy-key-ec1", False),
    (check("images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0)"), "legacy-key-ec1", True),
    (check("images.containers.all(i, verifyImageSignatures(i, [attestors.b]) > 0)"), "legacy-key-ec1", False),
    (check(signed("a")), "bundle-key-ec1", True),
    (check(signed("c")), "bundle-key-ec1", False),
    (check(attested("a")), "bundle-att-spdxjson", True),
    (check(attested("b")), "bundle-att-spdxjson", False),
    (check(attested("b", "a")), "bundle-att-spdxjson", True),
    (
        check(attested("a"), attestations=[{"name": "sbom", "intoto": {"type": "https://x.example/y"}}]),
        "bundle-att-spdxjson",
        False,
    ),
    (check(signed("vendor"), attestors=notary("notation-root.pem")), "notation-jws-ec256", True),
    (check(signed("vendor"), attestors=notary("notation-root.pem")), "notation-cose-rsa3072", True),
    (check(signed("vendor"), attestors=notary("notation-rogue-root.pem")), "notation-jws-ec256", False),
    (check(signed("vendor"), attestors=notary("notation-root.pem")), "notation-jws-cert-expired-timestamped", False),
    (
        check(signed("vendor"), attestors=notary("notation-root.pem", stamps=True)),
        "notation-jws-cert-expired-timestamped",
        True,
    ),
]

DIFFERENT: list[tuple[str, str, bool, bool, str]] = [
    (check(attested("a")), "legacy-att-spdxjson", False, True, "it takes attestations without a log only from bundles"),
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


def of_case(case: dict[str, Any]) -> str:
    """Return the policy that asks for what a case of the fixtures trusts."""
    attestor = [key("a", (FIXTURES / case["trust"]["key"]).read_text())]
    if case["kind"] == "signature":
        return check(signed("a"), attestors=attestor)
    return check(
        attested("a"), attestors=attestor, attestations=[{"name": "sbom", "intoto": {"type": case["predicate_type"]}}]
    )


def can_be_asked(case: dict[str, Any]) -> bool:
    """Say whether Kyverno can be asked without network for what a case trusts, and a registry can hold it."""
    trust = case["trust"]
    if case.get("served_by") or trust["type"] != "key" or trust["key"] == "keys/ec384.pub" or trust.get("annotations"):
        return False
    if (
        trust.get("tlog", "none") != "none"
        or trust.get("timestamps")
        or case["id"] == "legacy-bad-ten-thousand-signatures"
    ):
        return False
    if case["format"] == "cosign-legacy":
        return case["kind"] == "signature"
    return case["api"] == "referrers"


STORED = dict.fromkeys(
    ("bundle-old-and-new-form-old", "bundle-fb-old-and-new-form-old"), "where there is a bundle, nothing else is read"
)
"""Where a good signature does not count there because of how it is stored."""
CASES = [case for case in registries.cases() if can_be_asked(case)]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_no_image_of_the_fixtures_passes_here_that_does_not_there(room: Peers, case: dict[str, Any]) -> None:
    image, text = room.image(case["id"]), of_case(case)
    theirs, ours = room.kyverno(image, text), room.ours(image, text)
    assert (theirs or not ours) == (case["id"] not in STORED)
    assert ours == (case["expected"] == "verified")


WHO = {"issuer": "http://127.0.0.1:5500/email", "subject": "alice@acme.test"}


@pytest.mark.parametrize(
    ("who", "case", "verdict"),
    [
        (WHO, "legacy-keyless-email", True),
        (WHO, "bundle-keyless-email", True),
        ({**WHO, "subject": "bob@acme.test"}, "bundle-keyless-email", False),
        ({**WHO, "issuer": "http://127.0.0.1:5500/github"}, "bundle-keyless-email", False),
        ({"issuerRegExp": "5500/email$", "subjectRegExp": "^alice@"}, "bundle-keyless-email", True),
        ({"issuerRegExp": "5500/email$", "subjectRegExp": "^bob@"}, "bundle-keyless-email", False),
    ],
)
def test_identities_of_a_root_of_ones_own(room: Peers, who: dict[str, str], case: str, *, verdict: bool) -> None:
    root = (FIXTURES / "trust" / "trusted_root.json").read_text()
    attestor = {"name": "a", "cosign": {"keyless": {"identities": [who]}, "trustedRoot": {"value": root}}}
    assert room.ours(room.image(case), check(signed("a"), attestors=[attestor])) == verdict
