"""Push notifications into the shipped work engine: acknowledged means committed, the second time costs nothing."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from preverify.clock import SystemClock
from preverify.ports import JobKind
from preverify.store import open_store, upgrade
from preverify.work import open_work
from support.answering import HOOK_SECRET, Running, running, settings_in


@pytest.fixture
def real(tmp_path: Path) -> Any:
    url = f"sqlite:///{tmp_path}/history.db"
    upgrade.upgrade(url)
    work = open_work(open_store(url, tmp_path, SystemClock()))
    with running(settings_in(tmp_path), work=work) as server:
        yield server


def notify(server: Running, tag: str) -> int:
    event = {"id": "e1", "action": "push", "target": {"repository": "shop/api", "tag": tag}}
    return server.ask(
        "POST",
        "/hooks/shop",
        json.dumps({"events": [event]}).encode(),
        authorization=f"Bearer {HOOK_SECRET}",
        content_type="application/vnd.docker.distribution.events.v1+json",
    ).status


def test_what_was_acknowledged_can_be_leased(real: Running) -> None:
    work: Any = real.work
    assert [notify(real, tag) for tag in ("1", "1", "2")] == [202, 202, 202]
    now = SystemClock().now()
    assert work.backlog(now=now).due == 2
    work.dispatch(now=now, window=10)
    jobs = [leased.job for leased in work.lease(worker="w", until=now, now=now, limit=10)]
    assert {(job.kind, job.repository, job.key, job.cause) for job in jobs} == {
        (JobKind.TAG, "shop/api", "1", "push"),
        (JobKind.TAG, "shop/api", "2", "push"),
    }


def test_acknowledgements_of_real_commits_are_quick(real: Running) -> None:
    times = []
    for number in range(60):
        start = time.perf_counter()
        assert notify(real, f"t{number}") == 202
        times.append(time.perf_counter() - start)
    assert sorted(times)[len(times) // 2] < 0.1
