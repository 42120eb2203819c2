"""The steps that all Sigstore signatures share: certificates, logs and times under anchors of several roots."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from preverify.model.anchors import Anchor, KeyAnchor, KeylessAnchor, Log, Stamps
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.trust import SigstoreRoot, Trust
from preverify.model.trusted_root import parse_trusted_root
from preverify.verify import verify
from preverify.verify.artifact import verify_bundle_of_artifact
from preverify.verify.formats.cosign_legacy import CERTIFICATE_ANNOTATION, LOG_ANNOTATION, STAMP_ANNOTATION
from support import pki, signed

NOW = pki.SIGNED_AT
STACK = parse_trusted_root((signed.FIXTURES / "trust" / "trusted_root.json").read_bytes(), name="stack")
ALICE, EMAIL_ISSUER = "alice@acme.test", "http://127.0.0.1:5500/email"
BUNDLE, REKOR1_BUNDLE, STAMPED = "bundle-keyless-email", "bundle-keyless-rekor1", "bundle-keyless-timestamp-only"
LEGACY, LEGACY_STAMPED, LEGACY_ATT = (
    "legacy-keyless-email",
    "legacy-keyless-timestamp-only",
    "legacy-att-keyless-slsaprovenance1",
)


def look(
    case: str, *anchors: Anchor, evidence: Evidence | None = None, roots: tuple[SigstoreRoot, ...] = (STACK,)
) -> Any:
    """Return the findings of a fixture (or of a variant of its one piece of evidence)."""
    found = signed.evidence(case) if evidence is None else (evidence,)
    return verify(signed.image(case), found, anchors, trust=Trust(roots=roots), now=datetime.now(UTC))


def only(findings: tuple[Finding, ...]) -> Finding:
    (finding,) = findings
    return finding


def keyless(root: SigstoreRoot = STACK, **demands: Any) -> KeylessAnchor:
    return KeylessAnchor(root=root.id, **demands)


def without(**parts: Any) -> SigstoreRoot:
    """Return the stack's root with parts replaced."""
    whole = {
        "authorities": STACK.authorities,
        "logs": STACK.logs,
        "ct_logs": STACK.ct_logs,
        "timestamp_authorities": STACK.timestamp_authorities,
    }
    return SigstoreRoot(name="part", **{**whole, **parts})


def edited(case: str, edit: Any) -> Evidence:
    """Return a case's bundle, its JSON changed by `edit`."""
    (evidence,) = signed.evidence(case)
    document = json.loads(evidence.body)
    edit(document)
    return signed.with_body(evidence, signed.compact(document))


def annotated(case: str, **changes: str | None) -> Evidence:
    """Return a case's one layer with annotations changed; None takes one away."""
    (layer,) = signed.evidence(case)
    names = {"certificate": CERTIFICATE_ANNOTATION, "log": LOG_ANNOTATION, "stamp": STAMP_ANNOTATION}
    annotations = dict(layer.annotations)
    for name, value in changes.items():
        annotations.pop(names[name], None)
        if value is not None:
            annotations[names[name]] = value
    return replace(layer, annotations=tuple(annotations.items()))


# --- who signed, when, on what that rests -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", [BUNDLE, REKOR1_BUNDLE, LEGACY])
def test_a_signature_by_certificate_names_its_owner_and_what_it_rests_on(case: str) -> None:
    finding = only(look(case, keyless()))
    assert finding.established
    assert finding.signing is not None
    assert (finding.signing.identity, finding.signing.issuer) == (ALICE, EMAIL_ISSUER)
    assert finding.signer.startswith("keyless:")
    kinds = {each.partition(":")[0] for each in finding.signing.rests_on}
    assert {"ca", "ct", "log"} <= kinds
    assert {time.by.partition(":")[0] for time in finding.signing.times} == ({"tsa"} if case == BUNDLE else {"log"})
    assert finding.signing.until is None  # the time of signing counts, so time alone changes nothing


def test_a_certificate_of_a_workflow_states_its_extensions() -> None:
    finding = only(look("bundle-keyless-workflow", keyless()))
    assert finding.signing is not None
    assert dict(finding.signing.extensions)["githubWorkflowRepository"] == "acme/widgets"


