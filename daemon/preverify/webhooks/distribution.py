"""Notifications of CNCF distribution (and of GitLab self-managed, which runs it).

Spec:
    distribution, docs "Work with notifications"; `notifications/event.go`. The sender authenticates by static headers
    of its configuration, retries for ever and keeps no order.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime

from preverify.model.errors import BadInput
from preverify.model.hints import Hint
from preverify.webhooks.fields import document, hint, kind_of, member, text

NAME = "distribution"

_MAX_BYTES = 256 * 1024
_MEDIA_TYPES = frozenset(
    {
        "application/vnd.docker.distribution.events.v1+json",
        "application/vnd.docker.distribution.events.v2+json",
        "application/json",  # what proxies in between make of it
    }
)
_MANIFESTS = frozenset(
    {
        "",  # deletions carry no media type
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_ACTIONS = frozenset({"push", "mount", "delete"})


def authentic(headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:  # noqa: ARG001
    """Say whether the delivery carries `Authorization: Bearer <secret>`; the format signs neither body nor time."""
    sent = headers.get("authorization", "").encode("latin-1", "replace")
    return bool(secret) and hmac.compare_digest(sent, b"Bearer " + secret)


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Hint, ...]:
    """Return a hint for each manifest that was pushed, mounted or deleted; pulls and blobs are left out.

    Raises:
        BadInput: another media type, no JSON, or an event without a repository name.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise BadInput(
            f"content-type is {media_type[:80]!r}, expected application/vnd.docker.distribution.events.v1+json or v2"
        )
    events = document(body, max_bytes=_MAX_BYTES).get("events")
    if not isinstance(events, list):
        raise BadInput(f"events is {kind_of(events)}, expected an array of events")
    hints = (_event(event, f"events[{number}]") for number, event in enumerate(events))
    # The same manifest is often notified twice in one delivery (by tag and by digest, or retried); one look is enough.
    return tuple(dict.fromkeys(one for one in hints if one is not None))


def _event(value: object, where: str) -> Hint | None:
    event = member(value, where)
    action = text(event, "action", where)
    if action not in _ACTIONS:
        return None
    target = member(event.get("target"), f"{where}.target")
    place = f"{where}.target"
    if text(target, "mediaType", place) not in _MANIFESTS:
        return None  # a layer or configuration; its manifest has an event of its own
    return hint(
        text(target, "repository", place),
        text(target, "tag", place),
        text(target, "digest", place),
        place,
        deleted=action == "delete",
        delivery=text(event, "id", where),
    )
