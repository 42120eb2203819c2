"""Packages of SPDX bills of materials: JSON of SPDX 2; its text form and the graph of SPDX 3 have modules beside."""

from collections.abc import Iterator
from typing import Any

from preverify.model.contents import Component, Inventory
from preverify.verify.contents import spdx_graph, spdx_text
from preverify.verify.contents.components import Entry, assembled, said, with_purls
from preverify.verify.contents.reading import moment
from preverify.verify.predicates.facts import Node
from preverify.verify.predicates.outline import cut_down

_DOCUMENT = ("spdxVersion", "creationInfo", "packages", "relationships", "documentDescribes")
_PACKAGE = (
    *("SPDXID", "name", "versionInfo", "externalRefs", "licenseConcluded", "licenseDeclared"),
    *("primaryPackagePurpose", "attributionTexts", "annotations"),
)
_REFERENCE = ("referenceType", "referenceLocator")
_RELATIONSHIP = ("spdxElementId", "relationshipType", "relatedSpdxElement")
_KEPT = frozenset(
    name.casefold()
    for name in (
        *("predicate", "Data", "created", "comment"),
        *(*_DOCUMENT, *_PACKAGE, *_REFERENCE, *_RELATIONSHIP, *spdx_graph.MEMBERS),
    )
)
_LISTING = "Class: lang-pkgs"
"""What Trivy writes at files with lists of packages."""


def keep(members: dict[str, Any]) -> bool:
    """Cut an object down to what is read of packages, and drop files and most relationships: they are the most."""
    if "fileName" in members or "snippetFromFile" in members:
        return False
    if "spdxElementId" in members:
        return spdx_text.is_telling(members.get("relationshipType"), members.get("relatedSpdxElement"))
    if "referenceType" in members and members["referenceType"] != "purl":
        return False
    if "annotator" in members and members.get("comment") != _LISTING:
        return False
    if not spdx_graph.is_wanted(members):
        return False
    cut_down(members, _KEPT)
    for name in ("relationships", "@graph"):
        if isinstance(members.get(name), list):
            members[name] = [each for each in members[name] if each != {}]
    return bool(members)


def inventory(document: object) -> Inventory:
    """Return what a document names. The image that it describes is no part of itself.

    Raises:
        MalformedEvidence: `statement-malformed`, or `too-large`.

    Spec:
        SPDX 2.3, clauses 7 and 11.
    """
    if isinstance(document, str):
        return spdx_text.inventory(document)
    if isinstance(document, dict) and "@graph" in document:
        return spdx_graph.inventory(document)
    whole = Node(document, "predicate", _DOCUMENT)
    links = [
        spdx_text.Link(each.text("spdxElementId"), each.text("relationshipType"), each.text("relatedSpdxElement"))
        for each in whole.nodes("relationships", _RELATIONSHIP)
    ]
    return assembled(
        _entries(whole),
        form="spdx",
        version=whole.required("spdxVersion"),
        created=moment(whole.node("creationInfo", ("created",)), "created"),
        described={*whole.words("documentDescribes"), *spdx_text.described(links)},
        incomplete=spdx_text.missing(links),
    )


def _entries(whole: Node) -> Iterator[Entry]:
    for node in whole.nodes("packages", _PACKAGE):
        references = [each for each in node.nodes("externalRefs", _REFERENCE) if each.members]
        component = Component(
            name=node.required("name"),
            version=node.text("versionInfo"),
            licenses=said(node.text("licenseConcluded"), node.text("licenseDeclared")),
        )
        notes = [each.text("comment") for each in node.nodes("annotations", ("comment",))]
        listing = _LISTING in (*notes, *node.words("attributionTexts"))
        purls = (each.text("referenceLocator") for each in references)
        purpose, name = node.text("primaryPackagePurpose").lower(), node.text("SPDXID")
        for each in with_purls(component, purls):
            yield Entry(each, purpose, name, listing)
