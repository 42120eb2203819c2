"""RT-87: a scanner is pinned by digest, runs without network and credentials, and its output is hostile until read.

A release of the most used scanner was replaced by a thief of credentials for a day in 2026. So what runs here is a
file that somebody chose by its digest, in a sandbox that would hold even that one; and an image that takes a scanner
over gets no further than the thief. Each program below is such a scanner, and none may ever lead to an empty result.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from preverify.model.evidence import Evidence, Unobtained
from preverify.model.reasons import Reason
from preverify.scanners.external import ExternalScanner, scan
from preverify.scanners.sandbox.running import (
    Limits,
    SandboxUnavailable,
    ScannerFailed,
    ScannerMismatch,
    ScannerSpec,
    ScannerTooSlow,
    run,
)
from support.scanning import INTERPRETER, SYFT, fake, spec_of, stored

SMALL = Limits(
    wall=timedelta(seconds=60), cpu_seconds=20, memory=256 << 20, scratch=8 << 20, output=1 << 20, processes=64
)

BRIEF = replace(SMALL, wall=timedelta(seconds=2))
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def layout(tmp_path: Path, shut_in: None) -> Path:
    stored(tmp_path / "root")
    return tmp_path / "root" / "team" / "app"


def said(directory: Path, layout: Path, body: str, limits: Limits = SMALL) -> dict[str, object]:
    """Return what a fake found out about its surroundings: it prints one JSON object."""
    found = json.loads(run(fake(directory, f"said = {{}}\n{body}\nprint(json.dumps(said))"), layout, limits=limits))
    assert isinstance(found, dict)
    return found


def processes(token: str) -> list[str]:
    """Return the processes of this machine whose command line or environment names a token."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if token.encode() in (each / "cmdline").read_bytes() and int(each.name) != os.getpid():
                found.append(each.name)
        except OSError:
            continue
    return found


def looked(happened: Callable[[], bool]) -> bool:
    """Say whether something happens while we look: beginnings and ends of processes are not at once."""
    for _ in range(400):
        if happened():
            return True
        time.sleep(0.05)
    return False


# --- what it can reach ------------------------------------------------------------------------------------------------


@pytest.fixture
def listening() -> Iterator[tuple[int, str]]:
    """Somebody who listens on this machine, by port and by an abstract name, and would notice."""
    name = f"preverify-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(f"\0{name}")
        local.listen()
        server.settimeout(0.2)
        local.settimeout(0.2)
        yield server.getsockname()[1], name
        for each in (server, local):
            with pytest.raises(TimeoutError):
                each.accept()


def test_it_has_no_network(tmp_path: Path, layout: Path, listening: tuple[int, str]) -> None:
    port, name = listening
    body = f"""
import socket
for key, kind, address in (("port", socket.AF_INET, ("127.0.0.1", {port})), ("name", socket.AF_UNIX, "\\0{name}"),
                           ("world", socket.AF_INET, ("192.0.2.1", 443)), ("six", socket.AF_INET6, ("::1", {port}))):
    try:
        with socket.socket(kind) as each:
            each.settimeout(5)
            said[key] = each.connect_ex(address)
    except OSError as error:
        said[key] = error.errno
try:
    said["resolved"] = socket.getaddrinfo("localhost.example", 443)[0][4]
except OSError:
    said["resolved"] = None
"""
    found = said(tmp_path, layout, body)
    assert found.pop("resolved") is None
    assert 0 not in found.values()
    assert len(found) == 4


def test_it_has_no_other_way_out_of_the_machine(tmp_path: Path, layout: Path) -> None:
    """Some kinds of sockets belong to no namespace: by AF_VSOCK one talks to the host of a virtual machine."""
    body = """
import socket
for family in range(0, 64):
    try:
        with socket.socket(family, socket.SOCK_STREAM):
            said[str(family)] = "opened"
    except OSError as error:
        said[str(family)] = error.errno
for family in (socket.AF_NETLINK, socket.AF_PACKET, 38):
    try:
        socket.socket(family, socket.SOCK_RAW).close()
        said[str(family)] = "opened"
    except OSError:
        pass
"""
    found = said(tmp_path, layout, body)
    assert [family for family, what in found.items() if what == "opened"] == [str(int(socket.AF_UNIX))]


