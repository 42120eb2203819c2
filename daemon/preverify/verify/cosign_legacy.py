"""cosign's tag format: layers of `sha256-….sig` and `sha256-….att` manifests, by key."""

from preverify.model.digest import Digest
from preverify.model.dsse import DSSE_ENVELOPE
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.encoding import from_base64
from preverify.verify.envelope import parse_envelope
from preverify.verify.keyring import Keyring
from preverify.verify.report import Report
from preverify.verify.signed_statement import verify_statement
from preverify.verify.statement import text_members

NAME: str = "cosign-legacy"
READS: tuple[Format, ...] = (Format.COSIGN_SIGNATURE, Format.COSIGN_ATTESTATION)

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
SIGNATURE_TYPE = "cosign container image signature"
MAX_PAYLOAD_BYTES = 1024 * 1024

_Annotations = tuple[tuple[str, str], ...]


def verify_evidence(evidence: Evidence, image: Image, keyring: Keyring) -> tuple[Finding, ...]:
    """Read one layer. The steps are those of cosign, in its order; (3) to (7) concern certificates and logs.

    Spec:
        cosign, "Signature specification" (simple signing payload, annotations).
    """
    # (1) The layer's bytes were hashed and sized by the registry room; here, what the layer is.
    if evidence.format is Format.COSIGN_SIGNATURE:
        return _verify_signature(Report(evidence=evidence, claim=Claim.SIGNATURE), image, keyring)
    return _verify_attestation(Report(evidence=evidence, claim=Claim.ATTESTATION), image, keyring)


def _verify_attestation(report: Report, image: Image, keyring: Keyring) -> tuple[Finding, ...]:
    evidence = report.evidence
    if evidence.media_type != DSSE_ENVELOPE:
        return _other_media_type(report, DSSE_ENVELOPE)
    envelope = parse_envelope(evidence.body)
    # (2), (8), (9). The layer's `predicateType` annotation is signed by nobody and is not looked at.
    return verify_statement(report, envelope, image, keyring, cosign_signs=False)


def _verify_signature(report: Report, image: Image, keyring: Keyring) -> tuple[Finding, ...]:
    evidence = report.evidence
    if evidence.media_type != SIMPLE_SIGNING:
        return _other_media_type(report, SIMPLE_SIGNING)
    if len(evidence.body) > MAX_PAYLOAD_BYTES:
        return report.failed(Step.OBTAINED, Reason.TOO_LARGE, f"payload of {len(evidence.body)} bytes")
    encoded = evidence.annotation(SIGNATURE_ANNOTATION)
    if encoded is None:
        return report.failed(Step.OBTAINED, Reason.SIGNATURE_INVALID, f"no annotation {SIGNATURE_ANNOTATION}")
    signature = from_base64(encoded, "the signature annotation", Reason.SIGNATURE_INVALID)
    # (2) Key mode: a certificate in the annotations changes nothing. (8) The signature over the exact layer bytes.
    signers = keyring.holders(signature, evidence.body)
    if not signers:
        reason, detail = keyring.explain(signature, evidence.body)
        return report.failed(Step.PARSED, reason, detail)
    signer = signers[0].id
    # (9) The claim, from the bytes that were verified.
    try:
        named, annotations = read_payload(evidence.body)
    except MalformedEvidence as error:
        return report.failed(Step.SIGNED, error.reason, f"signed, but {error.detail}", signer=signer)
    if named != image.subject.digest:
        detail = f"signed, but for {named}, not {image.subject.digest}"
        return report.failed(Step.PAYLOAD, Reason.SUBJECT_MISMATCH, detail, signer=signer)
    return report.established(signers, annotations)


def read_payload(body: bytes) -> tuple[Digest, _Annotations]:
    """Return the digest that a simple signing payload names and its signed annotations (text values only).

    `docker-reference` is not looked at: cosign writes there whatever name the image had for the signer.

    Raises:
        MalformedEvidence: `payload-malformed`, or `payload-type-mismatch` where `critical.type` is of another format.
    """
    document = parse(body, max_bytes=MAX_PAYLOAD_BYTES)
    critical = _object(_member(document, "critical"), "critical")
    kind = _member(critical, "type")
    if kind != SIGNATURE_TYPE:
        seen = str(kind)[:80]
        raise MalformedEvidence(Reason.PAYLOAD_TYPE_MISMATCH, f"critical.type is {seen!r}, expected {SIGNATURE_TYPE!r}")
    named = _member(_object(_member(critical, "image"), "critical.image"), "docker-manifest-digest")
    if not isinstance(named, str):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, "the payload names no image digest")
    optional = _member(document, "optional")
    try:
        digest = Digest.parse(named)
    except BadInput as error:
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"docker-manifest-digest: {error}") from error
    return digest, text_members(None if optional is None else _object(optional, "optional"))


def _member(document: object, name: str) -> object:
    """Return a member whose key may be spelled in other case, as old signers did; None where it does not stand.

    Two spellings in one object mean two things to two readers and are refused.
    """
    members = _object(document, "payload")
    spellings = [key for key in members if key.casefold() == name]
    if len(spellings) > 1:
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"{name!r} stands {len(spellings)} times in different case")
    return members[spellings[0]] if spellings else None


def _object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"{what} is {type(value).__name__}, expected an object")
    return value


def _other_media_type(report: Report, expected: str) -> tuple[Finding, ...]:
    seen = report.evidence.media_type[:80]
    return report.failed(Step.OBTAINED, Reason.PAYLOAD_TYPE_MISMATCH, f"layer of type {seen!r}, expected {expected}")
