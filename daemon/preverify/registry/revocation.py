"""Fetching what certificates say about their revocation. The addresses are other people's words and judged as such."""

import threading
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from preverify.model.errors import BadInput, MalformedEvidence, Unavailable
from preverify.model.evidence import Evidence, Unobtained
from preverify.model.reasons import Reason
from preverify.model.revocation import RevocationKind, Wanted
from preverify.ports import Clock
from preverify.registry.addresses import Reach
from preverify.registry.engine import Engine, Timeouts
from preverify.registry.revocation_cache import CacheLimits, RevocationCache
from preverify.registry.urls import Url

_MAX_FAILURES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What asking may cost. Other than the defaults in tests only."""

    ocsp_total: timedelta = timedelta(seconds=2)
    ocsp_bytes: int = 64 << 10
    crl_total: timedelta = timedelta(seconds=5)
    crl_bytes: int = 10 << 20
    deadline: timedelta = timedelta(seconds=30)
    """For all questions of one call."""
    pause: timedelta = timedelta(seconds=30)
    """How long an address that did not answer is left alone."""
    cache: CacheLimits = field(default_factory=CacheLimits)


class RevocationFetcher:
    """Implements `ports.Revocations` over plain HTTP: no redirects, no proxies, no credentials."""

    def __init__(
        self, *, clock: Clock, directory: Path | None, reach: Reach = Reach.PUBLIC, limits: FetchLimits | None = None
    ) -> None:
        self._clock = clock
        self._reach = reach
        self._limits = limits = limits or FetchLimits()
        self._engines = {
            RevocationKind.OCSP: _engine(limits.ocsp_total),
            RevocationKind.CRL: _engine(limits.crl_total),
        }
        self._cache = RevocationCache(clock, directory, limits.cache)
        self._failed: dict[str, tuple[float, Unobtained]] = {}
        self._lock = threading.Lock()

    def fetch(self, wanted: Sequence[Wanted]) -> tuple[tuple[Evidence, ...], tuple[Unobtained, ...]]:
        """Ask each question, from the cache as long as its answers are fresh. Never raises for what is not there."""
        found: list[Evidence] = []
        missing: list[Unobtained] = []
        until = self._clock.monotonic() + self._limits.deadline.total_seconds()
        for question in dict.fromkeys(wanted):
            body = self._cache.find(question)
            answer = question.answered(body) if body is not None else self._ask(question, until)
            if isinstance(answer, Evidence):
                found.append(answer)
            else:
                missing.append(answer)
        return tuple(found), tuple(missing)

    def _ask(self, question: Wanted, until: float) -> Evidence | Unobtained:
        now = self._clock.monotonic()
        if now > until:
            seconds = self._limits.deadline.total_seconds()
            return _missing(question, f"not asked within {seconds:.0f} s for all questions", Reason.DEADLINE)
        with self._lock:
            again, failure = self._failed.get(question.url, (0.0, None))
        if failure is not None and now < again:
            return failure
        try:
            body = self._request(question)
        except (BadInput, MalformedEvidence, Unavailable) as error:
            return self._remember(_missing(question, str(error)), now)
        self._cache.keep(question, body)
        return question.answered(body)

    def _request(self, question: Wanted) -> bytes:
        url, limits = str(Url.parse(question.url)), self._limits
        if not url.startswith("http://"):
            raise BadInput(f"{url[:120]} is not plain HTTP")
        most = limits.crl_bytes
        if question.kind is RevocationKind.OCSP:
            url, most = _with_request(url, question.request), limits.ocsp_bytes
        headers = (f"Accept: {question.kind.value}",)
        response = self._engines[question.kind].request("GET", url, headers, max_bytes=most, reach=self._reach)
        if response.status_code != 200:
            raise Unavailable(f"{url[:200]} answered {response.status_code}")
        return response.content

    def _remember(self, failure: Unobtained, now: float) -> Unobtained:
        with self._lock:
            if len(self._failed) >= _MAX_FAILURES:
                self._failed.clear()
            self._failed[failure.what] = (now + self._limits.pause.total_seconds(), failure)
        return failure


def _with_request(url: str, request: bytes) -> str:
    """Return the address of an OCSP answer. Requests of ours are always short enough for an address.

    Spec:
        RFC 6960, appendix A.1; RFC 5019, section 5.

    Raises:
        BadInput: an address with a query, to which no path can be added.
    """
    if "?" in url:
        raise BadInput(f"{url[:120]} has a query, no OCSP request can be added")
    return f"{url.rstrip('/')}/{quote(b64encode(request), safe='')}"


def _missing(question: Wanted, detail: str, reason: Reason = Reason.TRUST_UNAVAILABLE) -> Unobtained:
    return Unobtained(what=question.url, reason=reason, detail=detail)


def _engine(total: timedelta) -> Engine:
    return Engine(
        timeouts=Timeouts(connect=total, idle=total, total=total),
        not_allowed="from which no revocation data is fetched",
    )
