"""What has to be refused, case by case: where each is tested, and the variants that no other file has.

`WHERE` numbers the ways in which evidence of every format can be wrong. Each names tests that exist, and cases of the
fixtures that are refused by the whole daemon (`tests/e2e/test_corpus.py`) with the recorded reason.
"""

import ast
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from preverify.model.anchors import KeylessAnchor
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Format
from preverify.model.findings import Finding, Step
from preverify.model.reasons import Reason
from preverify.model.trust import SigstoreRoot, Store, Trust
from preverify.verify import verify
from preverify.verify.formats.cosign_legacy import CERTIFICATE_ANNOTATION
from support import notary, pki, predicates, reported, signed
from support.deciding import decide
from support.recorded import IMAGE, WORKFLOW, Instance

TESTS = Path(__file__).resolve().parents[2]
LEGACY, BUNDLE, SIGSTORE = (
    f"unit/verify/test_{name}.py::" for name in ("cosign_legacy", "sigstore_bundle", "sigstore")
)
BODIES, LOGS, CHECKPOINTS = (f"unit/verify/test_{name}.py::" for name in ("log_bodies", "logs", "checkpoints"))
STAMPS, SCTS, FULCIO = (f"unit/verify/test_{name}.py::" for name in ("timestamps", "scts", "fulcio"))
JWS, COSE, NOTATION, CHAINS = (
    f"unit/verify/test_notation{name}.py::" for name in ("_jws", "_cose", "", "_certificates")
)
VULNERABILITIES = "unit/policy/rules/test_vulnerabilities.py::"
POLICY, RT, HERE = "unit/policy/test_", "security/test_rt_", "unit/verify/test_negative_cases.py::"

RT_06 = RT + "06_invalid_is_never_better_than_absent.py::"
RT_09 = RT + "09_no_time_without_a_witness.py::"
RT_12 = RT + "12_what_a_predicate_says_is_demanded.py::"
RT_12_VEX = RT + "12_vex_silences_only_what_it_may.py::"
RT_25 = RT + "25_revoked_certificates_are_noticed.py::"
RT_26 = RT + "26_builders_are_bound_to_signers.py::"
RT_33 = RT + "33_an_old_passed_statement_is_replayed.py::"

