"""A bill of materials by an external scanner: fetch the image, run the scanner shut in, and believe little of it."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from preverify.model import strict_json
from preverify.model.errors import MalformedEvidence, NotFound, Unavailable
from preverify.model.evidence import Evidence, Image, Unobtained
from preverify.model.reasons import Reason
from preverify.ports import Registry
from preverify.scanners.sandbox.layout import LayoutLimits, clear, room_for_an_image, write_layout
from preverify.scanners.sandbox.running import Limits, ScannerError, ScannerFailed, ScannerSpec, Tool, run
from preverify.verify.contents import cyclonedx, inventory_of
from preverify.verify.formats import own_reports
from preverify.verify.predicates.outline import MAX_KEYS

_MAX_VERSION = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerOutput:
    """A bill of materials and who made it.

    Attributes:
        document: CycloneDX JSON, cut down to what is read of components and without what is another each time: the
            same image and scanner give the same bytes.
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
        directory: Where images are put while they are scanned; None for the system's own. What killed processes left
            there is removed.
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
        self._directory = directory or Path(tempfile.gettempdir())
        clear(self._directory)

    def sbom(self, registry: Registry, image: Image) -> Evidence | Unobtained:
        """Return the bill of materials of one manifest, or why there is none: never an empty one instead."""
        try:
            with room_for_an_image(self._directory) as room:
                layout = room / "layout"
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
    said = _Said()
    try:
        document = strict_json.parse(
            printed,
            max_bytes=limits.output,
            max_keys=MAX_KEYS,
            max_items=MAX_KEYS,
            reason=Reason.STATEMENT_MALFORMED,
            keep=said.keep,
        )
        body = _settled(document)
        inventory_of(body)
    except MalformedEvidence as error:
        raise ScannerFailed(f"{spec.tool.NAME} printed no CycloneDX document: {error}") from error
    return ScannerOutput(document=body, tool=spec.tool.NAME, version=_version(said.tools), sha256=spec.sha256)


def tried(spec: ScannerSpec, *, limits: Limits | None = None) -> str:
    """Have a scanner say its version in the sandbox: whether it is there and this machine can shut it in.

    Raises:
        ScannerError: as `sandbox.run`.
    """
    with tempfile.TemporaryDirectory(prefix="preverify-scan-") as empty:
        said = run(replace(spec, tool=_Version(spec.tool)), Path(empty), limits=limits)
    lines = said.decode("ascii", errors="replace").splitlines() or [""]
    return "".join(filter(str.isprintable, lines[0]))[:_MAX_VERSION]


class _Version:
    """A scanner that is asked for nothing but its version."""

    def __init__(self, tool: Tool) -> None:
        self.NAME = tool.NAME
        self.environment = tool.environment

    def arguments(self, layout: str) -> Sequence[str]:
        del layout
        return ("--version",)


class _Said:
    """Keeps what is read of components, a fifth of what scanners write, and which tool says that it wrote it."""

    def __init__(self) -> None:
        self.tools: object = None

    def keep(self, members: dict[str, Any]) -> bool:
        self.tools = members.get("tools", self.tools)
        return cyclonedx.keep(members)


def _settled(document: object) -> bytes:
    """Return the document without what is another each time: serial number, references, time, order."""
    if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
        raise MalformedEvidence(Reason.STATEMENT_MALFORMED, "bomFormat is not CycloneDX")
    if not isinstance(document.get("components"), list):
        # Every scanner writes the list, if an empty one: without it nobody knows whether it got that far.
        raise MalformedEvidence(Reason.STATEMENT_MALFORMED, "it has no list of components")
    document.pop("metadata", None)
    return json.dumps(_ordered(document), ensure_ascii=False, separators=(",", ":")).encode()


def _ordered(value: object) -> object:
    """Put all lists in an order: some scanners draw references by lot, and sort by them."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return sorted(map(_ordered, value), key=json.dumps)
    return value


def _version(tools: object) -> str:
    """Return the version of the first tool that the document names."""
    listed = tools.get("components") if isinstance(tools, Mapping) else tools
    first = listed[0] if isinstance(listed, list) and listed else None
    version = first.get("version") if isinstance(first, Mapping) else None
    return version if isinstance(version, str) and len(version) <= _MAX_VERSION and version.isprintable() else ""
