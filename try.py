#!/usr/bin/env python3
"""Try preverify with nothing but Python 3.11 or newer and a package index.

    python3 try.py demo [--once] [--port N]          install, then show the daemon at work on a registry of its own
    python3 try.py test [--tools [all]] [ARG ...]    every gate and every test; ARGs go to pytest
    python3 try.py lookup DIGEST [--image NAME]      ask the running demo
    python3 try.py bench NAME [--quick]              measure
    python3 try.py clean                             remove what this file made

The first run makes `.venv` and installs `requirements.lock` into it, every file checked against its hash. Later runs
need no network until the lock changes. Your own pip settings (index, certificates, proxy) are used as they are.
"""

from __future__ import annotations

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "preverify-stamp"
DEMO_STATE = ROOT / "demo-state"
OLDEST = (3, 11)

# Only where Python comes without ensurepip (Debian and Ubuntu keep it in a package of its own).
PIP_WHEEL = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


class Failed(Exception):
    """Something a person has to know; printed as it is."""


# --- the environment ---


def inputs() -> str:
    """Return a digest of everything that decides what the environment holds."""
    digest = hashlib.sha256(repr((sys.version_info[:3], str(ROOT))).encode())
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def ready() -> bool:
    """Return whether the environment is what the lock asks for."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text().strip() == inputs()


def environment() -> None:
    """Make `.venv` as the lock has it, or do nothing when it is so already."""
    began = time.monotonic()
    fresh = not ready()
    if fresh:
        print("installing requirements.lock into .venv (first run, or the lock changed)", file=sys.stderr)
        make_venv()
        pip("install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", str(LOCK))
        # The project itself needs no network: its build backend came with the lock.
        pip("install", "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        STAMP.write_text(inputs() + "\n")
    os.environ["PREVERIFY_DEMO_ENVIRONMENT_SECONDS"] = f"{time.monotonic() - began:.1f}" if fresh else "0.0"


def make_venv() -> None:
    """Make an empty environment, with pip in it by whatever way this Python has."""
    STAMP.unlink(missing_ok=True)
    usable = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if PYTHON.exists() and works([str(PYTHON), "-c", usable]):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if works([sys.executable, "-c", "import ensurepip"]) and works([sys.executable, "-m", "venv", str(VENV)]):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], "this Python cannot make a virtual environment")
    wheel = VENV / PIP_WHEEL
    wheel.write_bytes(pip_wheel())
    run(
        [str(PYTHON), f"{wheel}/pip", "install", "--no-index", "--no-deps", str(wheel)],
        "pip could not be installed from its wheel",
    )
    wheel.unlink()


def pip(*arguments: str) -> None:
    """Run the environment's own pip."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", *arguments]
    run(command, "the installation failed; is the package index reachable? (pip's message is above)")


def works(command: list[str]) -> bool:
    """Run a command silently and tell whether it exited 0."""
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode == 0


def run(command: list[str], problem: str) -> None:
    """Run a command, its output on standard error; raise `problem` when it fails."""
    if subprocess.run(command, check=False, cwd=ROOT, stdout=sys.stderr).returncode != 0:
        raise Failed(problem)


# --- pip's own wheel, where Python has no ensurepip ---


def pip_wheel() -> bytes:
    """Get the pinned wheel of pip, from the user's index or through this Python's own pip, and check its hash."""
    tried = []
    for place in places_in_turn():
        try:
            content = wheel_from(place)
        except (OSError, ValueError) as error:
            tried.append(f"  {without_password(place)}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() == PIP_SHA256:
            return content
        tried.append(f"  {without_password(place)}: {PIP_WHEEL} has another hash than the one pinned in try.py")
    raise Failed(
        f"this Python has neither ensurepip nor pip, and {PIP_WHEEL} could not be had:\n"
        + "\n".join(tried or ["  no index is configured for pip (PIP_INDEX_URL or pip.conf)"])
        + "\ninstall the package that has it (Debian and Ubuntu: apt-get install python3-venv) and try again"
    )


def places_in_turn() -> Iterator[str]:
    """Yield where the wheel may be; this Python's own pip is asked only when the rest did not have it."""
    yield from wheel_places()
    yield from downloaded_by_pip()


def downloaded_by_pip() -> list[str]:
    """Let this Python's own pip, where it has one, fetch the wheel by name; return the directory that it is in."""
    directory = str(VENV / "pip-download")
    name, version = PIP_WHEEL.split("-")[:2]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    return [directory] if works([*command, "--dest", directory, f"{name}=={version}"]) else []


def without_password(place: str) -> str:
    """Return an address that can be printed."""
    return re.sub(r"//[^/@]*@", "//", place)


def wheel_places() -> list[str]:
    """Return directories and indexes in which pip itself would look, in its order."""
    settings = pip_settings()
    places = settings.get("find-links", "").split()
    if settings.get("no-index", "").lower() not in ("1", "true", "yes", "on"):
        places += settings.get("index-url", "").split() + settings.get("extra-index-url", "").split()
    return places


def pip_settings() -> dict[str, str]:
    """Read pip's configuration files and environment, later ones winning, as pip does."""
    import configparser

    home = Path.home()
    base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    system = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
    files = [*system, home / ".pip" / "pip.conf", base / "pip" / "pip.conf"]
    if os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(os.environ["PIP_CONFIG_FILE"]))
    parser = configparser.RawConfigParser()
    parser.read([str(path) for path in files], encoding="utf-8")
    settings: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            settings.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    for key, value in os.environ.items():
        if key.startswith("PIP_") and value:
            settings[key[4:].lower().replace("_", "-")] = value
    return settings


