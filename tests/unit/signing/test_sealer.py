"""Which way to sign is configured, what it needs, and what statements are recognised by without it."""

import base64
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from preverify.attest.envelope import parse
from preverify.attest.identity import OwnIdentity
from preverify.attest.signatures import holds
from preverify.model.errors import BadConfiguration, Unavailable
from preverify.model.keys import TrustedKey
from preverify.settings import Keyless, Settings, Signing, load
from preverify.signing import own_of
from preverify.signing.external import ExternalKey, open_external
from preverify.signing.keyfile import KeyFile
from preverify.signing.keyless import open_keyless
from preverify.signing.sealer import open_sealer
from support import pki
from support.statements import new_key, write_key

PEM = serialization.Encoding.PEM
TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
CONFIG = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
FILES = "identityTokenFile: t, trustedRootFile: r, signingConfigFile: c"
NOT_HERE: dict[str, list[str]] = {"ctlogs": [], "timestampAuthorities": []}  # may be empty, but has to be there
LONG = {"start": "2024-01-01T00:00:00Z"}


def public_file(path: Path, key: Any) -> Path:
    path.write_bytes(key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return path


def root_file(path: Path, *authorities: pki.Party) -> Path:
    chains = [
        {
            "subject": {"organization": "test", "commonName": "test"},
            "uri": "https://fulcio.test",
            "certChain": {"certificates": [{"rawBytes": base64.b64encode(each).decode()} for each in party.chain]},
            "validFor": LONG,
        }
        for party in authorities
    ]
    spki = pki.spki(pki.key(name="log"))
    key = base64.b64encode(spki).decode()
    log = {
        "baseUrl": "https://rekor.test",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": key, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": LONG},
        "logId": {"keyId": base64.b64encode(sha256(spki).digest()).decode()},
    }
    document = {"mediaType": TRUSTED_ROOT, "tlogs": [log], "certificateAuthorities": chains, **NOT_HERE}
    path.write_text(json.dumps(document))
    return path


def config_file(path: Path, **change: Any) -> Path:
    def service(url: str, version: int) -> list[dict[str, object]]:
        return [{"url": url, "majorApiVersion": version, "validFor": LONG, "operator": "test"}]

    document = {
        "mediaType": CONFIG,
        "caUrls": service("https://fulcio.test", 1),
        "oidcUrls": service("https://oauth.test", 1),
        "rekorTlogUrls": service("https://rekor.test", 2),
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": service("https://tsa.test/api/v1/timestamp", 1),
        "tsaConfig": {"selector": "ANY"},
    }
    path.write_text(json.dumps({**document, **change}))
    return path


def keyless(directory: Path, **change: Any) -> Keyless:
    authority = pki.intermediate(pki.root())
    files = {
        "identityTokenFile": directory / "token",
        "trustedRootFile": root_file(directory / "root.json", authority),
        "signingConfigFile": config_file(directory / "config.json"),
    }
    return Keyless.model_validate({**files, "issuer": "https://issuer.test", "identity": "a@b.test", **change})


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{keyFile: a.pem, uri: 'hsm:2', publicKeyFile: b, pinFile: c, pkcs11Module: d}", "expected one way to sign"),
        (f"{{keyFile: a.pem, keyless: {{{FILES}, issuer: i, identity: n}}}}", "says keyFile and keyless"),
        ("{uri: 'awskms:1'}", "uri and publicKeyFile go together"),
        ("{publicKeyFile: b}", "uri and publicKeyFile go together"),
        ("{uri: 'pgp:1', publicKeyFile: b}", "uri is for 'pgp'"),
        ("{uri: 'hsm:1', publicKeyFile: b, pinFile: c}", "which needs both"),
        ("{uri: 'hsm:1', publicKeyFile: b, pkcs11Module: c}", "which needs both"),
        ("{uri: 'awskms:1', publicKeyFile: b, pinFile: c}", "belong to a uri hsm:"),
        ("{keyless: {identityTokenFile: t}}", "trustedRootFile"),
        (f"{{keyless: {{{FILES}, issuer: '', identity: n}}}}", "at least 1 character"),
    ],
)
def test_half_and_doubled_ways_are_refused(tmp_path: Path, written: str, sentence: str) -> None:
    config = tmp_path / "preverify.yaml"
    config.write_text(f"signing: {written}\n")
    with pytest.raises(BadConfiguration, match=sentence):
        load(config, {}, {})


