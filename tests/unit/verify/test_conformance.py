"""The public Sigstore conformance cases through `verify`: each has to be accepted or refused as its name says."""

from datetime import UTC, datetime

import pytest

from preverify.model.anchors import Anchor, KeyAnchor, KeylessAnchor, Log, Stamps
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.evidence import Image
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.trust import Trust
from preverify.model.trusted_root import parse_trusted_root
from preverify.verify import load_public_key, verify
from support.conformance import PUBLIC, Vector, public_good, vectors
from support.signed import bundled

CASES = vectors()
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def findings(case: Vector) -> tuple[Finding, ...]:
    """Return what a bundle establishes about its artifact, which stands where an image's manifest would."""
    artifact, body = case.artifact.read_bytes(), case.bundle.read_bytes()
    root = parse_trusted_root((case.trusted_root or public_good()).read_bytes(), "conformance")
    anchor: Anchor = KeylessAnchor(root=root.id)
    if case.key is not None:
        key = load_public_key(case.key.read_bytes())
        anchor = KeyAnchor(key=key, log=Log.REQUIRED, stamps=Stamps.ACCEPTED, root=root.id)
    subject = Subject(Repository("conformance.test", "artifact"), Digest.of(artifact))
    image = Image(subject=subject, manifest=artifact, media_type="text/plain")
    return verify(image, [bundled(body)], [anchor], trust=Trust(roots=(root,)), now=NOW)


def accepts(case: Vector) -> bool:
    """Say whether a finding holds, and names the identity that the case names."""
    try:
        found = findings(case)
    except BadInput:  # one case's key is no key
        return False
    for finding in found:
        signing = finding.signing
        named = signing is not None and (signing.identity, signing.issuer) == (case.identity, case.issuer)
        if finding.established and (case.key is not None or named):
            return True
    return False


def test_every_case_is_decided_as_its_name_says() -> None:
    """Accepts and refusals apart: whoever refuses everything is right about most of the cases."""
    if not CASES:
        pytest.skip(f"the public conformance cases are not at {PUBLIC}; $PREVERIFY_CONFORMANCE names their place")
    right = {wanted: [accepts(case) is wanted for case in CASES if case.accepted is wanted] for wanted in (True, False)}
    for wanted, word in ((True, "accepted"), (False, "refused")):
        print(f"{word}: {sum(right[wanted])} of {len(right[wanted])}")
    assert [case.name for case in CASES if accepts(case) is not case.accepted] == []
    assert len(right[True]) >= 10
    assert len(right[False]) >= 25
