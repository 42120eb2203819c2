"""The answering process, put together: the part of `wiring` that has to answer within a second of its start.

Lookups need the lookup table only. The database, which takes most of a start, is opened by a thread meanwhile; hooks,
misses and the history wait for it, and `/readyz` says no until then.
"""

import contextlib
import gc
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from preverify.clock import SystemClock
from preverify.lookup import Answerer, Reader
from preverify.model.digest import Digest
from preverify.model.errors import Unavailable
from preverify.model.hints import Hint
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.model.verdicts import Verdict
from preverify.observe import Metrics, Tallying, setup_logging, share
from preverify.ports import Bell, Job, KnownSubject
from preverify.serve import run_answers
from preverify.settings import Settings
from preverify.supervisor import end_with_parent

if TYPE_CHECKING:
    from preverify.records import Records

_OPEN_SECONDS = 30.0


def lookup_path(settings: Settings) -> Path:
    """Return where this machine's lookup table lies."""
    return settings.state / "lookup.db"


def open_answers(settings: Settings) -> Answerer:
    """Open this machine's lookup table for answering."""
    aliases = {alias: source.registry for source in settings.sources.values() for alias in source.aliases}
    return Answerer(Reader(lookup_path(settings)), aliases=aliases, settings=settings.listen, clock=SystemClock())


def child_metrics(settings: Settings, slot: str) -> Metrics:
    """Begin a child process: it ends with the supervisor, logs in one form, and counts in its own slot."""
    end_with_parent()
    setup_logging()
    share(settings.state / "metrics", slot)
    return Metrics(sources=settings.sources)


def run_answering(settings: Settings, listener_fd: int) -> None:
    """Run the answering process on a listening socket that the supervisor bound.

    Raises:
        BadConfiguration: the database's schema is older or newer, or a setting cannot be used.
    """
    metrics = child_metrics(settings, "answers")
    stop = threading.Event()
    database = Database(lambda: _open(settings), failed=stop.set)
    # A request leaves no cycles behind, and what is warm lives long: looking through it often finds nothing.
    gc.set_threshold(20_000, 20, 50)
    with contextlib.closing(Tallying(metrics)) as observer:
        observer.start()
        run_answers(
            settings,
            socket.socket(fileno=listener_fd),
            answers=open_answers(settings),
            work=database,
            history=database,
            clock=SystemClock(),
            observer=observer,
            bell=database,
            on_ready=database.start,
            recording=database.is_open,
            stop=stop,
        )
    database.end()


class Database:
    """The database while it is being opened, and after: what the answering process uses of it.

    Args:
        opened: Opens it.
        failed: Called where it cannot be opened; `end` then raises the reason.
    """

    def __init__(self, opened: Callable[[], "tuple[Records, Bell]"], *, failed: Callable[[], None]) -> None:
        self._opened, self._failed = opened, failed
        self._settled = threading.Event()
        self._parts: tuple[Records, Bell] | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._open, name="database", daemon=True)

    def start(self) -> None:
        """Open it in a thread."""
        self._thread.start()

    def is_open(self) -> bool:
        """Say whether it can be used."""
        return self._parts is not None

    def end(self) -> None:
        """Raise why it could not be opened, if so."""
        if self._error is not None:
            raise self._error

    def accept(self, source: str, hints: Sequence[Hint], jobs: Sequence[Job], *, now: datetime) -> int:
        """Do what `ports.Work.accept` says."""
        return self._use()[0].work.accept(source, hints, jobs, now=now)

    def find(self, digest: Digest) -> Sequence[KnownSubject]:
        """Do what `ports.History.find` says."""
        return self._use()[0].store.history.find(digest)

    def current(self, subject: Subject) -> tuple[Verdict, ...]:
        """Do what `ports.History.current` says."""
        return self._use()[0].store.history.current(subject)

    def ring(self, who: str) -> None:
        """Do what `ports.Bell.ring` says."""
        self._use()[1].ring(who)

    def _use(self) -> "tuple[Records, Bell]":
        self._settled.wait(_OPEN_SECONDS)
        if self._parts is None:
            raise Unavailable("the database is not open", reason=Reason.INTERNAL_ERROR)
        return self._parts

    def _open(self) -> None:
        try:
            self._parts = self._opened()
        except Exception as error:  # noqa: BLE001 - a thread's end; the process ends with it
            self._error = error
            self._failed()
        finally:
            self._settled.set()


def _open(settings: Settings) -> "tuple[Records, Bell]":
    """Open the database. Its libraries are imported here: they take longer than all else together."""
    from preverify.records import open_records
    from preverify.work import SocketBell

    return open_records(settings), SocketBell(settings.state, "answers")
