"""Bodies of log entries: one counts for exactly the signature that it describes, and for nothing else."""

import contextlib
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256, sha384, sha512
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.dsse import pre_authentication_encoding
from preverify.verify.logs.bodies import Described, Enveloped, Message, check_body
from preverify.verify.logs.entries import Entry
from preverify.verify.refusal import Refused
from support import logged

REAL = [each for each in logged.records() if each["expected"] != "bundle-malformed"]
GOOD = [each for each in REAL if each["expected"] == "ok"]
DSSE = logged.record("happy-path-intoto-in-dsse-v3")
ATTESTED = logged.record("attested/keyless")
INTOTO = logged.record("intoto-with-custom-trust-root")
HASHED = logged.record("happy-path-v0.1")
KEYED = logged.record("managed-key-happy-path")
NEWER = logged.record("rekor2-happy-path")
NEWER_DSSE = logged.record("rekor2-dsse-happy-path")
NEWER_KEY = logged.record("bundle-keys/logged-rsa2048")
TYPE = "application/vnd.in-toto+json"


def refused(entry: Entry, described: Described) -> str:
    with pytest.raises(Refused) as error:
        check_body(entry, described)
    assert error.value.reason.value == "log-entry-mismatch"
    assert len(error.value.detail) < 200
    return error.value.detail


def with_body(entry: Entry, body: object) -> Entry:
    return replace(entry, body=json.dumps(body).encode())


def altered(each: logged.Record, change: Callable[[Any], object]) -> Entry:
    """Return a record's entry with its `spec` changed."""
    entry = logged.entry_of(each)
    body = json.loads(entry.body)
    change(body["spec"])
    return with_body(entry, body)


def put(path: str, value: object) -> Callable[[Any], object]:
    """Return a change: `value` at a dotted path, or nothing there where it is `...`."""

    def change(spec: Any) -> None:
        *above, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in above:
            spec = spec[step]
        if value is ...:
            del spec[last]
        else:
            spec[last] = value

    return change


# --- real entries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", REAL, ids=lambda r: r["id"])
def test_real_entries(each: logged.Record) -> None:
    entry, described = logged.entry_of(each), logged.described_by(each)
    if each["expected"] == "log-entry-mismatch":
        refused(entry, described)
    else:
        check_body(entry, described)


@pytest.mark.parametrize("each", GOOD, ids=lambda r: r["id"])
def test_a_real_entry_is_about_nothing_else(each: logged.Record) -> None:
    entry, described = logged.entry_of(each), logged.described_by(each)
    other = logged.described_by(logged.record("bundle-keyless/workflow"))
    flipped = described.signature[:-1] + bytes([described.signature[-1] ^ 1])
    refused(entry, replace(described, signature=flipped))
    refused(entry, replace(described, signature=described.signature[:-1]))
    refused(entry, replace(described, signature=b""))
    refused(entry, replace(described, certificate=b"other" if described.certificate else described.spki))
    if described.certificate is None:
        refused(entry, replace(described, spki=other.spki))
        refused(entry, replace(described, certificate=other.certificate))
    else:
        # By the bare key of the certificate: whoever reads the log would not see whose it was.
        refused(entry, replace(described, certificate=None))
    for content in contents(described.content):
        refused(entry, replace(described, content=content))


def contents(content: Message | Enveloped) -> list[Message | Enveloped]:
    """Return what a signature may be said to be over instead."""
    enveloped = Enveloped(payload_type=TYPE, payload=b"{}", pae=pre_authentication_encoding(TYPE, b"{}"))
    if isinstance(content, Message):
        return [Message(data=content.data + b"\n"), Message(data=b""), enveloped]
    text = content.payload + b" "
    changed = replace(content, payload=text, pae=pre_authentication_encoding(content.payload_type, text))
    return [changed, enveloped, Message(data=content.payload), Message(data=b"")]


@pytest.mark.parametrize("each", GOOD, ids=lambda r: r["id"])
def test_kind_and_version_are_the_body_s(each: logged.Record) -> None:
    entry, described = logged.entry_of(each), logged.described_by(each)
    kinds = {("hashedrekord", "0.0.1"), ("hashedrekord", "0.0.2"), ("dsse", "0.0.1"), ("", "")}
    for kind, version in kinds - {(entry.kind, entry.version)}:
        assert "said to be" in refused(replace(entry, kind=kind, version=version), described)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("dsse", "0.0.2"),
        ("hashedrekord", "0.0.3"),
        ("intoto", "0.0.3"),
        ("rekord", "0.0.2"),
        ("rfc3161", "0.0.1"),
        ("", ""),
    ],
)
def test_unknown_kinds_are_refused_by_name(kind: str, version: str) -> None:
    entry = logged.entry_of(DSSE)
    body = json.loads(entry.body) | {"kind": kind, "apiVersion": version}
    entry = replace(with_body(entry, body), kind=kind, version=version)
    assert f"{kind!r} {version!r} are not accepted" in refused(entry, logged.described_by(DSSE))


