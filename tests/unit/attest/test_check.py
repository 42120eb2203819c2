import json
from datetime import UTC, datetime, timedelta

import pytest

from preverify.attest.bundle import build
from preverify.attest.check import Wanted, check
from preverify.attest.envelope import seal, signed_bytes
from preverify.model.digest import Digest
from preverify.model.dsse import pre_authentication_encoding
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from support.statements import POLICY, PROFILE, VERIFIER, new_key, payload, sealed

AT = datetime(2026, 1, 2, 10, tzinfo=UTC)
SUBJECT = Subject(Repository("registry.example", "shop/api"), Digest("sha256", "3f" * 32))


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return new_key(tmp_path_factory.mktemp("keys"))


def look(key, body: bytes, *, now=AT, **wanted):
    return check(body, Wanted(**({"subject": SUBJECT, "keys": [key.public]} | wanted)), now=now)


def changed(key, **members) -> bytes:
    """Return a statement whose predicate has other members (None: taken out), signed by our key."""
    document = json.loads(payload(SUBJECT, at=AT))
    for name, value in members.items():
        document["predicate"].pop(name, None)
        if value is not None:
            document["predicate"][name] = value
    return signed(key, document)


def signed(key, document) -> bytes:
    data = json.dumps(document).encode()
    return seal(data, key.sign(signed_bytes(data)))


def test_ours_holds_as_envelope_and_as_bundle(key) -> None:
    envelope = sealed(SUBJECT, key, at=AT)
    for body in (envelope, build(envelope, key.public)):
        found = look(
            key,
            body,
            verifier_id=VERIFIER,
            policy_digest=PROFILE,
            max_age=timedelta(hours=1),
            properties=["SLSA_BUILD_LEVEL_UNEVALUATED"],
        )
        assert found.holds, found
        assert (found.verifier_id, found.time_verified) == (VERIFIER, AT)
        assert found.valid_until == AT + timedelta(days=7)
        assert found.policies == (("shop-release", POLICY),)
        assert found.key_id == key.public.id


def test_another_verifiers_summary_holds_without_our_extensions(key) -> None:
    body = changed(key, **{"urn:preverify:validUntil": None, "urn:preverify:policies": None})
    found = look(key, body)
    assert found.holds
    assert found.valid_until is None
    assert found.policies == ()


def test_levels(key) -> None:
    body = changed(key, verifiedLevels=["SLSA_BUILD_LEVEL_3", "SLSA_SOURCE_LEVEL_1", "ACME_REVIEWED"])
    assert look(key, body, level=3, properties=["ACME_REVIEWED"]).holds
    assert look(key, body, properties=["OTHER"]).reason is Reason.LEVEL_TOO_LOW
    low = changed(key, verifiedLevels=["SLSA_BUILD_LEVEL_2"])
    assert look(key, low, level=3).reason is Reason.LEVEL_TOO_LOW
    assert look(key, sealed(SUBJECT, key, at=AT), level=0).reason is Reason.LEVEL_TOO_LOW


