"""Revocation lists: what they say about one certificate; what they do not say clearly is unknown."""

from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import Certificate, parse_certificate
from preverify.verify.refusal import Refused
from preverify.verify.revoked.crls import (
    Crl,
    check_base,
    check_current,
    check_delta,
    check_listed,
    freshest_of,
    points_of,
    read_crl,
    usable_url,
)
from support import pki
from support.notary import BETWEEN, NOW, SIGNER, signer
from support.revocations import HOUR, Gone, crl, crl_marks, freshest_marks, scope

ISSUER = parse_certificate(BETWEEN.der)
LEAF = parse_certificate(SIGNER.der)
SERIAL = SIGNER.x509.serial_number
URL = "http://crl.test/a.crl"
Flag = x509.ReasonFlags


def read(*gone: Gone, issuer: Certificate = ISSUER, by: pki.Party = BETWEEN, **how: Any) -> Crl:
    return read_crl(crl(by, *gone, **how), issuer)


def unknown(check: Any) -> str:
    with pytest.raises(Refused) as caught:
        check()
    assert caught.value.reason is Reason.REVOCATION_UNKNOWN
    return caught.value.detail


def test_a_list_is_read() -> None:
    found = read(Gone(serial=7), number=3, marks=freshest_marks(["http://crl.test/delta"]))
    assert (found.number, found.base, found.scope) == (3, None, None)
    assert found.freshest == (("http://crl.test/delta",),)
    assert (found.next_update, found.last_update) == (NOW + HOUR, NOW - HOUR)
    check_current(found, NOW)
    check_base(found, LEAF, URL)
    check_listed([found], LEAF, None)
    assert read(number=None, base=2).base == 2


BLIND = BETWEEN.issue(
    "blind", ((x509.BasicConstraints(ca=True, path_length=None), True), (pki.usage("key_cert_sign"), True))
)


@pytest.mark.parametrize(
    ("body", "issuer", "said"),
    [
        (b"", ISSUER, "not a revocation list"),
        (crl(BETWEEN)[:-1], ISSUER, "not a revocation list"),
        (SIGNER.der, ISSUER, "not a revocation list"),
        (crl(pki.root("other")), ISSUER, "is not by"),
        (crl(pki.root("other"), issuer=BETWEEN.x509.subject), ISSUER, "does not hold under"),
        (crl(BETWEEN, issuer=pki.name("other")), ISSUER, "is not by"),
        (crl(BLIND), parse_certificate(BLIND.der), "may sign none"),
        (crl(BETWEEN, marks=[(pki.raw("1.2.3", b"\5\0"), True)]), ISSUER, "critical extension 1.2.3"),
    ],
)
def test_lists_that_are_none_of_the_issuers(body: bytes, issuer: Certificate, said: str) -> None:
    assert said in unknown(lambda: read_crl(body, issuer))


