"""Who may be asked at all: only chains that a statement for this repository anchors, below an intact signature."""

from typing import Any

from preverify.model.anchors import Action, NotationAnchor, NotationStatement
from preverify.model.evidence import Evidence, Flaw, Format
from preverify.model.findings import Step
from preverify.model.reasons import Reason
from preverify.model.trust import Trust
from preverify.verify.revocation import MAX_ROUNDS, wanted
from preverify.verify.trusting import Trusting
from support import notary, pki
from support.notary import BETWEEN, IMAGE, MAIN, NOW, anchor, evidence, sign, signer, store, trusting
from support.revocations import Gone, answer, crl, crl_marks, ocsp_marks

__all__ = ["sign"]
CRL, OCSP, STAMPED = "http://crl.test/a", "http://ocsp.test/", "http://tsa.test/crl"
LISTED = signer("listed", more=crl_marks([CRL]))
TSA_ROOT = pki.root("listed tsa root")
TSA = pki.tsa(TSA_ROOT, marks=(*pki.TSA_LEAF, *crl_marks([STAMPED])))
STAMPS = store(TSA_ROOT.der, kind="tsa", name="stamps")
BOTH = (MAIN, STAMPS)


def urls(found: Evidence, under: Trusting | None = None) -> list[str]:
    return [each.url for each in wanted([found], IMAGE, under or trusting())]


def test_anchored_chains_are_asked_about(sign: Any) -> None:
    found = sign(by=LISTED)
    assert urls(found) == [CRL]
    (question,) = wanted([found, found, sign(by=LISTED)], IMAGE, trusting())
    assert wanted([found], IMAGE, trusting(), asked=[question]) == ()
    assert urls(sign(by=LISTED), trusting(anchor(revocation=Action.LOG))) == [CRL]


def test_nobody_else_is(sign: Any) -> None:
    """Whoever can push could otherwise make us send requests wherever they like."""
    found = sign(by=LISTED)
    for under in (
        trusting(stores=(store(pki.root("other").der),)),
        trusting(stores=(store(notary.ROOT.der, kind="signingAuthority"),)),
        trusting(anchor(revocation=Action.SKIP)),
        trusting(anchor(scopes=("registry.test/other",))),
        trusting(NotationAnchor(statements=(NotationStatement(name="s", skip=True),))),
        Trusting((), trust=Trust(), now=NOW),
    ):
        assert urls(found, under) == []
    broken = found.body[:-9] + bytes((found.body[-9] ^ 3,)) + found.body[-8:]
    assert urls(evidence(broken, found.format)) == []
    assert urls(evidence(b"", found.format)) == []
    assert urls(sign()) == [], "names nobody who could be asked"
    flaw = Flaw(reason=Reason.TOO_LARGE, detail="x")
    assert urls(Evidence(**{**{n: getattr(found, n) for n in found.__slots__}, "flaw": flaw})) == []
    assert urls(evidence(found.body, Format.SIGSTORE_BUNDLE)) == []


def test_time_stamps_are_asked_about_where_they_are_wanted(sign: Any) -> None:
    found = sign(by=LISTED, tsa=TSA)
    assert urls(found, trusting(stores=BOTH)) == [CRL, STAMPED]
    assert urls(found) == [CRL]
    skipped = anchor(*BOTH, authentic_timestamp=Action.SKIP)
    assert urls(found, trusting(skipped, stores=BOTH)) == [CRL]
    only_stamp = anchor(*BOTH, revocation=Action.SKIP)
    assert urls(found, trusting(only_stamp, stores=BOTH)) == [STAMPED]
    strange = sign(by=LISTED, tsa=pki.tsa(pki.root("x"), marks=(*pki.TSA_LEAF, *crl_marks([STAMPED]))))
    assert urls(strange, trusting(stores=BOTH)) == [CRL]


def test_with_the_answers_a_verification_knows(sign: Any) -> None:
    """Asked until nothing is wanted, as the pipeline does, then verified."""
    both = signer("both", more=(*ocsp_marks(OCSP), *crl_marks([CRL])))
    found, serial = sign(by=both, tsa=TSA), both.x509.serial_number
    stamped = {STAMPED: crl(TSA_ROOT)}

    def outcome(answers: dict[str, bytes], **statement: Any) -> Any:
        asked: list[Any] = []
        got: list[Evidence] = []
        for _ in range(MAX_ROUNDS):
            under = trusting(anchor(*BOTH, **statement), stores=BOTH, revocation=got)
            new = wanted([found], IMAGE, under, asked=asked)
            asked += new
            got += [each.answered(answers[each.url]) for each in new if each.url in answers]
        under = trusting(anchor(*BOTH, **statement), stores=BOTH, revocation=got)
        assert wanted([found], IMAGE, under, asked=asked) == ()
        return notary.only(notary.verify(found, under))

    good = outcome({OCSP: answer(both), **stamped})
    assert good.established
    assert {each.partition(":")[0] for each in good.signing.rests_on} == {"ca", "crl", "ocsp", "store", "tsa"}
    assert good.signing.until is not None
    assert outcome({CRL: crl(BETWEEN), **stamped}).established
    gone = outcome({CRL: crl(BETWEEN, Gone(serial=serial)), **stamped})
    assert (gone.step, gone.reason) == (Step.SUBJECT, Reason.CERTIFICATE_REVOKED)
    later = crl(BETWEEN, Gone(serial=serial, invalid_since=NOW))
    assert outcome({CRL: later, **stamped}).established, "the time stamp says that it signed before"
    assert outcome(stamped).reason is Reason.REVOCATION_UNKNOWN
    assert outcome({OCSP: answer(both)}).reason is Reason.REVOCATION_UNKNOWN, "nothing known of the stamp's authority"
    revoked = outcome({OCSP: answer(both), STAMPED: crl(TSA_ROOT, Gone(serial=TSA.party.x509.serial_number))})
    assert revoked.reason is Reason.CERTIFICATE_REVOKED
    assert outcome({}, revocation=Action.SKIP).reason is Reason.REVOCATION_UNKNOWN, "always enforced for time stamps"
    logged = outcome({}, revocation=Action.LOG, authentic_timestamp=Action.LOG)
    assert [each.partition(":")[0] for each in logged.signing.degraded] == ["revocation-unknown"] * 2
