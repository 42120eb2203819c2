"""RT-25: revoked signing and time stamp certificates, by OCSP and by list, over HTTP from a responder of ours."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.x509 import ocsp

from preverify.model.evidence import Evidence
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.model.revocation import Wanted
from preverify.registry.addresses import Reach
from preverify.registry.revocation import FetchLimits, RevocationFetcher
from preverify.verify.revocation import MAX_ROUNDS, wanted
from support import notary, pki
from support.clock import Stopped
from support.notary import BETWEEN, IMAGE, MAIN, NOW, anchor, evidence, only, signer, store, trusting
from support.revocations import HOUR, Gone, Publisher, answer, crl, crl_marks, ocsp_marks, publisher, responder

REVOKED = ocsp.OCSPCertStatus.REVOKED
TSA_ROOT = pki.root("watched tsa root")


@pytest.fixture
def server() -> Iterator[Publisher]:
    with publisher() as running:
        yield running


def judge(found: Evidence, *, tsa: bool = False) -> Finding:
    """Ask as the pipeline does, until nothing is wanted, and verify under `strict`."""
    quick = FetchLimits(ocsp_total=timedelta(seconds=1), crl_total=timedelta(seconds=1))
    fetcher = RevocationFetcher(clock=Stopped(NOW), directory=None, reach=Reach.PRIVATE, limits=quick)
    stores = (MAIN, store(TSA_ROOT.der, kind="tsa", name="t")) if tsa else (MAIN,)
    asked: list[Wanted] = []
    got: list[Evidence] = []
    for _ in range(MAX_ROUNDS):
        new = wanted([found], IMAGE, trusting(anchor(*stores), stores=stores, revocation=got), asked=asked)
        asked += new
        got += fetcher.fetch(new)[0]
    return only(notary.verify(found, trusting(anchor(*stores), stores=stores, revocation=got)))


def signed_at(moment: datetime) -> dict[str, Any]:
    """Return how to sign with a time stamp of this moment."""
    return {"tsa": pki.tsa(TSA_ROOT), "stamp": {"at": moment}}


def test_good(server: Publisher) -> None:
    party = signer("watched", more=ocsp_marks(server.url("ocsp")))
    server.put("ocsp", answer(party))
    assert judge(evidence(notary.jws(by=party))).established


def test_revoked_by_ocsp(server: Publisher) -> None:
    party = signer("watched", more=ocsp_marks(server.url("ocsp")))
    server.put("ocsp", answer(party, status=REVOKED))
    assert judge(evidence(notary.jws(by=party))).reason is Reason.CERTIFICATE_REVOKED


def test_revoked_by_list(server: Publisher) -> None:
    party = signer("watched", more=crl_marks([server.url("crl")]))
    server.put("crl", crl(BETWEEN, Gone(serial=party.x509.serial_number)))
    assert judge(evidence(notary.jws(by=party))).reason is Reason.CERTIFICATE_REVOKED


@pytest.mark.parametrize("way", ["ocsp", "crl"])
@pytest.mark.parametrize(("hours", "good"), [(-1, True), (1, False)], ids=["signed-before", "signed-after"])
def test_revoked_with_an_invalidity_date(server: Publisher, way: str, hours: int, *, good: bool) -> None:
    since = NOW - 12 * HOUR
    marks = ocsp_marks(server.url(way)) if way == "ocsp" else crl_marks([server.url(way)])
    party = signer("watched", more=marks)
    said = (
        answer(party, status=REVOKED, invalid_since=since)
        if way == "ocsp"
        else crl(BETWEEN, Gone(serial=party.x509.serial_number, invalid_since=since))
    )
    server.put(way, said)
    finding = judge(evidence(notary.jws(by=party, **signed_at(since + hours * HOUR))), tsa=True)
    assert finding.established is good
    if not good:
        assert finding.reason is Reason.CERTIFICATE_REVOKED
    unstamped = judge(evidence(notary.jws(by=party)))
    assert unstamped.reason is Reason.CERTIFICATE_REVOKED, "nobody trusted says when it was signed"


@pytest.mark.parametrize("case", ["other-serial", "expired", "stranger", "unknown", "unreachable", "404"])
def test_what_is_no_answer_leaves_it_unknown(server: Publisher, case: str) -> None:
    party = signer("watched", more=ocsp_marks(server.url("ocsp") if case != "unreachable" else "http://127.0.0.1:1/"))
    bodies = {
        "other-serial": answer(signer("other")),
        "expired": answer(party, until=NOW - HOUR / 2),
        "stranger": answer(party, by=pki.root("stranger")),
        "unknown": answer(party, status=ocsp.OCSPCertStatus.UNKNOWN),
    }
    if case in bodies:
        server.put("ocsp", bodies[case])
    assert judge(evidence(notary.jws(by=party))).reason is Reason.REVOCATION_UNKNOWN


def test_delegated_responders_are_checked_themselves(server: Publisher) -> None:
    party = signer("watched", more=ocsp_marks(server.url("ocsp")))
    who = responder(BETWEEN, nocheck=False, marks=crl_marks([server.url("responders")]))
    server.put("ocsp", answer(party, by=who))
    found = evidence(notary.jws(by=party))
    assert judge(found).reason is Reason.REVOCATION_UNKNOWN
    server.put("responders", crl(BETWEEN))
    assert judge(found).established
    server.put("responders", crl(BETWEEN, Gone(serial=who.x509.serial_number)))
    assert judge(found).reason is Reason.REVOCATION_UNKNOWN
    server.put("ocsp", answer(party, by=responder(BETWEEN)))
    assert judge(found).established


def test_time_stamp_authority_that_is_revoked(server: Publisher) -> None:
    tsa = pki.tsa(TSA_ROOT, marks=(*pki.TSA_LEAF, *crl_marks([server.url("tsa")])))
    found = evidence(notary.jws(tsa=tsa))
    assert judge(found, tsa=True).reason is Reason.REVOCATION_UNKNOWN
    server.put("tsa", crl(TSA_ROOT))
    assert judge(found, tsa=True).established
    server.put("tsa", crl(TSA_ROOT, Gone(serial=tsa.party.x509.serial_number)))
    assert judge(found, tsa=True).reason is Reason.CERTIFICATE_REVOKED


def test_nobody_is_asked_for_a_chain_that_is_not_anchored(server: Publisher) -> None:
    party = signer("watched", by=pki.root("nobody's"), more=crl_marks([server.url("crl")]))
    finding = judge(evidence(notary.jws(by=party)))
    assert finding.reason is Reason.CERTIFICATE_UNTRUSTED
    assert server.asked == []
