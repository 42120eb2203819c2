"""Chains of Notation: whole, in order, made for signing; what is one step beside it is refused, and says which."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from preverify.model.distinguished_names import parse_name
from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.notation.chains import (
    algorithm_of,
    check_signature,
    check_stamping_chain,
    signer_of,
    signing_chain,
    subject_of,
)
from preverify.verify.refusal import Refused
from support import pki
from support.notary import BETWEEN, ROOT, SIGNER, SIGNER_MARKS, sign_raw, signer

CODE = ExtendedKeyUsageOID.CODE_SIGNING


def refusal(check: Callable[[], object]) -> tuple[Reason, str]:
    with pytest.raises(Refused) as caught:
        check()
    return caught.value.reason, caught.value.detail


def marked(*names: str, purposes: Iterable[x509.ObjectIdentifier] = (CODE,), critical: bool = True) -> pki.Party:
    marks: list[pki.Marked] = [(pki.usage(*names), critical)] if names else []
    kinds = list(purposes)
    return signer("marked", marks=[*marks, *([(x509.ExtendedKeyUsage(kinds), False)] if kinds else [])])


@pytest.mark.parametrize(
    "party",
    [
        SIGNER,
        marked("digital_signature", purposes=()),
        marked("digital_signature", "content_commitment"),
        marked("digital_signature", purposes=(CODE, x509.ObjectIdentifier("1.2.3.4"))),
        signer("leaf below root", by=ROOT),
        signer("not an authority", more=[(x509.BasicConstraints(ca=False, path_length=None), True)]),
    ],
    ids=["plain", "no-purpose", "commitment", "other-purpose", "short", "constraints"],
)
def test_chains_of_the_right_form(party: pki.Party) -> None:
    assert [each.der for each in signing_chain(party.chain)] == list(party.chain)


def test_single_certificate_may_sign_itself() -> None:
    alone = pki.certificate(pki.name("alone", c="US", st="WA", o="acme"), SIGNER_MARKS)
    assert len(signing_chain(alone.chain)) == 1


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        ((SIGNER.der,), "is the last of the chain, but not self-signed"),
        ((SIGNER.der, BETWEEN.der), "is the last of the chain, but not self-signed"),
        ((SIGNER.der, ROOT.der), "is not issued by the next"),
        ((SIGNER.der, ROOT.der, BETWEEN.der), "is not issued by the next"),
        ((BETWEEN.der, SIGNER.der, ROOT.der), "is not issued by the next"),
        ((*SIGNER.chain, ROOT.der), "is self-signed, but not the last"),
        ((*SIGNER.chain, pki.root("other").der), "is self-signed, but not the last"),
        ((SIGNER.der, SIGNER.der, BETWEEN.der, ROOT.der), "is not issued by the next"),
        (BETWEEN.chain, "is an authority"),
        ((ROOT.der,), "is an authority"),
        ((SIGNER.der, b"x"), "not a certificate"),
        ((b"",), "not a certificate"),
    ],
)
def test_chains_that_are_incomplete_or_out_of_order(chain: tuple[bytes, ...], said: str) -> None:
    reason, detail = refusal(lambda: signing_chain(chain))
    assert (reason, said in detail) == (Reason.CERTIFICATE_INVALID, True), detail


def test_certificate_by_another_key_of_that_name() -> None:
    """Names alone issue nothing."""
    impostor = ROOT.issue(BETWEEN.x509.subject, pki.ca_marks(0), secret=pki.key("p256", "impostor"))
    reason, detail = refusal(lambda: signing_chain((signer("x", by=impostor).der, *BETWEEN.chain)))
    assert (reason, "is not issued by the next" in detail) == (Reason.CERTIFICATE_INVALID, True)


USES = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")


@pytest.mark.parametrize(
    ("party", "said"),
    [
        *((marked("digital_signature", each), each.replace("_", " ")) for each in USES),
        (marked("digital_signature", "key_agreement", "encipher_only"), "key agreement"),
        (marked("content_commitment"), "not for digital signatures"),
        (marked(purposes=(CODE,)), "has no key usage"),
        (marked("digital_signature", critical=False), "not critical"),
        (marked("digital_signature", purposes=(CODE, ExtendedKeyUsageOID.SERVER_AUTH)), "servers"),
        (marked("digital_signature", purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)), "clients"),
        (marked("digital_signature", purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)), "mail"),
        (marked("digital_signature", purposes=(ExtendedKeyUsageOID.TIME_STAMPING,)), "time stamps"),
        (marked("digital_signature", purposes=(ExtendedKeyUsageOID.OCSP_SIGNING,)), "OCSP"),
        (marked("digital_signature", purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), "any purpose"),
        (signer("ca", more=[(x509.BasicConstraints(ca=True, path_length=None), True)]), "is an authority"),
    ],
)
def test_leaves_for_anything_else(party: pki.Party, said: str) -> None:
    reason, detail = refusal(lambda: signing_chain(party.chain))
    assert (reason, said in detail) == (Reason.CERTIFICATE_INVALID, True), detail


def authority(*marks: pki.Marked, below: pki.Party = ROOT, **how: Any) -> pki.Party:
    return below.issue(pki.name("odd authority", o="acme"), marks, **how)


CA = (x509.BasicConstraints(ca=True, path_length=None), True)
SIGNS = (pki.usage("key_cert_sign"), True)


@pytest.mark.parametrize(
    ("between", "said"),
    [
        (authority(SIGNS), "not, critically, an authority"),
        (authority((x509.BasicConstraints(ca=True, path_length=None), False), SIGNS), "not, critically, an authority"),
        (authority((x509.BasicConstraints(ca=False, path_length=None), True), SIGNS), "not, critically, an authority"),
        (authority(CA), "has no key usage"),
        (authority(CA, (pki.usage("key_cert_sign"), False)), "not critical"),
        (authority(CA, (pki.usage("crl_sign"), True)), "not for signing certificates"),
        (authority(CA, SIGNS, kind="ed25519"), "neither an RSA nor an EC key"),
        (authority(CA, SIGNS, below=authority(*pki.ca_marks(0))), "allows 0 authorities below it, 1 are there"),
    ],
)
def test_authorities_that_may_issue_nothing(between: pki.Party, said: str) -> None:
    reason, detail = refusal(lambda: signing_chain(signer("below", by=between).chain))
    assert (reason, said in detail) == (Reason.CERTIFICATE_INVALID, True), detail


def test_weak_hash_in_the_chain() -> None:
    weak = pki.resigned(SIGNER, BETWEEN.key, algorithm="sha1_ecdsa")
    reason, _ = refusal(lambda: signing_chain((weak.der, *BETWEEN.chain)))
    assert reason is Reason.CERTIFICATE_INVALID


@pytest.mark.parametrize("kind", ["rsa1024", "rsa3500", "ed25519", "secp256k1"])
def test_keys_that_notation_does_not_sign_with(kind: str) -> None:
    reason, _ = refusal(lambda: signing_chain(signer(kind, kind=kind).chain))
    assert reason in (Reason.ALGORITHM_NOT_ALLOWED, Reason.CERTIFICATE_INVALID)


def test_odd_sizes_and_curves_are_named() -> None:
    reason, detail = refusal(lambda: algorithm_of(parse_certificate(signer("odd", kind="rsa3500").der)))
    assert (reason, "RSA of 3500 bits" in detail) == (Reason.ALGORITHM_NOT_ALLOWED, True)
    reason, detail = refusal(lambda: algorithm_of(parse_certificate(signer("ed", kind="ed25519").der)))
    assert (reason, "Ed25519" in detail) == (Reason.ALGORITHM_NOT_ALLOWED, True)


def test_subject_beyond_the_limit() -> None:
    names = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{i:060d}") for i in range(60)]
    huge = BETWEEN.issue(x509.Name(names), SIGNER_MARKS)
    reason, detail = refusal(lambda: signing_chain(huge.chain))
    assert (reason, "a subject of" in detail) == (Reason.CERTIFICATE_INVALID, True)


def test_one_signer_for_certificates_of_one_subject() -> None:
    """Renewed certificates are no second signer; the same name below another root is one."""
    renewed = signer(secret=pki.key("p384", "renewed"))
    assert renewed.der != SIGNER.der
    assert signer_of(signing_chain(renewed.chain)) == signer_of(signing_chain(SIGNER.chain))
    assert signer_of(signing_chain(signer("other").chain)) != signer_of(signing_chain(SIGNER.chain))
    elsewhere = pki.certificate(ROOT.x509.subject, pki.ca_marks(), secret=pki.key("p256", "elsewhere"))
    assert signer_of(signing_chain(signer(by=elsewhere).chain)) != signer_of(signing_chain(SIGNER.chain))


def subject(*parts: Iterable[tuple[x509.ObjectIdentifier, str]]) -> pki.Party:
    rdns = [x509.RelativeDistinguishedName([x509.NameAttribute(*each) for each in part]) for part in parts]
    return BETWEEN.issue(x509.Name(rdns), SIGNER_MARKS)


COUNTRY, STATE, COMPANY = (
    (NameOID.COUNTRY_NAME, "US"),
    (NameOID.STATE_OR_PROVINCE_NAME, "WA"),
    (NameOID.ORGANIZATION_NAME, "acme"),
)


def test_subjects_in_the_form_of_identities() -> None:
    tricky = subject([COUNTRY], [STATE], [(NameOID.ORGANIZATION_NAME, "a, CN=b")])
    found = subject_of(parse_certificate(tricky.der))
    assert found == parse_name(r"C=US, ST=WA, O=a\, CN\=b")
    assert dict(found).get("CN") is None


@pytest.mark.parametrize(
    "party",
    [
        subject([COUNTRY], [COMPANY]),
        subject([COUNTRY, STATE], [COMPANY]),
        subject([COUNTRY], [STATE], [COMPANY], [(NameOID.ORGANIZATION_NAME, "other")]),
        subject([COUNTRY], [STATE], [COMPANY], [(NameOID.EMAIL_ADDRESS, "a@b.test")]),
    ],
    ids=["missing", "multi-valued", "twice", "other-type"],
)
def test_subjects_that_no_identity_is_compared_with(party: pki.Party) -> None:
    reason, _ = refusal(lambda: subject_of(parse_certificate(party.der)))
    assert reason is Reason.IDENTITY_MISMATCH


def stamping(*marks: pki.Marked) -> tuple[Any, ...]:
    party = ROOT.issue(pki.name("tsa", o="acme"), marks)
    return tuple(map(parse_certificate, party.chain))


STAMPS = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)


def test_chains_of_time_stamps() -> None:
    check_stamping_chain(stamping((pki.usage("digital_signature"), False), STAMPS))


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ((STAMPS,), "has no key usage"),
        (((pki.usage("digital_signature"), True),), "for time stamps alone"),
        (
            ((pki.usage("digital_signature"), True), (STAMPS[0], False)),
            "for time stamps alone",
        ),
        (
            (
                (pki.usage("digital_signature"), True),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING, CODE]), True),
            ),
            "for time stamps alone",
        ),
        (((pki.usage("digital_signature", "key_cert_sign"), True), STAMPS), "key cert sign"),
    ],
)
def test_stampers_for_anything_else(marks: tuple[pki.Marked, ...], said: str) -> None:
    reason, detail = refusal(lambda: check_stamping_chain(stamping(*marks)))
    assert (reason, said in detail) == (Reason.CERTIFICATE_INVALID, True), detail


@pytest.mark.parametrize(("kind", "algorithm"), [("p256", "ES256"), ("p384", "ES384"), ("rsa2048", "PS256")])
def test_raw_signatures(kind: str, algorithm: str) -> None:
    party = signer(kind, kind=kind)
    leaf = parse_certificate(party.der)
    good = sign_raw(party, b"signed", algorithm)
    check_signature(leaf, algorithm, good, b"signed")
    for signature, message in ((good, b"other"), (good[:-1], b"signed"), (good + b"x", b"signed"), (b"", b"signed")):
        reason, _ = refusal(lambda s=signature, m=message: check_signature(leaf, algorithm, s, m))
        assert reason is Reason.SIGNATURE_INVALID
    for other in ("RS256", "none", "PS384" if kind == "rsa2048" else "PS256"):
        reason, detail = refusal(lambda o=other: check_signature(leaf, o, good, b"signed"))
        assert (reason, f"signs with {algorithm}" in detail) == (Reason.ALGORITHM_NOT_ALLOWED, True)
