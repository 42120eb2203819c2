"""Writes entries.json and roots/: real log entries, each with the signature that it belongs to.

    python3 make.py CONFORMANCE [FIXTURES]

CONFORMANCE is the folder of the public Sigstore conformance suite's bundles (one folder a case), FIXTURES that of the
signed test images (`../fixtures`). Nothing is made here: entries, signatures, keys and certificates are copied.
"""

import base64
import hashlib
import json
import runpy
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

HERE = Path(__file__).resolve().parent
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"

PUBLIC = {
    "happy-path-v0.1": "ok",
    "happy-path-v0.2": "ok",
    "happy-path-v0.3": "ok",
    "happy-path-intoto-in-dsse-v3": "ok",
    "intoto-with-custom-trust-root": "ok",
    "managed-key-happy-path": "ok",
    "managed-key-and-trusted-root": "ok",
    "rekor2-happy-path": "ok",
    "rekor2-dsse-happy-path": "ok",
    "bundle-with-sct-with-extensions": "ok",
    "bundle-with-root-cert_fail": "ok",  # the entry holds: a proof without checkpoint beside a promise
    "integrated-time-in-future_fail": "ok",  # the entry holds: its time is not the certificate's
    "bundle-from-wrong-instance_fail": "log-untrusted",
    "bundle-negative-log-index_fail": "bundle-malformed",
    "checkpoint-bad-keyhint_fail": "log-proof-invalid",
    "checkpoint-wrong-roothash_fail": "log-proof-invalid",
    "inclusion-proof-corrupted-hash_fail": "log-proof-invalid",
    "invalid-checkpoint-signature_fail": "log-proof-invalid",
    "set-invalid-signature_fail": "log-proof-invalid",
    "invalid-inclusion-proof_fail": "not-in-log",
    "intoto-missing-inclusion-proof_fail": "not-in-log",
    "rekor2-no-inclusion-proof_fail": "not-in-log",
    "dsse-invalid-sig_fail": "log-entry-mismatch",
    "intoto-log-entry-mismatch_fail": "log-entry-mismatch",
    "rekor2-dsse-invalid-sig_fail": "log-entry-mismatch",
    "rekor2-dsse-mismatch-envelope_fail": "log-entry-mismatch",
    "rekor2-dsse-mismatch-sig_fail": "log-entry-mismatch",
    "signature-mismatch_fail": "log-entry-mismatch",
}
IMAGES = {
    ("bundle-keyless", "email"): "ok",
    ("bundle-keyless", "workflow"): "ok",
    ("bundle-keyless", "rekor1"): "ok",
    ("bundle-keys", "logged-ec1"): "ok",
    ("bundle-keys", "logged-rsa2048"): "ok",
    ("bundle-keys", "logged-rekor1"): "ok",
    ("bundle-attested", "keyless"): "ok",
    ("bundle-attested", "signed-and-attested"): "ok",
    ("keyless", "email"): "ok",
    ("keyless", "workflow"): "ok",
    ("attested", "keyless"): "ok",
    ("legacy", "tlog-ec1"): "ok",
    ("legacy", "tlog-rsa2048"): "ok",
    ("bundle-broken", "inclusion-hash-corrupted"): "log-proof-invalid",
    ("bundle-broken", "inclusion-path-corrupted"): "log-proof-invalid",
    ("bundle-broken", "checkpoint-signature-corrupted"): "log-proof-invalid",
    ("bundle-broken", "checkpoint-of-another-origin"): "log-proof-invalid",
    ("bundle-broken", "unknown-log"): "log-untrusted",
    ("bundle-broken", "log-entry-of-another"): "log-entry-mismatch",
    ("bundle-broken", "key-log-entry-of-another"): "log-entry-mismatch",
    ("keyless", "set-corrupted"): "log-proof-invalid",
    ("keyless", "integrated-time-changed"): "log-proof-invalid",
    ("keyless", "unknown-log"): "log-untrusted",
    ("keyless", "log-entry-of-another-signature"): "log-entry-mismatch",
}


def main() -> None:
    """Write both."""
    conformance = Path(sys.argv[1])
    fixtures = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE.parent / "fixtures"
    roots: dict[str, bytes] = {"stack": (fixtures / "trust" / "trusted_root.json").read_bytes()}
    records = [record for case, why in PUBLIC.items() for record in public(conformance, case, why, roots)]
    records += images(fixtures)
    for name, root in roots.items():
        (HERE / "roots" / f"{name}.json").write_bytes(root)
    lines = ",\n".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in records)
    (HERE / "entries.json").write_text(f"[\n{lines}\n]\n")


