"""SLSA provenance v0.2, as slsa-github-generator, BuildKit and many others fill it."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed
from preverify.verify.predicates.provenance_v1 import tell_inputs, tell_parameters
from preverify.verify.predicates.sources import DESCRIPTOR, digest, split, tell_dependencies

NAME = "slsa-provenance"
TYPES: tuple[str, ...] = ("https://slsa.dev/provenance/v0.2",)

_MEMBERS = ("builder", "buildType", "invocation", "buildConfig", "metadata", "materials")
_METADATA = ("buildInvocationId", "buildInvocationID", "buildStartedOn", "buildFinishedOn")
_CONFIG = ("uri", "digest", "entryPoint")
_VARIABLES = {
    "trigger": "github_event_name",
    "repository.id": "github_repository_id",
    "owner.id": "github_repository_owner_id",
    "workflow.ref": "github_workflow_ref",
}


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return the facts, under the names that v1 has for them.

    Spec:
        SLSA, provenance v0.2, "Schema".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", _MEMBERS)
    facts.decide("buildType", whole.required("buildType"))
    facts.decide("builder.id", whole.node("builder", ("id",)).text("id"))
    tell_metadata(facts, whole.node("metadata", _METADATA))
    first = tell_dependencies(facts, whole.nodes("materials", DESCRIPTOR))
    invocation = whole.node("invocation", ("configSource", "parameters", "environment"))
    config = invocation.node("configSource", _CONFIG)
    source = split(config.text("uri")) if "uri" in config else first
    facts.decide("source.uri", source.uri)
    facts.decide("source.ref", source.ref)
    facts.decide("source.digest", digest(config))
    facts.decide("config.path", config.text("entryPoint"))
    tell_parameters(facts, invocation.maybe("parameters"))
    _tell_run(facts, invocation)
    return facts.done()


def tell_metadata(facts: Facts, metadata: Node) -> None:
    """Add the id of the run and its times."""
    facts.decide("invocation.id", metadata.text("buildInvocationId") or metadata.text("buildInvocationID"))
    facts.tell("startedOn", metadata.instant("buildStartedOn"))
    facts.tell("finishedOn", metadata.instant("buildFinishedOn"))


def _tell_run(facts: Facts, invocation: Node) -> None:
    environment = invocation.maybe("environment", (*_VARIABLES.values(), *map(str.upper, _VARIABLES.values())))
    for name, variable in _VARIABLES.items():
        facts.decide(name, _variable(environment, variable))
    tell_inputs(facts, environment.maybe("github_event_payload", ("inputs",)))


def _variable(environment: Node, name: str) -> str:
    """Return a variable that some generators write in lower case and others in upper case."""
    lower, upper = environment.text(name), environment.text(name.upper())
    if lower and upper and lower != upper:
        raise malformed(f"{environment.path}.{name} is {lower[:40]!r} and {upper[:40]!r}")
    return lower or upper