def test_it_has_no_credential(tmp_path: Path, layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what stands in our environment, nor what lies in files, nor what is open in this process."""
    secret = tmp_path / "secret"
    secret.write_text("planted-secret")
    monkeypatch.setenv("REGISTRY_PASSWORD", "planted-secret")
    body = f"""
said["environment"] = dict(os.environ)
said["files"] = [path for path in ("{secret}", "/root", "/home", "/etc", "/proc", "/run", "/var", "/sys", "{ROOT}")
                 if os.path.exists(path)]
said["root"] = sorted(os.listdir("/"))
said["open"] = [fd for fd in range(3, 256) if os.path.exists("/") and not _closed(fd)]
said["ids"] = [os.getuid(), os.getgid(), os.getpid()]
said["home"] = os.listdir(os.environ["HOME"])
"""
    closed = """
def _closed(fd):
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False
"""
    with secret.open() as held:
        os.set_inheritable(held.fileno(), True)  # noqa: FBT003 - it takes no keyword
        found = said(tmp_path, layout, closed + body)
    assert "planted-secret" not in json.dumps(found)
    assert found["files"] == []
    assert set(found["root"]) <= {"bin", "dev", "image", "lib", "lib32", "lib64", "scanner", "tmp", "usr"}
    assert (found["open"], found["home"]) == ([], [])
    assert found["ids"] == [65534, 65534, 1]


def test_it_can_write_nothing_but_its_scratch_directory(tmp_path: Path, layout: Path) -> None:
    before = {path: path.read_bytes() for path in layout.rglob("*") if path.is_file()}
    body = """
import errno
for name in ("/image/new", "/image/index.json", "/image/blobs/new", "/new", "/usr/new", "/bin/new", "/dev/new",
             "/scanner/run", "/scanner/new"):
    try:
        with open(name, "ab") as file:
            file.write(b"x")
        said[name] = "written"
    except OSError as error:
        said[name] = error.errno
for name in ("/image/index.json", "/scanner/run"):
    for change in (os.unlink, lambda path: os.chmod(path, 0o777), lambda path: os.rename(path, path + "x")):
        try:
            change(name)
            said["changed"] = name
        except OSError:
            pass
with open("/tmp/new", "wb") as file:
    said["scratch"] = file.write(b"x")
"""
    found = said(tmp_path, layout, body)
    assert found.pop("scratch") == 1
    assert "changed" not in found
    assert set(found.values()) <= {13, 30}  # EACCES, EROFS
    assert {path: path.read_bytes() for path in layout.rglob("*") if path.is_file()} == before


def test_it_has_no_privilege_and_gets_none(tmp_path: Path, layout: Path) -> None:
    """Not even within its own spaces: nothing can be mounted over what it was shown."""
    body = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
said["mount"] = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
said["chroot"] = libc.chroot(b"/tmp")
said["setuid"] = libc.setuid(0)
said["new privileges"] = libc.prctl(39, 0, 0, 0, 0)
said["mount_setattr"] = libc.syscall(442, -1, b"/image", 0, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32)
said["new user space"] = libc.unshare(0x10000000)
said["new network space"] = libc.unshare(0x40000000)
said["ptrace"] = libc.ptrace(0, 0, 0, 0)
said["keyring"] = libc.syscall({"x86_64": 250, "aarch64": 219}[os.uname().machine], 0, -3, 0)
said["clone3"] = libc.syscall(435, None, 0)
said["clone"] = libc.syscall({"x86_64": 56, "aarch64": 220}[os.uname().machine], 0x10000000 | 17, 0, 0, 0, 0)
"""
    found = said(tmp_path, layout, body)
    assert found.pop("new privileges") == 1
    assert set(found.values()) == {-1}


# --- what it can use up -----------------------------------------------------------------------------------------------

USES_UP = {
    "output": ("while True: os.write(1, b'x' * 65536)", ScannerFailed, "after 1048576 bytes of output"),
    "memory": ("held = bytearray(1 << 30)\nprint(bom)", ScannerFailed, "exit status 1, saying: .*MemoryError"),
    "scratch": ("open('/tmp/f', 'wb').write(b'x' * (32 << 20))\nprint(bom)", ScannerFailed, "exit status|SIGXFSZ"),
    "many files": (
        "for n in range(64): open(f'/tmp/{n}', 'wb').write(b'x' * (1 << 20))\nprint(bom)",
        ScannerFailed,
        "No space left",
    ),
    "files": ("held = [os.open('/usr', 0) for _ in range(4096)]\nprint(bom)", ScannerFailed, "Too many open files"),
    "processes": (
        "for _ in range(4096):\n    if os.fork() == 0: time.sleep(3600)\nprint(bom)",
        ScannerFailed,
        "Resource temporarily unavailable",
    ),
}


@pytest.mark.parametrize("what", USES_UP)
def test_it_cannot_use_the_machine_up(what: str, tmp_path: Path, layout: Path) -> None:
    body, error, expected = USES_UP[what]
    with pytest.raises(error, match=expected):
        run(fake(tmp_path, body), layout, limits=SMALL)


def test_it_cannot_compute_for_ever(tmp_path: Path, layout: Path) -> None:
    with pytest.raises(ScannerFailed, match=r"SIGKILL|SIGXCPU"):
        run(fake(tmp_path, "while True: pass"), layout, limits=replace(SMALL, cpu_seconds=1))


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(3600)",
        "import signal\nfor n in {*range(1, 32)} - {9, 19}: signal.signal(n, signal.SIG_IGN)\ntime.sleep(3600)",
        "print(bom, flush=True)\nos.close(1)\nos.close(2)\ntime.sleep(3600)",
        "print(bom, flush=True)\ntime.sleep(3600)",
    ],
    ids=["sleeps", "ignores every signal", "is silent", "has printed all"],
)
def test_it_cannot_stay(body: str, tmp_path: Path, layout: Path) -> None:
    with pytest.raises(ScannerTooSlow, match="stopped after 0:00:02"):
        run(fake(tmp_path, body), layout, limits=BRIEF)


