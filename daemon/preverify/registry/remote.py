"""A registry over the network, as the core sees it."""

from collections.abc import Sequence

from preverify.attest.identity import Own
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Gathered, Image
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.ports import Clock, Layout, Publication, TagPage
from preverify.registry import listing
from preverify.registry.client import Client
from preverify.registry.fingerprint import Listing, evidence_tags, fingerprint
from preverify.registry.gather import GatherLimits, gather
from preverify.registry.manifests import Manifest, parse_descriptor
from preverify.registry.publishing import Publisher
from preverify.settings import Source

MAX_CHILDREN = 64
_API_ABSENCE_SECONDS = 3600.0


class RemoteRegistry:
    """One source that is a registry. Implements `ports.Registry`."""

    def __init__(
        self,
        source: Source,
        client: Client,
        *,
        clock: Clock,
        own_keys: Sequence[Own] = (),
        limits: GatherLimits | None = None,
    ) -> None:
        self.source = source
        self.client = client
        self.own_keys = tuple(own_keys)
        self._clock = clock
        self._limits = limits
        self._no_api_until = 0.0
        self.publisher = Publisher(client=client, settings=source.publish, keys=self.own_keys, clock=clock)

    def head(self, repository: Repository, tag: str) -> Digest | None:
        """Return what the registry says that `tag` names."""
        return self.client.head_manifest(self.path(repository), tag)

    def resolve(self, repository: Repository, tag: str) -> Image:
        """Fetch what `tag` names."""
        return image_of(repository, self.client.get_manifest(self.path(repository), tag))

    def fetch(self, subject: Subject) -> Image:
        """Fetch the manifest or index that has the subject's digest."""
        return image_of(subject.repository, self.client.get_manifest(self.path(subject.repository), subject.digest))

    def gather(self, image: Image) -> Gathered:
        """Read all evidence beside `image`."""
        self.path(image.subject.repository)
        return gather(self.client, image, clock=self._clock, own_keys=self.own_keys, limits=self._limits)

    def evidence_fingerprint(self, subject: Subject, tags: frozenset[str] | None) -> str:
        """Return the fingerprint as it would be now: one request with the referrers API and a listing, else none.

        Without a listing, one HEAD for each of the three tags comes on top.
        """
        path, digest = self.path(subject.repository), subject.digest
        found = Listing()
        if self._clock.monotonic() >= self._no_api_until:
            listed = self.client.referrers(path, digest)
            if listed is None:
                self._no_api_until = self._clock.monotonic() + _API_ABSENCE_SECONDS
            else:
                found.referrers = tuple(d.digest for d in listed.descriptors)
        for tag in evidence_tags(digest):
            if tag in tags if tags is not None else self.client.has_manifest(path, tag):
                found.tags.add(tag)
        return fingerprint(found)

    def tags(self, repository: Repository, *, after: str | None) -> TagPage:
        """List tags, one bounded pass."""
        return self.client.tags(self.path(repository), after=after)

    def repositories(self) -> tuple[Repository, ...]:
        """Expand the source's repository patterns."""
        paths = listing.expand(self.source.repositories, self.client.catalog)
        return tuple(Repository(self.client.host, path) for path in paths)

    def publish(self, subject: Subject, envelope: bytes, layout: Layout, *, supersedes: tuple[str, ...]) -> Publication:
        """Attach a statement of ours."""
        self.path(subject.repository)
        return self.publisher.publish(subject, envelope, layout, supersedes=supersedes)

    def withdraw(self, subject: Subject, manifests: tuple[str, ...]) -> Publication:
        """Take our statements about `subject` away."""
        self.path(subject.repository)
        return self.publisher.withdraw(subject, manifests)

    def path(self, repository: Repository) -> str:
        """Return the path of a repository of this registry.

        Raises:
            BadInput: it is of another registry. Content is never taken from elsewhere because the digest is the same.
        """
        if repository.registry != self.client.host:
            raise BadInput(f"{repository} is not at {self.client.host}, the registry of {self.client.source_name}")
        return repository.path


def image_of(repository: Repository, manifest: Manifest) -> Image:
    """Return the subject that a manifest is, with the children of an index.

    Raises:
        MalformedEvidence: an index with entries that are no descriptors, or with too many: what is not known whole
            cannot be judged whole.
    """
    children: dict[Digest, None] = {}
    for entry in manifest.manifests() if manifest.is_index else ():
        descriptor = parse_descriptor(entry)
        if not _unrunnable(entry):
            children.setdefault(descriptor.digest)
    if len(children) > MAX_CHILDREN:
        raise MalformedEvidence(
            Reason.TOO_MUCH_EVIDENCE,
            f"index {manifest.digest} has {len(children)} children, at most {MAX_CHILDREN} are read",
        )
    return Image(
        subject=Subject(repository, manifest.digest),
        manifest=manifest.data,
        media_type=manifest.media_type,
        children=tuple(children),
        refers_to=manifest.subject,
    )


def _unrunnable(entry: object) -> bool:
    """Say whether a platform is unknown/unknown: BuildKit's attestation manifests, nothing that a node could run."""
    platform = entry.get("platform") if isinstance(entry, dict) else None
    return isinstance(platform, dict) and platform.get("os") == platform.get("architecture") == "unknown"