def public(conformance: Path, case: str, expected: str, roots: dict[str, bytes]) -> list[dict[str, Any]]:
    """Return the entries of one public case."""
    folder = conformance / case
    bundle = json.loads((folder / "bundle.sigstore.json").read_bytes())
    name = "public-good"
    if (folder / "trusted_root.json").exists():
        root = (folder / "trusted_root.json").read_bytes()
        name = hashlib.sha256(root).hexdigest()[:12]
        roots[name] = root
    key = folder / "key.pub"
    artifact = folder / "artifact"
    message = artifact.read_bytes() if artifact.exists() else (conformance / "a.txt").read_bytes()
    spki = load_pem_public_key(key.read_bytes()) if key.exists() else None
    described = of_bundle(bundle, spki, message)
    version = "0.1" if "version=0.1" in bundle["mediaType"] else "0.2"
    return [
        {"id": case, "root": name, "form": version, "expected": expected, "entry": entry, **described}
        for entry in bundle["verificationMaterial"]["tlogEntries"]
    ]


def of_bundle(bundle: Any, key: Any, message: bytes) -> dict[str, Any]:
    """Return what a bundle's entry has to describe."""
    material = bundle["verificationMaterial"]
    if "publicKey" in material:
        who = {"certificate": None, "spki": b64(der(key))}
    else:
        leaf = material.get("certificate") or material["x509CertificateChain"]["certificates"][0]
        who = signer(base64.b64decode(leaf["rawBytes"]))
    if "messageSignature" in bundle:
        return {**who, "signature": bundle["messageSignature"]["signature"], "message": b64(message)}
    envelope = bundle["dsseEnvelope"]
    return {**who, "signature": envelope["signatures"][0]["sig"], "envelope": enveloped(envelope, None)}


def images(fixtures: Path) -> list[dict[str, Any]]:
    """Return the entries beside the chosen images."""
    load = runpy.run_path(str(fixtures / "layouts.py"))["load"]
    store = load(str(fixtures), lazy=False)
    keys = {path.stem: load_pem_public_key(path.read_bytes()) for path in sorted((fixtures / "keys").glob("e*.pub"))}
    keys["rsa2048"] = load_pem_public_key((fixtures / "keys" / "rsa2048.pub").read_bytes())
    records = []
    for (short, tag), expected in IMAGES.items():
        repo = f"acme/{short}"
        digest = store.tags[repo][tag]
        manifests = [each["digest"] for each in store.referrers(repo, digest)]
        manifests += [
            store.tags[repo][name]
            for name in (f"{digest.replace(':', '-')}.sig", f"{digest.replace(':', '-')}.att")
            if name in store.tags[repo]
        ]
        for manifest in manifests:
            for layer in json.loads(store.manifests[repo][manifest][1])["layers"]:
                found = of_layer(layer, store.blobs[layer["digest"]], keys)
                records += [{"id": f"{short}/{tag}", "root": "stack", "expected": expected, **each} for each in found]
    return records


def of_layer(layer: Any, body: bytes, keys: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of one layer, with what they have to describe."""
    annotations = layer.get("annotations") or {}
    text = annotations.get("dev.sigstore.cosign/bundle")
    if text is not None:
        pem = annotations.get("dev.sigstore.cosign/certificate")
        certificate = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER) if pem else None
        if layer["mediaType"] == SIMPLE:
            signature = annotations["dev.cosignproject.cosign/signature"]
            signed: dict[str, Any] = {"message": b64(body)}
            message = body
        else:
            envelope = json.loads(body)
            signature = envelope["signatures"][0]["sig"]
            signed = {"envelope": enveloped(envelope, body)}
            message = b""
        who = signer(certificate) if certificate else {"certificate": None, "spki": holder(keys, signature, message)}
        return [{"form": "annotation", "entry": text, "signature": signature, **who, **signed}]
    if "bundle" not in layer["mediaType"]:
        return []
    bundle = json.loads(body)
    key = None
    if "publicKey" in bundle["verificationMaterial"]:
        hint = bundle["verificationMaterial"]["publicKey"]["hint"]
        key = next(each for each in keys.values() if b64(hashlib.sha256(der(each)).digest()) == hint)
    described = of_bundle(bundle, key, b"")
    return [
        {"form": "0.2", "entry": entry, **described} for entry in bundle["verificationMaterial"].get("tlogEntries", [])
    ]


def holder(keys: dict[str, Any], signature: str, message: bytes) -> str:
    """Return the key that verifies a signature."""
    raw, digest = base64.b64decode(signature), hashes.SHA256()
    for key in keys.values():
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(raw, message, ec.ECDSA(digest))
            elif isinstance(key, rsa.RSAPublicKey):
                key.verify(raw, message, padding.PKCS1v15(), digest)
            else:
                continue
        except InvalidSignature:
            continue
        return b64(der(key))
    raise SystemExit("no key verifies this signature")


def signer(certificate: bytes) -> dict[str, Any]:
    """Return a certificate with its key."""
    return {"certificate": b64(certificate), "spki": b64(der(x509.load_der_x509_certificate(certificate).public_key()))}


def enveloped(envelope: Any, document: bytes | None) -> dict[str, Any]:
    """Return an envelope as entries describe it."""
    return {
        "payloadType": envelope["payloadType"],
        "payload": envelope["payload"],
        "document": None if document is None else b64(document),
    }


def der(key: Any) -> bytes:
    """Return a key's SubjectPublicKeyInfo."""
    spki: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return spki


def b64(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    main()