@pytest.mark.parametrize("each", [HASHED, DSSE, ATTESTED, INTOTO, NEWER], ids=lambda r: r["id"])
def test_bodies_with_two_meanings_or_none(each: logged.Record) -> None:
    entry, described = logged.entry_of(each), logged.described_by(each)
    text = entry.body.decode()
    for body in (
        b"",
        b"[]",
        b"null",
        entry.body[:-1],
        text.replace('"spec":', '"spec":{},"spec":').encode(),
        text.replace('"spec":', '"Spec":').encode(),
        text.replace('"spec":', '"other":').encode(),
        text.replace('"kind":', '"Kind":').encode(),
        text.replace('"apiVersion":', '"version":').encode(),
        b"\xff" + entry.body,
    ):
        refused(replace(entry, body=body), described)


def test_what_is_compared_of_an_envelope() -> None:
    """In the tag format its bytes are known, so that its digest counts; in bundles it cannot."""
    entry, described = logged.entry_of(ATTESTED), logged.described_by(ATTESTED)
    content = described.content
    assert isinstance(content, Enveloped)
    assert content.envelope is not None
    check_body(entry, replace(described, content=replace(content, envelope=None)))
    spaced = replace(content, envelope=content.envelope + b"\n")
    assert "digest of the envelope" in refused(entry, replace(described, content=spaced))
    wrong = altered(ATTESTED, put("envelopeHash.value", "0" * 64))
    refused(wrong, described)
    check_body(wrong, replace(described, content=replace(content, envelope=None)))


# --- single members ---------------------------------------------------------------------------------------------------

