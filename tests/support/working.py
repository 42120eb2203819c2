"""A worker on a real store and a real registry, and what tests ask of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from preverify.clock import SystemClock
from preverify.demo.content import Content
from preverify.demo.registry import Registry
from preverify.model.digest import Digest
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome, Verdict
from preverify.observe import Observing, alone
from preverify.ports import Job, JobKind
from preverify.registry import open_source
from preverify.settings import Source
from preverify.store import Store, open_store, upgrade
from preverify.work import EmbeddedWork, SocketBell, open_work
from preverify.worker import Watched, Worker

REPO = "shop/app"


@dataclass
class Bench:
    """Everything that a worker needs, and the registry that it looks at."""

    content: Content
    registry: Registry
    store: Store
    work: EmbeddedWork
    worker: Worker
    clock: SystemClock

    def sweep(self, kind: JobKind = JobKind.SWEEP_TAGS) -> None:
        now = self.clock.now()
        self.work.add([Job(source="shop", kind=kind, repository="", key="", cause="sweep")], run_at=now, now=now)
        self.drain()

    def drain(self, later: timedelta = timedelta(0)) -> int:
        done = 0
        while self.work.dispatch(now=self.clock.now() + later, window=100):
            done += self.worker.run_once()
            later = timedelta(0)
        return done

    def subject(self, digest: str) -> Subject:
        return Subject(Repository(self.registry.address, REPO), Digest.parse(digest))

    def verdict(self, digest: str) -> Verdict | None:
        current = self.store.history.current(self.subject(digest))
        return max(current, key=lambda v: v.decided_at, default=None)

    def outcome(self, digest: str) -> Outcome | None:
        verdict = self.verdict(digest)
        return None if verdict is None else verdict.outcome


@contextmanager
def working(directory: Path) -> Iterator[Bench]:
    """Open a worker whose state lies in `directory`; no policies are active yet."""
    alone()
    clock, content = SystemClock(), Content()
    url = f"sqlite:///{directory}/preverify.db"
    upgrade.upgrade(url)
    store = open_store(url, directory, clock)
    work = open_work(store)
    with Registry(content) as registry:
        source = Source.model_validate(
            {
                "registry": registry.address,
                "repositories": ["shop/**"],
                "network": "private",
                "tls": {"plainHttp": True},
                "budget": {"requestsPerSecond": 1000},
            }
        )
        bell = SocketBell(directory, "worker-0")
        watched = Watched(name="shop", settings=source, registry=open_source("shop", source, clock=clock))
        yield Bench(
            content=content,
            registry=registry,
            store=store,
            work=work,
            clock=clock,
            worker=Worker(
                name="w",
                work=work,
                history=store.history,
                statements=store.statements,
                generations=store.generations,
                sources={"shop": watched},
                signing=None,
                published_validity=timedelta(days=7),
                clock=clock,
                observer=Observing(),
                bell=bell,
            ),
        )
        bell.close()
    store.close()
