"""SPDX bills of materials: JSON of SPDX 2 and 3, and the text form that `cosign attest --type spdx` wraps."""

import re
from collections.abc import Mapping

from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.predicates.facts import Facts, Node, Pairs, instant, malformed
from preverify.verify.predicates.outline import ELEMENT, MAX_KEYS

NAME = "spdx"
TYPES: tuple[str, ...] = ("https://spdx.dev/Document", "https://spdx.dev/Document/v*")

_DOCUMENT = ("spdxVersion", "SPDXID", "name", "documentNamespace", "creationInfo", "packages")
_BLOCK = ("<text>", "</text>")
_TAG = re.compile(r"^(SPDXVersion|DocumentName|DocumentNamespace|Created|PackageName):(.*)$", re.MULTILINE)
BLANKS = " \t\r"
"""What may stand around the value of a tag. A pattern that looks for it takes hours for a line of blanks."""


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return version, name, namespace, date and number of packages.

    Spec:
        SPDX 2.3, clauses 6 and 7; SPDX 3.0, JSON-LD serialisation.
    """
    del statement
    document = unwrapped(predicate)
    if isinstance(document, str) and document.lstrip()[:1] != "{":
        return _tag_values(document)
    if isinstance(document, str):
        document = parse(
            document.encode(), max_bytes=len(document) * 4, max_keys=MAX_KEYS, reason=Reason.STATEMENT_MALFORMED
        )
    if isinstance(document, dict) and "@graph" in document:
        return _graph(document)
    facts = Facts()
    whole = Node(document, "predicate", _DOCUMENT)
    facts.decide("version", whole.required("spdxVersion"))
    facts.tell("name", whole.text("name"))
    facts.tell("namespace", whole.text("documentNamespace"))
    facts.decide("created", whole.node("creationInfo", ("created",)).instant("created"))
    facts.decide("packages.count", whole.number_of("packages"))
    return facts.done()


def unwrapped(predicate: object) -> object:
    """Return the document itself: old versions of cosign wrote `{"Data": document, "Timestamp": …}` around it."""
    if isinstance(predicate, dict) and predicate.keys() <= {"Data", "Timestamp"} and "Data" in predicate:
        return predicate["Data"]
    return predicate


def without_blocks(text: str) -> str:
    """Return a document in the tag form without what stands between `<text>` marks: it may look like tags.

    A search for each end from each beginning would take hours for a document of beginnings.
    """
    begin, end = _BLOCK
    kept: list[str] = []
    at = 0
    while (start := text.find(begin, at)) >= 0:
        stop = text.find(end, start)
        if stop < 0:
            raise malformed(f"{begin} without {end}")
        kept.append(text[at:start])
        at = stop + len(end)
    return "".join((*kept, text[at:]))


def _tag_values(text: str) -> Pairs:
    """Read the tag form."""
    facts = Facts()
    tags = [(tag, value.strip(BLANKS)) for tag, value in _TAG.findall(without_blocks(text))]
    first = dict(reversed(tags))
    packages = sum(1 for tag, _ in tags if tag == "PackageName")
    if not first.get("SPDXVersion"):
        raise malformed("predicate is text, but no SPDX document: SPDXVersion is missing")
    facts.decide("version", first["SPDXVersion"])
    facts.tell("name", first.get("DocumentName"))
    facts.tell("namespace", first.get("DocumentNamespace"))
    facts.decide("created", instant("Created", first["Created"]) if first.get("Created") else "")
    facts.decide("packages.count", packages)
    return facts.done()


def _graph(document: dict[str, object]) -> Pairs:
    facts = Facts()
    elements = Node(document, "predicate", ("@context", "@graph")).nodes("@graph", ELEMENT)
    typed = [(_type(each), each) for each in elements]
    info = next((each for kind, each in typed if kind == "CreationInfo"), None)
    if info is None:
        raise malformed("predicate has no CreationInfo, expected an SPDX 3 document")
    facts.decide("version", f"SPDX-{info.required('specVersion')}")
    facts.decide("created", info.instant("created"))
    name = next((each.text("name") for kind, each in typed if kind == "SpdxDocument"), "")
    facts.tell("name", name)
    facts.decide("packages.count", sum(1 for kind, _ in typed if kind == "software_Package"))
    return facts.done()


def _type(element: Node) -> str:
    kind = element.text("type") or element.text("@type")
    if not kind or not (element.text("spdxId") or element.text("@id")):
        raise malformed(f"{element.path} has no type or no id, expected an element of SPDX 3")
    return kind