PEM = logged.b64(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
ABSENT: Any = ...


@pytest.mark.parametrize("value", [ABSENT, None, "sha1", "sha512", "SHA256", "", 256, ["sha256"]])
@pytest.mark.parametrize(
    ("each", "path"),
    [
        (HASHED, "data.hash.algorithm"),
        (DSSE, "payloadHash.algorithm"),
        (ATTESTED, "envelopeHash.algorithm"),
        (INTOTO, "content.payloadHash.algorithm"),
        (NEWER, "hashedRekordV002.data.algorithm"),
        (NEWER, "hashedRekordV002.signature.verifier.keyDetails"),
    ],
    ids=lambda r: r["id"] if isinstance(r, dict) else r,
)
def test_digests_are_of_the_named_algorithm(each: logged.Record, path: str, value: object) -> None:
    refused(altered(each, put(path, value)), logged.described_by(each))


@pytest.mark.parametrize(
    ("each", "path"),
    [
        (HASHED, "data"),
        (HASHED, "data.hash"),
        (HASHED, "data.hash.value"),
        (HASHED, "signature"),
        (HASHED, "signature.content"),
        (HASHED, "signature.publicKey"),
        (HASHED, "signature.publicKey.content"),
        (DSSE, "payloadHash"),
        (DSSE, "payloadHash.value"),
        (DSSE, "signatures"),
        (DSSE, "signatures.0"),
        (DSSE, "signatures.0.signature"),
        (DSSE, "signatures.0.verifier"),
        (ATTESTED, "envelopeHash"),
        (ATTESTED, "envelopeHash.value"),
        (INTOTO, "content"),
        (INTOTO, "content.payloadHash"),
        (INTOTO, "content.payloadHash.value"),
        (INTOTO, "content.envelope"),
        (INTOTO, "content.envelope.payloadType"),
        (INTOTO, "content.envelope.signatures"),
        (INTOTO, "content.envelope.signatures.0.sig"),
        (INTOTO, "content.envelope.signatures.0.publicKey"),
        (NEWER, "hashedRekordV002"),
        (NEWER, "hashedRekordV002.data"),
        (NEWER, "hashedRekordV002.data.digest"),
        (NEWER, "hashedRekordV002.signature"),
        (NEWER, "hashedRekordV002.signature.content"),
        (NEWER, "hashedRekordV002.signature.verifier"),
        (NEWER, "hashedRekordV002.signature.verifier.x509Certificate"),
        (NEWER, "hashedRekordV002.signature.verifier.x509Certificate.rawBytes"),
        (NEWER_KEY, "hashedRekordV002.signature.verifier.publicKey"),
        (NEWER_KEY, "hashedRekordV002.signature.verifier.publicKey.rawBytes"),
    ],
    ids=lambda r: r["id"] if isinstance(r, dict) else r,
)
def test_every_member_that_binds_has_to_be_there(each: logged.Record, path: str) -> None:
    described = logged.described_by(each)
    check_body(logged.entry_of(each), described)
    for value in (ABSENT, None, "", "AAAA", "!", 1, [], {}, True):
        refused(altered(each, put(path, value)), described)


@pytest.mark.parametrize(
    ("each", "path"),
    [(DSSE, "signatures"), (INTOTO, "content.envelope.signatures")],
    ids=["dsse", "intoto"],
)
def test_one_signature_exactly(each: logged.Record, path: str) -> None:
    """Of several, nobody could say which one the log stands for."""

    def twice(spec: Any) -> None:
        *above, last = path.split(".")
        for step in above:
            spec = spec[step]
        spec[last] = spec[last] * 2

    assert "2 signatures" in refused(altered(each, twice), logged.described_by(each))


def test_members_in_other_case_are_refused() -> None:
    def other_case(spec: Any) -> None:
        spec["signature"]["PublicKey"] = spec["signature"]["publicKey"]

    refused(altered(HASHED, other_case), logged.described_by(HASHED))


def test_members_that_nobody_looks_at_change_nothing() -> None:
    check_body(altered(HASHED, put("data.url", "http://example.test")), logged.described_by(HASHED))
    check_body(altered(INTOTO, put("content.envelope.signatures.0.keyid", "any")), logged.described_by(INTOTO))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + text,
        lambda text: "x" + text,
        lambda text: text + "x",
        lambda text: text.replace("BEGIN CERTIFICATE", "BEGIN PUBLIC KEY").replace("END CERTIFICATE", "END PUBLIC KEY"),
        lambda text: text.replace("-----END CERTIFICATE-----", ""),
        lambda text: text.replace("CERTIFICATE-----\n", "CERTIFICATE-----\nA", 1),
        lambda text: "-----BEGIN CERTIFICATE-----",
        lambda text: "",
        lambda text: text.replace("\n", "\n\xa9\n", 1),
    ],
)
def test_the_logged_certificate_is_one_block(change: Callable[[str], str]) -> None:
    def changed(spec: Any) -> None:
        content = logged.un64(spec["signature"]["publicKey"]["content"]).decode()
        spec["signature"]["publicKey"]["content"] = logged.b64(change(content).encode("latin-1"))

    refused(altered(HASHED, changed), logged.described_by(HASHED))


def test_how_pem_is_broken_into_lines_does_not_matter() -> None:
    def changed(spec: Any) -> None:
        content = logged.un64(spec["signature"]["publicKey"]["content"]).replace(b"\n", b"\r\n\r\n")
        spec["signature"]["publicKey"]["content"] = logged.b64(content)

    check_body(altered(KEYED, changed), logged.described_by(KEYED))


def test_a_newer_entry_names_one_key_or_certificate() -> None:
    certificate, key = logged.described_by(NEWER), logged.described_by(NEWER_KEY)
    assert certificate.certificate is not None
    path = "hashedRekordV002.signature.verifier"
    both = put(f"{path}.publicKey", {"rawBytes": logged.b64(certificate.spki)})
    assert "not logged with a certificate" in refused(altered(NEWER, both), certificate)
    both = put(f"{path}.x509Certificate", {"rawBytes": logged.b64(certificate.certificate)})
    assert "not logged with a public key" in refused(altered(NEWER_KEY, both), key)


def test_an_envelope_s_type_and_payload_in_older_entries() -> None:
    described = logged.described_by(INTOTO)
    assert "payload type 'text/plain'" in refused(
        altered(INTOTO, put("content.envelope.payloadType", "text/plain")), described
    )
    check_body(altered(INTOTO, put("content.envelope.payload", ABSENT)), described)
    other = logged.b64(logged.b64(b"{}").encode())
    assert "another payload" in refused(altered(INTOTO, put("content.envelope.payload", other)), described)
    once = logged.b64(b"\xff\xfe")
    assert "base64" in refused(altered(INTOTO, put("content.envelope.signatures.0.sig", once)), described)