def test_time_stamps_alone_are_enough_where_no_log_is_demanded() -> None:
    for case in (STAMPED, LEGACY_STAMPED):
        finding = only(look(case, keyless(log=Log.NONE, stamps=Stamps.REQUIRED)))
        assert finding.established
        assert only(look(case, keyless())).reason is Reason.NOT_IN_LOG


def test_each_anchor_has_its_own_finding() -> None:
    """Roots are never pooled: what one root vouches for says nothing under another."""
    no_logs, no_authorities = without(logs=()), without(authorities=())
    anchors = (keyless(), keyless(no_logs), keyless(no_authorities))
    findings = look(BUNDLE, *anchors, roots=(STACK, no_logs, no_authorities))
    assert {f.anchor: f.reason for f in findings} == {
        anchors[0].id: Reason.OK,
        anchors[1].id: Reason.LOG_UNTRUSTED,
        anchors[2].id: Reason.CERTIFICATE_UNTRUSTED,
    }


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"ct_logs": ()}, Reason.SCT_INVALID),
        ({"timestamp_authorities": ()}, Reason.NO_TRUSTED_TIME),
        ({"logs": ()}, Reason.LOG_UNTRUSTED),
        ({"authorities": ()}, Reason.CERTIFICATE_UNTRUSTED),
    ],
)
def test_every_part_of_a_root_is_needed(parts: dict[str, Any], reason: Reason) -> None:
    root = without(**parts)
    assert only(look(BUNDLE, keyless(root), roots=(root,))).reason is reason


def test_a_certificate_need_not_be_logged_where_the_anchor_does_not_ask() -> None:
    root = without(ct_logs=())
    assert only(look(BUNDLE, keyless(root, sct=False), roots=(root,))).established


def test_demanded_stamps_have_to_be_of_a_trusted_authority() -> None:
    root = without(timestamp_authorities=())
    finding = only(look(BUNDLE, keyless(root, stamps=Stamps.REQUIRED), roots=(root,)))
    assert finding.reason is Reason.TIMESTAMP_UNTRUSTED
    assert only(look(REKOR1_BUNDLE, keyless(stamps=Stamps.REQUIRED))).reason is Reason.NO_TRUSTED_TIME


def test_what_is_not_looked_at_neither_helps_nor_harms() -> None:
    broken = edited(
        REKOR1_BUNDLE, lambda d: d["verificationMaterial"]["tlogEntries"][0].update(canonicalizedBody="e30=")
    )
    finding = only(look(REKOR1_BUNDLE, keyless(log=Log.NONE, stamps=Stamps.NONE), evidence=broken))
    # A certificate of ten minutes, long over, and nobody is asked when it was used.
    assert finding.reason is Reason.CERTIFICATE_EXPIRED
    assert only(look(REKOR1_BUNDLE, keyless(), evidence=broken)).reason is not Reason.OK


def test_one_log_is_one_witness_and_an_unknown_one_is_none() -> None:
    """RT-13; and entries of other logs beside a good one do no harm."""

    def twice(document: Any) -> None:
        document["verificationMaterial"]["tlogEntries"] *= 2

    def and_unknown(document: Any) -> None:
        entries = document["verificationMaterial"]["tlogEntries"]
        entries.append({**entries[0], "logId": {"keyId": signed.b64(bytes(32))}})

    for edit in (twice, and_unknown):
        finding = only(look(REKOR1_BUNDLE, keyless(), evidence=edited(REKOR1_BUNDLE, edit)))
        assert finding.signing is not None
        assert len(finding.signing.times) == 1


def test_a_broken_entry_of_a_trusted_log_is_not_outweighed_by_a_good_one() -> None:
    def spoil(document: Any) -> None:
        entries = document["verificationMaterial"]["tlogEntries"]
        entries.append({**entries[0], "integratedTime": str(int(entries[0]["integratedTime"]) + 1)})

    assert (
        only(look(REKOR1_BUNDLE, keyless(), evidence=edited(REKOR1_BUNDLE, spoil))).reason is Reason.LOG_PROOF_INVALID
    )


