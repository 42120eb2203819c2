"""RT-88, at the listener: secrets that callers send, rightly or wrongly, appear in no log line and no reply."""

import io
from pathlib import Path

import pytest

from preverify import observe
from support.answering import GOOD, HOOK_SECRET, IMAGE, TOKEN, running, settings_in


def test_tokens_and_hook_secrets_stay_out_of_logs_and_replies(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    observe.alone()
    out = io.StringIO()
    observe.setup_logging(stream=out, json=True)
    replies = []
    with running(settings_in(tmp_path), observer=observe.Observing()) as server:
        for authorization in (f"Bearer {TOKEN}", f"Bearer {HOOK_SECRET}", f"Basic {TOKEN}"):
            headers = {"authorization": authorization, "content_type": "application/json"}
            replies.append(server.ask("GET", f"/v1/verdicts?digest={GOOD}x", **headers))
            replies.append(server.ask("POST", "/hooks/shop", b"{", **headers))
            replies.append(server.ask("POST", f"/hooks/{HOOK_SECRET}", b"{", **headers))
            replies.append(server.ask("POST", "/k8s/validate", f'{{"token":"{TOKEN}"'.encode(), **headers))
            replies.append(server.ask("GET", "/auth", x_preverify_image=f"{IMAGE}:{TOKEN}", **headers))
        known = {"authorization": f"Bearer {HOOK_SECRET}", "content_type": "application/json"}
        replies.append(server.ask("POST", "/hooks/shop", b'{"events":[{"action":"push","target":7}]}', **known))
    written = out.getvalue() + "".join(capfd.readouterr())
    assert "hook.malformed" in written
    assert "hook.refused" in written
    for secret in (TOKEN, HOOK_SECRET):
        assert secret not in written
        assert all(secret.encode() not in reply.body for reply in replies)