WHERE: dict[int, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    # --- the tag format ---
    12: (
        "a signature of another image",
        (LEGACY + "test_signature_of_another_image_names_its_signer",),
        ("legacy-bad-signature-of-another-image", "legacy-bad-payload-digest-swapped"),
    ),
    13: (
        "a payload of another type, or with two meanings",
        (
            LEGACY + "test_well_signed_but_not_for_this",
            LEGACY + "test_duplicate_keys_are_refused_wherever_this_image_stands",
            HERE + "test_13_a_part_that_stands_twice",
        ),
        ("legacy-bad-payload-other-type", "legacy-bad-duplicate-keys-last-is-this"),
    ),
    14: (
        "the signature missing, empty or no base64",
        (LEGACY + "test_broken_layers",),
        ("legacy-bad-signature-missing", "legacy-bad-signature-empty", "legacy-bad-signature-not-base64"),
    ),
    15: (
        "another certificate than the log's, or than the signer's",
        (
            RT + "05_an_entry_vouches_for_one_signature.py::test_only_its_own_signature",
            RT_06 + "test_an_entry_about_something_else_in_the_tag_format",
            HERE + "test_15_the_certificate_beside_a_signature_is_exchanged",
        ),
        ("legacy-bad-certificate-of-another-signer", "legacy-bad-log-entry-of-another-signature"),
    ),
    16: (
        "a log entry of another payload or signature, or by another hash",
        (
            BODIES + "test_a_real_entry_is_about_nothing_else",
            BODIES + "test_digests_are_of_the_named_algorithm",
            RT_06 + "test_an_entry_about_something_else_in_a_bundle",
        ),
        ("legacy-bad-log-entry-of-another-signature", "legacy-bad-key-log-entry-of-another"),
    ),
    17: (
        "a changed time or place in the log; a log that is unknown, or not trusted then",
        (
            LOGS + "test_a_promise_is_over_all_four_members",
            LOGS + "test_the_log_is_found_by_its_full_id",
            LOGS + "test_the_log_s_period_holds_at_the_entry_s_time",
        ),
        ("legacy-bad-integrated-time-changed", "legacy-bad-unknown-log", "legacy-bad-set-corrupted"),
    ),
    18: (
        "logged before or after the certificate's time, or the authority's",
        (
            RT_09 + "test_the_same_in_the_tag_format",
            RT + "10_an_expired_authority_is_refused.py::test_an_authority_outside_of_its_time",
            HERE + "test_18_the_authority_had_ended_when_the_log_took_the_entry",
        ),
        ("legacy-cert-expired-no-timestamp",),
    ),
    19: (
        "an authority that came with the evidence, and names copied from elsewhere",
        (
            RT + "28_identities_without_a_chain_are_absent.py::test_without_a_chain_nobody_is_named",
            HERE + "test_19_an_authority_in_the_chain_annotation",
        ),
        ("legacy-cert-untrusted-root", "legacy-bad-keyless-certificate-tampered"),
    ),
    20: (
        "a certificate without the word of a certificate log, with two, or of a log that is not trusted then",
        (
            SCTS + "test_without_any",
            SCTS + "test_two_are_refused",
            SCTS + "test_a_log_that_is_not_trusted",
            SCTS + "test_a_log_has_its_time_ends_included",
            HERE + "test_20_certificates_that_were_not_logged",
        ),
        (),
    ),
    21: (
        "the right name by another issuer, and names that only hold the right one",
        (
            POLICY + "signers.py::test_identity_and_issuer_have_to_be_the_wanted_ones",
            POLICY + "patterns.py::test_a_pattern_covers_whole_values",
            RT_06 + "test_a_demanded_identity_is_compared_in_every_format",
        ),
        ("legacy-keyless-wrong-issuer", "legacy-keyless-identity-is-only-a-prefix"),
    ),
    22: (
        "an attestation of another payload type, of no subject, or about another image",
        (
            LEGACY + "test_attestations_that_establish_nothing",
            "unit/verify/test_statement.py::test_refuses_other_shapes",
        ),
        (
            "legacy-att-bad-payload-type-other-signed",
            "legacy-att-bad-no-subject",
            "legacy-att-bad-subject-of-another-image",
        ),
    ),
    23: (
        "a time stamp of something else, by a stranger, or outside of its authority's time",
        (
            STAMPS + "test_stamps_of_other_bytes",
            STAMPS + "test_authorities_that_are_not_trusted",
            STAMPS + "test_authorities_have_to_be_valid_at_the_time",
        ),
        ("bundle-bad-timestamp-of-another", "legacy-cert-expired-timestamp-not-asked"),
    ),
    # --- bundles ---
    24: (
        "an unknown version, and parts that exclude each other",
        (
            BUNDLE + "test_other_versions",
            BUNDLE + "test_malformed_bundles",
            HERE + "test_24_parts_that_do_not_go_together",
        ),
        ("bundle-bad-bundle-version-unknown", "bundle-bad-unknown-extra-field"),
    ),
    25: (
        "no signature or two, a key id that contradicts the hint, another payload type",
        (
            BUNDLE + "test_a_bundle_has_exactly_one_signature",
            BUNDLE + "test_well_signed_but_not_for_this",
            HERE + "test_25_a_key_id_that_contradicts_the_hint",
        ),
        ("bundle-bad-no-signatures", "bundle-bad-own-payload-type"),
    ),
    26: (
        "a signature over something else, with a digest that is right or wrong",
        (
            BUNDLE + "test_signatures_over_something_else",
            SIGSTORE + "test_a_message_digest_is_compared_with_the_digest_that_is_known",
        ),
        ("bundle-bad-signature-flipped",),
    ),
    27: (
        "a path of the log that is changed, too long, outside of the tree, or without a checkpoint",
        (
            LOGS + "test_a_proof_has_exactly_its_hashes",
            LOGS + "test_a_proof_s_place_lies_in_its_tree",
            LOGS + "test_what_is_demanded_has_to_be_there",
            RT_06 + "test_an_invalid_bundle_is_refused_without_any_option",
        ),
        ("bundle-bad-inclusion-path-corrupted", "bundle-bad-key-inclusion-corrupted"),
    ),
    28: (
        "a checkpoint by nobody, incomplete, of another tree, or by a witness alone",
        (
            CHECKPOINTS + "test_another_key_signs_in_vain",
            CHECKPOINTS + "test_what_begins_otherwise_is_no_checkpoint",
            LOGS + "test_the_checkpoint_is_of_the_proof_s_root",
            LOGS + "test_the_checkpoint_is_of_the_proof_s_size",
            RT + "08_a_self_made_tree_proves_nothing.py::test_a_checkpoint_that_only_a_witness_signed",
        ),
        ("bundle-bad-checkpoint-signature-corrupted", "bundle-bad-checkpoint-of-another-origin"),
    ),
    29: (
        "an entry of another kind than its body, or of another bundle, or many times",
        (
            BODIES + "test_kind_and_version_are_the_body_s",
            RT + "05_an_entry_vouches_for_one_signature.py::test_no_part_of_another_entry",
            SIGSTORE + "test_one_log_is_one_witness_and_an_unknown_one_is_none",
        ),
        ("bundle-bad-log-entry-of-another", "bundle-bad-log-body-of-another"),
    ),
    30: (
        "a certificate without a trusted time, and times that nobody signed",
        (
            RT_09 + "test_new_logs_sign_no_times_and_give_none",
            RT_09 + "test_a_time_that_nobody_signed_is_not_believed",
        ),
        ("bundle-bad-timestamp-removed",),
    ),
    31: (
        "one authority counted twice, and more entries or stamps than are read",
        (
            STAMPS + "test_one_authority_is_one_witness",
            SIGSTORE + "test_with_a_time_stamp_the_time_of_signing_counts",
            RT + "65_lists_in_bundles_are_bounded.py::test_more_are_refused_soon",
        ),
        (),
    ),
    32: (
        "evidence of another instance",
        (
            RT + "30_a_log_does_not_vouch_for_itself.py::test_instances_do_not_vouch_for_each_other",
            SIGSTORE + "test_each_anchor_has_its_own_finding",
            HERE + "test_32_another_instance_vouches_for_nothing_here",
        ),
        ("bundle-bad-unknown-log",),
    ),
    33: (
        "the wrong key, no key, a certificate for a key and the reverse",
        (
            BUNDLE + "test_wrong_key",
            SIGSTORE + "test_a_key_does_not_stand_for_a_certificate_nor_the_other_way_round",
            HERE + "test_33_no_key_at_all",
        ),
        ("bundle-key-ec1-wrong-key", "legacy-keyless-as-key"),
    ),
    34: (
        "an attestation counted as a signature",
        (
            BUNDLE + "test_every_other_statement_is_an_attestation",
            RT + "12_any_attestation_is_not_the_demanded_one.py::test_no_attestation_of_any_kind_is_a_signature",
            HERE + "test_34_no_summary_is_a_signature",
        ),
        ("bundle-att-only-no-signature", "bundle-bad-own-statement-is-a-report"),
    ),
    35: (
        "facts of a certificate that contradict each other, are badly formed or missing",
        (
            FULCIO + "test_facts_that_contradict_each_other",
            FULCIO + "test_texts_are_exactly_that",
            RT_06 + "test_a_demanded_identity_is_compared_in_every_format",
            HERE + "test_35_facts_that_are_no_facts",
        ),
        (),
    ),
    36: (
        "a statement that nobody signed, under a type that signed ones have",
        (
            RT + "20_a_hostile_registry_makes_nothing_pass.py::test_an_artifact_type_signs_nothing",
            RT_26 + "test_an_unsigned_statement_is_no_provenance",
        ),
        ("legacy-att-no-signature",),
    ),
    # --- Notation ---
    37: (
        "another algorithm than the key dictates, and keys that are too short",
        (
            JWS + "test_the_key_dictates_the_algorithm",
            JWS + "test_rsa_keys_sign_with_the_hash_of_their_size",
            COSE + "test_the_key_dictates_the_algorithm",
            HERE + "test_37_an_algorithm_of_another_curve",
            HERE + "test_37_short_keys",
        ),
        (),
    ),
    38: (
        "critical headers that are missing, absent or unknown",
        (JWS + "test_protected_headers_that_are_refused", COSE + "test_protected_headers_that_are_refused"),
        (),
    ),
    39: (
        "the time of the other scheme, an end before the beginning, an end that has come",
        (
            JWS + "test_protected_headers_that_are_refused",
            NOTATION + "test_expired_signature",
            HERE + "test_39_times_of_the_other_scheme",
        ),
        ("notation-jws-expired", "notation-cose-expired"),
    ),
    40: (
        "the right digest with another size or media type, another content type",
        (NOTATION + "test_signature_of_something_else", NOTATION + "test_right_signature_over_the_wrong_type"),
        ("notation-jws-bad-signature-of-another-image",),
    ),
    41: (
        "chains that are out of order, incomplete, too long, weak, for something else, or anchored elsewhere",
        (
            CHAINS + "test_chains_that_are_incomplete_or_out_of_order",
            CHAINS + "test_weak_hash_in_the_chain",
            CHAINS + "test_leaves_for_anything_else",
            NOTATION + "test_chain_that_no_store_of_the_right_kind_holds",
        ),
        ("notation-jws-untrusted-root", "notation-cose-bad-rogue-signer"),
    ),
    42: (
        "identities that are incomplete, and subjects that only look like one",
        (
            POLICY + "notation_trust.py::test_statements_that_are_refused",
            NOTATION + "test_trusted_identities",
            NOTATION + "test_a_comma_in_a_value_names_nobody_else",
            CHAINS + "test_subjects_in_the_form_of_identities",
        ),
        ("notation-jws-identity-wrong", "notation-cose-identity-other-cn"),
    ),
    43: (
        "revoked, and answers about revocations that are none",
        (
            RT_25 + "test_revoked_by_ocsp",
            RT_25 + "test_revoked_by_list",
            RT_25 + "test_what_is_no_answer_leaves_it_unknown",
            "unit/verify/test_ocsp.py::test_what_is_no_clear_answer",
        ),
        ("notation-jws-crl-revoked", "notation-cose-crl-revoked"),
    ),
    44: (
        "a time stamp whose range leaves a validity, by a certificate for more, or of the payload",
        (
            NOTATION + "test_the_whole_range_of_a_time_stamp_lies_in_every_validity",
            CHAINS + "test_stampers_for_anything_else",
            HERE + "test_44_a_stamp_of_the_payload",
        ),
        ("notation-jws-cert-expired-timestamp-not-trusted",),
    ),
    45: (
        "COSE without its tag, with a key twice, a time of another tag, or encoded anew",
        (
            COSE + "test_envelopes_that_are_none",
            COSE + "test_protected_headers_that_are_refused",
            COSE + "test_protected_header_encoded_anew_does_not_hold",
        ),
        ("notation-cose-bad-flipped",),
    ),
    # --- attestations and policy ---
    46: (
        "a builder that the signer may not claim, and a signer who is not the builder's",
        (
            RT_26 + "test_an_accepted_signer_cannot_claim_another_builder",
            RT_26 + "test_the_right_builder_by_the_wrong_signer_is_nobodys_word",
        ),
        (),
    ),
    47: (
        "provenance of another source or ref, with more parameters, of own runners, for a fork's pull request",
        (
            RT_26 + "test_another_source_does_not_pass",
            POLICY + "provenance.py::test_violating_each_demand_denies",
            POLICY + "provenance.py::test_parameters_are_exactly_those_demanded",
            POLICY + "provenance.py::test_runners_of_whoever_starts_builds_are_level_1_and_have_to_be_allowed",
            POLICY + "provenance.py::test_builds_for_pull_requests_have_to_be_allowed",
        ),
        (),
    ),
    48: (
        "summaries that failed, or are by, about, under, of something or some time else",
        (
            RT_12 + "test_any_other_summary_does_not",
            RT_12 + "test_a_summary_by_a_stranger_or_about_another_image_does_not",
        ),
        (),
    ),
    49: (
        "an old summary after the image was judged anew",
        (
            RT_12 + "test_an_old_passed_summary_is_not_played_back_after_a_refusal",
            RT_33 + "test_a_replayed_statement_ends_by_itself_and_is_taken_away_again",
        ),
        (),
    ),
    50: (
        "reports about another image, of unknown words, that are too old, by old data, or of an unknown distribution",
        (
            "unit/verify/predicates/test_forms.py::test_reports_of_scanners_in_cosigns_wrapping",
            VULNERABILITIES + "test_the_age_of_our_database",
            VULNERABILITIES + "test_distributions_and_ecosystems_may_not",
            HERE + "test_50_reports",
            HERE + "test_50_scans",
        ),
        ("bundle-att-type-absent",),
    ),
    51: (
        "VEX by a stranger, about another image or product, without a reason, or that was overtaken",
        (
            "unit/verify/predicates/test_shapes.py::test_other_kinds_have_their_shapes_too",
            RT_12_VEX + "test_nobody_elses_word_does",
            RT_12_VEX + "test_a_statement_about_another_product_does_not",
            RT_12_VEX + "test_a_statement_that_says_something_else_or_does_not_say_why_does_not",
            RT_12_VEX + "test_an_older_word_never_overrules_a_newer_one",
            HERE + "test_51_vex",
        ),
        (),
    ),
    52: (
        "bills of materials of another image, of nothing, or that are none; a release without a package URL",
        (
            RT_12 + "test_an_sbom_says_of_what_it_is_and_that_there_is_something_in_it",
            VULNERABILITIES + "test_bills_that_are_incomplete_or_empty_leave_everything_open",
            VULNERABILITIES + "test_distributions_and_ecosystems_may_not",
            HERE + "test_52_bills_of_materials",
        ),
        (),
    ),
}


