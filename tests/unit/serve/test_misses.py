"""Misses cause bounded work."""

from datetime import UTC, datetime

from preverify.model.digest import Digest
from preverify.model.reference import Repository
from preverify.ports import Job
from preverify.serve.misses import Misses
from preverify.serve.sources import Sources
from preverify.settings import Source
from support.answering import Seen

SOURCES = Sources(
    {"shop": Source.model_validate({"registry": "r.example", "aliases": ["m:5000"], "repositories": ["shop/*"]})}
)


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    def new_id(self, prefix: str) -> str:
        return prefix


def digest(number: int) -> Digest:
    return Digest("sha256", f"{number:064x}")


def test_a_miss_is_remembered_for_thirty_seconds_under_every_name() -> None:
    jobs: list[Job] = []
    clock = Hand()
    misses = Misses(SOURCES, lambda job: jobs.append(job) or True, clock, Seen())
    here, there = Repository("r.example", "shop/api"), Repository("m:5000", "shop/api")
    assert [misses.note(one, digest(1)) for one in (here, there, here)] == [True, False, False]
    clock.seconds += 29.9
    assert not misses.note(here, digest(1))
    clock.seconds += 0.2
    assert misses.note(there, digest(1))
    assert [job.repository for job in jobs] == ["shop/api", "shop/api"]


def test_what_no_source_watches_causes_nothing() -> None:
    misses = Misses(SOURCES, lambda _: True, Hand(), Seen())
    for name in ("shop/a/b", "other/api"):
        assert not misses.note(Repository("r.example", name), digest(1))
    assert not misses.note(Repository("evil.example", "shop/api"), digest(1))


def test_a_flood_of_misses_causes_a_thousand_looks_in_thirty_seconds() -> None:
    clock = Hand()
    misses = Misses(SOURCES, lambda _: True, clock, Seen())
    here = Repository("r.example", "shop/api")
    assert sum(misses.note(here, digest(number)) for number in range(5_000)) == 1_000
    clock.seconds += 31
    assert sum(misses.note(here, digest(number)) for number in range(5_000)) == 1_000


def test_a_full_inbox_is_not_remembered_as_a_look() -> None:
    room = [False, True]
    misses = Misses(SOURCES, lambda _: room.pop(0), Hand(), Seen())
    here = Repository("r.example", "shop/api")
    assert [misses.note(here, digest(1)) for _ in range(2)] == [False, True]
