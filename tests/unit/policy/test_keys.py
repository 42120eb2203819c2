"""Key files: which keys load, and that policy and verification read the same key from the same file."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from preverify.model.errors import BadInput
from preverify.policy.keys import MAX_BYTES, read_public_key
from preverify.verify import load_public_key
from support.policies import pem

RSA_2048 = rsa.generate_private_key(65537, 2048)
# openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 | openssl pkey -pubout (OpenSSL 3.0.19)
PSS_ONLY = b"""\
-----BEGIN PUBLIC KEY-----
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAO65z73stW528/l0e9Kq1jxL
Rs0zsPIb9av8cr51yWE4gKssJdk9MuK7bAMbS/gJxQNJ1bwGHzIeAF8QlHdPRr/F
VmmygzsUO3HX9xdnLbnVeD5S3yHpwqss+L5zj4ApNvCMILvmftCNX6WFTSjksJB+
DnKPIapsFYcSeTp35TO28P3MJ5LISLdC5nFBRLjNAI7yzihJWatosrSfw4rYDD/M
0x243Q+3S0g9NY4U0+K/hIvfLeBcYfb3nfosmqxjznDR2rfbq0+qOn1jY/GjdvAe
sE9PQTBzESrP+sLo9Xl47ojhz6kFBl5ZoKDJaAXccZz73jUms/xXJSKs+/W/wCUC
AwEAAQ==
-----END PUBLIC KEY-----
"""
KEYS: dict[str, Callable[[], object]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()).public_key(),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()).public_key(),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()).public_key(),
    "ed25519": lambda: ed25519.Ed25519PrivateKey.generate().public_key(),
    "rsa-2048": RSA_2048.public_key,
}
REFUSED: dict[str, Callable[[], object]] = {
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024).public_key(),
    "k256": lambda: ec.generate_private_key(ec.SECP256K1()).public_key(),
    "ed448": lambda: ed448.Ed448PrivateKey.generate().public_key(),
    "x25519": lambda: x25519.X25519PrivateKey.generate().public_key(),
}


def written(key: object) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("kind", list(KEYS))
def test_keys_that_signatures_can_be_verified_with_load(kind: str) -> None:
    data = written(KEYS[kind]())
    assert read_public_key(data) == load_public_key(data)
    assert read_public_key(b"# the key of the release team\n" + data.replace(b"\n", b"\r\n")) == load_public_key(data)


@pytest.mark.parametrize("kind", list(REFUSED))
def test_other_keys_are_refused_by_both_rooms(kind: str) -> None:
    data = written(REFUSED[kind]())
    with pytest.raises(ValueError, match="expected ECDSA P-256"):
        read_public_key(data)
    with pytest.raises(BadInput):
        load_public_key(data)


def test_a_key_that_may_only_do_pss_is_refused() -> None:
    with pytest.raises(ValueError, match="expected ECDSA P-256"):
        read_public_key(PSS_ONLY)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "holds 0 PEM blocks"),
        (b"not a key", "holds 0 PEM blocks"),
        (pem("release") + pem("vendor"), "holds 2 PEM blocks"),
        (pem("release").replace(b"MFkw", b"MFkx"), "holds no readable PEM public key"),
        (b"-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----\n", "holds no readable PEM public key"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n", "holds no readable PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a certificate"),
        (
            RSA_2048.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "holds a private key; name the file with the public key, and treat this one as leaked",
        ),
        (b"x" * (MAX_BYTES + 1), "at most 65536 are read"),
    ],
)
def test_files_that_hold_something_else_are_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        read_public_key(data)
    assert "BEGIN" not in str(caught.value)
