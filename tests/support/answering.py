"""A running answering process for tests: the real application on a real uvicorn, in a thread, on a free port."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from preverify.clock import SystemClock
from preverify.lookup import Answerer, Reader, Writer
from preverify.model.digest import Digest
from preverify.model.hints import Hint
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import PolicyAnswer
from preverify.ports import Change, GenerationState, Job, SubjectState
from preverify.serve import run_answers
from preverify.settings import Settings
from support.policies import SIGNED, policy_set, policy_text

HOOK_SECRET = "hook-secret-0123456789"
TOKEN = "token-0123456789abcdef"
IMAGE = "registry.example/shop/api"
GOOD = "sha256:" + "1" * 64
BAD = "sha256:" + "2" * 64
NEW = "sha256:" + "9" * 64


class Seen:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self.counts: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    def event(self, name: str, **fields: object) -> None:
        self.events.append((name, fields))

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        key = (metric, tuple(sorted(labels.items())))
        self.counts[key] = self.counts.get(key, 0) + value

    def took(self, metric: str, seconds: float, **labels: str) -> None: ...

    def time(self, metric: str, **labels: str) -> AbstractContextManager[None]:
        self.count(metric, **labels)
        return contextlib.nullcontext()

    def counted(self, metric: str, **labels: str) -> float:
        return sum(
            value for (name, have), value in self.counts.items() if name == metric and set(labels.items()) <= set(have)
        )

    def named(self, name: str) -> list[dict[str, object]]:
        return [fields for event, fields in self.events if event == name]


@dataclass
class Accepted:
    """Where the inbox writes: remembers what was committed. `fails` makes commits fail, `gate` makes them wait."""

    hints: list[tuple[str, Hint]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    fails: bool = False
    poison: str = ""
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def accept(self, source: str, hints: Sequence[Hint], jobs: Sequence[Job], *, now: datetime) -> int:
        self.gate.wait(10)
        if self.fails or any(hint.repository == self.poison for hint in hints):
            raise OSError("disk full")
        self.hints += [(source, hint) for hint in hints]
        self.jobs += jobs
        self.commits.append(len(hints))
        return len(jobs)


class Table:
    """A real lookup table with one verified and one denied image, under a policy for everything below `shop/`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lookup.db"
        self._writer = Writer(self.path)
        self.generation = 0
        self.activate()
        self.put(GOOD, "passed", valid=timedelta(days=1))
        self.put(BAD, "failed", ("signed", "wrong-key", "signed by key:77"))

    def activate(self, **spec: str) -> None:
        """Bring a new generation into force whose policy has another digest than the one before."""
        self.generation += 1
        spec = {"validFor": f"{self.generation}h"} | spec
        self.policies = policy_set(policy_text(SIGNED, **spec))
        self._apply(GenerationState(number=self.generation, document=self.policies.document))

    def put(
        self,
        digest: str,
        verdict: str,
        *reasons: tuple[str, str, str],
        valid: timedelta | None = None,
        image: str = IMAGE,
    ) -> None:
        """Give an image the verdict of the policy as it is now."""
        now = SystemClock().now()
        (policy,) = self.policies.policies
        answer = PolicyAnswer(
            policy=policy.name,
            policy_digest=policy.digest,
            mode=policy.mode,
            verdict=verdict,
            verdict_id=f"v_{self.generation}",
            decided_at=now,
            valid_until=None if valid is None else now + valid,
            reasons=reasons,
        )
        subject = Subject(Repository.parse(image), Digest.parse(digest))
        self._apply(SubjectState(subject=subject, policies=(answer,)))

    def take_away(self) -> None:
        """Make the table unreadable."""
        self._writer.close()
        for file in self.path.parent.glob("lookup.db*"):
            file.unlink()

    def answerer(self, settings: Settings) -> Answerer:
        aliases = {alias: source.registry for source in settings.sources.values() for alias in source.aliases}
        return Answerer(Reader(self.path), aliases=aliases, settings=settings.listen, clock=SystemClock())

    def _apply(self, what: GenerationState | SubjectState) -> None:
        now, position = SystemClock().now(), self._writer.position()
        change = Change(number=max(position, 0) + 1, at=now, what=what)
        if position < 0:
            self._writer.reset(iter([change]), now=now)
        else:
            self._writer.apply([change], now=now)


def settings_in(directory: Path, **listen: Any) -> Settings:
    """Return settings of one source with both hook formats and a token."""
    (directory / "hook").write_text(HOOK_SECRET)
    (directory / "tokens").write_text(f"# people\n{TOKEN}\n")
    source = {"registry": "registry.example", "aliases": ["mirror.internal:5000"], "repositories": ["shop/**"]}
    return Settings.model_validate(
        {
            "state": str(directory),
            "sources": {
                "shop": source | {"hooks": {"format": "distribution", "secretFile": str(directory / "hook")}},
                "ours": {"registry": "other.example", "repositories": ["shop/**"]}
                | {"hooks": {"format": "generic", "secretFile": str(directory / "hook")}},
            },
            "listen": {"address": "127.0.0.1:0", "tokensFile": str(directory / "tokens")} | listen,
        }
    )


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A server that runs."""

    port: int
    seen: Seen
    work: Accepted
    table: Table
    context: ssl.SSLContext | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """Send one well-formed request on a connection of its own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        else:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=15, context=self.context)
        try:
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def raw(self, data: bytes, *, timeout: float = 15) -> bytes:
        """Send bytes as they are and return everything that comes back until the server closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(OSError):
                while chunk := connection.recv(65_536):
                    received += chunk
            return received

    def settle(self) -> None:
        """Wait until what was offered without waiting has been committed."""
        for _ in range(200):
            if self.work.commits:
                return
            threading.Event().wait(0.01)


@contextlib.contextmanager
def running(
    settings: Settings, *, answers: Any = None, history: Any = None, observer: Any = None, work: Any = None
) -> Iterator[Running]:
    """Run the answering application until the block ends."""
    seen, accepted = observer or Seen(), work or Accepted()
    table = Table(settings.state)
    given = answers if answers is not None else table.answerer(settings)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    port = listener.getsockname()[1]
    ready, stop = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            run_answers(
                settings,
                listener,
                answers=given,
                work=accepted,
                history=history,
                clock=SystemClock(),
                observer=seen,
                on_ready=ready.set,
                stop=stop,
            )
        except BaseException as error:
            failures.append(error)
            ready.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        if failures:
            raise failures[0]
        yield Running(port, seen, accepted, table)
    finally:
        stop.set()
        thread.join(20)
        listener.close()
        assert not thread.is_alive()
