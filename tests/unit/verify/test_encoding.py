"""Base64, strictly."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.verify.encodings.text import from_base64


@given(data=st.binary(max_size=100), url_safe=st.booleans())
def test_reads_what_was_encoded(data: bytes, url_safe: bool) -> None:
    assert from_base64(base64.b64encode(data).decode(), "x", Reason.SIGNATURE_INVALID, url_safe=url_safe) == data


@given(data=st.binary(max_size=100))
def test_reads_the_url_safe_alphabet_where_allowed(data: bytes) -> None:
    assert from_base64(base64.urlsafe_b64encode(data).decode(), "x", Reason.SIGNATURE_INVALID, url_safe=True) == data


@pytest.mark.parametrize(
    "text",
    ["QUI", "QUI=\n", " QUI=", "QUI==", "QU=I", "Q", "é===", "-_==", "QUI=QUI=", None, 7, b"QUI="],
)
def test_refuses_everything_else(text: object) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        from_base64(text, "the value", Reason.SIGNATURE_INVALID)
    assert caught.value.reason is Reason.SIGNATURE_INVALID
    assert "the value" in caught.value.detail


def test_refuses_a_mixture_of_alphabets() -> None:
    with pytest.raises(MalformedEvidence):
        from_base64("-+-+", "x", Reason.SIGNATURE_INVALID, url_safe=True)
    with pytest.raises(MalformedEvidence):
        from_base64("_/_/", "x", Reason.SIGNATURE_INVALID, url_safe=True)
