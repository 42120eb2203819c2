"""What a scanner said of an image before: the same scanner says the same of the same image."""

import contextlib
import json
import os
from pathlib import Path

from preverify.model import strict_json
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Image, Unobtained
from preverify.ports import Registry, Scanner
from preverify.verify.formats import own_reports

_MOST = 4096
_MAX_BYTES = 128 << 20


class RememberingScanner:
    """Implements `ports.Scanner`: asks another one once for each image.

    Args:
        scanner: Who is asked.
        identity: What tells it from other scanners and other versions of itself: the digest of its file.
        directory: Where answers are kept. Whoever may write there may write what images are made of.
    """

    def __init__(self, scanner: Scanner, *, identity: str, directory: Path) -> None:
        self.name = scanner.name
        self._scanner = scanner
        self._identity = identity
        self._directory = directory

    def sbom(self, registry: Registry, image: Image) -> Evidence | Unobtained:
        """Return what was said before, or ask. Only answers are remembered, never that there was none."""
        path = self._directory / f"{image.subject.digest.hex}.{self._identity[:16]}.json"
        said = _said(path)
        if said is not None:
            document, made_by = said
            return own_reports.sbom(document, image.subject.digest, made_by=made_by)
        found = self._scanner.sbom(registry, image)
        if isinstance(found, Evidence):
            with contextlib.suppress(OSError):  # a full disk costs a second scan and nothing else
                self._keep(path, found)
        return found

    def _keep(self, path: Path, found: Evidence) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        said = {"madeBy": found.annotation(own_reports.MADE_BY), "document": found.body.decode()}
        new = path.with_name(f".{path.name}.{os.getpid()}.{id(found)}")
        try:
            new.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        kept = sorted(self._directory.glob("*.json"), key=lambda each: each.stat().st_mtime)
        for old in kept[:-_MOST]:
            old.unlink(missing_ok=True)


def _said(path: Path) -> tuple[bytes, str] | None:
    """Return document and maker of what was kept; None where nothing is, or nothing that can be used."""
    try:
        said = strict_json.parse(path.read_bytes(), max_bytes=_MAX_BYTES)
    except (OSError, MalformedEvidence):
        return None
    document, made_by = (said.get("document"), said.get("madeBy")) if isinstance(said, dict) else (None, None)
    return (document.encode(), made_by) if isinstance(document, str) and isinstance(made_by, str) else None
