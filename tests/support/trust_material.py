"""Certificates, keys and Trust documents for tests: made here with real keys, named as a policy directory has them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document, read
from preverify.model.validation import validate
from preverify.policy.trust_documents import TrustDocument

FROM, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)


@cache
def secret(name: str, kind: str = "p256") -> Any:
    """Return the private key of a name, one per test run."""
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())


def certificate(
    name: str,
    issuer: str = "",
    *,
    ca: bool | None = True,
    purposes: tuple[x509.ObjectIdentifier, ...] = (),
    until: datetime = UNTIL,
) -> x509.Certificate:
    """Return a certificate of `name` by `issuer` (itself where empty). `ca` None: without basic constraints."""
    by = issuer or name
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(by))
        .public_key(secret(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(until)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=True)
    return builder.sign(secret(by), hashes.SHA256())


def stamping(name: str, issuer: str) -> x509.Certificate:
    """Return the leaf of a time stamp authority."""
    return certificate(name, issuer, ca=None, purposes=(ExtendedKeyUsageOID.TIME_STAMPING,))


def pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates as a PEM file."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def der(each: x509.Certificate) -> bytes:
    """Return a certificate as values hold it."""
    return each.public_bytes(Encoding.DER)


def key_file(name: str, kind: str = "p256") -> bytes:
    """Return the public key of a name as a PEM file."""
    return secret(name, kind).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_key_file(name: str) -> bytes:
    """Return the private key of a name as a PEM file."""
    return secret(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def documents(*specs: str) -> list[tuple[Document, TrustDocument]]:
    """Return Trust documents; each `specs` is what stands under `spec`, from column 0."""
    found = []
    for number, spec in enumerate(specs):
        inner = "".join(f"  {line}\n" for line in spec.strip().splitlines())
        text = f"apiVersion: preverify/v1\nkind: Trust\nmetadata: {{name: t{number}}}\nspec:\n{inner}"
        (document,) = read(text.encode(), name=f"t{number}.yaml")
        found.append((document, validate(TrustDocument, document)))
    return found


def reading(files: Mapping[str, bytes]) -> Any:
    """Return a `read_file` over these files."""

    def read_file(name: str) -> bytes:
        if name not in files:
            raise BadConfiguration("cannot be read: No such file or directory", where=name)
        return files[name]

    return read_file


def later(days: float) -> datetime:
    """Return a moment `days` after `FROM`."""
    return FROM + timedelta(days=days)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
