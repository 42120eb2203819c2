"""RT-58 (formats 58, 59): events that are unauthenticated, replayed, foreign or full of tricks cause no work."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.answering import HOOK_SECRET, Reply, Running, running, settings_in

BODY = b'{"repository":"shop/api","tag":"1"}'
TRICKS = (
    "../../etc/passwd",
    "shop/../../x",
    "shop/api\nSet-Cookie: a=b",
    "shop/api' OR 1=1 --",
    "shop/api\x1b[31m",
    "shop/\u202eipa",
    "SHOP/API",
    "shop//api",
    "shop/api:1",
    "${jndi:ldap://x}",
    "a" * 300,
    "",
)


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with running(settings_in(tmp_path)) as one:
        yield one


def post(server: Running, body: bytes, stamp: str | None = None, secret: str = HOOK_SECRET) -> Reply:
    signed = body if stamp is None else stamp.encode() + b"." + body
    headers = {"x_preverify_signature": "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}
    if stamp is not None:
        headers["x_preverify_timestamp"] = stamp
    return server.ask("POST", "/hooks/ours", body, **headers)


def stamp(away: timedelta) -> str:
    return (datetime.now(UTC) + away).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_only_the_authentic_fresh_delivery_is_taken(server: Running) -> None:
    assert server.ask("POST", "/hooks/ours", BODY).status == 401
    assert post(server, BODY, secret="x" * 22).status == 401
    assert post(server, BODY, stamp(timedelta(minutes=-6))).status == 401
    assert post(server, BODY, stamp(timedelta(minutes=6))).status == 401
    assert server.work.jobs == []
    assert post(server, BODY, stamp(timedelta(0))).status == 202
    assert len(server.work.jobs) == 1


def test_a_signature_of_one_source_is_none_for_another_format(server: Running) -> None:
    signature = "sha256=" + hmac.new(HOOK_SECRET.encode(), BODY, hashlib.sha256).hexdigest()
    assert server.ask("POST", "/hooks/shop", BODY, x_preverify_signature=signature).status == 401


@pytest.mark.parametrize("trick", TRICKS)
def test_names_with_tricks_in_them_are_refused(server: Running, trick: str) -> None:
    for body in ({"repository": trick, "tag": "1"}, {"repository": "shop/api", "tag": trick or " "}):
        reply = post(server, json.dumps(body).encode())
        assert reply.status == 400
        assert b"\n" not in reply.body
        assert b"\x1b" not in reply.body
    assert (server.work.commits, server.work.jobs) == ([], [])


def test_a_foreign_repository_causes_no_work(server: Running) -> None:
    assert post(server, b'{"repository":"elsewhere/api","tag":"1"}').json == {"hints": 0}
    assert server.work.commits == []
