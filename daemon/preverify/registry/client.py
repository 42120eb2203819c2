"""The registry client: `oras` with everything that a hostile registry could use taken out or checked."""

import hashlib
import re
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import BinaryIO, NoReturn
from urllib.parse import quote, urlencode

import oras.auth.base
import oras.container
import oras.provider

from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, NotFound, Unavailable
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, is_repository_path, is_tag, registry_host
from preverify.ports import Clock, Observer, TagPage
from preverify.registry import credentials
from preverify.registry.addresses import Reach
from preverify.registry.auth import MAX_TOKEN_ANSWER, Authorizer, Scope
from preverify.registry.budget import MAX_RETRY_AFTER, Budget
from preverify.registry.engine import Engine, Response, Timeouts, Write
from preverify.registry.manifests import (
    ACCEPT,
    MAX_MANIFEST,
    OCI_INDEX,
    Descriptor,
    Manifest,
    Referrers,
    parse_manifest,
    read_descriptors,
)
from preverify.registry.refusals import Conflict, Refused
from preverify.registry.urls import Url
from preverify.settings import Source

_API_HOSTS = {"docker.io": "registry-1.docker.io"}
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next"?', re.IGNORECASE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_REFERRERS_API = frozenset({400, 404, 405, 406, 501})
_NOT_DELETED = frozenset({400, 401, 403, 405, 409, 415, 500, 501})
_MAX_SMALL_ANSWER = 64 * 1024
_ACCEPT_MANIFEST = (f"Accept: {ACCEPT}",)
_ACCEPT_INDEX = (f"Accept: {OCI_INDEX}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What we read from one registry at most. Sizes in bytes."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    redirects: int = 3
    referrers: int = 500
    referrer_pages: int = 20
    tags: int = 10_000
    tag_pages: int = 1_000
    page_size: int = 1_000
    listing_bytes: int = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PutResult:
    """What became of a manifest PUT. `oci_subject` is set where the registry itself maintains its referrers."""

    digest: Digest
    oci_subject: str | None
    etag: str | None


class _NoAuth(oras.auth.base.AuthBackend):  # type: ignore[misc]  # oras has no types
    """Takes the place of oras's authentication, which shares one token among repositories and reads ~/.docker."""

    def load_configs(self, *_: object, **__: object) -> None:
        """Read nothing: credentials come from the source's settings only."""


class Client(oras.provider.Registry):  # type: ignore[misc]  # oras has no types
    """One registry of one source. Thread-safe; every thread has its own connections.

    Repository paths and references are checked against the grammar before they reach a URL. Everything returned was
    hashed by us against the digest that named it.
    """

    def __init__(
        self,
        source_name: str,
        source: Source,
        *,
        clock: Clock,
        limits: Limits | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.source_name = source_name
        self.source = source
        self.limits = limits or Limits()
        self.host = registry_host(source.registry)
        scheme = "http" if source.tls.plain_http else "https"
        super().__init__(hostname=self.host, insecure=source.tls.plain_http)
        self.session.close()
        self.auth = _NoAuth()
        self.base = Url.parse(f"{scheme}://{_API_HOSTS.get(self.host, self.host)}/v2/")
        self._prefix = str(self.base)
        self._reach = Reach.PRIVATE if source.network == "private" else Reach.PUBLIC
        self._extra = tuple(host.lower() for host in source.extra_hosts)
        self._clock = clock
        self._observer = observer
        self._budget = Budget(source.budget, clock)
        self._engine = Engine(timeouts=self.limits.timeouts, ca_file=source.tls.ca_file)
        self._authorizer = Authorizer(
            self.base,
            lambda: credentials.load(source.credentials, self.host),
            clock=clock,
            extra_hosts=self._extra,
            ask=self._ask_realm,
        )
        self._counts = threading.local()

    @property
    def requests(self) -> int:
        """Return how many requests the calling thread has sent, for differences around one piece of work."""
        return int(getattr(self._counts, "requests", 0))

    # --- reading ------------------------------------------------------------------------------------------------------

    def get_manifest(self, path: str, reference: str | Digest) -> Manifest:
        """Fetch a manifest or index by tag or digest.

        Raises:
            NotFound: 404.
            MalformedEvidence: `digest-mismatch` where the bytes do not have the digest that named them (for a tag, the
                digest that the registry claims), or what `parse_manifest` refuses.
            Unavailable: everything else that is no answer.
        """
        name = _reference(reference)
        answer = self._ask("GET", self._url(path, "manifests", name), _pull(path), _ACCEPT_MANIFEST, cap=MAX_MANIFEST)
        self._expect(answer, 200, f"manifest {path}:{name}")
        if isinstance(reference, Digest):
            digest = reference
            if not digest.names(answer.content):
                raise MalformedEvidence(
                    Reason.DIGEST_MISMATCH, f"{path}@{digest}: the registry served {Digest.of(answer.content)} instead"
                )
        else:
            digest = Digest.of(answer.content)
            _check_claim(answer, f"{path}:{name}")
        return parse_manifest(answer.content, answer.headers.get("content-type") or "", digest, etag=_etag(answer))

    def head_manifest(self, path: str, reference: str | Digest) -> Digest | None:
        """Return the digest that the registry claims for `reference`: a hint. None where it has no such manifest."""
        name = _reference(reference)
        answer = self._ask("HEAD", self._url(path, "manifests", name), _pull(path), _ACCEPT_MANIFEST, cap=0)
        if answer.status_code == 404:
            return None
        if answer.status_code not in (200, 405):
            self._expect(answer, 200, f"manifest {path}:{name}")
        try:
            return Digest.parse(answer.headers.get("docker-content-digest") or "")
        except BadInput:
            pass
        try:
            return self.get_manifest(path, reference).digest
        except NotFound:
            return None

    def has_manifest(self, path: str, reference: str | Digest) -> bool:
        """Say whether the registry claims to have a manifest: one HEAD, nothing is read."""
        name = _reference(reference)
        answer = self._ask("HEAD", self._url(path, "manifests", name), _pull(path), _ACCEPT_MANIFEST, cap=0)
        if answer.status_code == 404:
            return False
        self._expect(answer, 200, f"manifest {path}:{name}")
        return True

    def get_blob(self, path: str, digest: Digest, *, size: int | None, max_bytes: int) -> bytes:
        """Fetch a blob whole.

        Args:
            path: Repository.
            digest: What a hashed manifest names.
            size: What its descriptor says; None where no descriptor is there.
            max_bytes: Larger blobs are refused, by their declared size already.

        Raises:
            MalformedEvidence: `too-large`, or `digest-mismatch` where bytes or length are not as named.
        """
        if size is not None and size > max_bytes:
            raise MalformedEvidence(Reason.TOO_LARGE, f"blob {digest} has {size} bytes, at most {max_bytes} are read")
        cap = max_bytes if size is None else size
        url = self._url(path, "blobs", str(digest))
        try:
            answer = self._ask("GET", url, _pull(path), (), cap=max(cap, _MAX_SMALL_ANSWER), redirects=True)
        except MalformedEvidence as error:
            if size is not None and error.reason is Reason.TOO_LARGE:
                raise MalformedEvidence(
                    Reason.DIGEST_MISMATCH, f"blob {digest} is longer than its {size} bytes"
                ) from error
            raise
        self._expect(answer, 200, f"blob {path}@{digest}")
        data = answer.content
        if len(data) > max_bytes:
            raise MalformedEvidence(Reason.TOO_LARGE, f"blob {digest} has more than {max_bytes} bytes")
        if not digest.names(data):
            raise MalformedEvidence(
                Reason.DIGEST_MISMATCH,
                f"blob {path}@{digest}: the registry served {Digest.of(data)} ({len(data)} bytes)",
            )
        if size is not None and len(data) != size:
            raise MalformedEvidence(
                Reason.DIGEST_MISMATCH, f"blob {digest} has {len(data)} bytes, its descriptor says {size}"
            )
        return data

    def referrers(self, path: str, digest: Digest) -> Referrers | None:
        """List the manifests that name `digest` as their subject; None where the registry has no referrers API.

        Entries that are no descriptors are left out: nothing listed is believed before its manifest was fetched.

        Raises:
            MalformedEvidence: the answer is not an image index.
        """
        url: Url | None = self._url(path, "referrers", str(digest))
        found: list[Descriptor] = []
        seen: set[str] = set()
        while url is not None:
            answer = self._ask("GET", url, _pull(path), _ACCEPT_INDEX, cap=MAX_MANIFEST)
            if not seen and answer.status_code in _NO_REFERRERS_API:
                return None
            self._expect(answer, 200, f"referrers of {path}@{digest}")
            if not seen and OCI_INDEX not in (answer.headers.get("content-type") or ""):
                return None  # some front ends answer unknown paths with a page of their own
            seen.add(str(url))
            page = parse_manifest(answer.content, OCI_INDEX, Digest.of(answer.content))
            so_far = read_descriptors((*found, *page.manifests()), limit=self.limits.referrers)
            found = list(so_far.descriptors)
            url, stopped = self._next(answer, url, seen, self.limits.referrer_pages)
            if stopped or so_far.truncated:
                return Referrers(descriptors=so_far.descriptors, truncated=True)
        return Referrers(descriptors=tuple(found))

    def tags(self, path: str, *, after: str | None = None, limit: int | None = None) -> TagPage:
        """List tags in one pass of at most `limit`, from after `after`. A missing repository raises NotFound."""
        limit = self.limits.tags if limit is None else limit
        items, truncated = self._list(self._url(path, "tags", "list"), "tags", _pull(path), after, limit)
        tags = tuple(tag for tag in items if is_tag(tag))
        return TagPage(tags=tags, next_after=tags[-1] if truncated and tags else None, truncated=truncated)

    def catalog(self, limit: int | None = None) -> tuple[tuple[str, ...], bool]:
        """List repository paths, and say whether a cap stopped the pass."""
        limit = self.limits.tags if limit is None else limit
        url = Url.parse(f"{self._prefix}_catalog")
        items, truncated = self._list(url, "repositories", Scope("", "*"), None, limit)
        return tuple(item for item in items if is_repository_path(item)), truncated

    def _list(self, url: Url, key: str, scope: Scope, after: str | None, limit: int) -> tuple[list[str], bool]:
        """Follow a listing; says whether something was left unread.

        A page shorter than asked is not the end where a Link stands. A full page without a Link may not be the end
        either (some registries cut and do not say so): asking once more after its last item tells. Registries that know
        neither `n` nor `last` send everything at once. A page that brings nothing new is the end, whatever it links to.
        """
        size = min(self.limits.page_size, limit + 1)
        following: Url | None = _page_url(url, size, after)
        seen: set[str] = set()
        found: dict[str, None] = {}
        while following is not None:
            answer = self._ask("GET", following, scope, (), cap=self.limits.listing_bytes)
            self._expect(answer, 200, f"listing {url.path}")
            seen.add(str(following))
            items = _names(answer, key, url)
            if after in items:
                items = items[items.index(after) + 1 :]
            before = len(found)
            for item in items:
                if len(found) >= limit and item not in found:
                    return list(found), True
                found.setdefault(item)
            following, stopped = self._next(answer, following, seen, self.limits.tag_pages)
            new = len(found) > before
            if stopped or (following is not None and not new):
                return list(found), True
            if following is None and new and len(items) == size and len(seen) < self.limits.tag_pages:
                following = _page_url(url, size, items[-1])
        return list(found), False

    def _next(self, answer: Response, url: Url, seen: set[str], pages: int) -> tuple[Url | None, bool]:
        """Return the next page's URL; True where there is one that we do not follow (cap, loop, another host)."""
        match = _NEXT.search(answer.headers.get("link") or "")
        if match is None:
            return None, False
        try:
            following = Url.parse(match[1], base=url)
        except BadInput:
            return None, True
        if following.origin != self.base.origin or str(following) in seen or len(seen) >= pages:
            return None, True
        return following, False

    # --- writing ------------------------------------------------------------------------------------------------------

    def put_blob(self, path: str, data: bytes, *, look: bool = True) -> Digest:
        """Store a blob unless it is there already (not asked without `look`); returns its digest."""
        digest = Digest.of(data)
        scope = _push(path)
        what = f"blob {path}@{digest}"
        if look:
            head = self._ask("HEAD", self._url(path, "blobs", str(digest)), scope, (), cap=0)
            if head.status_code == 200:
                return digest
        start = self._ask("POST", self._url(path, "blobs", "uploads/"), scope, (), cap=_MAX_SMALL_ANSWER, body=b"")
        self._expect(start, 202, f"upload of {what}")
        try:
            location = Url.parse(start.headers.get("location") or "", base=self._url(path, "blobs", "uploads/"))
        except BadInput as error:
            raise Unavailable(f"upload of {what}: no usable Location: {error}") from error
        if location.origin != self.base.origin:
            raise Unavailable(
                f"upload of {what} is sent to {location.scheme}://{location.authority}, to which nothing of ours goes",
                reason=Reason.REGISTRY_REFUSED,
            )
        target = location.with_query(urlencode({"digest": str(digest)}))
        headers = ("Content-Type: application/octet-stream",)
        self._expect(
            self._ask("PUT", target, scope, headers, cap=_MAX_SMALL_ANSWER, body=data), 201, f"upload of {what}"
        )
        return digest

    def put_manifest(
        self, path: str, reference: str | Digest, data: bytes, media_type: str, *, if_match: str | None = None
    ) -> PutResult:
        """Store exactly these bytes as a manifest or index under a tag or their digest.

        Raises:
            Conflict: `if_match` was given and something else stands there by now.
            Refused: the registry does not take it (immutable tag, no permission).
        """
        name = _reference(reference)
        digest = Digest.of(data, reference.algorithm if isinstance(reference, Digest) else "sha256")
        if isinstance(reference, Digest) and digest != reference:
            raise BadInput(f"the manifest has {digest}, not {reference}")
        headers = [f"Content-Type: {media_type}"]
        if if_match is not None:
            headers.append(f"If-Match: {if_match}")
        url = self._url(path, "manifests", name)
        answer = self._ask("PUT", url, _push(path), tuple(headers), cap=_MAX_SMALL_ANSWER, body=data)
        self._expect(answer, 201, f"manifest {path}:{name}")
        return PutResult(digest=digest, oci_subject=answer.headers.get("oci-subject"), etag=_etag(answer))

    def delete_manifest(self, path: str, digest: Digest) -> bool:
        """Delete a manifest; True when it is gone, False where the registry refuses to delete."""
        url = self._url(path, "manifests", str(digest))
        try:
            answer = self._ask("DELETE", url, Scope(path, "delete"), (), cap=_MAX_SMALL_ANSWER)
        except Refused:
            return False
        if answer.status_code in _NOT_DELETED:
            return False
        if answer.status_code == 404:  # no such manifest, or no such method: a look at the manifest tells
            return self.head_manifest(path, digest) is None
        if answer.status_code not in (200, 202, 204):
            self._expect(answer, 202, f"deletion of {path}@{digest}")
        return True

    # --- hooks of oras ------------------------------------------------------------------------------------------------

    def do_request(  # every inherited method funnels through here
        self,
        url: str,
        method: str = "GET",
        data: bytes | dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        json: dict[str, object] | None = None,
        stream: bool = False,  # noqa: ARG002  # the signature is oras's; bodies are bounded anyway
    ) -> Response:
        """Send one request of an inherited method: to this registry only, one try, bounded, with our credentials."""
        target = Url.parse(url)
        if target.origin != self.base.origin or not target.path.startswith("/v2/"):
            raise BadInput(f"{target} is not at the registry {self.base.authority} of source {self.source_name}")
        if json is not None or isinstance(data, dict):
            raise BadInput("send the exact bytes of a manifest, not an object")
        path = re.split(r"/(?:manifests|blobs|tags|referrers)/", target.path[4:])[0]
        actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(method, "pull,push")
        lines = tuple(f"{name}: {value}" for name, value in (headers or {}).items() if name.lower() != "authorization")
        return self._ask(method, target, Scope(path, actions), lines, cap=MAX_MANIFEST, body=data)

    def get_container(self, name: object) -> oras.container.Container:
        """Read a reference by our grammar; it must be at this registry.

        Raises:
            BadInput: another form or another registry.
        """
        text = name.uri if isinstance(name, oras.container.Container) else str(name)
        reference = Reference.parse(text)
        if reference.repository.registry != self.host:
            raise BadInput(f"{text[:120]!r} is at {reference.repository.registry}, this source is {self.host}")
        container = oras.container.Container(str(reference), registry=self.host)
        container.registry = self.base.authority
        return container

    def get_tags(self, container: object, N: int | None = None) -> list[str]:  # noqa: N803  # oras's name
        """Return at most `N` tags (or the configured cap); the inherited method follows links without end."""
        uri = self.get_container(container)
        return list(self.tags(uri.api_prefix, limit=N).tags)

    # --- one request --------------------------------------------------------------------------------------------------

    def copy_blob(self, path: str, digest: Digest, *, size: int, into: BinaryIO) -> None:
        """Write a blob of any size to a file, hashing it on the way. Where this raises, a part may have been written.

        Raises:
            MalformedEvidence: `digest-mismatch` where bytes or length are not as named.
        """
        seen, length = hashlib.new(digest.algorithm), 0

        def keep(chunk: bytes) -> None:
            nonlocal length
            seen.update(chunk)
            length += len(chunk)
            into.write(chunk)

        url = self._url(path, "blobs", str(digest))
        try:
            answer = self._ask("GET", url, _pull(path), (), cap=max(size, _MAX_SMALL_ANSWER), redirects=True, into=keep)
        except MalformedEvidence as error:
            raise MalformedEvidence(Reason.DIGEST_MISMATCH, f"blob {digest} is longer than its {size} bytes") from error
        self._expect(answer, 200, f"blob {path}@{digest}")
        if seen.hexdigest() != digest.hex or length != size:
            raise MalformedEvidence(
                Reason.DIGEST_MISMATCH,
                f"blob {path}@{digest}: the registry served {seen.name}:{seen.hexdigest()} ({length} bytes), its "
                f"descriptor says {size}",
            )

    def _url(self, path: str, kind: str, rest: str) -> Url:
        if not is_repository_path(path):
            raise BadInput(f"{path[:120]!r} is not a repository name")
        return Url(self.base.scheme, self.base.authority, f"/v2/{path}/{kind}/{rest}")

    def _ask(
        self,
        method: str,
        url: Url,
        scope: Scope,
        headers: tuple[str, ...],
        *,
        cap: int,
        body: bytes | None = None,
        redirects: bool = False,
        into: Write | None = None,
    ) -> Response:
        """Send one request to the registry itself, authenticate at most twice, follow what may be followed."""
        header = self._authorizer.header(scope)
        answer = self._send(method, url, headers, header, cap=cap, body=body, into=into)
        if answer.status_code == 401:
            challenge = answer.headers.get("www-authenticate") or ""
            fresh = self._authorizer.answer(challenge, scope, refused=header)
            if fresh is not None:
                header = fresh
                answer = self._send(method, url, headers, fresh, cap=cap, body=body, into=into)
        if answer.status_code in _REDIRECTS:
            answer = self._redirected(method, url, answer, headers, header, cap=cap, elsewhere=redirects, into=into)
        if answer.status_code in (401, 403) and method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            code = _error_code(answer)
            raise Refused(
                f"{self.base.authority} refused {method} {url.path} with {answer.status_code} {code}".rstrip(),
                status=answer.status_code,
                code=code,
            )
        return answer

    def _redirected(
        self,
        method: str,
        url: Url,
        answer: Response,
        headers: tuple[str, ...],
        header: str | None,
        *,
        cap: int,
        elsewhere: bool,
        into: Write | None,
    ) -> Response:
        """Follow redirects of GET and HEAD; to other hosts only for blobs, and then without any credential."""
        for _ in range(self.limits.redirects):
            if answer.status_code not in _REDIRECTS:
                return answer
            try:
                target = Url.parse(answer.headers.get("location") or "", base=url)
            except BadInput as error:
                raise Unavailable(f"{url.path} is redirected nowhere usable: {error}") from error
            same = target.origin == self.base.origin
            if method not in ("GET", "HEAD") or (not same and not elsewhere):
                self._refuse_redirect(url, target, "only blobs may be fetched from elsewhere")
            if url.scheme == "https" and target.scheme != "https":
                self._refuse_redirect(url, target, "https is never left for http")
            if not same:
                header = None
            answer = self._send(method, target, headers, header, cap=cap, body=None, into=into)
            url = target
        if answer.status_code in _REDIRECTS:
            raise Unavailable(f"{url.path} is redirected more than {self.limits.redirects} times")
        return answer

    def _refuse_redirect(self, url: Url, target: Url, why: str) -> NoReturn:
        raise Unavailable(
            f"{url.path} is redirected to {target.scheme}://{target.authority}: {why}", reason=Reason.REGISTRY_REFUSED
        )

    def _send(
        self,
        method: str,
        url: Url,
        headers: tuple[str, ...],
        header: str | None,
        *,
        cap: int,
        body: bytes | None,
        into: Write | None = None,
    ) -> Response:
        lines = headers if header is None else (*headers, f"Authorization: {header}")
        with self._budget.request(f"{method} {url.path}"):
            self._counts.requests = self.requests + 1
            answer = self._observed(method, url, lines, cap=cap, body=body, into=into)
        status = answer.status_code
        if status == 429 or status >= 500:
            self._raise_busy(answer, f"{method} {url.path}", method)
        return answer

    def _observed(
        self, method: str, url: Url, lines: tuple[str, ...], *, cap: int, body: bytes | None, into: Write | None
    ) -> Response:
        """Send one request and count it, by status code or as an error."""
        reach, text = self._reach_of(url.authority), str(url)
        if self._observer is None:
            return self._engine.request(method, text, lines, body=body, max_bytes=cap, reach=reach, into=into)
        code = "error"
        try:
            with self._observer.time("registry_request_seconds", source=self.source_name):
                answer = self._engine.request(method, text, lines, body=body, max_bytes=cap, reach=reach, into=into)
            code = str(answer.status_code)
            return answer
        finally:
            self._observer.count("registry_requests_total", source=self.source_name, code=code)

    def _raise_busy(self, answer: Response, what: str, method: str) -> None:
        status, after = answer.status_code, _retry_after(answer, self._clock)
        if after is not None and status in (429, 503):
            self._budget.silence(after)
        if status == 501 or (status == 500 and method == "DELETE"):
            return  # "not implemented", and how some registries say that they do not delete
        raise Unavailable(f"{what} answered {status}", retry_after=after)

    def _reach_of(self, authority: str) -> Reach:
        """Say how far a connection to `authority` may go: a function of the host alone, so connections can be kept."""
        if authority == self.base.authority:
            return self._reach
        return Reach.PRIVATE if authority in self._extra else Reach.PUBLIC

    def _ask_realm(self, method: str, url: Url, headers: tuple[str, ...], body: bytes | None) -> Response:
        return self._send(method, url, headers, None, cap=MAX_TOKEN_ANSWER, body=body)

    def _expect(self, answer: Response, status: int, what: str) -> None:
        """Raise unless the answer has `status` (for 201 and 202 any success will do)."""
        seen = answer.status_code
        if seen == status or (status in (201, 202) and 200 <= seen < 300):
            return
        if seen == 404:
            raise NotFound(f"{what}: not found at {self.base.authority}")
        code = _error_code(answer)
        if seen == 412:
            raise Conflict(f"{what}: changed by somebody else meanwhile", status=seen, code=code)
        if 400 <= seen < 500:
            raise Refused(f"{what}: refused with {seen} {code}".rstrip(), status=seen, code=code)
        raise Unavailable(f"{what}: answered {seen}, expected {status}")


def _pull(path: str) -> Scope:
    return Scope(path, "pull")


def _push(path: str) -> Scope:
    return Scope(path, "pull,push")


def _reference(reference: str | Digest) -> str:
    if isinstance(reference, str) and not is_tag(reference):
        raise BadInput(f"{reference[:140]!r} is not a tag")
    return quote(str(reference), safe=":._-")


def _etag(answer: Response) -> str | None:
    """Return the ETag where it can be sent back as it is."""
    etag = answer.headers.get("etag")
    return etag if etag is not None and etag.isascii() and etag.isprintable() else None


def _check_claim(answer: Response, what: str) -> None:
    """Refuse a body for which the registry itself claims another digest, where we know the algorithm."""
    claim = answer.headers.get("docker-content-digest")
    if claim is None or claim.partition(":")[0] not in ("sha256", "sha512"):
        return
    try:
        agrees = Digest.parse(claim).names(answer.content)
    except BadInput as error:
        raise MalformedEvidence(
            Reason.DIGEST_MISMATCH, f"{what}: the registry claims an unusable digest: {error}"
        ) from error
    if not agrees:
        raise MalformedEvidence(
            Reason.DIGEST_MISMATCH,
            f"{what}: the registry claims {claim} for bytes that have {Digest.of(answer.content)}",
        )


def _page_url(url: Url, size: int, after: str | None) -> Url:
    return url.with_query(urlencode({"n": str(size)} | ({"last": after} if after is not None else {})))


def _names(answer: Response, key: str, url: Url) -> list[str]:
    document = strict_json.parse(answer.content, max_bytes=max(len(answer.content), 1))
    items = document.get(key) if isinstance(document, dict) else None
    if items is None and isinstance(document, dict) and key in document:
        return []  # an empty listing may be null
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise MalformedEvidence(Reason.PAYLOAD_MALFORMED, f"{url.path}: the answer has no list {key!r} of texts")
    return items


def _error_code(answer: Response) -> str:
    """Return the registry's own error code, for people; nothing is decided by it here."""
    try:
        document = answer.json()
        code = document["errors"][0]["code"]  # type: ignore[index]  # anything unexpected is caught below
    except (JSONDecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return ""
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z_ ]{1,64}", code) else ""


def _retry_after(answer: Response, clock: Clock) -> timedelta | None:
    """Read `Retry-After` in either form, at most a quarter of an hour."""
    text = (answer.headers.get("retry-after") or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
        left = at - clock.now()
    except (TypeError, ValueError):
        return None
    return max(timedelta(0), min(left, MAX_RETRY_AFTER))


__all__ = ["Client", "Conflict", "Limits", "PutResult", "Refused"]
