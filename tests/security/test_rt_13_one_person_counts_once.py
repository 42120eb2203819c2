"""RT-13: a threshold counts people, however many certificates, roots, formats or names somebody has (CVE-2020-6174).

And one log or time stamp authority is one witness, however often it is asked or listed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Evidence, Format
from preverify.model.findings import Finding
from preverify.model.trust import SigstoreRoot, Trust
from preverify.model.verdicts import Outcome, Verdict
from preverify.verify import verify
from support import keyless, notary, pki, signed
from support.deciding import decide_documents
from support.fixtures import NOW, Seed, seed

ISSUER = "https://issuer.test"
HERE, THERE = (pki.intermediate(pki.root(name), f"{name} issuing") for name in ("here", "there"))
FILES = {"here.pem": HERE.pem + (HERE.above or HERE).pem, "there.pem": THERE.pem + (THERE.above or THERE).pem}
TRUST = {"roots": {n: {"authorities": [{"files": [f"{n}.pem"]}]} for n in ("here", "there")}}
AT = pki.SIGNED_AT + timedelta(seconds=30)


def by(subject: str, *, key: str = "", issuer: str = ISSUER, above: pki.Party = HERE) -> Evidence:
    """Return a signature of the image by somebody whose certificate has a key of its own."""
    secret = pki.key("p256", f"{subject}-{key}")
    return keyless.layer(pki.leaf(above, subject, *pki.fulcio(issuer), secret=secret))


def person(subject: str = "", *, pattern: str = "", trust: str = "here", **more: Any) -> Mapping[str, Any]:
    who = {"subject": subject} if subject else {"subjectPattern": pattern}
    issuer = {} if "issuerPattern" in more else {"issuer": ISSUER}
    loose = {"tlog": "none", "timestamps": "none", "sct": "none"}
    return {"keyless": {**who, **issuer, "trust": trust, **loose, **more}}


def verdict(
    evidence: Sequence[Evidence],
    needed: int = 2,
    *,
    files: Mapping[str, bytes] | None = None,
    **signers: Mapping[str, Any],
) -> Verdict:
    rule = {"name": "signed", "signature": {"by": {"atLeast": needed, "of": sorted(signers)}}}
    return decide_documents(
        keyless.IMAGE, evidence, rule, signers=signers, trust=TRUST, files={**FILES, **(files or {})}, now=AT
    )


def said(found: Verdict) -> tuple[Outcome, str]:
    return found.outcome, found.rules[0].reason.value


SHORT = (Outcome.FAILED, "threshold-not-met")
PASSED = (Outcome.PASSED, "ok")
ALICE, BOB = "https://acme.test/alice", "https://acme.test/bob"
EVERYBODY = person(pattern=r"https://acme\.test/[a-z]+")


def test_two_people_are_two() -> None:
    both = [by(ALICE), by(BOB)]
    assert said(verdict(both, a=person(ALICE), b=person(BOB))) == PASSED
    assert said(verdict(both, a=person(ALICE), all=EVERYBODY)) == PASSED
    for one in both:
        assert said(verdict([one], a=person(ALICE), b=person(BOB))) == SHORT


def test_one_person_with_many_certificates_is_one() -> None:
    """Each certificate has a key of its own: keys do not tell people apart."""
    many = [by(ALICE, key=str(n)) for n in range(5)]
    assert len({signed.compact(dict(each.annotations)) for each in many}) == 5
    assert said(verdict(many, a=person(ALICE), all=EVERYBODY)) == SHORT
    assert said(verdict([*many, by(BOB)], a=person(ALICE), all=EVERYBODY)) == PASSED


def test_one_person_whom_two_patterns_name_stands_for_one_of_them() -> None:
    wide = person(pattern=r"https://acme\.test/.+")
    assert said(verdict([by(ALICE)], a=EVERYBODY, b=wide)) == SHORT
    assert said(verdict([by(ALICE), by(BOB)], a=EVERYBODY, b=wide)) == PASSED
    assert said(verdict([by(ALICE), by(BOB)], 3, a=EVERYBODY, b=wide, c=person(BOB))) == SHORT


def test_people_are_given_out_so_that_as_many_as_possible_count() -> None:
    """Whoever may stand for several is not wasted on the first: the order of evidence and of names means nothing."""
    signers = {"a": EVERYBODY, "z": person(ALICE)}
    for evidence in ([by(ALICE), by(BOB)], [by(BOB), by(ALICE)]):
        assert said(verdict(evidence, **signers)) == PASSED
        assert said(verdict(evidence, z=EVERYBODY, a=person(ALICE))) == PASSED


def test_one_person_under_two_roots_is_one() -> None:
    """The same name and issuer, vouched for by two roots."""
    both = [by(ALICE, key="1"), by(ALICE, key="2", above=THERE)]
    assert said(verdict(both, a=person(ALICE), b=person(ALICE, trust="there"))) == SHORT
    two = [by(ALICE), by(BOB, above=THERE)]
    assert said(verdict(two, a=person(ALICE), b=person(BOB, trust="there"))) == PASSED


def test_one_name_of_two_issuers_is_two_people() -> None:
    """`alice` there is not `alice` here; who wants one of them names the issuer."""
    other = "https://other.test"
    both = [by(ALICE), by(ALICE, key="there", issuer=other)]
    assert said(verdict(both, a=person(ALICE), b={"keyless": {**person(ALICE)["keyless"], "issuer": other}})) == PASSED
    assert said(verdict(both, a=person(ALICE), b=person(BOB))) == SHORT


@pytest.mark.parametrize("names", [("alice", "bare"), ("bare", "zoe")])
def test_one_private_key_with_and_without_a_certificate_is_one(names: tuple[str, str]) -> None:
    """Who holds the key alone makes both, whatever the certificate says of its owner."""
    secret = pki.key("p256", "both")
    public = secret.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    certified = keyless.layer(pki.leaf(HERE, ALICE, *pki.fulcio(ISSUER), secret=secret))
    signers = {n: {"key": {"file": "both.pub"}, "tlog": "none"} if n == "bare" else person(ALICE) for n in names}
    assert said(verdict([certified], 1, **signers, files={"both.pub": public})) == PASSED
    short = verdict([certified], **signers, files={"both.pub": public})
    assert said(short) == SHORT
    assert short.rules[0].detail == f"1 of 2 needed signers: only {names[0]}/{names[1]}"
    other = keyless.layer(pki.leaf(HERE, BOB, *pki.fulcio(ISSUER), secret=secret))
    everybody = {**signers, "bob": person(BOB)}
    assert said(verdict([certified, other], **everybody, files={"both.pub": public})) == SHORT
    assert said(verdict([certified, other, by(BOB)], **everybody, files={"both.pub": public})) == SHORT
    assert said(verdict([certified, by(BOB)], **everybody, files={"both.pub": public})) == PASSED


def test_one_person_under_two_names_cannot_meet_a_threshold() -> None:
    with pytest.raises(BadConfiguration, match="a and b are one"):
        verdict([by(ALICE)], a=person(ALICE), b=person(ALICE))


def test_one_key_with_and_without_a_log_cannot_meet_a_threshold() -> None:
    key = {"key": {"file": "keys/ec1.pub"}, "tlog": "none"}
    stack = {"roots": {"stack": {"file": "trust/trusted_root.json"}}}
    rule = {"name": "signed", "signature": {"by": {"all": ["bare", "logged"]}}}
    signers = {"bare": key, "logged": {**key, "tlog": "required", "trust": "stack"}}
    with pytest.raises(BadConfiguration, match="bare and logged are one"):
        decide_documents(keyless.IMAGE, [], rule, signers=signers, trust=stack)


def test_one_key_with_and_without_a_log_is_one_where_others_could_meet_it() -> None:
    one = seed("bundle-key-logged-rekor1")
    assert one is not None
    key = {"key": {"file": "keys/ec1.pub"}, "tlog": "none"}
    signers = {
        "bare": key,
        "logged": {**key, "tlog": "required", "trust": "stack"},
        "other": {"key": {"file": "keys/ec2.pub"}, "tlog": "none"},
    }
    stack = {"roots": {"stack": {"file": "trust/trusted_root.json"}}}
    for needed, expected in ((1, PASSED), (2, SHORT)):
        rule = {"name": "signed", "signature": {"by": {"atLeast": needed, "of": sorted(signers)}}}
        assert said(decide_documents(one.image, one.evidence, rule, signers=signers, trust=stack)) == expected


# --- Notation ---------------------------------------------------------------------------------------------------------

COUSIN = notary.signer("acme cousin")


def notation(evidence: Sequence[Evidence]) -> tuple[Outcome, str]:
    """Ask for two signers: one of any name, one of this organisation, both below one root."""
    stores = {"stores": {"ca:main": {"files": ["root.pem"]}}}
    named = "x509.subject: C=US, ST=WA, O=acme"
    signers = {n: {"notation": {"stores": ["ca:main"], "identities": [i]}} for n, i in (("any", "*"), ("acme", named))}
    rule = {"name": "signed", "signature": {"by": {"all": sorted(signers)}}}
    found = decide_documents(
        notary.IMAGE, evidence, rule, signers=signers, trust=stores, files={"root.pem": notary.ROOT.pem}, now=notary.NOW
    )
    return said(found)


def test_one_notation_signer_in_two_formats_is_one() -> None:
    jws, cose = notary.evidence(notary.jws()), notary.evidence(notary.cose(), Format.NOTATION_COSE)
    assert notation([jws, cose, notary.evidence(notary.jws())]) == SHORT
    assert notation([jws, notary.evidence(notary.cose(by=COUSIN), Format.NOTATION_COSE)]) == PASSED


# --- witnesses --------------------------------------------------------------------------------------------------------


def bundle(one: Seed, **changes: Any) -> Evidence:
    (found,) = one.evidence
    document = json.loads(found.body)
    material = {**document["verificationMaterial"], **changes}
    return signed.with_body(found, signed.compact({**document, "verificationMaterial": material}))


def under(one: Seed, evidence: Evidence, root: SigstoreRoot) -> Finding:
    """Verify under another root by the same demands."""
    (anchor,) = one.anchors
    (finding,) = verify(one.image, [evidence], [replace(anchor, root=root.id)], trust=Trust(roots=(root,)), now=NOW)
    return finding


@pytest.mark.parametrize("case", ["bundle-keyless-email", "bundle-key-logged-rekor1", "bundle-keyless-rekor1"])
def test_a_witness_that_speaks_often_is_one_witness(case: str) -> None:
    one = seed(case)
    assert one is not None
    (found,) = one.evidence
    material = json.loads(found.body)["verificationMaterial"]
    more: dict[str, Any] = {"tlogEntries": material["tlogEntries"] * 8}
    if stamps := material.get("timestampVerificationData", {}).get("rfc3161Timestamps"):
        more["timestampVerificationData"] = {"rfc3161Timestamps": stamps * 8}
    (once,), (often,) = one.findings([found]), one.findings([bundle(one, **more)])
    assert once.established
    assert once.signing == often.signing


@pytest.mark.parametrize("case", ["bundle-keyless-email", "bundle-key-logged-rekor1"])
def test_a_witness_that_is_listed_often_is_one_witness(case: str) -> None:
    """A root may list a log or an authority several times, with a period each."""
    one = seed(case)
    assert one is not None
    (root,) = one.trust.roots
    twice = replace(
        root,
        name="twice",
        logs=root.logs * 2,
        timestamp_authorities=root.timestamp_authorities * 2,
        authorities=root.authorities * 2,
        ct_logs=root.ct_logs * 2,
    )
    (once,) = one.findings(one.evidence)
    often = under(one, one.evidence[0], twice)
    assert once.signing is not None
    assert often.signing is not None
    assert (once.signing.times, once.signing.rests_on) == (often.signing.times, often.signing.rests_on)
