"""What an envelope with a statement establishes, wherever the envelope was found."""

from preverify.model.dsse import IN_TOTO_PAYLOAD
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.verify.predicates import facts_of
from preverify.verify.report import Report, Signed
from preverify.verify.sigstore.steps import Conclusion
from preverify.verify.statements.envelope import Envelope
from preverify.verify.statements.statement import COSIGN_SIGNATURE, Statement, read_statement

_WORTH_A_LOOK = 1024 * 1024
_Read = tuple[Statement, dict[str, object]]
_UNREAD = MalformedEvidence(Reason.STATEMENT_MALFORMED, "not read")


def verify_statement(
    report: Report, envelope: Envelope, image: Image, conclusion: Conclusion, *, cosign_signs: bool
) -> tuple[Finding, ...]:
    """Verify the statement of an envelope against `image`, given who signed the envelope.

    Args:
        report: What is known of the evidence so far.
        envelope: As parsed.
        image: The subject.
        conclusion: Under which anchors signatures over the exact payload and its type hold.
        cosign_signs: Whether a statement of cosign's own type stands for a signature here. Every other type is an
            attestation: cosign itself takes any statement for a signature, and so a report of failure for approval.
    """
    # What a failed finding is about decides only which rule gets to name its reason. That is worth reading a small
    # statement that nobody trusted signed, not a large one.
    worth = bool(conclusion.held) or len(envelope.payload) <= _WORTH_A_LOOK
    read = _read(envelope) if worth else _UNREAD
    if not isinstance(read, MalformedEvidence):
        statement = read[0]
        signs = cosign_signs and statement.predicate_type == COSIGN_SIGNATURE
        report = report.about(
            Claim.SIGNATURE if signs else Claim.ATTESTATION,
            predicate_type=statement.predicate_type,
            statement=statement.sha256,
        )
    stopped = conclusion.failures(report)
    if not conclusion.held:
        return stopped
    return (*_held(report, envelope, read, image, conclusion.held), *stopped)


def _held(
    report: Report, envelope: Envelope, read: _Read | MalformedEvidence, image: Image, held: tuple[Signed, ...]
) -> tuple[Finding, ...]:
    """Go on with what somebody trusted signed: its type, the statement, its subject, its predicate."""
    # Only now the type, which the signature covers.
    if envelope.payload_type != IN_TOTO_PAYLOAD:
        seen = envelope.payload_type[:80]
        return report.failed_by(
            held, Step.SIGNED, Reason.PAYLOAD_TYPE_MISMATCH, f"signed {seen!r}, expected {IN_TOTO_PAYLOAD}"
        )
    # The statement, from the bytes that were verified.
    if isinstance(read, MalformedEvidence):
        return report.failed_by(held, Step.SIGNED, read.reason, f"signed, but {read.detail}")
    statement, document = read
    # Its subject, by digest alone.
    subject = statement.about(image.subject.digest)
    if subject is None:
        detail = f"signed, but about {len(statement.subjects)} other subjects, not {image.subject.digest}"
        return report.failed_by(held, Step.PAYLOAD, Reason.SUBJECT_MISMATCH, detail)
    try:
        predicate = (
            () if report.claim is Claim.SIGNATURE else facts_of(statement.predicate_type, document, envelope.payload)
        )
    except MalformedEvidence as error:
        return report.failed_by(held, Step.SUBJECT, error.reason, f"signed, but {error.detail}")
    return tuple(finding for by in held for finding in report.established(by, subject.annotations, predicate))


def _read(envelope: Envelope) -> _Read | MalformedEvidence:
    try:
        return read_statement(envelope.payload)
    except MalformedEvidence as error:
        return error
