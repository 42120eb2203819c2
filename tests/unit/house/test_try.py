"""`try.py` runs before anything is installed, on whatever Python and index settings people have."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "try.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    return module


def test_it_needs_only_the_standard_library() -> None:
    done = subprocess.run([sys.executable, "-I", "-S", ROOT / "try.py", "--help"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"python3 try.py demo" in done.stdout


def old_pythons() -> list[str]:
    return [path for path in (shutil.which(f"python3.{minor}") for minor in (8, 9, 10)) if path]


@pytest.mark.skipif(not old_pythons(), reason="no Python older than 3.11 is here")
def test_an_old_python_gets_one_clear_sentence() -> None:
    for python in old_pythons():
        done = subprocess.run([python, ROOT / "try.py", "demo"], capture_output=True, text=True, check=False)
        if "command not found" in done.stderr:
            continue  # a shim without its version
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("preverify needs Python 3.11 or newer; this is 3.")


def test_python_3_10_is_refused(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 10, 12))
    assert bootstrap.main(["demo"]) == 2
    assert "preverify needs Python 3.11 or newer" in capsys.readouterr().err


def test_an_unknown_command_names_the_known_ones(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["dmeo"]) == 2
    assert "there is no command 'dmeo'; there are: demo, test, lookup, bench, clean" in capsys.readouterr().err
    assert bootstrap.main([]) == 2


@pytest.fixture
def elsewhere(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The bootstrap of an empty project."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "requirements.lock").write_text("# nothing\n")
    (root / "pyproject.toml").write_text("")
    for name, value in {
        "ROOT": root,
        "VENV": root / ".venv",
        "PYTHON": root / ".venv" / "bin" / "python",
        "LOCK": root / "requirements.lock",
        "STAMP": root / ".venv" / "preverify-stamp",
        "DEMO_STATE": root / "demo-state",
    }.items():
        monkeypatch.setattr(bootstrap, name, value)
    return bootstrap


def test_a_second_run_installs_nothing_until_the_lock_changes(
    elsewhere: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[tuple[str, ...]] = []
    monkeypatch.setattr(elsewhere, "make_venv", lambda: elsewhere.PYTHON.parent.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(elsewhere, "pip", lambda *arguments: installed.append(arguments))
    elsewhere.environment()
    elsewhere.PYTHON.touch()
    assert [line[0:2] for line in installed] == [("install", "--require-hashes"), ("install", "--no-index")]
    elsewhere.environment()
    assert len(installed) == 2
    elsewhere.LOCK.write_text("# changed\n")
    elsewhere.environment()
    assert len(installed) == 4


def test_an_installation_that_failed_is_done_again(elsewhere: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: str) -> None:
        raise elsewhere.Failed("no network")

    monkeypatch.setattr(elsewhere, "make_venv", lambda: elsewhere.PYTHON.parent.mkdir(parents=True))
    monkeypatch.setattr(elsewhere, "pip", broken)
    with pytest.raises(elsewhere.Failed):
        elsewhere.environment()
    assert not elsewhere.ready()


def test_the_environment_is_made_by_ensurepip_where_there_is_one(elsewhere: ModuleType) -> None:
    elsewhere.make_venv()
    assert elsewhere.works([str(elsewhere.PYTHON), "-m", "pip", "--version"])
    inode = elsewhere.PYTHON.parent.stat().st_ino
    elsewhere.make_venv()  # a usable one stays
    assert elsewhere.PYTHON.parent.stat().st_ino == inode


def test_without_ensurepip_pip_comes_from_its_own_wheel(elsewhere: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian and Ubuntu keep ensurepip in a package of its own."""
    wheel = next((path for path in ensurepip_wheels() if path.name.startswith("pip-")), None)
    if wheel is None:
        pytest.skip("this Python has no bundled pip wheel to serve as the index's")
    real = elsewhere.works
    monkeypatch.setattr(elsewhere, "works", lambda command: "import ensurepip" not in command and real(command))
    monkeypatch.setattr(elsewhere, "PIP_WHEEL", wheel.name)
    monkeypatch.setattr(elsewhere, "PIP_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    elsewhere.make_venv()
    assert real([str(elsewhere.PYTHON), "-m", "pip", "--version"])
    monkeypatch.setattr(elsewhere, "PIP_SHA256", "0" * 64)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    shutil.rmtree(elsewhere.VENV)
    with pytest.raises(elsewhere.Failed, match=r"another hash(.|\n)*apt-get install python3-venv"):
        elsewhere.make_venv()


def ensurepip_wheels() -> list[Path]:
    import ensurepip

    return sorted((Path(ensurepip.__file__).parent / "_bundled").glob("*.whl"))


# --- the user's index settings ---


def test_settings_come_from_files_then_the_environment(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "home" / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True)
    config.write_text(
        "[global]\nindex-url = https://one.example/simple\ncert = /a.pem\n[install]\nfind_links = /w1\n  /w2\n"
    )
    found = bootstrap.pip_settings()
    assert (found["index-url"], found["cert"]) == ("https://one.example/simple", "/a.pem")
    assert bootstrap.wheel_places() == ["/w1", "/w2", "https://one.example/simple"]
    other = tmp_path / "other.conf"
    other.write_text("[global]\nindex-url = https://two.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(other))
    assert bootstrap.pip_settings()["index-url"] == "https://two.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://three.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://four.example/simple")
    assert bootstrap.wheel_places()[2:] == ["https://three.example/simple", "https://four.example/simple"]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert bootstrap.wheel_places() == ["/w1", "/w2"]


@pytest.fixture
def index() -> Iterator[tuple[str, list[str]]]:
    """A package index on loopback that wants a password; yields its address and the paths it was asked for."""
    asked: list[str] = []

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            allowed = self.headers.get("Authorization") == "Basic dXNlcjpwQHNz"  # user:p@ss
            wheel = "pip-26.3-py3-none-any.whl"
            page = f'<a href="../../files/{wheel}#sha256=aa">{wheel}</a><a href="x">pip-1-py3-none-any.whl</a>'.encode()
            body = page if self.path == "/simple/pip/" else b"the wheel"
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Index)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://user:p%40ss@127.0.0.1:{server.server_address[1]}/simple", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_wheel_comes_from_the_index_with_its_hash(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, index: tuple[str, list[str]]
) -> None:
    address, asked = index
    monkeypatch.setenv("PIP_INDEX_URL", address)
    monkeypatch.setattr(bootstrap, "PIP_SHA256", hashlib.sha256(b"the wheel").hexdigest())
    assert bootstrap.pip_wheel() == b"the wheel"
    assert asked == ["/simple/pip/", "/files/pip-26.3-py3-none-any.whl"]


def test_a_refusal_is_told_without_the_password(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, index: tuple[str, list[str]]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index[0].replace("p%40ss", "wr0ng"))
    with pytest.raises(bootstrap.Failed) as problem:
        bootstrap.pip_wheel()
    assert "HTTP Error 401" in str(problem.value)
    assert "wr0ng" not in str(problem.value)
    assert "apt-get install python3-venv" in str(problem.value)


@pytest.mark.parametrize("address", ["ftp://x.example/simple", "file:///etc"])
def test_other_kinds_of_addresses_are_refused(bootstrap: ModuleType, address: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        bootstrap.download(address)


def test_clean_removes_only_what_it_made(elsewhere: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere.VENV.mkdir()
    elsewhere.DEMO_STATE.mkdir()
    assert elsewhere.main(["clean"]) == 0
    assert sorted(path.name for path in elsewhere.ROOT.iterdir()) == ["pyproject.toml", "requirements.lock"]
    assert "removed .venv" in capsys.readouterr().out
