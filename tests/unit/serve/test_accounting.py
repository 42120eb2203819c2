"""What is counted and what causes work, for every kind of answer."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from preverify.admission import lookup
from preverify.clock import SystemClock
from preverify.ports import Job
from preverify.serve.answers import Answering
from preverify.serve.http import Request, Response
from preverify.serve.misses import Misses
from preverify.serve.sources import Sources
from support.answering import BAD, GOOD, IMAGE, NEW, Seen, Table, settings_in


class Room:
    """The lookup front end over a real table, without a listener."""

    def __init__(self, directory: Path, **listen: Any) -> None:
        settings = settings_in(directory, **listen)
        self.table, self.seen, self.jobs = Table(directory), Seen(), list[Job]()
        clock = SystemClock()
        misses = Misses(Sources(settings.sources), self._offer, clock, self.seen)
        self._handler = Answering(lookup, self.table.answerer(settings), misses, self.seen, clock)

    def _offer(self, job: Job) -> bool:
        self.jobs.append(job)
        return True

    def ask(self, digest: str, **query: str) -> Response:
        request = Request(method="GET", path="/v1/lookup", parameter=digest, query=query)
        return asyncio.run(self._handler.handle(request))


def test_an_expired_verdict_within_its_grace_admits_and_is_counted(tmp_path: Path) -> None:
    room = Room(tmp_path, expiredGrace="1h")
    room.table.put(GOOD, "passed", valid=timedelta(minutes=-5))
    assert room.ask(GOOD, image=IMAGE, namespace="shop").status == 200
    assert room.seen.counted("expired_admitted_total", namespace="shop") == 1
    assert room.seen.counted("answers_total", answer="expired", admit="true") == 1


def test_an_expired_verdict_without_grace_is_409(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.table.put(GOOD, "passed", valid=timedelta(minutes=-5))
    assert room.ask(GOOD, image=IMAGE).status == 409
    assert room.seen.counted("expired_admitted_total") == 0
    assert room.jobs == []


def test_what_is_only_warned_about_is_admitted_and_counted(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.table.activate(mode="warn")
    room.table.put(BAD, "failed", ("signed", "wrong-key", "x"))
    assert room.ask(BAD, image=IMAGE, namespace="shop").status == 200
    assert room.seen.counted("unenforced_admitted_total", namespace="shop") == 1
    assert room.seen.counted("denied_total", namespace="shop", reason="wrong-key") == 1


def test_what_is_undecided_has_its_own_next_try(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.table.put(NEW, "undecided", ("signed", "registry-unavailable", "x"))
    assert room.ask(NEW, image=IMAGE).status == 404
    assert room.jobs == []


def test_a_digest_without_a_repository_is_nowhere_to_look_for(tmp_path: Path) -> None:
    room = Room(tmp_path)
    assert room.ask(NEW).status == 404
    assert room.jobs == []
    assert room.ask(NEW, image=IMAGE).status == 404
    assert [job.key for job in room.jobs] == [NEW]


def test_an_unreadable_question_is_counted_by_front_end(tmp_path: Path) -> None:
    room = Room(tmp_path)
    assert room.ask("latest").status == 400
    assert room.seen.counted("bad_input_total", where="lookup") == 1
    assert room.seen.named("admission.unreadable")[0]["frontend"] == "lookup"
