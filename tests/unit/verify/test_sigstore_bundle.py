"""Sigstore bundles by key: what holds, and every refusal with its reason."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Evidence, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.verify import load_public_key
from preverify.verify.sigstore.bundle_document import MAX_BUNDLE_BYTES, read_bundle
from support import signed
from support.signed import verify

ROOT = Path(__file__).resolve().parents[3]
PUBLIC = Path(os.environ.get("PREVERIFY_CONFORMANCE", ROOT.parent / "shared" / "conformance")) / "sigstore"
IMAGE = signed.image("bundle-key-ec1")
DIGEST = IMAGE.subject.digest
EC1 = signed.key("ec1")
(REAL,) = signed.evidence("bundle-key-ec1")
DOCUMENT: dict[str, Any] = json.loads(REAL.body)
LOGGED: dict[str, Any] = next(
    document
    for layer in signed.evidence("bundle-att-signature-key-is-not-attestation-key")
    if "tlogEntries" in (document := json.loads(layer.body))["verificationMaterial"]
)
ENTRY = LOGGED["verificationMaterial"]["tlogEntries"][0]


def one(evidence: Evidence, *keys: str, image: Image = IMAGE) -> Finding:
    (finding,) = verify(image, [evidence], [signed.key(name) for name in keys or ("ec1",)])
    return finding


def changed(**members: Any) -> Evidence:
    return signed.bundled({**DOCUMENT, **members})


def material(**members: Any) -> Evidence:
    return changed(verificationMaterial={**DOCUMENT["verificationMaterial"], **members})


def enveloped(statement: object, by: tuple[str, ...] = ("ec1",), **options: Any) -> Evidence:
    hint = options.pop("hint", None)
    return signed.bundled(signed.bundle({"dsseEnvelope": signed.envelope(statement, by, **options)}, hint=hint))


def signature_statement(**changes: Any) -> dict[str, Any]:
    return signed.statement(DIGEST, signed.COSIGN_SIGN, **changes)


@pytest.mark.parametrize(("case", "key"), [("bundle-key-ec1", "ec1"), ("bundle-key-rsa2048", "rsa2048")])
def test_a_bundle_that_cosign_made_holds(case: str, key: str) -> None:
    (layer,) = signed.evidence(case)
    finding = one(layer, key, image=signed.image(case))
    assert finding.established
    assert (finding.claim, finding.predicate_type) == (Claim.SIGNATURE, signed.COSIGN_SIGN)
    assert finding.signer == signed.key(key).id


def test_signed_annotations_are_those_of_the_subject() -> None:
    (layer,) = signed.evidence("bundle-annotations-right")
    assert one(layer, image=signed.image("bundle-annotations-right")).annotations == (("env", "prod"),)


def test_every_other_statement_is_an_attestation() -> None:
    """cosign itself takes any statement for a signature: a report of failure would approve."""
    findings = verify(signed.image("bundle-att-vuln"), signed.evidence("bundle-att-vuln"), [EC1])
    assert findings
    assert {f.claim for f in findings} == {Claim.ATTESTATION}
    assert all(f.established for f in findings)
    assert one(enveloped(signed.statement(DIGEST, signed.COSIGN_SIGN + "/"))).claim is Claim.ATTESTATION


def test_log_entries_neither_help_nor_are_asked_for() -> None:
    assert material(tlogEntries=[]).body != REAL.body
    assert one(material(tlogEntries=[])).established
    assert one(material(tlogEntries=None)).established
    assert one(material(tlogEntries=[ENTRY])).established


@pytest.mark.parametrize("version", [1, 2, 3])
def test_older_versions_and_their_name_are_read(version: int) -> None:
    """What they want of log entries concerns only those who look at logs."""
    assert one(changed(mediaType=f"application/vnd.dev.sigstore.bundle+json;version=0.{version}")).established


def test_wrong_key() -> None:
    finding = one(REAL, "ec2")
    assert (finding.reason, finding.step, finding.claim) == (Reason.WRONG_KEY, Step.PARSED, Claim.SIGNATURE)


def test_a_signature_that_fails_under_the_trusted_key_of_its_hint_is_invalid() -> None:
    assert one(enveloped(signature_statement(), by=("stranger",))).reason is Reason.SIGNATURE_INVALID
    assert one(enveloped(signature_statement(), by=("stranger",), hint="")).reason is Reason.WRONG_KEY


def test_a_lying_hint_costs_a_good_signature_nothing() -> None:
    """The hint is signed by nobody: it finds, it does not decide."""
    other = signed.b64(bytes.fromhex(signed.key("ec2").id.removeprefix("key:")))
    assert one(enveloped(signature_statement(), hint=other), "ec1", "ec2").established
    assert one(enveloped(signature_statement(), hint="")).established


BAD_ENTRIES: list[Any] = [
    {},
    None,
    "entry",
    {**ENTRY, "logIndex": -1},
    {**ENTRY, "logIndex": "x"},
    {**ENTRY, "logIndex": "9" * 5000},
    {**ENTRY, "inclusionProof": []},
    {**ENTRY, "inclusionProof": {**ENTRY["inclusionProof"], "treeSize": "-1"}},
    {**ENTRY, "canonicalizedBody": None},
    {**ENTRY, "canonicalizedBody": "A"},
    {**ENTRY, "unknown": 1},
]


@pytest.mark.parametrize("entry", BAD_ENTRIES, ids=range(len(BAD_ENTRIES)))
def test_malformed_log_entries_make_the_bundle_malformed(entry: object) -> None:
    assert one(material(tlogEntries=[entry])).reason is Reason.BUNDLE_MALFORMED


CERTIFICATE = {"rawBytes": "MIIB"}


@pytest.mark.parametrize(
    "evidence",
    [
        signed.bundled(b""),
        signed.bundled(b"junk"),
        signed.bundled(b"[]"),
        signed.bundled(REAL.body[:-1]),
        signed.bundled(REAL.body[:-1] + b',"mediaType":"x"}'),
        changed(mediaType=None),
        changed(mediaType=3),
        changed(verificationMaterial=None),
        changed(verificationMaterial=[]),
        changed(verificationMaterial={}),
        changed(dsseEnvelope=None),
        changed(unknown=1),
        changed(dsse_envelope=DOCUMENT["dsseEnvelope"]),
        signed.bundled(REAL.body.replace(b'"hint"', b'"raw\\u005fbytes":"AAAA","hint"')),
        signed.bundled(REAL.body.replace(b'"dsseEnvelope"', b'"dsse\\u005fenvelope"')),
        signed.bundled(
            {**{k: v for k, v in DOCUMENT.items() if k != "mediaType"}, "media_type": DOCUMENT["mediaType"]}
        ),
        changed(messageSignature={"signature": "AAAA"}),
        material(certificate=CERTIFICATE),
        material(publicKey=None),
        material(publicKey=None, x509CertificateChain={"certificates": []}),
        material(publicKey=None, x509CertificateChain={"certificates": [CERTIFICATE]}),
        material(publicKey={"hint": 7}),
        material(publicKey={"hint": "x", "raw_bytes": "AAAA"}),
        material(tlogEntries={}),
        material(tlogEntries=[ENTRY] * 9),
        material(timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}] * 9}),
        material(timestampVerificationData=[]),
        changed(dsseEnvelope={**DOCUMENT["dsseEnvelope"], "signatures": [{"sig": "AAAA", "extra": 1}]}),
        changed(
            dsseEnvelope={
                **DOCUMENT["dsseEnvelope"],
                "signatures": [{**DOCUMENT["dsseEnvelope"]["signatures"][0], "keyid": "another"}],
            }
        ),
    ],
)
def test_malformed_bundles(evidence: Evidence) -> None:
    finding = one(evidence)
    assert (finding.reason, finding.step, finding.signer) == (Reason.BUNDLE_MALFORMED, Step.OBTAINED, "")


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle.v0.4+json",
        "application/vnd.dev.sigstore.bundle+json;version=0.4",
        "application/json",
        "",
    ],
)
def test_other_versions(media_type: str) -> None:
    assert one(changed(mediaType=media_type)).reason is Reason.BUNDLE_VERSION


def test_too_large() -> None:
    assert one(signed.bundled(b" " * (MAX_BUNDLE_BYTES + 1))).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("count", [0, 2])
def test_a_bundle_has_exactly_one_signature(count: int) -> None:
    (signature,) = DOCUMENT["dsseEnvelope"]["signatures"]
    finding = one(changed(dsseEnvelope={**DOCUMENT["dsseEnvelope"], "signatures": [signature] * count}))
    assert finding.reason is Reason.ENVELOPE_MALFORMED


def test_a_key_id_that_is_the_hint_is_no_contradiction() -> None:
    hint = DOCUMENT["verificationMaterial"]["publicKey"]["hint"]
    (signature,) = DOCUMENT["dsseEnvelope"]["signatures"]
    envelope = {**DOCUMENT["dsseEnvelope"], "signatures": [{**signature, "keyid": hint}]}
    assert one(changed(dsseEnvelope=envelope)).established


@pytest.mark.parametrize("signature", ["", "AAAA", "MEUCIQ=="])
def test_garbled_signatures(signature: str) -> None:
    finding = one(changed(dsseEnvelope={**DOCUMENT["dsseEnvelope"], "signatures": [{"sig": signature}]}))
    assert finding.reason is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("evidence", "reason", "step"),
    [
        (enveloped(signature_statement(), payload_type="text/plain"), Reason.PAYLOAD_TYPE_MISMATCH, Step.SIGNED),
        (enveloped(b"hello"), Reason.STATEMENT_MALFORMED, Step.SIGNED),
        (enveloped(b"{}"), Reason.STATEMENT_MALFORMED, Step.SIGNED),
        (enveloped(signature_statement(subject=[])), Reason.STATEMENT_MALFORMED, Step.SIGNED),
        (enveloped(signature_statement(subject=[None])), Reason.STATEMENT_MALFORMED, Step.SIGNED),
        (enveloped(signature_statement(_type="x")), Reason.STATEMENT_MALFORMED, Step.SIGNED),
        (enveloped(signed.statement(Digest.of(b"x"), signed.COSIGN_SIGN)), Reason.SUBJECT_MISMATCH, Step.PAYLOAD),
        (
            enveloped(signature_statement(subject=[{"digest": {"sha512": "00" * 64}}])),
            Reason.SUBJECT_MISMATCH,
            Step.PAYLOAD,
        ),
    ],
)
def test_well_signed_but_not_for_this(evidence: Evidence, reason: Reason, step: Step) -> None:
    finding = one(evidence)
    assert (finding.reason, finding.step, finding.signer) == (reason, step, EC1.id)


def test_edited_after_signing() -> None:
    envelope = {**DOCUMENT["dsseEnvelope"], "payloadType": "text/plain"}
    assert one(changed(dsseEnvelope=envelope)).reason is Reason.SIGNATURE_INVALID  # under the key of its hint


# --- certificates where a key is required ---


def certified(**members: Any) -> Evidence:
    return changed(**members, verificationMaterial={"certificate": CERTIFICATE, "tlogEntries": [ENTRY]})


def test_a_certificate_is_no_trusted_key_even_around_a_good_signature() -> None:
    finding = one(certified())
    assert (finding.reason, finding.step) == (Reason.WRONG_KEY, Step.PARSED)
    message = {"signature": signed.b64(signed.sign("ec1", IMAGE.manifest))}
    assert one(certified(dsseEnvelope=None, messageSignature=message)).reason is Reason.WRONG_KEY


# --- signatures over the manifest itself ---


def over_manifest(**changes: Any) -> Evidence:
    message = {"signature": signed.b64(signed.sign("ec1", IMAGE.manifest)), **changes}
    return signed.bundled(signed.bundle({"messageSignature": message}))


def named(algorithm: str, digest: bytes) -> dict[str, str]:
    return {"algorithm": algorithm, "digest": signed.b64(digest)}


@pytest.mark.parametrize(
    "digest",
    [
        None,
        named("SHA2_256", bytes.fromhex(DIGEST.hex)),
        named("SHA2_512", hashlib.sha512(IMAGE.manifest).digest()),
    ],
)
def test_a_signature_over_the_manifest_is_a_signature(digest: object) -> None:
    finding = one(over_manifest(messageDigest=digest))
    assert finding.established
    assert (finding.claim, finding.annotations, finding.predicate_type) == (Claim.SIGNATURE, (), "")


@pytest.mark.parametrize(
    ("changes", "reason", "step"),
    [
        ({"messageDigest": named("SHA2_256", bytes(32))}, Reason.CONTENT_MISMATCH, Step.SIGNED),
        ({"messageDigest": named("SHA2_512", bytes.fromhex(DIGEST.hex))}, Reason.CONTENT_MISMATCH, Step.SIGNED),
        ({"messageDigest": named("SHA3_256", bytes(32))}, Reason.CONTENT_MISMATCH, Step.SIGNED),
        ({"messageDigest": named("MD5", bytes(16))}, Reason.CONTENT_MISMATCH, Step.SIGNED),
        ({"messageDigest": {"algorithm": "SHA2_256", "digest": "%"}}, Reason.BUNDLE_MALFORMED, Step.OBTAINED),
        ({"signature": ""}, Reason.SIGNATURE_INVALID, Step.PARSED),
        ({"signature": "e30=\n"}, Reason.SIGNATURE_INVALID, Step.OBTAINED),
        ({"signature": signed.b64(signed.sign("ec1", b"other"))}, Reason.SIGNATURE_INVALID, Step.PARSED),
        (
            {
                "signature": signed.b64(signed.sign("ec1", b"other")),
                "messageDigest": named("SHA2_256", bytes.fromhex(DIGEST.hex)),
            },
            Reason.SIGNATURE_INVALID,
            Step.PARSED,
        ),
        ({"signature": signed.b64(signed.sign("ec1", str(DIGEST).encode()))}, Reason.SIGNATURE_INVALID, Step.PARSED),
    ],
)
def test_signatures_over_something_else(changes: dict[str, Any], reason: Reason, step: Step) -> None:
    finding = one(over_manifest(**changes))
    assert (finding.reason, finding.step) == (reason, step)


def test_a_digest_that_is_not_text_is_malformed() -> None:
    assert one(over_manifest(messageDigest={"algorithm": "SHA2_256"})).reason is Reason.BUNDLE_MALFORMED
    assert one(over_manifest(messageDigest={"algorithm": 8, "digest": "AAAA"})).reason is Reason.BUNDLE_MALFORMED


@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        read_bundle(data)


# --- the public suite ---


def public_cases() -> list[Path]:
    return sorted(PUBLIC.glob("managed-key-*")) if PUBLIC.is_dir() else []


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="no public bundle suite here; name it in PREVERIFY_CONFORMANCE")
@pytest.mark.parametrize("case", public_cases(), ids=lambda p: p.name)
def test_public_bundles_by_key(case: Path) -> None:
    artifact = case / "artifact"
    content = (artifact if artifact.exists() else PUBLIC / "a.txt").read_bytes()
    subject = Subject(Repository("registry.test", "a"), Digest.of(content))
    try:
        keys = [load_public_key(p.read_bytes()) for p in case.glob("key.pub")]
    except BadInput:  # the suite's wrong key is no key at all: refused before any bundle is looked at
        assert case.name == "managed-key-wrong-key_fail"
        keys = [EC1]
    bundle = signed.bundled((case / "bundle.sigstore.json").read_bytes())
    (finding,) = verify(Image(subject=subject, manifest=content, media_type=""), [bundle], keys)
    assert finding.established is not case.name.endswith("_fail")
    assert finding.reason in {Reason.OK, Reason.WRONG_KEY, Reason.SIGNATURE_INVALID}


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="no public bundle suite here; name it in PREVERIFY_CONFORMANCE")
def test_no_public_bundle_with_a_certificate_holds_by_key() -> None:
    """Where only a key is trusted not one of them may be accepted, and none may end in an error."""
    content = (PUBLIC / "a.txt").read_bytes()
    subject = Subject(Repository("registry.test", "a"), Digest.of(content))
    image = Image(subject=subject, manifest=content, media_type="")
    others = [p for p in sorted(PUBLIC.iterdir()) if p.is_dir() and not p.name.startswith("managed-key")]
    findings = verify(image, [signed.bundled((p / "bundle.sigstore.json").read_bytes()) for p in others], [EC1])
    assert len(findings) == len(others)
    assert not any(f.established for f in findings)
