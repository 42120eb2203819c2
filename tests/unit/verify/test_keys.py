"""Keys: which are accepted, how they are read, and that nothing but a good signature holds."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import BadInput
from preverify.model.keys import TrustedKey
from preverify.verify.keys.public_keys import Scheme, load_public_key, prepared, verify_signature
from support import signed

TESTS = Path(__file__).resolve().parents[2]
VECTORS = TESTS / "vectors" / "signatures"
OWN = json.loads((VECTORS / "vectors.json").read_bytes())["vectors"]
PUBLIC = Path(os.environ.get("PREVERIFY_CONFORMANCE", TESTS.parent.parent / "shared" / "conformance")) / "wycheproof"


def pem(key: object) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("vector", OWN, ids=[v["id"] for v in OWN])
def test_own_vectors(vector: dict[str, str]) -> None:
    key = TrustedKey(bytes.fromhex(vector["key"]))
    holds = verify_signature(key, bytes.fromhex(vector["signature"]), bytes.fromhex(vector["message"]))
    assert holds is vector["valid"], vector["why"]


def test_own_vectors_are_many_enough() -> None:
    assert sum(not v["valid"] for v in OWN) >= 40
    assert sum(bool(v["valid"]) for v in OWN) >= 10


def test_making_the_own_vectors_again_changes_nothing(tmp_path: Path) -> None:
    for path in ("signatures/make.py", "fixtures/keys/rsa2048.pem"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes((VECTORS.parent / path).read_bytes())
    command = [sys.executable, str(tmp_path / "signatures" / "make.py")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "signatures" / "vectors.json").read_bytes() == (VECTORS / "vectors.json").read_bytes()


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="no public signature suite here; name it in PREVERIFY_CONFORMANCE")
@pytest.mark.parametrize("path", sorted(PUBLIC.glob("*.json")), ids=lambda p: p.stem)
def test_is_right_on_the_whole_public_suite(path: Path) -> None:
    scheme = Scheme.RSA_PSS_SHA256 if "pss" in path.name else Scheme.BY_KEY
    wrong, accepted, refused = [], 0, 0
    for group in json.loads(path.read_bytes())["testGroups"]:
        key = load_public_key(group["publicKeyPem"].encode())
        for test in group["tests"]:
            holds = verify_signature(key, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]), scheme)
            accepted, refused = accepted + holds, refused + (not holds)
            if test["result"] != "acceptable" and holds is not (test["result"] == "valid"):
                wrong.append((test["tcId"], test["comment"], holds))
    assert wrong == []
    assert accepted
    assert refused


@pytest.mark.parametrize("name", ["ec1", "ec384", "ed25519", "rsa2048", "rsa4096"])
def test_accepts_the_kinds_that_tools_make(name: str) -> None:
    key = signed.key(name)
    assert key.id.startswith("key:")
    assert verify_signature(key, signed.sign(name, b"message"), b"message")
    assert not verify_signature(key, signed.sign(name, b"message"), b"massage")


def test_accepts_p521() -> None:
    secret = ec.generate_private_key(ec.SECP521R1())
    assert load_public_key(pem(secret.public_key()))


def test_der_and_pem_of_one_key_are_one_key() -> None:
    spki = signed.key("ec1").spki
    assert load_public_key(spki) == signed.key("ec1")


def test_a_compressed_point_is_the_same_key() -> None:
    """Two encodings of one key would otherwise count as two signers."""
    key = load_der_public_key(signed.key("ec1").spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    compressed = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    assert load_public_key(compressed) == signed.key("ec1")
    with pytest.raises(BadInput, match="canonical"):
        prepared(compressed)


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        (ec.generate_private_key(ec.SECP256K1()), "EC key on secp256k1"),
        (ec.generate_private_key(ec.SECP224R1()), "EC key on secp224r1"),
        (rsa.generate_private_key(65537, 1024), "RSA key of 1024 bits"),
        (ed448.Ed448PrivateKey.generate(), "kind Ed448"),
        (x25519.X25519PrivateKey.generate(), "kind X25519"),
        (dsa.generate_private_key(1024), "kind DSA"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_refuses_other_kinds_by_name(key: object, seen: str) -> None:
    with pytest.raises(BadInput, match=seen):
        load_public_key(pem(key.public_key()))


def test_refuses_an_rsa_key_restricted_to_pss() -> None:
    spki = signed.key("rsa2048").spki
    inner = spki[spki.index(bytes.fromhex("0382010f00")) :]
    algorithm = bytes.fromhex("300b06092a864886f70d01010a")
    restricted = b"\x30\x82" + (len(algorithm) + len(inner)).to_bytes(2, "big") + algorithm + inner
    with pytest.raises(BadInput, match="PSS"):
        load_public_key(restricted)


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "not a public key"),
        (b"junk", "not a public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a public key"),
        (b"x" * 70_000, "70000 bytes"),
    ],
    ids=["empty", "junk", "pem-junk", "huge"],
)
def test_refuses_what_is_no_key(data: bytes, seen: str) -> None:
    with pytest.raises(BadInput, match=seen):
        load_public_key(data)


def test_refuses_a_private_key_by_name() -> None:
    secret = signed.private("ec1").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadInput, match="PRIVATE KEY"):
        load_public_key(secret)


def test_refuses_two_keys_in_one_file() -> None:
    one = (signed.FIXTURES / "keys" / "ec1.pub").read_bytes()
    with pytest.raises(BadInput, match="found 2"):
        load_public_key(one + one)


def test_prepared_refuses_what_was_never_loaded() -> None:
    with pytest.raises(BadInput, match="not a public key"):
        prepared(b"junk")


def test_the_hint_is_what_bundles_call_the_key() -> None:
    assert prepared(signed.key("ec1").spki).hint == "2MY+RDR+wqf4Bt8CNk9zOgReTUfJJJVmABqbxe5l/yI="


def test_a_scheme_of_rsa_never_holds_for_other_keys() -> None:
    signature = signed.sign("ec1", b"message")
    assert not verify_signature(signed.key("ec1"), signature, b"message", Scheme.RSA_PSS_SHA256)
    assert not verify_signature(signed.key("rsa2048"), signed.sign("rsa2048", b"m"), b"m", Scheme.RSA_PSS_SHA256)


@given(
    signature=st.binary(max_size=600),
    message=st.binary(max_size=20),
    name=st.sampled_from(["ec1", "ec384", "ed25519", "rsa2048"]),
)
def test_arbitrary_bytes_are_no_signature_and_no_error(signature: bytes, message: bytes, name: str) -> None:
    assert verify_signature(signed.key(name), signature, message) is False


def test_pem_in_other_line_endings_is_the_same_key() -> None:
    text = (signed.FIXTURES / "keys" / "ec1.pub").read_bytes()
    assert load_public_key(text.replace(b"\n", b"\r\n")) == signed.key("ec1")
    assert base64.b64encode(signed.key("ec1").spki)[:8] in text


def test_a_pss_restricted_key_is_refused_in_either_encoding() -> None:
    """OpenSSL reads such a key as a plain RSA key and forgets what it may not do."""
    import subprocess

    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
        capture_output=True,
        check=True,
    ).stdout
    for form in ("PEM", "DER"):
        public = subprocess.run(
            ["openssl", "pkey", "-pubout", "-outform", form], input=made, capture_output=True, check=True
        ).stdout
        with pytest.raises(BadInput, match="PSS"):
            load_public_key(public)
