"""Bells wake who waits; a lost ring costs only the poll interval."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from preverify.work import SocketBell


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[Callable[..., SocketBell]]:
    opened: list[SocketBell] = []

    def make(name: str, state: Path = tmp_path) -> SocketBell:
        opened.append(SocketBell(state, name))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_a_ring_wakes_who_waits(bell: Callable[..., SocketBell]) -> None:
    timer, ringer = bell("timer"), bell("answers")
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(timer.wait(20)))
    timer.fileno()
    waiting.start()
    ringer.ring("timer")
    waiting.join(20)
    assert woken == [True]


def test_a_ring_before_the_wait_is_not_lost_and_many_are_one(bell: Callable[..., SocketBell]) -> None:
    timer, ringer = bell("timer"), bell("answers")
    timer.fileno()
    for _ in range(5):
        ringer.ring("timer")
    assert timer.wait(10) is True
    assert timer.wait(0) is False


def test_workers_are_all_rung(bell: Callable[..., SocketBell]) -> None:
    workers, timer = [bell(f"worker-{n}") for n in range(3)], bell("timer")
    for one in (*workers, timer):
        one.fileno()
    bell("answers").ring("workers")
    assert [one.wait(1) for one in workers] == [True] * 3
    assert timer.wait(0) is False


def test_waiting_ends_with_its_time(bell: Callable[..., SocketBell]) -> None:
    started = time.monotonic()
    assert bell("timer").wait(0.05) is False
    assert time.monotonic() - started >= 0.04


def test_ringing_never_fails_and_never_blocks(bell: Callable[..., SocketBell], tmp_path: Path) -> None:
    ringer, sleeper = bell("answers"), bell("timer")
    ringer.ring("timer")  # nobody ever listened
    sleeper.fileno()
    for _ in range(5000):
        ringer.ring("timer")  # far more than the socket holds
    assert sleeper.wait(0) is True
    (tmp_path / "bells" / "worker-9.sock").touch()  # left behind, nobody listens
    ringer.ring("workers")


def test_a_name_left_by_a_killed_process_is_taken_over(bell: Callable[..., SocketBell]) -> None:
    first = bell("timer")
    first.fileno()
    second = bell("timer")
    second.fileno()
    bell("answers").ring("timer")
    assert second.wait(1) is True
    assert first.wait(0) is False


def test_long_state_directories_work(bell: Callable[..., SocketBell], tmp_path: Path) -> None:
    state = tmp_path / ("d" * 100) / ("e" * 60)
    state.mkdir(parents=True)
    timer = bell("timer", state)
    timer.fileno()
    bell("answers", state).ring("timer")
    assert timer.wait(1) is True


def test_only_the_owner_reaches_the_bells(bell: Callable[..., SocketBell], tmp_path: Path) -> None:
    bell("timer").fileno()
    assert (tmp_path / "bells").stat().st_mode & 0o077 == 0
