"""GitHub artifact attestations: a workflow attests what it built, under its own identity.

The predicate is written inside the job that builds. Only what the certificate says too is believed.

Spec:
    GitHub, "Artifact attestations"; build type https://actions.github.io/buildtypes/workflow/v1.
"""

from preverify.model.reasons import Reason
from preverify.policy.builders.build import Accepted, Build, Vouched, Workflow, not_this_builder, not_this_source
from preverify.policy.shortfall import Shortfall

NAME = "github-attestations"
_TYPES = frozenset(
    {
        "https://actions.github.io/buildtypes/workflow/v1",
        "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
    }
)
_RUNNERS = "https://github.com/actions/runner/"
_WORKFLOW_NAMES = '["path","ref","repository"]'
_HOSTED = "github-hosted"


def recognises(build: Build) -> bool:
    """Say whether this is an attestation of that form by somebody with a certificate for a run."""
    return build.says("buildType") in _TYPES and bool(build.certificate)


def judge(build: Build, accepted: Accepted | None) -> Vouched | Shortfall:
    """Return what is believed of the build."""
    workflow = build.workflow
    refused = _builder(build, workflow) or _source(build, workflow) or _run(build, workflow)
    if refused is not None:
        return refused
    return Vouched(
        level=_level(build, workflow, accepted),
        source=workflow.source,
        ref=workflow.ref,
        trigger=workflow.trigger,
        self_hosted=workflow.runner != _HOSTED,
        parameters=frozenset({"workflow"}),
    )


def _level(build: Build, workflow: Workflow, accepted: Accepted | None) -> int:
    """Return the level. The third needs a reusable workflow, which its callers cannot change, that the rule names."""
    if workflow.runner != _HOSTED:
        return 1
    if accepted is None or accepted.level is None:
        return 2 if build.by_github else 1
    reusable = bool(workflow.config) and workflow.builder != workflow.config and build.builder_id == workflow.builder
    return min(accepted.level, 3 if reusable else 2)


def _builder(build: Build, workflow: Workflow) -> Shortfall | None:
    """Compare the builder with the workflow that the key was issued to. Old attestations name only the runner."""
    if not workflow.builder or not workflow.runner:
        return not_this_builder("the certificate does not say which workflow signed and where it ran")
    if build.builder_id in (workflow.builder, _RUNNERS + workflow.runner):
        return None
    detail = f"claims the builder {build.builder_id[:200]!r}, the certificate was issued to {workflow.builder[:200]!r}"
    return not_this_builder(detail)


def _source(build: Build, workflow: Workflow) -> Shortfall | None:
    if build.says("workflow.names") != _WORKFLOW_NAMES:
        detail = f"externalParameters.workflow has {build.says('workflow.names')[:120] or 'nothing'}"
        return Shortfall(Reason.STATEMENT_MALFORMED, f"{detail}, expected {_WORKFLOW_NAMES}")
    told = (build.says("source.uri"), build.says("source.ref"))
    if told != (workflow.source, workflow.ref):
        detail = f"says it was built from {'@'.join(told)[:200]!r}, the certificate {workflow.source}@{workflow.ref}"
        return not_this_source(detail[:500])
    path = f"{told[0]}/{build.says('config.path')}@{told[1]}"
    if path != workflow.config:
        return not_this_source(f"says the workflow is {path[:200]!r}, the certificate {workflow.config[:200]!r}")
    if build.says("dependency.uri") and build.says("dependency.uri") != workflow.source:
        detail = (
            f"lists {build.says('dependency.uri')[:200]!r} as its source, the certificate {workflow.source[:200]!r}"
        )
        return not_this_source(detail)
    if not build.names_commit(workflow.commit):
        return not_this_source(f"says {build.says('dependency.digest')[:120]!r}, the certificate {workflow.commit!r}")
    return None


def _run(build: Build, workflow: Workflow) -> Shortfall | None:
    return build.contradiction(
        (
            ("trigger", build.says("trigger"), workflow.trigger),
            ("runner", build.says("runner"), workflow.runner),
            ("repository id", build.says("repository.id"), workflow.repository_id),
            ("owner id", build.says("owner.id"), workflow.owner_id),
            ("run", build.says("invocation.id"), workflow.run),
        )
    )
