"""SLSA provenance v0.1, as Google Cloud Build writes it."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed
from preverify.verify.predicates.provenance_v02 import tell_metadata
from preverify.verify.predicates.provenance_v1 import tell_parameters
from preverify.verify.predicates.sources import DESCRIPTOR, Source, split, tell_dependencies

NAME = "slsa-provenance"
TYPES: tuple[str, ...] = ("https://slsa.dev/provenance/v0.1",)

_METADATA = ("buildInvocationId", "buildInvocationID", "buildStartedOn", "buildFinishedOn")
_RECIPE = ("type", "definedInMaterial", "entryPoint", "arguments", "environment")
_TEXT_FORM = "slsaProvenance"
_SUBSTITUTIONS = ("BRANCH_NAME", "TAG_NAME")


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return the facts, under the names that v1 has for them.

    Cloud Build signs the predicate twice in one statement: as `predicate`, and as `slsaProvenance` for the readers of
    its own command line. Where they differ, two readers of one signature see two builds.

    Spec:
        SLSA, provenance v0.1, "Schema".
    """
    if statement.get(_TEXT_FORM, predicate) != predicate:
        raise malformed(f"{_TEXT_FORM} says something else than the predicate")
    facts = Facts()
    whole = Node(predicate, "predicate", ("builder", "recipe", "metadata", "materials"))
    facts.decide("builder.id", whole.node("builder", ("id",)).required("id"))
    tell_metadata(facts, whole.node("metadata", _METADATA))
    recipe = whole.node("recipe", _RECIPE)
    facts.decide("buildType", recipe.text("type"))
    facts.decide("config.path", recipe.text("entryPoint"))
    materials = whole.nodes("materials", DESCRIPTOR)
    tell_dependencies(facts, materials)
    source = _source(materials, recipe.members.get("definedInMaterial"))
    facts.decide("source.uri", source.uri)
    facts.decide("source.ref", source.ref)
    arguments = recipe.maybe("arguments", ("@type", "substitutions"))
    facts.decide("parameters.type", arguments.text("@type"))
    tell_parameters(facts, arguments)
    substitutions = arguments.maybe("substitutions", _SUBSTITUTIONS)
    facts.decide("branch", substitutions.text("BRANCH_NAME"))
    facts.decide("tag", substitutions.text("TAG_NAME"))
    return facts.done()


def _source(materials: list[Node], defined_in: object) -> Source:
    """Return the material that holds the recipe: the first, where nothing else is said. Cloud Build says it as text."""
    text = "0" if defined_in in (None, "") else str(defined_in)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise malformed(f"recipe.definedInMaterial is {text[:40]!r}, expected a number")
    if not materials:
        return Source("", "")
    if int(text) >= len(materials):
        raise malformed(f"recipe.definedInMaterial is {text}, but there are {len(materials)} materials")
    return split(materials[int(text)].text("uri"))