# --- keys with demands ------------------------------------------------------------------------------------------------


def test_a_key_may_have_to_be_in_a_log() -> None:
    key = signed.key("ec1")
    bare, logged = KeyAnchor(key=key), KeyAnchor(key=key, log=Log.REQUIRED, root=STACK.id)
    both = look("bundle-key-logged-ec1", bare, logged)
    assert [(f.anchor, f.established) for f in both] == [(bare.id, True), (logged.id, True)]
    assert {f.signer for f in both} == {key.id}  # one authority, whatever was demanded of it
    missing = look("bundle-key-log-wanted", bare, logged)
    assert [(f.anchor, f.reason) for f in missing] == [(bare.id, Reason.OK), (logged.id, Reason.NOT_IN_LOG)]


def test_a_key_may_have_to_be_stamped() -> None:
    stamped = KeyAnchor(key=signed.key("ec1"), stamps=Stamps.REQUIRED, root=STACK.id)
    finding = only(look("legacy-key-timestamp", stamped))
    assert finding.signing is not None
    assert [time.by.partition(":")[0] for time in finding.signing.times] == ["tsa"]
    assert only(look("legacy-key-ec1", stamped)).reason is Reason.NO_TRUSTED_TIME
    untrusting = KeyAnchor(key=signed.key("ec1"), stamps=Stamps.REQUIRED)
    assert only(look("legacy-key-timestamp", untrusting)).reason is Reason.TIMESTAMP_UNTRUSTED


def test_a_key_does_not_stand_for_a_certificate_nor_the_other_way_round() -> None:
    assert only(look(BUNDLE, KeyAnchor(key=signed.key("ec1")))).reason is Reason.WRONG_KEY
    by_key = only(look("bundle-key-ec1", keyless()))
    assert (by_key.reason, by_key.step) == (Reason.WRONG_KEY, Step.PARSED)


def test_a_layer_that_came_with_a_certificate_is_by_no_key() -> None:
    finding = only(look(LEGACY, KeyAnchor(key=signed.key("ec1"))))
    assert (finding.reason, finding.detail) == (
        Reason.WRONG_KEY,
        "signed with a certificate, expected one of the trusted keys",
    )


def test_a_signed_attestation_that_is_not_of_its_kind_establishes_nothing() -> None:
    """RT-11: signed garbage is garbage."""
    image = signed.image("bundle-key-ec1")
    statement = signed.statement(image.subject.digest, predicate={"scanner": "none"})
    layer = signed.attestation(signed.envelope(statement))
    finding = only(look("bundle-key-ec1", KeyAnchor(key=signed.key("ec1")), evidence=layer))
    assert (finding.reason, finding.step) == (Reason.STATEMENT_MALFORMED, Step.SUBJECT)


# --- annotations of the tag format ------------------------------------------------------------------------------------


def test_a_certificate_beside_a_signature_by_key_changes_nothing() -> None:
    layer = annotated("legacy-key-ec1", certificate="junk")
    assert only(look("legacy-key-ec1", KeyAnchor(key=signed.key("ec1")), evidence=layer)).established
    both = look("legacy-key-ec1", KeyAnchor(key=signed.key("ec1")), keyless(), evidence=layer)
    assert only(both).reason is Reason.CERTIFICATE_INVALID


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"certificate": None}, Reason.WRONG_KEY),
        ({"certificate": ""}, Reason.WRONG_KEY),
        ({"certificate": "junk"}, Reason.CERTIFICATE_INVALID),
        ({"log": None}, Reason.NOT_IN_LOG),
        ({"log": "{}"}, Reason.PAYLOAD_MALFORMED),
        ({"log": "\ud800"}, Reason.PAYLOAD_MALFORMED),
        ({"stamp": "{}"}, Reason.TIMESTAMP_INVALID),
        ({"stamp": '{"SignedRFC3161Timestamp":"%"}'}, Reason.TIMESTAMP_INVALID),
        ({"stamp": '{"SignedRFC3161Timestamp":"AAAA"}'}, Reason.TIMESTAMP_INVALID),
        ({"stamp": '{"signedrfc3161timestamp":"AAAA"}'}, Reason.TIMESTAMP_INVALID),
    ],
)
def test_annotations_that_establish_nothing(changes: dict[str, str | None], reason: Reason) -> None:
    assert only(look(LEGACY, keyless(), evidence=annotated(LEGACY, **changes))).reason is reason