@pytest.mark.parametrize(
    ("members", "wanted", "reason"),
    [  # case 48 of the negative list
        ({"verificationResult": "FAILED"}, {}, Reason.CONTENT_MISMATCH),
        ({"verificationResult": "passed"}, {}, Reason.CONTENT_MISMATCH),
        ({"verificationResult": None}, {}, Reason.STATEMENT_MALFORMED),
        ({"verifier": {"id": "urn:other"}}, {"verifier_id": VERIFIER}, Reason.IDENTITY_MISMATCH),
        ({"verifier": {}}, {}, Reason.STATEMENT_MALFORMED),
        ({"verifier": "x"}, {}, Reason.STATEMENT_MALFORMED),
        ({"resourceUri": "registry.example/other@" + str(SUBJECT.digest)}, {}, Reason.SUBJECT_MISMATCH),
        ({"resourceUri": None}, {}, Reason.STATEMENT_MALFORMED),
        ({"policy": {"digest": {"sha256": "00" * 32}}}, {"policy_digest": PROFILE}, Reason.CONTENT_MISMATCH),
        ({"policy": None}, {}, Reason.STATEMENT_MALFORMED),
        ({"verifiedLevels": ["FAILED"]}, {}, Reason.CONTENT_MISMATCH),
        ({"verifiedLevels": ["SLSA_ACME"]}, {}, Reason.STATEMENT_MALFORMED),
        ({"verifiedLevels": ["SLSA_BUILD_LEVEL_9"]}, {}, Reason.STATEMENT_MALFORMED),
        ({"verifiedLevels": ["SLSA__LEVEL_"]}, {}, Reason.STATEMENT_MALFORMED),
        ({"verifiedLevels": None}, {}, Reason.STATEMENT_MALFORMED),
        ({"verifiedLevels": [1]}, {}, Reason.STATEMENT_MALFORMED),
        ({"timeVerified": "2026-01-02T10:05:01Z"}, {}, Reason.TIMESTAMP_MISMATCH),
        ({"timeVerified": "2026-01-02T10:00:00"}, {}, Reason.STATEMENT_MALFORMED),
        ({"timeVerified": "yesterday"}, {}, Reason.STATEMENT_MALFORMED),
        ({"timeVerified": None}, {}, Reason.STATEMENT_MALFORMED),
        ({"urn:preverify:validUntil": 1}, {}, Reason.STATEMENT_MALFORMED),
    ],
)
def test_what_a_consumer_refuses(key, members, wanted, reason: Reason) -> None:
    found = look(key, changed(key, **members), **wanted)
    assert found.reason is reason, found
    assert not found.holds
    assert found.key_id == key.public.id


def test_an_old_passed_statement_does_not_hold(key) -> None:
    """Case 49 and RT-33: a registry that plays back an old statement gains at most its validity."""
    body = sealed(SUBJECT, key, at=AT)
    assert look(key, body, now=AT + timedelta(days=7) - timedelta(seconds=1)).holds
    assert look(key, body, now=AT + timedelta(days=7)).reason is Reason.SIGNATURE_EXPIRED
    late = look(key, body, now=AT + timedelta(hours=2), max_age=timedelta(hours=1))
    assert late.reason is Reason.SIGNATURE_EXPIRED


def test_another_images_statement(key) -> None:
    other = Subject(SUBJECT.repository, Digest("sha256", "00" * 32))
    assert look(key, sealed(other, key, at=AT)).reason is Reason.SUBJECT_MISMATCH


def test_another_key(key, tmp_path) -> None:
    stranger = new_key(tmp_path, "stranger")
    found = look(key, sealed(SUBJECT, stranger, at=AT))
    assert found.reason is Reason.WRONG_KEY
    assert found.key_id == ""


def test_right_signature_over_another_payload_type(key) -> None:
    data = payload(SUBJECT, at=AT)
    document = json.loads(seal(data, key.sign(pre_authentication_encoding("text/plain", data))))
    body = json.dumps({**document, "payloadType": "text/plain"}).encode()
    assert look(key, body).reason is Reason.PAYLOAD_TYPE_MISMATCH


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"_type": "https://in-toto.io/Statement/v2"}, Reason.STATEMENT_MALFORMED),
        ({"subject": []}, Reason.STATEMENT_MALFORMED),
        ({"subject": [None]}, Reason.STATEMENT_MALFORMED),
        ({"subject": [{"digest": "x"}]}, Reason.STATEMENT_MALFORMED),
        ({"predicateType": "https://slsa.dev/provenance/v1"}, Reason.PREDICATE_TYPE_MISMATCH),
        ({"predicate": None}, Reason.STATEMENT_MALFORMED),
    ],
)
def test_other_statements(key, change, reason: Reason) -> None:
    document = {**json.loads(payload(SUBJECT, at=AT)), **change}
    assert look(key, signed(key, document)).reason is reason


def test_a_payload_that_is_no_object(key) -> None:
    assert look(key, signed(key, [])).reason is Reason.STATEMENT_MALFORMED


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"rubbish", b'{"dsseEnvelope":[]}'])
def test_rubbish(key, body: bytes) -> None:
    found = look(key, body)
    assert found.reason is Reason.ENVELOPE_MALFORMED
    assert not found.holds


def test_cut_short_and_doubled_keys(key) -> None:
    body = sealed(SUBJECT, key, at=AT)
    assert look(key, body[:-10]).reason is Reason.ENVELOPE_MALFORMED
    assert look(key, body[:-1] + b',"payload":""}').reason is Reason.ENVELOPE_MALFORMED
