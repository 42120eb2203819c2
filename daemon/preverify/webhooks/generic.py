"""Our own notification, for registries and build systems that can send any JSON with an HMAC.

```
POST /hooks/<source>
X-Preverify-Timestamp: 2026-01-02T03:04:05Z        (optional; inside the signature, good for 5 minutes)
X-Preverify-Signature: sha256=<hex HMAC-SHA256 of the body, or of "<timestamp>.<body>">

{"repository": "team/app", "tag": "1.4"}
```
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from preverify.model.errors import BadInput
from preverify.model.hints import Hint
from preverify.model.reference import registry_host
from preverify.webhooks.fields import document, hint, kind_of, text

NAME = "generic"

_MAX_BYTES = 256 * 1024
_WINDOW = timedelta(minutes=5)
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z")
_KEYS = ("registry", "repository", "tag", "digest", "deleted", "delivery")


def authentic(headers: Mapping[str, str], body: bytes, secret: bytes, *, now: datetime) -> bool:
    """Say whether the signature covers exactly these bytes, and the time stamp where one is sent.

    A stamped delivery cannot be replayed as an unstamped one: the signed bytes would begin with the stamp and not with
    a JSON object.
    """
    stamp = headers.get("x-preverify-timestamp")
    signed = body if stamp is None else stamp.encode("latin-1", "replace") + b"." + body
    expected = "sha256=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()
    sent = headers.get("x-preverify-signature", "").encode("latin-1", "replace")
    matches = bool(secret) and hmac.compare_digest(sent, expected.encode())
    return matches and (stamp is None or _fresh(stamp, now))


def parse(headers: Mapping[str, str], body: bytes) -> tuple[Hint, ...]:
    """Return the one hint of the delivery; no hint for a tag that carries evidence of a subject it cannot name.

    Raises:
        BadInput: no JSON object, an unknown member, or neither tag nor digest.
    """
    said = document(body, max_bytes=_MAX_BYTES)
    unknown = sorted(set(said) - set(_KEYS))
    if unknown:
        raise BadInput(f"unknown member {unknown[0][:80]!r}, expected {', '.join(_KEYS)}")
    repository, tag, digest, registry, delivery = (
        text(said, key, "the notification") for key in ("repository", "tag", "digest", "registry", "delivery")
    )
    deleted = said.get("deleted", False)
    if not isinstance(deleted, bool):
        raise BadInput(f"deleted is {kind_of(deleted)}, expected a boolean")
    if not tag and not digest:
        raise BadInput("the notification names neither tag nor digest, expected at least one of them")
    one = hint(
        repository,
        tag,
        digest,
        "the notification",
        deleted=deleted,
        delivery=delivery or headers.get("x-preverify-delivery", ""),
        registry=registry_host(registry) if registry else "",
    )
    if one is None and not tag:
        raise BadInput(f"{digest[:80]!r} is not a digest, expected sha256:<64 hex digits>")
    return () if one is None else (one,)


def _fresh(stamp: str, now: datetime) -> bool:
    if _TIMESTAMP.fullmatch(stamp) is None:
        return False
    try:
        return abs(now - datetime.fromisoformat(stamp)) <= _WINDOW
    except ValueError:
        return False
