"""Software supply chain attribute integrity (SCAI) of in-toto."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed

NAME = "scai"
TYPES: tuple[str, ...] = ("https://in-toto.io/attestation/scai/v0.3",)


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return the names of the attributes.

    Spec:
        in-toto attestation, predicate scai v0.3, "Fields".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", ("attributes", "producer"))
    names = [each.required("attribute") for each in whole.nodes("attributes", ("attribute",))]
    if not names:
        raise malformed("predicate.attributes is missing, expected at least one")
    facts.decide("attributes", ",".join(names))
    facts.decide("attributes.count", len(names))
    producer = whole.node("producer", ("uri", "name"))
    facts.tell("producer", producer.text("uri") or producer.text("name"))
    return facts.done()
