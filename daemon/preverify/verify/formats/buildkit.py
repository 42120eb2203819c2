"""BuildKit's attestation manifests: bare statements beside an image in its index, signed by nobody.

They establish nothing. What they say is shown to people, and a signature over the index covers their bytes as it covers
every other entry: that somebody signed the index does not mean that he stands for what they say.
"""

from dataclasses import replace

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import DESCRIBED_CHILD, Evidence, Format, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.verify.predicates import facts_of
from preverify.verify.report import Report
from preverify.verify.statements.statement import Statement, read_statement
from preverify.verify.trusting import Trusting

NAME: str = "buildkit"
READS: tuple[Format, ...] = (Format.BUILDKIT_STATEMENT,)


def verify_evidence(evidence: Evidence, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    """Return a failed finding that says what the statement claims, about which image of the index.

    Spec:
        BuildKit, docs/attestations/attestation-storage.md; in-toto attestation, Statement v1 and v0.1.
    """
    del trusting  # nobody signed
    report = Report(evidence=evidence, claim=Claim.ATTESTATION)
    try:
        statement, document = read_statement(evidence.body)
        report = report.about(Claim.ATTESTATION, predicate_type=statement.predicate_type, statement=statement.sha256)
        about = _about(statement, evidence, image)
        facts = facts_of(statement.predicate_type, document, evidence.body) if about is not None else ()
    except MalformedEvidence as error:
        return report.failed(Step.OBTAINED, error.reason, f"signed by nobody, and {error.detail}")
    if about is None:
        detail = f"signed by nobody, and about {_named(statement)}, which is no image of {image.subject.digest}"
        return report.failed(Step.OBTAINED, Reason.SUBJECT_MISMATCH, detail)
    detail = "written by whoever ran the build and signed by nobody; have the builder sign its attestations"
    (finding,) = report.failed(Step.PARSED, Reason.NO_SIGNATURE, detail)
    child = "" if about == image.subject.digest else str(about)
    return (replace(finding, predicate=facts, about=child),)


def _about(statement: Statement, evidence: Evidence, image: Image) -> Digest | None:
    """Return the image that the statement is about: one that the index names, and the one that its entry names."""
    entry = evidence.annotation(DESCRIBED_CHILD)
    for digest in (image.subject.digest, *image.children):
        if statement.about(digest) is not None and entry in (None, str(digest)):
            return digest
    return None


def _named(statement: Statement) -> str:
    algorithm, value = statement.subjects[0].digests[0]
    return f"{algorithm[:20]}:{value[:80]}"
