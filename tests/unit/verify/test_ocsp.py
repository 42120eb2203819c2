"""OCSP answers: whose they are, about whom, for how long; what is not clear is unknown."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.refusal import Refused
from preverify.verify.revoked.ocsp import Good, read_answer, request_for, urls_of
from support import pki
from support.notary import BETWEEN, NOW, ROOT, SIGNER, signer
from support.revocations import HOUR, answer, ocsp_marks, responder

ISSUER = parse_certificate(BETWEEN.der)
LEAF = parse_certificate(SIGNER.der)
REQUEST = request_for(LEAF, ISSUER)
REVOKED = ocsp.OCSPCertStatus.REVOKED


def ask(body: bytes, **how: Any) -> Good:
    return read_answer(body, REQUEST, ISSUER, now=NOW, **how)


def unknown(body: bytes, **how: Any) -> str:
    with pytest.raises(Refused) as caught:
        ask(body, **how)
    assert caught.value.reason is Reason.REVOCATION_UNKNOWN
    return caught.value.detail


def test_good_by_the_issuer() -> None:
    assert ask(answer(SIGNER)) == Good(until=NOW + HOUR, responder=None)


@pytest.mark.parametrize("kind", ["rsa2048", "p384"])
def test_good_by_issuers_with_other_keys(kind: str) -> None:
    above = pki.intermediate(ROOT, f"{kind} authority", kind=kind)
    below = signer("below", by=above)
    issuer = parse_certificate(above.der)
    request = request_for(parse_certificate(below.der), issuer)
    assert read_answer(answer(below), request, issuer, now=NOW).responder is None


def test_the_request_is_always_the_same() -> None:
    assert request_for(LEAF, ISSUER) == REQUEST
    assert ocsp.load_der_ocsp_request(REQUEST).serial_number == SIGNER.x509.serial_number


def test_good_by_a_responder_of_the_issuers_making() -> None:
    assert ask(answer(SIGNER, by=responder(BETWEEN))).responder is None
    checked = responder(BETWEEN, nocheck=False)
    assert ask(answer(SIGNER, by=checked)).responder == parse_certificate(checked.der)
    first = responder(BETWEEN, kind="rsa2048")
    assert ask(answer(SIGNER, by=first, embed=[SIGNER, responder(ROOT), first])).responder is None


STRANGER = pki.root("stranger")
LATE = (NOW - 2 * HOUR, NOW - HOUR)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not an OCSP answer"),
        (answer(SIGNER)[:-1], "not an OCSP answer"),
        (answer(SIGNER, certificate=signer("other")), "is about certificate"),
        (answer(SIGNER, issuer=STRANGER), "another issuer"),
        (answer(SIGNER, hashed=hashes.SHA256()), "another issuer"),
        (answer(SIGNER, by=STRANGER), "signed neither by"),
        (answer(SIGNER, by=STRANGER, embed=[]), "signed neither by"),
        (answer(SIGNER, by=responder(STRANGER)), "signed neither by"),
        (answer(SIGNER, by=responder(ROOT)), "signed neither by"),
        (answer(SIGNER, by=SIGNER), "signed neither by"),
        (answer(SIGNER, by=responder(BETWEEN, valid=LATE)), "signed neither by"),
        (answer(SIGNER, by=responder(BETWEEN), embed=[]), "signed neither by"),
        (answer(SIGNER, by=responder(BETWEEN), embed=[SIGNER] * 6), "signed neither by"),
        (answer(SIGNER, algorithm=hashes.SHA224()), "signed neither by"),
        (answer(SIGNER, until=NOW - timedelta(seconds=1), since=NOW - HOUR), "was good until"),
        (answer(SIGNER, until=None), "an unsaid time"),
        (answer(SIGNER, since=NOW + timedelta(minutes=6)), "has not come yet"),
        (answer(SIGNER, status=ocsp.OCSPCertStatus.UNKNOWN), "does not know"),
        (answer(SIGNER, marks=[(pki.raw("1.2.3", b"\5\0"), True)]), "critical extension 1.2.3"),
        (
            ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
                pki.Encoding.DER
            ),
            "says try_later",
        ),
    ],
)
def test_what_is_no_clear_answer(body: bytes, said: str) -> None:
    assert said in unknown(body)


def test_responder_certificate_that_cannot_be_read_takes_no_part() -> None:
    weak = pki.resigned(responder(BETWEEN), BETWEEN.key, algorithm="sha1_ecdsa")
    assert "signed neither by" in unknown(answer(SIGNER, by=weak))


def test_a_key_that_answers_are_not_read_from() -> None:
    odd = responder(BETWEEN, kind="ed25519")
    assert "signed neither by" in unknown(answer(SIGNER, by=responder(BETWEEN), embed=[odd]))


def test_one_bit_of_an_answer() -> None:
    body = bytearray(answer(SIGNER))
    body[-1] ^= 1
    unknown(bytes(body))


def test_nonces_are_harmless() -> None:
    ask(answer(SIGNER, marks=[(x509.OCSPNonce(b"12345678"), False)]))


def test_an_answer_about_several() -> None:
    from asn1crypto import ocsp as asn1_ocsp

    whole = asn1_ocsp.OCSPResponse.load(answer(SIGNER))
    basic = whole["response_bytes"]["response"].parsed
    body = basic["tbs_response_data"]
    body["responses"].append(body["responses"][0].copy())
    basic["signature"] = pki.sign(BETWEEN.key, body.dump(force=True))
    new = asn1_ocsp.OCSPResponse(
        {
            "response_status": "successful",
            "response_bytes": {"response_type": "basic_ocsp_response", "response": basic.untag()},
        }
    )
    assert "several certificates" in unknown(new.dump(force=True))


def test_revoked() -> None:
    with pytest.raises(Refused, match="was revoked at") as caught:
        ask(answer(SIGNER, status=REVOKED), signed_at=NOW - 100 * HOUR)
    assert caught.value.reason is Reason.CERTIFICATE_REVOKED


@pytest.mark.parametrize(("signed", "good"), [(-1, True), (0, False), (1, False), (None, False)])
def test_what_became_invalid_later_was_good_when_it_signed(signed: int | None, *, good: bool) -> None:
    since = NOW - 5 * HOUR
    body = answer(SIGNER, status=REVOKED, invalid_since=since)
    at = None if signed is None else since + timedelta(seconds=signed)
    if good:
        assert ask(body, signed_at=at).until == NOW + HOUR
        return
    with pytest.raises(Refused) as caught:
        ask(body, signed_at=at)
    assert caught.value.reason is Reason.CERTIFICATE_REVOKED


def test_addresses_of_responders() -> None:
    assert urls_of(LEAF) is None
    some = signer(more=ocsp_marks("http://ocsp.test/", "https://ocsp.test/"))
    assert urls_of(parse_certificate(some.der)) == ("http://ocsp.test/",)
    none = signer(more=ocsp_marks("https://ocsp.test/"))
    assert urls_of(parse_certificate(none.der)) == ()
    issuers = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                x509.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://x/")
            )
        ]
    )
    assert urls_of(parse_certificate(signer(more=[(issuers, False)]).der)) is None


FULL = answer(SIGNER, by=responder(BETWEEN, nocheck=False), status=REVOKED, invalid_since=NOW)


@given(st.integers(0, len(FULL) - 1), st.integers(0, 255))
def test_any_answer_is_clear_or_unknown(at: int, value: int) -> None:
    body = bytearray(FULL)
    body[at] = value
    try:
        ask(bytes(body), signed_at=NOW - HOUR)
    except Refused as error:
        assert error.reason in (Reason.REVOCATION_UNKNOWN, Reason.CERTIFICATE_REVOKED)  # noqa: PT017  it need not refuse