def test_one_bit_of_a_list() -> None:
    body = bytearray(crl(BETWEEN, Gone(serial=SERIAL)))
    body[len(body) // 2] ^= 1
    unknown(lambda: read_crl(bytes(body), ISSUER))


def test_weak_hash_and_unsaid_end() -> None:
    old = pki.root("sha1 root", kind="rsa2048")
    weak = crl(old, algorithm=hashes.SHA224())
    assert "not signed with SHA-256" in unknown(lambda: read_crl(weak, parse_certificate(old.der)))
    endless = asn1_crl.CertificateList.load(crl(BETWEEN))
    body = endless["tbs_cert_list"].copy()
    del body["next_update"]
    new = asn1_crl.CertificateList(
        {
            "tbs_cert_list": body,
            "signature_algorithm": endless["signature_algorithm"].copy(),
            "signature": pki.sign(BETWEEN.key, body.dump(force=True)),
        }
    )
    assert "until when" in unknown(lambda: read_crl(new.dump(force=True), ISSUER))


def test_lists_past_their_time_or_before_it() -> None:
    check_current(read(until=NOW), NOW)
    check_current(read(since=NOW + timedelta(minutes=5)), NOW)
    assert "was good until" in unknown(lambda: check_current(read(until=NOW - timedelta(seconds=1)), NOW))
    early = read(since=NOW + timedelta(minutes=6))
    assert "has not come yet" in unknown(lambda: check_current(early, NOW))


URLS = [x509.UniformResourceIdentifier(URL)]


@pytest.mark.parametrize(
    ("how", "covers_leaf", "covers_authority"),
    [
        ({"full_name": URLS}, True, True),
        ({"full_name": URLS, "only_contains_user_certs": True}, True, False),
        ({"full_name": URLS, "only_contains_ca_certs": True}, False, True),
        ({"full_name": [x509.UniformResourceIdentifier("http://crl.test/b.crl")]}, False, False),
        ({"full_name": [x509.DirectoryName(pki.name("x"))]}, False, False),
        ({"only_contains_user_certs": True}, True, False),
        ({"only_contains_attribute_certs": True}, False, False),
        ({"indirect_crl": True}, False, False),
        ({"only_some_reasons": frozenset({Flag.key_compromise})}, False, False),
        (
            {"relative_name": x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])},
            False,
            False,
        ),
    ],
)
def test_scope_of_a_list(how: dict[str, Any], *, covers_leaf: bool, covers_authority: bool) -> None:
    found = read(marks=scope(**how))
    for certificate, covered in ((LEAF, covers_leaf), (ISSUER, covers_authority)):
        if covered:
            check_base(found, certificate, URL)
        else:
            assert "of other scope or place" in unknown(lambda c=certificate: check_base(found, c, URL))


def test_a_list_of_changes_is_no_base() -> None:
    assert "list of changes" in unknown(lambda: check_base(read(base=1), LEAF, URL))


def test_lists_of_changes_fit_their_base() -> None:
    base = read(number=5)
    check_delta(read(number=6, base=5), base, LEAF, URL)
    check_delta(read(number=5, base=3), base, LEAF, URL)
    for delta, under in (
        (read(number=6, base=6), base),
        (read(number=4, base=3), base),
        (read(number=6), base),
        (read(number=None, base=5), base),
        (read(number=6, base=5), read(number=None)),
    ):
        unknown(lambda d=delta, u=under: check_delta(d, u, LEAF, URL))
    narrow = read(number=6, base=5, marks=scope(only_contains_ca_certs=True))
    assert "other scope" in unknown(lambda: check_delta(narrow, base, LEAF, URL))


@pytest.mark.parametrize("reason", [None, Flag.key_compromise, Flag.certificate_hold, Flag.superseded])
def test_listed_is_revoked(reason: x509.ReasonFlags | None) -> None:
    found = read(Gone(serial=1), Gone(serial=SERIAL, reason=reason))
    with pytest.raises(Refused, match="was revoked at") as caught:
        check_listed([found], LEAF, None)
    assert caught.value.reason is Reason.CERTIFICATE_REVOKED
    check_listed([found], parse_certificate(signer("other").der), None)


@pytest.mark.parametrize(("signed", "good"), [(-1, True), (0, False), (1, False), (None, False)])
def test_what_became_invalid_later_was_good_when_it_signed(signed: int | None, *, good: bool) -> None:
    since = NOW - 5 * HOUR
    found = read(Gone(serial=SERIAL, reason=Flag.key_compromise, invalid_since=since))
    at = None if signed is None else since + timedelta(seconds=signed)
    if good:
        check_listed([found], LEAF, at)
        return
    with pytest.raises(Refused, match="keyCompromise"):
        check_listed([found], LEAF, at)


def test_without_an_invalidity_date_the_time_of_signing_does_not_help() -> None:
    with pytest.raises(Refused):
        check_listed([read(Gone(serial=SERIAL))], LEAF, NOW - 100 * HOUR)