# --- the table ---


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((TESTS / path).read_bytes())
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef))


def test_every_case_has_its_place() -> None:
    assert sorted(WHERE) == list(range(12, 53))
    assert all(tests for _, tests, _ in WHERE.values())


@pytest.mark.parametrize("number", sorted(WHERE))
def test_the_places_exist(number: int) -> None:
    _, tests, cases = WHERE[number]
    for node in tests:
        path, _, name = node.partition("::")
        assert name in functions(path), node
    for case in cases:
        assert signed.cases()[case]["expected"] == "refused", case


def test_every_test_here_is_in_the_table() -> None:
    named = {node.partition("::")[2] for _, tests, _ in WHERE.values() for node in tests if node.startswith(HERE)}
    own = {name for name in functions("unit/verify/test_negative_cases.py") if name[5:7].isdecimal()}
    assert named == own


# --- the tag format ---

OWN, STRANGER = Instance(), Instance(name="stranger")
LEAF = OWN.leaf()
DIGEST = IMAGE.subject.digest
PAYLOAD = signed.payload(DIGEST)


def by_key(evidence: Evidence, *keys: str) -> Finding:
    (found,) = signed.verify(IMAGE, [evidence], [signed.key(name) for name in keys])
    return found


def by_certificate(evidence: Evidence, root: SigstoreRoot = OWN.root, **demands: Any) -> Finding:
    anchor = KeylessAnchor(root=root.id, **demands)
    (found,) = verify(IMAGE, [evidence], [anchor], trust=Trust(roots=(root,)), now=pki.SIGNED_AT)
    return found


