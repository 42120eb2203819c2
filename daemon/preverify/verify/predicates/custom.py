"""cosign's wrapping of whatever somebody attests."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed

NAME = "custom"
TYPES: tuple[str, ...] = ("https://cosign.sigstore.dev/attestation/v1",)


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return the time and, where it is short text, the data.

    Spec:
        cosign, COSIGN_PREDICATE_SPEC.
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", ("Data", "Timestamp"))
    if "Data" not in whole.members:
        raise malformed("predicate.Data is missing")
    data = whole.members["Data"]
    if isinstance(data, str):
        facts.tell("data", data)
    facts.decide("timestamp", whole.instant("Timestamp"))
    return facts.done()
