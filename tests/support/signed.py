"""Real evidence out of the fixtures, and the means to sign variants of it with their throwaway keys."""

import base64
import functools
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from preverify.model.anchors import KeyAnchor
from preverify.model.digest import Digest
from preverify.model.dsse import DSSE_ENVELOPE, IN_TOTO_PAYLOAD, pre_authentication_encoding
from preverify.model.evidence import Evidence, Format, Image, Place
from preverify.model.findings import Finding
from preverify.model.keys import TrustedKey
from preverify.model.reference import Repository, Subject
from preverify.model.trust import Trust
from preverify.verify import load_public_key
from preverify.verify import verify as verify_anchored
from preverify.verify.formats.cosign_legacy import SIGNATURE_ANNOTATION, SIMPLE_SIGNING
from preverify.verify.sigstore.bundle_document import MEDIA_TYPE
from support.predicates import minimal

FIXTURES = Path(__file__).resolve().parent.parent / "vectors" / "fixtures"
NOW = datetime(2026, 1, 2, 10, 0, tzinfo=UTC)
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"


@functools.cache
def _layouts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fixture_layouts", FIXTURES / "layouts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def store() -> Any:
    """Return all layouts of the fixtures in memory."""
    return _layouts().load(str(FIXTURES), lazy=False)


@functools.cache
def cases() -> dict[str, dict[str, Any]]:
    """Return the fixtures' cases by id."""
    return {case["id"]: case for case in json.loads((FIXTURES / "cases.json").read_bytes())["cases"]}


def image(case_id: str) -> Image:
    """Return the subject of a case."""
    case = cases()[case_id]
    digest = Digest.parse(case["digest"])
    media_type, manifest = store().manifests[case["repo"]][str(digest)]
    subject = Subject(Repository("registry.test", case["repo"]), digest)
    return Image(subject=subject, manifest=manifest, media_type=media_type)


def evidence(case_id: str) -> tuple[Evidence, ...]:
    """Return what stands beside a case's subject, in the order in which a registry reader finds it."""
    case = cases()[case_id]
    repo, digest = case["repo"], case["digest"]
    tag = digest.replace(":", "-")
    tags = store().tags[repo]
    found: list[Evidence] = []
    for entry in store().referrers(repo, digest):
        found += _layers(repo, entry["digest"], Format.SIGSTORE_BUNDLE, Place.REFERRERS_API)
    if f"{tag}.sig" in tags:
        found += _layers(repo, tags[f"{tag}.sig"], Format.COSIGN_SIGNATURE, Place.SIGNATURE_TAG)
    if f"{tag}.att" in tags:
        found += _layers(repo, tags[f"{tag}.att"], Format.COSIGN_ATTESTATION, Place.ATTESTATION_TAG)
    return tuple(found)


def _layers(repo: str, manifest: str, form: Format, place: Place) -> list[Evidence]:
    layers = json.loads(store().manifests[repo][manifest][1]).get("layers", [])
    return [
        Evidence(
            format=form,
            manifest=Digest.parse(manifest),
            index=i,
            body=store().blobs[layer["digest"]],
            digest=Digest.parse(layer["digest"]),
            media_type=layer["mediaType"],
            annotations=tuple((layer.get("annotations") or {}).items()),
            place=place,
        )
        for i, layer in enumerate(layers)
    ]


def key(name: str) -> TrustedKey:
    """Return a fixture key, public."""
    return load_public_key((FIXTURES / "keys" / f"{name}.pub").read_bytes())


@functools.cache
def private(name: str) -> Any:
    """Return a fixture key, private."""
    return load_pem_private_key((FIXTURES / "keys" / f"{name}.pem").read_bytes(), None)


def sign(name: str, message: bytes) -> bytes:
    """Sign as new tools do with this kind of key."""
    secret = private(name)
    if isinstance(secret, rsa.RSAPrivateKey):
        return secret.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(secret, ed25519.Ed25519PrivateKey):
        return secret.sign(message)
    assert isinstance(secret, ec.EllipticCurvePrivateKey)
    own = hashes.SHA384() if secret.curve.name == "secp384r1" else hashes.SHA256()
    return secret.sign(message, ec.ECDSA(own))


def verify(image: Image, evidence: Sequence[Evidence], keys: Sequence[TrustedKey]) -> tuple[Finding, ...]:
    """Verify under bare keys: no log, no time stamps, no certificates."""
    return verify_anchored(image, evidence, [KeyAnchor(key=key) for key in keys], trust=Trust(), now=NOW)