def say(finding: Finding) -> tuple[Step, Reason]:
    assert not finding.established
    return finding.step, finding.reason


@pytest.mark.parametrize("second", ["critical", "Critical", "CRITICAL", "criti\\u0063al"])
@pytest.mark.parametrize("ours_first", [True, False])
def test_13_a_part_that_stands_twice(second: str, *, ours_first: bool) -> None:
    ours, other = json.dumps(PAYLOAD["critical"]), json.dumps(signed.payload(Digest.of(b"x"))["critical"])
    for first, last in (((ours, other) if ours_first else (other, ours)), (ours, ours)):
        body = f'{{"critical":{first},"{second}":{last},"optional":null}}'.encode()
        assert say(by_key(signed.legacy(body), "ec1")) == (Step.SIGNED, Reason.PAYLOAD_MALFORMED)


def test_15_the_certificate_beside_a_signature_is_exchanged() -> None:
    """By one of the same name and another key, of the same key and another name, and by the log's in turn."""
    layer = OWN.layer(LEAF)
    assert by_certificate(layer).established
    other = OWN.leaf(secret=pki.key(name="other"))
    same_key = OWN.leaf("https://github.test/evil/r/.github/workflows/x.yml@refs/heads/main")
    assert same_key.key is LEAF.key
    for leaf, reason in ((other, Reason.SIGNATURE_INVALID), (same_key, Reason.LOG_ENTRY_MISMATCH)):
        kept = tuple(each for each in layer.annotations if each[0] != CERTIFICATE_ANNOTATION)
        swapped = replace(layer, annotations=(*kept, (CERTIFICATE_ANNOTATION, leaf.pem.decode())))
        assert say(by_certificate(swapped)) == (Step.PARSED, reason)
    body = signed.compact(PAYLOAD)
    logged = OWN.layer(LEAF, entry=OWN.entry(LEAF.signs(body), body, other.der, time=pki.SIGNED_AT))
    assert say(by_certificate(logged)) == (Step.PARSED, Reason.LOG_ENTRY_MISMATCH)


