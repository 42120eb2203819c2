"""Trusted roots are read whole or not at all."""

import base64
import contextlib
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import BadConfiguration
from preverify.model.trust import SigstoreRoot
from preverify.model.trusted_root import MAX_BYTES, MEDIA_TYPES, parse_trusted_root
from support import logged

REAL = {
    "production": logged.embedded_root("sigstore.dev"),
    "staging": logged.embedded_root("sigstage.dev"),
    **{path.stem: path.read_bytes() for path in sorted((logged.VECTORS / "roots").glob("*.json"))},
}
STACK = json.loads(REAL["stack"])
NEWER = {**STACK, "mediaType": MEDIA_TYPES[2]}


def refused(document: object, where: str, says: str = "") -> None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(BadConfiguration) as error:
        parse_trusted_root(data, "root")
    assert error.value.where == (f"root: {where}" if where else "root"), str(error.value)
    assert says in error.value.detail
    assert len(str(error.value)) < 500


def changed(path: str, value: object, base: Any = STACK) -> Any:
    """Return the stack's root with `value` at a dotted path, or nothing there where it is `...`."""
    document = copy.deepcopy(base)
    part = document
    *above, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in above:
        part = part[step]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return document


def parsed(document: object) -> SigstoreRoot:
    return parse_trusted_root(json.dumps(document).encode(), "root")


# --- real roots -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_real_roots_are_read_and_kept(name: str) -> None:
    document = json.loads(REAL[name])
    root = parse_trusted_root(REAL[name], name)
    assert root.name == name
    for values, key in (
        (root.logs, "tlogs"),
        (root.ct_logs, "ctlogs"),
        (root.authorities, "certificateAuthorities"),
        (root.timestamp_authorities, "timestampAuthorities"),
    ):
        assert len(values) == len(document[key])
    assert SigstoreRoot.from_canonical(json.loads(json.dumps(root.canonical()))).canonical() == root.canonical()
    assert SigstoreRoot.from_canonical(root.canonical()).id == root.id
    for log in (*root.logs, *root.ct_logs):
        assert log.valid.start is not None
        assert log.origin or log.id == sha256(log.key).digest()


def test_the_public_good_instance() -> None:
    root = parse_trusted_root(REAL["production"], "public")
    old, new = root.logs
    assert (old.origin, old.id.hex()[:8]) == ("", "c0d23d6a")
    assert new.origin == "log2025-1.rekor.sigstore.dev"
    assert old.valid.start == datetime(2021, 1, 12, 11, 53, 27, tzinfo=UTC)
    assert root.ct_logs[0].valid.end == datetime(2022, 10, 31, 23, 59, 59, 999000, tzinfo=UTC)
    assert [len(each.certificates) for each in root.authorities] == [1, 2]
    assert root.authorities[0].name == "sigstore.dev, sigstore"


def test_a_key_in_another_encoding_is_the_same_key() -> None:
    """Staging's oldest log keeps an RSA key as PKCS #1; its id is over the canonical form."""
    root = parse_trusted_root(REAL["staging"], "staging")
    raw = base64.b64decode(json.loads(REAL["staging"])["ctlogs"][0]["publicKey"]["rawBytes"])
    assert raw != root.ct_logs[0].key
    assert sha256(root.ct_logs[0].key).digest() == root.ct_logs[0].id


def test_another_instance_is_another_root() -> None:
    """And one instance is one root, however its document is written."""
    ids = [parse_trusted_root(REAL[name], "same").id for name in ("production", "staging", "stack")]
    assert len(set(ids)) == 3
    assert parsed(STACK).id == ids[2]
    assert parse_trusted_root(json.dumps(STACK, indent=7).encode(), "other").id == ids[2]


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_media_types(media_type: str) -> None:
    assert parsed({**STACK, "mediaType": media_type}).id == parsed(STACK).id


@pytest.mark.parametrize("media_type", [..., None, "", 1, "application/vnd.dev.sigstore.trustedroot.v0.3+json"])
def test_other_media_types_are_refused(media_type: object) -> None:
    refused(changed("mediaType", media_type), "mediaType", "is no trusted root")