def wheel_from(place: str) -> bytes:
    """Return the wheel from a directory or from an index that speaks the simple interface."""
    import urllib.parse

    if "://" not in place:
        return (Path(place) / PIP_WHEEL).read_bytes()
    page_address = place.rstrip("/") + "/pip/"
    page = download(page_address).decode("utf-8", "replace")
    for link in re.findall(r"""href\s*=\s*["']([^"']+)["']""", page, re.IGNORECASE):
        address = urllib.parse.urldefrag(urllib.parse.urljoin(page_address, html.unescape(link))).url
        if urllib.parse.unquote(address.rsplit("/", 1)[-1]) == PIP_WHEEL:
            return download(address)
    raise ValueError(f"{PIP_WHEEL} is not listed there")


def download(address: str) -> bytes:
    """Fetch at most 16 MiB over http or https, with the certificates that pip is set to."""
    import base64
    import ssl
    import urllib.parse
    import urllib.request

    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("https", "http"):
        raise ValueError(f"addresses of the kind {parts.scheme}: are not supported")
    request = urllib.request.Request(without_password(address), headers={"Accept": "text/html, */*"})
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    context = ssl.create_default_context(cafile=pip_settings().get("cert") or None)
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:
        content: bytes = answer.read(16 * 1024 * 1024 + 1)
    if len(content) > 16 * 1024 * 1024:
        raise ValueError("more than 16 MiB")
    return content


# --- the commands ---


def become(*arguments: str) -> int:
    """Go on as the environment's Python: signals and the exit code are its own."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), *arguments])  # noqa: S606 - no shell is wanted


def demo(arguments: list[str]) -> int:
    """Show the daemon at work."""
    environment()
    return become("-m", "preverify.demo", "--state", str(DEMO_STATE), *arguments)


def test(arguments: list[str]) -> int:
    """Run every gate and every test, after installing the real tools when asked to."""
    environment()
    if arguments[:1] == ["--tools"]:
        heavy = arguments[1:2] == ["all"]
        arguments = arguments[2 if heavy else 1 :]
        # A tool that cannot be had is reported there and skips its tests; it does not stop the others.
        subprocess.run([str(PYTHON), "tests/tools.py", *(["all"] if heavy else [])], cwd=ROOT, check=False)
        if heavy:
            arguments = ["--run-all-tools", *arguments]
    return become("tests/gates.py", *arguments)


def lookup(arguments: list[str]) -> int:
    """Ask the running demo about a digest."""
    environment()
    return become("-m", "preverify.demo", "--state", str(DEMO_STATE), "--lookup", *arguments)


def bench(arguments: list[str]) -> int:
    """Measure."""
    environment()
    return become("-m", "preverify", "bench", *arguments)


def clean(_arguments: list[str]) -> int:
    """Remove the environment, the demo's state and caches. Real tools outside the clone stay."""
    for path in (VENV, DEMO_STATE, *(ROOT / f".{name}_cache" for name in ("pytest", "mypy", "ruff", "import_linter"))):
        if path.exists():
            shutil.rmtree(path)
            print(f"removed {path.relative_to(ROOT)}")
    return 0


COMMANDS = {"demo": demo, "test": test, "lookup": lookup, "bench": bench, "clean": clean}


def main(arguments: list[str]) -> int:
    """Dispatch."""
    if sys.version_info < OLDEST:
        print(f"preverify needs Python 3.11 or newer; this is {sys.version.split()[0]}. ", end="", file=sys.stderr)
        print(
            "Install one (Ubuntu 22.04: apt-get install python3.11) and run it as: python3.11 try.py", file=sys.stderr
        )
        return 2
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    command = COMMANDS.get(arguments[0])
    if command is None:
        print(f"there is no command {arguments[0]!r}; there are: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return command(arguments[1:])
    except Failed as problem:
        print(f"try.py: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
