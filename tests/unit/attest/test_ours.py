import json

import pytest

from preverify.attest.bundle import build
from preverify.attest.envelope import seal, signed_bytes
from preverify.attest.ours import is_ours, resource_of
from preverify.model.digest import Digest
from preverify.model.dsse import pre_authentication_encoding
from preverify.model.reference import Repository, Subject
from support.statements import new_key, payload, sealed

SUBJECT = Subject(Repository("registry.example", "shop/api"), Digest("sha256", "3f" * 32))


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keys")
    return new_key(directory, "ours"), new_key(directory, "theirs")


def test_ours_as_envelope_and_as_bundle(keys) -> None:
    ours, theirs = keys
    envelope = sealed(SUBJECT, ours)
    for body in (envelope, build(envelope, ours.public)):
        assert is_ours(body, [theirs.public, ours.public])
        assert resource_of(body, [ours.public]) == str(SUBJECT)
        assert not is_ours(body, [theirs.public])
        assert not is_ours(body, [])


def test_a_predicate_type_alone_makes_nothing_disappear(keys) -> None:
    """RT-12: whoever calls his attestation a verification summary must not hide it from the policy."""
    ours, theirs = keys
    assert not is_ours(sealed(SUBJECT, theirs), [ours.public])


@pytest.mark.parametrize("statement", [b"{}", b"[]", b"rubbish", b'{"predicateType":"https://slsa.dev/provenance/v1"}'])
def test_other_things_by_our_key_stay_evidence(keys, statement: bytes) -> None:
    """A key that signs images for a policy too keeps doing so."""
    ours, _ = keys
    assert not is_ours(seal(statement, ours.sign(signed_bytes(statement))), [ours.public])


def test_another_payload_type_is_not_ours(keys) -> None:
    ours, _ = keys
    statement = payload(SUBJECT)
    document = json.loads(seal(statement, ours.sign(pre_authentication_encoding("text/plain", statement))))
    assert not is_ours(json.dumps({**document, "payloadType": "text/plain"}).encode(), [ours.public])


@pytest.mark.parametrize("predicate", [None, [], {}, {"resourceUri": 1}])
def test_ours_without_a_resource(keys, predicate) -> None:
    """Still ours to take away, about nothing in particular."""
    ours, _ = keys
    statement = json.dumps({**json.loads(payload(SUBJECT)), "predicate": predicate}).encode()
    assert resource_of(seal(statement, ours.sign(signed_bytes(statement))), [ours.public]) == ""


@pytest.mark.parametrize(
    "body", [b"", b"rubbish", b"[]", b"{}", b'{"dsseEnvelope":{}}', b'{"a":"' + b"x" * (512 * 1024) + b'"}']
)
def test_rubbish_is_not_ours(keys, body: bytes) -> None:
    assert not is_ours(body, [keys[0].public])


def test_every_flipped_byte_is_foreign(keys) -> None:
    ours, _ = keys
    envelope = sealed(SUBJECT, ours)
    for position in range(0, len(envelope), 29):
        flipped = envelope[:position] + bytes([envelope[position] ^ 1]) + envelope[position + 1 :]
        # Only bits that base64 leaves unused, or the unsigned key id, may change without consequence.
        assert (
            not is_ours(flipped, [ours.public])
            or json.loads(flipped)["payload"][:-4] == json.loads(envelope)["payload"][:-4]
        )