# --- kinds that only old tools wrote ----------------------------------------------------------------------------------


def entry(kind: str, version: str, spec: object) -> Entry:
    body = {"kind": kind, "apiVersion": version, "spec": spec}
    blank = Entry(
        body=b"", log_id=bytes(32), log_index=0, integrated_time=0, promise=None, proof=None, kind=kind, version=version
    )
    return with_body(blank, body)


def digest(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": sha256(data).hexdigest()}


def pem(spki: bytes) -> str:
    """Return a key as old entries hold it."""
    text = logged.b64(spki)
    lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
    return logged.b64(f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n".encode())


SPKI = logged.spki(ec.generate_private_key(ec.SECP256R1()))
OTHER_SPKI = logged.spki(ec.generate_private_key(ec.SECP256R1()))
DOCUMENT = b'{"payloadType":"t","payload":"cA==","signatures":[{"sig":"c2ln"}]}'
ATTESTATION = Described(
    signature=b"sig",
    spki=SPKI,
    certificate=None,
    content=Enveloped(payload_type="t", payload=b"p", pae=pre_authentication_encoding("t", b"p"), envelope=DOCUMENT),
    tag_format=True,
)
INTOTO_OLD: dict[str, Any] = {
    "content": {"hash": digest(DOCUMENT), "payloadHash": digest(b"p")},
    "publicKey": pem(SPKI),
}


def test_an_intoto_entry_of_the_first_version() -> None:
    check_body(entry("intoto", "0.0.1", INTOTO_OLD), ATTESTATION)
    oldest = {**INTOTO_OLD, "content": {"hash": digest(DOCUMENT)}}
    check_body(entry("intoto", "0.0.1", oldest), ATTESTATION)
    for content in (
        {},
        {"hash": digest(b"x")},
        {"payloadHash": digest(b"p")},
        {**INTOTO_OLD["content"], "payloadHash": {}},
    ):
        refused(entry("intoto", "0.0.1", {**INTOTO_OLD, "content": content}), ATTESTATION)
    refused(entry("intoto", "0.0.1", {**INTOTO_OLD, "publicKey": pem(OTHER_SPKI)}), ATTESTATION)
    refused(entry("intoto", "0.0.1", {"content": INTOTO_OLD["content"]}), ATTESTATION)
    refused(entry("intoto", "0.0.1", INTOTO_OLD), replace(ATTESTATION, content=Message(data=DOCUMENT)))


def test_an_intoto_entry_of_the_first_version_describes_no_signature_in_a_bundle() -> None:
    """It has the envelope's digest alone. Where the envelope's bytes are not kept, any signature would do."""
    content = ATTESTATION.content
    assert isinstance(content, Enveloped)
    bundled = replace(ATTESTATION, content=replace(content, envelope=None))
    assert "no signature" in refused(entry("intoto", "0.0.1", INTOTO_OLD), bundled)
    refused(entry("intoto", "0.0.1", INTOTO_OLD), replace(ATTESTATION, tag_format=False))


def test_an_intoto_entry_of_the_second_version_in_the_tag_format() -> None:
    spec = {
        "content": {
            "hash": digest(DOCUMENT),
            "payloadHash": digest(b"p"),
            "envelope": {
                "payloadType": "t",
                "signatures": [{"sig": logged.b64(logged.b64(b"sig").encode()), "publicKey": pem(SPKI)}],
            },
        }
    }
    check_body(entry("intoto", "0.0.2", spec), ATTESTATION)
    refused(entry("intoto", "0.0.2", spec), replace(ATTESTATION, signature=b"other"))
    wrong = copy.deepcopy(spec)
    wrong["content"]["hash"] = digest(b"{}")
    assert "digest of the envelope" in refused(entry("intoto", "0.0.2", wrong), ATTESTATION)


def test_a_rekord_entry_counts_in_the_tag_format_only() -> None:
    described = Described(
        signature=b"sig", spki=SPKI, certificate=None, content=Message(data=b"payload"), tag_format=True
    )
    spec: dict[str, Any] = {
        "data": {"hash": digest(b"payload")},
        "signature": {"format": "x509", "content": logged.b64(b"sig"), "publicKey": {"content": pem(SPKI)}},
    }
    check_body(entry("rekord", "0.0.1", spec), described)
    assert "tag format only" in refused(entry("rekord", "0.0.1", spec), replace(described, tag_format=False))
    for form in ("pgp", None, ["x509"]):
        wrong = {**spec, "signature": {**spec["signature"], "format": form}}
        assert "expected 'x509'" in refused(entry("rekord", "0.0.1", wrong), described)
    refused(entry("rekord", "0.0.1", spec), replace(described, signature=b"other"))
    refused(entry("rekord", "0.0.1", spec), replace(described, spki=OTHER_SPKI))
    refused(entry("rekord", "0.0.1", spec), replace(described, content=Message(data=b"other")))


# --- kinds of keys in newer entries -----------------------------------------------------------------------------------

NAMES = {"SHA2_256": sha256, "SHA2_384": sha384, "SHA2_512": sha512}


def newer(spki: bytes, details: str, algorithm: str) -> tuple[Entry, Described]:
    hashed = NAMES.get(algorithm, sha256)(b"message").digest()
    verifier = {"keyDetails": details, "publicKey": {"rawBytes": logged.b64(spki)}}
    record = {
        "data": {"algorithm": algorithm, "digest": logged.b64(hashed)},
        "signature": {"content": logged.b64(b"sig"), "verifier": verifier},
    }
    described = Described(signature=b"sig", spki=spki, certificate=None, content=Message(data=b"message"))
    return entry("hashedrekord", "0.0.2", {"hashedRekordV002": record}), described


KEYS: dict[str, Any] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "k256": ec.generate_private_key(ec.SECP256K1()),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "dsa": dsa.generate_private_key(2048),
}
ACCEPTED = {
    "p256": {"PKIX_ECDSA_P256_SHA_256": "SHA2_256"},
    "p384": {"PKIX_ECDSA_P384_SHA_384": "SHA2_384", "PKIX_ECDSA_P384_SHA_256": "SHA2_256"},
    "p521": {"PKIX_ECDSA_P521_SHA_512": "SHA2_512", "PKIX_ECDSA_P521_SHA_256": "SHA2_256"},
    "rsa": {"PKIX_RSA_PKCS1V15_2048_SHA256": "SHA2_256"},
    "ed25519": {"PKIX_ED25519_PH": "SHA2_512"},
}
DETAILS = sorted({each for names in ACCEPTED.values() for each in names} | {"PKIX_RSA_PSS_2048_SHA256", "PKIX_ED25519"})


@pytest.mark.parametrize("name", KEYS)
def test_the_digest_is_of_the_kind_that_the_key_signs(name: str) -> None:
    public = KEYS[name].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for details in DETAILS:
        for algorithm in (*NAMES, "SHA3_256", "sha256"):
            made, described = newer(public, details, algorithm)
            if ACCEPTED.get(name, {}).get(details) == algorithm:
                check_body(made, described)
            else:
                refused(made, described)


def test_a_message_of_which_only_the_digest_is_known() -> None:
    for each in (HASHED, NEWER):
        described = logged.described_by(each)
        assert isinstance(described.content, Message)
        known = sha256(described.content.data).digest()
        check_body(logged.entry_of(each), replace(described, content=Message(data=b"", sha256=known)))
        other = replace(described, content=Message(data=b"", sha256=sha256(b"other").digest()))
        refused(logged.entry_of(each), other)
    public = KEYS["p384"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    made, described = newer(public, "PKIX_ECDSA_P384_SHA_384", "SHA2_384")
    by_digest = replace(described, content=Message(data=b"", sha256=sha256(b"message").digest()))
    assert "only the one by sha256 is known" in refused(made, by_digest)


def test_a_key_that_is_none() -> None:
    made, described = newer(b"no key", "PKIX_ECDSA_P256_SHA_256", "SHA2_256")
    assert "which this key has not" in refused(made, described)


# --- whatever the bytes are -------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(each=st.sampled_from([HASHED, DSSE, ATTESTED, INTOTO, NEWER, NEWER_DSSE]), data=st.data(), value=JSON)
def test_nothing_but_a_refusal_escapes(each: logged.Record, data: st.DataObject, value: object) -> None:
    real = logged.entry_of(each)
    body = json.loads(real.body)
    part: Any = body
    while True:  # down to some member, which becomes anything
        key = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else list(range(len(part)))))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = value
    with contextlib.suppress(Refused):
        check_body(with_body(real, body), logged.described_by(each))


@given(body=st.binary() | JSON.map(lambda each: json.dumps(each).encode()))
def test_no_garbage_passes(body: bytes) -> None:
    refused(replace(logged.entry_of(HASHED), body=body), logged.described_by(HASHED))
