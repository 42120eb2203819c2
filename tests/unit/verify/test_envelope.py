"""DSSE envelopes."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.verify.statements.envelope import MAX_ENVELOPE_BYTES, Envelope, parse_envelope, read_envelope
from support import signed

GOOD: dict[str, Any] = {
    "payloadType": "application/vnd.in-toto+json",
    "payload": "e30=",
    "signatures": [{"keyid": "", "sig": "AAAA"}],
}

types = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


def make(payload_type: str, payload: bytes) -> Envelope:
    document = {"payloadType": payload_type, "payload": signed.b64(payload), "signatures": [{"sig": "AAAA"}]}
    return parse_envelope(signed.compact(document))


@given(a=st.tuples(types, st.binary(max_size=40)), b=st.tuples(types, st.binary(max_size=40)))
def test_different_envelopes_never_share_signed_bytes(a: tuple[str, bytes], b: tuple[str, bytes]) -> None:
    """Ambiguous framing would let one signature stand for another payload."""
    assert (make(*a).signed_bytes == make(*b).signed_bytes) == (a == b)


@given(a=types, payload=st.binary(max_size=40), cut=st.integers(0, 40))
def test_moving_bytes_between_type_and_payload_changes_what_is_signed(a: str, payload: bytes, cut: int) -> None:
    longer = a + " 5 " + payload.hex()[:cut]
    assert make(longer, payload).signed_bytes != make(a, payload).signed_bytes


def test_reads_an_envelope_as_sent() -> None:
    read = read_envelope({**GOOD, "signatures": [{"sig": "AAAA", "keyid": "k"}, {"sig": "-_-_"}], "extension": 1})
    assert read.payload == b"{}"
    assert read.signatures == (b"\0\0\0", base64.urlsafe_b64decode("-_-_"))
    assert read.key_ids == ("k", "")
    assert read.signed_bytes == b"DSSEv1 28 application/vnd.in-toto+json 2 {}"


def without(name: str) -> dict[str, Any]:
    return {k: v for k, v in GOOD.items() if k != name}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        without("payload"),
        without("payloadType"),
        without("signatures"),
        {**GOOD, "payload": None},
        {**GOOD, "payload": "e30"},
        {**GOOD, "payload": ["e30="]},
        {**GOOD, "payloadType": ""},
        {**GOOD, "payloadType": 1},
        {**GOOD, "payloadType": "text/plän"},
        {**GOOD, "payloadType": "t" * 256},
        {**GOOD, "signatures": []},
        {**GOOD, "signatures": {}},
        {**GOOD, "signatures": None},
        {**GOOD, "signatures": [{"sig": "AAAA"}] * 11},
        {**GOOD, "signatures": [None]},
        {**GOOD, "signatures": ["AAAA"]},
        {**GOOD, "signatures": [{"sig": "AAAA", "keyid": 1}]},
        {**GOOD, "signatures": [{"Sig": "AAAA"}]},
        {**GOOD, "Payload": "e30="},
        {**GOOD, "PAYLOADTYPE": "text/plain"},
        {**without("signatures"), "Signatures": GOOD["signatures"]},
        {**GOOD, "\u017fignatures": []},
    ],
)
def test_refuses_other_shapes(document: object) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_envelope(document)
    assert caught.value.reason is Reason.ENVELOPE_MALFORMED


@pytest.mark.parametrize("sig", [None, 1, "A", "not base64!", "AAAA\n"])
def test_an_undecodable_signature_is_a_bad_signature(sig: object) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_envelope({**GOOD, "signatures": [{"sig": sig}]})
    assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_duplicate_members_are_refused() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_envelope(b'{"payloadType":"a","payload":"e30=","payload":"e30=","signatures":[{"sig":"AAAA"}]}')
    assert caught.value.reason is Reason.ENVELOPE_MALFORMED


def test_too_large_is_refused_unread() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_envelope(b" " * (MAX_ENVELOPE_BYTES + 1))
    assert caught.value.reason is Reason.TOO_LARGE


@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        parse_envelope(data)
