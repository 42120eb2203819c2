"""Strict JSON: our own vectors, the public ones where they are, and the limits."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import MAX_INTEGER, parse

TESTS = Path(__file__).resolve().parents[2]
VECTORS = TESTS / "vectors" / "json"
OWN = json.loads((VECTORS / "vectors.json").read_bytes())
PUBLIC = Path(os.environ.get("PREVERIFY_CONFORMANCE", TESTS.parent.parent / "shared" / "conformance")) / "json"
LIMIT = 1 << 20

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("name", sorted(OWN["accept"]))
def test_reads_what_every_reader_understands_alike(name: str) -> None:
    data = bytes.fromhex(OWN["accept"][name])
    assert parse(data, max_bytes=LIMIT) == json.loads(data)


@pytest.mark.parametrize("name", sorted(OWN["refuse"]))
def test_refuses_what_has_no_meaning_or_two(name: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse(bytes.fromhex(OWN["refuse"][name]), max_bytes=LIMIT)
    assert caught.value.reason is Reason.PAYLOAD_MALFORMED
    assert caught.value.detail


def test_own_vectors_are_many_enough() -> None:
    assert len(OWN["refuse"]) >= 40
    assert len(OWN["accept"]) >= 10


def test_making_the_own_vectors_again_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "make.py").write_bytes((VECTORS / "make.py").read_bytes())
    subprocess.run([sys.executable, "make.py"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "vectors.json").read_bytes() == (VECTORS / "vectors.json").read_bytes()


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="no public JSON suite here; name it in PREVERIFY_CONFORMANCE")
def test_is_right_on_the_whole_public_suite() -> None:
    wrong = []
    for path in sorted((PUBLIC / "test_parsing").iterdir()):
        # Duplicate keys are JSON by the letter; we refuse them on purpose.
        expected = "n" if "duplicated_key" in path.name else path.name[0]
        try:
            parse(path.read_bytes(), max_bytes=LIMIT)
            seen = "y"
        except MalformedEvidence:
            seen = "n"
        if expected in "ny" and seen != expected:
            wrong.append(path.name)
    assert wrong == []


@given(value=values)
def test_what_is_read_is_what_was_written(value: object) -> None:
    """A reader that changed a value would verify one thing and decide on another."""
    assert parse(json.dumps(value).encode(), max_bytes=LIMIT) == value


@given(
    data=st.binary(max_size=200) | st.text(alphabet='{}[]",:0123456789\\u.eE+- \n\tdntf', max_size=200).map(str.encode)
)
def test_never_raises_anything_else(data: bytes) -> None:
    try:
        value = parse(data, max_bytes=LIMIT)
    except MalformedEvidence:
        return
    assert value == json.loads(data)


@given(value=values)
def test_no_document_with_a_repeated_key_is_read(value: object) -> None:
    text = json.dumps(value)
    with pytest.raises(MalformedEvidence, match="stands twice"):
        parse(f'{{"k":{text},"x":0,"k":{text}}}'.encode(), max_bytes=LIMIT)


def test_too_long_is_not_even_looked_at() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse(b"\xff" * 11, max_bytes=10)
    assert caught.value.reason is Reason.TOO_LARGE


def test_the_caller_names_the_refusal() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse(b"{", max_bytes=LIMIT, reason=Reason.BUNDLE_MALFORMED)
    assert caught.value.reason is Reason.BUNDLE_MALFORMED


def test_keys_are_counted_over_the_whole_document() -> None:
    document = b"[" + b",".join([b'{"a":1,"b":2}'] * 5) + b"]"
    assert parse(document, max_bytes=LIMIT, max_keys=10) == [{"a": 1, "b": 2}] * 5
    with pytest.raises(MalformedEvidence, match="more than 9 keys"):
        parse(document, max_bytes=LIMIT, max_keys=9)


def test_colons_in_text_are_no_keys() -> None:
    assert parse(b'{"a":"::::::::"}', max_bytes=LIMIT, max_keys=1) == {"a": "::::::::"}


def test_items_are_counted_before_anything_is_made_of_them() -> None:
    document = b'{"a":[[],[],{}],"b":1}'
    assert parse(document, max_bytes=LIMIT, max_items=8) == {"a": [[], [], {}], "b": 1}
    with pytest.raises(MalformedEvidence, match="more than 7 elements"):
        parse(document, max_bytes=LIMIT, max_items=7)
    with pytest.raises(MalformedEvidence, match="more than 7 elements"):  # also in text, where they are none
        parse(b'"[,[,[,[,"', max_bytes=LIMIT, max_items=7)


def test_depth_is_counted_outside_of_text_only() -> None:
    document = b'["' + b"[" * 100 + b'",' + b"[" * 63 + b"]" * 63 + b"]"
    assert parse(document, max_bytes=LIMIT) == json.loads(document)


def test_a_limit_of_depth_can_be_lower() -> None:
    assert parse(b"[[[]]]", max_bytes=LIMIT, max_depth=3) == [[[]]]
    with pytest.raises(MalformedEvidence, match="deeper than 2"):
        parse(b"[[[]]]", max_bytes=LIMIT, max_depth=2)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * (1 << 22),
        b'"' + b'\\"' * (1 << 21),
        b'["' + b"[\\" * (1 << 21),
        b'"a"' * (1 << 20),
        b"[" * 70 + b'\\"' * (1 << 20),
    ],
    ids=["open", "escaped-quotes", "escapes", "many-texts", "open-then-quotes"],
)
def test_hostile_megabytes_take_no_longer_than_honest_ones(data: bytes) -> None:
    """A scan that looks twice at a quote is quadratic; this would run for hours."""
    with pytest.raises(MalformedEvidence):
        parse(data, max_bytes=1 << 23)


def test_numbers_keep_their_kind() -> None:
    read = parse(b"[1, 1.0, -0.0, 9007199254740992]", max_bytes=LIMIT)
    assert read == [1, 1.0, 0.0, MAX_INTEGER]
    assert [type(v) for v in read] == [int, float, float, int]
    assert math.copysign(1, read[2]) == -1


def test_objects_that_are_not_wanted_are_checked_and_emptied() -> None:
    document = b'{"a":{"keep":{"x":1}},"b":[{"y":2},{"keep":3}]}'
    kept = parse(document, max_bytes=LIMIT, keep=lambda members: "keep" in members or "a" in members)
    assert kept == {"a": {"keep": {}}, "b": [{}, {"keep": 3}]}
    with pytest.raises(MalformedEvidence, match="stands twice"):
        parse(b'{"a":{"y":1,"y":2}}', max_bytes=LIMIT, keep=lambda _: False)
    with pytest.raises(MalformedEvidence, match="more than 1 keys"):
        parse(b'{"a":{"y":1}}', max_bytes=LIMIT, max_keys=1, keep=lambda _: False)
