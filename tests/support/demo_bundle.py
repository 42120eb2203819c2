"""A sigstore bundle by key, attached to an image in a demo registry."""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from preverify.demo.content import Content, Manifest, digest_of
from preverify.model.dsse import IN_TOTO_PAYLOAD, pre_authentication_encoding

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def attach_bundle(content: Content, repository: str, digest: str, key: ec.EllipticCurvePrivateKey) -> str:
    """Sign an image as cosign 3 does with a key and no log; return the digest of the referrer."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.partition(":")[2]}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    }
    payload = json.dumps(statement).encode()
    signature = key.sign(pre_authentication_encoding(IN_TOTO_PAYLOAD, payload), ec.ECDSA(hashes.SHA256()))
    bundle = json.dumps(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": ""}},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": IN_TOTO_PAYLOAD,
                "signatures": [{"sig": base64.b64encode(signature).decode()}],
            },
        }
    ).encode()
    image = content.manifest(repository, digest)
    assert image is not None
    empty = b"{}"
    for blob in (bundle, empty):
        content.blobs[digest_of(blob)] = blob
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(empty), "size": 2},
            "layers": [{"mediaType": BUNDLE, "digest": digest_of(bundle), "size": len(bundle)}],
            "subject": {"mediaType": image[1].media_type, "digest": digest, "size": len(image[1].content)},
        }
    ).encode()
    content.put_manifest(repository, digest_of(manifest), Manifest(media_type=MANIFEST, content=manifest), None)
    return digest_of(manifest)
