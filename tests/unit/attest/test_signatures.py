import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.attest.signatures import holds
from preverify.model.keys import TrustedKey


def trusted(key) -> TrustedKey:
    return TrustedKey(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_p256_and_ed25519_hold_and_flipped_ones_do_not() -> None:
    p256, ed = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    for key, signature in ((p256, p256.sign(b"x", ec.ECDSA(hashes.SHA256()))), (ed, ed.sign(b"x"))):
        assert holds(trusted(key), signature, b"x")
        assert not holds(trusted(key), signature, b"y")
        assert not holds(trusted(key), signature[:-1], b"x")
        assert not holds(trusted(key), b"", b"x")


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()])
def test_other_curves_are_never_ours(curve) -> None:
    key = ec.generate_private_key(curve)
    assert not holds(trusted(key), key.sign(b"x", ec.ECDSA(hashes.SHA256())), b"x")


def test_rsa_is_never_ours_and_rubbish_is_no_key() -> None:
    key = rsa.generate_private_key(65537, 2048)
    assert not holds(trusted(key), key.sign(b"x", padding.PKCS1v15(), hashes.SHA256()), b"x")
    assert not holds(TrustedKey(b"rubbish"), b"", b"x")
