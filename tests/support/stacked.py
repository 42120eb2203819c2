"""Images signed and attested keyless by the real cosign v3, through the private Sigstore."""

import base64
import datetime as dt
import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support import registries
from support.cosign import Cosign
from support.stack import Stack

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
ARCHITECTURES = ("amd64", "arm64")


def digest_of(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Index:
    """An image index in a registry, with the references of its manifests."""

    reference: str
    children: tuple[str, ...]


class Images:
    """Pushes images and has cosign sign them."""

    def __init__(self, host: str, cosign: Cosign, stack: Stack, directory: Path) -> None:
        self.host = host
        self.cosign = cosign
        self.stack = stack
        self.directory = directory
        self._count = 0

    def image(self, repository: str, label: str, architecture: str = "amd64") -> tuple[str, dict[str, Any]]:
        """Push a small image; return its reference and descriptor."""
        config = {"architecture": architecture, "os": "linux", "config": {"Labels": {"test": label}}, "rootfs": {}}
        blob = json.dumps(config).encode()
        registries.put_blob(self.host, repository, digest_of(blob), blob)
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(blob), "size": len(blob)},
            "layers": [],
        }
        data = json.dumps(document).encode()
        registries.put_manifest(self.host, repository, digest_of(data), data, MANIFEST)
        descriptor = {"mediaType": MANIFEST, "digest": digest_of(data), "size": len(data)}
        return f"{self.host}/{repository}@{digest_of(data)}", descriptor

    def index(self, repository: str) -> Index:
        """Push an index of two platforms."""
        children = []
        entries = []
        for architecture in ARCHITECTURES:
            reference, descriptor = self.image(repository, repository, architecture)
            children.append(reference)
            entries.append({**descriptor, "platform": {"os": "linux", "architecture": architecture}})
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        registries.put_manifest(self.host, repository, digest_of(data), data, INDEX)
        return Index(f"{self.host}/{repository}@{digest_of(data)}", tuple(children))

    def sign(self, reference: str, issuer: str, *, config: str = "", **claims: object) -> None:
        """Sign keyless, with a token of this issuer."""
        self._run("sign", *self._keyless(issuer, config, claims), reference)

    def sign_legacy(self, reference: str, issuer: str, **claims: object) -> None:
        """Sign keyless with cosign v2, in the tag format, with the older log."""
        done = self.cosign.run(
            2,
            *(
                "sign",
                "-y",
                "--allow-http-registry",
                "--fulcio-url",
                self.stack.fulcio,
                "--rekor-url",
                self.stack.rekor1,
            ),
            *("--identity-token", self.stack.token(issuer, **claims), reference),
            environment=self.stack.cosign2_environment,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-1500:]

    def attest(
        self, reference: str, kind: str, predicate: object, issuer: str, *, config: str = "", **claims: object
    ) -> None:
        """Attest keyless, with a token of this issuer."""
        self._count += 1
        file = self.directory / f"predicate-{self._count}-{sha256(kind.encode() + reference.encode()).hexdigest()[:8]}"
        file.write_text(json.dumps(predicate))
        arguments = ["--predicate", str(file), "--type", kind, *self._keyless(issuer, config, claims)]
        self._run("attest", *arguments, reference)

    def verifies(self, reference: str, issuer: str, subject: str, *, kind: str = "") -> bool:
        """Say whether cosign v3 verifies a signature, or an attestation of this kind."""
        arguments = ["verify-attestation", "--type", kind] if kind else ["verify"]
        arguments += ["--allow-http-registry", "--trusted-root", str(self.stack.trusted_root)]
        arguments += ["--certificate-oidc-issuer", issuer, "--certificate-identity", subject]
        return self.cosign.run(3, *arguments, reference).returncode == 0

    def stranger_authority(self) -> str:
        """Return a root certificate with the names of the stack's, base64 of its DER, of a key that nobody trusts."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [(NameOID.ORGANIZATION_NAME, "private stack"), (NameOID.COMMON_NAME, "stack issuing")]
        name = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
        start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start.replace(year=2049))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        certificate = builder.sign(key, hashes.SHA256())
        return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()

    def _keyless(self, issuer: str, config: str, claims: dict[str, object]) -> list[str]:
        return [
            *("-y", "--allow-http-registry"),
            *("--signing-config", str(self.stack.signing_config(config))),
            *("--trusted-root", str(self.stack.trusted_root)),
            *("--identity-token", self.stack.token(issuer, **claims)),
        ]

    def _run(self, *arguments: str) -> None:
        done = self.cosign.run(3, *arguments)
        assert done.returncode == 0, (arguments[0], arguments[-1], done.stderr.decode(errors="replace")[-1500:])
