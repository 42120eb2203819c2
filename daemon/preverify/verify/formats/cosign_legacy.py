"""cosign's tag format: layers of `sha256-….sig` and `sha256-….att` manifests, by key or by certificate."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial, reduce
from operator import add

from preverify.model.digest import Digest
from preverify.model.dsse import DSSE_ENVELOPE
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image
from preverify.model.findings import DOCKER_REFERENCE, Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.certificates.certificate import parse_pem_chain
from preverify.verify.encodings.text import exact_members, from_base64
from preverify.verify.logs.bodies import Described, Enveloped, Message
from preverify.verify.logs.entries import Entry, entry_from_annotation
from preverify.verify.refusal import Refused
from preverify.verify.report import Report, Signed
from preverify.verify.sigstore.signed_statement import verify_statement
from preverify.verify.sigstore.steps import Conclusion, Material, conclude, conclude_bare
from preverify.verify.statements.envelope import parse_envelope
from preverify.verify.statements.statement import text_members
from preverify.verify.trusting import Trusting

NAME: str = "cosign-legacy"
READS: tuple[Format, ...] = (Format.COSIGN_SIGNATURE, Format.COSIGN_ATTESTATION)

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
CERTIFICATE_ANNOTATION = "dev.sigstore.cosign/certificate"
LOG_ANNOTATION = "dev.sigstore.cosign/bundle"
STAMP_ANNOTATION = "dev.sigstore.cosign/rfc3161timestamp"
SIGNATURE_TYPE = "cosign container image signature"
MAX_PAYLOAD_BYTES = 1024 * 1024
_STAMP = "SignedRFC3161Timestamp"
_USUAL = frozenset({"critical", "optional", "identity", "image", "type", "docker-manifest-digest"})
"""Members as tools of today spell them: no two of them are one in another case."""
_PAYLOAD = frozenset({"critical", "optional"})
_CRITICAL = frozenset({"type", "image", "identity"})
_IMAGE = frozenset({"docker-manifest-digest"})

MAX_NAME_CHARACTERS = 1024
"""Of `docker-reference`; longer ones are names of nothing."""

_Texts = tuple[tuple[str, str], ...]


def verify_evidence(evidence: Evidence, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    """Read one layer. The steps are those of cosign; `sigstore.steps` has those on certificates, logs and times.

    Spec:
        cosign, "Signature specification" (simple signing payload, annotations).
    """
    # (1) The layer's bytes were hashed and sized by the registry room; here, what the layer is.
    if evidence.format is Format.COSIGN_SIGNATURE:
        return _verify_signature(Report(evidence=evidence, claim=Claim.SIGNATURE), image, trusting)
    return _verify_attestation(Report(evidence=evidence, claim=Claim.ATTESTATION), image, trusting)


def _verify_attestation(report: Report, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    evidence = report.evidence
    if evidence.media_type != DSSE_ENVELOPE:
        return _other_media_type(report, DSSE_ENVELOPE)
    envelope = parse_envelope(evidence.body)
    message = envelope.signed_bytes
    # A log entry or a certificate speaks of one signature. Of several, each may only count by key, without either.
    lone = len(envelope.signatures) == 1
    if trusting.bare:
        certified = partial(_is_certified, evidence, trusting) if lone else None
        return verify_statement(
            report,
            envelope,
            image,
            _together([conclude_bare(each, message, trusting, certified=certified) for each in envelope.signatures]),
            cosign_signs=False,
        )
    content = Enveloped(
        payload_type=envelope.payload_type, payload=envelope.payload, pae=message, envelope=evidence.body
    )
    certificate = _certificate(evidence, trusting)
    conclusions = (
        conclude(
            Material(
                signature=signature,
                message=message,
                certificate=certificate if lone else None,
                keys=True,
                entries=partial(_entries, evidence) if lone else tuple,
                promise=True,
                proof=False,
                stamps=partial(_stamps, evidence) if lone else tuple,
                stamped=evidence.body,
                described=partial(_described, signature, certificate, content),
            ),
            trusting,
        )
        for signature in envelope.signatures
    )
    # The layer's `predicateType` annotation is signed by nobody and is not looked at.
    return verify_statement(report, envelope, image, _together(tuple(conclusions)), cosign_signs=False)


def _together(conclusions: Sequence[Conclusion]) -> Conclusion:
    """Join what the signatures of one envelope say; who holds it makes the others' silence unimportant."""
    joined = reduce(add, conclusions)
    if joined.held:
        return replace(joined, stopped=tuple(stop for stop in joined.stopped if stop.by is not None))
    return (
        replace(joined, stopped=(max(joined.stopped, key=lambda stop: stop.step),)) if len(conclusions) > 1 else joined
    )