def test_an_attestation_of_the_tag_format_holds_by_certificate() -> None:
    finding = only(look(LEGACY_ATT, keyless(), evidence=signed.evidence(LEGACY_ATT)[0]))
    assert finding.established
    assert finding.claim is Claim.ATTESTATION
    assert dict(finding.predicate)["builder.id"]


def test_of_several_signatures_none_counts_by_certificate() -> None:
    """A log entry and a certificate speak of one signature; which one, nobody could tell."""
    layer = signed.evidence(LEGACY_ATT)[0]
    envelope = json.loads(layer.body)
    more = signed.envelope(signed.statement(signed.image(LEGACY_ATT).subject.digest))
    envelope["signatures"] *= 2
    doubled = signed.with_body(layer, signed.compact(envelope))
    assert only(look(LEGACY_ATT, keyless(), evidence=doubled)).reason is Reason.WRONG_KEY
    both = {**more, "signatures": [*more["signatures"], {"sig": signed.b64(b"junk")}]}
    mixed = signed.with_body(layer, signed.compact(both))
    assert only(look(LEGACY_ATT, KeyAnchor(key=signed.key("ec1")), evidence=mixed)).established


# --- own authorities, and signatures over bytes -----------------------------------------------------------------------


@cache
def own() -> tuple[pki.Party, pki.Party, pki.Tsa, SigstoreRoot]:
    top = pki.root()
    middle = pki.intermediate(top)
    stamper = pki.tsa()
    root = SigstoreRoot(name="own", authorities=(middle.authority(),), timestamp_authorities=(stamper.authority,))
    return middle, pki.leaf(middle), stamper, root


def message_bundle(party: pki.Party, content: bytes, *stamps: bytes, **changes: Any) -> Evidence:
    document = {
        "mediaType": signed.MEDIA_TYPE,
        "verificationMaterial": {
            "certificate": {"rawBytes": signed.b64(party.der)},
            "timestampVerificationData": {
                "rfc3161Timestamps": [{"signedTimestamp": signed.b64(stamp)} for stamp in stamps]
            },
        },
        "messageSignature": {"signature": signed.b64(party.signs(content))},
        **changes,
    }
    return signed.bundled(document)


CONTENT = b'{"schemaVersion":2}'
IMAGE = Image(subject=Subject(Repository("registry.test", "a"), Digest.of(CONTENT)), manifest=CONTENT, media_type="")


def own_look(evidence: Evidence, *, now: datetime = NOW, **demands: Any) -> Finding:
    root = own()[3]
    anchor = KeylessAnchor(root=root.id, sct=False, **{"log": Log.NONE, **demands})
    return only(verify(IMAGE, [evidence], [anchor], trust=Trust(roots=(root,)), now=now))


def test_without_any_time_the_certificate_has_to_hold_now_and_ends_the_finding() -> None:
    _, leaf, _, _ = own()
    finding = own_look(message_bundle(leaf, CONTENT))
    assert finding.established
    assert finding.signing is not None
    assert finding.signing.until == leaf.x509.not_valid_after_utc
    assert own_look(message_bundle(leaf, CONTENT), now=NOW + timedelta(days=1)).reason is Reason.CERTIFICATE_EXPIRED


def test_with_a_time_stamp_the_time_of_signing_counts() -> None:
    _, leaf, stamper, _ = own()
    evidence = message_bundle(leaf, CONTENT)
    signature = json.loads(evidence.body)["messageSignature"]["signature"]
    stamp = stamper.response(base64.b64decode(signature))
    document = json.loads(evidence.body)
    document["verificationMaterial"]["timestampVerificationData"] = {
        "rfc3161Timestamps": [{"signedTimestamp": signed.b64(stamp)}] * 2
    }
    finding = own_look(signed.bundled(document), now=NOW + timedelta(days=1))
    assert finding.signing is not None
    assert [time.at for time in finding.signing.times] == [NOW]  # two stamps of one authority are one witness
    assert own_look(signed.bundled(document), now=NOW + timedelta(days=1), stamps=Stamps.NONE).reason is (
        Reason.CERTIFICATE_EXPIRED
    )


