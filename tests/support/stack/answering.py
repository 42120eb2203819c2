"""What both small servers share: JSON answers on a loopback port, until terminated."""

import http.server
import json
import socketserver
from typing import Any


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, document: Any, status: int = 200) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def serve(handler: type[Handler], port: int) -> None:
    Server(("127.0.0.1", port), handler).serve_forever()
