"""The supervisor with real processes: restarts, orderly ends, and children that never outlive it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from preverify.supervisor import ChildSpec, Supervisor, notify_ready

CHILD = """
import sys, time
from preverify.supervisor import end_with_parent
end_with_parent()
open(sys.argv[1], "a").write(f"{__import__('os').getpid()}\\n")
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({0!r}, "a").write("up")
time.sleep(60)
"""
PARENT = """
import sys
from preverify.supervisor import ChildSpec, Supervisor
specs = [ChildSpec(name=str(n), argv=(sys.executable, "-c", sys.argv[2], sys.argv[1])) for n in range(3)]
Supervisor(specs=specs, on_event=lambda name, fields: None).run()
"""


def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def running(supervisor: Supervisor) -> threading.Thread:
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    return thread


def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """A worker that outlives its supervisor would go on publishing beside the next one."""
    pids = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(pids), CHILD])
    try:
        until(lambda: len(lines(pids)) == 3)
        children = [int(pid) for pid in lines(pids)]
        assert all(alive(pid) for pid in children)
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        until(lambda: not any(alive(pid) for pid in children), 5)
    finally:
        parent.kill()
        parent.wait()


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    pids, events = tmp_path / "pids", []
    spec = ChildSpec(name="one", argv=(sys.executable, "-c", CHILD, str(pids)))
    supervisor = Supervisor(specs=[spec], on_event=lambda name, fields: events.append((name, fields)))
    thread = running(supervisor)
    try:
        until(lambda: len(lines(pids)) == 1)
        os.kill(supervisor.pids()["one"], signal.SIGKILL)
        until(lambda: len(lines(pids)) == 2)
        first, second = lines(pids)
        assert first != second
        assert supervisor.pids() == {"one": int(second)}
    finally:
        supervisor.stopping.set()
        thread.join(30)
    assert ("child.ended", {"child": "one", "code": -9, "restart_seconds": 0.2}) in events
    assert supervisor.pids() == {}


def test_a_child_that_ignores_the_request_to_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preverify.supervisor._GRACE_SECONDS", 0.3)
    mark = tmp_path / "mark"
    spec = ChildSpec(name="stubborn", argv=(sys.executable, "-c", STUBBORN.format(str(mark))))
    supervisor = Supervisor(specs=[spec], on_event=lambda name, fields: None)
    thread = running(supervisor)
    until(mark.exists)
    supervisor.stopping.set()
    thread.join(10)
    assert not thread.is_alive()
    assert supervisor.pids() == {}


def test_children_inherit_only_the_descriptors_that_are_theirs(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    secret, _keep = socket.socketpair()
    with ours, theirs, secret, _keep:
        code = (
            "import os, sys, time\n"
            "from preverify.supervisor import end_with_parent\n"
            "end_with_parent()\n"
            "def has(fd):\n"
            "    try: os.fstat(fd)\n"
            "    except OSError: return False\n"
            "    return True\n"
            "open(sys.argv[1], 'w').write(f'{has(int(sys.argv[2]))} {has(int(sys.argv[3]))}')\n"
            "time.sleep(60)\n"
        )
        seen = tmp_path / "seen"
        argv = (sys.executable, "-c", code, str(seen), str(theirs.fileno()), str(secret.fileno()))
        supervisor = Supervisor(
            specs=[ChildSpec(name="one", argv=argv, fds=(theirs.fileno(),))], on_event=lambda name, fields: None
        )
        thread = running(supervisor)
        try:
            until(lambda: seen.exists() and len(seen.read_text().split()) == 2)
        finally:
            supervisor.stopping.set()
            thread.join(30)
        assert seen.read_text() == "True False"


def test_systemd_is_told_once_everything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        notify_ready()
        assert server.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_ready()
