import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.attest.envelope import from_document, parse, seal, signed_bytes
from preverify.model.dsse import IN_TOTO_PAYLOAD
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason

GOOD = {"payloadType": IN_TOTO_PAYLOAD, "payload": "e30=", "signatures": [{"keyid": "", "sig": "AA=="}]}


def test_golden_envelope() -> None:
    """The layer of `.att`: the key id stands and is empty, or Go's reader skips the signature."""
    assert seal(b"{}", b"\0") == (
        b'{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"","sig":"AA=="}]}'
    )


@given(payload=st.binary(max_size=200), signature=st.binary(max_size=80))
def test_what_is_sealed_is_read_back(payload: bytes, signature: bytes) -> None:
    read = parse(seal(payload, signature))
    assert (read.payload, read.signatures, read.payload_type) == (payload, (signature,), IN_TOTO_PAYLOAD)
    assert read.signed_bytes == signed_bytes(payload)


def test_url_safe_base64_is_read_too() -> None:
    raw = b"\xff\xfe\xfd"
    text = base64.urlsafe_b64encode(raw).decode()
    assert from_document({**GOOD, "payload": text}).payload == raw


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"payloadType": None}, "payloadType"),
        ({"payloadType": "ä"}, "payloadType"),
        ({"signatures": None}, "signatures"),
        ({"signatures": []}, "signatures"),
        ({"signatures": [{"sig": "AA=="}] * 17}, "signatures"),
        ({"signatures": ["AA=="]}, "sig is no text"),
        ({"signatures": [{"sig": 1}]}, "sig is no text"),
        ({"payload": None}, "payload is no text"),
        ({"payload": "e30"}, "not base64"),
        ({"payload": "e3\n0="}, "not base64"),
        ({"payload": "é==="}, "not base64"),
    ],
)
def test_refused_envelopes(change, said: str) -> None:
    with pytest.raises(MalformedEvidence, match=said) as caught:
        parse(json.dumps({**GOOD, **change}).encode())
    assert caught.value.reason is Reason.ENVELOPE_MALFORMED


@pytest.mark.parametrize("data", [b"[]", b"", b"{", b'{"payload":"","payload":""}'])
def test_refused_documents(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        parse(data)
