"""BuildKit's own provenance: written by whoever ran the build, good for level 1 whoever signed it.

A signer with a certificate for a run can sign only for the repository that it ran in: else any workflow that a rule's
pattern accepts could name the source of another.

Spec:
    BuildKit, docs/attestations/slsa-definitions.md.
"""

from preverify.policy.builders.build import Accepted, Build, Vouched, not_this_source
from preverify.policy.shortfall import Shortfall

NAME = "buildkit"
_TYPES = frozenset(
    {
        "https://mobyproject.org/buildkit@v1",
        "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
    }
)
_PARAMETERS = frozenset({"configSource", "request", "frontend", "args", "locals", "root"})


def recognises(build: Build) -> bool:
    """Say whether the attestation is of that form."""
    return build.says("buildType") in _TYPES


def judge(build: Build, accepted: Accepted | None) -> Vouched | Shortfall:
    """Return what is believed of the build. Its builder's id may be empty, or whatever the user set it to."""
    workflow = build.workflow
    source = build.says("source.uri")
    if workflow.source and source.removesuffix(".git") != workflow.source:
        return not_this_source(f"says it was built from {source[:200]!r}, the certificate {workflow.source[:200]!r}")
    return Vouched(
        level=1 if accepted is None or accepted.level is None else min(accepted.level, 1),
        source=workflow.source or source,
        ref=build.says("source.ref"),
        trigger=workflow.trigger,
        self_hosted=workflow.runner == "self-hosted",
        parameters=_PARAMETERS,
    )
