"""What was verified last of a root: one file, written whole after everything in it was verified."""

import base64
import json
import os
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from preverify.model.errors import BadConfiguration, MalformedEvidence
from preverify.model.strict_json import parse
from preverify.settings import read_bounded

_MAX_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A verified target and when that was.

    Attributes:
        target: The trusted_root.json.
        fetched_at: When it was last found to be the current one.
        expires: When the first of the metadata that vouches for it runs out.
        versions: Of the metadata, by role.
    """

    target: bytes
    fetched_at: datetime
    expires: datetime
    versions: tuple[tuple[str, int], ...]


def write(path: Path, record: Record) -> None:
    """Replace the record, atomically: a reader sees the old or the new one."""
    form = {
        "fetchedAt": record.fetched_at.isoformat(),
        "expires": record.expires.isoformat(),
        "versions": dict(record.versions),
        "sha256": sha256(record.target).hexdigest(),
        "target": base64.b64encode(record.target).decode(),
    }
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with new.open("w") as file:
        json.dump(form, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read(path: Path) -> Record | None:
    """Return the record; None where there is none.

    Raises:
        BadConfiguration: the file is not what was written. Nothing older takes its place: that would be a step back
            that nobody asked for.
    """
    if not path.exists():
        return None
    try:
        return _record(parse(read_bounded(path, _MAX_BYTES), max_bytes=_MAX_BYTES))
    except (MalformedEvidence, KeyError, TypeError, ValueError, AttributeError) as error:
        detail = "is damaged; delete it, and the root is fetched (or can be imported) anew"
        raise BadConfiguration(detail, where=str(path)) from error


def _record(form: Any) -> Record:
    target = base64.b64decode(form["target"], validate=True)
    if sha256(target).hexdigest() != form["sha256"]:
        raise ValueError("the target does not have its digest")
    return Record(
        target=target,
        fetched_at=datetime.fromisoformat(form["fetchedAt"]),
        expires=datetime.fromisoformat(form["expires"]),
        versions=tuple(sorted((str(role), int(version)) for role, version in form["versions"].items())),
    )
