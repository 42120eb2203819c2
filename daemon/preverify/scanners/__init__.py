"""What we find in images ourselves: external scanners in a sandbox, one module each, and matching with our database."""

from collections.abc import Mapping

from preverify.scanners import syft, trivy
from preverify.scanners.sandbox.running import Tool

__all__ = ["SCANNERS"]

SCANNERS: Mapping[str, Tool] = {tool.NAME: tool for tool in (syft, trivy)}
"""By the names that the configuration uses."""
