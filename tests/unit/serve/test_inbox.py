"""The inbox at its limits."""

import asyncio

import pytest

from preverify.clock import SystemClock
from preverify.model.errors import Unavailable
from preverify.model.hints import Hint
from preverify.ports import Job, JobKind
from preverify.serve.inbox import Inbox
from support.answering import Accepted, Seen

HINT = Hint(repository="shop/api", tag="1")


def job(number: int) -> Job:
    return Job(source="shop", kind=JobKind.TAG, repository="shop/api", key=str(number), cause="push")


class Bell:
    def __init__(self) -> None:
        self.rung: list[str] = []

    def ring(self, who: str) -> None:
        self.rung.append(who)

    def wait(self, timeout: float) -> bool:
        raise NotImplementedError


def test_a_full_inbox_says_so_at_once_and_keeps_what_it_took() -> None:
    work, bell = Accepted(), Bell()
    inbox = Inbox(work, SystemClock(), Seen(), bell=bell, capacity=3)

    async def fill() -> None:
        assert [inbox.offer(job(number)) for number in range(4)] == [True, True, True, False]
        with pytest.raises(Unavailable, match="the inbox is full"):
            await inbox.accept("shop", [HINT], [job(9)])

    asyncio.run(fill())
    inbox.start()
    inbox.stop()
    assert [one.key for one in work.jobs] == ["0", "1", "2"]
    assert bell.rung == ["timer"]


def test_the_same_job_of_several_deliveries_is_written_once() -> None:
    work = Accepted()
    inbox = Inbox(work, SystemClock(), Seen())
    for _ in range(5):
        inbox.offer(job(1))
    inbox.start()
    inbox.stop()
    assert work.jobs == [job(1)]


def test_stopping_an_inbox_that_never_started_is_quiet() -> None:
    Inbox(Accepted(), SystemClock(), Seen()).stop()
