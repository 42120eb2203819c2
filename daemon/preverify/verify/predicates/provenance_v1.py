"""SLSA provenance v1, as GitHub, slsa-github-generator, BuildKit, Google Cloud Build and others fill it."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, canonical, is_set
from preverify.verify.predicates.sources import DESCRIPTOR, Source, digest, split, tell_dependencies

NAME = "slsa-provenance"
TYPES: tuple[str, ...] = ("https://slsa.dev/provenance/v1",)

_DEFINITION = ("buildType", "externalParameters", "internalParameters", "resolvedDependencies")
_METADATA = ("invocationId", "invocationID", "startedOn", "finishedOn")
_REPOSITORY = ("repository", "ref", "path")
_DESCRIBED = ("uri", "digest", "path")
_GITHUB = ("event_name", "repository_id", "repository_owner_id", "runner_environment")
_RUN = (
    "GITHUB_EVENT_NAME",
    "GITHUB_EVENT_PAYLOAD",
    "GITHUB_REPOSITORY_ID",
    "GITHUB_REPOSITORY_OWNER_ID",
    "GITHUB_WORKFLOW_REF",
)
_SOURCES = ("workflow", "configSource", "buildConfigSource", "source")
_BY_REPOSITORY = ("workflow", "buildConfigSource")
_SUBSTITUTIONS = ("BRANCH_NAME", "TAG_NAME")


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return the facts.

    Spec:
        SLSA, provenance v1, "Schema".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", ("buildDefinition", "runDetails"))
    definition = whole.node("buildDefinition", _DEFINITION)
    details = whole.node("runDetails", ("builder", "metadata", "byproducts"))
    facts.decide("buildType", definition.required("buildType"))
    # Empty where a builder has no name to give (BuildKit); a build that says nothing of its builder is no provenance.
    facts.decide("builder.id", details.node("builder", ("id",)).text("id"))
    metadata = details.node("metadata", _METADATA)
    tell_invocation(facts, metadata)
    facts.tell("startedOn", metadata.instant("startedOn"))
    facts.tell("finishedOn", metadata.instant("finishedOn"))
    first = tell_dependencies(facts, definition.nodes("resolvedDependencies", DESCRIPTOR))
    external = definition.node("externalParameters", _SOURCES)
    _tell_source(facts, external, first)
    tell_parameters(facts, external)
    _tell_run(facts, definition)
    return facts.done()


def tell_invocation(facts: Facts, metadata: Node) -> None:
    """Add the id of the run. A library that cosign was built with spelled it `invocationID`."""
    facts.decide("invocation.id", metadata.text("invocationId") or metadata.text("invocationID"))


def tell_parameters(facts: Facts, parameters: Node) -> None:
    """Add what the outside could set: all of it in canonical form, and the names of what is set."""
    given = {name: value for name, value in parameters.members.items() if is_set(value)}
    facts.tell("parameters", canonical(given))
    facts.decide("parameters.names", canonical(sorted(given)))


def tell_inputs(facts: Facts, event: Node) -> None:
    """Add what somebody typed who started a workflow by hand."""
    inputs = event.maybe("inputs").members
    if inputs:
        facts.tell("inputs", canonical(inputs))


def _tell_source(facts: Facts, external: Node, first: Source) -> None:
    """Add the repository that the builder was told to build, else the first dependency."""
    form = next((name for name in _SOURCES if external.maybe(name).members), "")
    source, path, of = first, "", ""
    if form in _BY_REPOSITORY:
        config = external.node(form, _REPOSITORY)
        source = Source(config.text("repository").removeprefix("git+"), config.text("ref"))
        path = config.text("path")
    elif form:
        config = external.node(form, _DESCRIBED)
        source, path, of = split(config.text("uri")), config.text("path"), digest(config)
    elif isinstance(external.members.get("source"), str):
        source = split(external.text("source"))
    if form == "workflow":
        workflow = external.node(form, _REPOSITORY).members
        facts.decide("workflow.names", canonical(sorted(name for name, value in workflow.items() if is_set(value))))
    facts.decide("source.uri", source.uri)
    facts.decide("source.ref", source.ref)
    facts.decide("source.digest", of)
    facts.decide("config.path", path)


def _tell_run(facts: Facts, definition: Node) -> None:
    """Add what the builder says of the run: GitHub's own form, that of delegating workflows, Cloud Build's."""
    internal = definition.node("internalParameters", ("github", "systemSubstitutions", *_RUN))
    github = internal.maybe("github", _GITHUB)
    facts.decide("trigger", github.text("event_name") or internal.text("GITHUB_EVENT_NAME"))
    facts.decide("runner", github.text("runner_environment"))
    facts.decide("repository.id", github.text("repository_id") or internal.text("GITHUB_REPOSITORY_ID"))
    facts.decide("owner.id", github.text("repository_owner_id") or internal.text("GITHUB_REPOSITORY_OWNER_ID"))
    facts.decide("workflow.ref", internal.text("GITHUB_WORKFLOW_REF"))
    tell_inputs(facts, internal.maybe("GITHUB_EVENT_PAYLOAD", ("inputs",)))
    substitutions = internal.maybe("systemSubstitutions", _SUBSTITUTIONS)
    facts.decide("branch", substitutions.text("BRANCH_NAME"))
    facts.decide("tag", substitutions.text("TAG_NAME"))