def b64(data: bytes) -> str:
    """Return standard base64 as text."""
    return base64.b64encode(data).decode()


def compact(document: object) -> bytes:
    """Return JSON without white space."""
    return json.dumps(document, separators=(",", ":")).encode()


def with_body(old: Evidence, body: bytes, **changes: Any) -> Evidence:
    """Return evidence with another body, and the digest that belongs to it: the registry room would see to that."""
    return replace(old, body=body, digest=Digest.of(body), **changes)


# --- evidence signed here ---


def payload(digest: Digest, **critical: Any) -> dict[str, Any]:
    """Return a simple signing payload for an image."""
    return {
        "critical": {
            "identity": {"docker-reference": "registry.test/acme/app"},
            "image": {"docker-manifest-digest": str(digest)},
            "type": "cosign container image signature",
            **critical,
        },
        "optional": None,
    }


def legacy(body: bytes, by: str = "ec1", *, signature: str | None = None) -> Evidence:
    """Return a `.sig` layer with `body`, signed by a fixture key (or carrying the annotation given)."""
    text = b64(sign(by, body)) if signature is None else signature
    return Evidence(
        format=Format.COSIGN_SIGNATURE,
        manifest=Digest.of(b"signature manifest"),
        index=0,
        body=body,
        digest=Digest.of(body),
        media_type=SIMPLE_SIGNING,
        annotations=((SIGNATURE_ANNOTATION, text),),
        place=Place.SIGNATURE_TAG,
    )


def statement(digest: Digest, predicate_type: str = VULN, **changes: Any) -> dict[str, Any]:
    """Return a statement about an image."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": {digest.algorithm: digest.hex}}],
        "predicateType": predicate_type,
        "predicate": minimal(predicate_type),
        **changes,
    }


def envelope(
    document: object, by: tuple[str, ...] = ("ec1",), *, payload_type: str = IN_TOTO_PAYLOAD
) -> dict[str, Any]:
    """Return a DSSE envelope over a document (or exact bytes), signed by fixture keys."""
    body = document if isinstance(document, bytes) else compact(document)
    message = pre_authentication_encoding(payload_type, body)
    return {
        "payloadType": payload_type,
        "payload": b64(body),
        "signatures": [{"keyid": "", "sig": b64(sign(name, message))} for name in by],
    }


def attestation(dsse: dict[str, Any] | bytes) -> Evidence:
    """Return an `.att` layer that holds an envelope."""
    body = dsse if isinstance(dsse, bytes) else compact(dsse)
    return Evidence(
        format=Format.COSIGN_ATTESTATION,
        manifest=Digest.of(b"attestation manifest"),
        index=0,
        body=body,
        digest=Digest.of(body),
        media_type=DSSE_ENVELOPE,
        annotations=((SIGNATURE_ANNOTATION, ""), ("predicateType", "https://slsa.dev/provenance/v1")),
        place=Place.ATTESTATION_TAG,
    )


def bundle(content: dict[str, Any], *, hint: str | None = None, **material: Any) -> dict[str, Any]:
    """Return a v0.3 bundle with a public key; `content` is `dsseEnvelope` or `messageSignature` with its value."""
    named = hint if hint is not None else b64(bytes.fromhex(key("ec1").id.removeprefix("key:")))
    return {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": named}, **material},
        **content,
    }


def bundled(document: dict[str, Any] | bytes) -> Evidence:
    """Return a bundle referrer's layer."""
    body = document if isinstance(document, bytes) else compact(document)
    return Evidence(
        format=Format.SIGSTORE_BUNDLE,
        manifest=Digest.of(b"bundle manifest"),
        index=0,
        body=body,
        digest=Digest.of(body),
        media_type=MEDIA_TYPE,
        place=Place.REFERRERS_API,
    )


def buildkit(body: bytes, *annotations: tuple[str, str]) -> Evidence:
    """Return a bare statement as BuildKit puts it into an index."""
    return Evidence(
        format=Format.BUILDKIT_STATEMENT,
        manifest=Digest.of(b"attestation manifest"),
        index=0,
        body=body,
        digest=Digest.of(body),
        media_type="application/vnd.in-toto+json",
        annotations=annotations,
        place=Place.INDEX,
    )
