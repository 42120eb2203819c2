"""Who may say how something was built. One module per builder: which signer it has, and what of its word is checked.

The level follows from signer and builder alone. What an attestation says of itself raises nothing.
"""

from typing import Protocol

from preverify.policy.builders import buildkit, cloud_build, github, named, slsa_generator
from preverify.policy.builders.build import Accepted, Build, Vouched
from preverify.policy.shortfall import Shortfall

__all__ = ["BUILDERS", "Accepted", "Build", "Builder", "Vouched", "judge"]


class Builder(Protocol):
    """What every module of a builder in this folder offers."""

    NAME: str

    def recognises(self, build: Build) -> bool:
        """Say whether builds of this form or by this signer are for this module to judge."""

    def judge(self, build: Build, accepted: Accepted | None) -> Vouched | Shortfall:
        """Return what is believed of the build, or why nothing is. `accepted` is the rule's entry for its builder."""


BUILDERS: tuple[Builder, ...] = (slsa_generator, github, buildkit, cloud_build, named)
"""In the order of asking: a signer that is a builder first, then forms, then whatever the rule names."""


def judge(build: Build, accepted: Accepted | None) -> Vouched | Shortfall:
    """Ask the first builder that recognises the build; the last one recognises all."""
    builder = next(each for each in BUILDERS if each.recognises(build))
    return builder.judge(build, accepted)
