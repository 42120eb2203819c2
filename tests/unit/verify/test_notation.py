"""The steps that both envelopes share: whom a trust policy believes, about what, when, and what it only logs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import tsp
from cryptography import x509

from preverify.model.anchors import Action, NotationAnchor, NotationStatement
from preverify.model.distinguished_names import parse_name
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format
from preverify.model.findings import Claim, Finding, Step, TrustedTime
from preverify.model.reasons import Reason
from preverify.model.trust import Trust
from preverify.verify.notation.chains import signer_of, signing_chain
from preverify.verify.notation.steps import read_payload
from preverify.verify.trusting import Trusting
from support import notary, pki
from support.notary import (
    IMAGE,
    MAIN,
    NOW,
    ROOT,
    SIGNER,
    anchor,
    attributes,
    evidence,
    only,
    sign,
    signer,
    store,
    trusting,
)

__all__ = ["sign"]
LOG, SKIP = Action.LOG, Action.SKIP
PERMISSIVE: dict[str, Any] = {"authentic_timestamp": LOG, "expiry": LOG, "revocation": LOG}
AUDIT: dict[str, Any] = {"authenticity": LOG, **PERMISSIVE}
TSA_ROOT = pki.root("tsa root")
TSA = pki.tsa(TSA_ROOT)
STAMPS = store(TSA_ROOT.der, kind="tsa", name="stamps")
BOTH = (MAIN, STAMPS)


def verify(found: Evidence, *stores: Any, now: datetime = NOW, **statement: Any) -> Finding:
    stores = stores or (MAIN,)
    return only(notary.verify(found, trusting(anchor(*stores, **statement), stores=stores, now=now)))


def test_a_finding_says_who_signed_and_what_that_rests_on(sign: Any) -> None:
    expiry = notary.YEARS[1] - timedelta(days=400)
    found = sign(notary.payload(annotations={"env": "prod", "a": "b"}), headers=attributes(expiry=expiry))
    finding = verify(found)
    assert (finding.step, finding.reason, finding.claim) == (Step.ESTABLISHED, Reason.OK, Claim.SIGNATURE)
    assert finding.annotations == (("a", "b"), ("env", "prod"))
    assert finding.signer == signer_of(signing_chain(SIGNER.chain))
    assert finding.detail == "holds under CN=acme signer,O=acme,ST=WA,C=US"
    signing = finding.signing
    assert signing is not None
    assert signing.anchor == anchor().id
    assert signing.identity == "CN=acme signer,O=acme,ST=WA,C=US"
    assert signing.rests_on == (f"ca:{signing_chain(SIGNER.chain)[-1].fingerprint}", MAIN.id)
    assert (signing.times, signing.degraded, signing.until) == ((), (), expiry)


def test_without_expiry_the_first_certificate_to_expire_ends_it(sign: Any) -> None:
    finding = verify(sign())
    assert finding.signing is not None
    assert finding.signing.until == notary.YEARS[1]


def test_nobody_trusts_notation(sign: Any) -> None:
    under = Trusting((), trust=Trust(), now=NOW)
    finding = only(notary.verify(sign(), under))
    assert (finding.step, finding.reason) == (Step.OBTAINED, Reason.CERTIFICATE_UNTRUSTED)
    assert finding.signing is None


def test_envelope_beyond_the_limit_is_not_read(sign: Any) -> None:
    found = sign()
    huge = replace(found, body=found.body + b" " * (1 << 20))
    finding = verify(huge)
    assert (finding.step, finding.reason) == (Step.OBTAINED, Reason.TOO_LARGE)


# --- (2) authenticity ---


@pytest.mark.parametrize(
    "stores",
    [
        (store(pki.root("other").der),),
        (store(ROOT.der, kind="signingAuthority"),),
        (store(pki.root("other").der), store(ROOT.der, kind="tsa")),
        (store(),),
    ],
    ids=["other-root", "other-kind", "tsa-only", "empty"],
)
def test_chain_that_no_store_of_the_right_kind_holds(sign: Any, stores: tuple[Any, ...]) -> None:
    finding = verify(sign(), *stores)
    assert (finding.step, finding.reason) == (Step.PARSED, Reason.CERTIFICATE_UNTRUSTED)
    assert (finding.signer, finding.anchor) == ("", anchor(*stores).id)


def test_an_intermediate_or_a_self_signed_leaf_may_be_trusted_itself(sign: Any) -> None:
    assert verify(sign(), store(notary.BETWEEN.der)).established
    alone = pki.certificate(pki.name("alone", c="US", st="WA", o="acme"), notary.SIGNER_MARKS, valid=notary.YEARS)
    assert verify(sign(by=alone), store(alone.der)).established
    assert verify(sign(by=alone)).reason is Reason.CERTIFICATE_UNTRUSTED


def test_same_name_below_another_root(sign: Any) -> None:
    rogue = pki.certificate(ROOT.x509.subject, pki.ca_marks(), secret=pki.key("p256", "rogue"))
    assert verify(sign(by=signer(by=rogue))).reason is Reason.CERTIFICATE_UNTRUSTED


@pytest.mark.parametrize(
    ("identities", "holds"),
    [
        (["C=US, ST=WA, O=acme"], True),
        (["C=US, ST=WA, O=acme, CN=acme signer"], True),
        (["C=US, ST=WA, O=other", "C=US, ST=WA, O=acme"], True),
        (["C=US, ST=WA, O=acm"], False),
        (["C=US, ST=WA, O=acme, CN=acme"], False),
        (["C=US, ST=WA, O=acme, OU=x"], False),
        ([], False),
    ],
)
def test_trusted_identities(sign: Any, identities: list[str], holds: bool) -> None:
    finding = verify(sign(), identities=tuple(map(parse_name, identities)))
    assert finding.established is holds
    if not holds:
        assert (finding.step, finding.reason) == (Step.SIGNED, Reason.IDENTITY_MISMATCH)
        assert finding.signer


def test_a_comma_in_a_value_names_nobody_else(sign: Any) -> None:
    tricky = notary.BETWEEN.issue(
        pki.name("x", c="US", st="WA", o="evil, O=acme"), notary.SIGNER_MARKS, valid=notary.YEARS
    )
    finding = verify(sign(by=tricky), identities=(parse_name("C=US, ST=WA, O=acme"),))
    assert finding.reason is Reason.IDENTITY_MISMATCH


def test_other_repository_has_no_statement(sign: Any) -> None:
    under = anchor(scopes=("registry.test/other",))
    finding = only(notary.verify(sign(), trusting(under)))
    assert (finding.step, finding.reason, finding.anchor) == (Step.PARSED, Reason.CERTIFICATE_UNTRUSTED, under.id)
    assert finding.detail == "no trust policy statement for registry.test/shop/api"


def test_the_statement_for_the_repository_goes_before_the_one_for_all(sign: Any) -> None:
    nobody = NotationStatement(name="all", stores=(MAIN.id,), identities=(parse_name("C=US, ST=WA, O=nobody"),))
    here = NotationStatement(name="here", scopes=("registry.test/shop/api",), stores=(MAIN.id,))
    both = NotationAnchor(statements=(nobody, here))
    assert only(notary.verify(sign(), trusting(both))).established
    elsewhere = notary.image(repository="registry.test/shop/web")
    finding = only(notary.verify(sign(notary.payload(elsewhere)), trusting(both), elsewhere))
    assert finding.reason is Reason.IDENTITY_MISMATCH


def test_each_trust_policy_has_its_own_finding(sign: Any) -> None:
    good, other = anchor(), anchor(identities=(parse_name("C=US, ST=WA, O=other"),))
    found = notary.verify(sign(), trusting(good, other))
    assert [(each.anchor, each.established) for each in found] == [(good.id, True), (other.id, False)]


def test_level_skip_establishes_nothing(sign: Any) -> None:
    """Whether an image passes where nothing is verified is a policy's decision, not a finding."""
    skip = NotationAnchor(statements=(NotationStatement(name="s", skip=True),))
    finding = only(notary.verify(sign(), trusting(skip)))
    assert (finding.step, finding.established) == (Step.PARSED, False)
    assert "skip verification" in finding.detail
    assert [each.anchor for each in notary.verify(sign(), trusting(skip, anchor()))] == [anchor().id]


