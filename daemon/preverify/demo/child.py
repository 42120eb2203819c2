"""The daemon as the demo runs it: its configuration, its process, and questions to it."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from preverify.demo.asking import DemoFailed, ask
from preverify.demo.catalogue import DATABASE, POLICIES
from preverify.model.keys import TrustedKey

START_SECONDS = 120
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where everything of one demo lies and listens."""

    state: Path
    answers: str
    metrics: str
    secret: str
    key: TrustedKey

    @property
    def config(self) -> Path:
        """The daemon's configuration file."""
        return self.state / "preverify.yaml"

    @property
    def policies(self) -> Path:
        """The policies of this demo: those that are shipped, and exceptions of today."""
        return self.state / "policies"

    def hook(self, source: str) -> str:
        """Return the address of a source's hook."""
        return f"http://{self.answers}/hooks/{source}"


def free_port(wanted: int) -> int:
    """Return `wanted` where it is free on loopback, else any port that is free now."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoFailed("there is no free port on 127.0.0.1")


def prepare(state: Path, port: int) -> Place:
    """Make a fresh state directory with a signing key and a hook secret of its own."""
    state.mkdir(parents=True, mode=0o700)
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_secret(state / "signing.pem", pem)
    lay_out(state / "policies", today=datetime.now(UTC).date())
    secret = secrets.token_urlsafe(24)
    _write_secret(state / "hook-secret", secret.encode())
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    answers = free_port(port)
    return Place(
        state=state,
        answers=f"127.0.0.1:{answers}",
        metrics=f"127.0.0.1:{free_port(answers + 1)}",
        secret=secret,
        key=TrustedKey(spki),
    )


def lay_out(directory: Path, *, today: date) -> None:
    """Copy the demo's policies into a directory that is not there yet; exceptions begin today."""
    shutil.copytree(POLICIES, directory)
    template = directory / "exceptions.yaml.template"
    text = template.read_text(encoding="utf-8").replace("@TODAY@", today.isoformat())
    text = text.replace("@IN_30_DAYS@", (today + timedelta(days=30)).isoformat())
    (directory / "exceptions.yaml").write_text(text, encoding="utf-8")
    template.unlink()


def _write_secret(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def configure(place: Place, registries: dict[str, str]) -> None:
    """Write the daemon's configuration. JSON is YAML; people may still read it."""
    sources = {
        name: {
            "registry": address,
            "repositories": ["**"],
            "hooks": {"format": "distribution", "secretFile": str(place.state / "hook-secret")},
            "network": "private",
            "tls": {"plainHttp": True},
            "budget": {"requestsPerSecond": 500},
        }
        for name, address in registries.items()
    }
    document = {
        "apiVersion": "preverify/v1",
        "kind": "Config",
        "state": str(place.state / "state"),
        "database": {"url": f"sqlite:///{place.state / 'preverify.db'}"},
        "sources": sources,
        "policies": {"directory": str(place.policies)},
        "vulnerabilities": {
            "database": {
                "reference": f"{registries['shop']}/{DATABASE}:1",
                "policy": str(place.policies / "database" / "database.yaml"),
                "network": "private",
                "tls": {"plainHttp": True},
            }
        },
        "signing": {"keyFile": str(place.state / "signing.pem"), "verifierId": "urn:preverify:demo"},
        "listen": {"address": place.answers},
        "metrics": {"address": place.metrics},
    }
    place.config.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


class Daemon:
    """`preverify serve` as a child process. `with Daemon(place) as daemon:` runs it until the block ends."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log = place.state / "daemon.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        (self.place.state / "state").mkdir(mode=0o700, exist_ok=True)
        self.run("db", "upgrade")
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches the demo, and the demo stops the daemon in its own order.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "preverify", "serve", "--config", str(self.place.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, *arguments: str) -> str:
        """Run another verb of the command line with the demo's configuration; return what it printed."""
        command = [sys.executable, "-m", "preverify", *arguments, "--config", str(self.place.config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)  # noqa: S603
        if done.returncode != 0:
            raise DemoFailed(f"preverify {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr.strip()}")
        return done.stdout.strip()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise DemoFailed(f"the daemon ended with {process.returncode}:\n{self.tail()}")
            try:
                if ask(self.place.answers, "GET", "/readyz").status == 200:
                    return
            except (OSError, HTTPException):
                pass
            time.sleep(0.05)
        raise DemoFailed(f"the daemon was not ready after {START_SECONDS} s:\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of the daemon's log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])

    def alive(self) -> bool:
        """Say whether the daemon runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        """End the daemon and wait for it; return its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait(timeout=STOP_SECONDS)
