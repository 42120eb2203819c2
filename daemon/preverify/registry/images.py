"""What a manifest or index is, once its bytes are hashed: the subject, and what an index says of its entries."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import DESCRIBED_CHILD, Image
from preverify.model.platforms import platform_name
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.registry.manifests import Descriptor, Manifest, parse_descriptor

MAX_CHILDREN = 64
MAX_CONFIG = 4 << 20
_REFERENCE_TYPE = "vnd.docker.reference.type"
_ATTESTATION = "attestation-manifest"


class Child(NamedTuple):
    """An entry of an index that a node could run."""

    descriptor: Descriptor
    platform: str


class Described(NamedTuple):
    """An entry of an index with statements about one of its children, by BuildKit and signed by nobody."""

    descriptor: Descriptor
    child: Digest


def image_of(repository: Repository, manifest: Manifest) -> Image:
    """Return the subject that a manifest is, with the children of an index.

    Raises:
        MalformedEvidence: an index with entries that are no descriptors, or with too many: what is not known whole
            cannot be judged whole.
    """
    children = children_of(manifest)
    return Image(
        subject=Subject(repository, manifest.digest),
        manifest=manifest.data,
        media_type=manifest.media_type,
        children=tuple(child.descriptor.digest for child in children),
        platforms=tuple(child.platform for child in children),
        refers_to=manifest.subject,
    )


def children_of(manifest: Manifest) -> tuple[Child, ...]:
    """Return the entries of an index that could be run, each digest and platform once.

    Raises:
        MalformedEvidence: as `image_of`.
    """
    found: dict[tuple[Digest, str], Child] = {}
    for entry in manifest.manifests() if manifest.is_index else ():
        descriptor = parse_descriptor(entry)
        if not _unrunnable(entry):
            platform = _platform(entry.get("platform") if isinstance(entry, dict) else None)
            found.setdefault((descriptor.digest, platform), Child(descriptor, platform))
    if len(found) > MAX_CHILDREN:
        raise MalformedEvidence(
            Reason.TOO_MUCH_EVIDENCE,
            f"index {manifest.digest} has {len(found)} children, at most {MAX_CHILDREN} are read",
        )
    return tuple(found.values())


def described_in(manifest: Manifest) -> Iterator[Described]:
    """Yield BuildKit's entries that describe a child of the same index; any other is nobody's.

    Spec:
        BuildKit, "Image Attestation Storage".
    """
    children = {str(child.descriptor.digest): child.descriptor.digest for child in children_of(manifest)}
    for entry in manifest.manifests():
        descriptor = parse_descriptor(entry)
        said = dict(descriptor.annotations)
        child = children.get(said.get(DESCRIBED_CHILD, ""))
        if _unrunnable(entry) and said.get(_REFERENCE_TYPE) == _ATTESTATION and child is not None:
            yield Described(descriptor, child)


def platform_in(config: bytes) -> str:
    """Return the platform that the configuration of an image names; empty where it names none."""
    try:
        return _platform(strict_json.parse(config, max_bytes=MAX_CONFIG))
    except MalformedEvidence:
        return ""


def _platform(value: object) -> str:
    if not isinstance(value, Mapping):
        return ""
    parts = [value.get(key) for key in ("os", "architecture", "variant")]
    os, architecture, variant = (part if isinstance(part, str) else "" for part in parts)
    return platform_name(os, architecture, variant) if os and architecture else ""


def _unrunnable(entry: object) -> bool:
    """Say whether a platform is unknown/unknown: BuildKit's attestation manifests, nothing that a node could run."""
    platform = entry.get("platform") if isinstance(entry, dict) else None
    return isinstance(platform, dict) and platform.get("os") == platform.get("architecture") == "unknown"
