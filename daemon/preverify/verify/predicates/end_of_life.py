"""Chainguard's word that an image's software has reached its end of life and is in its grace period.

That the attestation is there is what it says. Its fields are documented nowhere: short texts and truth values of its
top level are handed on as they are.
"""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs

NAME = "end-of-life"
TYPES: tuple[str, ...] = ("https://chainguard.dev/end-of-life",)


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return what the top level says in text, by the names it uses."""
    del statement
    facts = Facts()
    for name, value in sorted(Node(predicate, "predicate", ()).members.items())[:32]:
        if isinstance(value, str | bool) and name.isascii() and name.isidentifier():
            facts.tell(name[:64], str(value).lower() if isinstance(value, bool) else value)
    return facts.done()
