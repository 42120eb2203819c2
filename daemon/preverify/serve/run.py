"""Puts the answering process together and runs it on uvicorn."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Sequence

from preverify.admission import FRONT_ENDS
from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration, Unavailable
from preverify.model.hosts import is_loopback_host as is_loopback
from preverify.ports import Answers, Clock, Observer
from preverify.serve.answers import Answering
from preverify.serve.app import App
from preverify.serve.health import Check, Health
from preverify.serve.history import Finds, MissReports, Verdicts
from preverify.serve.hooks import Hooks, senders
from preverify.serve.inbox import Accepts, Inbox, Rings
from preverify.serve.misses import Misses
from preverify.serve.openapi import METHODS, OpenApi, document
from preverify.serve.routes import Access, Route, Routes
from preverify.serve.sources import Sources
from preverify.serve.tls import Tls
from preverify.serve.tokens import Tokens
from preverify.settings import Settings

_MAX_CONNECTIONS = 1_000
_GRACE_SECONDS = 12  # longer than any caller waits for an answer
_KEEP_ALIVE_SECONDS = 75
_RELOAD_SECONDS = 5.0
_NOTHING = Digest("sha256", "0" * 64)
_PATHS = {
    "lookup": ("/v1/lookup/{digest}", "The answer for one digest."),
    "batch": ("/v1/lookup:batch", "The answers for many digests."),
    "auth": ("/auth", "External authorisation of nginx and Envoy."),
    "k8s-validate": ("/k8s/validate", "The Kubernetes validating webhook."),
}


def check_answers(settings: Settings) -> None:
    """Read once everything that the answering process needs, so that a daemon refuses to start instead of looping.

    Raises:
        BadConfiguration: the address, TLS, tokens or a hook's secret cannot be used.
    """
    if settings.listen.tls is not None:
        Tls(settings.listen.tls)
    Tokens(settings.listen.tokens_file)
    senders(settings.sources)


def routes_of(
    settings: Settings,
    *,
    answers: Answers,
    inbox: Inbox,
    history: Finds,
    clock: Clock,
    observer: Observer,
    recording: Callable[[], bool] = lambda: True,
) -> tuple[Routes, Health]:
    """Return the table of everything that this process serves."""
    sources = Sources(settings.sources)
    misses = Misses(sources, inbox.offer, clock, observer)
    hooks = Hooks(senders(settings.sources), sources, inbox, observer, clock)
    health = Health(
        lambda: (*_checks(answers), Check(name="database", good=recording())), opening=lambda: not recording()
    )
    verdicts, reports, openapi = Verdicts(history), MissReports(misses), OpenApi()
    table = [
        *_answering(answers, misses, observer, clock),
        Route(
            path="/hooks/{source}",
            methods=Hooks.METHODS,
            access=Access.SENDER,
            handle=hooks.handle,
            summary="Push notifications of one source.",
            max_body_bytes=Hooks.MAX_BODY_BYTES,
            too_large=hooks.refused,
        ),
        Route(
            path="/v1/verdicts",
            methods=Verdicts.METHODS,
            access=Access.TOKEN,
            handle=verdicts.handle,
            summary="The current verdicts about a digest.",
        ),
        Route(
            path="/v1/misses",
            methods=MissReports.METHODS,
            access=Access.TOKEN,
            handle=reports.handle,
            summary="Digests that a replica was asked for and does not know.",
            max_body_bytes=MissReports.MAX_BODY_BYTES,
        ),
        Route(path="/openapi.json", methods=METHODS, access=Access.OPEN, handle=openapi.handle, summary="This table."),
        Route(
            path="/livez", methods=Health.METHODS, access=Access.OPEN, handle=health.live, summary="The process runs."
        ),
        Route(
            path="/readyz", methods=Health.METHODS, access=Access.OPEN, handle=health.ready, summary="It can answer."
        ),
    ]
    openapi.body = document(table)
    return Routes(table), health


def _answering(answers: Answers, misses: Misses, observer: Observer, clock: Clock) -> list[Route]:
    table: list[Route] = []
    for front in FRONT_ENDS:
        path, summary = _PATHS[front.NAME]
        handler = Answering(front, answers, misses, observer, clock)
        # Envoy puts its prefix before the path that it asks about.
        table += [
            Route(
                path=one,
                methods=front.METHODS,
                access=Access.CALLER,
                handle=handler.handle,
                short=handler,
                summary=summary,
                max_body_bytes=front.MAX_BODY_BYTES,
            )
            for one in ((path, f"{path}/{{original*}}") if front.NAME == "auth" else (path,))
        ]
    return table


def _checks(answers: Answers) -> Sequence[Check]:
    """Ask the lookup table about a digest that no image has: any answer will do."""
    try:
        answer = answers.lookup(_NOTHING, None, None)
    except Unavailable as error:
        return (Check(name="lookup", good=False, detail=str(error)),)
    stale = "" if answer.stale_since is None else f", stale since {answer.stale_since:%Y-%m-%dT%H:%M:%SZ}"
    return (
        Check(name="lookup", good=True, detail=f"generation {answer.generation}{stale}"),
        Check(name="policies", good=answer.generation > 0, detail="" if answer.generation else "no generation yet"),
    )


def run_answers(
    settings: Settings,
    listener: socket.socket,
    *,
    answers: Answers,
    work: Accepts,
    history: Finds,
    clock: Clock,
    observer: Observer,
    bell: Rings | None = None,
    on_ready: Callable[[], None] = lambda: None,
    recording: Callable[[], bool] = lambda: True,
    stop: threading.Event | None = None,
) -> None:
    """Serve on a bound socket until SIGTERM, SIGINT or `stop`.

    Args:
        settings: `listen` and `sources` are used.
        listener: Bound by the caller, so that a restarted process goes on with it.
        answers: The local lookup table.
        work: The inbox's destination.
        history: For `/v1/verdicts`.
        clock: Time.
        observer: Numbers and log lines.
        bell: Rung after each commit of the inbox.
        on_ready: Called once connections are accepted.
        recording: Says whether `work` and `history` can be used yet; `/readyz` says no before.
        stop: Another way to stop, for those who run this in a thread.

    Raises:
        BadConfiguration: the address, TLS, tokens or a hook's secret cannot be used.
    """
    host = str(listener.getsockname()[0])
    if settings.listen.tls is None and not is_loopback(host):  # settings say so too; the socket is what counts
        raise BadConfiguration(
            f"the socket is bound to {host}, which other machines can reach, expected a loopback address or listen.tls",
            where="listen.address",
        )
    tls = Tls(settings.listen.tls) if settings.listen.tls is not None else None
    tokens = Tokens(settings.listen.tokens_file)
    inbox = Inbox(work, clock, observer, bell=bell)
    routes, health = routes_of(
        settings, answers=answers, inbox=inbox, history=history, clock=clock, observer=observer, recording=recording
    )
    app = App(routes, tokens, observer, loopback=is_loopback(host))
    inbox.start()
    try:
        _serve(app, listener, tls, _Housekeeping(tls, tokens, observer), health, on_ready, stop)
    finally:
        inbox.stop()


class _Housekeeping:
    """Reads changed certificates and tokens; a bad change is logged and the good state stays."""

    def __init__(self, tls: Tls | None, tokens: Tokens, observer: Observer) -> None:
        self._parts = {"tokens": tokens.refresh} | ({"certificate": tls.refresh} if tls is not None else {})
        self._observer = observer

    def __call__(self) -> None:
        for name, refresh in self._parts.items():
            try:
                if refresh():
                    self._observer.event("listen.reloaded", what=name)
            except BadConfiguration as error:
                self._observer.count("bad_input_total", where=name)
                self._observer.event("listen.not-reloaded", level="error", what=name, problem=str(error))


def _serve(
    app: App,
    listener: socket.socket,
    tls: Tls | None,
    housekeeping: Callable[[], None],
    health: Health,
    on_ready: Callable[[], None],
    stop: threading.Event | None,
) -> None:
    import uvicorn

    from preverify.serve.protocol import BoundedProtocol

    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls.context,
    )
    server = uvicorn.Server(config)

    async def accompany() -> None:
        """Watch over the server from inside its loop."""
        ready, passed = False, 0.0
        while not server.should_exit:
            await asyncio.sleep(0.05)
            if server.started and not ready:
                ready = True
                on_ready()
            if stop is not None and stop.is_set():
                server.should_exit = True
            passed += 0.05
            if passed >= _RELOAD_SECONDS:
                passed = 0.0
                housekeeping()
        health.draining = True

    async def both() -> None:
        companion = asyncio.create_task(accompany())
        try:
            await server.serve(sockets=[listener])
        finally:
            companion.cancel()

    if threading.current_thread() is threading.main_thread():
        # uvicorn stops on these and then raises them anew, for whoever had them before: that must not end us before
        # the inbox has written what it holds.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
    factory = config.get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(both())
