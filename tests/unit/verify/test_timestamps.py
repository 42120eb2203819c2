"""Time stamps: a trusted authority saw exactly these bytes, and which one it was."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import cms, core, tsp
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from hypothesis import given, settings
from hypothesis import strategies as st

from preverify.model.reasons import Reason
from preverify.model.trust import Authority, Period
from preverify.verify.certificates.certificate import authority_certificate
from preverify.verify.encodings import der
from preverify.verify.refusal import Refused
from preverify.verify.stamps.responses import Stamp, check_response, check_token, distinct
from preverify.verify.stamps.tokens import MAX_TOKEN_BYTES, read_token
from support import pki
from support.real_certificates import recorded

AT = pki.SIGNED_AT
SIGNED = b"the bytes of a signature"
SECOND = timedelta(seconds=1)
ROOT = pki.root("stamp root")
UPPER = pki.intermediate(ROOT, "stamp upper", path_length=1)
TSA = pki.tsa(pki.intermediate(UPPER, "stamp issuing"))
INVALID, MISMATCH, UNTRUSTED = Reason.TIMESTAMP_INVALID, Reason.TIMESTAMP_MISMATCH, Reason.TIMESTAMP_UNTRUSTED


def refused(reason: Reason, detail: str, call: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.reason is reason, caught.value.detail
    assert detail in caught.value.detail
    assert len(caught.value.detail) <= 300


def response(*authorities: Authority, tsa: pki.Tsa = TSA, signed: bytes = SIGNED, **how: Any) -> Stamp:
    return check_response(tsa.response(SIGNED, **how), signed, authorities or (tsa.authority,))


def token(*roots: bytes, tsa: pki.Tsa = TSA, signed: bytes = SIGNED, **how: Any) -> Stamp:
    return check_token(tsa.token(SIGNED, **how), signed, roots or (tsa.party.chain[-1],))


# --- accepted ---


@pytest.mark.parametrize("name", ["static-ct", "rekor2-staging", "custom-root"])
def test_real_responses(name: str) -> None:
    real = recorded(name)
    for each in real.stamps:
        found = check_response(each, real.signature, real.timestamp_authorities)
        assert found.by == f"tsa:{authority_certificate(found.chain[-1]).fingerprint}"
        assert found.chain[-1] in {one.certificates[-1] for one in real.timestamp_authorities}
        assert found.accuracy == SECOND
        refused(MISMATCH, "other bytes", lambda e=each: check_response(e, b"else", real.timestamp_authorities))
        refused(UNTRUSTED, "", lambda e=each: check_response(e, real.signature, [TSA.authority]))


def test_what_a_stamp_says() -> None:
    found = response()
    assert found == Stamp(
        at=AT,
        accuracy=None,
        by=f"tsa:{authority_certificate(ROOT.der).fingerprint}",
        chain=TSA.party.chain,
        until=datetime(2049, 1, 1, tzinfo=UTC),
    )
    assert token() == found


@pytest.mark.parametrize("imprint", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_every_hash(imprint: str, hash_name: str) -> None:
    assert response(imprint=imprint, hash_name=hash_name) == token(imprint=imprint, hash_name=hash_name)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048"])
def test_every_kind_of_key(kind: str) -> None:
    tsa = pki.tsa(pki.root(f"root {kind}", kind=kind), kind=kind)
    assert response(tsa=tsa) == token(tsa=tsa)


@pytest.mark.parametrize("ess", ["v1", "v2", "v2-sha384", "v2-sha512"])
def test_every_way_of_naming_the_certificate(ess: str) -> None:
    assert response(ess=ess) == token(ess=ess)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"seconds": 3}, timedelta(seconds=3)),
        ({"millis": 500}, timedelta(milliseconds=500)),
        ({"seconds": 1, "millis": 2, "micros": 3}, timedelta(seconds=1, microseconds=2003)),
    ],
)
def test_accuracy(written: dict[str, int], meant: timedelta) -> None:
    assert response(accuracy=tsp.Accuracy(written)).accuracy == meant


def test_fractions_of_a_second_are_kept() -> None:
    """Cut off, a stamp could come to lie within a validity that it is outside of."""
    assert response(at=AT + timedelta(microseconds=250_000)).at == AT + timedelta(microseconds=250_000)


@pytest.mark.parametrize("embed", [(), (b"\x30\x03garbage"[:5],), TSA.party.chain, TSA.party.chain[::-1]])
def test_certificates_in_the_response_are_of_no_account_where_the_authority_is_listed(embed: tuple[bytes, ...]) -> None:
    embed = tuple(each for each in embed if each.startswith(b"\x30\x82"))
    assert response(embed=embed) == response()


def test_an_authority_may_list_only_what_is_above_its_certificate() -> None:
    above = Authority(certificates=TSA.party.chain[1:])
    assert response(above) == response()
    refused(UNTRUSTED, "not known", lambda: response(above, embed=()))


def test_a_listed_certificate_is_the_only_one_that_counts() -> None:
    other = pki.Tsa(party=TSA.party.above.issue("second tsa", pki.TSA_LEAF))
    refused(UNTRUSTED, "no trusted authority", lambda: response(TSA.authority, tsa=other))
    assert response(TSA.authority, other.authority, tsa=other).chain[0] == other.party.der
    assert response(Authority(certificates=TSA.party.chain[1:]), tsa=other)


def test_a_certificate_that_is_its_own_root() -> None:
    alone = pki.Tsa(party=pki.certificate("alone", pki.TSA_LEAF))
    found = response(tsa=alone)
    assert found == token(tsa=alone) == token(alone.party.der, tsa=alone, embed=(*TSA.party.chain, alone.party.der))
    assert found.chain == (alone.party.der,)
    ended = alone.party.authority(Period(end=AT))
    assert response(ended, tsa=alone).until == AT
    refused(UNTRUSTED, "", lambda: response(replace(ended, valid=Period(end=AT - SECOND)), tsa=alone))
    refused(UNTRUSTED, "", lambda: response(tsa=alone, at=datetime(2049, 1, 1, 0, 0, 1, tzinfo=UTC)))


def test_tokens_bring_their_intermediates() -> None:
    chain = TSA.party.chain
    strangers = pki.tsa().party.chain
    for embed in (chain, chain[:3], chain[:3][::-1], (*strangers, *chain[:3])):
        assert token(embed=embed).chain == chain
    refused(UNTRUSTED, "no trusted authority", lambda: token(embed=chain[:1]))
    refused(UNTRUSTED, "not known", lambda: token(embed=chain[1:]))
    assert token(strangers[-1], ROOT.der).chain == chain


# --- the time ---


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_trust_in_an_authority_has_its_time_ends_included(seconds: int) -> None:
    at = AT + timedelta(seconds=seconds)
    for valid in (Period(start=AT), Period(end=AT)):
        holds = valid.holds(at)
        if holds:
            assert response(TSA.party.authority(valid), at=at).at == at
        else:
            refused(UNTRUSTED, "is trusted", lambda v=valid, a=at: response(TSA.party.authority(v), at=a))


def test_authorities_have_to_be_valid_at_the_time() -> None:
    past = (AT - timedelta(hours=2), AT + SECOND)
    for tsa in (pki.tsa(valid=past), pki.tsa(pki.intermediate(pki.root("r"), "i", valid=past))):
        assert response(tsa=tsa) == token(tsa=tsa)
        late = AT + 2 * SECOND
        refused(UNTRUSTED, late.isoformat(), lambda t=tsa, a=late: response(tsa=t, at=a))
        refused(UNTRUSTED, late.isoformat(), lambda t=tsa, a=late: token(tsa=t, at=a))
        refused(INVALID, "expired", lambda t=tsa, a=AT + SECOND: token(tsa=t, at=a))  # the library's last second


# --- of something else ---


def test_stamps_of_other_bytes() -> None:
    refused(MISMATCH, "other bytes", lambda: response(signed=b"another signature"))
    refused(MISMATCH, "other bytes", lambda: token(signed=b"another signature"))
    refused(MISMATCH, "other bytes", lambda: response(digest=bytes(32)))
    refused(MISMATCH, "other bytes", lambda: response(digest=b""))


# --- of nobody that is trusted ---


def test_authorities_that_are_not_trusted() -> None:
    other = pki.tsa(pki.root("other"))
    refused(UNTRUSTED, "no trusted authority", lambda: response(TSA.authority, tsa=other))
    refused(UNTRUSTED, "no trusted authority", lambda: token(ROOT.der, tsa=other))
    refused(UNTRUSTED, "no trusted authority", lambda: check_response(TSA.response(SIGNED), SIGNED, []))
    refused(UNTRUSTED, "no trusted authority", lambda: check_token(TSA.token(SIGNED), SIGNED, []))
    refused(UNTRUSTED, "certificate of an authority", lambda: check_token(TSA.token(SIGNED), SIGNED, [b"garbage"]))


DIGITAL = pki.TSA_LEAF[0]
BAD_MARKS: dict[str, tuple[pki.Marked, ...]] = {
    "another purpose": (DIGITAL, (x509.ExtendedKeyUsage([Eku.CODE_SIGNING]), True)),
    "one purpose more": (DIGITAL, (x509.ExtendedKeyUsage([Eku.TIME_STAMPING, Eku.CODE_SIGNING]), True)),
    "not critical": (DIGITAL, (x509.ExtendedKeyUsage([Eku.TIME_STAMPING]), False)),
    "no purpose": (DIGITAL,),
    "authority": (*pki.TSA_LEAF, (x509.BasicConstraints(ca=True, path_length=None), True)),
}


@pytest.mark.parametrize("name", sorted(BAD_MARKS))
def test_certificates_that_are_not_for_time_stamps(name: str) -> None:
    tsa = pki.tsa(ROOT, marks=BAD_MARKS[name])
    refused(UNTRUSTED, "the certificate of", lambda: response(tsa=tsa))
    refused(UNTRUSTED, "the certificate of", lambda: token(tsa=tsa))


def test_authorities_for_other_purposes_issue_no_stampers() -> None:
    ca = pki.certificate("code ca", (*pki.ca_marks(), (x509.ExtendedKeyUsage([Eku.CODE_SIGNING]), False)))
    refused(UNTRUSTED, "is not for time stamping", lambda: response(tsa=pki.tsa(ca)))


def test_signed_attributes_name_the_certificate() -> None:
    """Without them, a certificate with the same name, number and key could stand for this one."""
    other = pki.certificate("someone", pki.TSA_LEAF)
    refused(INVALID, "names the certificate of the signer", lambda: response(ess=""))
    for ess in ("v1", "v2"):
        refused(INVALID, "name another certificate", lambda e=ess: response(ess=e, ess_of=other.der))
        refused(INVALID, "name another certificate", lambda e=ess: token(ess=e, ess_of=other.der))


# --- signed by somebody else, or bent ---


def test_signatures_of_another_key() -> None:
    for check in (response, token):
        refused(INVALID, "its signature does not hold", lambda c=check: c(secret=pki.key(name="stranger")))


def signer(change: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda data: change(data["signer_infos"][0])


def second_signer(data: Any) -> None:
    data["signer_infos"] = cms.SignerInfos([data["signer_infos"][0], data["signer_infos"][0].copy()])


def attribute_twice(info: Any) -> None:
    info["signed_attrs"] = cms.CMSAttributes([*info["signed_attrs"], info["signed_attrs"][2]])


def value_twice(info: Any) -> None:
    info["signed_attrs"][0]["values"] = cms.SetOfContentType([pki._TST, "data"])


def by_key_id(info: Any) -> None:
    info["sid"] = cms.SignerIdentifier("subject_key_identifier", core.OctetString(bytes(20)))


def unknown_algorithm(info: Any) -> None:
    info["signature_algorithm"] = {"algorithm": "sha1_ecdsa"}


def many(data: Any) -> None:
    data["certificates"] = [cms.CertificateChoices("certificate", pki._load(TSA.party.der))] * 11


BENT: dict[str, tuple[dict[str, Any], str]] = {
    "two signers": ({"change": second_signer}, "bytes after the element"),
    "by key id": ({"change": signer(by_key_id)}, "expected 30"),
    "version of key ids": ({"change": signer(lambda info: info.__setitem__("version", "v3"))}, "not named by issuer"),
    "attribute twice": ({"change": signer(attribute_twice)}, "stands twice"),
    "value twice": ({"change": signer(value_twice)}, "too many values"),
    "sha1 signature": ({"change": signer(unknown_algorithm)}, "1.2.840.10045.4.1, expected"),
    "no attributes": ({"change": signer(lambda info: info.__setitem__("signed_attrs", None))}, "time stamp:"),
    "no signer": ({"change": lambda data: data.__setitem__("signer_infos", cms.SignerInfos([]))}, "tag missing"),
    "sha1 hash": ({"hash_name": "sha1"}, "1.3.14.3.2.26, expected SHA-256"),
    "sha1 imprint": ({"imprint": "sha1"}, "1.3.14.3.2.26, expected SHA-256"),
    "many certificates": ({"change": many}, "11 certificates, at most 10"),
    "day": ({"accuracy": tsp.Accuracy({"seconds": 90_000})}, "more than a day"),
}


@pytest.mark.parametrize("name", sorted(BENT))
def test_bent_tokens_are_refused(name: str) -> None:
    how, detail = BENT[name]
    refused(INVALID, detail, lambda: response(**how))
    refused(INVALID, detail, lambda: token(**how))


def edited(old: bytes, new: bytes, *, data: bytes | None = None) -> bytes:
    whole = TSA.token(SIGNED) if data is None else data
    assert len(old) == len(new)
    assert old in whole
    return whole.replace(old, new, 1)


def _second(old: bytes, new: bytes) -> bytes:
    first, second, third = TSA.token(SIGNED).split(old)
    return first + old + second + new + third


TST_OID = bytes.fromhex("060b2a864886f70d0109100104")
TIME = b"20260301120500Z"
EDITS: dict[str, tuple[bytes, str]] = {
    "no signed data": (
        edited(bytes.fromhex("2a864886f70d010702"), bytes.fromhex("2a864886f70d010701")),
        "content of a type",
    ),
    "no TSTInfo": (edited(TST_OID, TST_OID[:-1] + b"\x05"), "content of a type"),
    "other content type signed": (_second(TST_OID, TST_OID[:-1] + b"\x05"), "signed as something else"),
    "version 2": (edited(b"\x02\x01\x01\x06\x03*\x03\x04", b"\x02\x01\x02\x06\x03*\x03\x04"), "not version 1"),
    "local time": (edited(TIME, b"20260301120500+"), "DER does not allow"),
    "month 13": (edited(TIME, b"20261301120500Z"), "time stamp: no token"),
    "UTCTime": (edited(b"\x18\x0f" + TIME, b"\x17\x0f" + TIME), "DER does not allow"),
    "empty": (b"", "no token that can be read"),
    "text": (b"a time stamp", "no token that can be read"),
    "nothing inside": (b"\x30\x00", "no token that can be read"),
    "negative accuracy": (
        edited(
            b"\x30\x03\x02\x01\x05",
            b"\x30\x03\x02\x01\xfb",
            data=TSA.token(SIGNED, accuracy=tsp.Accuracy({"seconds": 5})),
        ),
        "an accuracy that cannot be",
    ),
}


@pytest.mark.parametrize("name", sorted(EDITS))
def test_edited_tokens_are_refused(name: str) -> None:
    data, detail = EDITS[name]
    refused(INVALID, detail, lambda: check_token(data, SIGNED, [ROOT.der]))


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (pki.granted(TSA.token(SIGNED), 1), "status 01, expected 00"),
        (pki.granted(TSA.token(SIGNED), 2), "status 02, expected 00"),
        (der.element(der.SEQUENCE, b"\x30\x03\x0c\x01x", TSA.token(SIGNED)), "status 78, expected 00"),
        (der.element(der.SEQUENCE, b"\x34\x03\x02\x01\x00", TSA.token(SIGNED)), "no answer of a time stamp authority"),
        (der.element(der.SEQUENCE, b"\x30\x05\x02\x01\x00\x04\x00", TSA.token(SIGNED)), "a status of another form"),
        (TSA.response(SIGNED) + b"\0", "no answer of a time stamp authority"),
        (TSA.response(SIGNED)[:-1], "no answer of a time stamp authority"),
        (bytes.fromhex("30053003020100"), "no answer of a time stamp authority"),
        (bytes.fromhex("30023000"), "no answer of a time stamp authority"),
        (b"", "no answer of a time stamp authority"),
    ],
)
def test_answers_that_are_no_granted_stamp(data: bytes, detail: str) -> None:
    refused(INVALID, detail, lambda: check_response(data, SIGNED, [TSA.authority]))


def test_a_response_is_no_token_and_the_reverse() -> None:
    refused(INVALID, "", lambda: check_token(TSA.response(SIGNED), SIGNED, [ROOT.der]))


def test_size_is_bounded() -> None:
    for check in (check_response, check_token):
        refused(Reason.TOO_LARGE, "at most", lambda c=check: c(b"0" * (MAX_TOKEN_BYTES + 1), SIGNED, []))


def test_certificates_that_come_along_change_nothing_but_themselves() -> None:
    plain, full = (
        read_token(TSA.token(SIGNED, embed=each)) for each in ((), (*TSA.party.chain, *pki.tsa().party.chain))
    )
    assert plain.certificates == ()
    assert len(full.certificates) == 6
    assert (plain.info, plain.content) == (full.info, full.content)
    assert full.signer.named == plain.signer.named
    for each in (plain, full):
        each.check_signature(authority_certificate(TSA.party.der))


def test_one_authority_is_one_witness() -> None:
    first, again, other = response(), response(at=AT + SECOND), response(tsa=pki.tsa(pki.root("other")))
    assert distinct([first, again, other, again]) == (first, other)
    assert distinct([]) == ()


WHOLE = (TSA.response(SIGNED), TSA.token(SIGNED))
SAID = response()


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 4000), flip=st.integers(1, 255), cut=st.booleans(), bare=st.booleans())
def test_mutants_change_nothing_or_are_refused(at: int, flip: int, cut: bool, bare: bool) -> None:
    """A mutant that holds says the same: it was changed in what nobody signed (the certificates that come along)."""
    whole = WHOLE[bare]
    at %= len(whole)
    mutant = whole[:at] if cut else whole[:at] + bytes((whole[at] ^ flip,)) + whole[at + 1 :]
    try:
        found = check_token(mutant, SIGNED, [ROOT.der]) if bare else check_response(mutant, SIGNED, [TSA.authority])
    except Refused:
        return
    assert found == SAID


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    for check in (
        lambda: check_response(data, SIGNED, [TSA.authority]),
        lambda: check_token(data, SIGNED, [ROOT.der]),
        lambda: check_token(der.element(der.SEQUENCE, data), SIGNED, [ROOT.der]),
    ):
        with pytest.raises(Refused):
            check()
