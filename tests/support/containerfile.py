"""Reads a Containerfile and carries its steps out in plain directories with chroot: no container engine needed.

Only the instructions that ours uses are known; an unknown one is an error, so that a new step cannot be left out.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_CHROOT = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin") or "/usr/sbin/chroot"
_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction with its arguments as written."""

    keyword: str
    arguments: str


@dataclass(slots=True)
class Stage:
    """A build stage: a root directory and what instructions said of it."""

    name: str
    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    user: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    ports: tuple[str, ...] = ()
    entrypoint: str = ""
    command: str = ""


def parse(text: str) -> tuple[Step, ...]:
    """Return the steps: comments dropped, continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n", " ", lines)
    return tuple(Step(*_split(line.strip())) for line in joined.splitlines() if line.strip())


def _split(line: str) -> tuple[str, str]:
    keyword, _, arguments = line.partition(" ")
    return keyword.upper(), arguments.strip()


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$NAME` and `${NAME}`; unknown names become empty, as engines do."""
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), text)


@dataclass(slots=True)
class Build:
    """Carries steps out. `base` is a root directory that stands for whatever image FROM names."""

    context: Path
    base: Path
    work: Path
    arguments: Mapping[str, str]
    environment: Mapping[str, str]
    stages: list[Stage] = field(default_factory=list)
    _before: dict[str, str] = field(default_factory=dict)

    def run(self, steps: tuple[Step, ...]) -> Stage:
        """Carry out all steps; return the last stage."""
        for step in steps:
            getattr(self, f"_{step.keyword.lower()}", self._unknown)(step.arguments)
        return self.stages[-1]

    @property
    def _stage(self) -> Stage:
        return self.stages[-1]

    def _unknown(self, arguments: str) -> None:
        raise ValueError(f"an instruction that this runner does not know: … {arguments[:80]}")

    def _arg(self, arguments: str) -> None:
        name, _, default = arguments.partition("=")
        variables = self._stage.variables if self.stages else self._before
        value = self.arguments.get(name, default)
        if value:
            variables[name] = value

    def _from(self, arguments: str) -> None:
        words = substitute(arguments, self._before).split()
        name = words[2] if len(words) == 3 and words[1].lower() == "as" else str(len(self.stages))
        root = self.work / name
        subprocess.run(["cp", "-a", self.base, root], check=True, timeout=_SECONDS)
        for file in ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"):
            if (Path("/") / file).exists() and (root / file).parent.is_dir():
                shutil.copyfile(Path("/") / file, root / file)
        self.stages.append(Stage(name=name, root=root))

    def _env(self, arguments: str) -> None:
        self._stage.environment.update(self._pairs(arguments))

    def _label(self, arguments: str) -> None:
        self._stage.labels.update(self._pairs(arguments))

    def _pairs(self, arguments: str) -> dict[str, str]:
        variables = {**self._stage.environment, **self._stage.variables}
        return dict(word.split("=", 1) for word in shlex.split(substitute(arguments, variables)))

    def _workdir(self, arguments: str) -> None:
        self._stage.directory = arguments
        (self._stage.root / arguments.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _user(self, arguments: str) -> None:
        self._stage.user = arguments

    def _volume(self, arguments: str) -> None:
        assert (self._stage.root / arguments.lstrip("/")).is_dir()

    def _expose(self, arguments: str) -> None:
        self._stage.ports = tuple(arguments.split())

    def _entrypoint(self, arguments: str) -> None:
        self._stage.entrypoint = arguments

    def _cmd(self, arguments: str) -> None:
        self._stage.command = arguments

    def _copy(self, arguments: str) -> None:
        words = arguments.split()
        origin = self.context
        if words[0].startswith("--from="):
            origin = next(s.root for s in self.stages if s.name == words[0].removeprefix("--from="))
            words = words[1:]
        *sources, target = words
        into = self._stage.root / target.lstrip("/")
        for source in sources:
            found = origin / source.lstrip("/")
            if found.is_dir():
                shutil.copytree(
                    found, into, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                goal = into / found.name if target.endswith("/") else into
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, goal)

    def _run(self, arguments: str) -> None:
        done = self.chroot(self._stage, ["/bin/sh", "-c", arguments], user="")
        assert done.returncode == 0, f"RUN {arguments[:200]}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"

    def chroot(
        self, stage: Stage, command: list[str], *, user: str | None = None, seconds: int = _SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a stage, as the stage's user where none is given."""
        who = stage.user if user is None else user
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "DEBIAN_FRONTEND": "noninteractive",
            **self.environment,
            **stage.variables,
            **stage.environment,
        }
        identity = [f"--userspec={who}", "--groups="] if who else []
        inside = f'cd {shlex.quote(stage.directory)} && exec "$@"'
        return subprocess.run(
            [_CHROOT, *identity, stage.root, "/bin/sh", "-c", inside, "sh", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def host_network_settings() -> Iterator[tuple[str, str]]:
    """Yield how this machine reaches package indexes, for the steps that install."""
    for name, value in os.environ.items():
        if name.lower() in {"http_proxy", "https_proxy", "no_proxy", "pip_cert", "pip_index_url", "pip_trusted_host"}:
            yield name, value