LEAVES_BEHIND = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1)
        os.close(2)
        os.execv("{python}", ["{python}", "-ISc", "import time; time.sleep(3600)", "{token}"])
    os._exit(0)
"""


@pytest.mark.parametrize("ending", ["print(bom)", "os.abort()", "time.sleep(3600)"], ids=["well", "badly", "never"])
def test_nothing_outlives_it(ending: str, tmp_path: Path, layout: Path) -> None:
    """A child in a session of its own, with an orphan of its own: no group of processes is told of these."""
    token = f"left-behind-{os.getpid()}-{tmp_path.name}"
    body = LEAVES_BEHIND.format(python=INTERPRETER, token=token) + f"time.sleep(0.5)\n{ending}"
    try:
        run(fake(tmp_path, body), layout, limits=BRIEF)
    except ScannerFailed:
        assert ending != "print(bom)"
    assert looked(lambda: processes(token) == [])


def test_it_does_not_outlive_us(tmp_path: Path, layout: Path) -> None:
    """Whoever started the scan is killed without a chance to clean up."""
    token = f"orphan-{os.getpid()}"
    spec = fake(tmp_path, f"os.execv('{INTERPRETER}', ['python', '-ISc', 'import time; time.sleep(3600)', '{token}'])")
    program = (
        "import sys\nfrom pathlib import Path\nfrom preverify.scanners import syft\n"
        "from preverify.scanners.sandbox import running as sandbox\n"
        "spec = sandbox.ScannerSpec(tool=syft, path=Path(sys.argv[1]), sha256=sys.argv[2])\n"
        "sandbox.run(spec, Path(sys.argv[3]))\n"
    )
    command = [sys.executable, "-c", program, str(spec.path), spec.sha256, str(layout)]
    with subprocess.Popen(command) as starter:
        seen = looked(lambda: processes(token) != [])
        starter.kill()
    assert seen
    assert looked(lambda: processes(token) == [])
    assert looked(lambda: processes(str(spec.path)) == [])


# --- which program runs -----------------------------------------------------------------------------------------------


def test_another_file_is_never_run(tmp_path: Path, layout: Path) -> None:
    spec = fake(tmp_path, "print(bom)")
    assert json.loads(run(spec, layout, limits=SMALL))["bomFormat"] == "CycloneDX"
    spec.path.write_bytes(spec.path.read_bytes() + b"\n")
    with pytest.raises(ScannerMismatch, match=f"expected {spec.sha256}; it was not run"):
        run(spec, layout, limits=SMALL)


@pytest.mark.parametrize("kind", ["absent", "directory", "pipe", "empty", "link to another"])
def test_what_is_no_scanner_is_never_run(kind: str, tmp_path: Path, layout: Path) -> None:
    spec = fake(tmp_path, "print(bom)")
    spec.path.unlink()
    if kind == "directory":
        spec.path.mkdir()
    elif kind == "pipe":
        os.mkfifo(spec.path)
    elif kind == "empty":
        spec.path.touch(0o755)
    elif kind == "link to another":
        spec.path.symlink_to(SYFT)
    with pytest.raises(ScannerMismatch, match=r"it was not run|cannot be read|not a regular file"):
        run(spec, layout, limits=SMALL)


def test_the_copy_that_was_hashed_is_what_runs(tmp_path: Path, layout: Path) -> None:
    """It cannot be exchanged between the look and the start: the program that runs is in nobody else's reach."""
    found = said(tmp_path, layout, "said['file'] = sys.argv[0]\nsaid['mode'] = os.stat(sys.argv[0]).st_mode & 0o777")
    assert found == {"file": "/scanner/run", "mode": 0o555}


def test_one_that_is_too_large_is_never_run(tmp_path: Path, layout: Path) -> None:
    with pytest.raises(ScannerMismatch, match="has more than 10 bytes"):
        run(fake(tmp_path, "print(bom)"), layout, limits=replace(SMALL, scanner=10))


