"""Links of in-toto: one step of a supply chain."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs

NAME = "link"
TYPES: tuple[str, ...] = ("https://in-toto.io/Link/v1", "https://in-toto.io/attestation/link/v0.3")


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return the step's name and the number of its materials.

    Spec:
        in-toto attestation, predicate link v0.3, "Fields".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", ("name", "command", "materials", "byproducts", "environment"))
    facts.decide("name", whole.required("name"))
    # An object by file name in the old form, a list of descriptors since v0.3.
    materials = whole.members.get("materials")
    facts.tell("materials.count", len(materials) if isinstance(materials, dict) else len(whole.items("materials")))
    return facts.done()
