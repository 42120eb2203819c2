"""RT-69: a caller does not decide how long a list gets."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from preverify.model.digest import Digest
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome, Verdict
from preverify.ports import KnownSubject
from support.answering import GOOD, TOKEN, Running, running, settings_in

BEARER = {"authorization": f"Bearer {TOKEN}"}


class Long:
    """A history with a digest in very many repositories."""

    def find(self, digest: Digest) -> tuple[KnownSubject, ...]:
        return tuple(
            KnownSubject(
                source="shop",
                subject=Subject(Repository("registry.example", f"shop/r{n}"), digest),
                media_type="",
                fingerprint="",
                tags=(),
                due_at=None,
            )
            for n in range(1_500)
        )

    def current(self, subject: Subject) -> Sequence[Verdict]:
        return (
            Verdict(
                id="v_1",
                subject=subject,
                policy="p",
                policy_digest="sha256:9b",
                trust_epoch="e",
                outcome=Outcome.PASSED,
                rules=(),
                decided_at=datetime(2026, 1, 2, tzinfo=UTC),
                valid_until=None,
                due_at=None,
            ),
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(settings_in(tmp_path_factory.mktemp("rt69")), history=Long()) as one:
        yield one


@pytest.mark.parametrize(("limit", "count"), [("", 100), ("&limit=1", 1), ("&limit=999999999", 1000), ("&limit=0", 1)])
def test_verdicts_are_clamped(server: Running, limit: str, count: int) -> None:
    reply = server.ask("GET", f"/v1/verdicts?digest={GOOD}{limit}", **BEARER)
    assert (reply.status, len(reply.json["items"]), reply.json["truncated"]) == (200, count, True)


def test_one_image_is_one_image(server: Running) -> None:
    reply = server.ask("GET", f"/v1/verdicts?digest={GOOD}&image=registry.example/shop/r7", **BEARER)
    assert [item["image"] for item in reply.json["items"]] == ["registry.example/shop/r7"]
    assert reply.json["truncated"] is False


@pytest.mark.parametrize("query", ["", "?digest=x", "?limit=5", f"?digest={GOOD}&limit=-1", f"?digest={GOOD}&n=1"])
def test_what_is_no_question_is_a_problem(server: Running, query: str) -> None:
    assert server.ask("GET", f"/v1/verdicts{query}", **BEARER).status == 400


def test_batches_and_reports_are_bounded(server: Running) -> None:
    body = json.dumps({"items": [{"digest": GOOD}] * 1001}).encode()
    assert server.ask("POST", "/v1/lookup:batch", body).status == 400
    assert server.ask("POST", "/v1/misses", body, **BEARER).status == 400
    assert server.ask("POST", "/v1/lookup:batch", b" " * (1024 * 1024 + 1)).status == 413


def test_reports_of_misses_cause_bounded_work(server: Running) -> None:
    items = [{"digest": f"sha256:{n:064x}", "image": "registry.example/shop/api"} for n in range(900)]
    items += [{"digest": GOOD}, {"digest": GOOD, "image": "elsewhere.example/x"}]
    reply = server.ask("POST", "/v1/misses", json.dumps({"items": items}).encode(), **BEARER)
    assert (reply.status, reply.json) == (202, {"caused": 900})
    again = server.ask("POST", "/v1/misses", json.dumps({"items": items}).encode(), **BEARER)
    assert again.json == {"caused": 0}
