"""The keys of one verification, and the words for signatures that none of them verifies."""

import base64

import pytest

from preverify.model.reasons import Reason
from preverify.verify.keys import keyring as module
from preverify.verify.keys.keyring import Keyring, is_well_formed
from support import signed


def test_two_names_of_one_key_are_one_key() -> None:
    ring = Keyring([signed.key("ec1"), signed.key("ec2"), signed.key("ec1")])
    assert len(ring.keys) == 2
    assert len(ring.holders(signed.sign("ec1", b"m"), b"m")) == 1


@pytest.mark.parametrize("name", ["ec1", "ec384", "rsa2048", "rsa4096", "ed25519"])
def test_a_signature_by_any_known_kind_of_key_is_well_formed(name: str) -> None:
    """Else a signature by somebody else's kind of key would be called garbled."""
    signature = signed.sign(name, b"m")
    assert is_well_formed(signature)
    assert Keyring([signed.key("ec2")]).explain(signature, b"m")[0] is Reason.WRONG_KEY


def test_cut_and_garbled_signatures_are_invalid() -> None:
    good = signed.sign("ec1", b"m")
    for cut in (good[:64], good[:-1], good[:10], b"", b"\0" * 70, b"\x30\x44" + b"\0" * 62):
        assert not is_well_formed(cut)
        assert Keyring([signed.key("ec1")]).explain(cut, b"m")[0] is Reason.SIGNATURE_INVALID


def test_a_trusted_hint_makes_a_failing_signature_invalid_rather_than_foreign() -> None:
    ring = Keyring([signed.key("ec1")])
    signature = signed.sign("ec2", b"m")
    assert ring.explain(signature, b"m", ring.keys[0].hint)[0] is Reason.SIGNATURE_INVALID
    assert ring.explain(signature, b"m", "of another key")[0] is Reason.WRONG_KEY


def test_prehashed_ed25519_is_named() -> None:
    (layer,) = signed.evidence("legacy-key-ed25519-as-the-tool-writes-it")
    signature = base64.b64decode(layer.annotation("dev.cosignproject.cosign/signature") or "")
    ring = Keyring([signed.key("ec1"), signed.key("ed25519")])
    assert ring.explain(signature, layer.body)[0] is Reason.ALGORITHM_NOT_ALLOWED
    assert Keyring([signed.key("ec1")]).explain(signature, layer.body)[0] is Reason.WRONG_KEY
    assert ring.explain(signed.sign("ed25519", b"other"), layer.body)[0] is Reason.WRONG_KEY


def test_naming_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand forged signatures must not buy ten thousand slow diagnoses."""
    asked = []
    monkeypatch.setattr(module, "is_ed25519ph", lambda *a: bool(asked.append(a)))
    ring = Keyring([signed.key("ed25519")])
    for _ in range(100):
        ring.explain(signed.sign("ed25519", b"other"), b"message")
    assert len(asked) == 16