def test_18_the_authority_had_ended_when_the_log_took_the_entry() -> None:
    """The leaf was still valid: it is the authority's own end that counts."""
    ended = pki.intermediate(OWN.top, "ended", valid=(pki.SIGNED_AT.replace(year=2025), pki.SIGNED_AT))
    root = replace(OWN.root, authorities=(ended.authority(),))
    leaf = pki.leaf(ended)
    in_time, late = (OWN.layer(leaf, time=pki.SIGNED_AT.replace(second=second)) for second in (0, 1))
    assert by_certificate(in_time, root, sct=False).established
    assert say(by_certificate(late, root, sct=False)) == (Step.PARSED, Reason.CERTIFICATE_EXPIRED)


def test_19_an_authority_in_the_chain_annotation() -> None:
    """Whatever stands there: a stranger's chain vouches for nobody, and a right one is not needed."""
    chain = "dev.sigstore.cosign/chain"
    forged = STRANGER.leaf(WORKFLOW)
    top = pki.certificate(OWN.top.x509.subject, pki.ca_marks(), secret=pki.key(name="copied"))
    issuing = pki.intermediate(top, f"issuing of {OWN.name}", secret=pki.key(name="copied issuing"))
    copied = pki.leaf(issuing, WORKFLOW)
    for leaf in (forged, copied):
        above = leaf.above
        assert above is not None
        assert above.above is not None
        layer = OWN.layer(leaf)
        told = replace(layer, annotations=(*layer.annotations, (chain, (above.pem + above.above.pem).decode())))
        for evidence in (layer, told):
            assert say(by_certificate(evidence)) == (Step.PARSED, Reason.CERTIFICATE_UNTRUSTED)
    good = OWN.layer(LEAF)
    junk = replace(good, annotations=(*good.annotations, (chain, STRANGER.top.pem.decode())))
    assert by_certificate(junk).established


def test_20_certificates_that_were_not_logged() -> None:
    issuing = OWN.issuing
    plain = pki.leaf(issuing)

    def logged(*logs: pki.CtLog) -> pki.Party:
        return pki.logged(plain, issuing, *(lambda body, log=log: log.sct(body, issuing) for log in logs))

    for leaf, reason in (
        (plain, Reason.SCT_MISSING),
        (logged(OWN.ct, OWN.ct), Reason.SCT_INVALID),
        (logged(STRANGER.ct), Reason.SCT_INVALID),
    ):
        assert say(by_certificate(OWN.layer(leaf))) == (Step.SIGNED, reason)
        assert say(by_certificate(signed.bundled(OWN.bundle(leaf)))) == (Step.SIGNED, reason)
        assert by_certificate(OWN.layer(leaf), sct=False).established


# --- bundles ---

ENVELOPE = signed.envelope(signed.statement(DIGEST, signed.COSIGN_SIGN))
KEYED = signed.bundle({"dsseEnvelope": ENVELOPE})
CERTIFIED = OWN.bundle(LEAF)


