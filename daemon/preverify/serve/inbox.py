"""The inbox: one thread that writes accepted hints, many deliveries in one commit."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from preverify.model.errors import Unavailable
from preverify.model.hints import Hint
from preverify.model.reasons import Reason
from preverify.ports import Clock, Job, Observer

_GROUP = 200
_HARD_SECONDS = 1.0
_STOP_SECONDS = 10.0
_RETRY = timedelta(seconds=5)


class Accepts(Protocol):
    """What the inbox uses of `ports.Work`."""

    def accept(self, source: str, hints: Sequence[Hint], jobs: Sequence[Job], *, now: datetime) -> int: ...


class Rings(Protocol):
    """What the inbox uses of `ports.Bell`."""

    def ring(self, who: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deposit:
    source: str
    hints: tuple[Hint, ...]
    jobs: tuple[Job, ...]
    loop: asyncio.AbstractEventLoop | None = None
    settled: "asyncio.Future[None] | None" = None

    def settle(self, error: Exception | None) -> None:
        """Tell the waiting request, from the inbox's thread."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: Exception | None) -> None:
        if self.settled is None or self.settled.done():
            return  # the request has stopped waiting
        if error is None:
            self.settled.set_result(None)
        else:
            self.settled.set_exception(error)


class Inbox:
    """Group commit: while one transaction is written, the deliveries that arrive wait for the next one together.

    A delivery is acknowledged only after the commit that holds it.
    """

    def __init__(
        self, work: Accepts, clock: Clock, observer: Observer, *, bell: Rings | None = None, capacity: int = 2_000
    ) -> None:
        self._work, self._clock, self._observer, self._bell = work, clock, observer, bell
        self._waiting: queue.Queue[_Deposit | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end the thread; a database that hangs is given ten seconds."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=_STOP_SECONDS)
            self._thread.join(_STOP_SECONDS)

    async def accept(self, source: str, hints: Sequence[Hint], jobs: Sequence[Job]) -> None:
        """Return once the hints and jobs are committed.

        Raises:
            Unavailable: the inbox is full, the commit failed, or took more than a second. The sender tries again; a
                commit that comes later all the same does no harm, hints are idempotent.
        """
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[None] = loop.create_future()
        deposit = _Deposit(source=source, hints=tuple(hints), jobs=tuple(jobs), loop=loop, settled=settled)
        if not self._put(deposit):
            raise Unavailable("the inbox is full", reason=Reason.INTERNAL_ERROR, retry_after=_RETRY)
        try:
            async with asyncio.timeout(_HARD_SECONDS):
                await settled
        except TimeoutError as error:
            what = "the inbox did not commit within a second"
            raise Unavailable(what, reason=Reason.INTERNAL_ERROR, retry_after=_RETRY) from error

    def offer(self, job: Job) -> bool:
        """Leave a job without waiting for its commit; False when the inbox is full."""
        return self._put(_Deposit(source=job.source, hints=(), jobs=(job,)))

    def _put(self, deposit: _Deposit) -> bool:
        try:
            self._waiting.put_nowait(deposit)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        ended = False
        while not ended:
            group = [self._waiting.get()]
            while len(group) < _GROUP:
                try:
                    group.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            ended = None in group
            self._write([deposit for deposit in group if deposit is not None])

    def _write(self, group: list[_Deposit]) -> None:
        for source in dict.fromkeys(deposit.source for deposit in group):
            mine = [deposit for deposit in group if deposit.source == source]
            error = self._commit(mine)
            if error is None or len(mine) == 1:
                self._settle(mine, error)
            else:  # one delivery that cannot be stored must not cost the others their place
                for deposit in mine:
                    self._settle([deposit], self._commit([deposit]))
        if group and self._bell is not None:
            self._bell.ring("timer")

    def _commit(self, group: list[_Deposit]) -> Exception | None:
        hints = [hint for deposit in group for hint in deposit.hints]
        jobs = list(dict.fromkeys(job for deposit in group for job in deposit.jobs))
        try:
            self._work.accept(group[0].source, hints, jobs, now=self._clock.now())
        except Exception as error:  # noqa: BLE001 - a worker loop: whatever happened, the senders must hear of it
            self._observer.event("inbox.failed", level="error", source=group[0].source, error=repr(error))
            self._observer.count("internal_errors_total", where="inbox")
            what = "what was sent could not be stored"
            return Unavailable(what, reason=Reason.INTERNAL_ERROR, retry_after=_RETRY)
        return None

    def _settle(self, group: list[_Deposit], error: Exception | None) -> None:
        for deposit in group:
            deposit.settle(error)
