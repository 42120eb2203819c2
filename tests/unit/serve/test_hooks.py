"""Push notifications: authentic ones are committed before they are acknowledged; all others change nothing."""

import hashlib
import hmac
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from preverify.model.errors import BadConfiguration
from preverify.serve.hooks import senders
from support.answering import HOOK_SECRET, Reply, Running, running, settings_in

V1 = "application/vnd.docker.distribution.events.v1+json"
HEX = "b" * 64


def notify(server: Running, *targets: dict[str, str], secret: str = HOOK_SECRET, source: str = "shop") -> Reply:
    events = [{"id": f"e{n}", "action": "push", "target": target} for n, target in enumerate(targets)]
    body = json.dumps({"events": events}).encode()
    headers = {"authorization": f"Bearer {secret}", "content_type": V1}
    return server.ask("POST", f"/hooks/{source}", body, **headers)


def tell(server: Running, body: bytes, source: str = "ours") -> Reply:
    signature = "sha256=" + hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return server.ask("POST", f"/hooks/{source}", body, x_preverify_signature=signature)


def test_a_push_is_committed_and_acknowledged(server: Running) -> None:
    reply = notify(
        server, {"repository": "shop/api", "tag": "1.4"}, {"repository": "shop/api", "digest": f"sha256:{HEX}"}
    )
    assert (reply.status, reply.json) == (202, {"hints": 2})
    assert [(job.source, job.kind, job.repository, job.key, job.cause) for job in server.work.jobs] == [
        ("shop", "tag", "shop/api", "1.4", "push"),
        ("shop", "subject", "shop/api", f"sha256:{HEX}", "push"),
    ]
    assert [hint.tag for _, hint in server.work.hints] == ["1.4", None]
    assert server.seen.counted("hooks_total", source="shop", result="accepted") == 1
    assert server.seen.counted("hints_total", source="shop") == 2


def test_pushed_evidence_queues_its_subject(server: Running) -> None:
    notify(server, {"repository": "shop/api", "tag": f"sha256-{HEX}.sig"})
    assert [(job.kind, job.key) for job in server.work.jobs] == [("subject", f"sha256:{HEX}")]


def test_the_generic_format_is_taken_too(server: Running) -> None:
    assert tell(server, b'{"repository":"shop/api","tag":"2"}').status == 202
    assert [job.source for job in server.work.jobs] == ["ours"]


def test_repositories_that_are_not_watched_are_ignored(server: Running) -> None:
    reply = notify(server, {"repository": "other/api", "tag": "1"}, {"repository": "shop/api", "tag": "1"})
    assert (reply.status, reply.json) == (202, {"hints": 1})
    assert notify(server, {"repository": "other/api", "tag": "1"}).json == {"hints": 0}
    assert [job.repository for job in server.work.jobs] == ["shop/api"]


def test_unknown_senders_and_wrong_secrets_hear_the_same(server: Running) -> None:
    target = {"repository": "shop/api", "tag": "1"}
    wrong = notify(server, target, secret="wrong-secret-000000000")
    unknown = notify(server, target, source="nobody")
    assert (wrong.status, wrong.body) == (unknown.status, unknown.body)
    assert wrong.status == 401
    assert server.work.commits == []
    assert server.seen.counted("hooks_total", source="shop", result="unauthentic") == 1
    assert server.seen.counted("hooks_total", source="other", result="unknown-source") == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"repository":"shop/api"}', b'{"repository":"../x","tag":"1"}', b'{"a":1}', b"\xff\xfe"],
)
def test_a_malformed_delivery_is_a_problem_and_changes_nothing(server: Running, body: bytes) -> None:
    reply = tell(server, body)
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
    assert reply.json["detail"].endswith("nothing of this delivery was kept")
    assert (server.work.commits, server.work.jobs) == ([], [])
    assert server.seen.counted("hooks_total", source="ours", result="malformed") == 1


