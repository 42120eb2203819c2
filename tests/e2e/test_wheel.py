"""The wheel is the product: installed alone, in an empty directory, it upgrades a database, serves and verifies."""

import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120


@dataclass(frozen=True)
class Installed:
    """A virtual environment that has the wheel, and sees our dependencies but not the checkout."""

    wheel: Path
    python: Path

    def run(self, where: Path, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [self.python.parent / "preverify", *arguments],
            cwd=where,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def place(self) -> Path:
        script = "import preverify; print(preverify.__path__[0])"
        done = subprocess.run(
            [self.python, "-c", script], env=environment(), capture_output=True, text=True, check=True
        )
        return Path(done.stdout.strip())


def environment() -> dict[str, str]:
    """Return this environment without what would lead to the checkout or to a configuration."""
    hidden = ("PYTHON", "PREVERIFY", "COV_", "COVERAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel with the locked build backend and install it; no network, no isolation."""
    directory = tmp_path_factory.mktemp("wheel")
    hatchling = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(hatchling, cwd=ROOT, check=True, capture_output=True, timeout=SECONDS)
    (wheel,) = directory.glob("*.whl")
    venv = directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=SECONDS)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    install = [*pip, "install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, env=environment(), timeout=SECONDS)
    # A path file adds the directory alone: path files in it, like the one that leads to the checkout, are not read.
    site = next((venv / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return Installed(wheel=wheel, python=python)


def test_the_installed_package_is_the_wheels(installed: Installed, tmp_path: Path) -> None:
    """Else everything below would test the checkout."""
    assert installed.python.parent.parent in installed.place().parents
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert installed.run(tmp_path, "version").strip() == version


def test_migrations_configuration_and_schemas_are_in_the_wheel(installed: Installed) -> None:
    held = zipfile.ZipFile(installed.wheel)
    names = set(held.namelist())
    shipped = {"migrations": ROOT / "migrations", "config": ROOT / "config"}
    for name, directory in shipped.items():
        files = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        assert files, name
        for path in files:
            inside = f"preverify/_shipped/{name}/{path.relative_to(directory).as_posix()}"
            assert inside in names
            assert held.read(inside) == path.read_bytes()
    assert any(re.fullmatch(r"preverify/_shipped/config/schema/\w+\.json", name) for name in names)
    assert any(re.fullmatch(r"preverify/_shipped/migrations/versions/\w+\.py", name) for name in names)
    assert "preverify/py.typed" in names
    assert not [name for name in names if name.startswith("tests/") or name.endswith((".pyc", ".key"))]


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    directory = tmp_path / "empty"
    directory.mkdir()
    return directory


def policies(installed: Installed, directory: Path, *, key: str) -> Path:
    """Write one policy that wants every image signed by one of the demo's keys."""
    (directory / "policies").mkdir()
    public = (installed.place() / "_shipped" / "config" / "policies" / "demo" / "keys" / f"{key}.pub").read_bytes()
    (directory / "policies" / "key.pub").write_bytes(public)
    (directory / "policies" / "all.yaml").write_text(
        "apiVersion: preverify/v1\nkind: Signers\nmetadata: {name: one}\n"
        "spec:\n  key: {key: {file: key.pub}, tlog: none}\n---\n"
        "apiVersion: preverify/v1\nkind: Policy\nmetadata: {name: all-signed}\nspec:\n"
        '  images: ["**"]\n  require: [{name: signed, signature: {by: {any: [key]}}}]\n'
    )
    return directory / "policies"


def test_verify_reads_a_layout_without_a_configuration(installed: Installed, empty: Path, tmp_path: Path) -> None:
    layout = installed.place() / "demo" / "images" / "legacy"
    given = policies(installed, tmp_path, key="release")
    assert "VERIFIED" in installed.run(empty, "verify", f"oci:{layout}:0.9", "--policy", str(given))
    assert list(empty.iterdir()) == []


def test_verify_refuses_a_layout_that_another_key_signed(installed: Installed, empty: Path, tmp_path: Path) -> None:
    layout = installed.place() / "demo" / "images" / "legacy"
    given = policies(installed, tmp_path, key="security")
    assert "wrong-key" in installed.run(empty, "verify", f"oci:{layout}:0.9", "--policy", str(given), code=1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def configured(installed: Installed, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Write a small configuration; yields it and the address of the answers."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "preverify.yaml"
    config.write_text(
        f"apiVersion: preverify/v1\nkind: Config\nstate: {state}\n"
        f'database: {{url: "sqlite:///{state}/preverify.db"}}\n'
        f"policies: {{directory: {policies(installed, tmp_path, key='release')}}}\n"
        f'listen: {{address: "{address}"}}\nmetrics: {{address: "127.0.0.1:{free_port()}"}}\nworkers: 1\n'
    )
    return config, address


def test_a_database_is_upgraded_and_checked(installed: Installed, empty: Path, configured: tuple[Path, str]) -> None:
    config = str(configured[0])
    installed.run(empty, "db", "check", "--config", config, code=1)
    installed.run(empty, "db", "upgrade", "--config", config)
    assert installed.run(empty, "db", "check", "--config", config).strip() == "current"
    installed.run(empty, "db", "upgrade", "--config", config)
    assert list(empty.iterdir()) == []


def test_the_daemon_serves_until_it_is_told_to_stop(
    installed: Installed, empty: Path, configured: tuple[Path, str], tmp_path: Path
) -> None:
    config, address = configured
    installed.run(empty, "db", "upgrade", "--config", str(config))
    command = [installed.python.parent / "preverify", "serve", "--config", str(config)]
    log = tmp_path / "log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            command, cwd=empty, env=environment(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = monotonic() + SECONDS
        while status(address, "/readyz") != 200:
            assert daemon.poll() is None, log.read_text()
            assert monotonic() < deadline, log.read_text()
            sleep(0.1)
        digest = "sha256:" + "0" * 64
        assert status(address, f"/v1/lookup/{digest}?image=registry.example/shop/api") == 404
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(timeout=30) == 0, log.read_text()
    finally:
        if daemon.poll() is None:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait(timeout=30)
    assert list(empty.iterdir()) == []


def status(address: str, path: str) -> int:
    """Return the status of one GET; 0 while nobody listens."""
    connection = HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()
