"""The real signing process as a child, over a desk's database, with whatever settings."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from preverify.signing import SigningClient
from support.signing import Desk

SERVE = """
import contextlib, json, sys
from pathlib import Path
from preverify.settings import Signing
from preverify.signing import SigningProcess
from preverify.store import open_store
from support.clock import Stopped
class Told:
    def event(self, name, **fields): print(name, fields, file=sys.stderr, flush=True)
    def count(self, metric, value=1, **labels): pass
    def time(self, metric, **labels): return contextlib.nullcontext()
directory, fd, settings = Path(sys.argv[1]), int(sys.argv[2]), Signing.model_validate(json.loads(sys.argv[3]))
store = open_store(f"sqlite:///{directory}/preverify.db", directory, Stopped(), read_only=True)
process = SigningProcess.open(settings, [fd], store, observer=Told(), state=directory / "state", clock=Stopped())
process.run(lambda: False)
"""


@contextlib.contextmanager
def signing(
    desk: Desk, settings: Mapping[str, Any], environment: Mapping[str, str], *, log: Path, seconds: float = 30
) -> Iterator[SigningClient]:
    """Run the process for a block; yields a worker's client of it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path = os.pathsep.join(p for p in sys.path if p)
    arguments = [sys.executable, "-c", SERVE, str(desk.database.parent), str(theirs.fileno()), json.dumps(settings)]
    with log.open("ab") as file:
        process = subprocess.Popen(
            arguments,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    theirs.close()
    client = SigningClient(ours.detach(), timeout=timedelta(seconds=seconds))
    try:
        yield client
    finally:
        client.close()
        process.kill()
        process.wait(10)
