"""Certificates of throwaway authorities: which ones are ours, which ones are not, and what that does to bundles."""

import base64
import json
from typing import Any

import pytest
from cryptography import x509

from preverify.attest.bundle import build, certificate_of
from preverify.attest.envelope import parse, seal, signed_bytes
from preverify.attest.identity import OwnIdentity
from preverify.attest.ours import is_ours, resource_of
from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.keys import TrustedKey
from preverify.model.reference import Repository, Subject
from support import pki
from support.statements import payload

ISSUER = "https://kubernetes.default.svc"
IDENTITY = "https://kubernetes.io/namespaces/preverify/serviceaccounts/signing"
SUBJECT = Subject(Repository("registry.example", "shop/api"), Digest("sha256", "3f" * 32))


def authority(name: str = "issuing") -> pki.Party:
    return pki.root(name, secret=pki.key(name=name))


def leaf(*more: pki.Marked, by: pki.Party | None = None, issuer: str = ISSUER, **how: Any) -> pki.Party:
    marks = more or (pki.uri_san(IDENTITY),)
    return (by or authority()).issue("", (*pki.CODE_LEAF, *marks, *pki.fulcio(issuer)), **how)


def own(*by: pki.Party, issuer: str = ISSUER, identity: str = IDENTITY) -> OwnIdentity:
    return OwnIdentity(issuer=issuer, identity=identity, issuing=tuple(each.der for each in by or (authority(),)))


def bundle(statement: bytes, signer: pki.Party, certificate: object = None) -> bytes:
    """Return the bundle of a statement that `signer` signed."""
    envelope = seal(statement, pki.sign(signer.key, signed_bytes(statement)))
    document = json.loads(build(envelope, TrustedKey(pki.spki(signer.key))))
    raw = base64.b64encode(signer.der).decode() if certificate is None else certificate
    document["verificationMaterial"] = {"certificate": {"rawBytes": raw}, "tlogEntries": []}
    return json.dumps(document).encode()


def test_a_certificate_issued_to_us_gives_its_key() -> None:
    certificate = leaf()
    assert own().key_in(certificate.der) == TrustedKey(pki.spki(certificate.key))
    assert own(authority("older"), authority()).key_in(certificate.der) == TrustedKey(pki.spki(certificate.key))
    email = leaf(pki.email_san("signing@acme.test"))
    assert own(identity="signing@acme.test").key_in(email.der) == TrustedKey(pki.spki(email.key))


def test_a_long_issuer_is_compared_whole() -> None:
    for length in (0x7F, 0x80, 0xFF, 0x100):
        issuer = "https://" + "i" * (length - 8)
        assert own(issuer=issuer).key_in(leaf(issuer=issuer).der) is not None
        assert own(issuer=issuer).key_in(leaf(issuer=issuer + "x").der) is None


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(leaf(by=authority("stranger")), id="authority"),
        pytest.param(leaf(by=pki.root("issuing", secret=pki.key(name="impostor"))), id="authority's name, another key"),
        pytest.param(leaf(issuer=ISSUER + "/"), id="issuer"),
        pytest.param(leaf(issuer=""), id="no issuer"),
        pytest.param(leaf(pki.uri_san(IDENTITY + "x")), id="identity"),
        pytest.param(leaf(pki.uri_san(IDENTITY.upper())), id="identity's case"),
        pytest.param(leaf(pki.email_san("signing@acme.test")), id="e-mail"),
        pytest.param(leaf(pki.username_san(pki.utf8(IDENTITY))), id="user name"),
        pytest.param(
            leaf((x509.SubjectAlternativeName([x509.UniformResourceIdentifier(IDENTITY)] * 2), False)), id="two names"
        ),
        pytest.param(leaf((pki.raw("1.2.3.4", b""), False)), id="no name"),
        pytest.param(leaf((x509.SubjectAlternativeName([x509.DNSName("acme.test")]), False)), id="host name"),
    ],
)
def test_near_misses_are_not_ours(certificate: pki.Party) -> None:
    assert own().key_in(certificate.der) is None
    assert not is_ours(bundle(payload(SUBJECT), certificate), [own()])


@pytest.mark.parametrize("data", [b"", b"rubbish", leaf().der[:-1], leaf().der + b"\0", authority().der])
def test_what_is_no_certificate_of_ours(data: bytes) -> None:
    assert own().key_in(data) is None


def test_an_authority_that_is_none_issues_nothing() -> None:
    assert OwnIdentity(issuer=ISSUER, identity=IDENTITY, issuing=(b"rubbish",)).key_in(leaf().der) is None


def test_a_keyless_statement_of_ours_and_what_looks_like_one() -> None:
    certificate = leaf()
    stranger = leaf(pki.uri_san(IDENTITY + "y"), secret=pki.key(name="stranger"))
    statement = payload(SUBJECT)
    body = bundle(statement, certificate)
    assert resource_of(body, [own()]) == str(SUBJECT)
    assert parse(body).payload == statement
    assert not is_ours(bundle(statement, stranger), [own()])
    # Our certificate around a signature by somebody else's key, and a statement of another type by ours.
    assert not is_ours(bundle(statement, stranger, base64.b64encode(certificate.der).decode()), [own()])
    assert not is_ours(bundle(b'{"predicateType":"https://slsa.dev/provenance/v1"}', certificate), [own()])
    # A key of ours is not an identity of ours, and an envelope without certificate shows none.
    assert not is_ours(body, [TrustedKey(pki.spki(pki.key(name="other")))])
    assert not is_ours(seal(statement, pki.sign(certificate.key, signed_bytes(statement))), [own()])


@pytest.mark.parametrize("raw", ["", "!", 7, {"a": 1}, "AA"])
def test_a_certificate_that_cannot_be_read_shows_nobody(raw: object) -> None:
    assert not is_ours(bundle(payload(SUBJECT), leaf(), raw), [own()])


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"verificationMaterial": []},
        {"verificationMaterial": {"certificate": "x"}},
        {"verificationMaterial": {"certificate": {"rawBytes": 1}}},
        {"verificationMaterial": {"certificate": {"rawBytes": "*"}}},
    ],
)
def test_documents_without_certificate(document: object) -> None:
    assert certificate_of(document) is None


def test_every_bit_of_the_certificate_counts() -> None:
    certificate = leaf()
    for position in range(0, len(certificate.der), 7):
        flipped = bytearray(certificate.der)
        flipped[position] ^= 1
        key = own().key_in(bytes(flipped))
        assert key is None, position


def test_an_identity_is_noted_and_read_again() -> None:
    noted = own(authority(), authority("older"))
    assert OwnIdentity.read(noted.write()) == noted
    assert noted.id.startswith("keyless:")
    assert own(issuer="a", identity="bc").id != own(issuer="ab", identity="c").id


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"issuer":"i","identity":"s","issuing":["*"]}', b'{"issuer":"i","identity":"s","issuing":1}'],
)
def test_what_was_not_noted_by_us_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        OwnIdentity.read(data)
