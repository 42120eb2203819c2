"""Our statements for other tools: a ready policy or command that checks them, and says what it cannot check.

One module each. Statements are verification summaries (VSA) that say PASSED, signed by our key.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from preverify.policy.exporters import cluster_image_policy, cosign, kyverno
from preverify.policy.exporters.wanted import Wanted

__all__ = ["EXPORTERS", "Exporter", "Wanted"]


class Exporter(Protocol):
    """What every module offers: its name, and the files that it writes, by name."""

    NAME: str

    def export(self, wanted: Wanted, /) -> Mapping[str, str]: ...


def _table(*exporters: Exporter) -> Mapping[str, Exporter]:
    return MappingProxyType({exporter.NAME: exporter for exporter in exporters})


EXPORTERS: Mapping[str, Exporter] = _table(cluster_image_policy, kyverno, cosign)
