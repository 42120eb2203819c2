"""The answering process as a process: it ends in order on SIGTERM, with everything written."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from preverify.store import upgrade
from support.answering import HOOK_SECRET, Table


def test_sigterm_ends_the_process_with_success(tmp_path: Path) -> None:
    Table(tmp_path)
    upgrade.upgrade(f"sqlite:///{tmp_path}/history.db")
    (tmp_path / "metrics").mkdir()
    (tmp_path / "hook").write_text(HOOK_SECRET)
    source = {"registry": "registry.example", "hooks": {"format": "distribution", "secretFile": str(tmp_path / "hook")}}
    settings = {
        "state": str(tmp_path),
        "database": {"url": f"sqlite:///{tmp_path}/history.db"},
        "listen": {"address": "127.0.0.1:0"},
        "sources": {"shop": source},
    }
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = [sys.executable, "-m", "preverify.commands.child", "answers"]
        argv += ["--config", str(tmp_path / "config.json"), "--fds", str(listener.fileno())]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        child = subprocess.Popen(argv, pass_fds=[listener.fileno()], env=environment)
        try:
            with socket.create_connection(listener.getsockname(), timeout=60) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
            begun = time.monotonic()
            child.send_signal(signal.SIGTERM)
            assert child.wait(30) == 0
            assert time.monotonic() - begun < 10
        finally:
            child.kill()
            child.wait()
