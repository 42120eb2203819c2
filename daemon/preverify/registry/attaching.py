"""Putting our statements beside an image and taking them away again, place by place. Never touches what is foreign.

The tags `.att` and the referrers fallback tag are read, changed and written by everybody who attaches something, and
most registries do not know `If-Match`. So: read, change, look again right before writing, write (with `If-Match` where
there is an ETag), read back; whoever lost starts over after a random pause.
"""

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from preverify.attest import att, bundle, envelope, referrer
from preverify.attest.identity import Own
from preverify.attest.manifests import MAX_MANIFEST_BYTES
from preverify.attest.ours import resource_of
from preverify.model.digest import Digest
from preverify.model.dsse import DSSE_ENVELOPE
from preverify.model.errors import MalformedEvidence, NotFound, Unavailable
from preverify.model.evidence import Image
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.registry.client import Client
from preverify.registry.manifests import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    parse_descriptor,
    read_descriptors,
)
from preverify.registry.refusals import Conflict

_TRIES = 6
_PAUSE_SECONDS = 0.05
_MAX_LAYER = 512 * 1024
_MAX_BUNDLE = 8 << 20
_MAX_READ = 200
_PROBE_TYPE = "application/vnd.preverify.removal-probe.v1+json"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedBundle:
    """A bundle beside an image. `api`: the referrers API lists it; `fallback`: the index under the fallback tag."""

    manifest: Digest
    ours: bool
    shadows: bool
    api: bool
    fallback: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedLayers:
    """The `.att` manifest of an image: which layers are ours, and whether others are there.

    `unreadable` says why the tag names something that is no such manifest: somebody's, and left alone.
    """

    manifest: Manifest | None
    ours: tuple[int, ...] = ()
    foreign: bool = False
    unreadable: str = ""