def test_nothing_is_signed_where_nothing_is_said() -> None:
    assert not Settings().signing.signs
    assert own_of(Signing()) is None
    with pytest.raises(BadConfiguration, match="no way to sign"):
        open_sealer(Signing())


@pytest.mark.parametrize(
    ("layout", "fits"),
    [("auto", True), ("bundle", True), ("none", True), ("att", False), ("both", False), ("detached", False)],
)
def test_keyless_statements_go_into_bundles_only(tmp_path: Path, layout: str, fits: bool) -> None:
    config = tmp_path / "preverify.yaml"
    config.write_text(
        f"signing: {{keyless: {{{FILES}, issuer: i, identity: n}}}}\n"
        f"sources: {{shop: {{registry: registry.example, publish: {{layout: {layout}}}}}}}\n"
    )
    if fits:
        settings = load(config, {}, {})
        assert settings.signing.keyless is not None
        assert settings.signing.keyless.identity_token_file == tmp_path / "t"
        return
    with pytest.raises(BadConfiguration, match=f"'shop' has publish.layout '{layout}'.*only into a bundle"):
        load(config, {}, {})


# --- key files --------------------------------------------------------------------------------------------------------


def test_a_key_file_is_one_way(tmp_path: Path) -> None:
    path = write_key(tmp_path / "signing.pem")
    sealer = open_sealer(Signing(keyFile=path))
    assert isinstance(sealer, KeyFile)
    assert sealer.own == own_of(Signing(keyFile=path)) == sealer.public
    assert sealer.seal(b"{}") == sealer.seal(b"{}")
    assert sealer.journal_secret == sealer.derive(b"journal")
    envelope = parse(sealer.seal(b"{}"))
    assert holds(sealer.public, envelope.signatures[0], envelope.signed_bytes)


# --- keys elsewhere ---------------------------------------------------------------------------------------------------


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    public = public_file(tmp_path / "key.pub", ec.generate_private_key(ec.SECP256R1()))
    extras = {"awskms": "kms-aws", "azurekms": "kms-azure", "gcpkms": "kms-gcp", "hashivault": "kms-vault"}
    modules = {"awskms": "boto3", "azurekms": "azure", "gcpkms": "google.cloud", "hashivault": "hvac"}
    missing = [scheme for scheme in extras if modules[scheme].split(".")[0] not in sys.modules]
    for scheme in missing:
        settings = Signing(uri=f"{scheme}:key/1", publicKeyFile=public)
        with pytest.raises(BadConfiguration, match=rf"install preverify\[{extras[scheme]}\]"):
            open_sealer(settings)
        assert own_of(settings) == TrustedKey(
            serialization.load_pem_public_key(public.read_bytes()).public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )


@pytest.fixture
def hsm(tmp_path: Path) -> dict[str, Path]:
    pytest.importorskip("pkcs11")
    (tmp_path / "pin").write_text("1234\n")
    (tmp_path / "module.so").write_bytes(b"no library")
    public = public_file(tmp_path / "key.pub", ec.generate_private_key(ec.SECP256R1()))
    return {"publicKeyFile": public, "pinFile": tmp_path / "pin", "pkcs11Module": tmp_path / "module.so"}


