"""A bill of materials by an external scanner: fetch the image, run the scanner shut in, and believe little of it."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from preverify.model import strict_json
from preverify.model.errors import MalformedEvidence, NotFound, Unavailable
from preverify.model.evidence import Evidence, Image, Unobtained
from preverify.model.reasons import Reason
from preverify.ports import Registry
from preverify.scanners.layout import LayoutLimits, write_layout
from preverify.scanners.sandbox import Limits, ScannerError, ScannerFailed, ScannerSpec, run
from preverify.verify.contents import inventory_of
from preverify.verify.formats import own_reports

_MAX_KEYS = 2_000_000
_MAX_VERSION = 64
_KEPT = ("bomFormat", "specVersion", "version", "components")
_REFERENCE = "bom-ref"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerOutput:
    """A bill of materials and who made it.

    Attributes:
        document: CycloneDX JSON without what is another each time: the same image and scanner give the same bytes.
        tool: Name of the scanner.
        version: As the document says it; empty where it does not.
        sha256: Of the file that ran.
    """

    document: bytes
    tool: str
    version: str
    sha256: str

    @property
    def made_by(self) -> str:
        """Name the scanner so that a verdict can say exactly which one it was."""
        return f"{self.tool} {self.version} sha256:{self.sha256}".replace("  ", " ")


class ExternalScanner:
    """Implements `ports.Scanner`.

    Args:
        spec: Which scanner.
        limits: What one run may take.
        fetched: What is fetched of one image.
        directory: Where images are put while they are scanned; None for the system's own.
    """

    def __init__(
        self,
        spec: ScannerSpec,
        *,
        limits: Limits | None = None,
        fetched: LayoutLimits | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = spec.tool.NAME
        self._spec = spec
        self._limits = limits
        self._fetched = fetched
        self._directory = directory

    def sbom(self, registry: Registry, image: Image) -> Evidence | Unobtained:
        """Return the bill of materials of one manifest, or why there is none: never an empty one instead."""
        try:
            with tempfile.TemporaryDirectory(prefix="preverify-image-", dir=self._directory) as name:
                layout = Path(name) / "layout"
                write_layout(registry, image, layout, limits=self._fetched)
                output = scan(self._spec, layout, limits=self._limits)
        except (ScannerError, MalformedEvidence) as error:
            return self._without(error.reason, str(error))
        except Unavailable as error:
            return Unobtained(what=self.name, reason=error.reason, detail=str(error), retry_after=error.retry_after)
        except NotFound as error:
            return self._without(Reason.REGISTRY_UNAVAILABLE, str(error))
        except OSError as error:
            return self._without(Reason.SCAN_MISSING, f"the image cannot be put on disk: {error.strerror}")
        return own_reports.sbom(output.document, image.subject.digest, made_by=output.made_by)

    def _without(self, reason: Reason, detail: str) -> Unobtained:
        return Unobtained(what=self.name, reason=reason, detail=detail)


def scan(spec: ScannerSpec, layout: Path, *, limits: Limits | None = None) -> ScannerOutput:
    """Run a scanner over a layout and read what it says.

    Raises:
        ScannerError: as `sandbox.run`; and `ScannerFailed` where it printed no bill of materials.
    """
    limits = limits or Limits()
    printed = run(spec, layout, limits=limits)
    try:
        document = strict_json.parse(printed, max_bytes=limits.output, max_keys=_MAX_KEYS)
        body = _settled(document)
        inventory_of(body)
    except MalformedEvidence as error:
        raise ScannerFailed(f"{spec.tool.NAME} printed no CycloneDX document: {error}") from error
    return ScannerOutput(document=body, tool=spec.tool.NAME, version=_version(document), sha256=spec.sha256)


def _settled(document: object) -> bytes:
    """Return the document without what is another each time: serial number, time, references, order."""
    if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
        raise MalformedEvidence(Reason.STATEMENT_MALFORMED, "bomFormat is not CycloneDX")
    if not isinstance(document.get("components"), list):
        # Every scanner writes the list, if an empty one: without it nobody knows whether it got that far.
        raise MalformedEvidence(Reason.STATEMENT_MALFORMED, "it has no list of components")
    kept = {key: _unnamed(document[key]) for key in _KEPT if key in document}
    for key, wanted in (("metadata", ("tools", "component")), ("compositions", ("aggregate",))):
        if key in document:
            kept[key] = _only(document[key], wanted)
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def _unnamed(value: object) -> object:
    """Take the references among components away, which some scanners draw by lot, and with them the order."""
    if isinstance(value, dict):
        return {key: _unnamed(each) for key, each in value.items() if key != _REFERENCE}
    if isinstance(value, list):
        return sorted(map(_unnamed, value), key=lambda each: json.dumps(each, sort_keys=True))
    return value


def _only(value: object, wanted: tuple[str, ...]) -> object:
    if isinstance(value, list):
        return [_only(each, wanted) for each in value]
    return {key: _unnamed(value[key]) for key in wanted if key in value} if isinstance(value, dict) else value


def _version(document: object) -> str:
    """Return the version of the first tool that the document names."""
    found = document
    for key in ("metadata", "tools"):
        found = found.get(key) if isinstance(found, Mapping) else None
    listed = found.get("components") if isinstance(found, Mapping) else found
    first = listed[0] if isinstance(listed, list) and listed else None
    version = first.get("version") if isinstance(first, Mapping) else None
    return version if isinstance(version, str) and len(version) <= _MAX_VERSION and version.isprintable() else ""
