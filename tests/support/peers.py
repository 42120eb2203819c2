"""Other tools that decide about images, and ours beside them: the same policies over the same images."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from preverify.commands.app import run
from support import registries

Tool = Callable[[str], Path]


@dataclass
class Peers:
    """A registry with images of the fixtures, a directory to write into, and the tools."""

    host: str
    place: Path
    tool: Tool
    store: Any = field(default_factory=registries.fixtures)
    _cases: dict[str, dict[str, Any]] = field(default_factory=lambda: {c["id"]: c for c in registries.cases()})
    _pushed: set[str] = field(default_factory=set)
    _count: int = 0

    def image(self, case: str) -> str:
        """Return the reference by digest of a case's image, which is pushed with everything beside it."""
        about = self._cases[case]
        if case not in self._pushed:
            self._pushed.add(case)
            registries.push(self.host, self.store, about["repo"], about["repo"], subject=about["digest"])
        return f"{self.host}/{about['repo']}@{about['digest']}"

    def directory(self) -> Path:
        """Return a new directory."""
        self._count += 1
        place = self.place / str(self._count)
        place.mkdir()
        return place

    def ours(self, reference: str, *texts: str) -> bool:
        """Import policies and verify an image under what they became, both by the commands that people use."""
        place = self.directory()
        files = []
        for i, text in enumerate(texts):
            files.append(place / f"{i}.yaml")
            files[-1].write_text(text)
        assert run(["policy", "import", *map(str, files), "--out", str(place / "ours")]) == 0
        code = run(["verify", reference, "--policy", str(place / "ours"), "--plain-http", "--private"])
        assert code in (0, 1), f"verify ended with {code}"
        return code == 0

    def policy_controller(self, reference: str, policy: str, trust_root: str = "") -> bool:
        """Ask policy-controller's tester."""
        place = self.directory()
        (place / "policy.yaml").write_text(policy)
        command = [str(self.tool("policy-tester")), "-policy", str(place / "policy.yaml"), "-image", reference]
        if trust_root:
            (place / "root.yaml").write_text(trust_root.removeprefix("---\n"))
            command += ["-trustroot", str(place / "root.yaml")]
        done = self._run([*command, "-log-level", "error"])
        assert done.returncode == 0 or json.loads(done.stdout)["errors"], done.stderr
        return done.returncode == 0

    def kyverno(self, reference: str, policy: str) -> bool:
        """Say whether Kyverno's command line admits a pod with the image."""
        counts = self.kyverno_counts(reference, policy)
        return counts["fail"] == 0 and counts["pass"] > 0

    def kyverno_counts(self, reference: str, policy: str) -> dict[str, int]:
        """Return how many rules of Kyverno passed, failed and were skipped."""
        place = self.directory()
        (place / "policy.yaml").write_text(policy)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"containers": [{"name": "web", "image": reference}]},
        }
        (place / "pod.yaml").write_text(yaml.safe_dump(pod))
        arguments = ["apply", "policy.yaml", "--resource", "pod.yaml", "--registry"]
        done = self._run([str(self.tool("kyverno")), *arguments], cwd=place)
        last = done.stdout.strip().splitlines()[-1]
        counts = {name: int(number) for name, number in (part.split(": ") for part in last.split(", "))}
        assert counts["error"] == 0, done.stdout
        assert (counts["fail"] == 0) == (done.returncode == 0), done.stdout
        return counts

    def _run(self, command: list[str], cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=cwd,
            env={"HOME": str(self.place), "PATH": "/usr/bin:/bin", "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@contextmanager
def peers(tool: Tool, place: Path) -> Iterator[Peers]:
    """Serve a registry and yield the peers."""
    with registries.regserve(tool) as host:
        yield Peers(host, place, tool)
