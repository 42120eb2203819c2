"""Manifests and indexes: media types, strict reading, descriptors. One digest must never have two readings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import INDEXES
from preverify.model.reasons import Reason

MAX_MANIFEST = 4 << 20

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, *SCHEMA_1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A pointer to content. Only `digest` and `size` are ever checked against something; the rest helps to find."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrers:
    """A list of manifests that are said to name a subject. `truncated`: a cap, a loop or a foreign link ended it."""

    descriptors: tuple[Descriptor, ...]
    truncated: bool = False

    def __iter__(self) -> Iterator[Descriptor]:
        return iter(self.descriptors)

    def __len__(self) -> int:
        return len(self.descriptors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest or index whose bytes have `digest` (computed by us) and whose type is beyond doubt.

    `document` is the parsed body; it must not be changed.
    """

    data: bytes
    media_type: str
    digest: Digest
    etag: str | None = None
    document: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_index(self) -> bool:
        """Say whether this is an index (or docker manifest list)."""
        return self.media_type in INDEXES

    @property
    def subject(self) -> Digest | None:
        """Return the digest that the manifest says it refers to; None where it does not say so usably."""
        value = self.document.get("subject")
        try:
            return _digest(value) if isinstance(value, dict) else None
        except MalformedEvidence:
            return None

    def layers(self) -> tuple[object, ...]:
        """Return the entries of `layers`, not yet read."""
        return _entries(self.document, "layers")

    def manifests(self) -> tuple[object, ...]:
        """Return the entries of an index, not yet read."""
        return _entries(self.document, "manifests")


def parse_manifest(data: bytes, content_type: str, digest: Digest, *, etag: str | None = None) -> Manifest:
    """Read a manifest or index that `digest` names (the caller has hashed it).

    Raises:
        MalformedEvidence: `content-mismatch` where Content-Type, `mediaType` and shape do not agree,
            `payload-malformed` where the body is not JSON with one meaning or is docker schema 1, `too-large`.

    Spec:
        OCI distribution-spec, "Pulling manifests"; the SHOULD about Content-Type and mediaType is a MUST here, because
        one digest read as a manifest by one program and as an index by another is the confusion attack on both.
    """
    if len(data) > MAX_MANIFEST:
        raise MalformedEvidence(Reason.TOO_LARGE, f"manifest {digest} has more than {MAX_MANIFEST} bytes")
    media_type = content_type.partition(";")[0].strip().lower()
    document = strict_json.parse(data, max_bytes=MAX_MANIFEST)
    if not isinstance(document, dict):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"manifest {digest} is not a JSON object")
    if media_type in SCHEMA_1 or document.get("schemaVersion") == 1:
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"manifest {digest} is docker schema 1, push the image anew")
    inside = document.get("mediaType")
    if inside is not None and inside != media_type:
        raise MalformedEvidence(
            Reason.CONTENT_MISMATCH,
            f"manifest {digest} is served as {media_type!r} but calls itself {str(inside)[:120]!r}",
        )
    _check_shape(document, media_type, digest)
    return Manifest(data=data, media_type=media_type, digest=digest, etag=etag, document=document)


def _check_shape(document: Mapping[str, object], media_type: str, digest: Digest) -> None:
    lists, layers = "manifests" in document, "layers" in document or "config" in document
    if lists and (layers or "fsLayers" in document):
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"{digest} has parts of both an index and a manifest")
    if media_type in INDEXES:
        fits = isinstance(document.get("manifests"), list)
    elif media_type in IMAGES:
        fits = isinstance(document.get("config"), dict) and isinstance(document.get("layers", []), list) and not lists
    else:
        raise MalformedEvidence(
            Reason.CONTENT_MISMATCH, f"{digest} is served as {media_type[:120]!r}, expected a manifest or an index"
        )
    if not fits:
        raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"{digest} is served as {media_type!r} but has not its shape")


def parse_descriptor(value: object) -> Descriptor:
    """Read one descriptor.

    Raises:
        MalformedEvidence: `payload-malformed`.
    """
    if not isinstance(value, dict):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, "a descriptor is not an object")
    media_type, size, kind = value.get("mediaType"), value.get("size"), value.get("artifactType", "")
    annotations = value.get("annotations")
    if not isinstance(media_type, str) or not isinstance(kind, str):
        raise MalformedEvidence(
            Reason.PAYLOAD_MALFORMED, "a descriptor has no mediaType, or an artifactType that is no text"
        )
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, "a descriptor's size is not a whole number")
    if annotations is None:
        annotations = {}
    if not isinstance(annotations, dict) or not all(isinstance(text, str) for text in annotations.values()):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, "a descriptor's annotations are not texts")
    return Descriptor(
        media_type=media_type,
        digest=_digest(value),
        size=size,
        artifact_type=kind,
        annotations=tuple(annotations.items()),
    )


def read_descriptors(entries: Sequence[object], *, limit: int) -> Referrers:
    """Read a list of descriptors: each digest once, at most `limit`; entries that are no descriptors are left out."""
    found: dict[Digest, Descriptor] = {}
    for entry in entries:
        try:
            descriptor = entry if isinstance(entry, Descriptor) else parse_descriptor(entry)
        except MalformedEvidence:
            continue
        if len(found) >= limit and descriptor.digest not in found:
            return Referrers(descriptors=tuple(found.values()), truncated=True)
        found.setdefault(descriptor.digest, descriptor)
    return Referrers(descriptors=tuple(found.values()))


def _digest(value: Mapping[str, object]) -> Digest:
    text = value.get("digest")
    try:
        return Digest.parse(text if isinstance(text, str) else "")
    except BadInput as error:
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"a descriptor's digest: {error}") from error


def _entries(document: Mapping[str, object], key: str) -> tuple[object, ...]:
    value = document.get(key)
    return tuple(value) if isinstance(value, list) else ()
