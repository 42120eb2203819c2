"""Roots that are built in or come by TUF: what is trusted of them now, and how it is kept fresh."""

import fcntl
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from preverify.model.errors import BadConfiguration, Unavailable
from preverify.model.reasons import Reason
from preverify.policy.trust_documents import RootRequest
from preverify.policy.wire import NAME
from preverify.ports import Clock
from preverify.settings import Trust as TrustSettings
from preverify.trust import record
from preverify.trust.embedded import completed, embedded
from preverify.trust.record import Record

Get = Callable[[str, int], tuple[int, bytes]]
"""Gets a URL: its status and at most so many bytes, in bounded time. No redirects, no credentials, no proxies.

Raises `Unavailable` where nobody answers, `MalformedEvidence` where the answer is longer.
"""
RETRY = timedelta(hours=1)


class Result(StrEnum):
    """What became of a refresh."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"  # the repository says what must not be trusted; what was trusted before goes on
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """One root that was looked at."""

    name: str
    result: Result
    detail: str = ""


class Roots:
    """The roots of one state directory.

    Args:
        settings: The section `trust`.
        directory: `<state>/trust`; nothing else writes there.
        clock: For when a root was fetched last. Expiry of metadata is judged by the TUF client.
        get: How files are fetched.
    """

    def __init__(self, settings: TrustSettings, directory: Path, clock: Clock, get: Get) -> None:
        self._settings = settings
        self._directory = directory
        self._clock = clock
        self._get = get

    def read(self, request: RootRequest) -> bytes:
        """Return a root's trusted_root.json: as verified last, else the copy that is built in, else fetched now.

        Raises:
            BadConfiguration: what was kept of it is damaged.
            Unavailable: it was never fetched, and cannot be now.
        """
        kept = self.kept(request)
        if kept is not None:
            return kept.target
        if not request.url:
            return embedded(request.name).target
        if self._settings.offline:
            detail = (
                f"root {request.name!r} was never fetched and trust.offline is set: preverify trust import brings it"
            )
            raise Unavailable(detail, reason=Reason.TRUST_UNAVAILABLE)
        outcome = self._refresh(request)
        kept = self.kept(request)
        if kept is None:
            raise Unavailable(f"root {request.name!r}: {outcome.detail}", reason=Reason.TRUST_UNAVAILABLE)
        return kept.target

    def kept(self, request: RootRequest) -> Record | None:
        """Return what was verified last of a root; None where it was never fetched or imported."""
        return record.read(self.place(request) / "current.json")

    def kept_or_none(self, request: RootRequest) -> Record | None:
        """Return what was verified last of a root; None also where that is damaged: then it is written anew."""
        try:
            return self.kept(request)
        except BadConfiguration:
            return None

    def refresh(self, requests: Iterable[RootRequest]) -> tuple[Refreshed, ...]:
        """Look at every repository. A root that cannot be refreshed stays as it was. Offline: none is looked at."""
        if self._settings.offline:
            return ()
        return tuple(self._refresh(request) for request in requests)

    def refresh_due(self, requests: Iterable[RootRequest]) -> tuple[Refreshed, ...]:
        """Refresh the roots whose last look that succeeded is older than `trust.refresh`. Call it every `pause`."""
        return self.refresh(request for request in requests if self._is_due(request))

    @property
    def pause(self) -> timedelta:
        """Return how long to wait between two calls of `refresh_due`."""
        tenth: timedelta = self._settings.refresh / 10
        return min(tenth, RETRY)

    def place(self, request: RootRequest) -> Path:
        """Return the directory of a root: another address or another first root metadata is another directory."""
        if NAME.fullmatch(request.name) is None:
            raise BadConfiguration(f"{request.name[:80]!r} is not the name of a root")
        whole = completed(request)
        # The first metadata of a built-in root grows newer with the package; its repository stays the same.
        starts = whole.root if request.url else b""
        identity = hashlib.sha256(whole.url.encode() + b"\n" + starts).hexdigest()
        return self._directory / request.name / identity[:16]

    @contextmanager
    def locked(self, request: RootRequest) -> Iterator[Path]:
        """Hold a root's directory: its metadata has one writer at a time."""
        place = self.place(request)
        try:
            place.mkdir(parents=True, exist_ok=True)
            lock = (place / "lock").open("w")
        except OSError as error:
            detail = f"{place}: cannot be written ({error.strerror})"
            raise Unavailable(detail, reason=Reason.TRUST_UNAVAILABLE) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield place

    def _is_due(self, request: RootRequest) -> bool:
        kept = self.kept_or_none(request)
        return kept is None or kept.fetched_at + self._settings.refresh <= self._clock.now()

    def _refresh(self, request: RootRequest) -> Refreshed:
        # Imported here: a daemon whose policies name keys only never loads a TUF client.
        from preverify.trust.fetching import Fetcher
        from preverify.trust.tuf_client import Untrusted, look

        try:
            with self.locked(request) as place:
                last = self.kept_or_none(request)
                before = None if last is None else last.target
                found = look(completed(request), place / "tuf", Fetcher(self._get), before)
                kept = Record(
                    target=found.target,
                    fetched_at=self._clock.now(),
                    expires=found.expires,
                    versions=found.versions,
                )
                record.write(place / "current.json", kept)
        except Untrusted as error:
            return Refreshed(name=request.name, result=Result.REFUSED, detail=str(error))
        except (Unavailable, OSError) as error:
            return Refreshed(name=request.name, result=Result.UNAVAILABLE, detail=str(error))
        changed = found.target != (before if before is not None or request.url else embedded(request.name).target)
        return Refreshed(name=request.name, result=Result.CHANGED if changed else Result.UNCHANGED)
