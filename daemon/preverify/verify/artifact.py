"""One Sigstore bundle about one artifact that is no image: what the client conformance protocol asks."""

from datetime import datetime

from preverify.model.anchors import Anchor
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Format, Image, Place
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.trust import Trust
from preverify.verify.formats.sigstore_bundle import verify_bundle
from preverify.verify.sigstore.bundle_document import MEDIA_TYPE
from preverify.verify.trusting import Trusting

_NOWHERE = Repository("localhost", "artifact")


def verify_bundle_of_artifact(
    body: bytes, artifact: bytes | None, digest: Digest, anchor: Anchor, *, trust: Trust, now: datetime
) -> Finding:
    """Say what a bundle establishes about an artifact.

    Args:
        body: The bundle.
        artifact: The artifact's bytes; None where only its digest is known. Then a signature over the bytes can only be
            verified where its algorithm hashes them that way.
        digest: SHA-256 of the artifact.
        anchor: How the bundle has to be vouched for.
        trust: The root that the anchor refers to.
        now: Time of the verification.

    Returns:
        The one established finding, else the failed one that got furthest. Any signed statement about the artifact
        counts, of whatever type: what a statement says is not this protocol's question.

    Raises:
        MalformedEvidence: the bundle is not readable.
    """
    evidence = Evidence(
        format=Format.SIGSTORE_BUNDLE,
        manifest=digest,
        index=0,
        body=body,
        digest=Digest.of(body),
        media_type=MEDIA_TYPE,
        place=Place.REFERRERS_API,
    )
    image = Image(subject=Subject(_NOWHERE, digest), manifest=artifact or b"", media_type="")
    trusting = Trusting([anchor], trust=trust, now=now)
    findings = verify_bundle(evidence, image, trusting, digest=None if artifact is not None else digest)
    return max(findings, key=lambda finding: (finding.established, finding.step))
