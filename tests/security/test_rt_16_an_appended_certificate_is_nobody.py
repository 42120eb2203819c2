"""RT-16: certificates appended to a time stamp are not signed: whoever they name, the stamp stays its maker's."""

import random

import pytest
from asn1crypto import cms, core

from preverify.model.reasons import Reason
from preverify.verify.refusal import Refused
from preverify.verify.stamps.responses import Stamp, check_response, check_token
from support import pki
from support.real_certificates import recorded

SIGNED = b"the bytes of a signature"
TRUE = pki.tsa(pki.intermediate(pki.root("true root"), "true issuing"))
STRANGER = pki.root("true root", secret=pki.key(name="stranger"))
ATTACKER = pki.key(name="attacker")


def forged(like: pki.Party, by: pki.Party = STRANGER) -> pki.Party:
    """Return an attacker's certificate with the name, number and issuer of a true one."""
    x = like.x509
    return pki.certificate(x.subject, pki.TSA_LEAF, by=by, issuer=x.issuer, serial=x.serial_number, secret=ATTACKER)


FORGED = forged(TRUE.party)
APPENDED = {
    "a copy of the name": (FORGED,),
    "a whole chain": (pki.leaf(STRANGER), pki.intermediate(STRANGER, "true issuing"), STRANGER),
    "another authority": (pki.tsa(STRANGER).party,),
}


def both(**how: object) -> tuple[Stamp, Stamp]:
    response = check_response(TRUE.response(SIGNED, **how), SIGNED, [TRUE.authority])
    return response, check_token(TRUE.token(SIGNED, **how), SIGNED, [TRUE.party.chain[-1]])


@pytest.mark.parametrize("name", sorted(APPENDED))
def test_appended_certificates_are_without_effect(name: str) -> None:
    own, more = TRUE.party.chain[:-1], tuple(each.der for each in APPENDED[name])
    for embed in ((*own, *more), (*more, *own)):
        for found in both(embed=embed):
            assert found.chain == TRUE.party.chain


@pytest.mark.parametrize("ess_of", [TRUE.party.der, FORGED.der], ids=["naming the true one", "naming the forged one"])
@pytest.mark.parametrize("ess", ["v1", "v2"])
def test_a_stamp_by_the_attacker_is_never_the_true_authoritys(ess: str, ess_of: bytes) -> None:
    """Right name, right number, true certificate along with it, and signed by another key."""
    for embed in ((TRUE.party.der, FORGED.der), (FORGED.der, TRUE.party.der), (FORGED.der,)):
        how = {"secret": ATTACKER, "ess": ess, "ess_of": ess_of, "embed": (*embed, *TRUE.party.chain[1:-1])}
        for check in (
            lambda how=how: check_response(TRUE.response(SIGNED, **how), SIGNED, [TRUE.authority]),
            lambda how=how: check_token(TRUE.token(SIGNED, **how), SIGNED, [TRUE.party.chain[-1]]),
        ):
            with pytest.raises(Refused) as caught:
                check()
            assert caught.value.reason in (Reason.TIMESTAMP_INVALID, Reason.TIMESTAMP_UNTRUSTED)


@pytest.mark.parametrize("name", ["static-ct", "rekor2-staging", "custom-root"])
def test_real_stamps_with_a_forged_certificate_appended(name: str) -> None:
    real = recorded(name)
    random.seed(16)
    for response in real.stamps:
        before = check_response(response, real.signature, real.timestamp_authorities)
        for copied in (False, True):
            answer = cms.ContentInfo.load(core.Sequence.load(response)[1].dump())
            data = answer["content"]
            true = pki.Party(x509=pki.x509.load_der_x509_certificate(before.chain[0]), key=None)
            added = cms.CertificateChoices("certificate", pki._load((forged(true) if copied else FORGED).der))
            choices = [*data["certificates"], added] if data["certificates"] else [added]
            random.shuffle(choices)
            data["certificates"] = cms.CertificateSet(choices)
            bent = pki.granted(answer.dump(force=True))
            assert bent != response
            assert check_response(bent, real.signature, real.timestamp_authorities) == before
