"""Evidence: bytes found beside or about a subject, with where they were found. Nothing here is believed yet."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from preverify.model.digest import Digest
from preverify.model.needs import Need
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Subject

INDEXES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
"""Media types of an index."""
DESCRIBED_CHILD = "vnd.docker.reference.digest"
"""Annotation of a `BUILDKIT_STATEMENT`: the child that its entry in the index is about."""


class Format(StrEnum):
    """Which module of `verify/` reads a piece of evidence. Decided from hashed bytes, never from descriptors."""

    COSIGN_SIGNATURE = "cosign-signature"  # one layer of a `.sig` manifest
    COSIGN_ATTESTATION = "cosign-attestation"  # one layer of an `.att` manifest
    SIGSTORE_BUNDLE = "sigstore-bundle"  # the single layer of a bundle referrer
    NOTATION_JWS = "notation-jws"  # the single layer of a Notation referrer
    NOTATION_COSE = "notation-cose"
    REVOCATION = "revocation"  # a CRL or an OCSP response that a certificate of other evidence asks for
    BUILDKIT_STATEMENT = "buildkit-statement"  # a bare statement beside an image in an index: signed by nobody
    SCANNER_SBOM = "scanner-sbom"  # a bill of materials that our own scanner made
    MATCHES = "matches"  # vulnerabilities that our own database has for a bill of materials or a scan


class Place(StrEnum):
    """Where evidence was found."""

    REFERRERS_API = "referrers-api"
    FALLBACK_TAG = "fallback-tag"
    SIGNATURE_TAG = "sig-tag"
    ATTESTATION_TAG = "att-tag"
    INDEX = "index"  # an entry of the index itself
    REVOCATION = "revocation"  # where a certificate says that its revocations are published
    SCANNER = "scanner"  # made here


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Why evidence was void before any format read it (wrong digest, too large, another subject). Final."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes that the manifest itself names, with the digest it names them by (hashed by us)."""

    digest: Digest
    body: bytes
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One object that may establish something about a subject.

    Attributes:
        format: The module of `verify/` that reads it.
        manifest: Digest of the manifest that holds it (hashed by us). For a flaw, what was asked for.
        index: Position of the layer in that manifest.
        body: The layer's bytes, which have `digest` (hashed by us); empty where `flaw` is set.
        digest: What the layer's descriptor named.
        media_type: The layer descriptor's media type, covered by the manifest's digest.
        annotations: The layer descriptor's annotations in order, covered by the manifest's digest but signed by nobody.
        place: Where it was found.
        flaw: Set where the object is void at the registry level already.
    """

    format: Format
    manifest: Digest
    index: int
    body: bytes
    digest: Digest
    media_type: str
    annotations: tuple[tuple[str, str], ...] = ()
    place: Place
    flaw: Flaw | None = None

    @property
    def id(self) -> str:
        """Name this evidence by content: same manifest, same layer, same id, wherever it was found."""
        # Compact JSON of the four, written out: none of them can hold a character that JSON escapes.
        manifest, digest = self.manifest, self.digest
        text = f'["{self.format}","{manifest.algorithm}:{manifest.hex}",{self.index},"{digest.algorithm}:{digest.hex}"]'
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def annotation(self, key: str) -> str | None:
        """Return the annotation `key`, or None where it does not stand."""
        return dict(self.annotations).get(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unobtained:
    """Something that could not be obtained (network, 429, 5xx, 401, 403, deadline). Makes a verdict undecided."""

    what: str
    reason: Reason
    detail: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The subject as hashed by us.

    Attributes:
        subject: Repository and digest.
        manifest: The exact bytes that have the subject's digest.
        media_type: Media type of the manifest or index.
        children: For an index, the digests of its runnable children in order; unsigned BuildKit attestation entries
            (platform unknown/unknown) are left out. A child that stands there for two platforms stands here twice.
        platforms: Of the children, in their order, as `model.platforms` names them; empty where the index names none.
        refers_to: What the manifest itself says it is attached to (its `subject`): it is evidence then, not an image.
    """

    subject: Subject
    manifest: bytes
    media_type: str
    children: tuple[Digest, ...] = ()
    platforms: tuple[str, ...] = ()
    refers_to: Digest | None = None

    @property
    def is_index(self) -> bool:
        """Say whether this is an index (or docker manifest list)."""
        return self.media_type in INDEXES


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All that was found for one subject.

    Attributes:
        image: The subject itself.
        evidence: In the fixed order of reading. Our own statements are not among it.
        unobtained: What could not be obtained; empty means that everything listed was read.
        truncated: A count limit left listed evidence unread.
        looked_at: Places that were asked, for people: "referrers-api: 3", "sig-tag: absent".
        fingerprint: Digest over the listing (places and manifest digests), to notice a change of evidence cheaply.
        foreign_bundle: A sigstore bundle that is not ours is attached (decides our layout).
        foreign_legacy: Foreign `.sig` or `.att` layers exist (decides our layout).
        requests: Requests made to the registry.
        tags: Evidence tags that were read and what each named, so that a sweep sees them move.
        children: What was found for the children of an index, each once, where a policy wants to know. Theirs are the
            evidence and what could not be obtained; `requests` and `tags` of the whole are the index's.
        flaw: Of a child: its manifest is void (not there, of another digest, an index in turn). Nothing was gathered.
        platform: Of a manifest that is deployed by itself: what its configuration says (empty: nothing usable). None
            where nobody asked, or it could not be obtained.
        config: The image's configuration; None where nobody asked, it could not be obtained, or this is an index.
        unscanned: What scanning or matching could not be done, and why. It concerns only rules that look at their
            results, so it is apart from `unobtained`.
    """

    image: Image
    evidence: tuple[Evidence, ...] = ()
    unobtained: tuple[Unobtained, ...] = ()
    truncated: bool = False
    looked_at: tuple[str, ...] = ()
    fingerprint: str = ""
    foreign_bundle: bool = False
    foreign_legacy: bool = False
    requests: int = 0
    tags: tuple[tuple[str, Digest], ...] = ()
    children: tuple["Gathered", ...] = ()
    flaw: Flaw | None = None
    platform: str | None = None
    config: Blob | None = None
    unscanned: tuple[Unobtained, ...] = ()

    @property
    def held(self) -> bool:
        """Say whether the manifest itself was obtained: of a child that was not, nothing is known."""
        return self.flaw is None and bool(self.image.media_type)

    def lacks(self, platforms: Platforms, needs: frozenset[Need] = frozenset()) -> bool:
        """Say whether something was not looked at that a policy about `platforms` with these needs has to know."""
        image = self.image
        if not image.is_index:
            unscanned = not self.unscanned and all(e.format is not Format.SCANNER_SBOM for e in self.evidence)
            return (
                (bool(platforms.names) and self.platform is None)
                or (Need.CONFIG in needs and self.config is None)
                or (Need.SCANNER in needs and unscanned)
            )
        if not platforms.of_children:
            return False
        if any(child.held and child.lacks(THE_INDEX, needs) for child in self.children):
            return True
        looked_at = {child.image.subject.digest for child in self.children}
        if len(image.platforms) != len(image.children):
            return True
        return any(
            platforms.covers(platform) and child not in looked_at
            for child, platform in zip(image.children, image.platforms, strict=True)
        )

    @property
    def everything(self) -> tuple[Evidence, ...]:
        """Return the evidence of the subject, then that of its children."""
        return (*self.evidence, *(each for child in self.children for each in child.evidence))
