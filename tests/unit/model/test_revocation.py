"""Questions and answers about revocations."""

from hashlib import sha256

from preverify.model.evidence import Format, Place
from preverify.model.revocation import RevocationKind, Wanted


def test_answers_say_what_they_answer() -> None:
    lists = Wanted(kind=RevocationKind.CRL, url="http://crl.test/a", issuer=b"x")
    asked = Wanted(kind=RevocationKind.OCSP, url="http://ocsp.test/", request=b"r", issuer=b"x")
    found = asked.answered(b"body")
    assert (found.format, found.place, found.body) == (Format.REVOCATION, Place.REVOCATION, b"body")
    assert found.media_type == "application/ocsp-response"
    assert found.annotation("url") == "http://ocsp.test/"
    assert found.annotation("asked") == sha256(b"r").hexdigest()
    assert (lists.asked, lists.answered(b"body").annotation("asked")) == ("", "")
    assert lists.answered(b"body").media_type == "application/pkix-crl"
