"""RT-17: every bit of what a time stamp says is signed: none can be flipped under a chain that is valid."""

import pytest

from preverify.model.reasons import Reason
from preverify.verify.encodings import der
from preverify.verify.refusal import Refused
from preverify.verify.stamps.responses import check_response
from preverify.verify.stamps.tokens import token_of
from support import pki
from support.real_certificates import recorded

REASONS = {Reason.TIMESTAMP_INVALID, Reason.TIMESTAMP_MISMATCH, Reason.TIMESTAMP_UNTRUSTED}


def info_of(response: bytes) -> bytes:
    """Return the encoded TSTInfo."""
    signed_data = der.elements(der.elements(der.elements(token_of(response))[0].content)[1].content)[0]
    content = der.elements(der.elements(signed_data.content)[2].content)[1]
    return der.elements(content.content)[0].content


@pytest.mark.parametrize("name", ["static-ct", "rekor2-staging", "custom-root", "made here"])
def test_no_bit_of_the_signed_content_can_be_flipped(name: str) -> None:
    if name == "made here":
        tsa = pki.tsa()
        cases = [(tsa.response(b"signature"), b"signature", (tsa.authority,))]
    else:
        real = recorded(name)
        cases = [(each, real.signature, real.timestamp_authorities) for each in real.stamps]
    for response, signed, authorities in cases:
        assert check_response(response, signed, authorities)
        start = response.index(info_of(response))
        for at in range(start, start + len(info_of(response))):
            bent = bytearray(response)
            bent[at] ^= 1 << (at % 8)
            with pytest.raises(Refused) as caught:
                check_response(bytes(bent), signed, authorities)
            assert caught.value.reason in REASONS


@pytest.mark.parametrize("digit", range(14))
def test_no_digit_of_the_time_can_be_changed(digit: int) -> None:
    """What stays readable as a time fails on the signature, not on its form."""
    tsa = pki.tsa()
    response = tsa.response(b"signature")
    at = response.index(b"20260301120500Z") + digit
    bent = bytearray(response)
    bent[at] = ord("1") if bent[at] != ord("1") else ord("0")
    with pytest.raises(Refused) as caught:
        check_response(bytes(bent), b"signature", [tsa.authority])
    assert caught.value.reason in REASONS
