"""Makes the throwaway keys and certificates of the private Sigstore: `pki.py DIR`; what is there stays."""

import datetime as dt
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSWORD = b"throwaway"
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
END = START.replace(year=START.year + 25)


def named(common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "private stack")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def authority(
    common: str, key: Any, above: tuple[x509.Certificate, Any] | None = None, *, length: int = 0, code: bool = False
) -> x509.Certificate:
    """Return a CA certificate, its own root where nothing is above it."""
    issuer, issuer_key = (above[0].subject, above[1]) if above else (named(common), key)
    builder = _builder(common, key, issuer, issuer_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=length), critical=True
    )
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    if code:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def stamper(common: str, key: Any, above: tuple[x509.Certificate, Any]) -> x509.Certificate:
    builder = _builder(common, key, above[0].subject, above[1])
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    return builder.add_extension(usage, critical=True).sign(above[1], hashes.SHA256())


def _builder(common: str, key: Any, issuer: x509.Name, issuer_key: Any) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(named(common))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def private(key: Any, password: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def new() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def main(directory: Path) -> None:
    place = directory / "pki"
    if (place / "done").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    root_key, issuing_key = new(), new()
    root = authority("stack root", root_key, length=1)
    issuing = authority("stack issuing", issuing_key, (root, root_key), code=True)
    (place / "fulcio-chain.pem").write_bytes(pem(issuing, root))  # Fulcio's file starts with the issuing certificate
    (place / "fulcio-issuing.key").write_bytes(private(issuing_key, PASSWORD))
    stamp_root_key, stamp_key = new(), new()
    stamp_root = authority("stack tsa root", stamp_root_key)
    (place / "tsa-chain.pem").write_bytes(
        pem(stamper("stack tsa", stamp_key, (stamp_root, stamp_root_key)), stamp_root)
    )
    (place / "tsa.key").write_bytes(private(stamp_key))
    for name, key in (("rekor2", ed25519.Ed25519PrivateKey.generate()), ("rekor1", new()), ("ct", new())):
        (place / f"{name}.key").write_bytes(private(key))
        (place / f"{name}.pub").write_bytes(public(key))
    (place / "oidc.key").write_bytes(private(rsa.generate_private_key(65537, 2048)))
    (place / "done").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
