"""The workflows of slsa-github-generator: the signer is the builder, and nothing that a caller does reaches its key.

Spec:
    slsa-verifier, README, "Verification for GitHub builders".
"""

from preverify.policy.builders.build import (
    FULL_VERSION_TAG,
    GITHUB,
    GITHUB_ISSUER,
    Accepted,
    Build,
    Vouched,
    not_this_builder,
    not_this_source,
)
from preverify.policy.shortfall import Shortfall

NAME = "slsa-github-generator"
_WORKFLOWS = GITHUB + "slsa-framework/slsa-github-generator/.github/workflows/"
_GENERATORS = frozenset({"generator_container_slsa3.yml", "generator_generic_slsa3.yml"})
_DELEGATORS = frozenset({"delegator_generic_slsa3.yml", "delegator_lowperms-generic_slsa3.yml"})
_PARAMETERS = frozenset({"inputs", "vars"})
_LEVEL = 3


def recognises(build: Build) -> bool:
    """Say whether the signer is a workflow of that repository."""
    return build.identity.startswith(_WORKFLOWS)


def judge(build: Build, accepted: Accepted | None) -> Vouched | Shortfall:
    """Return what is believed of the build.

    A delegating workflow signs for builders of other people, under their name: those have to be named in the rule.
    """
    if build.issuer != GITHUB_ISSUER:
        return not_this_builder(f"{NAME} signs as vouched for by {GITHUB_ISSUER}, not by {build.issuer[:120]!r}")
    file, _, tag = build.identity.removeprefix(_WORKFLOWS).partition("@")
    if file not in _GENERATORS | _DELEGATORS:
        return not_this_builder(f"{file[:80]!r} is no known workflow of {NAME}")
    if FULL_VERSION_TAG.fullmatch(tag) is None:
        return not_this_builder(f"{NAME} ran at {tag[:80]!r}, expected a tag like refs/tags/v1.2.3")
    refused = _delegate(build, accepted) if file in _DELEGATORS else _generator(build)
    refused = refused or _source(build)
    if refused is not None:
        return refused
    workflow = build.workflow
    return Vouched(
        level=_LEVEL if accepted is None or accepted.level is None else min(_LEVEL, accepted.level),
        source=workflow.source,
        ref=workflow.ref,
        trigger=workflow.trigger,
        self_hosted=workflow.runner == "self-hosted",
        parameters=_PARAMETERS,
    )


def _generator(build: Build) -> Shortfall | None:
    if build.builder_id == build.identity:
        return None
    return not_this_builder(f"claims the builder {build.builder_id[:200]!r}, but was signed by {build.identity[:200]}")


def _delegate(build: Build, accepted: Accepted | None) -> Shortfall | None:
    name, _, tag = build.builder_id.partition("@")
    if accepted is None:
        return not_this_builder(f"the builder {build.builder_id[:200]!r} delegates its signing; name it in `builders`")
    if not name.startswith(GITHUB) or FULL_VERSION_TAG.fullmatch(tag) is None:
        return not_this_builder(f"{build.builder_id[:200]!r} is no workflow at a tag like refs/tags/v1.2.3")
    return None


def _source(build: Build) -> Shortfall | None:
    """Compare the three places that name the source: the order to build, the first dependency, the certificate."""
    workflow = build.workflow
    if not workflow.source or not workflow.ref:
        return not_this_source("the certificate names no source repository and ref")
    for what in ("source", "dependency"):
        seen = (build.says(f"{what}.uri"), build.says(f"{what}.ref"))
        if seen != (workflow.source, workflow.ref):
            detail = f"says {what} {'@'.join(seen)[:200]!r}, the certificate {workflow.source}@{workflow.ref}"
            return not_this_source(detail[:500])
    if not build.names_commit(workflow.commit):
        return not_this_source(f"says {build.says('dependency.digest')[:120]!r}, the certificate {workflow.commit!r}")
    ran = build.says("workflow.ref")
    return build.contradiction(
        (
            ("trigger", build.says("trigger"), workflow.trigger),
            ("repository id", build.says("repository.id"), workflow.repository_id or build.says("repository.id")),
            ("owner id", build.says("owner.id"), workflow.owner_id or build.says("owner.id")),
            ("workflow", GITHUB + ran if ran else "", workflow.config or (GITHUB + ran)),
        )
    )
