"""RT-34: a signature is over bytes as they are, never over a tidied form of them (CVE-2026-44309)."""

import json
import unicodedata

import pytest

from preverify.model.evidence import Evidence
from preverify.verify import verify
from support import signed

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
    bodies = spellings(signed.statement(DIGEST, predicate={"name": "é"}))
    for signed_body in bodies:
        envelope = signed.envelope(signed_body)
        for served in bodies:
            swapped = {**envelope, "payload": signed.b64(served)}
            same = served == signed_body
            assert holds(signed.attestation(swapped)) is same
            assert holds(signed.bundled(signed.bundle({"dsseEnvelope": swapped}))) is same


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
