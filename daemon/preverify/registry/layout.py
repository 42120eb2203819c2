"""Directories of OCI image layouts as a source: the same checks, no network."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from preverify.attest.identity import Own
from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, NotFound, Unavailable
from preverify.model.evidence import Gathered, Image
from preverify.model.needs import Need
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject, is_repository_path, is_tag
from preverify.ports import Clock, Layout, Publication, PublishState, TagPage
from preverify.registry import listing
from preverify.registry.fingerprint import Listing, evidence_tags, fingerprint
from preverify.registry.gather import GatherLimits, gather
from preverify.registry.images import image_of
from preverify.registry.manifests import (
    MAX_MANIFEST,
    Descriptor,
    Manifest,
    Referrers,
    parse_descriptor,
    parse_manifest,
)
from preverify.settings import Source

PREFIX = "oci:"
_REF = "org.opencontainers.image.ref.name"
_MAX_INDEX = 64 << 20
_MAX_ENTRIES = 100_000
_MAX_REFERRERS = 500
_MAX_REPOSITORIES = 10_000


class LayoutReader:
    """Reads layouts below one directory, one per repository. Nothing outside of it is ever opened.

    Symbolic links are refused wherever they stand below the directory: a layout is data that somebody else packed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests = 0

    def get_manifest(self, path: str, reference: str | Digest) -> Manifest:
        """Read a manifest by tag or digest, as `Client.get_manifest`."""
        entry = self._entry(path, reference)
        data = self._read(path, entry.digest, MAX_MANIFEST)
        if len(data) != entry.size:
            raise MalformedEvidence(
                Reason.DIGEST_MISMATCH, f"{entry.digest} has {len(data)} bytes, index.json says {entry.size}"
            )
        return parse_manifest(data, entry.media_type, entry.digest)

    def get_blob(self, path: str, digest: Digest, *, size: int | None, max_bytes: int) -> bytes:
        """Read a blob whole, as `Client.get_blob`."""
        if size is not None and size > max_bytes:
            raise MalformedEvidence(Reason.TOO_LARGE, f"blob {digest} has {size} bytes, at most {max_bytes} are read")
        data = self._read(path, digest, max_bytes)
        if size is not None and len(data) != size:
            raise MalformedEvidence(
                Reason.DIGEST_MISMATCH, f"blob {digest} has {len(data)} bytes, its descriptor says {size}"
            )
        return data

    def referrers(self, path: str, digest: Digest) -> Referrers | None:
        """Find the manifests of the layout whose `subject` is `digest`, by reading each that index.json lists."""
        found: list[Descriptor] = []
        seen: set[Digest] = set()
        for entry in self._index(path):
            if entry.digest in seen or entry.digest == digest:
                continue
            seen.add(entry.digest)
            try:
                manifest = parse_manifest(self._read(path, entry.digest, MAX_MANIFEST), entry.media_type, entry.digest)
            except (MalformedEvidence, NotFound):
                continue
            if manifest.subject == digest:
                if len(found) >= _MAX_REFERRERS:
                    return Referrers(descriptors=tuple(found), truncated=True)
                found.append(entry)
        return Referrers(descriptors=tuple(found))

    def tags(self, path: str) -> dict[str, Digest]:
        """Return the tags of a layout and what they name."""
        named = ((dict(entry.annotations).get(_REF, ""), entry.digest) for entry in self._index(path))
        return {tag: digest for tag, digest in named if is_tag(tag)}

    def repositories(self) -> tuple[tuple[str, ...], bool]:
        """Return the paths below the directory that are layouts, and whether a cap stopped the search."""
        os.close(self._root())  # a directory that is not there is no empty source
        found: list[str] = []
        for directory, below, files in os.walk(self.root, followlinks=False):
            if "oci-layout" in files:
                path = os.path.relpath(directory, self.root)
                below.clear()
                if is_repository_path(path):
                    if len(found) >= _MAX_REPOSITORIES:
                        return tuple(found), True
                    found.append(path)
        return tuple(sorted(found)), False

    def _entry(self, path: str, reference: str | Digest) -> Descriptor:
        for entry in self._index(path):
            wanted = entry.digest if isinstance(reference, Digest) else dict(entry.annotations).get(_REF)
            if wanted == reference:
                return entry
        if isinstance(reference, Digest):
            return self._inner(path, reference)
        raise NotFound(f"{self.root}/{path} has no {reference}")

    def _inner(self, path: str, digest: Digest) -> Descriptor:
        """Describe a manifest that index.json does not list: a child of an index. Its body has to name its type."""
        data = self._read(path, digest, MAX_MANIFEST)
        document = strict_json.parse(data, max_bytes=MAX_MANIFEST)
        media_type = document.get("mediaType") if isinstance(document, dict) else None
        if not isinstance(media_type, str):
            raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"{digest} is not in index.json and has no mediaType")
        return Descriptor(media_type=media_type, digest=digest, size=len(data))

    def _index(self, path: str) -> tuple[Descriptor, ...]:
        self._open_layout(path)
        data = self._bytes((*path.split("/"), "index.json"), _MAX_INDEX)
        document = strict_json.parse(data, max_bytes=_MAX_INDEX, max_keys=20 * _MAX_ENTRIES)
        entries = document.get("manifests") if isinstance(document, dict) else None
        if not isinstance(entries, list) or len(entries) > _MAX_ENTRIES:
            raise MalformedEvidence(
                Reason.PAYLOAD_MALFORMED, f"{path}/index.json has no list of at most {_MAX_ENTRIES} manifests"
            )
        return tuple(parse_descriptor(entry) for entry in entries)

    def _open_layout(self, path: str) -> None:
        if not is_repository_path(path):
            raise BadInput(f"{path[:120]!r} is not a repository name")
        marker = strict_json.parse(self._bytes((*path.split("/"), "oci-layout"), 4096), max_bytes=4096)
        if not isinstance(marker, dict) or marker.get("imageLayoutVersion") != "1.0.0":
            raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"{path}/oci-layout is not of version 1.0.0")

    def _read(self, path: str, digest: Digest, max_bytes: int) -> bytes:
        """Read a blob file and hash it."""
        if not is_repository_path(path):
            raise BadInput(f"{path[:120]!r} is not a repository name")
        data = self._bytes((*path.split("/"), "blobs", digest.algorithm, digest.hex), max_bytes)
        if not digest.names(data):
            raise MalformedEvidence(
                Reason.DIGEST_MISMATCH, f"{path}: the file of {digest} holds {Digest.of(data)} ({len(data)} bytes)"
            )
        return data

    def _root(self) -> int:
        try:
            return os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"the directory of layouts {self.root} cannot be read: {error.strerror}") from error

    def _bytes(self, parts: Sequence[str], max_bytes: int) -> bytes:
        """Read one regular file below the root, step by step without following any link."""
        self.requests += 1
        held = self._root()
        try:
            for part in parts[:-1]:
                following = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=held)
                os.close(held)
                held = following
            file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=held)
            with os.fdopen(file, "rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise MalformedEvidence(Reason.CONTENT_MISMATCH, f"{'/'.join(parts)} is not a regular file")
                data = stream.read(max_bytes + 1)
        except FileNotFoundError as error:
            raise NotFound(f"{self.root}: no {'/'.join(parts)}") from error
        except OSError as error:
            raise Unavailable(f"{self.root}: {'/'.join(parts)} cannot be read: {error.strerror}") from error
        finally:
            os.close(held)
        if len(data) > max_bytes:
            raise MalformedEvidence(Reason.TOO_LARGE, f"{'/'.join(parts)} has more than {max_bytes} bytes")
        return data


class OneLayout(LayoutReader):
    """Reads one layout under whatever repository name: the directory itself is the layout."""

    def __init__(self, directory: Path, repository: Repository) -> None:
        super().__init__(directory)
        self._named = len(repository.path.split("/"))

    def _bytes(self, parts: Sequence[str], max_bytes: int) -> bytes:
        return super()._bytes(parts[self._named :], max_bytes)


class LayoutRegistry:
    """One source that is a directory of OCI layouts. Implements `ports.Registry`; nothing is ever written to it.

    Its repositories are named by the first alias of the source, or `localhost`.
    """

    def __init__(
        self,
        source: Source,
        *,
        clock: Clock,
        own_keys: Sequence[Own] = (),
        limits: GatherLimits | None = None,
    ) -> None:
        root = Path(source.registry.removeprefix(PREFIX))
        if not root.is_absolute():
            raise BadInput(f"{source.registry!r} is not oci: and an absolute directory")
        self.source = source
        self.reader = LayoutReader(root)
        self.host = source.aliases[0] if source.aliases else "localhost"
        self._clock = clock
        self._own_keys = tuple(own_keys)
        self._limits = limits

    def head(self, repository: Repository, tag: str) -> Digest | None:
        """Return what index.json says that `tag` names."""
        try:
            return self.reader.tags(repository.path).get(tag)
        except NotFound:
            return None

    def resolve(self, repository: Repository, tag: str) -> Image:
        """Read what `tag` names."""
        return image_of(repository, self.reader.get_manifest(repository.path, tag))

    def fetch(self, subject: Subject) -> Image:
        """Read the manifest or index that has the subject's digest."""
        return image_of(subject.repository, self.reader.get_manifest(subject.repository.path, subject.digest))

    def gather(
        self, image: Image, *, platforms: Platforms = THE_INDEX, needs: frozenset[Need] = frozenset()
    ) -> Gathered:
        """Read all evidence beside `image`, and beside the children that `platforms` are about."""
        return gather(
            self.reader,
            image,
            clock=self._clock,
            own_keys=self._own_keys,
            limits=self._limits,
            platforms=platforms,
            needs=needs,
        )

    def copy_blob(self, repository: Repository, digest: Digest, *, size: int, into: BinaryIO) -> None:
        """Write a blob to a file. It is on this machine already, and read whole."""
        into.write(self.reader.get_blob(repository.path, digest, size=size, max_bytes=size))

    def evidence_fingerprint(
        self, subject: Subject, tags: frozenset[str] | None, children: Sequence[Digest] = ()
    ) -> str:
        """Return the fingerprint as it would be now."""
        path = subject.repository.path
        present = tags if tags is not None else frozenset(self.reader.tags(path))
        own = self._listing(path, subject.digest, present)
        return fingerprint(own, {child: self._listing(path, child, present) for child in children})

    def _listing(self, path: str, digest: Digest, present: frozenset[str]) -> Listing:
        listed = self.reader.referrers(path, digest)
        return Listing(
            referrers=None if listed is None else tuple(d.digest for d in listed),
            tags={tag for tag in evidence_tags(digest) if tag in present},
        )

    def tags(self, repository: Repository, *, after: str | None) -> TagPage:
        """List all tags; a layout is bounded already."""
        tags = sorted(tag for tag in self.reader.tags(repository.path) if after is None or tag > after)
        return TagPage(tags=tuple(tags), next_after=None)

    def repositories(self) -> tuple[Repository, ...]:
        """Find the layouts that the source's patterns name."""
        paths = listing.expand(self.source.repositories, self.reader.repositories)
        return tuple(Repository(self.host, path) for path in paths)

    def publish(self, subject: Subject, envelope: bytes, layout: Layout, *, supersedes: tuple[str, ...]) -> Publication:
        """Decline: a directory of layouts is only read."""
        del subject, envelope, layout, supersedes
        return Publication(state=PublishState.UNPUBLISHED, detail="OCI layout directories are only read")

    def withdraw(self, subject: Subject, manifests: tuple[str, ...]) -> Publication:
        """Confirm: nothing of ours was ever written."""
        del subject, manifests
        return Publication(state=PublishState.WITHDRAWN, detail="OCI layout directories are only read")


__all__ = ["PREFIX", "LayoutReader", "LayoutRegistry"]
