"""cosign's tag format: what holds, and every refusal with its reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.verify.formats.cosign_legacy import MAX_PAYLOAD_BYTES, SIGNATURE_ANNOTATION, read_payload
from support import signed
from support.signed import verify

IMAGE = signed.image("legacy-key-ec1")
DIGEST = IMAGE.subject.digest
EC1 = signed.key("ec1")


def one(evidence: Evidence, *keys: str, image: Image = IMAGE) -> Finding:
    (finding,) = verify(image, [evidence], [signed.key(name) for name in keys or ("ec1",)])
    return finding


def signed_layer(document: object) -> Evidence:
    return signed.legacy(document if isinstance(document, bytes) else signed.compact(document))


# --- signatures ---


@pytest.mark.parametrize(
    ("case", "key"),
    [
        ("legacy-key-ec1", "ec1"),
        ("legacy-key-rsa2048", "rsa2048"),
        ("legacy-key-ec384", "ec384"),
        ("legacy-key-ed25519", "ed25519"),
    ],
)
def test_a_signature_that_cosign_made_holds(case: str, key: str) -> None:
    (layer,) = signed.evidence(case)
    finding = one(layer, key, image=signed.image(case))
    assert finding.established
    assert finding.claim is Claim.SIGNATURE
    assert finding.signer == signed.key(key).id
    assert finding.evidence == layer.id
    assert (finding.format, finding.place) == ("cosign-signature", "sig-tag")


def test_signed_annotations_are_reported() -> None:
    (layer,) = signed.evidence("legacy-annotations-right")
    finding = one(layer, image=signed.image("legacy-annotations-right"))
    assert finding.annotations == (("build", "acme-42"), ("env", "prod"))


def test_unsigned_annotations_are_not() -> None:
    layer = signed_layer(signed.payload(DIGEST))
    assert one(replace(layer, annotations=(*layer.annotations, ("env", "prod")))).annotations == ()


def test_a_certificate_in_the_annotations_changes_nothing_in_key_mode() -> None:
    layer = signed_layer(signed.payload(DIGEST))
    beside = replace(layer, annotations=(*layer.annotations, ("dev.sigstore.cosign/certificate", "junk")))
    assert one(beside).established
    assert one(beside, "ec2").detail == "verifies under none of the 1 trusted keys"


def test_a_certificate_in_the_annotations_is_named_where_no_key_holds() -> None:
    (layer,) = signed.evidence("legacy-keyless-email")
    finding = one(layer, image=signed.image("legacy-keyless-email"))
    assert (finding.reason, finding.step) == (Reason.WRONG_KEY, Step.PARSED)
    assert finding.detail == "signed with a certificate, expected one of the trusted keys"


def test_wrong_key() -> None:
    (layer,) = signed.evidence("legacy-key-ec1")
    finding = one(layer, "ec2")
    assert (finding.reason, finding.step, finding.signer) == (Reason.WRONG_KEY, Step.PARSED, "")


def test_no_key_at_all_is_a_wrong_key() -> None:
    (layer,) = signed.evidence("legacy-key-ec1")
    (finding,) = verify(IMAGE, [layer], [])
    assert finding.reason is Reason.WRONG_KEY


def test_signature_of_another_image_names_its_signer() -> None:
    (layer,) = signed.evidence("legacy-key-ec1")
    finding = one(layer, image=signed.image("legacy-unsigned"))
    assert (finding.reason, finding.step, finding.signer) == (Reason.SUBJECT_MISMATCH, Step.PAYLOAD, EC1.id)


def no_annotation(layer: Evidence) -> Evidence:
    return replace(layer, annotations=())


def annotated(text: str) -> Callable[[Evidence], Evidence]:
    return lambda layer: replace(layer, annotations=((SIGNATURE_ANNOTATION, text),))


@pytest.mark.parametrize(
    ("change", "reason", "step"),
    [
        (no_annotation, Reason.SIGNATURE_INVALID, Step.OBTAINED),
        (annotated(""), Reason.SIGNATURE_INVALID, Step.PARSED),
        (annotated("%%%"), Reason.SIGNATURE_INVALID, Step.OBTAINED),
        (annotated("MEUCIQ"), Reason.SIGNATURE_INVALID, Step.OBTAINED),
        (annotated("MEUCIQ=="), Reason.SIGNATURE_INVALID, Step.PARSED),
        (lambda e: signed.with_body(e, e.body + b" "), Reason.WRONG_KEY, Step.PARSED),
        (lambda e: signed.with_body(e, e.body[:-1]), Reason.WRONG_KEY, Step.PARSED),
        (lambda e: signed.with_body(e, b""), Reason.WRONG_KEY, Step.PARSED),
        (lambda e: signed.with_body(e, b" " * (MAX_PAYLOAD_BYTES + 1)), Reason.TOO_LARGE, Step.OBTAINED),
        (lambda e: replace(e, media_type="application/octet-stream"), Reason.PAYLOAD_TYPE_MISMATCH, Step.OBTAINED),
    ],
)
def test_broken_layers(change: Callable[[Evidence], Evidence], reason: Reason, step: Step) -> None:
    (layer,) = signed.evidence("legacy-key-ec1")
    finding = one(change(layer))
    assert (finding.reason, finding.step, finding.claim) == (reason, step, Claim.SIGNATURE)


GOOD = signed.payload(DIGEST)
CRITICAL = GOOD["critical"]


@pytest.mark.parametrize(
    ("document", "reason", "step"),
    [
        (b"hello", Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        (b"{}", Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        (b"[]", Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        ({"critical": None}, Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        ({"critical": {**CRITICAL, "image": None}}, Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        ({"critical": {**CRITICAL, "image": {}}}, Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        (signed.payload(DIGEST, image={"docker-manifest-digest": 7}), Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        (signed.payload(DIGEST, image={"docker-manifest-digest": DIGEST.hex}), Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        (signed.payload(DIGEST, type="atomic container signature"), Reason.PAYLOAD_TYPE_MISMATCH, Step.SIGNED),
        (signed.payload(DIGEST, type="Cosign container image signature"), Reason.PAYLOAD_TYPE_MISMATCH, Step.SIGNED),
        (signed.payload(DIGEST, type=None), Reason.PAYLOAD_TYPE_MISMATCH, Step.SIGNED),
        ({**GOOD, "optional": []}, Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        ({**GOOD, "Critical": CRITICAL}, Reason.PAYLOAD_MALFORMED, Step.SIGNED),
        (
            signed.payload(
                DIGEST, image={"docker-manifest-digest": str(DIGEST), "Docker-Manifest-Digest": str(DIGEST)}
            ),
            Reason.PAYLOAD_MALFORMED,
            Step.SIGNED,
        ),
        (signed.payload(Digest.of(b"other")), Reason.SUBJECT_MISMATCH, Step.PAYLOAD),
        (signed.payload(Digest.of(b"x", "sha512")), Reason.SUBJECT_MISMATCH, Step.PAYLOAD),
    ],
)
def test_well_signed_but_not_for_this(document: object, reason: Reason, step: Step) -> None:
    finding = one(signed_layer(document))
    assert (finding.reason, finding.step, finding.signer) == (reason, step, EC1.id)


def test_duplicate_keys_are_refused_wherever_this_image_stands() -> None:
    ours, other = str(DIGEST), str(Digest.of(b"other"))
    for first, last in ((ours, other), (other, ours), (ours, ours)):
        image = f'{{"docker-manifest-digest":"{first}","docker-manifest-digest":"{last}"}}'
        body = f'{{"critical":{{"image":{image},"type":"cosign container image signature"}}}}'.encode()
        assert one(signed.legacy(body)).reason is Reason.PAYLOAD_MALFORMED


def test_old_spellings_hold_where_they_stand_alone() -> None:
    """Go reads keys in any case, and old signers wrote them so."""
    document = {
        "Critical": {
            "Image": {"Docker-manifest-digest": str(DIGEST)},
            "Type": "cosign container image signature",
        },
        "Optional": {"env": "prod"},
    }
    finding = one(signed_layer(document))
    assert finding.established
    assert finding.annotations == (("env", "prod"),)


def test_members_that_nobody_knows_change_nothing() -> None:
    assert one(signed_layer({"critical": {**CRITICAL, "more": 1}, "Optional": {}, "comment": "x"})).established


@pytest.mark.parametrize("extra", [{"Critical": CRITICAL}, {"CRITICAL": None}, {"Optional": {}, "optional": {}}])
def test_two_spellings_are_refused(extra: dict[str, Any]) -> None:
    finding = one(signed_layer({"critical": CRITICAL, **extra}))
    assert (finding.reason, finding.step) == (Reason.PAYLOAD_MALFORMED, Step.SIGNED)


def test_a_payload_needs_no_optional_part() -> None:
    assert one(signed_layer({"critical": CRITICAL})).established


@given(data=st.binary(max_size=200))
def test_arbitrary_payloads_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        read_payload(data)


# --- which image name a payload states ---


def test_the_name_that_a_payload_states_is_a_fact() -> None:
    assert one(signed_layer(signed.payload(DIGEST))).predicate == (("dockerReference", "registry.test/acme/app"),)


@pytest.mark.parametrize(
    "identity",
    [
        None,
        "registry.test/acme/app",
        {},
        {"docker-reference": ""},
        {"docker-reference": 1},
        {"docker-reference": None},
        {"docker-reference": "a" * 1025},
        {"Docker-Reference": "registry.test/acme/app"},
    ],
)
def test_a_payload_that_states_no_readable_name_holds_without_one(identity: object) -> None:
    finding = one(signed_layer(signed.payload(DIGEST, identity=identity)))
    assert finding.established
    assert finding.predicate == ()


def test_an_annotation_is_never_taken_for_the_name() -> None:
    document = {**signed.payload(DIGEST, identity={}), "optional": {"dockerReference": "registry.test/acme/app"}}
    finding = one(signed_layer(document))
    assert finding.annotations == (("dockerReference", "registry.test/acme/app"),)
    assert finding.predicate == ()


# --- attestations ---


@pytest.mark.parametrize(
    "case", ["legacy-att-slsaprovenance", "legacy-att-spdxjson", "legacy-att-vuln", "legacy-att-odd-two-subjects"]
)
def test_an_attestation_that_cosign_made_holds(case: str) -> None:
    wanted = signed.cases()[case]["predicate_type"]
    findings = verify(signed.image(case), signed.evidence(case), [EC1])
    (finding,) = [f for f in findings if f.predicate_type == wanted]
    assert finding.established
    assert finding.claim is Claim.ATTESTATION
    assert len(finding.statement) == 64


def attested(**changes: Any) -> Evidence:
    return signed.attestation(signed.envelope(signed.statement(DIGEST, **changes)))


def test_the_layers_annotation_does_not_decide_the_type() -> None:
    assert one(attested()).predicate_type == signed.VULN


def test_cosigns_own_type_is_no_signature_in_an_att_layer() -> None:
    finding = one(attested(predicate_type=signed.COSIGN_SIGN))
    assert finding.established
    assert finding.claim is Claim.ATTESTATION


def test_two_signers_are_two_findings_of_one_piece_of_evidence() -> None:
    layer = signed.attestation(signed.envelope(signed.statement(DIGEST), by=("ec2", "ec1", "ec2", "stranger")))
    findings = verify(IMAGE, [layer], [EC1, signed.key("ec2"), EC1])
    assert [f.signer for f in findings] == [signed.key("ec2").id, EC1.id]
    assert all(f.established for f in findings)
    assert {f.evidence for f in findings} == {layer.id}


@pytest.mark.parametrize(
    ("layer", "reason", "step"),
    [
        (signed.attestation(signed.envelope(signed.statement(DIGEST), by=("ec2",))), Reason.WRONG_KEY, Step.PARSED),
        (
            signed.attestation({**signed.envelope(signed.statement(DIGEST)), "payloadType": "text/plain"}),
            Reason.WRONG_KEY,
            Step.PARSED,
        ),
        (
            signed.attestation(signed.envelope(signed.statement(DIGEST), payload_type="text/plain")),
            Reason.PAYLOAD_TYPE_MISMATCH,
            Step.SIGNED,
        ),
        (signed.attestation({**signed.envelope(b"{}"), "signatures": []}), Reason.ENVELOPE_MALFORMED, Step.OBTAINED),
        (signed.attestation(b"junk"), Reason.ENVELOPE_MALFORMED, Step.OBTAINED),
        (signed.attestation(signed.envelope(b"junk")), Reason.STATEMENT_MALFORMED, Step.SIGNED),
        (attested(subject=[]), Reason.STATEMENT_MALFORMED, Step.SIGNED),
        (attested(subject=[None, {"digest": {"sha256": DIGEST.hex}}]), Reason.STATEMENT_MALFORMED, Step.SIGNED),
        (attested(subject=[{"digest": {"sha256": "00" * 32}}]), Reason.SUBJECT_MISMATCH, Step.PAYLOAD),
        (replace(attested(), media_type="application/json"), Reason.PAYLOAD_TYPE_MISMATCH, Step.OBTAINED),
    ],
)
def test_attestations_that_establish_nothing(layer: Evidence, reason: Reason, step: Step) -> None:
    finding = one(layer)
    assert (finding.reason, finding.step, finding.claim) == (reason, step, Claim.ATTESTATION)
    assert bool(finding.signer) == (step >= Step.SIGNED)


def test_a_large_attestation_holds_and_an_untrusted_one_is_not_read() -> None:
    statement = signed.statement(DIGEST, "https://acme.test/parts", predicate={"parts": ["x" * 100] * 12_000})
    finding = one(signed.attestation(signed.envelope(statement)))
    assert finding.established
    assert finding.predicate_type == "https://acme.test/parts"
    foreign = one(signed.attestation(signed.envelope(statement, by=("stranger",))))
    assert (foreign.reason, foreign.claim, foreign.predicate_type) == (Reason.WRONG_KEY, Claim.ATTESTATION, "")
