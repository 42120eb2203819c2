"""Syft: every package that it recognises in every layer of the image."""

from collections.abc import Mapping, Sequence

NAME = "syft"


def arguments(layout: str) -> Sequence[str]:
    """Return the arguments that make it print a CycloneDX document about a layout."""
    return ("scan", f"oci-dir:{layout}", "--output", "cyclonedx-json", "--scope", "squashed")


def environment(scratch: str) -> Mapping[str, str]:
    """Switch off what would ask the network; there is none, and waiting for it takes time."""
    return {"SYFT_CHECK_FOR_APP_UPDATE": "false", "SYFT_CACHE_DIR": f"{scratch}/syft", "SYFT_CACHE_TTL": "0"}
