"""OpenVEX documents: what their author says of vulnerabilities."""

from collections import Counter
from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed

NAME = "openvex"
TYPES: tuple[str, ...] = ("https://openvex.dev/ns", "https://openvex.dev/ns/v*")

_DOCUMENT = ("@context", "@id", "author", "timestamp", "version", "statements")
_STATEMENT = (
    "vulnerability",
    "products",
    "status",
    "justification",
    "impact_statement",
    "action_statement",
    "timestamp",
)
_STATUSES = frozenset({"not_affected", "affected", "fixed", "under_investigation"})


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return author, date and number of statements by status.

    A `not_affected` without a reason is no statement of the format: it would silence a finding for nothing.

    Spec:
        OpenVEX 0.2.0, "The VEX Statement", "Status Justifications".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", _DOCUMENT)
    facts.tell("id", whole.text("@id"))
    facts.decide("author", whole.required("author"))
    facts.decide("timestamp", whole.instant("timestamp"))
    statuses: Counter[str] = Counter()
    for each in whole.nodes("statements", _STATEMENT):
        status = each.required("status")
        if status not in _STATUSES:
            raise malformed(f"{each.path}.status is {status[:40]!r}, expected one of: {', '.join(sorted(_STATUSES))}")
        if status == "not_affected" and not (each.text("justification") or each.text("impact_statement")):
            raise malformed(f"{each.path} is not_affected without justification or impact_statement")
        if "vulnerability" not in each:
            raise malformed(f"{each.path} names no vulnerability")
        statuses[status] += 1
    facts.decide("statements.count", sum(statuses.values()))
    facts.count("statements", statuses)
    return facts.done()
