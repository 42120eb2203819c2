"""Simple verification results (SVR): which properties a verifier found."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs

NAME = "svr"
TYPES: tuple[str, ...] = ("https://in-toto.io/attestation/svr/v0.1", "https://in-toto.io/attestation/svr/v0.2")


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return verifier, time and properties.

    Spec:
        in-toto attestation, predicate svr, "Schema".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", ("verifier", "timeCreated", "properties"))
    verifier = whole.node("verifier", ("id", "policies"))
    facts.decide("verifier.id", verifier.required("id"))
    facts.tell("policies.count", len(verifier.items("policies")))
    whole.required("timeCreated")
    facts.decide("timeCreated", whole.instant("timeCreated"))
    facts.decide("properties", ",".join(whole.words("properties")))
    return facts.done()
