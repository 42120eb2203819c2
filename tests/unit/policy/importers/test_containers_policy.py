"""policy.json of containers/image: each field becomes something of the same meaning, or is refused by its name."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from preverify.model.errors import BadConfiguration
from preverify.policy.importers import translate

FIXTURES = Path(__file__).resolve().parents[3] / "vectors" / "fixtures"
NAMES = ("ec1.pub", "ec2.pub", "ec384.pub", "ed25519.pub", "rsa2048.pub")
FILES = {f"/etc/pki/{name}": (FIXTURES / "keys" / name).read_bytes() for name in NAMES} | {
    f"/etc/pki/{name}": (FIXTURES / "trust" / name).read_bytes()
    for name in ("rekor1.pub", "rekor2.pub", "fulcio-chain.pem", "fulcio-root.pem", "rogue-root.pem")
}
SAME = {"type": "matchRepository"}
LOG = {"rekorPublicKeyPath": "/etc/pki/rekor1.pub"}
FULCIO = {"caPath": "/etc/pki/fulcio-chain.pem", "oidcIssuer": "https://issuer.test", "subjectEmail": "a@acme.test"}
REJECT = {"type": "reject"}
ACCEPT = {"type": "insecureAcceptAnything"}

Plain = Callable[..., dict[str, Any]]


def encoded(name: str) -> str:
    return base64.b64encode(FILES[f"/etc/pki/{name}"]).decode()


def signed(**fields: Any) -> dict[str, Any]:
    return {"type": "sigstoreSigned", "signedIdentity": SAME, **fields}


BY_KEY = signed(keyPath="/etc/pki/ec1.pub")


def of(*requirements: object) -> str:
    return json.dumps({"default": list(requirements)})


def scoped(scopes: dict[str, Any], default: object = REJECT, **more: Any) -> str:
    return json.dumps({"default": [default], "transports": {"docker": scopes, **more}})


def rule(plain: Plain, text: str, policy: str = "default", **options: Any) -> dict[str, Any]:
    (only,) = plain(text, files=FILES, **options)[policy]["require"]
    return dict(only)


def refused(plain: Plain, text: str, message: str) -> None:
    with pytest.raises(BadConfiguration, match=message):
        plain(text, files=FILES)


def denied(plain: Plain, text: str, message: str, policy: str = "default") -> None:
    """Expect a refusal that names the place; where losses are allowed, a denial that says the same."""
    refused(plain, text, message)
    found = plain(text, files=FILES, lossy=True)
    assert [each["name"] for each in found[policy]["require"]] == ["denied"]
    assert len(found["losses"]) == 1


def circle() -> bytes:
    """Return certificates of two authorities, each issued by the other."""
    keys = [ec.derive_private_key(number, ec.SECP256R1()) for number in (21, 22)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("one", "two")]
    text = b""
    for i in (0, 1):
        builder = x509.CertificateBuilder().subject_name(names[i]).issuer_name(names[1 - i])
        builder = builder.public_key(keys[i].public_key()).serial_number(i + 1)
        builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        builder = builder.not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        text += builder.sign(keys[1 - i], hashes.SHA256()).public_bytes(Encoding.PEM)
    return text


# --- keys ---


def test_a_key_becomes_a_signer_and_payloads_have_to_name_the_image(plain: Plain) -> None:
    found = plain(of(BY_KEY), files=FILES)
    assert found["default"] == {
        "images": ["**"],
        "exclude": ["oci:/**"],
        "require": [
            {
                "name": "signed",
                "platforms": "each",
                "signature": {"by": {"any": ["ec1"]}, "dockerReference": "same-repository"},
            }
        ],
    }
    assert found["signers"] == {"ec1": {"key": {"file": "keys/ec1.pub"}, "tlog": "none"}}
    assert found["files"] == {"keys/ec1.pub": FILES["/etc/pki/ec1.pub"]}


@pytest.mark.parametrize(
    ("fields", "whom"),
    [
        ({"keyPaths": ["/etc/pki/ec1.pub", "/etc/pki/rsa2048.pub"]}, ["ec1", "rsa2048"]),
        ({"keyData": encoded("ec1.pub")}, ["default"]),
        ({"keyData": encoded("ec1.pub")[:20] + "\r\n" + encoded("ec1.pub")[20:]}, ["default"]),
        ({"keyDatas": [encoded("ec1.pub"), encoded("ed25519.pub")]}, ["default", "default-2"]),
        ({"keyDatas": [encoded("ec1.pub"), encoded("ec1.pub")]}, ["default"]),
    ],
)
def test_any_of_several_keys_is_enough(plain: Plain, fields: dict[str, Any], whom: list[str]) -> None:
    assert rule(plain, of(signed(**fields)))["signature"]["by"] == {"any": whom}


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        (LOG, 1),
        ({"rekorPublicKeyPaths": ["/etc/pki/rekor1.pub", "/etc/pki/ec2.pub"]}, 2),
        ({"rekorPublicKeyData": encoded("rekor1.pub")}, 1),
        ({"rekorPublicKeyDatas": [encoded("rekor1.pub"), encoded("ec2.pub")]}, 2),
    ],
)
def test_a_log_becomes_a_root_of_its_own(plain: Plain, fields: dict[str, Any], count: int) -> None:
    found = plain(of(signed(keyPath="/etc/pki/ec1.pub", **fields)), files=FILES)
    assert found["signers"]["ec1"] == {"key": {"file": "keys/ec1.pub"}, "tlog": "required", "trust": "default"}
    assert len(found["trust"]["roots"]["default"]["logs"]) == count


def test_all_requirements_have_to_hold(plain: Plain) -> None:
    found = plain(of(BY_KEY, ACCEPT, signed(keyPath="/etc/pki/ec2.pub"), BY_KEY), files=FILES)
    assert [each["signature"]["by"]["any"] for each in found["default"]["require"]] == [["ec1"], ["ec2"]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keyPaths": ["/etc/pki/ec1.pub", "/etc/pki/ec384.pub"]}, r"keyPaths\[1\]: 'ec384': .* secp384r1"),
        ({"keyPath": "/etc/pki/fulcio-root.pem"}, r"keyPath: 'fulcio-root': holds a certificate"),
        ({"keyPaths": []}, r"keyPaths: is empty"),
        ({"keyDatas": ["?"]}, r"keyDatas\[0\]: is no base64"),
        ({"keyData": "aGVsbG8="}, r"keyData: 'default': holds 0 PEM blocks"),
        ({}, "expected exactly one of keyPath"),
        ({"keyPath": "/etc/pki/ec1.pub", "keyData": encoded("ec1.pub")}, "expected exactly one of keyPath"),
        ({"keyPath": "/etc/pki/ec1.pub", "fulcio": FULCIO, **LOG}, "expected exactly one of keyPath"),
        ({"keyPath": "/etc/pki/ec1.pub", **LOG, "rekorPublicKeyData": ""}, "expected at most one of rekor"),
        ({"keyPath": "/etc/pki/ec1.pub", "rekorPublicKeyPath": "/etc/pki/rsa2048.pub"}, "rekorPublicKeyPath: .*ECDSA"),
        ({"keyPath": "/etc/pki/ec1.pub", "rekorPublicKeyPaths": []}, "rekorPublicKeyPaths: is empty"),
        ({"keyPath": "/etc/pki/ec1.pub", "keyType": "GPGKeys"}, "keyType: is not understood"),
        ({"pki": {"caRootsPath": "x", "subjectEmail": "a@acme.test"}}, r"default\[0\]\.pki: names no OIDC issuer"),
    ],
)
def test_what_cannot_be_said_of_keys_is_refused(plain: Plain, fields: dict[str, Any], message: str) -> None:
    denied(plain, of(signed(**fields)), message)


def test_a_file_that_is_not_there_is_refused() -> None:
    def missing(name: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", name)

    with pytest.raises(BadConfiguration, match=r"default\[0\]\.keyPath: file '/etc/pki/ec1.pub': No such file"):
        translate([("policy.json", of(BY_KEY).encode())], missing)


# --- certificates ---


def test_an_identity_by_certificate_has_a_root_of_its_own(plain: Plain) -> None:
    found = plain(of(signed(fulcio=FULCIO, **LOG)), files=FILES)
    assert found["signers"]["default"] == {
        "keyless": {
            "issuer": "https://issuer.test",
            "subject": "a@acme.test",
            "trust": "default",
            "tlog": "required",
            "timestamps": "none",
            "sct": "none",
        }
    }
    root = found["trust"]["roots"]["default"]
    assert root == {
        "authorities": [{"files": ["trust/default-authority.pem"]}],
        "logs": [{"key": "trust/default-log.pub"}],
    }
    assert found["files"]["trust/default-authority.pem"].count(b"BEGIN CERTIFICATE") == 2


def test_authorities_that_issued_each_other_are_refused(plain: Plain) -> None:
    """Two authorities that vouch for each other lead up to no root."""
    data = {"caData": base64.b64encode(circle()).decode(), "oidcIssuer": "i", "subjectEmail": "a@acme.test"}
    denied(plain, of(signed(fulcio=data, **LOG)), r"fulcio\.caData: 'default': is not one chain")


def test_authorities_may_be_several_and_in_the_document(plain: Plain, imported: Callable[..., Any]) -> None:
    both = FILES["/etc/pki/fulcio-root.pem"] + FILES["/etc/pki/rogue-root.pem"]
    data = {"caData": base64.b64encode(both).decode(), "oidcIssuer": "i", "subjectEmail": "a@acme.test"}
    text = of(signed(fulcio=data, **LOG))
    assert len(plain(text, files=FILES)["trust"]["roots"]["default"]["authorities"]) == 2
    assert any("no issuers here" in each for each in imported(text, files=FILES).notes)
    assert not any("no issuers" in each for each in imported(of(signed(fulcio=FULCIO, **LOG)), files=FILES).notes)


@pytest.mark.parametrize(
    ("fulcio", "log", "message"),
    [
        (FULCIO, {}, r"fulcio: without rekorPublicKeyPath"),
        ({**FULCIO, "caData": ""}, LOG, r"fulcio: expected exactly one of caPath and caData"),
        ({"oidcIssuer": "i", "subjectEmail": "a"}, LOG, r"fulcio: expected exactly one of caPath and caData"),
        ({"caPath": FULCIO["caPath"], "subjectEmail": "a"}, LOG, r"fulcio: has no oidcIssuer"),
        ({"caPath": FULCIO["caPath"], "oidcIssuer": "i"}, LOG, r"fulcio: has no subjectEmail"),
        ({**FULCIO, "caPath": "/etc/pki/ec1.pub"}, LOG, r"fulcio\.caPath: 'ec1': holds 1 PEM blocks"),
        ({**FULCIO, "subjectHostname": "x"}, LOG, r"fulcio\.subjectHostname: is not understood"),
    ],
)
def test_what_cannot_be_said_of_certificates_is_refused(
    plain: Plain, fulcio: dict[str, Any], log: dict[str, Any], message: str
) -> None:
    denied(plain, of(signed(fulcio=fulcio, **log)), message)


def test_an_authority_without_its_root_is_refused(plain: Plain) -> None:
    chain = FILES["/etc/pki/fulcio-chain.pem"]
    first = chain[: chain.index(b"-----END CERTIFICATE-----")] + b"-----END CERTIFICATE-----\n"
    data = {**FULCIO, "caData": base64.b64encode(first).decode()}
    del data["caPath"]
    denied(
        plain, of(signed(fulcio=data, **LOG)), r"fulcio\.caData: 'default': ends in .* which another authority issued"
    )


# --- names in payloads ---


@pytest.mark.parametrize(
    ("identity", "wanted"),
    [
        (SAME, "same-repository"),
        ({"type": "exactRepository", "dockerRepository": "registry.example/a/b"}, "registry.example/a/b"),
        ({"type": "exactRepository", "dockerRepository": "busybox"}, "docker.io/library/busybox"),
        ({"type": "exactReference", "dockerReference": "registry.example/a:v1"}, "registry.example/a:v1"),
    ],
)
def test_the_name_in_payloads_is_demanded(plain: Plain, identity: dict[str, str], wanted: str) -> None:
    found = rule(plain, of({**BY_KEY, "signedIdentity": identity}))
    assert found["signature"]["dockerReference"] == wanted


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({"type": "matchExact"}, r"signedIdentity\.type: matchExact: for an image by tag"),
        ({"type": "matchRepoDigestOrExact"}, r"signedIdentity\.type: matchRepoDigestOrExact: for an image by tag"),
        ({"type": "remapIdentity", "prefix": "a", "signedPrefix": "b"}, r"signedIdentity\.type: remapIdentity"),
        ({"type": "exactRepository", "dockerRepository": "r.example/a:v1"}, r"dockerRepository: .*names a tag"),
        ({"type": "exactReference", "dockerReference": "r.example/a"}, r"dockerReference: names neither tag nor"),
        ({"type": "exactReference", "dockerReference": "r.example/A:v1"}, r"dockerReference: 'A' is not a repository"),
        ({"type": "other"}, r"signedIdentity\.type: is 'other', expected one of"),
        ({**SAME, "prefix": "a"}, r"signedIdentity\.prefix: is not understood"),
    ],
)
def test_names_that_compare_tags_are_refused(plain: Plain, identity: dict[str, str], message: str) -> None:
    denied(plain, of({**BY_KEY, "signedIdentity": identity}), message)


def test_without_a_name_tags_would_be_compared(plain: Plain) -> None:
    without = {key: value for key, value in BY_KEY.items() if key != "signedIdentity"}
    denied(plain, of(without), r"signedIdentity: is missing, which means matchRepoDigestOrExact")


@pytest.mark.parametrize("identity", [None, {"type": "matchRepoDigestOrExact"}])
def test_of_images_by_digest_the_repository_is_compared(
    plain: Plain, imported: Callable[..., Any], identity: dict[str, str] | None
) -> None:
    written = {key: value for key, value in BY_KEY.items() if key != "signedIdentity"}
    text = of(written if identity is None else {**written, "signedIdentity": identity})
    found = rule(plain, text, dialect="containers-policy-by-digest")
    assert found["signature"]["dockerReference"] == "same-repository:*"
    notes = imported(text, files=FILES, dialect="containers-policy-by-digest").notes
    assert any("deploy them by digest" in note for note in notes)


@pytest.mark.parametrize("kind", ["matchExact", "remapIdentity"])
def test_by_digest_other_demands_on_tags_are_refused_too(plain: Plain, kind: str) -> None:
    text = of({**BY_KEY, "signedIdentity": {"type": kind}})
    with pytest.raises(BadConfiguration, match=rf"signedIdentity\.type: {kind}: for an image by tag"):
        plain(text, files=FILES, dialect="containers-policy-by-digest")


# --- other requirements ---


def test_what_is_rejected_never_passes(plain: Plain) -> None:
    assert rule(plain, of(REJECT)) == {"name": "denied", "signature": {"by": {"any": ["nobody"]}}}
    assert rule(plain, of(BY_KEY, REJECT))["name"] == "denied"


def test_what_is_accepted_passes_unverified_and_says_so(plain: Plain, imported: Callable[..., Any]) -> None:
    assert rule(plain, of(ACCEPT, ACCEPT)) == {"name": "unchecked", "signature": {"by": {"any": ["unchecked"]}}}
    assert any("policy default accepts anything" in each for each in imported(of(ACCEPT)).notes)


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        (
            {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "x"},
            r"default\[0\]\.type: signedBy: signatures of GPG",
        ),
        ({"type": "signedBaseLayer"}, r"type: signedBaseLayer"),
        ({"type": "x"}, r"default\[0\]\.type: is 'x', expected one of: insecureAcceptAnything"),
        ({}, r"default\[0\]\.type: is ''"),
        ({**REJECT, "x": 1}, r"default\[0\]\.x: is not understood"),
    ],
)
def test_other_requirements_are_refused(plain: Plain, requirement: dict[str, str], message: str) -> None:
    denied(plain, of(requirement), message)


# --- scopes ---


def test_more_specific_scopes_are_taken_out_of_the_others(plain: Plain) -> None:
    scopes = {
        "": [ACCEPT],
        "*.example": [REJECT],
        "r.example": [REJECT],
        "r.example/a": [BY_KEY],
        "r.example/b": [REJECT],
    }
    found = plain(scoped(scopes), files=FILES)
    assert {name: (spec["images"], spec.get("exclude")) for name, spec in found.items() if "images" in spec} == {
        "docker": (["**"], ["*.example/**", "*.example:*/**", "oci:/**"]),
        "example": (["*.example/**", "*.example:*/**"], ["r.example/**"]),
        "r.example": (["r.example/**"], ["r.example/a", "r.example/a/**", "r.example/b", "r.example/b/**"]),
        "r.example-a": (["r.example/a", "r.example/a/**"], None),
        "r.example-b": (["r.example/b", "r.example/b/**"], None),
    }


def test_other_transports_are_left_out(imported: Callable[..., Any], plain: Plain) -> None:
    text = scoped({}, **{"docker-daemon": {"": [ACCEPT]}, "oci": {"": [{"type": "signedBy"}]}})
    assert [each.partition(" ")[0] for each in imported(text).notes] == ["transports.docker-daemon", "transports.oci"]
    assert set(plain(text)) == {"files", "losses", "default", "signers"}


@pytest.mark.parametrize("name", ["r.example/a:v1", f"r.example/a@sha256:{'1' * 64}"])
def test_a_scope_of_one_image_is_refused_or_its_repository_denied(plain: Plain, name: str) -> None:
    text = scoped({name: [ACCEPT], "r.example": [ACCEPT]})
    refused(plain, text, r"transports\.docker\..*: .* names a tag or digest")
    found = plain(text, files=FILES, lossy=True)
    (policy,) = [spec for spec in found.values() if isinstance(spec, dict) and spec.get("images") == ["r.example/a"]]
    assert policy["require"][0]["name"] == "denied"
    assert len(found["losses"]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (scoped({"nginx": [REJECT]}), r"transports\.docker\.nginx: 'nginx' matches nothing: it names no registry"),
        (scoped({"r.example": []}), r"docker\.r\.example: is empty"),
        (scoped({"r.example": REJECT}), r"docker\.r\.example: is a mapping, expected a list"),
        (json.dumps({"default": []}), r"default: is empty"),
        (json.dumps({"default": [REJECT], "x": 1}), r"x: is not understood"),
        (json.dumps({"default": [REJECT], "transports": {"docker": None}}), r"transports\.docker: is null"),
        (of({**BY_KEY, "signedIdentity": None}), r"default\[0\]\.signedIdentity: is null"),
        ('{"default": [], "default": [{"type": "reject"}]}', "stands twice"),
        (json.dumps({"transports": {}}), "is of no dialect"),
    ],
)
def test_what_the_other_tool_would_not_read_is_refused(plain: Plain, text: str, message: str) -> None:
    refused(plain, text, message)
    with pytest.raises(BadConfiguration):
        plain(text, files=FILES, lossy=True)


def test_without_a_default_nothing_is_imported(plain: Plain) -> None:
    with pytest.raises(BadConfiguration, match="default: is empty"):
        plain(json.dumps({"transports": {}}), dialect="containers-policy")


def test_one_policy_is_imported_at_a_time(plain: Plain) -> None:
    with pytest.raises(BadConfiguration, match="is a second"):
        plain("---\ndefault: [{type: reject}]\n---\ndefault: [{type: reject}]\n")