# --- the payload ---


@pytest.mark.parametrize(
    "change",
    [
        {"digest": f"sha256:{'0' * 64}"},
        {"size": len(IMAGE.manifest) + 1},
        {"mediaType": "application/vnd.docker.distribution.manifest.v2+json"},
    ],
    ids=["digest", "size", "media-type"],
)
@pytest.mark.parametrize("level", [{}, PERMISSIVE, AUDIT], ids=["strict", "permissive", "audit"])
def test_signature_of_something_else(sign: Any, change: dict[str, Any], level: dict[str, Any]) -> None:
    """All three of the descriptor count, at every level."""
    finding = verify(sign(notary.payload(**change)), **level)
    assert (finding.step, finding.reason) == (Step.PAYLOAD, Reason.SUBJECT_MISMATCH)
    assert finding.signer


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"",
        b'{"targetArtifact":[]}',
        b'{"TargetArtifact":{}}',
        notary.payload()[:-1],
        notary.payload().replace(b'"size"', b'"digest":"x","size"'),
        notary.payload(size=None),
        notary.payload(size=True),
        notary.payload(size="19"),
        notary.payload(digest=None),
        notary.payload(digest="sha1:00"),
        notary.payload(digest=IMAGE.subject.digest.hex),
        notary.payload(mediaType=None),
        notary.payload(annotations=[]),
        notary.payload(annotations={"a": 1}),
        notary.payload(Digest=str(IMAGE.subject.digest)),
    ],
)
def test_signed_content_that_is_no_payload(sign: Any, body: bytes) -> None:
    finding = verify(sign(body))
    assert (finding.step, finding.reason) == (Step.SIGNED, Reason.PAYLOAD_MALFORMED)


