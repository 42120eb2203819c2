"""`POST /hooks/<source>`: authenticate, read, remember, acknowledge. Nothing is believed and nothing is fetched."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from preverify.model.errors import BadConfiguration, BadInput, Unavailable
from preverify.model.hints import Hint
from preverify.observe import hide
from preverify.ports import Clock, Job, JobKind, Observer
from preverify.serve.http import Request, Response
from preverify.serve.inbox import Inbox
from preverify.serve.problems import problem
from preverify.serve.sources import Sources
from preverify.settings import Source
from preverify.webhooks import MAX_BODY_BYTES, WebhookFormat, named

_PRIORITY_PUSHED = 10
_MIN_SECRET = 16
# What unknown senders are compared with, so that they cost the same and learn nothing.
_NOBODY = hashlib.sha256(b"no source").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who may send to one source, and how."""

    source: str
    format: WebhookFormat
    secret: bytes


def senders(sources: Mapping[str, Source]) -> dict[str, Sender]:
    """Read the secrets of all sources that take notifications.

    Raises:
        BadConfiguration: an unknown format, or a secret that cannot be read or is shorter than 16 bytes.
    """
    found: dict[str, Sender] = {}
    for name, source in sources.items():
        if source.hooks is None:
            continue
        where = f"sources.{name}.hooks"
        form = named(source.hooks.format)
        if form is None:
            raise BadConfiguration(f"the format {source.hooks.format!r} is not known", where=where)
        try:
            secret = source.hooks.secret_file.read_bytes().strip()
        except OSError as error:
            raise BadConfiguration(f"the secret cannot be read: {error}", where=where) from error
        if len(secret) < _MIN_SECRET:
            raise BadConfiguration(f"the secret has {len(secret)} bytes, expected at least {_MIN_SECRET}", where=where)
        hide(secret.decode("latin-1"))
        found[name] = Sender(source=name, format=form, secret=secret)
    return found


def jobs_of(source: str, hints: Sequence[Hint]) -> tuple[Job, ...]:
    """Return the looks that hints cause, each once; what was deleted is looked at alike."""
    jobs = (
        Job(
            source=source,
            kind=JobKind.SUBJECT if hint.tag is None else JobKind.TAG,
            repository=hint.repository,
            key=hint.tag or hint.digest or "",
            cause="push",
            priority=_PRIORITY_PUSHED,
        )
        for hint in hints
    )
    return tuple(dict.fromkeys(jobs))


class Hooks:
    """The route's handler."""

    METHODS = frozenset({"POST"})
    MAX_BODY_BYTES = MAX_BODY_BYTES

    def __init__(
        self, senders_: Mapping[str, Sender], sources: Sources, inbox: Inbox, observer: Observer, clock: Clock
    ) -> None:
        self._senders, self._sources = senders_, sources
        self._inbox, self._observer, self._clock = inbox, observer, clock
        self._nobody = Sender(source="", format=_any_format(), secret=_NOBODY)

    async def handle(self, request: Request) -> Response:
        """Acknowledge with 202 once the delivery is committed; say 401, 400 or 503 otherwise."""
        sender = self._senders.get(request.parameter, self._nobody)
        known = bool(sender.source)
        authentic = sender.format.authentic(request.headers, request.body, sender.secret, now=self._clock.now())
        if not (authentic and known):
            result = "unauthentic" if known else "unknown-source"
            self._observer.count("hooks_total", source=sender.source or "other", result=result)
            self._observer.event("hook.refused", level="warning", source=request.parameter, result=result)
            return problem(401, "the delivery is not authentic for this path, expected the secret of a known source")
        try:
            hints = self._read(sender, request)
        except BadInput as error:
            self._observer.count("hooks_total", source=sender.source, result="malformed")
            self._observer.event("hook.malformed", level="warning", source=sender.source, problem=str(error))
            return problem(400, f"{error}; nothing of this delivery was kept")
        return await self._keep(sender.source, hints)

    def refused(self, request_parameter: str) -> None:
        """Count a delivery that was refused for its size before it was read."""
        source = request_parameter if request_parameter in self._senders else "other"
        self._observer.count("hooks_total", source=source, result="too-large")

    def _read(self, sender: Sender, request: Request) -> tuple[Hint, ...]:
        """Return the hints for repositories that the source watches; others are none of its business."""
        hints = sender.format.parse(request.headers, request.body)
        for hint in hints:
            if hint.registry and not self._sources.is_host_of(sender.source, hint.registry):
                raise BadInput(f"the delivery is about the registry {hint.registry[:80]!r}, which is not this source's")
        return tuple(hint for hint in hints if self._sources.watches(sender.source, hint.repository))

    async def _keep(self, source: str, hints: tuple[Hint, ...]) -> Response:
        try:
            if hints:
                await self._inbox.accept(source, hints, jobs_of(source, hints))
        except Unavailable as error:
            self._observer.count("hooks_total", source=source, result="unavailable")
            wait = 5 if error.retry_after is None else max(1, int(error.retry_after.total_seconds()))
            return problem(503, f"{error}; send it again", ("retry-after", str(wait)))
        self._observer.count("hooks_total", source=source, result="accepted")
        self._observer.count("hints_total", len(hints), source=source)
        return Response(status=202, body=msgspec.json.encode({"hints": len(hints)}))


def _any_format() -> WebhookFormat:
    form = named("generic")
    if form is None:  # pragma: no cover - the table is ours
        raise BadConfiguration("the generic webhook format is missing")
    return form
