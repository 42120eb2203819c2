"""Google Cloud Build: provenance signed with keys of Google's. That a key is Google's is the rule's word alone.

Spec:
    slsa-verifier, README, "Verification for Google Cloud Build"; Google Cloud, "View build provenance".
"""

import re

from preverify.policy.builders.build import Accepted, Build, Vouched, not_this_builder, not_this_source
from preverify.policy.shortfall import Shortfall

NAME = "google-cloud-build"
_WORKER = "https://cloudbuild.googleapis.com/GoogleHostedWorker"
_V1 = "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1"
_RECIPE = re.compile(r"https://cloudbuild\.googleapis\.com/CloudBuild(?:Yaml|Steps)@v[0-9.]+")
_ARGUMENTS = "type.googleapis.com/google.devtools.cloudbuild.v1.Build"
_COMMIT = re.compile(r"/commit/[0-9a-f]{40}")


def recognises(build: Build) -> bool:
    """Say whether the attestation claims to be of Cloud Build."""
    return build.builder_id.partition("@")[0] == _WORKER


def judge(build: Build, accepted: Accepted | None) -> Vouched | Shortfall:
    """Return what is believed of the build."""
    if accepted is None:
        return not_this_builder(
            f"claims to be of {build.builder_id[:120]}; where the signers are its keys, name it in `builders`"
        )
    if build.identity:
        return not_this_builder(f"claims to be of {build.builder_id[:120]}, which signs with keys, not as an identity")
    version = build.builder_id.removeprefix(_WORKER)
    refused = _form(build, version)
    if refused is not None:
        return refused
    source = build.says("source.uri")
    if version == "@v0.2":
        source = _COMMIT.sub("", source)
    ref = _ref(build)
    if isinstance(ref, Shortfall):
        return ref
    return Vouched(
        level=accepted.level or 0,
        source=source,
        ref=ref,
        parameters=None if version else frozenset({"buildConfigSource", "substitutions"}),
    )


def _form(build: Build, version: str) -> Shortfall | None:
    """Compare the build type with the builder's version: each has its own form."""
    kind = build.says("buildType")
    if version == "":
        known = kind == _V1
    elif version == "@v0.2":
        known = kind == build.builder_id
    else:
        known = version == "@v0.3" and _RECIPE.fullmatch(kind) is not None
    if not known:
        return not_this_builder(f"{build.builder_id[:120]} does not write builds of type {kind[:120]!r}")
    if version and build.says("parameters.type") != _ARGUMENTS:
        seen = build.says("parameters.type")[:120]
        return not_this_builder(f"the recipe's arguments are of type {seen!r}, expected {_ARGUMENTS!r}")
    return None


def _ref(build: Build) -> str | Shortfall:
    """Return what was built, from the trigger's own words; where the order to build says it too, both have to agree."""
    branch, tag = build.says("branch"), build.says("tag")
    ordered = build.says("source.ref")
    if branch and tag:
        return not_this_source(f"says branch {branch[:80]!r} and tag {tag[:80]!r}, expected one")
    told = f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else ""
    if ordered and told and ordered != told:
        return not_this_source(f"says it was built from {told[:120]!r} and from {ordered[:120]!r}")
    return told or ordered
