"""Components of CycloneDX bills of materials in JSON."""

from collections.abc import Iterator
from typing import Any

from preverify.model.contents import Component, Inventory
from preverify.verify.contents.components import UNKNOWN_LICENSE, Entry, assembled
from preverify.verify.contents.reading import moment
from preverify.verify.predicates.facts import Node, malformed
from preverify.verify.predicates.outline import cut_down

_BOM = ("bomFormat", "specVersion", "metadata", "components", "compositions")
_COMPONENT = ("type", "name", "version", "purl", "licenses", "properties", "components")
_LICENSE = ("license", "expression", "id", "name")
_KEPT = frozenset(
    name.casefold()
    for name in ("predicate", "Data", *_BOM, *_COMPONENT, *_LICENSE, "timestamp", "component", "aggregate")
)
_CLASS_OF_TRIVY = "aquasecurity:trivy:Class"
"""Trivy's property at files with lists of packages."""


def keep(members: dict[str, Any]) -> bool:
    """Cut an object down to what is read of components, where they stand and what is said to be missing."""
    if "value" in members:  # a property: tools write a dozen for each component
        return members.get("name") == _CLASS_OF_TRIVY
    properties = members.get("properties")
    if isinstance(properties, list) and not any(properties):
        del members["properties"]
    cut_down(members, _KEPT)
    return bool(members)


def inventory(document: object) -> Inventory:
    """Return what a document names. The described image (`metadata.component`) is no part of itself, but has parts.

    Raises:
        MalformedEvidence: `statement-malformed`, or `too-large`.

    Spec:
        CycloneDX 1.6, JSON reference, "metadata", "components", "compositions".
    """
    whole = Node(document, "predicate", _BOM)
    if whole.required("bomFormat") != "CycloneDX":
        raise malformed("predicate.bomFormat is not 'CycloneDX'")
    return assembled(
        _entries(whole),
        form="cyclonedx",
        version=whole.required("specVersion"),
        created=moment(whole.node("metadata", ("timestamp",)), "timestamp"),
        incomplete=_missing(whole),
    )


def _entries(whole: Node) -> Iterator[Entry]:
    """Yield all components in the order of the document, each before those inside of it."""
    image = whole.node("metadata", ("component",)).node("component", ("components",))
    waiting = [*image.nodes("components", _COMPONENT), *whole.nodes("components", _COMPONENT)][::-1]
    while waiting:
        node = waiting.pop()
        waiting += node.nodes("components", _COMPONENT)[::-1]
        component = Component(
            name=node.required("name"),
            version=node.text("version"),
            purl=node.text("purl"),
            licenses=tuple(map(_license, node.nodes("licenses", ("license", "expression")))),
        )
        listing = any(each.members for each in node.nodes("properties", ("name",)))
        yield Entry(component, node.text("type"), listing=listing)


def _license(choice: Node) -> str:
    """Return a licence as written. One that nothing is said of must not vanish beside others that are known."""
    chosen = choice.node("license", ("id", "name"))
    return choice.text("expression") or chosen.text("id") or chosen.text("name") or UNKNOWN_LICENSE


def _missing(whole: Node) -> str:
    """Return the first thing that the document says of its own gaps. What nobody knows to be whole is not whole."""
    said = [each.text("aggregate") for each in whole.nodes("compositions", ("aggregate",))]
    return next((each[:80] for each in said if each.startswith("incomplete") or each == "unknown"), "")
