"""Evidence for `preverify bench verify`: signed here where a key is enough, recorded where more was needed."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.model.anchors import Anchor, KeyAnchor, KeylessAnchor, NotationAnchor, NotationStatement
from preverify.model.digest import Digest
from preverify.model.dsse import DSSE_ENVELOPE, IN_TOTO_PAYLOAD, pre_authentication_encoding
from preverify.model.evidence import Evidence, Format, Image, Place
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.trust import SigstoreRoot, Store, Trust
from preverify.model.trusted_root import parse_trusted_root
from preverify.verify import load_public_key, verify

NOW = datetime(2026, 12, 1, tzinfo=UTC)
"""The recorded evidence holds then, and for many years after."""

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
_ATTESTED = "https://preverify.example/bench/v1"

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One signed image with all that a verification of it needs. `raw` is the recorded document it came from."""

    image: Image
    evidence: Evidence
    anchors: tuple[Anchor, ...]
    trust: Trust
    raw: Mapping[str, Any]

    def findings(self) -> tuple[Finding, ...]:
        """Verify once."""
        return verify(self.image, (self.evidence,), self.anchors, trust=self.trust, now=NOW)


# --- by key ---


def new_key(kind: str) -> PrivateKey:
    """Return a fresh key: P-256, P-384, Ed25519 or RSA-2048."""
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "RSA-2048":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP384R1() if kind == "P-384" else ec.SECP256R1())


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Sign as new tools do with this kind of key."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    own = hashes.SHA384() if isinstance(key.curve, ec.SECP384R1) else hashes.SHA256()
    return key.sign(message, ec.ECDSA(own))


def signed(form: str, kind: str, count: int) -> list[Sample]:
    """Sign `count` different images in one form (`.sig`, `.att`, `bundle`) with one fresh key."""
    key = new_key(kind)
    spki = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    anchors = (KeyAnchor(key=load_public_key(spki)),)
    make = {".sig": signature, ".att": attestation, "bundle": bundle}[form]
    images = [_image(number) for number in range(count)]
    return [Sample(image=i, evidence=make(i, key), anchors=anchors, trust=Trust(), raw={}) for i in images]


def _image(number: int) -> Image:
    manifest = json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, "annotations": {"n": str(number)}}).encode()
    subject = Subject(Repository("registry.bench", "app"), Digest.of(manifest))
    return Image(subject=subject, manifest=manifest, media_type=_MANIFEST)


def signature(image: Image, key: PrivateKey) -> Evidence:
    """Return a layer of a `.sig` manifest."""
    payload = {
        "critical": {
            "identity": {"docker-reference": "registry.bench/app"},
            "image": {"docker-manifest-digest": str(image.subject.digest)},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    body = _compact(payload)
    annotations = {"dev.cosignproject.cosign/signature": _text(sign(key, body))}
    return _evidence(Format.COSIGN_SIGNATURE, body, _SIMPLE_SIGNING, annotations)


def attestation(image: Image, key: PrivateKey) -> Evidence:
    """Return a layer of an `.att` manifest with a small predicate."""
    return enveloped(_compact(_statement(image, _ATTESTED)), key)


def enveloped(statement: bytes, key: PrivateKey) -> Evidence:
    """Return a layer of an `.att` manifest with a statement."""
    envelope = _envelope(statement, key)
    annotations = {"dev.cosignproject.cosign/signature": ""}
    return _evidence(Format.COSIGN_ATTESTATION, _compact(envelope), DSSE_ENVELOPE, annotations)


def bundle(image: Image, key: PrivateKey) -> Evidence:
    """Return a bundle as cosign v3 signs with a key."""
    document = {
        "mediaType": _BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": _envelope(_compact(_statement(image, _COSIGN_SIGN)), key),
    }
    return _evidence(Format.SIGSTORE_BUNDLE, _compact(document), _BUNDLE, {})


def _statement(image: Image, predicate_type: str) -> dict[str, object]:
    digest = image.subject.digest
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {digest.algorithm: digest.hex}}],
        "predicateType": predicate_type,
        "predicate": {},
    }


def _envelope(statement: bytes, key: PrivateKey) -> dict[str, object]:
    message = pre_authentication_encoding(IN_TOTO_PAYLOAD, statement)
    signatures = [{"sig": _text(sign(key, message))}]
    return {"payload": _text(statement), "payloadType": IN_TOTO_PAYLOAD, "signatures": signatures}


def _evidence(form: Format, body: bytes, media_type: str, annotations: Mapping[str, str]) -> Evidence:
    return Evidence(
        format=form,
        manifest=Digest.of(b"bench"),
        index=0,
        body=body,
        digest=Digest.of(body),
        media_type=media_type,
        annotations=tuple(annotations.items()),
        place=Place.REFERRERS_API if form is Format.SIGSTORE_BUNDLE else Place.SIGNATURE_TAG,
    )


# --- recorded ---

_FORMATS: Mapping[str, Format] = {
    "legacy-rekor1": Format.COSIGN_SIGNATURE,
    "bundle-rekor1": Format.SIGSTORE_BUNDLE,
    "bundle-rekor2": Format.SIGSTORE_BUNDLE,
    "notation-jws": Format.NOTATION_JWS,
    "notation-cose": Format.NOTATION_COSE,
}


def recorded(name: str) -> list[Sample]:
    """Return recorded evidence (a vector file's name) with the trust that it holds under."""
    anchors, trust = _notation() if name.startswith("notation") else _keyless()
    return [_sample(each, _FORMATS[name], anchors, trust) for each in json.loads(read_vector(f"{name}.json"))]


def read_vector(name: str) -> bytes:
    """Return a file that is shipped beside this module."""
    return resources.files("preverify.bench").joinpath("vectors", name).read_bytes()


def root() -> SigstoreRoot:
    """Return the private instance that the recorded keyless evidence was made with."""
    return parse_trusted_root(read_vector("trusted_root.json"), "bench")


def _keyless() -> tuple[tuple[Anchor, ...], Trust]:
    instance = root()
    return (KeylessAnchor(root=instance.id),), Trust(roots=(instance,))


def _notation() -> tuple[tuple[Anchor, ...], Trust]:
    certificate = x509.load_pem_x509_certificate(read_vector("notation-root.pem"))
    store = Store(kind="ca", name="bench", certificates=(certificate.public_bytes(Encoding.DER),))
    anchor = NotationAnchor(statements=(NotationStatement(name="bench", stores=(store.id,)),))
    return (anchor,), Trust(stores=(store,))


def _sample(raw: Mapping[str, Any], form: Format, anchors: tuple[Anchor, ...], trust: Trust) -> Sample:
    described, found = raw["image"], raw["evidence"]
    manifest = base64.b64decode(described["manifest"])
    subject = Subject(Repository("registry.bench", described["repository"]), Digest.of(manifest))
    evidence = Evidence(
        format=form,
        manifest=Digest.parse(found["manifest"]),
        index=0,
        body=base64.b64decode(found["body"]),
        digest=Digest.parse(found["digest"]),
        media_type=found["mediaType"],
        annotations=tuple(found["annotations"].items()),
        place=Place.SIGNATURE_TAG if form is Format.COSIGN_SIGNATURE else Place.REFERRERS_API,
    )
    image = Image(subject=subject, manifest=manifest, media_type=described["mediaType"])
    return Sample(image=image, evidence=evidence, anchors=anchors, trust=trust, raw=raw)


def _compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
