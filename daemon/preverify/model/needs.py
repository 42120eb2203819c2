"""What rules need to see beyond signatures: it says what is gathered, read and remembered for them."""

from enum import StrEnum


class Need(StrEnum):
    """One kind of thing that costs something to have, so that it is had only where some rule asks for it."""

    CONFIG = "config"  # the image's configuration
    INVENTORY = "inventory"  # contents of attested bills of materials
    SCAN = "scan"  # contents of attested scans
    VEX = "vex"  # contents of attested VEX documents
    TAGS = "tags"  # which tags name the image, and what they named before
    MATCHES = "matches"  # bills of materials matched against our database
    SCANNER = "scanner"  # a bill of materials made by the configured scanner


OF_MANIFESTS = frozenset({Need.CONFIG, Need.SCANNER})
"""What only a manifest has, and an index has not."""
OF_CONTENTS = frozenset({Need.INVENTORY, Need.SCAN, Need.VEX})
"""What is read out of attestations."""
