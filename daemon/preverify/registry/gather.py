"""Reading everything beside a subject: both lists of referrers, the `.sig` and `.att` tags, in a fixed order.

Then the same for those children of an index that a policy wants to know about, and last what BuildKit says beside them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from preverify.attest.att import tag as attestation_tag
from preverify.attest.bundle import BUNDLE_PREFIX, shadows
from preverify.attest.identity import Own
from preverify.attest.ours import is_ours
from preverify.attest.referrer import fallback_tag
from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence, NotFound, Unavailable
from preverify.model.evidence import DESCRIBED_CHILD, Blob, Evidence, Flaw, Format, Gathered, Image, Place, Unobtained
from preverify.model.needs import Need
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Subject, is_tag
from preverify.ports import Clock
from preverify.registry.fingerprint import Listing, fingerprint, signature_tag
from preverify.registry.images import MAX_CONFIG, Child, Described, children_of, described_in, image_of, platform_in
from preverify.registry.manifests import (
    OCI_INDEX,
    Descriptor,
    Manifest,
    Referrers,
    parse_descriptor,
    parse_manifest,
    read_descriptors,
)

NOTATION = "application/vnd.cncf.notary.signature"
_IN_TOTO = "application/vnd.in-toto+json"
_EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
_NOTATION_LAYERS = {"application/jose+json": Format.NOTATION_JWS, "application/cose": Format.NOTATION_COSE}
_SIGNATURES = frozenset({Format.COSIGN_SIGNATURE, Format.NOTATION_JWS, Format.NOTATION_COSE})


class Reader(Protocol):
    """What gathering needs of a registry or a layout. `Client` and `layout.LayoutReader` are ones."""

    @property
    def requests(self) -> int: ...

    def get_manifest(self, path: str, reference: str | Digest) -> Manifest: ...
    def get_blob(self, path: str, digest: Digest, *, size: int | None, max_bytes: int) -> bytes: ...
    def referrers(self, path: str, digest: Digest) -> Referrers | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatherLimits:
    """How much is read for one subject. Sizes void one object; counts only leave the rest unread (`truncated`)."""

    considered: int = 50
    """Pieces of evidence of each kind."""
    listed: int = 100
    """Entries of each list (referrers, layers) that are looked at in search of evidence."""
    referrers: int = 500
    """Descriptors of each list of referrers that are read."""
    signature_bytes: int = 1 << 20
    bundle_bytes: int = 8 << 20
    attestation_bytes: int = 90 << 20
    total_bytes: int = 192 << 20
    """All bodies together, those of children included."""
    deadline: timedelta = timedelta(minutes=5)
    """For the whole, children included."""


def gather(
    reader: Reader,
    image: Image,
    *,
    clock: Clock,
    own_keys: Sequence[Own] = (),
    limits: GatherLimits | None = None,
    platforms: Platforms = THE_INDEX,
    needs: frozenset[Need] = frozenset(),
) -> Gathered:
    """Read all evidence beside `image`. Never raises for evidence.

    Args:
        reader: Where to read.
        image: The subject as hashed by us.
        clock: For the deadline of the whole reading.
        own_keys: Keys and identities of our own statements. What verifies under one of them and is a verification
            summary is neither evidence nor counted.
        limits: Other than the defaults in tests only.
        platforms: Which children of an index are looked at like the index itself.
        needs: What else is read: configurations of images.
    """
    limits = limits or GatherLimits()
    whole = _Whole(clock, limits, clock.monotonic() + limits.deadline.total_seconds(), config=Need.CONFIG in needs)
    look = _Look(reader, image, tuple(own_keys), whole)
    look.run(platforms)
    return look.result()


class _Halted(Exception):
    """The reading of one place ended early; why is noted already."""


@dataclass(slots=True)
class _Whole:
    """What an index and its children share: the deadline, what is wanted, and the bytes that were read."""

    clock: Clock
    limits: GatherLimits
    until: float
    config: bool = False
    bodies: dict[Digest, bytes] = field(default_factory=dict)
    total: int = 0


@dataclass(slots=True)
class _Look:
    """One gathering under way."""

    reader: Reader
    image: Image
    own_keys: tuple[Own, ...]
    whole: _Whole
    evidence: list[Evidence] = field(default_factory=list)
    unobtained: list[Unobtained] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    considered: dict[Format, int] = field(default_factory=dict)
    truncated: bool = False
    foreign_bundle: bool = False
    foreign_legacy: bool = False
    listing: Listing = field(default_factory=Listing)
    tags: list[tuple[str, Digest]] = field(default_factory=list)
    before: int = 0
    children: list["_Look | Gathered"] = field(default_factory=list)
    platform: str | None = None
    config: Blob | None = None

    @property
    def limits(self) -> GatherLimits:
        return self.whole.limits

    def run(self, platforms: Platforms) -> None:
        self.before = self.reader.requests
        self._read_beside()
        if not self.image.is_index:
            self._read_config(for_platform=bool(platforms.names))
            return
        index = parse_manifest(self.image.manifest, self.image.media_type, self.image.subject.digest)
        if platforms.of_children:
            self._read_children(index, platforms)
        self._read_described(index)

    def _read_beside(self) -> None:
        path, digest = self.image.subject.repository.path, self.image.subject.digest
        listed: dict[Digest, tuple[Descriptor, Place]] = {}
        for place, read in ((Place.REFERRERS_API, self._from_api), (Place.FALLBACK_TAG, self._from_fallback)):
            for descriptor in read(path, digest):
                listed.setdefault(descriptor.digest, (descriptor, place))
        self._read_referrers(path, listed)
        self._read_tag(path, signature_tag(digest), Place.SIGNATURE_TAG, Format.COSIGN_SIGNATURE)
        self._read_tag(path, attestation_tag(digest), Place.ATTESTATION_TAG, Format.COSIGN_ATTESTATION)

    def result(self) -> Gathered:
        return Gathered(
            image=self.image,
            evidence=tuple(self.evidence),
            unobtained=tuple(self.unobtained),
            truncated=self.truncated,
            looked_at=tuple(self.looked_at),
            fingerprint=fingerprint(self.listing, {d: look.listing for d, look in self._looks()}),
            foreign_bundle=self.foreign_bundle,
            foreign_legacy=self.foreign_legacy,
            requests=self.reader.requests - self.before,
            tags=(*self.tags, *(tag for _, look in self._looks() for tag in look.tags)),
            children=tuple(child if isinstance(child, Gathered) else child.result() for child in self.children),
            platform=self.platform,
            config=self.config,
        )

    def _looks(self) -> "list[tuple[Digest, _Look]]":
        return [(child.image.subject.digest, child) for child in self.children if isinstance(child, _Look)]

    # --- the two lists of referrers ---------------------------------------------------------------------------------

    def _from_api(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        place = Place.REFERRERS_API
        try:
            self._in_time(place.value)
            found = self.reader.referrers(path, digest)
        except (MalformedEvidence, NotFound, Unavailable, _Halted) as error:
            self._failed(place.value, error, _blank(Format.SIGSTORE_BUNDLE, digest, place))
            self.looked_at.append(f"{place}: failed")
            return ()
        if found is None:
            self.looked_at.append(f"{place}: not offered")
            return ()
        self.listing.referrers = tuple(d.digest for d in found.descriptors)
        self.truncated |= found.truncated
        self.looked_at.append(f"{place}: {len(found.descriptors)}{' and more' if found.truncated else ''}")
        return found.descriptors

    def _from_fallback(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        tag, place = fallback_tag(digest), Place.FALLBACK_TAG
        manifest = self._tagged(path, tag, place, Format.SIGSTORE_BUNDLE)
        if manifest is None:
            return ()
        if manifest.media_type != OCI_INDEX:
            flaw = Flaw(reason=Reason.CONTENT_MISMATCH, detail=f"tag {tag} names {manifest.media_type}, not an index")
            self._add(replace(_blank(Format.SIGSTORE_BUNDLE, manifest.digest, place), flaw=flaw))
            self.looked_at.append(f"{place}: not an index")
            return ()
        found = read_descriptors(manifest.manifests(), limit=self.limits.referrers)
        self.truncated |= found.truncated
        self.looked_at.append(f"{place}: {len(found.descriptors)}{' and more' if found.truncated else ''}")
        return found.descriptors

    def _read_referrers(self, path: str, listed: dict[Digest, tuple[Descriptor, Place]]) -> None:
        """Fetch each listed manifest by digest.

        What the list says of it only decides which ones are fetched first, and that many of one kind leave room for
        those of another.
        """
        order = sorted(listed.values(), key=lambda entry: _likelihood(entry[0]))
        looked: Counter[Format | None] = Counter()
        seen: Counter[str] = Counter()
        for descriptor, place in order:
            claimed = _claimed(descriptor)
            many = claimed is not None and looked[claimed] >= self.limits.considered
            if many or looked.total() >= self.limits.listed or self._full(claimed or Format.SIGSTORE_BUNDLE):
                self.truncated = True
                continue
            looked[claimed] += 1
            try:
                kind = self._read_referrer(path, descriptor, place)
            except _Halted:
                break
            looked[claimed] -= kind == "ours"
            seen[kind] += 1
        notes = (("ours", seen["ours"]), ("other referrers", seen["other"]))
        self.looked_at.extend(f"{what}: {count}" for what, count in notes if count)

    def _read_referrer(self, path: str, descriptor: Descriptor, place: Place) -> str:
        blank = _blank(_claimed(descriptor) or Format.SIGSTORE_BUNDLE, descriptor.digest, place)
        what = f"referrer {descriptor.digest}"
        try:
            self._in_time(what)
            manifest = self._listed(path, descriptor)
        except (MalformedEvidence, NotFound, Unavailable) as error:
            self._failed(what, error, blank)
            return "flawed"
        form, layer, flaw = _signature_layer(manifest, what)
        if form is None:
            return "other"
        if self._full(form):  # the list had called it something else
            self.truncated = True
            return "unread"
        if flaw is None and manifest.subject != self.image.subject.digest:
            named = manifest.subject or "none"
            flaw = Flaw(
                reason=Reason.SUBJECT_MISMATCH,
                detail=f"{what} names the subject {named}, not {self.image.subject.digest}",
            )
        if flaw is None:
            return self._read_layer(path, manifest, 0, layer, place, form)
        self._add(replace(blank, format=form, flaw=flaw))
        return "flawed"

    def _listed(self, path: str, descriptor: Descriptor) -> Manifest:
        manifest = self.reader.get_manifest(path, descriptor.digest)
        size = len(manifest.data)
        if size != descriptor.size:
            raise MalformedEvidence(
                Reason.DIGEST_MISMATCH, f"{descriptor.digest} has {size} bytes, it is listed with {descriptor.size}"
            )
        return manifest

    # --- the tags of cosign -----------------------------------------------------------------------------------------

    def _read_tag(self, path: str, tag: str, place: Place, form: Format) -> None:
        """Read the layers of a `.sig` or `.att` manifest."""
        manifest = self._tagged(path, tag, place, form)
        if manifest is None:
            return
        if manifest.is_index:
            flaw = Flaw(reason=Reason.CONTENT_MISMATCH, detail=f"tag {tag} names an index, not a manifest with layers")
            self._add(replace(_blank(form, manifest.digest, place), flaw=flaw))
            self.looked_at.append(f"{place}: not a manifest")
            return
        layers = manifest.layers()
        self.looked_at.append(f"{place}: {len(layers)}")
        looked = 0
        for index, entry in enumerate(layers):
            if looked >= self.limits.listed or self._full(form):
                self.truncated = self.foreign_legacy = True
                return
            try:
                kind = self._read_layer(path, manifest, index, entry, place, form)
            except _Halted:
                return
            looked += kind != "ours"
            self.foreign_legacy |= kind != "ours"

    def _tagged(self, path: str, tag: str, place: Place, form: Format) -> Manifest | None:
        if not is_tag(tag):  # the tag of a sha512 digest with a suffix is longer than a tag can be
            self.looked_at.append(f"{place}: not possible")
            return None
        try:
            self._in_time(place.value)
            manifest = self.reader.get_manifest(path, tag)
        except NotFound:
            self.looked_at.append(f"{place}: absent")
            return None
        except (MalformedEvidence, Unavailable, _Halted) as error:
            self._failed(place.value, error, _blank(form, self.image.subject.digest, place))
            self.looked_at.append(f"{place}: failed")
            self.listing.tags.add(tag)
            return None
        self.listing.tags.add(tag)
        self.tags.append((tag, manifest.digest))
        return manifest

    # --- one layer --------------------------------------------------------------------------------------------------

    def _read_layer(self, path: str, manifest: Manifest, index: int, entry: object, place: Place, form: Format) -> str:
        try:
            layer = parse_descriptor(entry)
        except MalformedEvidence as error:
            self._failed(f"layer {index}", error, replace(_blank(form, manifest.digest, place), index=index))
            return "flawed"
        found = Evidence(
            format=form,
            manifest=manifest.digest,
            index=index,
            body=b"",
            digest=layer.digest,
            media_type=layer.media_type,
            annotations=layer.annotations,
            place=place,
        )
        what = f"layer {index} of {manifest.digest} ({place})"
        try:
            self._in_time(what)
            body = self._body(path, layer, form)
        except (MalformedEvidence, NotFound, Unavailable) as error:
            self._failed(what, error, found)
            return "flawed"
        if self.own_keys and is_ours(body, self.own_keys):
            return "ours"
        if form is Format.SIGSTORE_BUNDLE and not self.foreign_bundle:
            self.foreign_bundle = shadows(body)
        self._add(replace(found, body=body))
        return "evidence"

    def _body(self, path: str, layer: Descriptor, form: Format) -> bytes:
        held = self.whole.bodies.get(layer.digest)
        if held is not None:
            if len(held) != layer.size:
                raise MalformedEvidence(
                    Reason.DIGEST_MISMATCH,
                    f"blob {layer.digest} has {len(held)} bytes, its descriptor says {layer.size}",
                )
            return held
        most = self._most(form)
        if self.whole.total + min(layer.size, most) > self.limits.total_bytes:
            self.truncated |= form is not Format.BUILDKIT_STATEMENT
            raise _Halted
        body = self.reader.get_blob(path, layer.digest, size=layer.size, max_bytes=most)
        self.whole.total += len(body)
        self.whole.bodies[layer.digest] = body
        return body

    def _most(self, form: Format) -> int:
        if form is Format.SIGSTORE_BUNDLE:
            return self.limits.bundle_bytes
        return self.limits.signature_bytes if form in _SIGNATURES else self.limits.attestation_bytes

    # --- children ---------------------------------------------------------------------------------------------------

    def _read_children(self, index: Manifest, platforms: Platforms) -> None:
        """Look at each wanted child as at the index itself, within what is left of the time and bytes of the whole."""
        wanted: dict[Digest, Child] = {}
        for child in children_of(index):
            if platforms.covers(child.platform):
                wanted.setdefault(child.descriptor.digest, child)
        for digest, child in wanted.items():
            self.children.append(self._read_child(Subject(self.image.subject.repository, digest), child))
        self.looked_at.append(f"children: {len(wanted)}")

    def _read_child(self, subject: Subject, child: Child) -> "_Look | Gathered":
        what = f"manifest {subject.digest}"
        nothing = Gathered(image=Image(subject=subject, manifest=b"", media_type=""))
        if (late := self._late(what)) is not None:
            return replace(nothing, unobtained=(late,))
        try:
            manifest = self._child_manifest(subject, child)
        except MalformedEvidence as error:
            return replace(nothing, flaw=Flaw(reason=error.reason, detail=error.detail))
        except NotFound:
            detail = f"{what} is listed in the index but not there"
            return replace(nothing, flaw=Flaw(reason=Reason.PLATFORM_MISSING, detail=detail))
        except Unavailable as error:
            return replace(nothing, unobtained=(_unobtained(what, error),))
        look = _Look(self.reader, image_of(subject.repository, manifest), self.own_keys, self.whole)
        look.before = self.reader.requests
        look._read_beside()
        look._read_config(for_platform=False)
        return look

    def _child_manifest(self, subject: Subject, child: Child) -> Manifest:
        manifest = self._listed(subject.repository.path, child.descriptor)
        seen, said = manifest.media_type, child.descriptor.media_type
        if seen != said:
            raise MalformedEvidence(
                Reason.CONTENT_MISMATCH, f"{subject.digest} is {seen!r}, the index lists it as {said[:120]!r}"
            )
        if manifest.is_index:
            raise MalformedEvidence(
                Reason.CONTENT_MISMATCH,
                f"{subject.digest} is an index inside of an index; only manifests are read there",
            )
        return manifest

    def _read_config(self, *, for_platform: bool) -> None:
        """Read the configuration of an image, for rules that look at it, or for what it says its platform is."""
        if not (self.whole.config or for_platform):
            return
        image, what = self.image, "configuration"
        manifest = parse_manifest(image.manifest, image.media_type, image.subject.digest)
        found: Blob | None = None
        try:
            if (late := self._late(what)) is not None:
                self.unobtained.append(late)
                return
            descriptor = parse_descriptor(manifest.document.get("config"))
            found = Blob(digest=descriptor.digest, body=b"")
            body = self.reader.get_blob(
                image.subject.repository.path, descriptor.digest, size=descriptor.size, max_bytes=MAX_CONFIG
            )
            found = replace(found, body=body)
        except MalformedEvidence as error:
            found = _void(found, image, error.reason, error.detail)
        except NotFound:
            found = _void(
                found, image, Reason.CONTENT_MISMATCH, "the configuration is named by the image but not there"
            )
        except Unavailable as error:
            self.unobtained.append(_unobtained(what, error))
            return
        if self.whole.config:
            self.config = found
        if for_platform:
            self.platform = platform_in(found.body)
            self.looked_at.append(f"platform: {self.platform or 'not said'}")

    # --- what BuildKit says of children -------------------------------------------------------------------------------

    def _read_described(self, index: Manifest) -> None:
        """Read the statements that lie in the index itself.

        They are signed by nobody and decide nothing, so what cannot be had of them is noted for people only: it neither
        makes a verdict undecided nor counts as left unread.
        """
        count = unread = 0
        for described in described_in(index):
            if count >= self.limits.listed or self._full(Format.BUILDKIT_STATEMENT):
                unread += 1
                continue
            count += 1
            try:
                unread += self._read_statements(described)
            except Unavailable:
                unread += 1
        if count:
            self.looked_at.append(f"{Place.INDEX}: {count}{f', {unread} not read' if unread else ''}")

    def _read_statements(self, described: Described) -> int:
        """Read the statements about one child; returns how many were left."""
        path, what = self.image.subject.repository.path, f"attestation manifest {described.descriptor.digest}"
        blank = _about(_blank(Format.BUILDKIT_STATEMENT, described.descriptor.digest, Place.INDEX), described)
        if self._late(what) is not None:
            return 1
        try:
            manifest = self._listed(path, described.descriptor)
        except (MalformedEvidence, NotFound) as error:
            self._failed(what, error, blank)
            return 0
        unread = 0
        for index, entry in enumerate(manifest.layers()[: self.limits.listed]):
            if _media_type(entry) != _IN_TOTO:
                continue
            if self._full(Format.BUILDKIT_STATEMENT) or self._late(what) is not None:
                unread += 1
                continue
            unread += not self._read_statement(path, manifest, index, entry, described)
        return unread

    def _read_statement(self, path: str, manifest: Manifest, index: int, entry: object, described: Described) -> bool:
        blank = replace(_blank(Format.BUILDKIT_STATEMENT, manifest.digest, Place.INDEX), index=index)
        try:
            layer = parse_descriptor(entry)
            found = replace(blank, digest=layer.digest, media_type=layer.media_type, annotations=layer.annotations)
            body = self._body(path, layer, Format.BUILDKIT_STATEMENT)
        except (MalformedEvidence, NotFound) as error:
            self._failed(f"layer {index} of {manifest.digest}", error, _about(blank, described))
            return True
        except _Halted:
            return False
        self._add(_about(replace(found, body=body), described))
        return True

    # --- bookkeeping ------------------------------------------------------------------------------------------------

    def _full(self, form: Format) -> bool:
        return self.considered.get(form, 0) >= self.limits.considered

    def _add(self, evidence: Evidence) -> None:
        self.considered[evidence.format] = self.considered.get(evidence.format, 0) + 1
        self.evidence.append(evidence)

    def _in_time(self, what: str) -> None:
        if (late := self._late(what)) is not None:
            self.unobtained.append(late)
            raise _Halted

    def _late(self, what: str) -> Unobtained | None:
        if self.whole.clock.monotonic() <= self.whole.until:
            return None
        seconds = self.limits.deadline.total_seconds()
        detail = f"not read within {seconds:.0f} s for the whole image"
        return Unobtained(what=what, reason=Reason.DEADLINE, detail=detail)

    def _failed(self, what: str, error: Exception, blank: Evidence) -> None:
        """Note what went wrong: obtained and bad is a flaw of one object, not obtained is `unobtained`."""
        if isinstance(error, MalformedEvidence):
            self._add(replace(blank, flaw=Flaw(reason=error.reason, detail=error.detail)))
        elif isinstance(error, NotFound):
            detail = f"{what} is listed but not there"
            self._add(replace(blank, flaw=Flaw(reason=Reason.CONTENT_MISMATCH, detail=detail)))
        elif isinstance(error, Unavailable):
            self.unobtained.append(_unobtained(what, error))


def _blank(form: Format, digest: Digest, place: Place) -> Evidence:
    """Return evidence without content, for a flaw: `digest` is what was asked for."""
    return Evidence(format=form, manifest=digest, index=0, body=b"", digest=digest, media_type="", place=place)


def _about(evidence: Evidence, described: Described) -> Evidence:
    """Say which child a statement is about: what its entry in the index says, and nothing that its own layer says."""
    others = tuple((key, value) for key, value in evidence.annotations if key != DESCRIBED_CHILD)
    return replace(evidence, annotations=(*others, (DESCRIBED_CHILD, str(described.child))))


def _void(found: Blob | None, image: Image, reason: Reason, detail: str) -> Blob:
    """Return a configuration that says nothing; one without a usable descriptor goes by its manifest's digest."""
    digest = image.subject.digest if found is None else found.digest
    return Blob(digest=digest, body=b"", flaw=Flaw(reason=reason, detail=detail))


