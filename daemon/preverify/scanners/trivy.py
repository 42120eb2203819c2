"""Trivy: the packages that it recognises. It is asked for no vulnerabilities: these come from our own database."""

from collections.abc import Mapping, Sequence

NAME = "trivy"


def arguments(layout: str) -> Sequence[str]:
    """Return the arguments that make it print a CycloneDX document about a layout."""
    switched_off = ("--offline-scan", "--skip-db-update", "--skip-java-db-update", "--no-progress")
    return ("image", "--input", layout, "--format", "cyclonedx", *switched_off)


def environment(scratch: str) -> Mapping[str, str]:
    """Keep what it caches in the scratch directory."""
    return {"TRIVY_CACHE_DIR": f"{scratch}/trivy", "TRIVY_DISABLE_TELEMETRY": "true"}