def test_a_hold_is_taken_back_and_nothing_else() -> None:
    held = read(Gone(serial=SERIAL, reason=Flag.certificate_hold, at=NOW - 9 * HOUR))
    back = read(Gone(serial=SERIAL, reason=Flag.remove_from_crl, at=NOW - 8 * HOUR), number=6, base=5)
    again = read(Gone(serial=SERIAL, reason=Flag.certificate_hold, at=NOW - 7 * HOUR), number=6, base=5)
    older = read(Gone(serial=SERIAL, reason=Flag.remove_from_crl, at=NOW - 10 * HOUR), number=6, base=5)
    lost = read(Gone(serial=SERIAL, reason=Flag.key_compromise))
    check_listed([held, back], LEAF, None)
    for lists in ([held], [held, again], [held, older], [lost, back], [held, lost], [read(), again]):
        with pytest.raises(Refused) as caught:
            check_listed(lists, LEAF, None)
        assert caught.value.reason is Reason.CERTIFICATE_REVOKED


def test_entries_of_others_or_unreadable_ones() -> None:
    indirect = ((x509.CertificateIssuer([x509.DirectoryName(pki.name("x"))]), True),)
    found = read(Gone(serial=SERIAL, more=indirect))
    assert "critical extension" in unknown(lambda: check_listed([found], LEAF, None))
    odd = read(Gone(serial=SERIAL, more=((pki.raw("2.5.29.21", b"\x30\x00"), False),)))
    assert "cannot be read" in unknown(lambda: check_listed([odd], LEAF, None))


def test_addresses_of_lists() -> None:
    found = parse_certificate(
        signer(more=(*crl_marks(["ldap://x/y", URL, "https://x/z"], ["ldap://x"]), *freshest_marks([URL]))).der
    )
    assert points_of(found) == ((URL,), ())
    assert freshest_of(found) == ((URL,),)
    assert (points_of(LEAF), freshest_of(LEAF)) == ((), ())
    partly = signer(more=crl_marks([URL], reasons=frozenset({Flag.key_compromise})))
    theirs = signer(more=crl_marks([URL], crl_issuer=[x509.DirectoryName(pki.name("x"))]))
    assert points_of(parse_certificate(partly.der)) == ((),)
    assert points_of(parse_certificate(theirs.der)) == ((),)
    relative = x509.DistributionPoint(
        None, x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")]), None, None
    )
    nameless = signer(more=((x509.CRLDistributionPoints([relative]), False),))
    assert points_of(parse_certificate(nameless.der)) == ((),)


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        (URL, True),
        ("HTTP://crl.test:80/x?y", True),
        ("https://crl.test/", False),
        ("ldap://crl.test/", False),
        ("file:///etc/passwd", False),
        ("http://", False),
        ("http://user@crl.test/", False),
        ("http://crl.test:0/", False),
        ("http://crl.test:x/", False),
        ("http://[::1/", False),
        ("http://crl.test/a b", False),
        ("http://crl.test/\r\nX: y", False),
        ("http://crl.tést/", False),
        ("http://crl.test/" + "a" * 1024, False),
    ],
)
def test_addresses_that_may_be_asked(url: str, *, usable: bool) -> None:
    assert usable_url(url) is usable


FULL = crl(
    BETWEEN,
    Gone(serial=SERIAL, reason=Flag.certificate_hold, invalid_since=NOW),
    marks=(*scope(full_name=URLS), *freshest_marks(["http://crl.test/delta"])),
)


@given(st.integers(0, len(FULL) - 1), st.integers(0, 255), st.booleans())
def test_any_list_ends_in_an_answer_or_is_unknown(at: int, value: int, again: bool) -> None:
    """The library reads lazily, so a part that is none may turn up anywhere; signed anew, all of it is looked at."""
    body = bytearray(FULL)
    body[at] = value
    changed = bytes(body)
    if again:
        try:
            whole = asn1_crl.CertificateList.load(changed, strict=True)
            whole["signature"] = pki.sign(BETWEEN.key, whole["tbs_cert_list"].dump())
            changed = whole.dump(force=True)
        except (ValueError, TypeError, KeyError):  # the other library's words for what it cannot read
            pass
    try:
        found = read_crl(changed, ISSUER)
        check_base(found, LEAF, URL)
        check_listed([found], LEAF, None)
    except Refused as error:
        assert error.reason in (Reason.REVOCATION_UNKNOWN, Reason.CERTIFICATE_REVOKED)  # noqa: PT017  it need not refuse