def test_a_library_that_is_none_is_said(hsm: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYKCS11LIB", raising=False)
    with pytest.raises(BadConfiguration, match="does not sign: the key of signing"):
        open_sealer(Signing(uri="hsm:2", **hsm))
    with pytest.raises(BadConfiguration, match="no such file"):
        open_sealer(Signing(uri="hsm:2", **{**hsm, "pkcs11Module": Path("/nonexistent.so")}))
    with pytest.raises(BadConfiguration, match="cannot be used: ValueError"):
        open_sealer(Signing(uri="hsm:two", **hsm))


@pytest.mark.parametrize("kind", ["p384", "rsa2048", "none", "absent"])
def test_a_public_key_that_readers_do_not_know_is_refused(hsm: dict[str, Path], kind: str) -> None:
    path = hsm["publicKeyFile"]
    if kind == "p384":
        public_file(path, ec.generate_private_key(ec.SECP384R1()))
    elif kind == "rsa2048":
        public_file(path, rsa.generate_private_key(65537, 2048))
    elif kind == "none":
        path.write_text("rubbish")
    else:
        path.unlink()
    with pytest.raises(BadConfiguration, match=r"neither ECDSA P-256|no public key|cannot be read"):
        open_sealer(Signing(uri="hsm:2", **hsm))


def test_without_a_uri_nothing_is_opened() -> None:
    with pytest.raises(BadConfiguration, match="no uri"):
        open_external(Signing())


class InMemory:
    """A signer with the library's interface over a real key: how devices answer, rightly and wrongly."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def sign(self, data: bytes) -> Any:
        from securesystemslib.signer import Signature

        if self.key is None:
            raise RuntimeError("the device\nis gone")
        if isinstance(self.key, str):
            return Signature("id", self.key)
        return Signature("id", pki.sign(self.key, data).hex())


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_what_comes_back_is_checked(kind: str) -> None:
    key, other = pki.key(kind, "device"), pki.key(kind, "another")
    public = TrustedKey(pki.spki(key))
    sealed = parse(ExternalKey(InMemory(key), public).seal(b"{}"))
    assert holds(public, sealed.signatures[0], sealed.signed_bytes)
    assert ExternalKey(InMemory(key), public).journal_secret is None
    for wrong, sentence in (
        (other, "another one than"),
        (None, "RuntimeError: the device is gone"),
        ("", "another one than"),
        ("zz", "ValueError"),
    ):
        with pytest.raises(Unavailable, match=sentence):
            ExternalKey(InMemory(wrong), public).seal(b"{}")


def test_an_ed25519_key_may_be_elsewhere_too(tmp_path: Path) -> None:
    public = public_file(tmp_path / "ed.pub", ed25519.Ed25519PrivateKey.generate())
    assert isinstance(own_of(Signing(uri="hashivault:key/1", publicKeyFile=public)), TrustedKey)


# --- certificates -----------------------------------------------------------------------------------------------------


def test_the_identity_is_known_without_signing(tmp_path: Path) -> None:
    settings = keyless(tmp_path)
    own = own_of(Signing(keyless=settings))
    assert isinstance(own, OwnIdentity)
    assert (own.issuer, own.identity) == ("https://issuer.test", "a@b.test")
    assert own.issuing == (pki.intermediate(pki.root()).der,) or len(own.issuing) == 1
    sealer = open_sealer(Signing(keyless=settings))
    assert sealer.own == own
    assert sealer.journal_secret is None
    with pytest.raises(Unavailable, match=r"keyless signing: BadConfiguration: .*token: cannot be read"):
        sealer.seal(b"{}")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"caUrls": []}, "No valid Fulcio"),
        ({"rekorTlogUrls": []}, "No valid Rekor"),
        ({"mediaType": "application/json"}, "SigningConfig mediaType"),
        ({"caUrls": [{"url": "http://fulcio.test", "majorApiVersion": 1, "operator": "x"}]}, "in the clear"),
        ({"caUrls": None}, "is no signing configuration"),
        ({"caUrls": [{}]}, "is no signing configuration"),
        ({"tsaUrls": 7}, "cannot be used for signing"),
    ],
)
def test_a_configuration_that_cannot_sign_is_refused_at_start(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    settings = keyless(tmp_path)
    config_file(tmp_path / "config.json", **change)
    with pytest.raises(BadConfiguration, match=sentence):
        open_keyless(settings)


@pytest.mark.parametrize("name", ["root.json", "config.json"])
@pytest.mark.parametrize("content", [b"rubbish", b"[]", None])
def test_files_that_are_none_are_refused_at_start(tmp_path: Path, name: str, content: bytes | None) -> None:
    settings = keyless(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadConfiguration, match=name):
        open_keyless(settings)


def test_a_root_without_authorities_makes_nothing_ours(tmp_path: Path) -> None:
    settings = keyless(tmp_path)
    root_file(tmp_path / "root.json")
    with pytest.raises(BadConfiguration, match="names no certificate authority"):
        own_of(Signing(keyless=settings))


def test_two_keys_are_two(tmp_path: Path) -> None:
    assert new_key(tmp_path, "a").own != new_key(tmp_path, "b").own
