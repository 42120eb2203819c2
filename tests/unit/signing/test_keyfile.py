import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from preverify.attest.signatures import holds
from preverify.model.errors import BadConfiguration
from preverify.signing import public_key
from preverify.signing.keyfile import open_key
from support.statements import write_key


def write(path: Path, key, encryption=None) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return path


def test_p256_signs_deterministically(tmp_path: Path) -> None:
    key = open_key(write_key(tmp_path / "k.pem"))
    assert key.sign(b"x") == key.sign(b"x") != key.sign(b"y")
    assert holds(key.public, key.sign(b"x"), b"x")
    assert key.derive(b"a") != key.derive(b"b")


def test_rfc_6979_test_vector(tmp_path: Path) -> None:
    """A.2.5, P-256 with SHA-256, message "sample": the nonce is the one of the specification."""
    private = ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1())
    signature = open_key(write(tmp_path / "k.pem", private)).sign(b"sample")
    assert bytes.fromhex("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716") in signature


def test_ed25519_signs_too(tmp_path: Path) -> None:
    key = open_key(write(tmp_path / "k.pem", ed25519.Ed25519PrivateKey.generate()))
    assert holds(key.public, key.sign(b"x"), b"x")


def test_nothing_shows_the_key(tmp_path: Path) -> None:
    key = open_key(write_key(tmp_path / "k.pem"))
    assert repr(key) == f"KeyFile({key.public.id})"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_keys_that_others_may_use_are_refused(tmp_path: Path, mode: int) -> None:
    path = write_key(tmp_path / "k.pem")
    path.chmod(mode)
    with pytest.raises(BadConfiguration, match=f"mode {mode:04o}.*chmod 600"):
        open_key(path)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (rsa.generate_private_key(65537, 1024), "RSA with 1024 bits"),
        (dsa.generate_private_key(1024), "DSA with 1024 bits"),
        (ec.generate_private_key(ec.SECP384R1()), "ECDSA on secp384r1"),
        (ec.generate_private_key(ec.SECP256K1()), "ECDSA on secp256k1"),
        (x25519.X25519PrivateKey.generate(), "of another kind"),
    ],
)
def test_other_keys_are_refused(tmp_path: Path, key, said: str) -> None:
    with pytest.raises(BadConfiguration, match=f"{said}, expected ECDSA P-256"):
        open_key(write(tmp_path / "k.pem", key))


def test_encrypted_missing_strange_and_huge_files(tmp_path: Path) -> None:
    path = write(tmp_path / "k.pem", ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x"))
    with pytest.raises(BadConfiguration, match="encrypted"):
        open_key(path)
    with pytest.raises(BadConfiguration, match="cannot be read: No such file"):
        open_key(tmp_path / "none.pem")
    with pytest.raises(BadConfiguration, match="no regular file"):
        open_key(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(BadConfiguration, match="no regular file"):
        open_key(fifo)
    path.write_bytes(b"rubbish")
    with pytest.raises(BadConfiguration, match="no private key in PEM form"):
        open_key(path)
    path.write_bytes(b"x" * 65_537)
    with pytest.raises(BadConfiguration, match="65537 bytes"):
        open_key(path)


def test_the_public_key_beside_it(tmp_path: Path) -> None:
    path = write_key(tmp_path / "k.pem")
    trusted = open_key(path).public
    assert public_key(path) == trusted
    path.chmod(0o000)
    assert public_key(path) == trusted
    path.chmod(0o600)
    path.with_suffix(".pub").unlink()
    assert public_key(path) == trusted


def test_a_public_key_that_is_another_ones(tmp_path: Path) -> None:
    path, other = write_key(tmp_path / "k.pem"), write_key(tmp_path / "other.pem")
    path.with_suffix(".pub").write_bytes(other.with_suffix(".pub").read_bytes())
    with pytest.raises(BadConfiguration, match=r"is not the public key of k\.pem"):
        open_key(path)
    path.with_suffix(".pub").write_bytes(b"rubbish")
    with pytest.raises(BadConfiguration, match="no public key in PEM form"):
        public_key(path)


def test_the_form_of_the_public_key(tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert open_key(write(tmp_path / "k.pem", private)).public.spki == spki