def test_a_delivery_about_another_registry_is_refused(server: Running) -> None:
    assert tell(server, b'{"registry":"other.example","repository":"shop/api","tag":"2"}').status == 202
    reply = tell(server, b'{"registry":"evil.example","repository":"shop/api","tag":"2"}')
    assert reply.status == 400
    assert "which is not this source's" in reply.json["detail"]


def test_a_body_over_the_cap_is_refused_unread_and_counted(server: Running) -> None:
    assert tell(server, b" " * (256 * 1024 + 1)).status == 413
    assert server.seen.counted("hooks_total", source="ours", result="too-large") == 1
    assert server.work.commits == []


def test_a_failing_database_is_503_with_retry_after(server: Running) -> None:
    server.work.fails = True
    reply = notify(server, {"repository": "shop/api", "tag": "1"})
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert server.seen.counted("hooks_total", source="shop", result="unavailable") == 1
    assert server.seen.named("inbox.failed")[0]["error"] == "OSError('disk full')"
    server.work.fails = False
    assert notify(server, {"repository": "shop/api", "tag": "1"}).status == 202


def test_a_commit_that_hangs_is_503_within_the_hard_limit(server: Running) -> None:
    server.work.gate.clear()
    start = time.monotonic()
    assert notify(server, {"repository": "shop/api", "tag": "1"}).status == 503
    assert time.monotonic() - start < 3
    server.work.gate.set()


def test_deliveries_that_arrive_during_a_commit_share_the_next_one(server: Running) -> None:
    server.work.gate.clear()
    with ThreadPoolExecutor(20) as pool:
        replies = [pool.submit(notify, server, {"repository": "shop/api", "tag": f"t{n}"}) for n in range(20)]
        time.sleep(0.4)
        server.work.gate.set()
        assert {reply.result().status for reply in replies} == {202}
    assert sum(server.work.commits) == 20
    assert len(server.work.commits) < 10
    assert {job.key for job in server.work.jobs} == {f"t{n}" for n in range(20)}


def test_one_delivery_that_cannot_be_stored_costs_the_others_nothing(server: Running) -> None:
    server.work.poison = "shop/poison"
    server.work.gate.clear()
    names = ["shop/a", "shop/poison", "shop/b", "shop/c"]
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(notify, server, {"repository": "shop/first", "tag": "1"})
        time.sleep(0.15)
        replies = {name: pool.submit(notify, server, {"repository": name, "tag": "1"}) for name in names}
        time.sleep(0.3)
        server.work.gate.set()
        assert first.result().status == 202
        assert {name: reply.result().status for name, reply in replies.items()} == dict.fromkeys(names, 202) | {
            "shop/poison": 503
        }


def test_acknowledgements_are_quick(server: Running) -> None:
    times = []
    for number in range(100):
        start = time.perf_counter()
        assert notify(server, {"repository": "shop/api", "tag": f"t{number}"}).status == 202
        times.append(time.perf_counter() - start)
    assert sorted(times)[98] < 0.1


def test_what_waits_at_the_end_is_still_written(tmp_path: Path) -> None:
    with running(settings_in(tmp_path)) as server:
        server.work.gate.clear()
        thread = threading.Thread(target=notify, args=(server, {"repository": "shop/api", "tag": "1"}))
        thread.start()
        time.sleep(0.2)
        server.work.gate.set()
    thread.join(10)
    assert server.work.commits == [1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "morse"}, "'morse' is not known"),
        ({"secretFile": "/nonexistent/secret"}, "cannot be read"),
    ],
)
def test_a_source_whose_hooks_cannot_work_refuses_the_start(tmp_path: Path, change: dict[str, str], words: str) -> None:
    settings = settings_in(tmp_path)
    raw = settings.model_dump(by_alias=True, mode="json")
    raw["sources"]["shop"]["hooks"] |= change
    with pytest.raises(BadConfiguration, match=words):
        senders(type(settings).model_validate(raw).sources)


def test_a_short_secret_refuses_the_start(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "hook").write_text("short")
    with pytest.raises(BadConfiguration, match="5 bytes, expected at least 16"):
        senders(settings.sources)
