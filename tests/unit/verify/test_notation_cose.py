"""COSE envelopes: strictly decoded, and the protected header signed as the bytes that were sent."""

from collections.abc import Mapping
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Format
from preverify.model.findings import Finding, Step
from preverify.model.reasons import Reason
from preverify.verify.formats import notation_cose
from preverify.verify.formats.notation_cose import read_envelope
from support import notary, pki
from support.notary import PREFIX, attributes, cose, evidence, only, signer

GOOD = cose()
TIME = cbor2.CBORTag(1, 1772366700)


def outcome(body: bytes) -> tuple[Step, Reason, str]:
    try:
        found: Finding = only(notary.verify(evidence(body, Format.NOTATION_COSE)))
    except MalformedEvidence as error:
        return Step.OBTAINED, error.reason, error.detail
    return found.step, found.reason, found.detail


def test_says_what_it_reads() -> None:
    assert notation_cose.NAME == "notation-cose"
    assert notation_cose.READS == (Format.NOTATION_COSE,)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096"])
def test_every_algorithm_of_the_specification_holds(kind: str) -> None:
    assert outcome(cose(by=signer(kind, kind=kind)))[0] is Step.ESTABLISHED


@pytest.mark.parametrize("algorithm", [-37, -35, -257, -8, 0, "ES256", None, -(2**60)])
def test_the_key_dictates_the_algorithm(algorithm: object) -> None:
    assert outcome(cose(protected={1: algorithm}))[:2] == (Step.PARSED, Reason.ALGORITHM_NOT_ALLOWED)


HEADERS: list[tuple[str, Mapping[Any, Any], Reason, str]] = [
    ("no-crit", {2: None}, Reason.ENVELOPE_MALFORMED, "crit is missing"),
    ("crit-empty", {2: []}, Reason.ENVELOPE_MALFORMED, "not marked critical"),
    ("crit-label", {2: [f"{PREFIX}signingScheme", 1]}, Reason.ENVELOPE_MALFORMED, "no list of names"),
    ("crit-absent", {2: [f"{PREFIX}signingScheme", "x"]}, Reason.ENVELOPE_MALFORMED, "does not stand there"),
    ("crit-unknown", {2: [f"{PREFIX}signingScheme", "x"], "x": 1}, Reason.CRITICAL_HEADER_UNKNOWN, "'x'"),
    ("plugin", {f"{PREFIX}verificationPlugin": "p"}, Reason.CRITICAL_HEADER_UNKNOWN, "verificationPlugin"),
    ("scheme", {f"{PREFIX}signingScheme": 1}, Reason.ENVELOPE_MALFORMED, "signingScheme is '1'"),
    ("time-bare", {f"{PREFIX}signingTime": 1772366700}, Reason.ENVELOPE_MALFORMED, "is no time"),
    ("time-text", {f"{PREFIX}signingTime": cbor2.CBORTag(0, "x")}, Reason.ENVELOPE_MALFORMED, "is no time"),
    ("time-other-tag", {f"{PREFIX}signingTime": cbor2.CBORTag(1004, 1)}, Reason.ENVELOPE_MALFORMED, "is no time"),
    ("time-true", {f"{PREFIX}signingTime": cbor2.CBORTag(1, value=True)}, Reason.ENVELOPE_MALFORMED, "is no time"),
    ("time-beyond", {f"{PREFIX}signingTime": cbor2.CBORTag(1, 2**60)}, Reason.ENVELOPE_MALFORMED, "no time"),
    ("time-float", {f"{PREFIX}signingTime": cbor2.CBORTag(1, 1.5)}, Reason.ENVELOPE_MALFORMED, "floating"),
    ("time-missing", {f"{PREFIX}signingTime": None}, Reason.ENVELOPE_MALFORMED, "signingTime is missing"),
    ("both-times", {f"{PREFIX}authenticSigningTime": TIME}, Reason.ENVELOPE_MALFORMED, "authenticSigningTime"),
]


@pytest.mark.parametrize(
    ("headers", "reason", "said"), [each[1:] for each in HEADERS], ids=[each[0] for each in HEADERS]
)
def test_protected_headers_that_are_refused(headers: Mapping[Any, Any], reason: Reason, said: str) -> None:
    step, seen, detail = outcome(cose(protected=headers))
    assert (seen, said in detail) == (reason, True), detail
    assert step in (Step.OBTAINED, Step.PARSED)