def _verify_signature(report: Report, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    evidence = report.evidence
    if evidence.media_type != SIMPLE_SIGNING:
        return _other_media_type(report, SIMPLE_SIGNING)
    if len(evidence.body) > MAX_PAYLOAD_BYTES:
        return report.failed(Step.OBTAINED, Reason.TOO_LARGE, f"payload of {len(evidence.body)} bytes")
    encoded = evidence.annotation(SIGNATURE_ANNOTATION)
    if encoded is None:
        return report.failed(Step.OBTAINED, Reason.SIGNATURE_INVALID, f"no annotation {SIGNATURE_ANNOTATION}")
    signature = from_base64(encoded, "the signature annotation", Reason.SIGNATURE_INVALID)
    # (2) to (8) Who signed exactly these layer bytes, and who vouches for it.
    conclusion = _conclude(evidence, signature, trusting)
    return (*_claimed(report, image, conclusion.held), *conclusion.failures(report))


def _conclude(evidence: Evidence, signature: bytes, trusting: Trusting) -> Conclusion:
    """Say under which anchors a layer is signed."""
    if trusting.bare:
        certified = partial(_is_certified, evidence, trusting)
        return conclude_bare(signature, evidence.body, trusting, certified=certified)
    certificate = _certificate(evidence, trusting)
    material = Material(
        signature=signature,
        message=evidence.body,
        certificate=certificate,
        keys=True,
        entries=partial(_entries, evidence),
        promise=True,
        proof=False,
        stamps=partial(_stamps, evidence),
        stamped=signature,
        described=partial(_described, signature, certificate, Message(data=evidence.body)),
    )
    return conclude(material, trusting)


def _is_certified(evidence: Evidence, trusting: Trusting) -> bool:
    return _certificate(evidence, trusting) is not None


def _claimed(report: Report, image: Image, held: Sequence[Signed]) -> tuple[Finding, ...]:
    """(9) The claim, from the bytes that were verified."""
    if not held:
        return ()
    try:
        named, annotations, facts = read_payload(report.evidence.body)
    except MalformedEvidence as error:
        return report.failed_by(held, Step.SIGNED, error.reason, f"signed, but {error.detail}")
    if named != image.subject.digest:
        detail = f"signed, but for {named}, not {image.subject.digest}"
        return report.failed_by(held, Step.PAYLOAD, Reason.SUBJECT_MISMATCH, detail)
    return tuple([f for by in held for f in report.established(by, annotations, facts)])


# --- what the annotations carry ---------------------------------------------------------------------------------------


def _certificate(evidence: Evidence, trusting: Trusting) -> bytes | None:
    """Return the leaf. Where no anchor has certificates, what the annotation holds changes nothing.

    Raises:
        MalformedEvidence: `certificate-invalid`.
    """
    text = evidence.annotation(CERTIFICATE_ANNOTATION)
    if not text:
        return None
    try:
        # The chain annotation beside it is not looked at: trust never comes with the evidence.
        certificates = parse_pem_chain(text)
    except Refused as refused:
        if not trusting.keyless:
            return None
        raise MalformedEvidence(refused.reason, f"the certificate annotation: {refused.detail}") from refused
    return certificates[0]


def _entries(evidence: Evidence) -> tuple[Entry, ...]:
    text = evidence.annotation(LOG_ANNOTATION)
    return () if text is None else (entry_from_annotation(text),)


def _stamps(evidence: Evidence) -> tuple[bytes, ...]:
    text = evidence.annotation(STAMP_ANNOTATION)
    if text is None:
        return ()
    reason = Reason.TIMESTAMP_INVALID
    document = parse(text.encode("utf-8", "surrogatepass"), max_bytes=MAX_PAYLOAD_BYTES, reason=reason)
    members = exact_members(document, frozenset({_STAMP}), "the time stamp annotation", reason)
    return (from_base64(members.get(_STAMP), _STAMP, reason),)


def _described(signature: bytes, certificate: bytes | None, content: Message | Enveloped, spki: bytes) -> Described:
    return Described(signature=signature, spki=spki, certificate=certificate, content=content, tag_format=True)


def read_payload(body: bytes) -> tuple[Digest, _Texts, _Texts]:
    """Return the digest that a simple signing payload names, its signed annotations (text values only) and its facts.

    The one fact is `docker-reference`, whatever name the image had for the signer. Only rules that ask for it look at
    it, so that one that cannot be read is left out.

    Raises:
        MalformedEvidence: `payload-malformed`, or `payload-type-mismatch` where `critical.type` is of another format.
    """
    members = _members(parse(body, max_bytes=MAX_PAYLOAD_BYTES), "payload", _PAYLOAD)
    critical = _members(members.get("critical"), "critical", _CRITICAL)
    kind = critical.get("type")
    if kind != SIGNATURE_TYPE:
        seen = str(kind)[:80]
        raise MalformedEvidence(Reason.PAYLOAD_TYPE_MISMATCH, f"critical.type is {seen!r}, expected {SIGNATURE_TYPE!r}")
    named = _members(critical.get("image"), "critical.image", _IMAGE).get("docker-manifest-digest")
    if not isinstance(named, str):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, "the payload names no image digest")
    optional = members.get("optional")
    try:
        digest = Digest.parse(named)
    except BadInput as error:
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"docker-manifest-digest: {error}") from error
    annotations = () if optional is None else text_members(_object(optional, "optional"))
    return digest, annotations, _facts(critical.get("identity"))


def _facts(identity: object) -> _Texts:
    name = identity.get("docker-reference") if isinstance(identity, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        return ()
    return ((DOCKER_REFERENCE, name),)


def _members(document: object, what: str, names: frozenset[str]) -> dict[str, object]:
    """Return those members of an object that are in `names`; they may be spelled in other case, as old signers did.

    Two spellings in one object mean two things to two readers and are refused.
    """
    members = _object(document, what)
    if members.keys() <= _USUAL:
        return members
    found: dict[str, object] = {}
    for key, value in members.items():
        name = key if key in names else key.casefold()
        if name in found:
            raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"{name!r} stands twice in different case")
        if name in names:
            found[name] = value
    return found


def _object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"{what} is {type(value).__name__}, expected an object")
    return value


def _other_media_type(report: Report, expected: str) -> tuple[Finding, ...]:
    seen = report.evidence.media_type[:80]
    return report.failed(Step.OBTAINED, Reason.PAYLOAD_TYPE_MISMATCH, f"layer of type {seen!r}, expected {expected}")
