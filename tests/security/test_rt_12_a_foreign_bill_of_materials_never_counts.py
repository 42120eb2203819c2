"""RT-12: what is in an image is said by those whom the policy names, about this image, and by nobody else.

Through verification and reading, as the daemon does it: real envelopes, signed by real keys.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Gathered
from preverify.model.needs import OF_CONTENTS
from preverify.policy.decide import decide
from preverify.policy.documents import load
from preverify.policy.policies import Policy
from preverify.verify.contents import read_contents
from support.contents import BOM, IMAGE, SPDX, sbom
from support.policies import policy_text
from support.signed import (
    FIXTURES,
    NOW,
    attestation,
    b64,
    bundle,
    bundled,
    envelope,
    evidence,
    image,
    key,
    sign,
    statement,
    verify,
)

SIGNERS = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: all}
spec:
  builder: {key: {file: ec1.pub}, tlog: none}
  auditor: {key: {file: ec2.pub}, tlog: none}
"""
MINE = "by: {any: [builder]}"
RULES = [
    f"sbom: {{{MINE}}}",
    f"packages: {{{MINE}, deny: ['pkg:npm/nothing']}}",
    f"licenses: {{{MINE}, deny: [SSPL-1.0], unknown: allow}}",
]
GOOD = sbom("syft.cdx.json")
EVIL = {**GOOD, "components": [{"type": "library", "name": "nothing", "purl": "pkg:npm/nothing@1"}]}


def policy(demand: str) -> Policy:
    text = policy_text(f"[{{name: it, {demand}}}]", images='["**"]')
    files = [("signers.yaml", SIGNERS.encode()), ("policy.yaml", text.encode())]
    (found,) = load(files, lambda name: (FIXTURES / "keys" / name).read_bytes()).policies
    return found


def attested(predicate: Any, by: str = "ec1", kind: str = BOM, about: Digest = IMAGE.subject.digest) -> Evidence:
    return attestation(envelope(statement(about, kind, predicate=predicate), (by,)))


def verdict(demand: str, *pieces: Evidence) -> tuple[str, str]:
    """Return outcome and reason of one rule about `IMAGE` with these pieces beside it."""
    placed = [replace(piece, index=n) for n, piece in enumerate(pieces)]
    findings = verify(IMAGE, placed, [key("ec1"), key("ec2")])
    found = decide(
        policy(demand),
        Gathered(image=IMAGE, evidence=tuple(placed)),
        findings,
        now=NOW,
        trust_epoch="keys-only",
        new_id=lambda prefix: f"{prefix}_1",
        contents=read_contents(placed, findings, OF_CONTENTS),
    )
    return found.outcome.value, found.rules[0].reason.value


def broken(piece: Evidence) -> Evidence:
    body = piece.body.replace(b'"sig":"M', b'"sig":"N')
    return replace(piece, body=body, digest=Digest.of(body))


WORTHLESS: dict[str, tuple[Sequence[Evidence], str]] = {
    "nothing": ((), "sbom-missing"),
    "by a stranger": ((attested(GOOD, "stranger"),), "wrong-key"),
    "by somebody whom another rule names": ((attested(GOOD, "ec2"),), "wrong-key"),
    "about another image": ((attested(GOOD, about=Digest.of(b"another")),), "subject-mismatch"),
    "with a broken signature": ((broken(attested(GOOD)),), "signature-invalid"),
    "of another type": ((attested({"author": "x"}, kind="https://openvex.dev/ns"),), "sbom-missing"),
    "under the other format's type": ((attested(GOOD, kind=SPDX),), "statement-malformed"),
    "with a component that is none": (
        (attested({**GOOD, "components": [{"type": "library"}]}),),
        "statement-malformed",
    ),
    "the image signed, nothing said": (
        (bundled(bundle({"messageSignature": {"signature": b64(sign("ec1", IMAGE.manifest))}})),),
        "sbom-missing",
    ),
}


@pytest.mark.parametrize("demand", RULES)
def test_a_bill_by_the_named_signer_is_enough(demand: str) -> None:
    assert verdict(demand, attested(GOOD)) == ("passed", "ok")


@pytest.mark.parametrize("name", WORTHLESS)
@pytest.mark.parametrize("demand", RULES)
def test_what_is_worth_nothing_never_makes_it_pass(demand: str, name: str) -> None:
    pieces, reason = WORTHLESS[name]
    assert verdict(demand, *pieces) == ("failed", reason)


@pytest.mark.parametrize("name", WORTHLESS)
@pytest.mark.parametrize("demand", RULES)
def test_what_is_worth_nothing_never_spoils_a_good_one(demand: str, name: str) -> None:
    pieces, _ = WORTHLESS[name]
    assert verdict(demand, *pieces, attested(GOOD)) == ("passed", "ok")
    assert verdict(demand, attested(GOOD), *pieces) == ("passed", "ok")


def test_nobody_else_can_accuse_and_a_named_signer_cannot_be_talked_over() -> None:
    packages = RULES[1]
    assert verdict(packages, attested(GOOD), attested(EVIL, "ec2")) == ("passed", "ok")
    for pieces in ((attested(GOOD), attested(EVIL)), (attested(EVIL), attested(GOOD))):
        assert verdict(packages, *pieces) == ("failed", "component-denied")
    assert verdict(packages, attested(GOOD, "stranger"), attested(EVIL)) == ("failed", "component-denied")


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ("deny: ['pkg:maven/org.apache.logging.log4j/log4j-core@2.14.0']", ("failed", "component-denied")),
        ("deny: ['pkg:maven/org.apache.logging.log4j/log4j-core@2.17.1']", ("failed", "component-denied")),
        ("deny: ['pkg:maven/org.apache.logging.log4j/log4j-core@2.17.0']", ("passed", "ok")),
        ("allow: ['pkg:maven/org.apache.logging.log4j/log4j-core@2.17.1']", ("failed", "component-denied")),
        ("allow: ['pkg:maven/org.apache.logging.log4j/log4j-core@2.14.0']", ("passed", "ok")),
    ],
)
def test_a_component_that_says_two_versions_is_denied_by_either(lists: str, expected: tuple[str, str]) -> None:
    """As cosign attested it: `version` says 2.17.1, and the package URL 2.14.0. Only the latter is in its favour."""
    found = evidence("legacy-att-cyclonedx")
    subject = image("legacy-att-cyclonedx")
    findings = verify(subject, found, [key("ec1"), key("ec2")])
    contents = read_contents(found, findings, OF_CONTENTS)
    verdict = decide(
        policy(f"packages: {{{MINE}, {lists}}}"),
        Gathered(image=subject, evidence=found),
        [finding for finding in findings if "cyclonedx" in finding.predicate_type],
        now=NOW,
        trust_epoch="keys-only",
        new_id=lambda prefix: f"{prefix}_1",
        contents=contents,
    )
    assert (verdict.outcome.value, verdict.rules[0].reason.value) == expected


def test_the_annotation_beside_an_attestation_says_nothing() -> None:
    """The layer's `predicateType` is signed by nobody."""
    lying = replace(attested({"author": "x"}, kind="https://openvex.dev/ns"), annotations=(("predicateType", BOM),))
    assert verdict(RULES[0], lying) == ("failed", "sbom-missing")
