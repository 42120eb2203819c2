"""RT-86: the whole matrix of roles and routes, generated from the table of routes that is served."""

import asyncio
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from preverify.clock import SystemClock
from preverify.serve.app import App
from preverify.serve.inbox import Inbox
from preverify.serve.routes import Access, Route
from preverify.serve.run import routes_of
from preverify.serve.tokens import Tokens
from support.answering import TOKEN, Accepted, Seen, Table, settings_in

ROLES = ("nobody", "wrong-token", "basic", "certificate", "token", "sender")
TOKEN_ROUTES = {"/v1/verdicts", "/v1/misses"}
CALLER_ROUTES = {"/v1/lookup/{digest}", "/v1/lookup:batch", "/auth", "/auth/{original*}", "/k8s/validate"}
OPEN_ROUTES = {"/livez", "/readyz", "/openapi.json"}


def table(directory: Path) -> tuple[Any, Tokens, Seen]:
    settings, seen, clock = settings_in(directory), Seen(), SystemClock()
    answers = Table(directory).answerer(settings)
    routes, _ = routes_of(
        settings,
        answers=answers,
        inbox=Inbox(Accepted(), clock, seen),
        history=None,  # let in or not is decided before it is asked
        clock=clock,
        observer=seen,
    )
    return routes, Tokens(settings.listen.tokens_file), seen


async def status(app: App, route: Route, role: str) -> int:
    """Return the status of a request that says as little as possible: 401 where the role is not let in."""
    credentials = {"wrong-token": f"Bearer {TOKEN}x", "basic": f"Basic {TOKEN}", "token": f"Bearer {TOKEN}"}
    headers = [(b"host", b"localhost")]
    if role in credentials:
        headers.append((b"authorization", credentials[role].encode()))
    if role == "sender":
        headers.append((b"authorization", b"Bearer hook-secret-0123456789"))
    path = route.path.replace("{original*}", "x").replace("{digest}", "none").replace("{source}", "shop")
    scope = {
        "type": "http",
        "method": min(route.methods),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "state": {"client_certificate": True} if role == "certificate" else {},
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    code: int = sent[0]["status"]
    return code


def expected(route: Route, role: str, *, loopback: bool) -> bool:
    """Say whether the role may use the route: design's rules written down a second time, by path."""
    if route.path in OPEN_ROUTES:
        return True
    if route.path in CALLER_ROUTES:
        return loopback or role in {"token", "certificate"}
    if route.path in TOKEN_ROUTES:
        return role == "token"
    assert route.path == "/hooks/{source}"
    return role == "sender"


@pytest.mark.parametrize("loopback", [True, False])
def test_every_role_meets_every_route(tmp_path: Path, loopback: bool) -> None:
    routes, tokens, seen = table(tmp_path)
    app = App(routes, tokens, seen, loopback=loopback)
    assert {route.path for route in routes.all} == OPEN_ROUTES | CALLER_ROUTES | TOKEN_ROUTES | {"/hooks/{source}"}
    for route, role in product(routes.all, ROLES):
        code = asyncio.run(status(app, route, role))
        assert (code != 401) == expected(route, role, loopback=loopback), (route.path, role, code)


def test_without_a_tokens_file_nobody_has_a_token(tmp_path: Path) -> None:
    routes, _, seen = table(tmp_path)
    app = App(routes, Tokens(None), seen, loopback=False)
    for route in routes.all:
        if route.access in {Access.TOKEN, Access.CALLER}:
            assert asyncio.run(status(app, route, "token")) == 401
