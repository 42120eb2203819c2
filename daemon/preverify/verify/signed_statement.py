"""What an envelope with a statement establishes, wherever the envelope was found."""

from preverify.model.dsse import IN_TOTO_PAYLOAD
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.verify.envelope import Envelope
from preverify.verify.keyring import Keyring
from preverify.verify.report import Report
from preverify.verify.statement import COSIGN_SIGNATURE, Statement, parse_statement

_WORTH_A_LOOK = 1024 * 1024
_UNREAD = MalformedEvidence(Reason.STATEMENT_MALFORMED, "not read")


def verify_statement(
    report: Report, envelope: Envelope, image: Image, keyring: Keyring, *, hint: str = "", cosign_signs: bool
) -> tuple[Finding, ...]:
    """Verify an envelope and the statement in it against `image`.

    Args:
        report: What is known of the evidence so far.
        envelope: As parsed; its signatures are tried against every key.
        image: The subject.
        keyring: The keys to try.
        hint: Which key the evidence says it was made with; for wording only.
        cosign_signs: Whether a statement of cosign's own type stands for a signature here. Every other type is an
            attestation: cosign itself takes any statement for a signature, and so a report of failure for approval.
    """
    # (1) A signature over the exact decoded payload and its type.
    message = envelope.signed_bytes
    held = [keyring.holders(signature, message) for signature in envelope.signatures]
    signers = tuple(dict.fromkeys(key for keys in held for key in keys))
    # What a failed finding is about decides only which rule gets to name its reason. That is worth reading a small
    # statement that nobody trusted signed, not a large one.
    statement = _read(envelope) if signers or len(envelope.payload) <= _WORTH_A_LOOK else _UNREAD
    if isinstance(statement, Statement):
        signs = cosign_signs and statement.predicate_type == COSIGN_SIGNATURE
        report = report.about(
            Claim.SIGNATURE if signs else Claim.ATTESTATION,
            predicate_type=statement.predicate_type,
            statement=statement.sha256,
        )
    if not signers:
        reason, detail = keyring.explain(envelope.signatures[0], message, hint)
        return report.failed(Step.PARSED, reason, detail)
    signer = signers[0].id
    # (2) Only now the type, which the signature covers.
    if envelope.payload_type != IN_TOTO_PAYLOAD:
        seen = envelope.payload_type[:80]
        return report.failed(
            Step.SIGNED, Reason.PAYLOAD_TYPE_MISMATCH, f"signed {seen!r}, expected {IN_TOTO_PAYLOAD}", signer=signer
        )
    # (3) The statement, from the bytes that were verified.
    if isinstance(statement, MalformedEvidence):
        return report.failed(Step.SIGNED, statement.reason, f"signed, but {statement.detail}", signer=signer)
    # (4) Its subject, by digest alone.
    subject = statement.about(image.subject.digest)
    if subject is None:
        detail = f"signed, but about {len(statement.subjects)} other subjects, not {image.subject.digest}"
        return report.failed(Step.PAYLOAD, Reason.SUBJECT_MISMATCH, detail, signer=signer)
    return report.established(signers, subject.annotations)


def _read(envelope: Envelope) -> Statement | MalformedEvidence:
    try:
        return parse_statement(envelope.payload)
    except MalformedEvidence as error:
        return error
