"""What the demo registry holds, and how OCI layouts get into it."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

REF_NAME = "org.opencontainers.image.ref.name"


def digest_of(content: bytes) -> str:
    """Return the sha256 digest of `content` as registries write it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A stored manifest: its media type and its exact bytes."""

    media_type: str
    content: bytes

    def document(self) -> dict[str, object]:
        """Return the JSON object, or an empty one where the bytes are none."""
        try:
            document = json.loads(self.content)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


@dataclass(slots=True)
class Content:
    """Blobs, manifests and tags in memory. One lock; callers hold it for compound changes.

    Blobs are held under the digest that they are *asked for* by: a layout whose blob does not have its digest is served
    as it is, because a registry that lies is one of the things the demo shows.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, dict[str, Manifest]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def put_manifest(self, repository: str, digest: str, manifest: Manifest, tag: str | None) -> None:
        """Store a manifest and, where named, move a tag to it."""
        with self.lock:
            self.manifests.setdefault(repository, {})[digest] = manifest
            if tag is not None:
                self.tags.setdefault(repository, {})[tag] = digest

    def manifest(self, repository: str, reference: str) -> tuple[str, Manifest] | None:
        """Find a manifest by tag or digest; return its digest and itself."""
        with self.lock:
            digest = reference if ":" in reference else self.tags.get(repository, {}).get(reference, "")
            found = self.manifests.get(repository, {}).get(digest)
            return (digest, found) if found else None

    def delete_manifest(self, repository: str, reference: str) -> bool:
        """Remove a tag, or a manifest with the tags that name it; False where there is none."""
        with self.lock:
            tags = self.tags.get(repository, {})
            if ":" not in reference:
                return tags.pop(reference, None) is not None
            for tag in [tag for tag, digest in tags.items() if digest == reference]:
                del tags[tag]
            return self.manifests.get(repository, {}).pop(reference, None) is not None

    def referrers(self, repository: str, digest: str) -> list[dict[str, object]]:
        """Return descriptors of the manifests whose `subject` is `digest`, oldest first."""
        with self.lock:
            held = list(self.manifests.get(repository, {}).items())
        return [_descriptor(own, manifest) for own, manifest in held if _subject(manifest) == digest]

    def load(self, layout: Path, repository: str, *, only_tags: frozenset[str] | None = None) -> None:
        """Take over one OCI layout; `only_tags` leaves out other tags (their manifests are loaded all the same)."""
        with self.lock:
            for digest, content in _files(layout):
                self.blobs[digest] = content
            self.manifests.setdefault(repository, {})
            for entry in json.loads((layout / "index.json").read_bytes())["manifests"]:
                tag = entry.get("annotations", {}).get(REF_NAME)
                wanted = tag if only_tags is None or tag in only_tags else None
                manifest = Manifest(media_type=entry["mediaType"], content=self.blobs[entry["digest"]])
                self.put_manifest(repository, entry["digest"], manifest, wanted)


def _files(layout: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((layout / "blobs").glob("*/*")):
        yield f"{path.parent.name}:{path.name}", path.read_bytes()


def _subject(manifest: Manifest) -> object:
    subject = manifest.document().get("subject")
    return subject.get("digest") if isinstance(subject, dict) else None


def _descriptor(digest: str, manifest: Manifest) -> dict[str, object]:
    document = manifest.document()
    config = document.get("config")
    kind = document.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else None)
    descriptor: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": digest,
        "size": len(manifest.content),
    }
    if kind:
        descriptor["artifactType"] = kind
    if document.get("annotations"):
        descriptor["annotations"] = document["annotations"]
    return descriptor
