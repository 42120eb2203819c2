"""RT-44: a deletion time stamp, a dry run, a user or an annotation must not skip the check."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preverify.admission import validate

RECORDED = Path(__file__).parents[1] / "vectors" / "admission"
CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "deletionTimestamp": lambda r: r["object"]["metadata"].update(deletionTimestamp="2026-01-02T03:04:05Z"),
    "dryRun": lambda r: r.update(dryRun=True),
    "annotations": lambda r: r["object"]["metadata"].update(annotations={"preverify/skip": "true", "admit": "yes"}),
    "labels": lambda r: r["object"]["metadata"].update(labels={"preverify": "disabled"}),
    "namespace of the object": lambda r: r["object"]["metadata"].update(namespace="kube-system"),
    "mirror pod": lambda r: r["object"]["metadata"].update(annotations={"kubernetes.io/config.mirror": "x"}),
    "user": lambda r: r.update(userInfo={"username": "system:admin", "groups": ["system:masters"]}),
    "resource": lambda r: r.update(resource={"group": "", "version": "v1", "resource": "events"}),
    "request kind": lambda r: r.update(requestKind={"group": "", "version": "v1", "kind": "Event"}),
    "request subresource": lambda r: r.update(requestSubResource="status"),
    "options": lambda r: r.update(options={"kind": "DeleteOptions"}),
    "status": lambda r: r["object"].update(status={"phase": "Succeeded"}),
    "kind inside the object": lambda r: r["object"].update(kind="Event", apiVersion="v1"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_same_images_are_asked_for_in_the_same_namespace(change: Callable[[dict[str, Any]], object]) -> None:
    review = json.loads((RECORDED / "pod-create.json").read_bytes())
    expected = validate.read("", {}, {}, json.dumps(review).encode())
    change(review["request"])
    assert validate.read("", {}, {}, json.dumps(review).encode()) == expected
    assert len(expected.images) == 3


def test_a_pod_that_is_being_deleted_is_checked_like_any_other() -> None:
    question = validate.read("", {}, {}, (RECORDED / "pod-update-deleting.json").read_bytes())
    assert len(question.images) == 3
