"""Every Notation case of the signed test images, made by notation itself: the outcome, and for refusals the reason."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from preverify.clock import SystemClock
from preverify.model.anchors import NotationAnchor
from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format
from preverify.model.findings import Finding
from preverify.model.reference import Repository
from preverify.model.revocation import Wanted
from preverify.model.trust import Store, Trust
from preverify.policy.certificates import check_stored, read_certificates
from preverify.policy.notation_trust import read_trust_policy
from preverify.registry.gather import gather
from preverify.registry.layout import LayoutReader
from preverify.registry.remote import image_of
from preverify.verify.formats import notation_cose, notation_jws
from preverify.verify.revocation import MAX_ROUNDS, wanted
from preverify.verify.trusting import Trusting

FIXTURES = Path(__file__).parents[2] / "vectors" / "fixtures"
CASES: tuple[Mapping[str, Any], ...] = tuple(
    each for each in json.loads((FIXTURES / "cases.json").read_text())["cases"] if each["format"] == "notation"
)
MODULES = {form: module for module in (notation_jws, notation_cose) for form in module.READS}
NOW = datetime(2026, 11, 25, tzinfo=UTC)
"""After what is meant to have expired, before anything else does."""

REASONS: Mapping[str, frozenset[str]] = {
    "another certificate of the same organisation": frozenset({"identity-mismatch"}),
    "the chain ends in a root that is not trusted": frozenset({"certificate-untrusted"}),
    "the certificate's subject is not a trusted identity": frozenset({"identity-mismatch"}),
    "the signature's expiry has passed": frozenset({"signature-expired"}),
    "the certificate has expired and no time stamp says when it was used": frozenset({"certificate-expired"}),
    "time stamped, but no time stamp authority is trusted": frozenset({"certificate-expired"}),
    "the certificate is on the revocation list": frozenset({"certificate-revoked"}),
    "the signed metadata has another value": frozenset({"other-metadata"}),
    "the signed payload names another image": frozenset({"subject-mismatch"}),
    "the envelope is cut short": frozenset({"envelope-malformed"}),
    "the signature does not verify": frozenset({"signature-invalid"}),
    "another image's signature, its payload edited to name this one": frozenset({"signature-invalid"}),
    "an empty envelope": frozenset({"envelope-malformed"}),
    "an envelope of a type nobody knows": frozenset({"payload-type-mismatch"}),
    "the envelope is of the other format than declared": frozenset({"envelope-malformed"}),
    "same subject name, certificate of a root that is not trusted": frozenset({"certificate-untrusted"}),
    "not marked as a signature": frozenset(),
    "the layer's bytes do not have the descriptor's digest": frozenset({"digest-mismatch"}),
    "no signature": frozenset(),
    "only the index is signed": frozenset(),
    "the tag now names another, unsigned image": frozenset(),
    "self-signed certificate that is not in the trust store": frozenset({"certificate-untrusted"}),
}
DEGRADED = {"expired-permissive", "expired-audit", "cert-expired-permissive"}


@cache
def configuration(directory: str) -> tuple[Trust, NotationAnchor]:
    """Read one of notation's configuration directories."""
    home = FIXTURES / directory / "notation"
    stores = []
    for path in sorted(home.glob("truststore/x509/*/*")):
        files = (each.read_bytes() for each in sorted(path.iterdir()))
        kind = path.parent.name
        ders = tuple(check_stored(each, kind=kind) for file in files for each in read_certificates(file))
        stores.append(Store(kind=kind, name=path.name, certificates=ders))
    trust = Trust(stores=tuple(stores))
    return trust, read_trust_policy((home / "trustpolicy.json").read_bytes(), store_of=trust.store_named)


def published(question: Wanted) -> Evidence:
    """Answer as the server beside the images does."""
    name = question.url.rpartition("/")[2]
    return question.answered((FIXTURES / "notation" / "crl" / name).read_bytes())


def judge(case: Mapping[str, Any]) -> tuple[list[Finding], set[str]]:
    """Return established findings, and the reasons of everything else."""
    trust, anchor = configuration(case["trust"]["config"])
    reader = LayoutReader(FIXTURES / "layouts")
    reference = case["tag"] if case["by"] == "tag" else Digest.parse(case["digest"])
    image = image_of(Repository("registry.test:5000", case["repo"]), reader.get_manifest(case["repo"], reference))
    evidence = gather(reader, image, clock=SystemClock()).evidence
    asked: list[Wanted] = []
    for _ in range(MAX_ROUNDS):
        got = [published(each) for each in asked]
        asked += wanted(evidence, image, Trusting([anchor], trust=trust, now=NOW, revocation=got), asked=asked)
    under = Trusting([anchor], trust=trust, now=NOW, revocation=[published(each) for each in asked])
    found: list[Finding] = []
    reasons = {each.flaw.reason.value for each in evidence if each.flaw is not None}
    for each in evidence:
        if each.flaw is None and each.format is not Format.SIGSTORE_BUNDLE:
            try:
                found += MODULES[each.format].verify_evidence(each, image, under)
            except MalformedEvidence as error:
                reasons.add(error.reason.value)
    return [each for each in found if each.established], reasons | {
        each.reason.value for each in found if not each.established
    }


@pytest.mark.parametrize("case", CASES, ids=[each["id"] for each in CASES])
def test_case(case: Mapping[str, Any]) -> None:
    established, reasons = judge(case)
    metadata = case["trust"].get("user_metadata", {})
    right = [each for each in established if metadata.items() <= dict(each.annotations).items()]
    if case["expected"] == "refused":
        assert right == []
        assert reasons | ({"other-metadata"} if established else set()) == REASONS[case["reason"]]
        return
    _, anchor = configuration(case["trust"]["config"])
    if anchor.statements[0].skip:  # a policy's decision, and nothing that evidence establishes
        assert (established, reasons) == ([], set())
        return
    assert right
    assert all(each.signing is not None and each.signing.anchor == anchor.id for each in right)
    degraded = any(case["id"].endswith(each) for each in DEGRADED)
    assert all(bool(each.signing and each.signing.degraded) is degraded for each in right)


def test_all_of_them() -> None:
    assert len(CASES) == 172
    assert {each["reason"] for each in CASES if each["expected"] == "refused"} == REASONS.keys()