def test_without_a_sandbox_nothing_runs(tmp_path: Path, layout: Path) -> None:
    """Where the machine allows no further user namespace: said loudly, and no weaker way is taken."""
    spec = fake(tmp_path, "print(bom)")
    program = (
        "import sys\nfrom pathlib import Path\nfrom preverify.scanners import syft\n"
        "from preverify.scanners.sandbox import running as sandbox\n"
        "Path('/proc/sys/user/max_user_namespaces').write_text('0')\n"
        "spec = sandbox.ScannerSpec(tool=syft, path=Path(sys.argv[1]), sha256=sys.argv[2])\n"
        "try:\n    sandbox.run(spec, Path(sys.argv[3]))\n"
        "except sandbox.SandboxUnavailable as error:\n    print(error)\n"
    )
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", program]
    done = subprocess.run([*command, str(spec.path), spec.sha256, str(layout)], capture_output=True, check=True)
    assert done.stdout.startswith(b"syft was not run, since it cannot be shut in: new namespaces of user, network, ")


@pytest.mark.usefixtures("shut_in")
def test_a_broken_sandbox_runs_nothing(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"mounting .*/image: No such file or directory"):
        run(fake(tmp_path, "print(bom)"), tmp_path / "absent", limits=SMALL)


# --- what it says -----------------------------------------------------------------------------------------------------

PRINTS = {
    "nothing": "",
    "text": "print('all fine')",
    "half a document": "print(bom[:-1])",
    "two documents": "print(bom, bom)",
    "a list": "print('[]')",
    "another format": 'print(\'{"spdxVersion": "SPDX-2.3"}\')',
    "no components": 'print(\'{"bomFormat": "CycloneDX", "specVersion": "1.6"}\')',
    "components that are none": 'print(\'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": {}}\')',
    "components that are numbers": 'print(\'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [7]}\')',
    "a key twice": 'print(bom.replace("{", \'{"components": [], \', 1))',
    "not a number": 'print(bom.replace("{", \'{"version": NaN, \', 1))',
    "deep": "print('[' * 100000)",
    "not text": "os.write(1, b'\\xff\\xfe' + bom.encode())",
    "an exit status": "print(bom)\nsys.exit(3)",
    "a signal": "print(bom, flush=True)\nos.kill(os.getpid(), 11)\nos.abort()",
}


@pytest.mark.parametrize("what", PRINTS)
def test_what_it_prints_is_no_result_unless_it_is_in_order(what: str, tmp_path: Path, layout: Path) -> None:
    with pytest.raises(ScannerFailed):
        scan(fake(tmp_path, PRINTS[what]), layout, limits=SMALL)


def test_what_it_says_besides_cannot_forge_a_log_line(tmp_path: Path, layout: Path) -> None:
    body = "sys.stderr.write('x' * 1000000 + '\\x1b[31m\\r\\nlevel=info \\u202e all fine')\nsys.exit(1)"
    with pytest.raises(ScannerFailed) as caught:
        run(fake(tmp_path, body), layout, limits=SMALL)
    assert len(str(caught.value)) < 700
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()


def test_a_scan_that_failed_is_undecided_and_no_empty_result(tmp_path: Path) -> None:
    registry, image = stored(tmp_path / "root")
    scanner = fake(tmp_path, "sys.exit(1)")
    found = ExternalScanner(scanner, limits=SMALL).sbom(registry, image)
    assert isinstance(found, Unobtained)
    assert (found.what, found.reason) == ("syft", Reason.SCAN_MISSING)


@pytest.mark.usefixtures("shut_in")
def test_a_real_scanner_works_shut_in(tmp_path: Path) -> None:
    """A sandbox in which nothing can run would pass everything above."""
    registry, image = stored(tmp_path / "root")
    found = ExternalScanner(spec_of(SYFT)).sbom(registry, image)
    assert isinstance(found, Evidence)
    purls = {each["purl"].partition("?")[0] for each in json.loads(found.body)["components"] if "purl" in each}
    assert purls == {"pkg:apk/alpine/busybox@1.36.1-r29", "pkg:apk/alpine/musl@1.2.5-r0", "pkg:pypi/requests@2.31.0"}


def test_a_scanner_is_named_by_a_whole_path_and_a_whole_digest() -> None:
    with pytest.raises(ValueError, match="is not an absolute path"):
        ScannerSpec(tool=spec_of(SYFT).tool, path=Path("syft"), sha256="a" * 64)
    with pytest.raises(ValueError, match="is not the hex sha256 of a scanner"):
        ScannerSpec(tool=spec_of(SYFT).tool, path=SYFT, sha256="A" * 64)
