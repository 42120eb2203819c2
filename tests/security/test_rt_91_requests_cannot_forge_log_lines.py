"""RT-91, at the listener: what a caller writes into names and paths stays inside one field of one line."""

import io
import json
from pathlib import Path

from preverify import observe
from support.answering import running, settings_in

EVIL = 'x\\r\\n{"event":"forged"}\\u001b[2J\\u202e'


def test_one_event_is_one_line(tmp_path: Path) -> None:
    observe.alone()
    out = io.StringIO()
    observe.setup_logging(stream=out, json=True)
    kind = '"kind":{"group":"","version":"v1","kind":"Pod"}'
    pod = (
        '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"%s",'
        + kind
        + ',"namespace":"%s","operation":"CREATE","object":{"spec":{"containers":[{"image":"%s"}]}}}}'
    )
    quoted = EVIL.replace('"', '\\"')
    with running(settings_in(tmp_path), observer=observe.Observing()) as server:
        reply = server.ask("POST", "/k8s/validate", (pod % (quoted, quoted, quoted)).encode())
        assert reply.json["response"]["allowed"] is False
        server.ask("POST", "/k8s/validate", (pod.replace('"Pod"', f'"{quoted}"') % ("u", "n", "i")).encode())
        server.ask("GET", "/v1/lookup/x%1b[31m")
        server.ask("POST", "/hooks/x%0d%0aforged")
        server.raw(b"GET /livez\r\nevil HTTP/1.1\r\n\r\n")
    lines = out.getvalue().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert "admission.denied" in events
    assert "admission.refused" in events
    assert "forged" not in events
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
        assert all(len(str(value)) <= 1100 for value in json.loads(line).values())
