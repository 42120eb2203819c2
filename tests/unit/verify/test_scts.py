"""A certificate's promise that it is public: one, of a trusted log, over exactly this certificate."""

from datetime import timedelta

import pytest
from cryptography import x509

from preverify.model.reasons import Reason
from preverify.model.trust import Log, Period
from preverify.verify.certificates.certificate import authority_certificate, parse_certificate
from preverify.verify.certificates.paths import check_path
from preverify.verify.certificates.scts import check_sct
from preverify.verify.refusal import Refused
from support import pki
from support.real_certificates import recorded

AT = pki.SIGNED_AT
ROOT = pki.root()
ISSUING = pki.intermediate(ROOT)
LOG = pki.CtLog(key=pki.key(name="ct"))
SECOND = timedelta(seconds=1)


def leaf(*logs: pki.CtLog, **how: object) -> pki.Party:
    makers = [lambda body, log=log: log.sct(body, ISSUING, **how) for log in logs]
    return pki.logged(pki.leaf(ISSUING), ISSUING, *makers)


def check(party: pki.Party, *logs: Log, issuer: pki.Party = ISSUING) -> str:
    return check_sct(parse_certificate(party.der), authority_certificate(issuer.der), logs or (LOG.log,))


def refused(reason: Reason, detail: str, party: pki.Party, *logs: Log, issuer: pki.Party = ISSUING) -> None:
    with pytest.raises(Refused) as caught:
        check(party, *logs, issuer=issuer)
    assert caught.value.reason is reason, caught.value.detail
    assert detail in caught.value.detail


@pytest.mark.parametrize("name", ["public-good", "static-ct", "rekor2-staging", "custom-root"])
def test_real_certificates_of_every_kind_of_log(name: str) -> None:
    real = recorded(name)
    read = parse_certificate(real.leaf)
    issuer = check_path(read, real.authorities, [read.not_before]).issuer
    found = check_sct(read, issuer, real.ct_logs)
    sct = read.x509.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value[0]
    assert found == f"ct:{sct.log_id.hex()}"
    others = [each for each in real.ct_logs if each.id != sct.log_id]
    with pytest.raises(Refused, match="none of the"):
        check_sct(read, issuer, others)


def test_the_static_log_writes_extensions() -> None:
    """Left out of the signed bytes, every certificate of such logs would be refused."""
    read = parse_certificate(recorded("static-ct").leaf)
    sct = read.x509.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value[0]
    assert len(sct.extension_bytes) > 0


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048"])
def test_logs_with_every_kind_of_key(kind: str) -> None:
    log = pki.CtLog(key=pki.key(kind, "ct"))
    for extensions in (b"", b"leaf index"):
        party = leaf(log, extensions=extensions)
        assert check(party, log.log) == f"ct:{log.id.hex()}"
        assert check_path(parse_certificate(party.der), [ISSUING.authority()], [AT])


def test_without_any() -> None:
    refused(Reason.SCT_MISSING, "carries no", pki.leaf(ISSUING))
    refused(Reason.SCT_MISSING, "carries no", leaf())


def test_two_are_refused() -> None:
    other = pki.CtLog(key=pki.key(name="ct 2"))
    refused(Reason.SCT_INVALID, "2 of them", leaf(LOG, other), LOG.log, other.log)
    refused(Reason.SCT_INVALID, "2 of them", leaf(LOG, LOG))


def test_a_log_that_is_not_trusted() -> None:
    stranger = pki.CtLog(key=pki.key(name="stranger"))
    refused(Reason.SCT_INVALID, "none of the 1 trusted", leaf(stranger))
    pretending = Log(key=pki.spki(stranger.key), id=LOG.id)
    refused(Reason.SCT_INVALID, "not signed by log", leaf(LOG), pretending)


def test_a_log_has_its_time_ends_included() -> None:
    party = leaf(LOG)

    def log(start: timedelta, end: timedelta) -> Log:
        return Log(key=LOG.log.key, id=LOG.id, valid=Period(start=AT + start, end=AT + end))

    assert check(party, log(timedelta(), timedelta()))
    assert check(party, log(SECOND, SECOND), log(-SECOND, SECOND))
    refused(Reason.SCT_INVALID, "when it was not trusted", party, log(-SECOND, -SECOND), log(SECOND, SECOND))


def test_a_promise_about_another_certificate() -> None:
    def elsewhere(body: bytes) -> bytes:
        return LOG.sct(pki.leaf(ISSUING, "https://other.test").x509.tbs_certificate_bytes, ISSUING)

    refused(Reason.SCT_INVALID, "not signed by log", pki.logged(pki.leaf(ISSUING), ISSUING, elsewhere))
    refused(Reason.SCT_INVALID, "not signed by log", leaf(LOG), issuer=ROOT)


@pytest.mark.parametrize("at", range(8))
def test_the_time_is_signed(at: int) -> None:
    def moved(body: bytes) -> bytes:
        sct = bytearray(LOG.sct(body, ISSUING))
        sct[33 + at] ^= 1
        return bytes(sct)

    party = pki.logged(pki.leaf(ISSUING), ISSUING, moved)
    with pytest.raises(Refused) as caught:
        check(party)
    assert caught.value.reason is Reason.SCT_INVALID


def test_milliseconds_count() -> None:
    assert check(leaf(LOG, at=AT + timedelta(milliseconds=987)))


def test_forms_that_cannot_be_read() -> None:
    for bent in (lambda body: b"\x01" + LOG.sct(body, ISSUING)[1:], lambda body: LOG.sct(body, ISSUING)[:-1]):
        with pytest.raises(Refused) as caught:
            check(pki.logged(pki.leaf(ISSUING), ISSUING, bent))
        assert caught.value.reason is Reason.CERTIFICATE_INVALID


def test_a_log_with_a_key_that_cannot_be_used() -> None:
    refused(Reason.SCT_INVALID, "cannot be used", leaf(LOG), Log(key=b"no key", id=LOG.id))
