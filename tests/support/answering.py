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
from datetime import datetime
from pathlib import Path
from typing import Any

from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, Unavailable
from preverify.model.hints import Hint
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository
from preverify.model.verdicts import Answer, AnswerState
from preverify.ports import Job
from preverify.serve import run_answers
from preverify.settings import Settings

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


@dataclass
class Told:
    """Answers as told, by repository and digest; everything else is unknown. `problem` makes the table unreadable."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    problem: str = ""

    def lookup(self, digest: Digest, image: Repository | None, namespace: str | None) -> Answer:
        if self.problem:
            raise Unavailable(self.problem, reason=Reason.INTERNAL_ERROR)
        name = str(image) if image is not None else IMAGE
        unknown = Answer(
            state=AnswerState.UNKNOWN, admit=False, enforced=True, generation=1, image=name, digest=str(digest)
        )
        return self.answers.get((name, str(digest)), unknown)

    def reference(self, text: str, namespace: str | None) -> Answer:
        reference = Reference.parse(text)
        if reference.digest is None:
            raise BadInput("a tag is never a key")
        return self.lookup(reference.digest, reference.repository, namespace)


def told() -> Told:
    """Return answers with one verified and one denied image."""
    verified = Answer(state=AnswerState.VERIFIED, admit=True, enforced=True, generation=1, image=IMAGE, digest=GOOD)
    denied = Answer(
        state=AnswerState.DENIED,
        admit=False,
        enforced=True,
        generation=1,
        image=IMAGE,
        digest=BAD,
        reason="wrong-key",
        detail="signed by key:77",
    )
    return Told(answers={(IMAGE, GOOD): verified, (IMAGE, BAD): denied})


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
    answers: Any
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
    given = answers if answers is not None else told()
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
        yield Running(port, seen, accepted, given)
    finally:
        stop.set()
        thread.join(20)
        listener.close()
        assert not thread.is_alive()
