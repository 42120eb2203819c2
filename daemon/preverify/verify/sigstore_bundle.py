"""Sigstore bundles v0.3 with a public key."""

import hashlib

from pydantic import ValidationError
from sigstore_models.bundle.v1 import Bundle

from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.encoding import from_base64
from preverify.verify.envelope import Envelope, read_envelope
from preverify.verify.keyring import Keyring
from preverify.verify.report import Report
from preverify.verify.signed_statement import verify_statement

NAME: str = "sigstore-bundle"
READS: tuple[Format, ...] = (Format.SIGSTORE_BUNDLE,)

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
VERSIONS = (MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3")
MAX_BUNDLE_BYTES = 8 * 1024 * 1024
MAX_LOG_ENTRIES = 8
MAX_TIMESTAMPS = 8
_HASHES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}

_Object = dict[str, object]


def verify_evidence(evidence: Evidence, image: Image, keyring: Keyring) -> tuple[Finding, ...]:
    """Read one bundle. Steps as in the sigstore client specification; (2) to (7) and (9) concern certificates and logs.

    Log entries and timestamps in a bundle by key are not asked for and not verified: they neither help nor harm, but a
    bundle that holds malformed ones is malformed.

    Spec:
        sigstore protobuf-specs, `sigstore_bundle.proto` v0.3, proto3 JSON form.
    """
    report = Report(evidence=evidence, claim=Claim.NONE)
    # (1) Parse, limits, media type.
    bundle = read_bundle(evidence.body)
    material = _object(bundle["verificationMaterial"])
    hint = str(_object(material.get("publicKey") or {}).get("hint") or "")
    # (8) Signature, then (10) what it covers.
    if bundle.get("messageSignature") is not None:
        signature = _object(bundle["messageSignature"])
        return _verify_message(report.about(Claim.SIGNATURE), signature, material, image, keyring, hint)
    envelope = _read_single(bundle["dsseEnvelope"], hint)
    if material.get("publicKey") is None:
        return _certificate_only(report)
    return verify_statement(report, envelope, image, keyring, hint=hint, cosign_signs=True)


def read_bundle(body: bytes) -> _Object:
    """Return the JSON of a v0.3 bundle whose shape sigstore's own models confirm.

    Raises:
        MalformedEvidence: `bundle-malformed`, `bundle-version` or `too-large`.
    """
    document = parse(body, max_bytes=MAX_BUNDLE_BYTES, reason=Reason.BUNDLE_MALFORMED)
    bundle = _object(document)
    media_type = bundle.get("mediaType")
    if not isinstance(media_type, str):
        raise _malformed("mediaType is missing")
    if media_type not in VERSIONS:
        raise MalformedEvidence(Reason.BUNDLE_VERSION, f"mediaType is {media_type[:80]!r}, expected {MEDIA_TYPE}")
    material = dict(_object(bundle.get("verificationMaterial")))
    if material.get("tlogEntries") is None:  # proto3 JSON leaves empty lists out; the models want them
        material["tlogEntries"] = []
    _check_limits(material)
    bundle = {**bundle, "verificationMaterial": material}
    if b"_" in body or b"\\" in body:  # an underscore may be escaped; without either there is none
        _check_spelling(bundle)
    try:
        # Not strict about Python types only: JSON has no enums, so their names come as text.
        model = Bundle.model_validate(bundle, strict=False)
    except (ValueError, TypeError) as error:  # ValidationError is a ValueError; field validators raise both
        raise _malformed(_first_line(error)) from error
    if model.verification_material.x509_certificate_chain is not None:
        raise _malformed("a v0.3 bundle with a certificate chain, expected one certificate or a public key")
    return bundle


def _verify_message(
    report: Report, message: _Object, material: _Object, image: Image, keyring: Keyring, hint: str
) -> tuple[Finding, ...]:
    """Verify a signature over the manifest's bytes. `messageDigest` only identifies; ours is what counts."""
    signature = from_base64(message.get("signature"), "messageSignature.signature", Reason.SIGNATURE_INVALID)
    if material.get("publicKey") is None:
        return _certificate_only(report)
    signers = keyring.holders(signature, image.manifest)
    if not signers:
        reason, detail = keyring.explain(signature, image.manifest, hint)
        return report.failed(Step.PARSED, reason, detail)
    named = message.get("messageDigest")
    if named is not None and not _names(_object(named), image.manifest):
        detail = "messageDigest is not the digest of what is signed"
        return report.failed(Step.SIGNED, Reason.CONTENT_MISMATCH, detail, signer=signers[0].id)
    return report.established(signers)


def _read_single(document: object, hint: str) -> Envelope:
    """Read a bundle's envelope: one signature exactly, and a key id that does not contradict the hint."""
    envelope = read_envelope(document)
    if len(envelope.signatures) != 1:
        raise MalformedEvidence(
            Reason.ENVELOPE_MALFORMED, f"a bundle with {len(envelope.signatures)} signatures, expected one"
        )
    if hint and envelope.key_ids[0] not in ("", hint):
        raise _malformed("the envelope's keyid and the bundle's key hint differ")
    return envelope


def _certificate_only(report: Report) -> tuple[Finding, ...]:
    detail = "signed with a certificate, expected one of the trusted keys"
    return report.failed(Step.PARSED, Reason.WRONG_KEY, detail)


def _names(digest: _Object, content: bytes) -> bool:
    algorithm = _HASHES.get(str(digest.get("algorithm")))
    claimed = from_base64(digest.get("digest"), "messageDigest.digest", Reason.BUNDLE_MALFORMED)
    return algorithm is not None and hashlib.new(algorithm, content).digest() == claimed


def _check_limits(material: _Object) -> None:
    """Bound what the models and later steps walk through."""
    entries = material.get("tlogEntries")
    stamps = material.get("timestampVerificationData")
    listed = stamps.get("rfc3161Timestamps") if isinstance(stamps, dict) else None
    if isinstance(entries, list) and len(entries) > MAX_LOG_ENTRIES:
        raise _malformed(f"{len(entries)} log entries, at most {MAX_LOG_ENTRIES} are read")
    if isinstance(listed, list) and len(listed) > MAX_TIMESTAMPS:
        raise _malformed(f"{len(listed)} timestamps, at most {MAX_TIMESTAMPS} are read")


def _check_spelling(value: object) -> None:
    """Refuse proto field names (`dsse_envelope`): some readers take them for the JSON names, some do not."""
    if isinstance(value, dict):
        for key, member in value.items():
            if "_" in key:
                raise _malformed(f"member {key[:40]!r} is not spelled in camelCase")
            _check_spelling(member)
    elif isinstance(value, list):
        for member in value:
            _check_spelling(member)


def _object(value: object) -> _Object:
    if not isinstance(value, dict):
        raise _malformed(f"{type(value).__name__} where an object is expected")
    return value


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]
    return str(error)[:200]


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.BUNDLE_MALFORMED, detail)