def test_members_of_the_newest_version() -> None:
    key_id = STACK["tlogs"][0]["logId"]["keyId"]
    full = changed("tlogs.0.operator", "stack.test", changed("tlogs.0.checkpointKeyId", {"keyId": key_id}, NEWER))
    full = changed("certificateAuthorities.0.operator", "stack.test", full)
    assert parsed(full).id == parsed(STACK).id
    short = base64.b64encode(base64.b64decode(key_id)[:4]).decode()
    assert parsed(changed("tlogs.0.checkpointKeyId", {"keyId": short}, NEWER)).id == parsed(STACK).id
    for wrong in ("AAAAAA==", key_id[:-4] + "AAA=", STACK["tlogs"][1]["logId"]["keyId"]):
        refused(changed("tlogs.0.checkpointKeyId", {"keyId": wrong}, NEWER), "tlogs[0].checkpointKeyId.keyId")
    refused(changed("tlogs.0.checkpointKeyId", {}, NEWER), "tlogs[0].checkpointKeyId.keyId")
    refused(changed("tlogs.0.operator", "stack.test"), "tlogs[0]", "unknown key 'operator'")
    refused(changed("certificateAuthorities.0.operator", "x"), "certificateAuthorities[0]", "unknown key")
    refused(changed("tlogs.0.checkpointKeyId", {"keyId": key_id}), "tlogs[0]", "unknown key 'checkpointKeyId'")


@pytest.mark.parametrize(
    ("path", "where", "near"),
    [
        ("tlog", "", "tlogs"),
        ("tlogs.0.baseURL", "tlogs[0]", "baseUrl"),
        ("tlogs.0.publicKey.rawbytes", "tlogs[0].publicKey", "rawBytes"),
        ("tlogs.0.publicKey.validFor.until", "tlogs[0].publicKey.validFor", "end"),
        ("tlogs.0.logId.key", "tlogs[0].logId", "keyId"),
        ("certificateAuthorities.0.certchain", "certificateAuthorities[0]", "certChain"),
        ("certificateAuthorities.0.certChain.certs", "certificateAuthorities[0].certChain", "certificates"),
        ("certificateAuthorities.0.subject.name", "certificateAuthorities[0].subject", "commonName"),
        ("timestampAuthorities.0.validfor", "timestampAuthorities[0]", "validFor"),
    ],
)
def test_unknown_members_are_refused_by_name(path: str, where: str, near: str) -> None:
    refused(changed(path, "x"), where, near)


# --- lists and members that may be absent -----------------------------------------------------------------------------


def test_an_instance_may_have_no_logs() -> None:
    for key in ("tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"):
        for nothing in (..., None, []):
            root = parsed(changed(key, nothing))
            assert (
                sum(not each for each in (root.logs, root.ct_logs, root.authorities, root.timestamp_authorities)) == 1
            )


def test_what_an_authority_is_called() -> None:
    path = "certificateAuthorities.0"
    assert parsed(STACK).authorities[0].name == "private stack, stack root"
    unnamed = changed(f"{path}.subject", ...)
    assert parsed(unnamed).authorities[0].name == "http://127.0.0.1:5502"
    assert parsed(changed(f"{path}.uri", None, unnamed)).authorities[0].name == ""
    assert parsed(changed(f"{path}.subject", {"commonName": "root"})).authorities[0].name == "root"
    refused(changed(f"{path}.uri", 7), "certificateAuthorities[0].uri")
    refused(changed(f"{path}.subject.commonName", 7), "certificateAuthorities[0].subject.commonName")
    refused(changed(f"{path}.subject", "root"), "certificateAuthorities[0].subject")


@pytest.mark.parametrize(
    "path",
    [
        "ctlogs.0.baseUrl",
        "tlogs.0.hashAlgorithm",
        "tlogs.0.publicKey",
        "tlogs.0.publicKey.rawBytes",
        "tlogs.0.publicKey.keyDetails",
        "tlogs.0.publicKey.validFor",
        "tlogs.0.publicKey.validFor.start",
        "tlogs.0.logId",
        "tlogs.0.logId.keyId",
        "certificateAuthorities.0.certChain",
        "certificateAuthorities.0.certChain.certificates",
        "certificateAuthorities.0.certChain.certificates.1.rawBytes",
        "certificateAuthorities.0.validFor",
        "certificateAuthorities.0.validFor.start",
    ],
)
def test_what_has_to_be_there(path: str) -> None:
    where = "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in path.split(".")).lstrip(".")
    for value in (..., None, "", 0, [], True, *(["!"] if path != "ctlogs.0.baseUrl" else [])):
        refused(changed(path, value), where)


@pytest.mark.parametrize("value", [{}, "x", 1, [None], ["x"], [STACK["tlogs"][0]] * 257])
@pytest.mark.parametrize("path", ["tlogs", "certificateAuthorities"])
def test_lists_are_bounded_lists_of_objects(path: str, value: object) -> None:
    with pytest.raises(BadConfiguration):
        parsed(changed(path, value))


