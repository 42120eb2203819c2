"""Whether a chain is revoked, from what was obtained; the order in which it is asked; how much is asked."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from preverify.model.evidence import Evidence
from preverify.model.reasons import Reason
from preverify.model.revocation import RevocationKind, Wanted
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.notation.chains import Chain
from preverify.verify.refusal import Refused
from preverify.verify.revoked.chain import MAX_WANTED, Answers, Standing, check_chain, fresh_until, wanted_of
from support import pki
from support.notary import BETWEEN, NOW, ROOT, SIGNER, signer
from support.revocations import HOUR, Gone, answer, crl, crl_marks, freshest_marks, ocsp_marks, responder

CRL, SECOND, DELTA = "http://crl.test/a", "http://crl.test/b", "http://crl.test/delta"
OCSP, OTHER = "http://ocsp.test/", "http://other.test/"
Flag = x509.ReasonFlags


def chain_of(party: pki.Party) -> Chain:
    return tuple(map(parse_certificate, party.chain))


def listed(body: bytes, url: str = CRL) -> Evidence:
    return Wanted(kind=RevocationKind.CRL, url=url, issuer=b"").answered(body)


def answered(party: pki.Party, body: bytes, url: str = OCSP) -> Evidence:
    chain = chain_of(party)
    from preverify.verify.revoked.ocsp import request_for

    return Wanted(kind=RevocationKind.OCSP, url=url, request=request_for(chain[0], chain[1]), issuer=b"").answered(body)


def check(party: pki.Party, *found: Evidence, **how: Any) -> Standing:
    return check_chain(chain_of(party), Answers(found), now=NOW, signed_at=how.get("signed_at"))


def refused(party: pki.Party, *found: Evidence, **how: Any) -> tuple[Reason, str]:
    with pytest.raises(Refused) as caught:
        check(party, *found, **how)
    return caught.value.reason, caught.value.detail


def ids(*found: Evidence) -> tuple[str, ...]:
    kinds = {"application/pkix-crl": "crl", "application/ocsp-response": "ocsp"}
    return tuple(sorted(f"{kinds[each.media_type]}:{sha256(each.body).hexdigest()}" for each in found))


def test_nothing_named_is_nothing_revoked() -> None:
    assert check(SIGNER) == Standing(rests_on=(), until=None)


BY_LIST = signer("by list", more=crl_marks([CRL]))
BY_OCSP = signer("by ocsp", more=ocsp_marks(OCSP))
BY_BOTH = signer("by both", more=(*ocsp_marks(OCSP), *crl_marks([CRL])))


def test_by_list() -> None:
    found = listed(crl(BETWEEN))
    assert check(BY_LIST, found) == Standing(rests_on=ids(found), until=NOW + HOUR)
    assert refused(BY_LIST)[0] is Reason.REVOCATION_UNKNOWN
    assert refused(BY_LIST, listed(crl(BETWEEN), SECOND))[0] is Reason.REVOCATION_UNKNOWN
    gone = listed(crl(BETWEEN, Gone(serial=BY_LIST.x509.serial_number)))
    assert refused(BY_LIST, gone)[0] is Reason.CERTIFICATE_REVOKED
    stale = listed(crl(BETWEEN, until=NOW - HOUR, since=NOW - 2 * HOUR))
    assert refused(BY_LIST, stale)[0] is Reason.REVOCATION_UNKNOWN


def test_the_last_answer_to_a_question_counts() -> None:
    gone = listed(crl(BETWEEN, Gone(serial=BY_LIST.x509.serial_number)))
    assert refused(BY_LIST, listed(crl(BETWEEN)), gone)[0] is Reason.CERTIFICATE_REVOKED


def test_by_ocsp() -> None:
    found = answered(BY_OCSP, answer(BY_OCSP))
    assert check(BY_OCSP, found) == Standing(rests_on=ids(found), until=NOW + HOUR)
    assert refused(BY_OCSP)[0] is Reason.REVOCATION_UNKNOWN
    revoked = answered(BY_OCSP, answer(BY_OCSP, status=ocsp.OCSPCertStatus.REVOKED))
    assert refused(BY_OCSP, revoked)[0] is Reason.CERTIFICATE_REVOKED
    other = answered(BY_OCSP, answer(signer("x", more=ocsp_marks(OCSP))))
    assert refused(BY_OCSP, other)[0] is Reason.REVOCATION_UNKNOWN


def test_one_responder_of_several_suffices() -> None:
    party = signer("two", more=ocsp_marks(OTHER, OCSP))
    found = answered(party, answer(party))
    assert check(party, found).rests_on == ids(found)


def test_ocsp_goes_before_lists() -> None:
    good, revoked = (
        answered(BY_BOTH, answer(BY_BOTH, status=status))
        for status in (ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED)
    )
    gone = listed(crl(BETWEEN, Gone(serial=BY_BOTH.x509.serial_number)))
    clean = listed(crl(BETWEEN))
    assert check(BY_BOTH, good, gone).rests_on == ids(good)
    assert refused(BY_BOTH, revoked, clean)[0] is Reason.CERTIFICATE_REVOKED
    unclear = answered(BY_BOTH, answer(BY_BOTH, status=ocsp.OCSPCertStatus.UNKNOWN))
    for nothing in ((), (unclear,)):
        assert check(BY_BOTH, *nothing, clean).rests_on == ids(clean)
        assert refused(BY_BOTH, *nothing, gone)[0] is Reason.CERTIFICATE_REVOKED
        assert refused(BY_BOTH, *nothing)[0] is Reason.REVOCATION_UNKNOWN


def test_addresses_that_may_not_be_asked_leave_it_unknown() -> None:
    """They say that somebody knows; that nobody may be asked does not make it good."""
    for marks in (ocsp_marks("https://ocsp.test/"), crl_marks(["ldap://x"]), crl_marks([CRL], ["ldap://x"])):
        party = signer("far", more=marks)
        assert refused(party, listed(crl(BETWEEN)))[0] is Reason.REVOCATION_UNKNOWN


def test_every_list_counts_and_any_of_its_addresses_will_do() -> None:
    either = signer("either", more=crl_marks([CRL, SECOND]))
    found = listed(crl(BETWEEN), SECOND)
    assert check(either, found).rests_on == ids(found)
    both = signer("both", more=crl_marks([CRL], [SECOND]))
    assert refused(both, found)[0] is Reason.REVOCATION_UNKNOWN
    first = listed(crl(BETWEEN, number=9))
    assert check(both, first, found).rests_on == ids(first, found)
    gone = listed(crl(BETWEEN, Gone(serial=both.x509.serial_number)), SECOND)
    assert refused(both, first, gone)[0] is Reason.CERTIFICATE_REVOKED


def test_every_authority_of_the_chain_counts() -> None:
    between = ROOT.issue("listed authority", (*pki.ca_marks(), *crl_marks([CRL])))
    party = signer("below", by=between)
    assert refused(party)[0] is Reason.REVOCATION_UNKNOWN
    assert check(party, listed(crl(ROOT))).rests_on
    gone = listed(crl(ROOT, Gone(serial=between.x509.serial_number)))
    assert refused(party, gone)[0] is Reason.CERTIFICATE_REVOKED
    assert refused(party, listed(crl(between)))[0] is Reason.REVOCATION_UNKNOWN


def test_the_root_is_not_asked_about() -> None:
    root = pki.certificate("listed root", (*pki.ca_marks(), *crl_marks([CRL])))
    party = signer("below", by=root)
    assert check(party) == Standing(rests_on=(), until=None)


@pytest.mark.parametrize("where", ["list", "certificate"])
def test_changes_of_a_list_are_needed_where_they_are_named(where: str) -> None:
    named = freshest_marks([DELTA])
    party = signer("fresh", more=(*crl_marks([CRL]), *(named if where == "certificate" else ())))
    marks = named if where == "list" else ()
    serial = party.x509.serial_number
    base = listed(crl(BETWEEN, marks=marks))
    held = listed(crl(BETWEEN, Gone(serial=serial, reason=Flag.certificate_hold, at=NOW - 9 * HOUR), marks=marks))
    fresh = listed(crl(BETWEEN, number=6, base=5, until=NOW + HOUR / 2), DELTA)
    gone = listed(crl(BETWEEN, Gone(serial=serial), number=6, base=5), DELTA)
    back = listed(
        crl(BETWEEN, Gone(serial=serial, reason=Flag.remove_from_crl, at=NOW - 8 * HOUR), number=6, base=5), DELTA
    )
    assert refused(party, base)[0] is Reason.REVOCATION_UNKNOWN
    assert check(party, base, fresh) == Standing(rests_on=ids(base, fresh), until=NOW + HOUR / 2)
    assert refused(party, base, gone)[0] is Reason.CERTIFICATE_REVOKED
    assert refused(party, held, fresh)[0] is Reason.CERTIFICATE_REVOKED
    assert check(party, held, back).rests_on == ids(held, back)
    stray = listed(crl(BETWEEN, number=6, base=6), DELTA)
    assert refused(party, base, stray)[0] is Reason.REVOCATION_UNKNOWN
    stale = listed(crl(BETWEEN, number=6, base=5, until=NOW - HOUR / 2), DELTA)
    assert refused(party, base, stale)[0] is Reason.REVOCATION_UNKNOWN


def test_changes_that_cannot_be_had() -> None:
    base = listed(crl(BETWEEN, marks=freshest_marks(["ldap://x"])))
    assert refused(BY_LIST, base)[0] is Reason.REVOCATION_UNKNOWN


def test_a_responder_is_checked_by_its_issuers_lists() -> None:
    who = responder(BETWEEN, nocheck=False, marks=crl_marks([CRL]))
    found = answered(BY_OCSP, answer(BY_OCSP, by=who))
    assert refused(BY_OCSP, found)[0] is Reason.REVOCATION_UNKNOWN
    clean = listed(crl(BETWEEN, until=NOW + HOUR / 2))
    assert check(BY_OCSP, found, clean) == Standing(rests_on=ids(found, clean), until=NOW + HOUR / 2)
    gone = listed(crl(BETWEEN, Gone(serial=who.x509.serial_number, invalid_since=NOW)))
    reason, detail = refused(BY_OCSP, found, gone, signed_at=NOW - HOUR)
    assert (reason, "responder cannot be relied on" in detail) == (Reason.REVOCATION_UNKNOWN, True)
    unlisted = answered(BY_OCSP, answer(BY_OCSP, by=responder(BETWEEN, nocheck=False)))
    assert check(BY_OCSP, unlisted).rests_on == ids(unlisted)


def test_answers_beyond_the_limit() -> None:
    assert "an answer of" in refused(BY_OCSP, answered(BY_OCSP, b"x" * ((64 << 10) + 1)))[1]
    assert "an answer of" in refused(BY_LIST, listed(b"x" * ((10 << 20) + 1)))[1]


# --- what is wanted ---


def rounds(party: pki.Party, answer_to: Callable[[Wanted], bytes | None]) -> list[list[str]]:
    """Ask round after round as the caller of `wanted_of` does; return the addresses of each round."""
    found: list[Evidence] = []
    asked: list[Wanted] = []
    seen: list[list[str]] = []
    for _ in range(5):
        new = wanted_of(chain_of(party), Answers(found), asked=asked, now=NOW)
        if not new:
            return seen
        seen.append([each.url for each in new])
        for each in new:
            body = answer_to(each)
            found += [] if body is None else [each.answered(body)]
        asked += new
    raise AssertionError(f"still asking after {seen}")


def says(answers: dict[str, bytes]) -> Callable[[Wanted], bytes | None]:
    return lambda each: answers.get(each.url)


def test_lists_are_only_asked_for_where_ocsp_says_nothing() -> None:
    good = answer(BY_BOTH)
    assert rounds(BY_BOTH, says({OCSP: good})) == [[OCSP]]
    assert rounds(BY_BOTH, says({OCSP: answer(BY_BOTH, status=ocsp.OCSPCertStatus.REVOKED)})) == [[OCSP]]
    for answers in ({}, {OCSP: b"x"}, {OCSP: answer(BY_BOTH, status=ocsp.OCSPCertStatus.UNKNOWN)}):
        assert rounds(BY_BOTH, says(answers)) == [[OCSP], [CRL]]
    assert rounds(BY_LIST, says({})) == [[CRL]]
    assert rounds(BY_OCSP, says({})) == [[OCSP]]
    assert rounds(SIGNER, says({})) == []


def test_changes_are_asked_for_when_a_list_names_them() -> None:
    base = crl(BETWEEN, marks=freshest_marks([DELTA]))
    assert rounds(BY_BOTH, says({CRL: base})) == [[OCSP], [CRL], [DELTA]]
    named = signer("fresh", more=(*crl_marks([CRL]), *freshest_marks([DELTA])))
    assert rounds(named, says({CRL: crl(BETWEEN)})) == [[CRL], [DELTA]]


def test_lists_about_a_responder_are_asked_for() -> None:
    who = responder(BETWEEN, nocheck=False, marks=crl_marks([SECOND]))
    assert rounds(BY_BOTH, says({OCSP: answer(BY_BOTH, by=who)})) == [[OCSP], [SECOND]]


def test_what_is_asked_names_the_certificate() -> None:
    (question,) = wanted_of(chain_of(BY_OCSP), Answers(()), asked=(), now=NOW)
    request = ocsp.load_der_ocsp_request(question.request)
    assert (question.kind, request.serial_number) == (RevocationKind.OCSP, BY_OCSP.x509.serial_number)
    assert question.issuer == BETWEEN.der
    (question,) = wanted_of(chain_of(BY_LIST), Answers(()), asked=(), now=NOW)
    assert (question.kind, question.request) == (RevocationKind.CRL, b"")


def test_one_chain_asks_so_much_and_no_more() -> None:
    many = [f"http://crl.test/{i}" for i in range(MAX_WANTED + 5)]
    party = signer("many", more=(*ocsp_marks(OCSP, OTHER), *crl_marks(many)))
    seen = rounds(party, says({}))
    assert [len(each) for each in seen] == [2, MAX_WANTED - 2]
    assert sum(map(len, rounds(signer("m", more=crl_marks(many)), says({})))) == MAX_WANTED


# --- what is worth keeping ---


def test_only_what_the_issuer_signed_is_kept() -> None:
    wanted = Wanted(kind=RevocationKind.CRL, url=CRL, issuer=BETWEEN.der)
    assert fresh_until(wanted, crl(BETWEEN), NOW) == NOW + HOUR
    assert fresh_until(wanted, crl(ROOT), NOW) is None
    assert fresh_until(wanted, crl(BETWEEN), NOW + 2 * HOUR) is None
    assert fresh_until(wanted, b"", NOW) is None
    (asked,) = wanted_of(chain_of(BY_OCSP), Answers(()), asked=(), now=NOW)
    assert fresh_until(asked, answer(BY_OCSP), NOW) == NOW + HOUR
    assert fresh_until(asked, answer(BY_OCSP, by=ROOT), NOW) is None
    unreadable = Wanted(kind=RevocationKind.CRL, url=CRL, issuer=b"x")
    assert fresh_until(unreadable, crl(BETWEEN), NOW) is None


def test_chains_of_one_have_nothing_to_ask() -> None:
    chain: Sequence[Any] = chain_of(ROOT)
    assert wanted_of(chain, Answers(()), asked=(), now=NOW) == ()