def test_a_log_that_is_demanded_wants_a_trusted_time_too() -> None:
    _, leaf, _, _ = own()
    assert own_look(message_bundle(leaf, CONTENT), log=Log.REQUIRED).reason is Reason.NOT_IN_LOG


def test_chains_of_older_bundles_may_not_hold_a_root() -> None:
    middle, leaf, _, _ = own()

    def chained(*certificates: bytes) -> Evidence:
        chain = {"certificates": [{"rawBytes": signed.b64(each)} for each in certificates]}
        return message_bundle(
            leaf,
            CONTENT,
            mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2",
            verificationMaterial={"x509CertificateChain": chain},
        )

    assert own_look(chained(leaf.der)).established
    assert own_look(chained(leaf.der, middle.der)).established
    assert own_look(chained(*leaf.chain)).reason is Reason.BUNDLE_MALFORMED
    assert own_look(chained(leaf.der, b"junk")).reason is Reason.BUNDLE_MALFORMED


def artifact(evidence: Evidence, content: bytes | None, digest: Digest, anchor: Anchor, root: SigstoreRoot) -> Finding:
    return verify_bundle_of_artifact(evidence.body, content, digest, anchor, trust=Trust(roots=(root,)), now=NOW)


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "ed25519"])
def test_an_artifact_may_be_known_by_its_digest_alone(kind: str) -> None:
    """Ed25519 signs the bytes themselves, and P-384 mostly hashes them otherwise: then the digest is not enough."""
    middle, _, _, root = own()
    leaf = pki.leaf(middle, kind=kind)
    anchor = KeylessAnchor(root=root.id, log=Log.NONE, sct=False)
    evidence, digest = message_bundle(leaf, CONTENT), Digest.of(CONTENT)
    assert artifact(evidence, CONTENT, digest, anchor, root).established
    by_digest = artifact(evidence, None, digest, anchor, root)
    assert by_digest.established == (kind in ("p256", "rsa2048"))
    assert not artifact(evidence, None, Digest.of(b"other"), anchor, root).established


def test_a_message_digest_is_compared_with_the_digest_that_is_known() -> None:
    _, leaf, _, root = own()
    anchor = KeylessAnchor(root=root.id, log=Log.NONE, sct=False)
    for algorithm, value, holds in (
        ("SHA2_256", Digest.of(CONTENT).hex, True),
        ("SHA2_512", Digest.of(CONTENT, "sha512").hex, False),
    ):
        document = json.loads(message_bundle(leaf, CONTENT).body)
        document["messageSignature"]["messageDigest"] = {
            "algorithm": algorithm,
            "digest": signed.b64(bytes.fromhex(value)),
        }
        seen = artifact(signed.bundled(document), None, Digest.of(CONTENT), anchor, root)
        assert seen.established is holds
        assert holds or seen.reason is Reason.CONTENT_MISMATCH


def test_a_key_verifies_an_artifact_by_its_digest() -> None:
    evidence = signed.bundled(
        signed.bundle({"messageSignature": {"signature": signed.b64(signed.sign("ec1", CONTENT))}})
    )
    anchor, nothing = KeyAnchor(key=signed.key("ec1")), SigstoreRoot(name="none")
    assert artifact(evidence, None, Digest.of(CONTENT), anchor, nothing).established
    assert not artifact(evidence, None, Digest.of(b"x"), anchor, nothing).established


def test_the_finding_about_an_artifact_is_the_one_that_got_furthest() -> None:
    _, leaf, _, root = own()
    seen = artifact(message_bundle(leaf, b"other"), CONTENT, Digest.of(CONTENT), KeylessAnchor(root=root.id), root)
    assert seen.reason is Reason.SIGNATURE_INVALID