def test_an_empty_chain() -> None:
    path = "timestampAuthorities.0.certChain.certificates"
    where = "timestampAuthorities[0].certChain.certificates"
    refused(changed(path, []), where, "empty chain")


# --- logs -------------------------------------------------------------------------------------------------------------


def log(key: Any, details: str, base_url: str = "https://log.test", named: str | None = "log.test") -> dict[str, Any]:
    public = key.public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = sha256(spki if named is None else named.encode() + b"\n\x01" + public.public_bytes_raw()).digest()
    return {
        "baseUrl": base_url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": logged.b64(spki),
            "keyDetails": details,
            "validFor": {"start": "2024-01-01T00:00:00Z"},
        },
        "logId": {"keyId": logged.b64(digest)},
    }


def with_log(document: dict[str, Any], kind: str = "tlogs") -> dict[str, Any]:
    return {"mediaType": MEDIA_TYPES[0], kind: [document]}


ED25519 = ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://log.test", "log.test"),
        ("https://log.test/", "log.test"),
        ("log.test", "log.test"),
        ("https://log.test:8443", "log.test"),
        ("https://log.test:8443", "log.test:8443"),
        ("https://log.test/2026/", "log.test/2026"),
        ("log.test/2026", "log.test/2026"),
    ],
)
def test_a_log_may_have_its_name_in_its_id(base_url: str, name: str) -> None:
    (found,) = parsed(with_log(log(ED25519, "PKIX_ED25519", base_url, name))).logs
    assert found.origin == name


def test_a_log_may_have_its_key_s_digest_as_its_id() -> None:
    assert parsed(with_log(log(ED25519, "PKIX_ED25519", named=None))).logs[0].origin == ""


@pytest.mark.parametrize("base_url", ["https://log.tesr", "https://[", "https://", "/log.test", "?"])
def test_an_id_of_another_name_is_refused(base_url: str) -> None:
    refused(with_log(log(ED25519, "PKIX_ED25519", base_url)), "tlogs[0].logId.keyId", "is not the digest of this key")


def test_an_id_of_another_key_is_refused() -> None:
    """Entries name logs by id: a wrong one would hand one log's entries to another's key."""
    document = changed("tlogs.0.logId.keyId", STACK["tlogs"][1]["logId"]["keyId"])
    refused(document, "tlogs[0].logId.keyId")
    refused(changed("ctlogs.0.logId.keyId", logged.b64(bytes(32))), "ctlogs[0].logId.keyId")
    refused(changed("tlogs.1.logId.keyId", STACK["tlogs"][1]["logId"]["keyId"][:-4]), "tlogs[1].logId.keyId")


def test_a_certificate_transparency_log_has_no_name_in_its_id() -> None:
    refused(with_log(log(ED25519, "PKIX_ED25519"), "ctlogs"), "ctlogs[0].logId.keyId")
    assert parsed(with_log(log(ED25519, "PKIX_ED25519", named=None), "ctlogs")).ct_logs


@pytest.mark.parametrize("value", ["SHA2_384", "sha256", 1])
def test_trees_are_of_sha_256(value: object) -> None:
    refused(changed("tlogs.0.hashAlgorithm", value), "tlogs[0].hashAlgorithm", "expected 'SHA2_256'")


P256, P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()))
RSA2048 = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("key", "details"),
    [
        (P256, "PKIX_ECDSA_P256_SHA_256"),
        (P384, "PKIX_ECDSA_P384_SHA_384"),
        (P384, "PKIX_ECDSA_P384_SHA_256"),
        (P521, "PKIX_ECDSA_P521_SHA_512"),
        (RSA2048, "PKIX_RSA_PKCS1V15_2048_SHA256"),
        (ED25519, "PKIX_ED25519"),
    ],
)
def test_kinds_of_keys(key: Any, details: str) -> None:
    document = with_log(log(key, details, named=None))
    assert parsed(document).logs[0].id == sha256(parsed(document).logs[0].key).digest()
    other = "PKIX_ED25519" if key is not ED25519 else "PKIX_ECDSA_P256_SHA_256"
    refused(changed("tlogs.0.publicKey.keyDetails", other, document), "tlogs[0].publicKey.keyDetails", "expected")