def test_right_signature_over_the_wrong_type() -> None:
    found = evidence(notary.jws(protected={"cty": "application/json"}))
    assert (verify(found).step, verify(found).reason) == (Step.SIGNED, Reason.PAYLOAD_TYPE_MISMATCH)
    found = evidence(notary.cose(protected={3: "application/json"}), Format.NOTATION_COSE)
    assert (verify(found).step, verify(found).reason) == (Step.SIGNED, Reason.PAYLOAD_TYPE_MISMATCH)


def test_reserved_annotations_are_no_users_word() -> None:
    body = notary.payload(annotations={"io.cncf.notary.x": "y", "env": "prod"}, artifactType="a/b")
    _, annotations = read_payload(body)
    assert annotations == (("env", "prod"),)
    with pytest.raises(MalformedEvidence, match="targetArtifact is NoneType"):
        read_payload(json.dumps({"other": 1}).encode())


# --- (3) authentic time stamp ---

SHORT = signer("short", valid=(pki.SIGNED_AT - timedelta(minutes=5), pki.SIGNED_AT + timedelta(minutes=5)))


def test_expired_certificate_without_a_trusted_time(sign: Any) -> None:
    finding = verify(sign(by=SHORT))
    assert (finding.step, finding.reason) == (Step.SUBJECT, Reason.CERTIFICATE_EXPIRED)
    assert verify(sign(by=SHORT), now=pki.SIGNED_AT).established


def test_certificate_of_the_future(sign: Any) -> None:
    finding = verify(sign(by=SHORT), now=pki.SIGNED_AT - timedelta(days=1))
    assert (finding.step, finding.reason) == (Step.SUBJECT, Reason.CERTIFICATE_INVALID)


