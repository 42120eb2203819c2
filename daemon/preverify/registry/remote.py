"""A registry over the network, as the core sees it."""

from collections.abc import Sequence
from typing import BinaryIO

from preverify.attest.identity import Own
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.evidence import Gathered, Image
from preverify.model.needs import Need
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reference import Repository, Subject
from preverify.ports import Clock, Layout, Publication, TagPage
from preverify.registry import listing
from preverify.registry.client import Client
from preverify.registry.fingerprint import Listing, evidence_tags, fingerprint
from preverify.registry.gather import GatherLimits, gather
from preverify.registry.images import image_of
from preverify.registry.publishing import Publisher
from preverify.settings import Source

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

    def gather(
        self, image: Image, *, platforms: Platforms = THE_INDEX, needs: frozenset[Need] = frozenset()
    ) -> Gathered:
        """Read all evidence beside `image`, and beside the children that `platforms` are about."""
        self.path(image.subject.repository)
        return gather(
            self.client,
            image,
            clock=self._clock,
            own_keys=self.own_keys,
            limits=self._limits,
            platforms=platforms,
            needs=needs,
        )

    def copy_blob(self, repository: Repository, digest: Digest, *, size: int, into: BinaryIO) -> None:
        """Write a blob of any size to a file."""
        self.client.copy_blob(self.path(repository), digest, size=size, into=into)

    def evidence_fingerprint(
        self, subject: Subject, tags: frozenset[str] | None, children: Sequence[Digest] = ()
    ) -> str:
        """Return the fingerprint as it would be now: one request with the referrers API and a listing, else none.

        Without a listing, one HEAD for each of the three tags comes on top; each child costs the same again.
        """
        path = self.path(subject.repository)
        own = self._listing(path, subject.digest, tags)
        return fingerprint(own, {child: self._listing(path, child, tags) for child in children})

    def _listing(self, path: str, digest: Digest, tags: frozenset[str] | None) -> Listing:
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
        return found

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