@dataclass(slots=True)
class Attaching:
    """Reads and writes around one subject.

    Attributes:
        client: The registry.
        subject: The image.
        keys: What our statements are recognised by.
        known: Digests that we noted when we attached something: ours, whatever key they verify under today.
        has_api: False where the caller knows that there is no referrers API.
    """

    client: Client
    subject: Subject
    keys: Sequence[Own]
    known: Collection[str] = ()
    has_api: bool = True
    _resources: dict[Digest, str | None] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Return the repository's path."""
        return self.subject.repository.path

    # --- `.att` -------------------------------------------------------------------------------------------------------

    def layers(self, path: str) -> AttachedLayers:
        """Read the `.att` manifest in a repository: the image's own, or another one that holds detached statements.

        In the image's own repository every statement of ours about this digest is ours to replace; in another one only
        those about exactly this subject, because other images with the same digest keep theirs there too.
        """
        try:
            manifest = self.client.get_manifest(path, att.tag(self.subject.digest))
        except NotFound:
            return AttachedLayers(manifest=None)
        ours: list[int] = []
        standing = att.layers(manifest.data)
        for index, entry in enumerate(standing):
            if self._is_our_layer(path, entry, reads_left=_MAX_READ - index):
                ours.append(index)
        return AttachedLayers(manifest=manifest, ours=tuple(ours), foreign=len(ours) < len(standing))

    def write_layer(self, path: str, add: bytes | None, *, seen: AttachedLayers | None = None) -> str | None:
        """Let `add` be the only layer of ours in the `.att` of a repository (None: let there be none).

        `seen` is what was read just now, where that was; it is read anew when somebody else was faster.

        Returns the digest of the manifest that the tag names now, or None where there is no tag.

        Raises:
            Refused: the registry takes the blobs but not the changed tag.
            MalformedEvidence: the tag names something that is not ours to change.
            Unavailable: no answer, or others write faster than we do.
        """
        tag = att.tag(self.subject.digest)

        fresh = [seen] if seen is not None and not seen.unreadable else []

        def attempt() -> tuple[str | None] | None:
            now = fresh.pop() if fresh else self.layers(path)
            config = self._config(path, now.manifest)
            edit = att.edit(now.manifest.data if now.manifest else None, config, drop=now.ours, add=add)
            if edit is None:
                return (str(now.manifest.digest) if now.manifest else None,)
            if edit.layer is not None:
                self.client.put_blob(path, edit.layer, look=False)
            self.client.put_blob(path, edit.config, look=False)
            written = self._replace(path, tag, now.manifest, edit.manifest, edit.media_type)
            return None if written is None else (str(written),)

        return _insist(attempt, f"{path}:{tag}")[0]

    def _is_our_layer(self, path: str, entry: Mapping[str, object], *, reads_left: int) -> bool:
        try:
            layer = parse_descriptor(entry)
        except MalformedEvidence:
            return False
        if str(layer.digest) in self.known:
            return True
        if layer.media_type != DSSE_ENVELOPE or layer.size > _MAX_LAYER or reads_left <= 0:
            return False
        resource = self._resource(path, layer, _MAX_LAYER)
        return resource is not None and (path == self.path or resource == str(self.subject))

    def _config(self, path: str, manifest: Manifest | None) -> bytes | None:
        if manifest is None:
            return None
        try:
            return self.client.get_blob(path, att.config_digest(manifest.data), size=None, max_bytes=MAX_MANIFEST_BYTES)
        except (NotFound, MalformedEvidence):
            return None

    # --- bundles ------------------------------------------------------------------------------------------------------

    def bundles(self) -> tuple[AttachedBundle, ...]:
        """Read the bundles beside the image, by both lists. What a list says of a manifest is not believed."""
        listed = self.client.referrers(self.path, self.subject.digest) if self.has_api else None
        self.has_api = listed is not None
        in_api = {d.digest: d for d in listed or ()}
        # Beside an API, readers do not look at the fallback tag; we do where we may have written there before.
        in_index = {d.digest: d for d in self._fallback_entries()} if self.known or not self.has_api else {}
        found = []
        for descriptor in list({**in_index, **in_api}.values())[:_MAX_READ]:
            read = self._bundle(descriptor.digest)
            if read is not None:
                ours, shadows = read
                found.append(
                    AttachedBundle(
                        manifest=descriptor.digest,
                        ours=ours,
                        shadows=shadows,
                        api=descriptor.digest in in_api,
                        fallback=descriptor.digest in in_index,
                    )
                )
        return tuple(found)

    def put_bundle(self, image: Image, sealed: bytes, own: Own) -> Digest:
        """Attach an envelope as a bundle, or the bundle that it was signed into. The same bytes give the same manifest.

        Raises:
            Refused: the registry takes the blobs but not the manifest or the fallback tag.
        """
        body = bundle.build(sealed, own) if isinstance(own, TrustedKey) else sealed
        created = referrer.created_of(envelope.parse(sealed).payload)
        manifest = referrer.manifest(image, body, created=created)
        self.client.put_blob(self.path, referrer.EMPTY)
        self.client.put_blob(self.path, body, look=False)
        put = self.client.put_manifest(self.path, Digest.of(manifest), manifest, OCI_MANIFEST)
        if put.oci_subject is None:
            self._write_fallback(add=manifest, remove=())
        return put.digest

    def remove_bundles(self, gone: Sequence[AttachedBundle]) -> None:
        """Take bundles of ours out of the lists that readers see; whether that worked is to be looked at afterwards."""
        digests = {str(b.manifest) for b in gone}
        if any(b.fallback for b in gone):
            self._write_fallback(add=None, remove=digests)
        for attached in gone:
            # Where only the fallback index listed it, it is out of sight by now; that it also goes is tidiness.
            self.client.delete_manifest(self.path, attached.manifest)

    def removal_works(self) -> bool:
        """Try whether this repository lets us delete what we have put there, with a manifest that means nothing."""
        probe = referrer.probe(_PROBE_TYPE)
        digest = Digest.of(probe)
        self.client.put_blob(self.path, referrer.EMPTY)
        self.client.put_manifest(self.path, digest, probe, OCI_MANIFEST)
        return self.client.delete_manifest(self.path, digest) and self.client.head_manifest(self.path, digest) is None

    def _bundle(self, digest: Digest) -> tuple[bool, bool] | None:
        """Say whether a listed manifest is a bundle of ours and whether it shadows; None where it is no bundle."""
        try:
            manifest = self.client.get_manifest(self.path, digest)
            entries = () if manifest.is_index else manifest.layers()
            if len(entries) != 1:
                return None
            layer = parse_descriptor(entries[0])
            if not layer.media_type.startswith(bundle.BUNDLE_PREFIX):
                return None
            if str(digest) in self.known and manifest.subject == self.subject.digest:
                return True, True
            body = self.client.get_blob(self.path, layer.digest, size=layer.size, max_bytes=_MAX_BUNDLE)
        except (MalformedEvidence, NotFound):
            return None  # listed and unreadable: nobody's reader gets further than we do
        ours = resource_of(body, self.keys) is not None and manifest.subject == self.subject.digest
        return ours, bundle.shadows(body)

    def _fallback_entries(self) -> tuple[Descriptor, ...]:
        try:
            index = self.client.get_manifest(self.path, referrer.fallback_tag(self.subject.digest))
        except (NotFound, MalformedEvidence):
            return ()
        return read_descriptors(index.manifests(), limit=500).descriptors if index.is_index else ()

    def _write_fallback(self, *, add: bytes | None, remove: Collection[str]) -> None:
        tag = referrer.fallback_tag(self.subject.digest)

        def attempt() -> bool | None:
            try:
                index: Manifest | None = self.client.get_manifest(self.path, tag)
            except NotFound:
                index = None
            entry = referrer.entry(add) if add is not None else None
            changed = referrer.edit_index(index.data if index else None, add=entry, remove=remove)
            if changed is None:
                return True
            return None if self._replace(self.path, tag, index, changed, OCI_INDEX) is None else True

        _insist(attempt, f"{self.path}:{tag}")

    # --- both ---------------------------------------------------------------------------------------------------------

    def _replace(self, path: str, tag: str, seen: Manifest | None, data: bytes, media_type: str) -> Digest | None:
        """Let `tag` name `data` in place of what was seen; None where somebody else was there in between."""
        if seen is not None and self.client.head_manifest(path, tag) != seen.digest:
            return None
        try:
            self.client.put_manifest(path, tag, data, media_type, if_match=seen.etag if seen else None)
        except Conflict:
            # 412 is also how a registry says "immutable": then the tag still names what we have seen.
            if seen is not None and self.client.head_manifest(path, tag) == seen.digest:
                raise
            return None
        digest = Digest.of(data)
        return digest if self.client.get_manifest(path, tag).digest == digest else None

    def _resource(self, path: str, layer: Descriptor, most: int) -> str | None:
        """Return what the statement of ours in a layer is about; None where it is foreign."""
        if layer.digest not in self._resources:
            try:
                body = self.client.get_blob(path, layer.digest, size=layer.size, max_bytes=most)
            except (NotFound, MalformedEvidence):
                return None
            self._resources[layer.digest] = resource_of(body, self.keys)
        return self._resources[layer.digest]


def _insist(attempt: Callable[[], _T | None], what: str) -> _T:
    """Repeat until `attempt` gives something, with growing random pauses.

    Raises:
        Unavailable: others changed `what` each time in between.
    """
    for turn in range(_TRIES):
        if (result := attempt()) is not None:
            return result
        time.sleep(_PAUSE_SECONDS * 2**turn * (0.5 + secrets.randbelow(1000) / 1000))
    raise Unavailable(
        f"{what} is changed by others faster than we can",
        reason=Reason.REGISTRY_UNAVAILABLE,
        retry_after=timedelta(seconds=30),
    )
