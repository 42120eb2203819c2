"""The private Sigstore of `stack/` as a fixture: up on free loopback ports, down by its pid files.

One instance stays up for all tests of a run that ask for it.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "stack"
PARTS = ("oidc", "ct", "fulcio", "rekor2", "tsa")
TOOLS = ("fulcio", "rekor-server-posix", "timestamp-server", "cosign3")
OLD_LOG_TOOLS = ("rekor-server", "trillian_log_server", "trillian_log_signer", "createtree")
_PORTS = 15
_SECONDS = 120
Tool = Callable[[str], Path]


class Stack:
    """A running instance: its addresses, its trust, and tokens for whoever asks."""

    def __init__(self, directory: Path, port: int, tools: Path, parts: tuple[str, ...]) -> None:
        self.directory = directory
        self.port = port
        self.tools = tools
        self.parts = parts

    @property
    def trusted_root(self) -> Path:
        return self.directory / "trusted_root.json"

    def signing_config(self, kind: str = "") -> Path:
        """Return the signing configuration with newer log and time stamps, or `tsa_only`, `none`, `rekor1`."""
        return self.directory / (f"signing_config_{kind}.json" if kind else "signing_config.json")

    def issuer(self, name: str) -> str:
        """Return the URL of an issuer: email, github, uri, chainguard."""
        return f"http://127.0.0.1:{self.port}/{name}"

    @property
    def fulcio(self) -> str:
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def rekor1(self) -> str:
        return f"http://127.0.0.1:{self.port + 9}"

    def token(self, name: str, **claims: object) -> str:
        """Return a token of an issuer, with these claims."""
        return self.minted(name, **claims)["token"]

    def minted(self, name: str, **claims: object) -> dict[str, str]:
        """Return a token with the issuer and the identity that its certificates will name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", f"/{name}/token", json.dumps(claims))
            answer: dict[str, str] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    @property
    def cosign2_environment(self) -> dict[str, str]:
        """Return the variables by which cosign v2 finds private trust."""
        pki = self.directory / "pki"
        return {
            "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": str(pki / "ct.pub"),
            "SIGSTORE_REKOR_PUBLIC_KEY": str(pki / "rekor1.pub"),
            "SIGSTORE_ROOT_FILE": str(pki / "fulcio-chain.pem"),
            "SIGSTORE_TSA_CERTIFICATE_FILE": str(pki / "tsa-chain.pem"),
        }

    def up(self) -> str:
        """Start everything; returns what went wrong, or nothing."""
        done = self._run("up.sh", str(self.port))
        return "" if done.returncode == 0 else (done.stdout + done.stderr)[-3000:]

    def down(self) -> None:
        """Stop everything that was started."""
        self._run("down.sh")

    def _run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "STACK_BIN": str(self.tools),
            "STACK_PYTHON": sys.executable,
            "STACK_PARTS": " ".join(self.parts),
            "HOME": str(self.directory),
            "GOMODCACHE": _module_cache(),
        }
        # Into files: a server that kept a pipe of ours open would make us wait for its end.
        out = self.directory / f"{script}.out"
        with out.open("w") as file:
            done = subprocess.run(
                ["bash", str(HERE / script), str(self.directory), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
                timeout=_SECONDS,
                check=False,
            )
        return subprocess.CompletedProcess(done.args, done.returncode, out.read_text(), "")


def _module_cache() -> str:
    go = shutil.which("go")
    if go is None:
        return ""
    return subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=False).stdout.strip()


def _free_ports() -> int:
    """Return the first of some neighbouring ports that are all free now."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + _PORTS < 65536 and all(_is_free(port) for port in range(first, first + _PORTS)):
            return first
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _run(tool: Tool, directory: Path, parts: tuple[str, ...], programs: tuple[str, ...]) -> Iterator[Stack]:
    tools = directory / "bin"
    tools.mkdir(parents=True)
    for name in programs:
        (tools / name).symlink_to(tool(name))
    wrong = ""
    for attempt in range(2):  # a port may be taken between our look and the server's start
        running = Stack(directory / f"run{attempt}", _free_ports(), tools, parts)
        running.directory.mkdir()
        try:
            if not (wrong := running.up()):
                yield running
                return
        finally:
            running.down()
    raise AssertionError(f"the private Sigstore does not start: {wrong}")


@pytest.fixture(scope="session")
def stack(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A certificate authority, certificate time stamps, Rekor v2 and a time stamp authority."""
    yield from _run(tool, tmp_path_factory.mktemp("stack"), PARTS, TOOLS)


@pytest.fixture(scope="session")
def old_log_stack(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The same with Rekor v1 in place of v2 (heavy: PostgreSQL and Trillian)."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql; python3 try.py test --tools all installs it")
    directory = tmp_path_factory.mktemp("old-log-stack")
    yield from _run(
        tool,
        directory,
        ("oidc", "ct", "fulcio", "tsa", "rekor1"),
        ("fulcio", "timestamp-server", "cosign3", *OLD_LOG_TOOLS),
    )
