"""RT-40: an ephemeral container, init container or image volume must not slip past; nor any kind that owns pods."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.answering import BAD, GOOD, IMAGE, Running, running, settings_in

RECORDED = Path(__file__).parents[1] / "vectors" / "admission"
PLACES = ("1" * 64, "2" * 64, "3" * 64, "4" * 64)  # container, init container, ephemeral container, image volume
OWNERS = (
    "pod-create",
    "pod-update",
    "pod-resize",
    "pod-ephemeralcontainers",
    "podtemplate-create",
    "replicationcontroller-create",
    "deployment-create",
    "replicaset-create",
    "statefulset-create",
    "daemonset-create",
    "job-create",
    "cronjob-create",
)


def with_one_bad(name: str, bad: int | None) -> bytes | None:
    """Return a recorded review of verified images where only the image in one place is denied; None without it."""
    text = (RECORDED / f"{name}.json").read_text()
    review = json.loads(text)["request"]["object"]
    if bad is not None and PLACES[bad] not in json.dumps(review):
        return None

    def put(match: re.Match[str]) -> str:
        return f"{IMAGE}@{BAD if bad is not None and match[1] == PLACES[bad] else GOOD}"

    return re.sub(r"registry\.example/shop/[a-z:0-9.]+@sha256:([1-4]{64})", put, text).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(settings_in(tmp_path_factory.mktemp("rt40"))) as one:
        yield one


def allowed(server: Running, body: bytes) -> bool:
    reply = server.ask("POST", "/k8s/validate", body)
    assert reply.status == 200
    said: bool = reply.json["response"]["allowed"]
    return said


@pytest.mark.parametrize("name", OWNERS)
def test_one_bad_image_in_any_place_denies_the_object(server: Running, name: str) -> None:
    good = with_one_bad(name, None)
    assert good is not None
    assert allowed(server, good)
    seen = 0
    for place in range(len(PLACES)):
        body = with_one_bad(name, place)
        if body is not None:
            seen += 1
            assert not allowed(server, body), (name, place)
    assert seen >= (4 if name == "pod-ephemeralcontainers" else 3)