@pytest.mark.parametrize(
    ("key", "details", "says"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=1024), "PKCS1_RSA_PKCS1V5", "RSA of 1024 bits"),
        (ec.generate_private_key(ec.SECP256K1()), "PKIX_ECDSA_P256_SHA_256", "secp256k1"),
        (dsa.generate_private_key(2048), "PKIX_ED25519", "DSA"),
        (RSA2048, "PKIX_RSA_PSS_2048_SHA256", "is not accepted"),
        (ED25519, "PKIX_ED25519_PH", "is not accepted"),
        (P256, "ML_DSA_65", "is not accepted"),
    ],
)
def test_keys_that_nothing_is_verified_with(key: Any, details: str, says: str) -> None:
    refused(with_log(log(key, details, named=None)), "tlogs[0].publicKey.keyDetails", says)


@pytest.mark.parametrize("raw", [b"no key", b"\x30\x00"])
def test_what_is_no_key(raw: bytes) -> None:
    refused(changed("tlogs.0.publicKey.rawBytes", logged.b64(raw)), "tlogs[0].publicKey.rawBytes", "not a public key")


# --- certificates -----------------------------------------------------------------------------------------------------

CHAIN = "certificateAuthorities.0.certChain.certificates"
FIRST = base64.b64decode(STACK["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"])


@pytest.mark.parametrize("der", [b"no certificate", FIRST[:-1], FIRST + b"\x00", FIRST[1:]])
def test_what_is_no_certificate(der: bytes) -> None:
    where = "certificateAuthorities[0].certChain.certificates[0].rawBytes"
    refused(changed(f"{CHAIN}.0.rawBytes", logged.b64(der)), where, "not a certificate")


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.5Z", datetime(2024, 1, 1, microsecond=500_000, tzinfo=UTC)),
        ("2024-01-01T00:00:00.123456789Z", datetime(2024, 1, 1, microsecond=123_456, tzinfo=UTC)),
        ("2024-01-01T02:30:00+02:30", datetime(2024, 1, 1, tzinfo=UTC)),
    ],
)
def test_times(text: str, expected: datetime) -> None:
    (found,) = parsed(changed("certificateAuthorities.0.validFor.start", text)).authorities
    assert found.valid.start == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z",
        "2024-01-01T00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:01Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567890Z",
        "2024-01-01T00:00:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "٢٠٢٤-01-01T00:00:00Z",
        "20240101T000000Z",
        "2024-W01-1T00:00:00Z",
        "2024-01-01T00:00:00Z\n",
    ],
)
def test_what_is_no_time(text: str) -> None:
    for name in ("start", "end"):
        refused(changed(f"tlogs.0.publicKey.validFor.{name}", text), f"tlogs[0].publicKey.validFor.{name}", "RFC 3339")


def test_periods() -> None:
    span = {"start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:00:00Z"}
    (found,) = parsed(changed("certificateAuthorities.0.validFor", span)).authorities
    assert found.valid.holds(datetime(2024, 1, 1, tzinfo=UTC))
    span["end"] = "2023-12-31T23:59:59Z"
    refused(
        changed("certificateAuthorities.0.validFor", span), "certificateAuthorities[0].validFor", "before its start"
    )
    open_end = parsed(changed("certificateAuthorities.0.validFor.end", None))
    assert open_end.authorities[0].valid.end is None


# --- whatever the bytes are -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"root"',
        b"\xff",
        b'{"mediaType":1,"mediaType":2}',
        b"\xef\xbb\xbf{}",
        b" " * (MAX_BYTES + 1),
    ],
    ids=lambda data: str(data[:12]),
)
def test_what_is_no_document(data: bytes) -> None:
    with pytest.raises(BadConfiguration) as error:
        parse_trusted_root(data, "root")
    assert error.value.where.startswith("root")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(STACK)), inner, max_size=3),
    max_leaves=6,
)


@given(
    data=st.data(),
    value=JSON,
    mutate=st.sampled_from([lambda v, _: v, lambda _, old: str(old) + "A", lambda _, o: [o]]),
)
def test_nothing_but_a_refusal_escapes(data: st.DataObject, value: object, mutate: Callable[[Any, Any], Any]) -> None:
    document = copy.deepcopy(STACK)
    part: Any = document
    while True:
        key = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else list(range(len(part)))))
        if not isinstance(part[key], dict | list) or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = mutate(value, part[key])
    for content in (json.dumps(document).encode(), json.dumps(value).encode(), data.draw(st.binary())):
        with contextlib.suppress(BadConfiguration):
            parse_trusted_root(content, "root")
