"""RT-41: what an object was before the update is no reason to let it pass."""

import json
from pathlib import Path

from preverify.admission import validate

RECORDED = Path(__file__).parents[1] / "vectors" / "admission"


def test_the_old_object_is_never_read() -> None:
    review = json.loads((RECORDED / "pod-update.json").read_bytes())
    expected = validate.read("", {}, {}, json.dumps(review).encode()).images
    assert len(expected) == 3
    for old in (None, {}, {"spec": "x"}, {"spec": {"containers": [{"image": "other"}]}}, review["request"]["object"]):
        review["request"]["oldObject"] = old
        assert validate.read("", {}, {}, json.dumps(review).encode()).images == expected


def test_an_unchanged_image_is_asked_for_again() -> None:
    review = json.loads((RECORDED / "pod-update.json").read_bytes())
    assert review["request"]["object"]["spec"] == review["request"]["oldObject"]["spec"]
    assert len(validate.read("", {}, {}, json.dumps(review).encode()).images) == 3
