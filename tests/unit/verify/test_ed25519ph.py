"""Recognising Ed25519ph, to name it in a refusal."""

import base64
import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from preverify.verify.keys.ed25519ph import is_ed25519ph
from preverify.verify.keys.public_keys import prepared
from support import signed

RAW = prepared(signed.key("ed25519").spki).ed25519


def test_recognises_what_cosign_writes() -> None:
    (layer,) = signed.evidence("legacy-key-ed25519-as-the-tool-writes-it")
    signature = base64.b64decode(layer.annotation("dev.cosignproject.cosign/signature") or "")
    assert is_ed25519ph(RAW, signature, layer.body)
    assert not is_ed25519ph(RAW, signature, layer.body + b" ")


def test_recognises_the_vector_of_the_specification() -> None:
    """RFC 8032 section 7.3."""
    public = bytes.fromhex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf")
    signature = bytes.fromhex(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
        "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    )
    assert is_ed25519ph(public, signature, b"abc")
    assert not is_ed25519ph(public, signature, b"abd")


def test_plain_ed25519_is_not_prehashed() -> None:
    assert not is_ed25519ph(RAW, signed.sign("ed25519", b"message"), b"message")
    assert not is_ed25519ph(RAW, signed.sign("ed25519", hashlib.sha512(b"message").digest()), b"message")


@settings(max_examples=25)
@given(signature=st.binary(min_size=64, max_size=64))
def test_arbitrary_bytes_are_not_prehashed(signature: bytes) -> None:
    assert not is_ed25519ph(RAW, signature, b"message")


def test_what_is_no_point_or_no_scalar_is_not_prehashed() -> None:
    good = signed.sign("ed25519", b"message")
    assert not is_ed25519ph(b"\x02" + bytes(31), good, b"message")
    assert not is_ed25519ph(RAW, b"\xff" * 32 + good[32:], b"message")
    assert not is_ed25519ph(RAW, good[:32] + b"\xff" * 32, b"message")
