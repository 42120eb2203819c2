"""What this daemon made itself: a scanner's bill of materials, and what its database has for one. Signed by nobody.

They say what we saw, not what somebody else vouches for. Only this daemon makes such evidence: nothing that a registry
holds is ever read as one. Rules take part of it only where they ask for it.
"""

from collections.abc import Sequence

import msgspec

from preverify.model.contents import Content, Scan
from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image, Place
from preverify.model.findings import Claim, Finding
from preverify.model.reasons import Reason
from preverify.verify.contents import inventory_of
from preverify.verify.report import Report, Signed
from preverify.verify.trusting import Trusting

NAME: str = "own-reports"
READS: tuple[Format, ...] = (Format.SCANNER_SBOM, Format.MATCHES)
MADE_BY = "preverify.made-by"
"""Annotation of such evidence: the scanner with its digest, or the database by its digest."""


def verify_evidence(evidence: Evidence, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    """Return one established finding: who made it, and by which digest its contents are found."""
    del image, trusting
    content_of(evidence)  # what cannot be read again establishes nothing
    made_by = evidence.annotation(MADE_BY) or "preverify"
    report = Report(evidence=evidence, claim=Claim.REPORT).about(Claim.REPORT, statement=evidence.digest.hex)
    return report.established(Signed(signer=made_by))


def content_of(evidence: Evidence) -> Content:
    """Return what a report says.

    Raises:
        MalformedEvidence: it is not what we write.
    """
    if evidence.format is Format.SCANNER_SBOM:
        return inventory_of(evidence.body)
    try:
        return msgspec.json.decode(evidence.body, type=Scan)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEvidence(Reason.STATEMENT_MALFORMED, f"not a report of this version: {error}") from error


def read_reports(evidence: Sequence[Evidence]) -> dict[str, Content]:
    """Return what the reports among `evidence` say, by the hex sha256 of their bytes."""
    found: dict[str, Content] = {}
    for each in evidence:
        if each.format in READS and each.flaw is None:
            try:
                found[each.digest.hex] = content_of(each)
            except MalformedEvidence:
                continue  # verify says so
    return found


def sbom(body: bytes, about: Digest, *, made_by: str) -> Evidence:
    """Return a scanner's bill of materials of the image `about` as evidence."""
    return _evidence(Format.SCANNER_SBOM, body, about, "application/vnd.cyclonedx+json", made_by)


def matches(scan: Scan, about: Digest, *, made_by: str) -> Evidence:
    """Return what our database has for a bill of materials or scan of the image `about` as evidence."""
    body = msgspec.json.encode(scan, order="deterministic")
    return _evidence(Format.MATCHES, body, about, "application/vnd.preverify.matches.v1+json", made_by)


def _evidence(form: Format, body: bytes, about: Digest, media_type: str, made_by: str) -> Evidence:
    return Evidence(
        format=form,
        manifest=about,
        index=0,
        body=body,
        digest=Digest.of(body),
        media_type=media_type,
        annotations=((MADE_BY, made_by),),
        place=Place.SCANNER,
    )