def test_unknown_labels_are_signed_and_ignored() -> None:
    assert outcome(cose(protected={99: b"x", "x": [1]}))[0] is Step.ESTABLISHED


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"tag": None}, "tag 18"),
        ({"tag": 17}, "tag 18"),
        ({"raw": cbor2.dumps([1])}, "no map"),
        ({"raw": b""}, "cut short"),
        ({"raw": bytes.fromhex("a201260126")}, "stands twice"),
        ({"raw": bytes.fromhex("bf0126ff")}, "indefinite"),
        ({"unprotected": {33: b"one"}}, "x5chain is no list"),
        ({"unprotected": {33: []}}, "x5chain is no list"),
        ({"unprotected": {33: [b"x"] * 11}}, "x5chain is no list of 1 to 10"),
        ({"unprotected": {33: ["x"]}}, "something else than byte strings"),
        ({"unprotected": {f"{PREFIX}timestampSignature": "x"}}, "no byte string"),
        ({"unprotected": {1: -7}}, "stands in both maps"),
        ({"unprotected": {f"{PREFIX}expiry": 1}, "protected": {f"{PREFIX}expiry": TIME}}, "stands in both maps"),
    ],
)
def test_envelopes_that_are_none(how: dict[str, Any], said: str) -> None:
    step, reason, detail = outcome(cose(**how))
    assert (step, reason, said in detail) == (Step.OBTAINED, Reason.ENVELOPE_MALFORMED, True), detail


@pytest.mark.parametrize(
    "parts",
    [
        [b"", {}, b"x"],
        [b"", {}, None, b"s"],
        [b"", [], b"x", b"s"],
        [{}, {}, b"x", b"s"],
        [b"", {}, "x", b"s"],
        [b"", {}, b"x", b"s", b"more"],
        {},
    ],
)
def test_messages_of_another_shape(parts: object) -> None:
    step, reason, detail = outcome(cbor2.dumps(cbor2.CBORTag(18, parts)))
    assert (step, reason) == (Step.OBTAINED, Reason.ENVELOPE_MALFORMED)
    assert "a COSE_Sign1 message is" in detail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.ENVELOPE_MALFORMED),
        (GOOD[:-1], Reason.ENVELOPE_MALFORMED),
        (GOOD + b"\0", Reason.ENVELOPE_MALFORMED),
        (GOOD + b"\0" * (1 << 20), Reason.TOO_LARGE),
        (notary.jws(), Reason.ENVELOPE_MALFORMED),
    ],
    ids=["empty", "cut", "more", "large", "jws"],
)
def test_bytes_that_are_no_envelope(body: bytes, reason: Reason) -> None:
    assert outcome(body)[:2] == (Step.OBTAINED, reason)


def test_reader_alone_bounds_what_it_reads() -> None:
    with pytest.raises(MalformedEvidence, match="at most"):
        read_envelope(b"\0" * ((1 << 20) + 1))


def test_protected_header_encoded_anew_does_not_hold() -> None:
    """The same headers in another order mean the same and are other bytes."""
    message = cbor2.loads(GOOD)
    parts = list(message.value)
    headers = {key: notary.cbor_time(value) for key, value in cbor2.loads(parts[0]).items()}
    assert cbor2.dumps(headers) == parts[0]
    parts[0] = cbor2.dumps(dict(reversed(list(headers.items()))))
    assert outcome(cbor2.dumps(cbor2.CBORTag(18, parts)))[:2] == (Step.PARSED, Reason.SIGNATURE_INVALID)


@pytest.mark.parametrize("part", [0, 2, 3], ids=["protected", "payload", "signature"])
def test_parts_of_another_signature_do_not_fit(part: int) -> None:
    other = cbor2.loads(cose(headers=attributes(pki.SIGNED_AT.replace(minute=6)), body=notary.payload() + b" ")).value
    parts = list(cbor2.loads(GOOD).value)
    parts[part] = other[part]
    assert outcome(cbor2.dumps(cbor2.CBORTag(18, parts)))[:2] == (Step.PARSED, Reason.SIGNATURE_INVALID)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_establishes_anything(at: int, flip: int) -> None:
    body = bytearray(GOOD)
    body[at] ^= flip
    assert outcome(bytes(body))[0] is not Step.ESTABLISHED


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_finding(body: bytes) -> None:
    assert outcome(body)[0] is Step.OBTAINED
