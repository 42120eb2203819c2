"""kill -9 a process that records and works, again and again: what was acknowledged is there, nothing is half there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from preverify.store import Store, open_store
from preverify.work import EmbeddedWork
from support.clock import Stopped
from support.stores import (
    NOW,
    both,
    gathered,
    piece,
    subject,
)

pytestmark = both
BATCH = 4

WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from support.stores import NOW, gathered, piece, recording, verdict
from preverify.clock import SystemClock
from preverify.store import open_store
store = open_store(sys.argv[1], Path(sys.argv[2]), SystemClock())
for number in range(int(sys.argv[4]), 10**6, 4):
    batch = []
    for n in range(number, number + 4):
        large = piece(n, body=b"%d " % n * 20_000)
        one = recording(n, verdict(f"v_{n:09d}", n), gathered=gathered(n, evidence=(piece(n), large)), tags=(f"t{n}",))
        batch.append(replace(one, publish=(f"v_{n:09d}",)))
    store.history.record(batch, now=NOW)
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 40))])
def test_killed_writers_leave_whole_batches(url: str, tmp_path: Path, seed: int) -> None:
    acknowledged: list[int] = []
    start = 0
    for round_number in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(tmp_path), str(Path(__file__).parents[1]), str(start)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        assert process.stdout is not None
        wanted = 2 + seed % 5
        for line in process.stdout:
            acknowledged.append(int(line))
            wanted -= 1
            if wanted == 0:
                time.sleep((seed * 7 + round_number * 3) % 10 / 1000)  # somewhere inside the next batch
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        start = acknowledged[-1] + 10 * BATCH  # never the same numbers again: verdict ids are unique
    check(url, tmp_path, acknowledged)


def check(url: str, state: Path, acknowledged: list[int]) -> None:
    store = open_store(url, state, Stopped(NOW))
    try:
        known = {k.subject: k for k in store.history.subjects()}
        numbers = [n for n in range(10_000) if subject(n) in known]
        assert {first + n for first in acknowledged for n in range(BATCH)} <= set(numbers)
        assert len(numbers) % BATCH == 0
        for n in numbers:
            large = piece(n, body=b"%d " % n * 20_000)
            assert store.history.gathered(subject(n)) == gathered(n, evidence=(piece(n), large))
            assert [v.id for v in store.history.current(subject(n))] == [f"v_{n:09d}"]
            assert known[subject(n)].tags == (f"t{n}",)
        with store.engine.connect() as connection:
            counted = connection.execute(
                text(
                    "SELECT (SELECT count(*) FROM statement), (SELECT count(*) FROM statement_verdict), "
                    "(SELECT count(*) FROM due WHERE kind = 'publish'), "
                    "(SELECT count(*) FROM change WHERE kind = 'tag')"
                )
            ).one()
        assert tuple(counted) == (len(numbers),) * 4
        assert store.feed.sequence(fence=1, now=NOW) == 2 * len(numbers)
    finally:
        store.close()


WORKER = """
import sys
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from support.stores import NOW
from preverify.clock import SystemClock
from preverify.ports import Job, JobKind
from preverify.store import open_store
from preverify.work import open_work
work = open_work(open_store(sys.argv[1], Path(sys.argv[2]), SystemClock()))
work.add([Job(source="shop", kind=JobKind.TAG, repository="a", key="v1", cause="push")], run_at=NOW, now=NOW)
work.dispatch(now=NOW, window=10)
print(len(work.lease(worker="doomed", until=NOW + timedelta(minutes=1), now=NOW, limit=10)), flush=True)
sys.stdin.read()
"""


def test_the_work_of_a_killed_worker_is_taken_over_when_its_lease_ends(
    url: str, work: EmbeddedWork, tmp_path: Path, open_again: Callable[..., Store]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(tmp_path), str(Path(__file__).parents[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    assert work.lease(worker="next", until=NOW + timedelta(minutes=2), now=NOW, limit=10) == ()
    later = NOW + timedelta(minutes=1, seconds=1)
    (leased,) = work.lease(worker="next", until=later + timedelta(minutes=1), now=later, limit=10)
    assert (leased.job.key, leased.attempts, leased.fence) == ("v1", 1, 2)
    assert work.done(leased, now=later) is True