def test_authority_of_the_chain_expires_too(sign: Any) -> None:
    old = pki.certificate(
        pki.name("old", o="acme"), pki.ca_marks(), valid=(datetime(2025, 1, 1, tzinfo=UTC), pki.SIGNED_AT)
    )
    finding = verify(sign(by=signer(by=old)), store(old.der))
    assert finding.reason is Reason.CERTIFICATE_EXPIRED


@pytest.mark.parametrize("when", [False, True], ids=["always", "after-expiry"])
def test_time_stamp_says_when_an_expired_certificate_signed(sign: Any, when: bool) -> None:
    finding = verify(sign(by=SHORT, tsa=TSA), *BOTH, after_expiry_only=when)
    assert finding.established
    signing = finding.signing
    assert signing is not None
    assert signing.times == (TrustedTime(at=pki.SIGNED_AT, by=signing.times[0].by),)
    assert signing.times[0].by.startswith("tsa:")
    assert {MAIN.id, STAMPS.id, signing.times[0].by} <= set(signing.rests_on)
    assert signing.until is None


def test_time_stamps_are_only_looked_at_where_they_are_wanted(sign: Any) -> None:
    assert verify(sign(unprotected={}), *BOTH, after_expiry_only=True).established
    assert verify(sign(tsa=TSA)).established
    assert verify(sign(by=SHORT, tsa=TSA)).reason is Reason.CERTIFICATE_EXPIRED
    assert verify(sign(), *BOTH).reason is Reason.NO_TRUSTED_TIME
    assert verify(sign(by=SHORT), *BOTH, after_expiry_only=True).reason is Reason.NO_TRUSTED_TIME
    assert verify(sign(by=SHORT), *BOTH, authentic_timestamp=SKIP).established


@pytest.mark.parametrize(
    ("at", "accuracy", "holds"),
    [
        (SHORT.x509.not_valid_after_utc - timedelta(seconds=1), None, True),
        (SHORT.x509.not_valid_after_utc, None, False),
        (SHORT.x509.not_valid_after_utc, 0, False),
        (SHORT.x509.not_valid_after_utc - timedelta(seconds=5), 5, True),
        (SHORT.x509.not_valid_after_utc - timedelta(seconds=4), 5, False),
        (SHORT.x509.not_valid_before_utc + timedelta(seconds=4), 5, False),
        (SHORT.x509.not_valid_before_utc + timedelta(seconds=5), 5, True),
        (SHORT.x509.not_valid_before_utc - timedelta(hours=1), None, False),
    ],
)
def test_the_whole_range_of_a_time_stamp_lies_in_every_validity(
    sign: Any, at: datetime, accuracy: int | None, holds: bool
) -> None:
    exact = None if not accuracy else tsp.Accuracy({"seconds": accuracy})
    finding = verify(sign(by=SHORT, tsa=TSA, stamp={"at": at, "accuracy": exact}), *BOTH)
    assert finding.established is holds
    if not holds:
        assert (finding.step, finding.reason) == (Step.SUBJECT, Reason.CERTIFICATE_EXPIRED)


def test_time_stamp_of_something_else(sign: Any) -> None:
    """Over the payload, say, and not over the signature."""
    other = pki.Tsa(party=TSA.party).token(notary.payload())
    name = f"{notary.PREFIX}timestampSignature"
    finding = verify(sign(tsa=TSA, stamp={"digest": b"\0" * 32}), *BOTH)
    assert finding.reason is Reason.TIMESTAMP_MISMATCH
    found = sign(unprotected={name: other}) if sign().format is Format.NOTATION_COSE else None
    if found is not None:
        assert verify(found, *BOTH).reason is Reason.TIMESTAMP_MISMATCH


def test_stamp_of_an_authority_that_nobody_trusts(sign: Any) -> None:
    finding = verify(sign(by=SHORT, tsa=pki.tsa(pki.root("other tsa"))), *BOTH)
    assert (finding.step, finding.reason) == (Step.SUBJECT, Reason.TIMESTAMP_UNTRUSTED)


