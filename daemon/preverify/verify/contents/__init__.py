"""Contents of long documents: bills of materials, scans and VEX documents, out of statements that hold.

One module a kind. Everything is read under the limits of `verify.statements`, of each object only what rules look at,
so that a document of tens of megabytes costs little more memory than its text.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from preverify.model.contents import Content, Inventory
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format
from preverify.model.findings import Claim, Finding
from preverify.model.needs import Need
from preverify.model.strict_json import Keep
from preverify.verify import predicates
from preverify.verify.contents import cyclonedx, openvex, scans, spdx
from preverify.verify.contents.reading import opened, parsed
from preverify.verify.sigstore.bundle_document import read_bundle
from preverify.verify.statements.envelope import Envelope, parse_envelope

__all__ = ["content_names", "inventory_of", "read_contents"]


class _Reader(NamedTuple):
    """Who reads a kind: for which need, what of each object, and how."""

    need: Need
    keep: Keep
    read: Callable[[object, str], Content]


_READERS: Mapping[str, _Reader] = {
    predicates.spdx.NAME: _Reader(Need.INVENTORY, spdx.keep, lambda predicate, _: spdx.inventory(predicate)),
    predicates.cyclonedx.NAME: _Reader(
        Need.INVENTORY, cyclonedx.keep, lambda predicate, _: cyclonedx.inventory(predicate)
    ),
    predicates.vulnerabilities.NAME: _Reader(Need.SCAN, scans.keep, scans.scan),
    predicates.openvex.NAME: _Reader(Need.VEX, openvex.keep, lambda predicate, _: openvex.vex(predicate)),
}


def read_contents(
    evidence: Sequence[Evidence], findings: Sequence[Finding], needs: frozenset[Need]
) -> dict[str, Content]:
    """Return what the attestations that hold say, by the digest of their statement (`Finding.statement`).

    Only what somebody trusted signed about this image is read, and only from bytes that have the digest that its
    finding names. What cannot be read, or has too many entries, is not there: it establishes nothing.

    Args:
        evidence: Of the subject and its children.
        findings: What `verify` concluded from it.
        needs: Which kinds some rule has to see.
    """
    by_id = {each.id: each for each in evidence}
    contents: dict[str, Content] = {}
    tried: set[tuple[str, str]] = set()
    for finding in findings:
        reader = _reader(finding, needs)
        attempt = (finding.evidence, finding.statement)
        found = by_id.get(finding.evidence)
        if reader is None or found is None or finding.statement in contents or attempt in tried:
            continue
        tried.add(attempt)
        content = _content(found, finding, reader)
        if content is not None:
            contents[finding.statement] = content
    return contents


def content_names(findings: Sequence[Finding], needs: frozenset[Need]) -> frozenset[str]:
    """Return by which digests `read_contents`, or a report of our own, would have something to say for these needs."""
    reports = needs & {Need.MATCHES, Need.SCANNER}
    return frozenset(
        finding.statement
        for finding in findings
        if _reader(finding, needs) is not None or (reports and finding.claim is Claim.REPORT and finding.established)
    )


def inventory_of(document: bytes) -> Inventory:
    """Read a bill of materials that stands by itself: CycloneDX or SPDX, as JSON.

    Raises:
        MalformedEvidence: `statement-malformed` where it is neither or not of its shape, `too-large` where it has too
            many components.
    """
    heads: set[str] = set()

    def look(members: dict[str, object]) -> bool:
        heads.clear()
        heads.update(members)  # the outermost object comes last
        return False

    parsed(document, look)
    if "bomFormat" in heads:
        return cyclonedx.inventory(parsed(document, cyclonedx.keep))
    return spdx.inventory(parsed(document, spdx.keep))


def _reader(finding: Finding, needs: frozenset[Need]) -> _Reader | None:
    if not finding.established or finding.claim is not Claim.ATTESTATION:
        return None
    kind = predicates.reader_of(finding.predicate_type)
    reader = _READERS.get(kind.NAME) if kind is not None else None
    return reader if reader is not None and reader.need in needs else None


def _content(evidence: Evidence, finding: Finding, reader: _Reader) -> Content | None:
    try:
        payload = _payload(evidence)
        if hashlib.sha256(payload).hexdigest() != finding.statement:
            return None
        statement = parsed(payload, reader.keep)
        del payload
        predicate = statement.get("predicate") if isinstance(statement, dict) else None
        return reader.read(opened(predicate, reader.keep), finding.predicate_type)
    except MalformedEvidence:
        return None


def _payload(evidence: Evidence) -> bytes:
    """Return the exact statement bytes that a piece of evidence carries; empty where it carries none."""
    if evidence.format is Format.COSIGN_ATTESTATION:
        return parse_envelope(evidence.body).payload
    if evidence.format is Format.SIGSTORE_BUNDLE:
        content = read_bundle(evidence.body).content
        return content.payload if isinstance(content, Envelope) else b""
    return b""
