"""Where a statement goes, by layout and by what others have attached; and how it goes away again.

Any bundle on an image makes cosign v3 stop reading `.sig` and `.att`, whoever made it and whichever came first. So a
bundle of ours goes only where a foreign one does that already, or where it was asked for and hides nothing.
"""

from dataclasses import dataclass, field

from preverify.attest import att
from preverify.attest.identity import Own, OwnIdentity
from preverify.attest.ours import resource_of
from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence, NotFound
from preverify.model.evidence import Image
from preverify.model.reference import Subject, is_tag
from preverify.ports import Clock, Layout, Publication, PublishState
from preverify.registry.attaching import AttachedBundle, AttachedLayers, Attaching
from preverify.registry.client import Client
from preverify.registry.fingerprint import signature_tag
from preverify.registry.refusals import Refused
from preverify.settings import Publish

_ABSENT_SECONDS = 3600.0
_PROBE_SECONDS = 3600.0
_MAX_PROBES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is attached to an image, as far as it decides."""

    has_api: bool
    bundles: tuple[AttachedBundle, ...]
    layers: AttachedLayers
    detached: AttachedLayers

    @property
    def foreign_bundle(self) -> bool:
        """Say whether a foreign bundle hides the tags: one in the list that cosign reads, an API's before a tag's."""
        return any(b.shadows and not b.ours and (b.api or not self.has_api) for b in self.bundles)

    @property
    def our_bundles(self) -> tuple[AttachedBundle, ...]:
        return tuple(b for b in self.bundles if b.ours)

    @property
    def left(self) -> tuple[Layout, ...]:
        """Return the places where readers find a statement of ours."""
        places = {
            Layout.BUNDLE: bool(self.our_bundles),
            Layout.ATT: bool(self.layers.ours),
            Layout.DETACHED: bool(self.detached.ours),
        }
        return tuple(layout for layout, there in places.items() if there)


class _NoLayout(Exception):
    def __init__(self, state: PublishState, detail: str) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail


@dataclass(slots=True)
class Publisher:
    """Publishes and withdraws at one registry. What it learns about the registry is kept for an hour."""

    client: Client
    settings: Publish
    keys: tuple[Own, ...]
    clock: Clock
    _no_api_until: float = 0.0
    _removal: dict[str, tuple[float, bool]] = field(default_factory=dict)

    def publish(self, subject: Subject, sealed: bytes, layout: Layout, *, supersedes: tuple[str, ...]) -> Publication:
        """Attach `sealed` in the layout that is right now, in place of our older statements about the subject."""
        before = self.client.requests
        own = self._own(subject, sealed)
        if own is None:
            detail = "the envelope is no statement about this subject under today's signing key"
            return self._settled(PublishState.UNPUBLISHED, detail, before)
        work = self._attaching(subject, known=supersedes)
        seen = self._look(work)
        try:
            targets = self._targets(work, seen, layout, own)
            manifests = self._attach(work, seen, sealed, own, targets)
        except _NoLayout as no:
            return self._unpublished(work, no, before)
        except (Refused, MalformedEvidence) as error:
            elsewhere = self._elsewhere(work, sealed, own, layout)
            if elsewhere is None:
                why = _NoLayout(PublishState.UNPUBLISHED, f"cannot be attached here: {error}")
                return self._unpublished(work, why, before)
            targets, manifests = (Layout.DETACHED,), elsewhere
        detail = self._remove(work, seen, keep=targets, current=manifests)
        return self._settled(PublishState.PUBLISHED, detail, before, layouts=targets, manifests=manifests)

    def withdraw(self, subject: Subject, manifests: tuple[str, ...]) -> Publication:
        """Take all our statements about the subject out of readers' sight, and look whether they are."""
        before = self.client.requests
        work = self._attaching(subject, known=manifests)
        left, trouble = self._clear(work)
        if left or trouble:
            return self._settled(PublishState.NOT_WITHDRAWN, f"readers may still find it: {trouble}", before)
        return self._settled(PublishState.WITHDRAWN, "", before)

    def removal_works(self, subject: Subject) -> bool:
        """Say whether a bundle could be taken away again: by DELETE, or because only the fallback index lists it."""
        work = self._attaching(subject)
        return work.client.referrers(work.path, subject.digest) is None or self._can_delete(work)

    # --- where to -----------------------------------------------------------------------------------------------------

    def _targets(self, work: Attaching, seen: _Seen, layout: Layout, own: Own) -> tuple[Layout, ...]:
        """Return the places for `layout`.

        Raises:
            _NoLayout: there is none.
        """
        if layout is Layout.NONE:
            raise _NoLayout(PublishState.UNPUBLISHED, "publish.layout is none")
        if isinstance(own, OwnIdentity):
            return self._only_bundle(work, seen, layout)
        if layout is Layout.AUTO:
            wanted = self._automatic(work, seen)
        else:
            wanted = (Layout.ATT, Layout.BUNDLE) if layout is Layout.BOTH else (layout,)
            if Layout.BUNDLE in wanted:
                self._check_bundle(work, seen)
        if Layout.DETACHED in wanted and self.settings.detached_repository is None:
            raise _NoLayout(PublishState.UNPUBLISHED, "publish.detachedRepository is not set")
        if wanted != (Layout.BUNDLE,) and not is_tag(att.tag(work.subject.digest)):
            raise _NoLayout(PublishState.UNPUBLISHED, f"a {work.subject.digest.algorithm} digest has no .att tag")
        return wanted

    def _only_bundle(self, work: Attaching, seen: _Seen, layout: Layout) -> tuple[Layout, ...]:
        """Return the one place for a keyless statement: `.att` layers do not carry what vouches for it."""
        if layout not in {Layout.AUTO, Layout.BUNDLE}:
            raise _NoLayout(
                PublishState.UNPUBLISHED, f"a keyless statement goes only into a bundle, not {layout.value}"
            )
        if layout is Layout.BUNDLE or not seen.foreign_bundle:
            self._check_bundle(work, seen)
        elif not self._removable(work):
            raise _NoLayout(PublishState.UNPUBLISHED, "this registry would not let a bundle of ours be withdrawn")
        return (Layout.BUNDLE,)

    def _automatic(self, work: Attaching, seen: _Seen) -> tuple[Layout, ...]:
        if not seen.foreign_bundle:
            return (Layout.ATT,)
        if self._removable(work):
            return (Layout.BUNDLE,)
        if self.settings.detached_repository is not None:
            return (Layout.DETACHED,)
        raise _NoLayout(
            PublishState.UNPUBLISHED,
            "a foreign bundle hides .att, and this registry would not let a bundle of ours be withdrawn; "
            "publish.detachedRepository would help",
        )

    def _check_bundle(self, work: Attaching, seen: _Seen) -> None:
        if not self.settings.allow_shadowing and (seen.layers.foreign or self._has_signatures(work)):
            raise _NoLayout(
                PublishState.WOULD_SHADOW,
                "a bundle would hide the .sig or .att of others from cosign v3; publish.allowShadowing accepts that",
            )
        if not self.settings.accept_unwithdrawable and not self._removable(work):
            raise _NoLayout(
                PublishState.UNPUBLISHED,
                "this registry does not delete, so a bundle could not be withdrawn; "
                "publish.acceptUnwithdrawable accepts that",
            )

    def _removable(self, work: Attaching) -> bool:
        return not work.has_api or self._can_delete(work)

    def _can_delete(self, work: Attaching) -> bool:
        now = self.clock.monotonic()
        known = self._removal.get(work.path)
        if known is None or known[0] <= now:
            if len(self._removal) >= _MAX_PROBES:
                self._removal.clear()
            known = (now + _PROBE_SECONDS, work.removal_works())
            self._removal[work.path] = known
        return known[1]

    def _has_signatures(self, work: Attaching) -> bool:
        tag = signature_tag(work.subject.digest)
        if not is_tag(tag):
            return False
        try:
            return bool(self.client.get_manifest(work.path, tag).layers())
        except NotFound:
            return False
        except MalformedEvidence:
            return True  # something is there that others may read otherwise than we do

    # --- doing it -----------------------------------------------------------------------------------------------------

    def _attach(
        self, work: Attaching, seen: _Seen, sealed: bytes, own: Own, targets: tuple[Layout, ...]
    ) -> tuple[str, ...]:
        """Attach in each place; returns what to note for the withdrawal: manifests, and the envelope as a layer."""
        noted: list[str] = []
        for target in targets:
            if target is Layout.BUNDLE:
                noted.append(str(work.put_bundle(self._image(work.subject), sealed, own)))
                continue
            standing = seen.detached if target is Layout.DETACHED else seen.layers
            written = work.write_layer(self._place(work, target), sealed, seen=standing)
            noted += [digest for digest in (written, str(Digest.of(sealed))) if digest is not None]
        return tuple(dict.fromkeys(noted))

    def _elsewhere(self, work: Attaching, sealed: bytes, own: Own, layout: Layout) -> tuple[str, ...] | None:
        """Fall back to the detached repository where the image's own does not take a change (immutable tags)."""
        if layout is not Layout.AUTO or self.settings.detached_repository is None or isinstance(own, OwnIdentity):
            return None
        try:
            written = work.write_layer(self.settings.detached_repository, sealed)
        except (Refused, MalformedEvidence):
            return None
        return tuple(digest for digest in (written, str(Digest.of(sealed))) if digest is not None)

    def _remove(self, work: Attaching, seen: _Seen, *, keep: tuple[Layout, ...], current: tuple[str, ...]) -> str:
        """Take our statements away from everywhere but `keep`, and older ones from there too. Returns what stays."""
        if Layout.ATT not in keep and seen.layers.ours:
            work.write_layer(work.path, None)
        if Layout.DETACHED not in keep and seen.detached.ours:
            work.write_layer(self._place(work, Layout.DETACHED), None)
        older = tuple(b for b in seen.our_bundles if str(b.manifest) not in current)
        if not older:
            return ""
        work.remove_bundles(older)
        left = {b.manifest for b in work.bundles()} & {b.manifest for b in older}
        return f"the registry keeps {len(left)} older bundle of ours" if left else ""

    def _unpublished(self, work: Attaching, no: _NoLayout, before: int) -> Publication:
        """Let no statement of ours be found, because this one has no place.

        Where the registry does not let an older one go, that one is what readers find: it stays `published`, so that
        its withdrawal is tried again when the image stops passing.
        """
        left, trouble = self._clear(work)
        detail = f"{no.detail}; readers may still find a statement of ours: {trouble}" if trouble else no.detail
        if not left:
            return self._settled(no.state, detail, before)
        noted = tuple(sorted(work.known))
        return self._settled(PublishState.PUBLISHED, detail, before, layouts=left, manifests=noted)

    def _clear(self, work: Attaching) -> tuple[tuple[Layout, ...], str]:
        """Take everything of ours away; returns where readers still find some, and what went wrong."""
        trouble = ""
        try:
            seen = self._look(work)
            self._remove(work, seen, keep=(), current=())
        except (Refused, MalformedEvidence) as error:
            trouble = str(error)
        try:
            seen = self._look(work)
        except Refused as error:
            return (), trouble or str(error)
        left = seen.left
        trouble = trouble if left else ""
        if work.known:  # where we never attached anything, nothing of ours can be in what we cannot read
            trouble = trouble or seen.layers.unreadable or seen.detached.unreadable
        return left, trouble or ", ".join(f"still in {layout.value}" for layout in left)

    def _look(self, work: Attaching) -> _Seen:
        taggable = is_tag(att.tag(work.subject.digest))
        none = AttachedLayers(manifest=None)
        bundles = work.bundles()
        if not work.has_api:
            self._no_api_until = max(self._no_api_until, self.clock.monotonic() + _ABSENT_SECONDS)
        detached = self.settings.detached_repository
        return _Seen(
            has_api=work.has_api,
            bundles=bundles,
            layers=self._layers(work, work.path) if taggable else none,
            detached=self._layers(work, detached) if taggable and detached is not None else none,
        )

    def _layers(self, work: Attaching, path: str) -> AttachedLayers:
        try:
            return work.layers(path)
        except MalformedEvidence as error:
            return AttachedLayers(manifest=None, foreign=True, unreadable=error.detail)

    def _attaching(self, subject: Subject, known: tuple[str, ...] = ()) -> Attaching:
        return Attaching(
            client=self.client,
            subject=subject,
            keys=self.keys,
            known=frozenset(known),
            has_api=self.clock.monotonic() >= self._no_api_until,
        )

    def _place(self, work: Attaching, target: Layout) -> str:
        detached = self.settings.detached_repository
        return detached if target is Layout.DETACHED and detached is not None else work.path

    def _image(self, subject: Subject) -> Image:
        manifest = self.client.get_manifest(subject.repository.path, subject.digest)
        return Image(subject=subject, manifest=manifest.data, media_type=manifest.media_type)

    def _own(self, subject: Subject, sealed: bytes) -> Own | None:
        """Return which of us signed `sealed`, where it is a statement about `subject`."""
        for own in self.keys:
            if resource_of(sealed, (own,)) == str(subject):
                return own
        return None

    def _settled(
        self,
        state: PublishState,
        detail: str,
        before: int,
        *,
        layouts: tuple[Layout, ...] = (),
        manifests: tuple[str, ...] = (),
    ) -> Publication:
        return Publication(
            state=state,
            layouts=layouts,
            manifests=manifests,
            detail=detail,
            requests=self.client.requests - before,
        )