def test_a_ca_store_vouches_for_no_time_stamp(sign: Any) -> None:
    finding = verify(sign(by=SHORT, tsa=TSA), store(ROOT.der, TSA_ROOT.der), store(pki.root("x").der, kind="tsa"))
    assert finding.reason is Reason.TIMESTAMP_UNTRUSTED


def test_stamping_certificates_have_a_form_too(sign: Any) -> None:
    """Without a key usage RFC 3161 lets a certificate stamp; Notation does not."""
    marks = ((x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.TIME_STAMPING]), True),)
    finding = verify(sign(by=SHORT, tsa=pki.tsa(TSA_ROOT, marks=marks)), *BOTH)
    assert (finding.step, finding.reason) == (Step.SUBJECT, Reason.CERTIFICATE_INVALID)
    assert "has no key usage" in finding.detail


# --- scheme signingAuthority ---


def authority(at: datetime = pki.SIGNED_AT) -> dict[str, Any]:
    return attributes(signingScheme="notary.x509.signingAuthority", signingTime=None, authenticSigningTime=at)


def test_signing_authorities_vouch_for_the_time_themselves(sign: Any) -> None:
    trusted = store(ROOT.der, kind="signingAuthority")
    finding = verify(sign(by=SHORT, headers=authority()), trusted)
    assert finding.established
    assert finding.signing is not None
    assert finding.signing.times[0].at == pki.SIGNED_AT
    assert finding.signing.times[0].by == f"ca:{signing_chain(SHORT.chain)[-1].fingerprint}"
    late = sign(by=SHORT, headers=authority(pki.SIGNED_AT + timedelta(hours=1)))
    assert verify(late, trusted).reason is Reason.CERTIFICATE_EXPIRED
    assert verify(sign(by=SHORT, headers=authority())).reason is Reason.CERTIFICATE_UNTRUSTED


# --- (4) expiry, and levels ---


def test_expired_signature(sign: Any) -> None:
    found = sign(headers=attributes(expiry=NOW))
    assert verify(found, now=NOW - timedelta(seconds=1)).established
    finding = verify(found)
    assert (finding.step, finding.reason) == (Step.SUBJECT, Reason.SIGNATURE_EXPIRED)
    assert verify(found, expiry=SKIP).established


def test_what_is_only_logged_is_said(sign: Any) -> None:
    found = sign(by=SHORT, headers=attributes(expiry=NOW))
    finding = verify(found, **PERMISSIVE)
    assert finding.established
    assert finding.signing is not None
    assert [each.partition(":")[0] for each in finding.signing.degraded] == ["certificate-expired", "signature-expired"]
    assert finding.signing.until is None


def test_audit_logs_whom_nobody_trusts(sign: Any) -> None:
    stranger = signer("stranger", by=pki.root("strange"))
    finding = verify(sign(by=stranger, headers=authority()), identities=(parse_name("C=US, ST=WA, O=x"),), **AUDIT)
    assert finding.established
    assert finding.signing is not None
    assert [each.partition(":")[0] for each in finding.signing.degraded] == [
        "certificate-untrusted",
        "identity-mismatch",
        "revocation-unknown",
    ]
    assert (finding.signing.times, finding.signing.rests_on) == ((), ())
    assert not verify(sign(by=stranger), **PERMISSIVE).established


@pytest.mark.parametrize("level", [PERMISSIVE, AUDIT], ids=["permissive", "audit"])
def test_no_level_logs_a_broken_signature(level: dict[str, Any]) -> None:
    document = json.loads(notary.jws())
    document["signature"] = json.loads(notary.jws(notary.payload() + b" "))["signature"]
    finding = verify(evidence(json.dumps(document).encode()), **level)
    assert (finding.step, finding.reason) == (Step.PARSED, Reason.SIGNATURE_INVALID)
