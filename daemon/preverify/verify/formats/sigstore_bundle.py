"""Sigstore bundles v0.1 to v0.3: by key or by certificate, over a statement or over the manifest itself."""

from collections.abc import Mapping

from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Format, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.logs.bodies import Described, Enveloped, Message
from preverify.verify.refusal import Refused
from preverify.verify.report import Report
from preverify.verify.sigstore.bundle_document import BundleDocument, MessageSignature, malformed, read_bundle
from preverify.verify.sigstore.signed_statement import verify_statement
from preverify.verify.sigstore.steps import Conclusion, Material, conclude, conclude_bare
from preverify.verify.statements.envelope import Envelope
from preverify.verify.trusting import Trusting

NAME: str = "sigstore-bundle"
READS: tuple[Format, ...] = (Format.SIGSTORE_BUNDLE,)

_HASHES: Mapping[str, str] = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


def verify_evidence(evidence: Evidence, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    """Read one bundle. Steps as in the Sigstore client specification; `sigstore.steps` has those on certificates.

    What an anchor does not look at (log entries, time stamps) is read and not verified: it neither helps nor harms, but
    a bundle that holds malformed ones is malformed.

    Spec:
        sigstore protobuf-specs, `sigstore_bundle.proto`; Sigstore client specification, "Verification".
    """
    return verify_bundle(evidence, image, trusting)


def verify_bundle(
    evidence: Evidence, image: Image, trusting: Trusting, *, digest: Digest | None = None
) -> tuple[Finding, ...]:
    """Read one bundle, as `verify_evidence` does.

    Args:
        evidence: The bundle.
        image: The subject; its manifest is what a signature over bytes has to cover.
        trusting: The anchors, and what they trust.
        digest: SHA-256 of what such a signature has to cover, where the manifest's bytes are not at hand.
    """
    report = Report(evidence=evidence, claim=Claim.NONE)
    bundle = read_bundle(evidence.body)
    check_chain(bundle)
    if isinstance(bundle.content, Envelope):
        conclusion = envelope_conclusion(bundle, bundle.content, trusting)
        return verify_statement(report, bundle.content, image, conclusion, cosign_signs=True)
    message = Message(data=image.manifest, sha256=bytes.fromhex(digest.hex) if digest is not None else b"")
    return _over_bytes(report.about(Claim.SIGNATURE), bundle, bundle.content, message, trusting)


def check_chain(bundle: BundleDocument) -> None:
    """Refuse a chain with a root in it: trust never comes with the evidence, and a sender who tries is not believed.

    Raises:
        MalformedEvidence: `bundle-malformed`.
    """
    for der in bundle.certificates[1:]:
        try:
            certificate = parse_certificate(der).x509
        except Refused as refused:
            raise malformed(f"a certificate of the chain: {refused.detail}") from refused
        if certificate.issuer == certificate.subject:
            raise malformed("the certificate chain holds a root, expected the leaf and intermediates at most")


def envelope_conclusion(bundle: BundleDocument, envelope: Envelope, trusting: Trusting) -> Conclusion:
    """Say under which anchors the envelope of a bundle is signed."""
    message = envelope.signed_bytes
    if trusting.bare and not bundle.certificates:
        (signature,) = envelope.signatures
        return conclude_bare(signature, message, trusting, hint=bundle.hint)
    content = Enveloped(payload_type=envelope.payload_type, payload=envelope.payload, pae=message)
    return conclude(_material(bundle, envelope.signatures[0], message, content), trusting, hint=bundle.hint)


def _material(bundle: BundleDocument, signature: bytes, message: bytes, content: Message | Enveloped) -> Material:
    certificate = bundle.certificates[0] if bundle.certificates else None

    def described(spki: bytes) -> Described:
        return Described(signature=signature, spki=spki, certificate=certificate, content=content)

    return Material(
        signature=signature,
        message=message,
        digest=content.sha256 if isinstance(content, Message) else b"",
        certificate=certificate,
        keys=certificate is None,
        entries=lambda: bundle.entries,
        promise=bundle.version == 1,
        proof=bundle.version > 1,
        stamps=lambda: bundle.stamps,
        stamped=signature,
        described=described,
    )


def _contradicts(signed: MessageSignature, message: Message) -> bool:
    """Say whether `messageDigest` names something else than what is signed. It only identifies; ours is what counts."""
    if not signed.algorithm:
        return False
    algorithm = _HASHES.get(signed.algorithm)
    try:
        return algorithm is None or message.digest(algorithm) != signed.digest
    except Refused:
        return True


def _over_bytes(
    report: Report, bundle: BundleDocument, signed: MessageSignature, message: Message, trusting: Trusting
) -> tuple[Finding, ...]:
    material = _material(bundle, signed.signature, message.data, message)
    conclusion = conclude(material, trusting, hint=bundle.hint)
    stopped = conclusion.failures(report)
    if conclusion.held and _contradicts(signed, message):
        detail = "messageDigest is not the digest of what is signed"
        wrong = report.failed_by(conclusion.held, Step.SIGNED, Reason.CONTENT_MISMATCH, detail)
        return (*wrong, *stopped)
    return (*(f for by in conclusion.held for f in report.established(by)), *stopped)