def held(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a bundle with other verification material; None takes a part away."""
    material = {**document["verificationMaterial"], **changes}
    return {**document, "verificationMaterial": {k: v for k, v in material.items() if v is not None}}


CERTIFICATE = {"rawBytes": signed.b64(LEAF.der)}
KEY = KEYED["verificationMaterial"]["publicKey"]
MALFORMED: dict[str, dict[str, Any]] = {
    "v0.3 with a chain": held(CERTIFIED, certificate=None, x509CertificateChain={"certificates": [CERTIFICATE]}),
    "an empty chain": held(OWN.bundle(LEAF, version=2), x509CertificateChain={"certificates": []}),
    "v0.3 with an empty chain": held(CERTIFIED, certificate=None, x509CertificateChain={"certificates": []}),
    "certificate and key": held(CERTIFIED, publicKey=KEY),
    "chain and key": held(OWN.bundle(LEAF, version=2), publicKey=KEY),
    "certificate and chain": held(OWN.bundle(LEAF, version=2), certificate=CERTIFICATE),
    "neither": held(CERTIFIED, certificate=None),
    "message and envelope": {**CERTIFIED, "dsseEnvelope": ENVELOPE},
    "envelope and message": {**KEYED, "messageSignature": CERTIFIED["messageSignature"]},
    "neither message nor envelope": {k: v for k, v in CERTIFIED.items() if k != "messageSignature"},
    "the root in the chain": held(
        OWN.bundle(LEAF, version=2),
        x509CertificateChain={"certificates": [{"rawBytes": signed.b64(each)} for each in LEAF.chain]},
    ),
    "a chain that begins with no certificate": held(
        OWN.bundle(LEAF, version=2), x509CertificateChain={"certificates": [{}, CERTIFICATE]}
    ),
}
VERSIONS = (
    "application/vnd.dev.sigstore.bundle.v0.4+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.4",
    "application/vnd.dev.sigstore.bundle.v0.1+json",
    "application/vnd.dev.sigstore.bundle+json",
    "application/vnd.dev.sigstore.bundle.v0.3+json ",
    "",
)


def test_24_parts_that_do_not_go_together() -> None:
    """Under a key and under a certificate: both of them hold for the bundles as they were."""
    assert by_key(signed.bundled(KEYED), "ec1").established
    assert all(by_certificate(signed.bundled(OWN.bundle(LEAF, version=version))).established for version in (1, 2, 3))
    for name, document in MALFORMED.items():
        for found in (by_key(signed.bundled(document), "ec1"), by_certificate(signed.bundled(document))):
            assert say(found) == (Step.OBTAINED, Reason.BUNDLE_MALFORMED), name
    for version in VERSIONS:
        for document in (KEYED, CERTIFIED):
            bent = signed.bundled({**document, "mediaType": version})
            assert say(by_key(bent, "ec1")) == say(by_certificate(bent)) == (Step.OBTAINED, Reason.BUNDLE_VERSION)


def test_25_a_key_id_that_contradicts_the_hint() -> None:
    (signature,) = ENVELOPE["signatures"]
    for key_id, established in ((KEY["hint"], True), ("", True), ("another", False), (KEY["hint"] + " ", False)):
        envelope = {**ENVELOPE, "signatures": [{**signature, "keyid": key_id}]}
        found = by_key(signed.bundled({**KEYED, "dsseEnvelope": envelope}), "ec1")
        assert found.established is established
        assert established or say(found) == (Step.OBTAINED, Reason.BUNDLE_MALFORMED)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_32_another_instance_vouches_for_nothing_here(version: int) -> None:
    """Whole, and with any part of it exchanged for one of ours: staging is not production."""
    theirs = STRANGER.leaf()
    whole = signed.bundled(STRANGER.bundle(theirs, version=version))
    assert by_certificate(whole, STRANGER.root).established
    assert say(by_certificate(whole)) == (Step.PARSED, Reason.LOG_UNTRUSTED)
    ours = signed.bundled(OWN.bundle(theirs, version=version))
    assert say(by_certificate(ours)) == (Step.PARSED, Reason.CERTIFICATE_UNTRUSTED)
    logged_elsewhere = signed.bundled(STRANGER.bundle(LEAF, version=version))
    assert say(by_certificate(logged_elsewhere)) == (Step.PARSED, Reason.LOG_UNTRUSTED)
    logs_only = replace(OWN.root, logs=(*OWN.root.logs, *STRANGER.root.logs))
    assert say(by_certificate(whole, logs_only)) == (Step.PARSED, Reason.CERTIFICATE_UNTRUSTED)
    issuers_only = replace(OWN.root, authorities=STRANGER.root.authorities)
    assert say(by_certificate(ours, issuers_only)) == (Step.SIGNED, Reason.SCT_INVALID)


def test_33_no_key_at_all() -> None:
    for document in (KEYED, CERTIFIED):
        (found,) = verify(IMAGE, [signed.bundled(document)], [], trust=Trust(), now=pki.SIGNED_AT)
        assert say(found) == (Step.PARSED, Reason.WRONG_KEY)
    assert say(by_certificate(signed.bundled(KEYED))) == (Step.PARSED, Reason.WRONG_KEY)
    assert say(by_key(signed.bundled(CERTIFIED), "ec1", "ec2")) == (Step.PARSED, Reason.WRONG_KEY)


def attested(whole: dict[str, Any], by: str = "ec1", about: Digest | None = None) -> Evidence:
    """Return a recorded statement's predicate, signed about an image."""
    digest = about or signed.image("legacy-unsigned").subject.digest
    statement = signed.statement(digest, whole["predicateType"], predicate=whole["predicate"])
    return signed.bundled(signed.bundle({"dsseEnvelope": signed.envelope(statement, (by,))}, hint=""))


def judged(demand: dict[str, Any], *evidence: Evidence) -> tuple[str, str]:
    verdict = decide(signed.image("legacy-unsigned"), evidence, demand, signers={"release": "ec1"})
    return verdict.outcome.value, verdict.rules[0].reason.value


BY_RELEASE = {"by": {"any": ["release"]}}


@pytest.mark.parametrize("name", ["cosign-vsa", "cosign-vsa-failed", "cosign-spdx", "cosign-vuln"])
def test_34_no_summary_is_a_signature(name: str) -> None:
    evidence = attested(predicates.document(name))
    assert judged({"signature": BY_RELEASE}, evidence) == ("failed", "no-signature")


@pytest.mark.parametrize(
    "marks",
    [
        pki.fulcio("https://issuer.test", _1="https://other.test"),
        ((pki.raw(f"{pki.FULCIO}8", pki.utf8("https://issuer.test") + b"\0"), False),),
        ((pki.raw(f"{pki.FULCIO}8", b"https://issuer.test"), False),),
    ],
    ids=["two issuers", "trailing bytes", "no DER"],
)
def test_35_facts_that_are_no_facts(marks: tuple[pki.Marked, ...]) -> None:
    leaf = OWN.leaf(WORKFLOW, *marks)
    for evidence in (OWN.layer(leaf), signed.bundled(OWN.bundle(leaf))):
        assert say(by_certificate(evidence)) == (Step.SIGNED, Reason.CERTIFICATE_INVALID)


# --- Notation ---

BOTH: dict[Format, Callable[..., bytes]] = {Format.NOTATION_JWS: notary.jws, Format.NOTATION_COSE: notary.cose}


def noted(form: Format, *stores: Store, **how: Any) -> Finding:
    trusted = stores or (notary.MAIN,)
    (found,) = verify(
        notary.IMAGE,
        [notary.evidence(BOTH[form](**how), form)],
        [notary.anchor(*trusted)],
        trust=Trust(stores=trusted),
        now=notary.NOW,
    )
    return found


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("p384", "ES256"),
        ("p256", "ES384"),
        ("p521", "ES384"),
        ("p256", "PS256"),
        ("rsa2048", "ES256"),
        ("rsa3072", "PS256"),
    ],
)
def test_37_an_algorithm_of_another_curve(kind: str, named: str) -> None:
    """The signature itself is good in every case where it can be: the name alone is wrong."""
    number = {"ES256": -7, "ES384": -35, "PS256": -37}[named]
    party = notary.signer(kind, kind=kind)
    wrong = (Step.PARSED, Reason.ALGORITHM_NOT_ALLOWED)
    assert say(noted(Format.NOTATION_JWS, by=party, protected={"alg": named})) == wrong
    assert say(noted(Format.NOTATION_COSE, by=party, protected={1: number})) == wrong


