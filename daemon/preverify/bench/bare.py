"""The reference: a bare ASGI application on uvicorn, one process: `python -m preverify.bench.bare FD CERT KEY BODY`.

It reads the request's body and answers with the bytes of the file BODY: all that any answering process must do.
"""

import asyncio
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import uvicorn

from preverify.supervisor import end_with_parent


def main() -> None:
    """Serve until SIGTERM."""
    end_with_parent()
    descriptor, certificate, key, file = sys.argv[1:]
    body = Path(file).read_bytes()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ARG001
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        ssl_context_factory=lambda _config, _default: context,
    )
    server = uvicorn.Server(config)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[socket.socket(fileno=int(descriptor))]))


if __name__ == "__main__":
    main()
