"""Releases of in-toto: a package registry says what it published."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed

NAME = "release"
TYPES: tuple[str, ...] = ("https://in-toto.io/attestation/release/v0.1",)


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return package URL and package id.

    Spec:
        in-toto attestation, predicate release v0.1, "Fields".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", ("purl", "packageId"))
    purl = whole.required("purl")
    if not purl.startswith("pkg:") or "@" not in purl:
        raise malformed(f"predicate.purl is {purl[:80]!r}, expected a package URL with a version")
    facts.decide("purl", purl)
    facts.decide("packageId", whole.text("packageId"))
    return facts.done()
