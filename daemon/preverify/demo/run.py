"""The demo: five steps, a table, and an exit code that says whether every expectation held."""

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from preverify.demo.asking import DemoFailed, Reply, admission, lookup
from preverify.demo.catalogue import DATABASE, IMAGES, ROWS, Row
from preverify.demo.child import Daemon, configure, prepare
from preverify.demo.content import Content
from preverify.demo.published import statement_holds
from preverify.demo.registry import Hook, Registry
from preverify.demo.table import Line, step
from preverify.model.digest import Digest
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import AnswerState

DECIDE_SECONDS = 60
MARKER = "demo.json"
Print = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the demo saw of one row."""

    row: Row
    subject: Subject
    answer: dict[str, object]

    @property
    def reasons(self) -> list[dict[str, str]]:
        """The reasons of all policies, as the answer has them."""
        policies = self.answer.get("policies")
        return [reason for policy in policies for reason in policy["reasons"]] if isinstance(policies, list) else []

    @property
    def held(self) -> bool:
        """Say whether answer and reason are the expected ones."""
        codes = [reason["code"] for reason in self.reasons]
        return self.answer["answer"] == self.row.state.value and codes[:1] == [self.row.reason.value]

    def line(self) -> Line:
        """Return the row of the table."""
        said = "; ".join(
            reason["detail"] if reason["code"] == "ok" else f"{reason['code']}: {reason['detail']}"
            for reason in self.reasons
        ) or str(self.answer.get("detail") or self.answer.get("reason") or "no reason was given")
        return Line(
            image=self.row.name,
            digest=str(self.subject.digest),
            answer=str(self.answer["answer"]),
            why=f"{self.row.what} -> {said}",
            held=self.held,
        )


class Demo:
    """One run. `rows` are the images; everything lies below `state` and ends with the run."""

    def __init__(self, state: Path, *, port: int, say: Print, rows: Sequence[Row] = ROWS) -> None:
        self.say = say
        self.rows = rows
        self.place = prepare(state, port)
        self.registries: dict[str, Registry] = {}
        self.before: dict[str, Result] = {}  # by row name: what a tag named before it was moved

    # --- the five steps ---

    @contextmanager
    def run(self) -> Iterator[tuple[Daemon, list[Result]]]:
        """Do all steps; daemon and registries run until the block ends."""
        self._environment()
        with ExitStack() as running:
            self._start_registries(running)
            began = time.monotonic()
            configure(self.place, {name: registry.address for name, registry in self.registries.items()})
            daemon = Daemon(self.place)
            daemon.run("db", "pull")  # a signed image too, verified before anything of it is read
            running.enter_context(daemon)
            schema = daemon.run("db", "check")
            text = f"SQLite {self.place.state.name}/preverify.db, schema {schema}, policies demo.yaml"
            self.say(step("daemon", text, time.monotonic() - began))
            results = self._verify(daemon)
            self._attest(results)
            self._remember(results)
            yield daemon, results

    def _environment(self) -> None:
        packages = sum(1 for _ in importlib.metadata.distributions())
        seconds = float(os.environ.get("PREVERIFY_DEMO_ENVIRONMENT_SECONDS", "0"))
        text = f".venv ready (Python {platform.python_version()}, {packages} packages, hashes checked)"
        self.say(step("environment", text, seconds))

    def _start_registries(self, running: ExitStack) -> None:
        began = time.monotonic()
        for name in sorted({row.source for row in self.rows}):
            hook = Hook(url=self.place.hook(name), secret=self.place.secret)
            has_api = name == "shop"
            registry = Registry(Content(), referrers=has_api, deletes=has_api, hook=hook)
            self.registries[name] = running.enter_context(registry)
        self.registries["shop"].content.load(IMAGES / "vulnerabilities", DATABASE)
        for row in self.rows:
            if not row.announced:
                self._load(row, row.layout)
        where = ", ".join(f"{name} on {registry.address}" for name, registry in self.registries.items())
        count = sum(not row.announced for row in self.rows)
        self.say(step("registry", f"{where} (in process), {count} images", time.monotonic() - began))

    def _verify(self, daemon: Daemon) -> list[Result]:
        began = time.monotonic()
        listed = [row for row in self.rows if not row.announced]
        pushed = [row for row in self.rows if row.announced]
        found = {row.name: self._decided(daemon, row) for row in listed}
        # The listing is done; what comes now is known to the daemon by its push event only.
        for row in pushed:
            self._load(row, row.layout)
            self._announce(row)
        found |= {row.name: self._decided(daemon, row) for row in pushed}
        for row in self.rows:
            if row.moves_to:
                self.before[row.name] = found[row.name]
                self._load(row, row.moves_to)
                self._announce(row)
                found[row.name] = self._decided(daemon, row)
        moved = f", {len(self.before)} tag moved" if self.before else ""
        text = f"{len(self.rows)} tags discovered: {len(pushed)} by push event, {len(listed)} by listing{moved}"
        self.say(step("verify", text, time.monotonic() - began))
        return [found[row.name] for row in self.rows]

    def _attest(self, results: Sequence[Result]) -> None:
        began = time.monotonic()
        verified = [result for result in results if result.answer["answer"] == AnswerState.VERIFIED.value]
        missing = [result.row.name for result in verified if not wait_for(partial(self.attached, result))]
        text = f"{len(verified) - len(missing)} VSAs signed (demo key) and attached"
        self.say(step("attest", text, time.monotonic() - began))
        if missing:
            raise DemoFailed(f"no statement of ours that holds was found beside {', '.join(missing)}")

    # --- parts ---

    def _load(self, row: Row, layout: str) -> None:
        self.registries[row.source].content.load(IMAGES / layout, row.repository)

    def _announce(self, row: Row) -> None:
        registry = self.registries[row.source]
        registry.announce(row.repository, str(self.subject(row).digest), row.tag)

    def subject(self, row: Row) -> Subject:
        """Return what the row's tag names now."""
        registry = self.registries[row.source]
        found = registry.content.manifest(row.repository, row.tag)
        if found is None:
            raise DemoFailed(f"{row.name} was not loaded")
        return Subject(Repository(registry.address, row.repository), Digest.parse(found[0]))

    def ask(self, subject: Subject) -> Reply:
        """Ask about one image as a cluster would."""
        return lookup(self.place.answers, str(subject.digest), str(subject.repository))

    def _decided(self, daemon: Daemon, row: Row) -> Result:
        """Wait until there is an answer other than unknown."""
        subject = self.subject(row)
        answer: dict[str, object] = {}

        def decided() -> bool:
            nonlocal answer
            if not daemon.alive():
                raise DemoFailed(f"the daemon ended by itself:\n{daemon.tail()}")
            answer = self.ask(subject).document()
            return answer.get("answer") not in (None, AnswerState.UNKNOWN.value)

        if not wait_for(decided):
            raise DemoFailed(f"{row.name} was not decided in {DECIDE_SECONDS} s: {answer}\n{daemon.tail()}")
        return Result(row=row, subject=subject, answer=answer)

    def attached(self, result: Result) -> bool:
        """Say whether our statement about a verified image lies in its registry and holds."""
        content = self.registries[result.row.source].content
        return statement_holds(content, result.subject, self.place.key, now=datetime.now(UTC))

    def _remember(self, results: Sequence[Result]) -> None:
        """Note for `lookup` where the daemon answers, and which digests there are."""
        digests = [str(result.subject.digest) for result in (*results, *self.before.values())]
        document = {"pid": os.getpid(), "answers": self.place.answers, "digests": digests}
        (self.place.state / MARKER).write_text(json.dumps(document), encoding="utf-8")

    def wrong(self, results: Sequence[Result]) -> list[str]:
        """Return what is not as expected."""
        problems = [
            f"{result.row.name}: expected {result.row.state} ({result.row.reason}), got {result.answer}"
            for result in results
            if not result.held
        ]
        for name, result in self.before.items():
            if result.answer["answer"] != AnswerState.VERIFIED.value:
                problems.append(f"{name} before its tag moved: expected verified, got {result.answer}")
        for result in results:
            allowed = admission(self.place.answers, result.subject)[0]
            if allowed != (result.row.state is AnswerState.VERIFIED):
                problems.append(f"{result.row.name}: the AdmissionReview says allowed={allowed}")
        return problems


def wait_for(condition: Callable[[], bool]) -> bool:
    """Ask until it holds; False when the time is over."""
    deadline = time.monotonic() + DECIDE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
