"""RT-34: a signature is over bytes as they are, never over a tidied form of them (CVE-2026-44309)."""

import base64
import json
import unicodedata
from collections.abc import Callable, Iterator

import cbor2
import pytest

from preverify.model.evidence import Evidence, Format
from support import notary, signed
from support.fixtures import seed
from support.predicates import minimal
from support.signed import verify

IMAGE = signed.image("legacy-unsigned")
DIGEST = IMAGE.subject.digest
EC1 = signed.key("ec1")
PAYLOAD = {**signed.payload(DIGEST), "optional": {"name": "é", "z": "1", "a": "2"}}


def holds(evidence: Evidence) -> bool:
    (finding,) = verify(IMAGE, [evidence], [EC1])
    return finding.established


def spellings(document: object) -> list[bytes]:
    """Return the same document in bytes that mean the same and are others."""
    text = json.dumps(document, ensure_ascii=False)
    return [
        json.dumps(document, separators=(",", ":")).encode(),
        json.dumps(document, indent=2).encode(),
        json.dumps(document, sort_keys=True).encode(),
        text.encode(),
        text.encode() + b"\n",
        b" " + text.encode(),
        text.replace("é", "\\u00E9").encode(),
        unicodedata.normalize("NFD", text).encode(),
        text.replace("\n", "\r\n").replace(": ", ":\r\n").encode(),
    ]


@pytest.mark.parametrize("body", spellings(PAYLOAD), ids=range(9))
def test_any_spelling_holds_when_it_is_what_was_signed(body: bytes) -> None:
    assert holds(signed.legacy(body))
    assert holds(signed.attestation(signed.envelope(json.dumps(signed.statement(DIGEST), indent=3).encode())))


def test_no_other_spelling_holds() -> None:
    """Verifying a re-serialised form would let an attacker choose among bytes that nobody signed."""
    bodies = spellings(PAYLOAD)
    for signed_body in bodies:
        signature = signed.b64(signed.sign("ec1", signed_body))
        for served in bodies:
            assert holds(signed.legacy(served, signature=signature)) is (served == signed_body)


def test_no_other_spelling_of_a_statement_holds_in_an_envelope() -> None:
    bodies = spellings(signed.statement(DIGEST, predicate={**minimal(signed.VULN), "name": "é"}))
    for signed_body in bodies:
        envelope = signed.envelope(signed_body)
        for served in bodies:
            swapped = {**envelope, "payload": signed.b64(served)}
            same = served == signed_body
            assert holds(signed.attestation(swapped)) is same
            assert holds(signed.bundled(signed.bundle({"dsseEnvelope": swapped}))) is same


@pytest.mark.parametrize("sign", [notary.jws, notary.cose])
def test_no_other_spelling_holds_in_a_notation_envelope(sign: Callable[..., bytes]) -> None:
    """What the envelope of a Notation signature holds is signed as it is; protected headers are part of that."""
    target = json.loads(notary.payload())
    bodies = [
        notary.payload(),
        json.dumps(target, indent=2).encode(),
        json.dumps(target, sort_keys=True).encode() + b"\n",
        json.dumps(target).replace("targetArtifact", "\\u0074argetArtifact").encode(),
    ]
    form = Format.NOTATION_JWS if sign is notary.jws else Format.NOTATION_COSE
    for signed_body in bodies:
        envelope = sign(signed_body)
        assert notary.only(notary.verify(notary.evidence(envelope, form))).established
        for served in bodies:
            swapped = _swapped(envelope, signed_body, served, form)
            finding = notary.only(notary.verify(notary.evidence(swapped, form)))
            assert finding.established is (served == signed_body)


def _swapped(envelope: bytes, old: bytes, new: bytes, form: Format) -> bytes:
    """Return an envelope with another payload under the same signature."""
    if form is Format.NOTATION_JWS:
        document = json.loads(envelope)
        assert document["payload"] == notary.url64(old)
        return json.dumps({**document, "payload": notary.url64(new)}).encode()
    message = cbor2.loads(envelope)
    assert message.value[2] == old
    parts = [*message.value[:2], new, *message.value[3:]]
    return cbor2.dumps(cbor2.CBORTag(18, parts))


@pytest.mark.parametrize("case", ["bundle-keyless-email", "legacy-keyless-email", "bundle-key-logged-ec1"])
def test_no_other_spelling_holds_by_certificate_or_in_a_log(case: str) -> None:
    """A log entry and a certificate beside a signature make no other bytes of it either."""
    one = seed(case)
    assert one is not None
    assert any(finding.established for finding in one.findings(one.evidence))
    for found in one.evidence:
        for served in _respelled(found):
            assert not any(finding.established for finding in one.findings([served]))


def _respelled(found: Evidence) -> Iterator[Evidence]:
    if found.format is Format.COSIGN_SIGNATURE:
        yield from (signed.with_body(found, body) for body in spellings(json.loads(found.body)) if body != found.body)
        return
    bundle = json.loads(found.body)
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    for body in spellings(json.loads(payload)):
        if body != payload:
            envelope = {**bundle["dsseEnvelope"], "payload": signed.b64(body)}
            yield signed.with_body(found, signed.compact({**bundle, "dsseEnvelope": envelope}))


def test_the_bare_payload_is_not_what_an_envelope_signs() -> None:
    """A signature made for the tag format must not work in an envelope, nor the other way."""
    body = signed.compact(signed.statement(DIGEST))
    envelope = signed.envelope(body)
    envelope["signatures"] = [{"sig": signed.b64(signed.sign("ec1", body))}]
    assert not holds(signed.attestation(envelope))
    payload = signed.compact(PAYLOAD)
    inner = signed.envelope(payload)["signatures"][0]["sig"]
    assert not holds(signed.legacy(payload, signature=inner))


def test_the_spelling_of_the_envelope_itself_is_free() -> None:
    """Only the decoded payload and its type are signed; how they are wrapped is transport."""
    envelope = signed.envelope(signed.statement(DIGEST))
    assert holds(signed.attestation(json.dumps(envelope, indent=4).encode()))
