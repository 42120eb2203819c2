"""Packages of SPDX 3: elements in one list, tied by relationships."""

from collections.abc import Iterator, Mapping
from typing import Any

from preverify.model.contents import Component, Inventory
from preverify.verify.contents.components import (
    CONTAINER,
    FILE,
    SYSTEM,
    UNKNOWN_LICENSE,
    Entry,
    assembled,
    said,
    with_purls,
)
from preverify.verify.contents.reading import moment
from preverify.verify.predicates.facts import Node, malformed

_PACKAGES = frozenset({"software_Package", "ai_AIPackage", "dataset_DatasetPackage"})
_COLLECTIONS = frozenset({"SpdxDocument", "software_Sbom", "Bom", "Bundle"})
_RELATIONSHIPS = frozenset({"Relationship", "LifecycleScopedRelationship"})
_EXPRESSION = "simplelicensing_LicenseExpression"
_CONCLUDED, _DECLARED = "hasConcludedLicense", "hasDeclaredLicense"
_LISTED = "https://spdx.org/licenses/"
_INCOMPLETE = "incomplete"
_KINDS = {"operatingSystem": SYSTEM, "container": CONTAINER, "file": FILE}

_ELEMENT = (
    *("type", "@type", "spdxId", "@id", "specVersion", "created", "name", "rootElement"),
    *("software_packageVersion", "software_packageUrl", "software_primaryPurpose", "externalIdentifier"),
    *("relationshipType", "from", "to", "completeness", "simplelicensing_licenseExpression"),
)
_IDENTIFIER = ("externalIdentifierType", "identifier")
MEMBERS = ("@graph", *_ELEMENT, *_IDENTIFIER)
"""What is read of the graph and its elements."""
_Licenses = Mapping[tuple[str, str], str]


def is_wanted(members: Mapping[str, Any]) -> bool:
    """Say whether an object of a document is none of the graph's elements, or one of those that are read."""
    if not ("spdxId" in members or "@id" in members):
        return "externalIdentifierType" not in members or members["externalIdentifierType"] == "packageUrl"
    kind = members.get("type", members.get("@type"))
    if not isinstance(kind, str):
        return True  # for the reader to refuse
    if kind in _RELATIONSHIPS:
        return members.get("relationshipType") in (_CONCLUDED, _DECLARED) or members.get("completeness") == _INCOMPLETE
    return kind in _PACKAGES or kind in _COLLECTIONS or kind in ("CreationInfo", _EXPRESSION)


def inventory(document: dict[str, object]) -> Inventory:
    """Return what a graph names. The image that it describes is no part of itself.

    Raises:
        MalformedEvidence: `statement-malformed`, or `too-large`.

    Spec:
        SPDX 3.0.1, Core (`ElementCollection`, `Relationship`) and Software (`Package`), JSON-LD serialisation.
    """
    elements = Node(document, "predicate", ("@graph",)).nodes("@graph", _ELEMENT)
    info = next((each for each in elements if _type(each) == "CreationInfo"), None)
    if info is None:
        raise malformed("predicate has no CreationInfo, expected an SPDX 3 document")
    packages = [each for each in elements if _type(each) in _PACKAGES]
    related = [each for each in elements if _type(each) in _RELATIONSHIPS]
    gap = next((each for each in related if each.text("completeness") == _INCOMPLETE), None)
    return assembled(
        _entries(packages, _licenses(elements, related)),
        form="spdx",
        version=f"SPDX-{info.required('specVersion')}",
        created=moment(info, "created"),
        described={root for each in elements if _type(each) in _COLLECTIONS for root in each.words("rootElement")},
        incomplete="" if gap is None else f"{gap.text('relationshipType')[:40]} of {gap.text('from')[:80]}",
    )


def _entries(packages: list[Node], licenses: _Licenses) -> Iterator[Entry]:
    for node in packages:
        identifiers = [each for each in node.nodes("externalIdentifier", _IDENTIFIER) if each.members]
        name = _id(node)
        component = Component(
            name=node.required("name"),
            version=node.text("software_packageVersion"),
            licenses=said(licenses.get((name, _CONCLUDED), ""), licenses.get((name, _DECLARED), "")),
        )
        purpose = node.text("software_primaryPurpose")
        purls = (node.text("software_packageUrl"), *(each.text("identifier") for each in identifiers))
        for each in with_purls(component, purls):
            yield Entry(each, _KINDS.get(purpose, purpose), name)


def _licenses(elements: list[Node], related: list[Node]) -> _Licenses:
    """Return the licence of each package by how it is known. What is no expression is none that is known."""
    texts = {_id(e): e.text("simplelicensing_licenseExpression") for e in elements if _type(e) == _EXPRESSION}

    def text(to: str) -> str:
        return texts.get(to) or (to.removeprefix(_LISTED) if to.startswith(_LISTED) else UNKNOWN_LICENSE)

    found: dict[tuple[str, str], str] = {}
    for each in related:
        key = (each.text("from"), each.text("relationshipType"))
        for to in each.words("to"):
            found[key] = f"({found[key]}) AND ({text(to)})" if key in found else text(to)
    return found


def _type(element: Node) -> str:
    return element.text("type") or element.text("@type")


def _id(element: Node) -> str:
    return element.text("spdxId") or element.text("@id")
