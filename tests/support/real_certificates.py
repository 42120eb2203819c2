"""The recorded certificates of `vectors/certificates`, as values."""

import base64
import functools
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from preverify.model.trust import Authority, Log, Period

ROOM = Path(__file__).resolve().parent.parent / "vectors" / "certificates"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What one real bundle and its trusted root held."""

    leaf: bytes
    authorities: tuple[Authority, ...]
    ct_logs: tuple[Log, ...]
    signature: bytes
    stamps: tuple[bytes, ...]
    timestamp_authorities: tuple[Authority, ...]


@functools.cache
def recorded(name: str) -> Recorded:
    """Return `public-good`, `static-ct`, `rekor2-staging` or `custom-root`."""
    form = json.loads((ROOM / f"{name}.json").read_bytes())
    return Recorded(
        leaf=_bytes(form["leaf"]),
        authorities=tuple(map(_authority, form["certificateAuthorities"])),
        ct_logs=tuple(
            Log(key=_bytes(each["key"]), id=_bytes(each["id"]), valid=_period(each["validFor"]))
            for each in form["ctLogs"]
        ),
        signature=_bytes(form["signature"]),
        stamps=tuple(map(_bytes, form["stamps"])),
        timestamp_authorities=tuple(map(_authority, form["timestampAuthorities"])),
    )


def _authority(form: Any) -> Authority:
    return Authority(certificates=tuple(map(_bytes, form["certificates"])), valid=_period(form["validFor"]))


def _period(form: dict[str, str]) -> Period:
    start, end = (datetime.fromisoformat(form[each]) if each in form else None for each in ("start", "end"))
    return Period(start=start, end=end)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