@pytest.mark.parametrize("form", list(BOTH))
def test_37_short_keys(form: Format) -> None:
    found = noted(
        form, by=notary.signer("short", kind="rsa1024"), **({"algorithm": "PS256"} if form == "notation-jws" else {})
    )
    assert say(found) == (Step.PARSED, Reason.CERTIFICATE_INVALID)


AT, AUTHORITY = pki.SIGNED_AT, "notary.x509.signingAuthority"
MALFORMED_ENVELOPE = (Step.OBTAINED, Reason.ENVELOPE_MALFORMED)
NOT_UNDERSTOOD = (Step.PARSED, Reason.CRITICAL_HEADER_UNKNOWN)
TIMES: list[tuple[dict[str, Any], tuple[Step, Reason]]] = [
    ({"signingScheme": AUTHORITY}, MALFORMED_ENVELOPE),
    ({"signingScheme": AUTHORITY, "authenticSigningTime": AT}, MALFORMED_ENVELOPE),
    ({"authenticSigningTime": AT}, NOT_UNDERSTOOD),
    ({"signingTime": None, "authenticSigningTime": AT}, NOT_UNDERSTOOD),
    ({"signingTime": None}, MALFORMED_ENVELOPE),
    ({"expiry": AT}, MALFORMED_ENVELOPE),
    ({"expiry": AT.replace(year=2025)}, MALFORMED_ENVELOPE),
]


@pytest.mark.parametrize("form", list(BOTH))
@pytest.mark.parametrize(("attributes", "expected"), TIMES, ids=range(len(TIMES)))
def test_39_times_of_the_other_scheme(form: Format, attributes: dict[str, Any], expected: tuple[Step, Reason]) -> None:
    assert say(noted(form, headers=notary.attributes(**attributes))) == expected


@pytest.mark.parametrize("form", list(BOTH))
def test_44_a_stamp_of_the_payload(form: Format) -> None:
    tsa = pki.tsa(pki.root("stamping root"))
    stamps = notary.store(pki.root("stamping root").der, kind="tsa", name="t")
    token = tsa.token(notary.payload())
    value = base64.b64encode(token).decode() if form is Format.NOTATION_JWS else token
    found = noted(form, notary.MAIN, stamps, unprotected={f"{notary.PREFIX}timestampSignature": value})
    assert say(found) == (Step.SUBJECT, Reason.TIMESTAMP_MISMATCH)


# --- attestations ---

OTHER = Digest.of(b"another image")


