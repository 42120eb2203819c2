"""JWS envelopes: one meaning or none, and exactly the bytes that were signed."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Format
from preverify.model.findings import Finding, Step
from preverify.model.reasons import Reason
from preverify.verify.formats import notation_jws
from preverify.verify.formats.notation_jws import read_envelope
from preverify.verify.refusal import Refused
from support import notary, pki
from support.notary import PREFIX, attributes, evidence, jws, only, signer

GOOD = jws()
Change = Callable[[dict[str, Any]], None]


def outcome(body: bytes) -> tuple[Step, Reason, str]:
    """Verify and say how that ended, malformed evidence as the caller of the formats puts it."""
    try:
        found: Finding = only(notary.verify(evidence(body)))
    except MalformedEvidence as error:
        return Step.OBTAINED, error.reason, error.detail
    return found.step, found.reason, found.detail


def changed(change: Change, body: bytes = GOOD) -> bytes:
    document = json.loads(body)
    change(document)
    return json.dumps(document).encode()


def test_says_what_it_reads() -> None:
    assert notation_jws.NAME == "notation-jws"
    assert notation_jws.READS == (Format.NOTATION_JWS,)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096"])
def test_every_algorithm_of_the_specification_holds(kind: str) -> None:
    assert outcome(jws(by=signer(kind, kind=kind)))[0] is Step.ESTABLISHED


@pytest.mark.parametrize(
    "algorithm", ["none", "HS256", "RS256", "EdDSA", "ES384", "PS256", "es256", "ES256 ", "ES256K", ""]
)
def test_the_key_dictates_the_algorithm(algorithm: str) -> None:
    body = jws(protected={"alg": algorithm or None})
    assert outcome(body)[:2] == (Step.PARSED, Reason.ALGORITHM_NOT_ALLOWED)


@pytest.mark.parametrize("algorithm", ["ES256", "PS384", "RS256"])
def test_rsa_keys_sign_with_the_hash_of_their_size(algorithm: str) -> None:
    body = jws(by=signer("rsa2048", kind="rsa2048"), protected={"alg": algorithm})
    assert outcome(body)[:2] == (Step.PARSED, Reason.ALGORITHM_NOT_ALLOWED)


def test_algorithm_that_is_no_text() -> None:
    assert outcome(jws(protected={"alg": ["ES256"]}))[:2] == (Step.PARSED, Reason.ALGORITHM_NOT_ALLOWED)


HEADERS: list[tuple[str, dict[str, Any], Reason, str]] = [
    ("no-crit", {"crit": None}, Reason.ENVELOPE_MALFORMED, "crit is missing"),
    ("crit-text", {"crit": f"{PREFIX}signingScheme"}, Reason.ENVELOPE_MALFORMED, "crit is missing or no list"),
    ("crit-empty", {"crit": []}, Reason.ENVELOPE_MALFORMED, "signingScheme is not marked critical"),
    ("crit-number", {"crit": [1]}, Reason.ENVELOPE_MALFORMED, "no list of names"),
    (
        "crit-twice",
        {"crit": [f"{PREFIX}signingScheme"] * 2},
        Reason.ENVELOPE_MALFORMED,
        "stands twice in crit",
    ),
    (
        "crit-absent",
        {"crit": [f"{PREFIX}signingScheme", f"{PREFIX}expiry"]},
        Reason.ENVELOPE_MALFORMED,
        "marked critical but does not stand there",
    ),
    (
        "crit-unknown",
        {"crit": [f"{PREFIX}signingScheme", "x"], "x": 1},
        Reason.CRITICAL_HEADER_UNKNOWN,
        "'x' has to be understood",
    ),
    (
        "crit-known-but-not-critical",
        {"crit": [f"{PREFIX}signingScheme", "alg"]},
        Reason.CRITICAL_HEADER_UNKNOWN,
        "'alg' has to be understood",
    ),
    (
        "crit-signing-time",
        {"crit": [f"{PREFIX}signingScheme", f"{PREFIX}signingTime"]},
        Reason.CRITICAL_HEADER_UNKNOWN,
        "signingTime",
    ),
    (
        "expiry-not-critical",
        {f"{PREFIX}expiry": notary.YEARS[1]},
        Reason.ENVELOPE_MALFORMED,
        "expiry is not marked critical",
    ),
    ("plugin", {f"{PREFIX}verificationPlugin": "p"}, Reason.CRITICAL_HEADER_UNKNOWN, "verificationPlugin"),
    (
        "plugin-version",
        {f"{PREFIX}verificationPluginMinVersion": "1.0"},
        Reason.CRITICAL_HEADER_UNKNOWN,
        "verificationPluginMinVersion",
    ),
    ("scheme-missing", {f"{PREFIX}signingScheme": None}, Reason.ENVELOPE_MALFORMED, "signingScheme is 'None'"),
    ("scheme-unknown", {f"{PREFIX}signingScheme": "notary.x"}, Reason.ENVELOPE_MALFORMED, "expected notary.x509"),
    ("scheme-list", {f"{PREFIX}signingScheme": []}, Reason.ENVELOPE_MALFORMED, "expected notary.x509"),
    ("no-time", {f"{PREFIX}signingTime": None}, Reason.ENVELOPE_MALFORMED, "signingTime is missing"),
    (
        "both-times",
        {f"{PREFIX}authenticSigningTime": pki.SIGNED_AT},
        Reason.ENVELOPE_MALFORMED,
        "authenticSigningTime stands in",
    ),
    (
        "authority-with-signing-time",
        {
            f"{PREFIX}signingScheme": "notary.x509.signingAuthority",
            f"{PREFIX}authenticSigningTime": pki.SIGNED_AT,
            "crit": [f"{PREFIX}signingScheme", f"{PREFIX}authenticSigningTime"],
        },
        Reason.ENVELOPE_MALFORMED,
        "signingTime stands in",
    ),
    (
        "authentic-time-not-critical",
        {
            f"{PREFIX}signingScheme": "notary.x509.signingAuthority",
            f"{PREFIX}signingTime": None,
            f"{PREFIX}authenticSigningTime": pki.SIGNED_AT,
        },
        Reason.ENVELOPE_MALFORMED,
        "authenticSigningTime is not marked critical",
    ),
    (
        "expiry-before-signing",
        {
            f"{PREFIX}expiry": pki.SIGNED_AT,
            "crit": [f"{PREFIX}signingScheme", f"{PREFIX}expiry"],
        },
        Reason.ENVELOPE_MALFORMED,
        "is not after the signing time",
    ),
    *(
        (f"time-{i}", {f"{PREFIX}signingTime": text}, Reason.ENVELOPE_MALFORMED, "expected a time as RFC 3339")
        for i, text in enumerate(
            (
                "2026-03-01",
                "2026-03-01T12:00:00",
                "2026-03-01 12:00:00Z",
                "2026-03-01T12:00:60Z",
                "2026-02-30T12:00:00Z",
                "2026-03-01T12:00Z",
                "٢026-03-01T12:00:00Z",
                1772366700,
                "2026-03-01T12:00:00+99:00",
            )
        )
    ),
]


@pytest.mark.parametrize(
    ("headers", "reason", "said"), [each[1:] for each in HEADERS], ids=[each[0] for each in HEADERS]
)
def test_protected_headers_that_are_refused(headers: dict[str, Any], reason: Reason, said: str) -> None:
    step, seen, detail = outcome(jws(protected=headers))
    assert (seen, said in detail) == (reason, True), detail
    assert step in (Step.OBTAINED, Step.PARSED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T14:00:00+02:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00.5Z", datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        ("2026-03-01T12:00:00.123456789Z", datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_times_as_rfc_3339_has_them(text: str, expected: datetime) -> None:
    assert read_envelope(jws(protected={f"{PREFIX}signingTime": text})).attributes.signing_time == expected


def test_signed_attributes_that_nobody_has_to_understand_are_ignored() -> None:
    assert outcome(jws(protected={"x": {"any": ["thing"]}}))[0] is Step.ESTABLISHED


ENVELOPES: list[tuple[str, Change, str]] = [
    ("payload-missing", lambda d: d.pop("payload"), "payload or protected"),
    ("payload-number", lambda d: d.update(payload=1), "payload or protected"),
    ("protected-missing", lambda d: d.pop("protected"), "payload or protected"),
    ("header-missing", lambda d: d.pop("header"), "header is NoneType"),
    ("signature-missing", lambda d: d.pop("signature"), "signature is not base64url"),
    ("signatures", lambda d: d.update(signatures=[]), "'signatures' has no place"),
    ("stray-member", lambda d: d.update(extra=1), "'extra' has no place"),
    ("other-case", lambda d: d.update(Payload="x"), "expected 'payload'"),
    ("x5c-missing", lambda d: d["header"].pop("x5c"), "x5c is no list"),
    ("x5c-empty", lambda d: d["header"].update(x5c=[]), "x5c is no list"),
    ("x5c-long", lambda d: d["header"].update(x5c=d["header"]["x5c"][:1] * 11), "x5c is no list of 1 to 10"),
    ("x5c-number", lambda d: d["header"].update(x5c=[1]), "a certificate in x5c"),
    ("x5c-other-case", lambda d: d["header"].update(X5C=[]), "expected 'x5c'"),
    ("timestamp-number", lambda d: d["header"].update({f"{PREFIX}timestampSignature": 1}), "timestampSignature"),
    ("padding", lambda d: d.update(signature=d["signature"] + "=="), "without padding"),
    ("other-alphabet", lambda d: d.update(signature="+/" + d["signature"][2:]), "without padding"),
    ("odd-length", lambda d: d.update(signature=d["signature"][:-1]), "not base64"),
    ("newline", lambda d: d.update(signature=d["signature"] + "\n"), "not base64"),
    ("stray-bits", lambda d: d.update(signature=d["signature"][:-1] + "B"), "stray bits"),
    ("protected-list", lambda d: d.update(protected=notary.url64(b"[]")), "the protected header is list"),
    ("protected-twice", lambda d: d.update(protected=notary.url64(b'{"alg":1,"alg":2}')), "stands twice"),
    ("protected-other-case", lambda d: d.update(protected=notary.url64(b'{"Alg":"ES256"}')), "expected 'alg'"),
    ("protected-text", lambda d: d.update(protected=notary.url64(b"{")), "not JSON"),
]


@pytest.mark.parametrize(("change", "said"), [each[1:] for each in ENVELOPES], ids=[each[0] for each in ENVELOPES])
def test_envelopes_that_are_none(change: Change, said: str) -> None:
    step, reason, detail = outcome(changed(change))
    assert (step, reason) == (Step.OBTAINED, Reason.ENVELOPE_MALFORMED)
    assert said in detail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.ENVELOPE_MALFORMED),
        (GOOD[: len(GOOD) // 2], Reason.ENVELOPE_MALFORMED),
        (b"[]", Reason.ENVELOPE_MALFORMED),
        (GOOD[:-1] + b',"signature":""}', Reason.ENVELOPE_MALFORMED),
        (b" " * (1 << 20) + GOOD, Reason.TOO_LARGE),
        (notary.cose(), Reason.ENVELOPE_MALFORMED),
    ],
    ids=["empty", "cut", "list", "twice", "large", "cose"],
)
def test_bytes_that_are_no_envelope(body: bytes, reason: Reason) -> None:
    assert outcome(body)[:2] == (Step.OBTAINED, reason)


def test_reader_alone_bounds_what_it_reads() -> None:
    with pytest.raises(MalformedEvidence, match="at most"):
        read_envelope(b" " * (1 << 20) + GOOD)
    with pytest.raises(Refused, match="has to be understood"):
        read_envelope(jws(protected={"crit": [f"{PREFIX}signingScheme", "x"], "x": 1}))


def test_signature_covers_the_strings_as_sent() -> None:
    """Encoding the payload anew would let a changed spelling pass."""

    def spaced(document: dict[str, Any]) -> None:
        raw = base64.urlsafe_b64decode(document["payload"] + "==")
        document["payload"] = notary.url64(raw.replace(b": ", b":  "))

    assert outcome(changed(spaced))[:2] == (Step.PARSED, Reason.SIGNATURE_INVALID)


@pytest.mark.parametrize("part", ["payload", "protected", "signature"])
def test_parts_of_another_signature_do_not_fit(part: str) -> None:
    other = json.loads(jws(headers=attributes(pki.SIGNED_AT + timedelta(seconds=1)), body=notary.payload() + b" "))
    body = changed(lambda document: document.update({part: other[part]}))
    assert outcome(body)[:2] == (Step.PARSED, Reason.SIGNATURE_INVALID)


def test_der_signature_is_no_signature_here() -> None:
    document = json.loads(GOOD)
    signed = f"{document['protected']}.{document['payload']}".encode()
    document["signature"] = notary.url64(pki.sign(notary.SIGNER.key, signed))
    assert outcome(json.dumps(document).encode())[:2] == (Step.PARSED, Reason.SIGNATURE_INVALID)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_establishes_nothing_or_lies_in_what_is_unsigned(at: int, flip: int) -> None:
    body = bytearray(GOOD)
    body[at] ^= flip
    step, _, _ = outcome(bytes(body))
    if step is Step.ESTABLISHED:  # white space between members
        assert json.loads(bytes(body)) == json.loads(GOOD)


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_finding(body: bytes) -> None:
    assert outcome(body)[0] is Step.OBTAINED
