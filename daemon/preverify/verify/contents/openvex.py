"""Statements of OpenVEX documents."""

from collections.abc import Iterator
from typing import Any

from preverify.model.contents import Vex, VexStatement, VexStatus
from preverify.verify.contents.reading import check_number, moment
from preverify.verify.predicates.facts import Node, malformed
from preverify.verify.predicates.outline import cut_down

_DOCUMENT = ("author", "timestamp", "statements")
_STATEMENT = ("vulnerability", "products", "subcomponents", "status", "justification", "timestamp")
_THING = ("@id", "identifiers", "hashes", "subcomponents")
_KEPT = frozenset(
    name.casefold() for name in ("predicate", *_DOCUMENT, *_STATEMENT, *_THING, "name", "aliases", "purl", "sha-256")
)
_SILENCING = frozenset({VexStatus.NOT_AFFECTED, VexStatus.FIXED})


def keep(members: dict[str, Any]) -> bool:
    """Cut an object down to what is read of statements."""
    cut_down(members, _KEPT)
    return bool(members)


def vex(document: object) -> Vex:
    """Return what a document says: one statement for each product, because each has components of its own.

    Raises:
        MalformedEvidence: `statement-malformed`, or `too-large`.

    Spec:
        OpenVEX 0.2.0, "The VEX Statement", "Product Data Structure"; 0.0.1, which has texts in the place of objects.
    """
    whole = Node(document, "predicate", _DOCUMENT)
    statements: list[VexStatement] = []
    for node in whole.nodes("statements", _STATEMENT):
        for statement in _statements(node, whole):
            statements.append(statement)
            check_number(len(statements), "statements")
    return Vex(author=whole.required("author"), at=moment(whole, "timestamp"), statements=tuple(statements))


def _statements(node: Node, whole: Node) -> Iterator[VexStatement]:
    status = node.required("status")
    if status not in {each.value for each in VexStatus}:
        raise malformed(f"{node.path}.status is {status[:40]!r}")
    said = VexStatus(status)
    names = _names(node)
    shared = _identifiers_of(node, "subcomponents")
    at = moment(node, "timestamp") or moment(whole, "timestamp")
    products = [
        (_identifiers(each, narrow=said in _SILENCING), _identifiers_of(each, "subcomponents"))
        for each in _things(node, "products")
    ]
    for product, components in products or [((), ())]:
        yield VexStatement(
            vulnerabilities=names,
            products=product,
            subcomponents=(*shared, *components),
            status=said,
            justification=node.text("justification"),
            at=at,
        )


def _names(node: Node) -> tuple[str, ...]:
    value = node.members.get("vulnerability")
    if isinstance(value, str) and value:
        return (value,)
    named = node.node("vulnerability", ("@id", "name", "aliases"))
    return (named.text("name") or named.required("@id"), *named.words("aliases"))


def _things(node: Node, name: str) -> list[Node]:
    """Return products or components; old documents write them as text."""
    return [
        Node({"@id": each} if isinstance(each, str) else each, f"{node.path}.{name}[{i}]", _THING)
        for i, each in enumerate(node.items(name))
    ]


def _identifiers_of(node: Node, name: str) -> tuple[str, ...]:
    return tuple(each for thing in _things(node, name) for each in _identifiers(thing, narrow=True))


def _identifiers(thing: Node, *, narrow: bool) -> tuple[str, ...]:
    """Return what a thing goes by: its digest, its package URL, its id.

    Where a vulnerability is silenced only the first of them counts: an id without a version beside a digest would
    silence every version.
    """
    digest = thing.node("hashes", ("sha-256",)).text("sha-256")
    purl = thing.node("identifiers", ("purl",)).text("purl")
    found = [each for each in (digest and f"sha256:{digest}", purl, thing.text("@id")) if each]
    if not found:
        raise malformed(f"{thing.path} is identified by nothing that is read")
    return tuple(found[:1] if narrow else found)
