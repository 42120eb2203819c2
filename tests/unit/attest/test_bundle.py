import base64
import hashlib
import json

import pytest
from sigstore_models.bundle.v1 import Bundle

from preverify.attest.bundle import BUNDLE_MEDIA_TYPE, build, envelope_of, shadows
from preverify.attest.envelope import parse, seal
from preverify.model.errors import MalformedEvidence
from preverify.model.keys import TrustedKey

KEY = TrustedKey(b"spki")
HINT = base64.b64encode(hashlib.sha256(b"spki").digest()).decode()


def test_golden_bundle() -> None:
    assert build(seal(b"{}", b"\0"), KEY) == (
        b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"'
        + HINT.encode()
        + b'"},"tlogEntries":[]},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json",'
        b'"signatures":[{"sig":"AA=="}]}}'
    )


def test_the_models_of_sigstore_read_it() -> None:
    bundle = Bundle.from_json(build(seal(b"{}", b"\0"), KEY))
    assert bundle.verification_material.public_key.hint == HINT
    assert bundle.dsse_envelope.payload == b"{}"


def test_the_envelope_comes_out_again() -> None:
    envelope = seal(b"{}", b"\0")
    assert envelope_of(json.loads(build(envelope, KEY))) == parse(envelope)
    assert envelope_of({"messageSignature": {}}) is None
    assert envelope_of([]) is None
    with pytest.raises(MalformedEvidence):
        envelope_of({"dsseEnvelope": {}})


def test_no_bundle_around_rubbish() -> None:
    with pytest.raises(MalformedEvidence):
        build(b"rubbish", KEY)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (build(seal(b"{}", b"\0"), KEY), True),
        (b'{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.3"}', True),
        (b'{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.2"}', False),
        (b'{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1"}', False),
        (b"{}", False),
        (b"[]", False),
        (b"rubbish", False),
        (BUNDLE_MEDIA_TYPE.encode(), False),
    ],
)
def test_what_shadows(body: bytes, expected: bool) -> None:
    assert shadows(body) is expected
