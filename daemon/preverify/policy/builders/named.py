"""Any other builder: what the rule says of it holds, for the signers of the rule."""

from preverify.policy.builders.build import Accepted, Build, Vouched, not_this_builder
from preverify.policy.shortfall import Shortfall

NAME = "named"


def recognises(build: Build) -> bool:
    """Say yes: this is the last in the table."""
    del build
    return True


def judge(build: Build, accepted: Accepted | None) -> Vouched | Shortfall:
    """Return what is believed of the build.

    Spec:
        SLSA, "Verifying artifacts", step 1: only configured pairs of signer and builder id.
    """
    if accepted is None:
        seen = build.builder_id[:200] or "nobody"
        return not_this_builder(f"claims the builder {seen!r}, which no signer may claim unless `builders` names it")
    workflow = build.workflow
    return Vouched(
        level=accepted.level or 0,
        source=build.says("source.uri"),
        ref=build.says("source.ref"),
        trigger=workflow.trigger or build.says("trigger"),
        self_hosted="self-hosted" in (workflow.runner, build.says("runner")),
    )