def _unobtained(what: str, error: Unavailable) -> Unobtained:
    return Unobtained(what=what, reason=error.reason, detail=str(error), retry_after=error.retry_after)


def _signature_layer(manifest: Manifest, what: str) -> tuple[Format | None, object, Flaw | None]:
    """Return the format of what a referrer carries and its one layer, or why it has none; no format: nothing of ours.

    Spec:
        sigstore bundle specification, "OCI"; Notary Project, signature specification, "Storage".
    """
    layers = () if manifest.is_index else manifest.layers()
    media_type = _media_type(layers[0]) if len(layers) == 1 else ""
    if media_type.startswith(BUNDLE_PREFIX):
        return Format.SIGSTORE_BUNDLE, layers[0], None
    kind, config = str(manifest.document.get("artifactType") or ""), _media_type(manifest.document.get("config"))
    if kind.startswith(BUNDLE_PREFIX):
        flaw = Flaw(reason=Reason.BUNDLE_MALFORMED, detail=f"{what} calls itself a bundle but has no bundle layer")
        return Format.SIGSTORE_BUNDLE, None, flaw
    if (kind, config) not in {(NOTATION, _EMPTY_CONFIG), ("", NOTATION)}:
        return None, None, None
    if form := _NOTATION_LAYERS.get(media_type):
        return form, layers[0], None
    if len(layers) == 1:
        detail = f"{what} has a layer of type {media_type[:80]!r}, expected {' or '.join(_NOTATION_LAYERS)}"
        return Format.NOTATION_JWS, None, Flaw(reason=Reason.PAYLOAD_TYPE_MISMATCH, detail=detail)
    detail = f"{what} has {len(layers)} layers, a Notation signature has exactly one"
    return Format.NOTATION_JWS, None, Flaw(reason=Reason.ENVELOPE_MALFORMED, detail=detail)


def _media_type(descriptor: object) -> str:
    value = descriptor.get("mediaType") if isinstance(descriptor, dict) else None
    return value if isinstance(value, str) else ""


def _claimed(descriptor: Descriptor) -> Format | None:
    """Return the kind of evidence that a list claims for an entry (either of Notation's); None for no kind of ours."""
    if descriptor.artifact_type.startswith(BUNDLE_PREFIX):
        return Format.SIGSTORE_BUNDLE
    return Format.NOTATION_JWS if descriptor.artifact_type == NOTATION else None


def _likelihood(descriptor: Descriptor) -> int:
    """Rank by what the list claims, unauthenticated: it only matters where there are more than we read."""
    if _claimed(descriptor):
        return 0
    return 2 if descriptor.artifact_type else 1