def test_50_reports() -> None:
    """A report counts where it says what was demanded; one that nobody can count says nothing."""
    report = predicates.document("cosign-vuln")
    rows: dict[str, Any] = {"Results": [{"Vulnerabilities": []}]}
    clean = predicates.changed(report, "scanner/result", rows)
    none = {"attestation": {"type": "vuln", **BY_RELEASE, "predicate": {"findings.count": "0"}}}
    assert judged(none, attested(clean)) == ("passed", "ok")
    assert judged(none, attested(clean, about=OTHER)) == ("failed", "subject-mismatch")
    assert judged(none, attested(clean, by="stranger")) == ("failed", "wrong-key")
    rows = {"Results": [{"Vulnerabilities": [{"Severity": "apocalyptic"}]}]}
    assert judged(none, attested(predicates.changed(report, "scanner/result", rows))) == ("failed", "content-mismatch")
    for result in ({}, {"findings": []}, "none", None):
        unknown = predicates.changed(report, "scanner/result", result)
        assert judged(none, attested(unknown))[0] == "failed"
    for broken in ({"Results": {}}, {"Results": [{"Vulnerabilities": "none"}]}, {"matches": [1]}):
        malformed = predicates.changed(report, "scanner/result", broken)
        assert judged(none, attested(malformed)) == ("failed", "statement-malformed")


def test_51_vex() -> None:
    demand = {"attestation": {"type": "openvex", **BY_RELEASE}}
    vex = predicates.document("cosign-openvex")
    silent = {"vulnerability": {"name": "CVE-1"}, "status": "not_affected"}
    assert judged(demand, attested(vex)) == ("passed", "ok")
    assert judged(demand, attested(vex, by="stranger")) == ("failed", "wrong-key")
    assert judged(demand, attested(vex, about=OTHER)) == ("failed", "subject-mismatch")
    for statement in (silent, {**silent, "justification": ""}, {**silent, "status": "harmless"}, {"status": "fixed"}):
        changed = predicates.changed(vex, "statements", [statement])
        assert judged(demand, attested(changed)) == ("failed", "statement-malformed")
    report = {"attestation": {"type": "vuln", **BY_RELEASE, "predicate": {"findings.count": "0"}}}
    found = predicates.changed(
        predicates.document("cosign-vuln"), "scanner/result", {"Results": [{"Vulnerabilities": [{"Severity": "HIGH"}]}]}
    )
    assert judged(report, attested(found), attested(vex)) == ("failed", "content-mismatch"), "no VEX takes a count back"


def test_50_scans() -> None:
    """A scan of this image, recent, by recent data, that knows its words and its distribution: or it counts as none."""
    clean, found = reported.report(), reported.report(reported.row())
    recent = {"maxDatabaseAge": "48h"}
    assert reported.judged({}, attested(clean)) == ("passed", "ok")
    assert reported.judged({}, attested(found)) == ("failed", "vulnerability-found")
    assert reported.judged({}, attested(clean, about=OTHER)) == ("failed", "subject-mismatch")
    assert reported.judged({}, attested(clean, by="stranger")) == ("failed", "wrong-key")
    for age, reason in ((25, "scan-stale"), (-1, "timestamp-invalid")):
        assert reported.judged({}, attested(reported.report(age=age * reported.HOUR))) == ("failed", reason)
    for age, outcome in ((None, "failed"), (49, "failed"), (47, "passed"), (-1, "failed")):
        at = "" if age is None else reported.moment(reported.NOW - age * reported.HOUR)
        dated = predicates.changed(clean, "scanner/db", {"uri": "https://db.test", "lastUpdate": at})
        assert reported.judged(recent, attested(dated))[0] == outcome
    unknown = reported.report(reported.row(severity="apocalyptic"))
    assert reported.judged({}, attested(unknown)) == ("failed", "vulnerability-found")
    unsupported = reported.report(Metadata={"OS": {"Family": "debian", "Name": "9", "EOSL": True}})
    assert reported.judged({}, attested(unsupported)) == ("failed", "scan-missing")
    for result in ({}, {"findings": []}, "none", None):
        assert reported.judged({}, attested(predicates.changed(clean, "scanner/result", result)))[0] == "failed"


def test_52_bills_of_materials() -> None:
    for name, kind, members in (("cosign-spdx", "spdx", "packages"), ("cosign-cyclonedx", "cyclonedx", "components")):
        demand = {"attestation": {"type": kind, **BY_RELEASE}}
        count = len(predicates.document(name)["predicate"][members])
        counted = {"attestation": {**demand["attestation"], "predicate": {f"{members}.count": str(count)}}}
        whole = predicates.document(name)
        assert count > 0
        assert judged(counted, attested(whole)) == ("passed", "ok")
        assert judged(demand, attested(whole, about=OTHER)) == ("failed", "subject-mismatch")
        assert judged(counted, attested(predicates.changed(whole, members, []))) == ("failed", "content-mismatch")
        for bent in ({}, ["text"], "none"):
            malformed = predicates.changed(whole, members, bent)
            assert judged(demand, attested(malformed)) == ("failed", "statement-malformed")
    release = "https://in-toto.io/attestation/release/v0.1"
    for purl in ("npm/left-pad@1.0.0", "pkg:npm/left-pad", "", 7, None):
        whole = {"predicateType": release, "predicate": {"purl": purl}}
        assert judged({"attestation": {"type": "release", **BY_RELEASE}}, attested(whole)) == (
            "failed",
            "statement-malformed",
        )
