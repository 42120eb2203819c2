"""Notifications of CNCF distribution become hints."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from preverify.model.errors import BadInput
from preverify.model.hints import Hint
from preverify.webhooks import distribution

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
V1 = {"content-type": "application/vnd.docker.distribution.events.v1+json"}
HEX = "b" * 64
RECORDED = Path(__file__).parents[2] / "vectors" / "webhooks" / "distribution-push.json"


def event(action: str = "push", **target: Any) -> dict[str, Any]:
    return {"id": "e1", "action": action, "target": {"repository": "team/app", **target}}


def parse(*events: Any, headers: dict[str, str] = V1) -> tuple[Hint, ...]:
    return distribution.parse(headers, json.dumps({"events": list(events)}).encode())


def test_a_pushed_tag_is_hinted_at_and_blobs_and_pulls_are_not() -> None:
    hints = distribution.parse(V1, RECORDED.read_bytes())
    delivery = "4b9ac2c4-7e1f-4a1c-9d2e-2f6b0f0d1a02"
    assert hints == (Hint(repository="team/app", tag="1.4", digest=f"sha256:{HEX}", delivery=delivery),)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.distribution.events.v1+json",
        "application/vnd.docker.distribution.events.v2+json; charset=utf-8",
        "Application/JSON",
    ],
)
def test_both_versions_are_read(media_type: str) -> None:
    assert parse(event(tag="1"), headers={"content-type": media_type})[0].tag == "1"


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/vnd.docker.distribution.events.v3+json"])
def test_other_media_types_are_refused(media_type: str) -> None:
    with pytest.raises(BadInput, match="content-type is"):
        parse(event(tag="1"), headers={"content-type": media_type})


def test_a_deleted_tag_and_a_mounted_manifest_are_hints() -> None:
    mounted = event("mount", digest=f"sha256:{HEX}", mediaType="application/vnd.oci.image.index.v1+json")
    assert [(h.tag, h.deleted) for h in parse(event("delete", tag="old"), mounted)] == [("old", True), (None, False)]


def test_an_event_without_tag_and_readable_digest_hints_at_nothing() -> None:
    assert parse(event(), event(digest="md5:00"), event(digest=f"sha256:{HEX.upper()}")) == ()


def test_a_claimed_digest_that_is_none_does_not_spoil_the_tag() -> None:
    assert parse(event(tag="1", digest="nonsense"))[0].digest is None


@pytest.mark.parametrize("suffix", [".sig", ".att", ".sbom", ""])
def test_pushed_evidence_is_a_hint_for_its_subject(suffix: str) -> None:
    assert parse(event(tag=f"sha256-{HEX}{suffix}", digest=f"sha256:{'c' * 64}")) == (
        Hint(repository="team/app", tag=None, digest=f"sha256:{HEX}", delivery="e1"),
    )


def test_withdrawn_evidence_is_a_hint_for_its_subject_which_is_not_deleted() -> None:
    assert parse(event("delete", tag=f"sha256-{HEX}.sig"))[0].deleted is False


def test_a_cut_sha512_fallback_tag_names_no_subject() -> None:
    assert parse(event(tag=f"sha512-{HEX}", digest=f"sha256:{HEX}")) == ()


def test_the_same_hint_counts_once() -> None:
    assert len(parse(event(tag="1"), event(tag="1"))) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "an array, expected an object"),
        (b"{}", "events is null"),
        (b'{"events":{}}', "events is an object"),
        (b'{"events":[],"events":[]}', "stands twice"),
        (b'{"events":[1]}', r"events\[0\] is a number"),
        (b'{"events":[{"action":1}]}', r"action is a number"),
        (b'{"events":[{"action":"push"}]}', "target is null"),
        (b'{"events":[{"action":"push","target":{"tag":"1"}}]}', "names the repository ''"),
        (b'{"events":[{"action":"push","target":{"repository":"../etc","tag":"1"}}]}', "names the repository"),
        (b'{"events":[{"action":"push","target":{"repository":"a","tag":"x\\ny"}}]}', "names the tag"),
        (b'{"events":[{"action":"push","target":{"repository":"a","tag":true}}]}', "tag is a boolean"),
        (b'{"events":[{"action":"push","target":{"repository":"' + b"a" * 256 + b'","tag":"1"}}]}', "repository"),
        (b'{"events":[' + b" " * (256 * 1024) + b"]}", "at most"),
    ],
)
def test_what_is_no_notification_is_refused_with_a_sentence(body: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        distribution.parse(V1, body)


def test_the_bearer_secret_lets_in() -> None:
    assert distribution.authentic({"authorization": "Bearer s3cret"}, b"", b"s3cret", now=NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "s3cret"},
        {"authorization": "Bearer s3cre"},
        {"authorization": "Bearer s3cret "},
        {"authorization": "Basic s3cret"},
        {"authorization": "Bearer s\u0142cret"},
    ],
)
def test_nothing_else_does(headers: dict[str, str]) -> None:
    assert not distribution.authentic(headers, b"", b"s3cret", now=NOW)


def test_an_empty_secret_lets_nobody_in() -> None:
    assert not distribution.authentic({"authorization": "Bearer "}, b"", b"", now=NOW)
