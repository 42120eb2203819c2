"""Answers over HTTP: lookup, batch, auth and admission, on a real server."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.answering import BAD, GOOD, IMAGE, NEW, Running, running, settings_in

RECORDED = Path(__file__).parents[2] / "vectors" / "admission"


def review(server: Running, name: str, *, image: str | None = None) -> dict[str, Any]:
    body = (RECORDED / f"{name}.json").read_bytes()
    for digit, path in (("2", "init:1.2"), ("3", "debug"), ("4", "model")):
        body = body.replace(f"registry.example/shop/{path}@sha256:{digit * 64}".encode(), f"{IMAGE}@{GOOD}".encode())
    if image is not None:
        body = body.replace(f'"image":"{IMAGE}@{GOOD}"'.encode(), f'"image":"{image}"'.encode())
    reply = server.ask("POST", "/k8s/validate?timeout=3s", body, content_type="application/json")
    assert reply.status == 200
    answer: dict[str, Any] = reply.json["response"]
    return answer


def test_lookup_status_follows_the_answer(server: Running) -> None:
    found = {
        digest: server.ask("GET", f"/v1/lookup/{digest}?image=registry.example%2Fshop/api")
        for digest in (GOOD, BAD, NEW)
    }
    assert [found[digest].status for digest in (GOOD, BAD, NEW)] == [200, 403, 404]
    assert [found[digest].json["answer"] for digest in (GOOD, BAD, NEW)] == ["verified", "denied", "unknown"]
    assert found[GOOD].headers["content-type"] == "application/json"
    assert found[GOOD].headers["cache-control"] == "no-store"
    assert "server" not in found[GOOD].headers


def test_an_encoded_colon_and_head_are_understood(server: Running) -> None:
    assert server.ask("GET", f"/v1/lookup/{GOOD.replace(':', '%3A')}?image={IMAGE}").status == 200
    head = server.ask("HEAD", f"/v1/lookup/{BAD}?image={IMAGE}")
    assert (head.status, head.body) == (403, b"")


def test_a_batch_answers_each(server: Running) -> None:
    items = [{"digest": digest, "image": IMAGE} for digest in (GOOD, BAD, NEW)] * 20
    reply = server.ask("POST", "/v1/lookup:batch", json.dumps({"items": items}).encode())
    assert reply.status == 200
    assert [item["answer"] for item in reply.json["items"]] == ["verified", "denied", "unknown"] * 20


def test_auth_is_200_or_403(server: Running) -> None:
    good = server.ask("GET", "/auth", x_preverify_image=f"{IMAGE}@{GOOD}")
    assert (good.status, good.body) == (200, b"")
    bad = server.ask("GET", "/auth", x_preverify_image=IMAGE, x_preverify_digest=BAD)
    assert (bad.status, bad.body, bad.headers["x-preverify-reason"]) == (403, b"", "wrong-key")
    prefixed = server.ask("PUT", "/auth/v2/shop/api/manifests/1.0", x_preverify_image=f"{IMAGE}@{BAD}")
    assert prefixed.status == 403
    assert server.ask("GET", "/auth").status == 403


@pytest.mark.parametrize("name", ["pod-create", "cronjob-create", "deployment-create", "pod-ephemeralcontainers"])
def test_a_verified_object_is_allowed_and_one_bad_image_denies_it(server: Running, name: str) -> None:
    assert review(server, name)["allowed"] is True
    denied = review(server, name, image=f"{IMAGE}@{BAD}")
    assert denied["allowed"] is False
    assert "wrong-key" in denied["status"]["message"]


def test_a_tag_and_a_malformed_name_are_denied(server: Running) -> None:
    for image in (f"{IMAGE}:1.4", "UPPER/../x", "", "a@b@c"):
        assert review(server, "pod-create", image=image)["allowed"] is False


def test_denials_are_logged_and_admissions_sampled(server: Running) -> None:
    for _ in range(3):
        review(server, "pod-create", image=f"{IMAGE}@{BAD}")
        server.ask("GET", f"/v1/lookup/{GOOD}?image={IMAGE}")
    denied = server.seen.named("admission.denied")
    assert len(denied) == 6  # the container and the init container
    assert {key: denied[0][key] for key in ("namespace", "image", "reason", "answer", "frontend")} == {
        "namespace": "shop",
        "image": IMAGE,
        "reason": "wrong-key",
        "answer": "denied",
        "frontend": "k8s-validate",
    }
    assert [fields["frontend"] for fields in server.seen.named("admission.admitted")] == ["k8s-validate", "lookup"]
    assert server.seen.counted("answers_total", frontend="lookup", answer="verified", admit="true") == 3
    assert server.seen.counted("denied_total", namespace="shop", reason="wrong-key") == 6
    assert server.seen.counted("answer_seconds", frontend="k8s-validate") == 3


def test_a_miss_of_a_watched_repository_causes_one_look(server: Running) -> None:
    for _ in range(5):
        assert server.ask("GET", f"/v1/lookup/{NEW}?image={IMAGE}").status == 404
        assert server.ask("GET", f"/v1/lookup/{NEW}?image=mirror.internal:5000/shop/api").status == 404
        assert server.ask("GET", f"/v1/lookup/{NEW}?image=registry.example/other/api").json["reason"] == "no-policy"
        assert server.ask("GET", f"/v1/lookup/{NEW}?image=elsewhere.example/shop/api").status == 403
    server.settle()
    assert [(job.source, job.repository, job.key, job.cause) for job in server.work.jobs] == [
        ("shop", "shop/api", NEW, "asked")
    ]
    assert server.seen.counted("misses_total", source="shop") == 1
    assert server.seen.counted("unknown_total", namespace="-") == 10


def test_without_a_table_nothing_is_admitted(server: Running) -> None:
    server.table.take_away()
    lookup = server.ask("GET", f"/v1/lookup/{GOOD}?image={IMAGE}")
    assert (lookup.status, lookup.headers["content-type"]) == (503, "application/problem+json")
    assert server.ask("GET", "/auth", x_preverify_image=f"{IMAGE}@{GOOD}").status == 403
    denied = review(server, "pod-create")
    assert denied["allowed"] is False
    assert "lookup table" in denied["status"]["message"]
    assert server.seen.counted("internal_errors_total", where="lookup") == 3


def test_readiness_follows_the_table_and_liveness_does_not(server: Running) -> None:
    assert server.ask("GET", "/readyz").status == 200
    assert server.ask("GET", "/readyz?verbose=1").json["checks"][0] == {
        "name": "lookup",
        "good": True,
        "detail": "generation 1",
    }
    server.table.take_away()
    assert server.ask("GET", "/readyz").status == 503
    assert server.ask("GET", "/livez").status == 200


def test_an_error_of_ours_is_500_and_counted(tmp_path: Path) -> None:
    class Broken:
        def lookup(self, *_: object) -> None:
            raise ZeroDivisionError

    with running(settings_in(tmp_path), answers=Broken()) as server:
        reply = server.ask("GET", f"/v1/lookup/{GOOD}?image={IMAGE}")
        assert reply.status == 500
        assert b"ZeroDivision" not in reply.body
        assert server.seen.counted("internal_errors_total", where="serve") == 1


def test_the_openapi_document_lists_every_route(server: Running) -> None:
    document = server.ask("GET", "/openapi.json").json
    assert {"/v1/lookup/{digest}", "/k8s/validate", "/hooks/{source}", "/auth/{original}", "/livez"} <= set(
        document["paths"]
    )
    assert document["paths"]["/v1/verdicts"]["get"]["security"] == [{"token": []}]
