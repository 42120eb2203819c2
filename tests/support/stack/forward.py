"""A stream forwarder, and runner of a program in a network namespace of its own.

    forward.py tcp:5502=unix:f.sock unix:o.sock=tcp:5500     listen on the left side, connect to the right one
    forward.py --hold 2112                                   only occupy 127.0.0.1:2112
    unshare -rn forward.py --lo-up PAIR... -- PROGRAM ...    bring lo up, forward, run PROGRAM

Some servers open a metrics port on every address. In a namespace of their own nothing of them can be reached but what
is forwarded.
"""

import asyncio
import contextlib
import fcntl
import signal
import socket
import struct
import sys
from pathlib import Path

_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x1 | 0x40


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def forward(left: str, right: str) -> asyncio.Server:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, at = right.split(":", 1)
        try:
            if kind == "unix":
                reader2, writer2 = await asyncio.open_unix_connection(at)
            else:
                reader2, writer2 = await asyncio.open_connection("127.0.0.1", int(at))
        except OSError:
            writer.close()
            return
        await asyncio.gather(pipe(reader, writer2), pipe(reader2, writer))

    kind, at = left.split(":", 1)
    if kind == "unix":
        return await asyncio.start_unix_server(connected, at)
    return await asyncio.start_server(connected, "127.0.0.1", int(at))


async def main(pairs: list[str], command: list[str]) -> None:
    servers = [await forward(*pair.split("=", 1)) for pair in pairs]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if command:
        child = await asyncio.create_subprocess_exec(*command)
        waits = [asyncio.ensure_future(child.wait()), asyncio.ensure_future(stop.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), 3)
            except TimeoutError:
                child.kill()
                await child.wait()
    else:
        await stop.wait()
    for server in servers:
        server.close()


def tidy(pairs: list[str]) -> None:
    for left in (pair.split("=", 1)[0] for pair in pairs):
        if left.startswith("unix:"):
            Path(left.removeprefix("unix:")).unlink(missing_ok=True)


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_RUNNING))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--hold"]:
        held = socket.create_server(("127.0.0.1", int(arguments[1])))
        signal.pause()
    if arguments[:1] == ["--lo-up"]:
        arguments = arguments[1:]
        loopback_up()
    end = arguments.index("--") if "--" in arguments else len(arguments)
    tidy(arguments[:end])
    asyncio.run(main(arguments[:end], arguments[end + 1 :]))
