"""Our own notification: one image, an HMAC, an optional time stamp."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from preverify import webhooks
from preverify.model.errors import BadInput
from preverify.model.hints import Hint
from preverify.webhooks import generic

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = b"0123456789abcdef"
BODY = b'{"repository":"team/app","tag":"1.4"}'
DIGEST = "sha256:" + "a" * 64


def signed(data: bytes, secret: bytes = SECRET) -> str:
    return "sha256=" + hmac.new(secret, data, hashlib.sha256).hexdigest()


def stamped(stamp: str, body: bytes = BODY) -> dict[str, str]:
    return {"x-preverify-timestamp": stamp, "x-preverify-signature": signed(stamp.encode() + b"." + body)}


def test_the_signature_covers_the_raw_bytes() -> None:
    headers = {"x-preverify-signature": signed(BODY)}
    assert generic.authentic(headers, BODY, SECRET, now=NOW)
    for other in (BODY + b" ", BODY[:-1], BODY.replace(b"1.4", b"1.5"), b""):
        assert not generic.authentic(headers, other, SECRET, now=NOW)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        signed(BODY)[7:],
        signed(BODY).upper(),
        signed(BODY)[:-1],
        signed(BODY, b"another secret!!"),
        "sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest(),
    ],
)
def test_any_other_signature_is_none(signature: str) -> None:
    assert not generic.authentic({"x-preverify-signature": signature}, BODY, SECRET, now=NOW)


def test_a_missing_signature_or_secret_is_none() -> None:
    assert not generic.authentic({}, BODY, SECRET, now=NOW)
    assert not generic.authentic({"x-preverify-signature": signed(BODY, b"")}, BODY, b"", now=NOW)


@pytest.mark.parametrize("away", [timedelta(0), timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_stamp_within_five_minutes_holds(away: timedelta) -> None:
    stamp = (NOW + away).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert generic.authentic(stamped(stamp), BODY, SECRET, now=NOW)


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-01-02T02:59:04Z",
        "2026-01-02T03:09:06Z",
        "2026-01-02T03:04:05",
        "2026-01-02",
        "2026-13-02T03:04:05Z",
        "1767323045",
        "",
    ],
)
def test_an_old_future_or_unreadable_stamp_is_refused_though_signed(stamp: str) -> None:
    assert not generic.authentic(stamped(stamp), BODY, SECRET, now=NOW)


def test_a_stamped_delivery_cannot_shed_or_change_its_stamp() -> None:
    headers = stamped("2026-01-02T03:04:05Z")
    assert not generic.authentic({"x-preverify-signature": headers["x-preverify-signature"]}, BODY, SECRET, now=NOW)
    changed = headers | {"x-preverify-timestamp": "2026-01-02T03:04:06Z"}
    assert not generic.authentic(changed, BODY, SECRET, now=NOW)


def test_moving_the_stamp_into_the_body_gives_no_notification() -> None:
    headers = {"x-preverify-signature": stamped("2026-01-02T03:04:05Z")["x-preverify-signature"]}
    moved = b"2026-01-02T03:04:05Z." + BODY
    assert generic.authentic(headers, moved, SECRET, now=NOW)
    with pytest.raises(BadInput):
        generic.parse(headers, moved)


def test_all_members_are_read() -> None:
    body = (
        b'{"registry":"Registry.Example:5000","repository":"team/app","tag":"1.4","digest":"%s",'
        b'"deleted":true,"delivery":"d1"}' % DIGEST.encode()
    )
    assert generic.parse({}, body) == (
        Hint(
            repository="team/app",
            tag="1.4",
            digest=DIGEST,
            deleted=True,
            delivery="d1",
            registry="registry.example:5000",
        ),
    )


def test_the_delivery_may_stand_in_a_header() -> None:
    assert generic.parse({"x-preverify-delivery": "h1"}, BODY)[0].delivery == "h1"


def test_evidence_hints_at_its_subject_and_a_cut_name_at_nothing() -> None:
    body = b'{"repository":"a","tag":"sha256-' + b"a" * 64 + b'.att"}'
    assert generic.parse({}, body)[0].digest == DIGEST
    assert generic.parse({}, body.replace(b"sha256-", b"sha512-").replace(b".att", b"")) == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "an array"),
        (b'{"repository":"a","tag":"1","action":"push"}', "unknown member 'action'"),
        (b'{"repository":"a"}', "neither tag nor digest"),
        (b'{"repository":"a","digest":"sha256:00"}', "is not a digest"),
        (b'{"repository":"A","tag":"1"}', "names the repository 'A'"),
        (b'{"repository":"a","tag":"-1"}', "names the tag"),
        (b'{"repository":"a","tag":"1","deleted":"yes"}', "deleted is a string"),
        (b'{"registry":"http://x","repository":"a","tag":"1"}', "is not a registry host"),
        (b'{"repository":null,"tag":"1"}', "names the repository ''"),
        (b'{"repository":["a"],"tag":"1"}', "repository is an array"),
        (b'{"repository":"a","repository":"b","tag":"1"}', "stands twice"),
    ],
)
def test_what_is_no_notification_is_refused_with_a_sentence(body: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        generic.parse({}, body)


def test_formats_are_found_by_the_name_in_the_configuration() -> None:
    assert [webhooks.named(form.NAME) for form in webhooks.FORMATS] == list(webhooks.FORMATS)
    assert webhooks.named("quay") is None
