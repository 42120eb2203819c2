"""Packages of SPDX 2 in its text form ("tag-value"), and what its relationships say in either form."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from preverify.model.contents import Component, Inventory
from preverify.verify.contents.components import Entry, assembled, said, with_purls
from preverify.verify.predicates.facts import instant, malformed
from preverify.verify.predicates.spdx import BLANKS, without_blocks

_DOCUMENT = "SPDXRef-DOCUMENT"
_DESCRIBES = ("DESCRIBES", "DESCRIBED_BY")
_HAS = ("CONTAINS", "DEPENDS_ON")
_NOBODY_KNOWS = "NOASSERTION"
_TAG = re.compile(
    r"^(SPDXVersion|Created|PackageName|FileName|SnippetSPDXID|SPDXID|PackageVersion|ExternalRef|PackageLicenseConcluded"
    r"|PackageLicenseDeclared|PrimaryPackagePurpose|Relationship):(.*)$",
    re.MULTILINE,
)
_PURL = re.compile(r"PACKAGE[-_]MANAGER[ \t]+purl[ \t]+(\S+)")
_Tags = dict[str, str]


class Link(NamedTuple):
    """A relationship."""

    of: str
    kind: str
    to: str


def is_telling(kind: object, to: object) -> bool:
    """Say whether a relationship is one that is looked at."""
    return kind in _DESCRIBES or (to == _NOBODY_KNOWS and kind in _HAS)


def described(links: Iterable[Link]) -> set[str]:
    """Return what the document says that it describes."""
    about = {to for of, kind, to in links if of == _DOCUMENT and kind == "DESCRIBES"}
    return about | {of for of, kind, to in links if to == _DOCUMENT and kind == "DESCRIBED_BY"}


def missing(links: Iterable[Link]) -> str:
    """Return the first gap that the document admits: what something contains or depends on, nobody knows.

    Spec:
        SPDX 2.3, clause 11.1: NOASSERTION as what is related is a known unknown.
    """
    found = (link for link in links if link.to == _NOBODY_KNOWS and link.kind in _HAS)
    return next((f"{link.of[:80]} {link.kind} {_NOBODY_KNOWS}" for link in found), "")


def inventory(text: str) -> Inventory:
    """Return what a document names.

    Raises:
        MalformedEvidence: `statement-malformed`, or `too-large`.
    """
    head: _Tags = {}
    links: list[Link] = []
    packages = [*_packages(without_blocks(text), head, links)]
    if not head.get("SPDXVersion"):
        raise malformed("predicate is text, but no SPDX document: SPDXVersion is missing")
    created = head.get("Created")
    return assembled(
        chain.from_iterable(map(_entries, packages)),
        form="spdx",
        version=head["SPDXVersion"],
        created=datetime.fromisoformat(instant("Created", created)) if created else None,
        described=described(links),
        incomplete=missing(links),
    )


def _packages(text: str, head: _Tags, links: list[Link]) -> Iterator[_Tags]:
    """Yield the tags of each package; those of the document and its relationships go into `head` and `links`.

    Each section goes on until the next one begins: with the name of a package or a file, or the id of a snippet.
    """
    section = head
    for match in _TAG.finditer(text):
        tag, value = match[1], match[2].strip(BLANKS)
        if tag == "Relationship":
            words = value.split()
            links += [Link(*words)] if len(words) == 3 and is_telling(*words[1:]) else []
        elif tag in ("PackageName", "FileName", "SnippetSPDXID"):
            if "PackageName" in section:
                yield section
            section = {tag: value}
        elif tag != "ExternalRef":
            section.setdefault(tag, value)
        elif (purl := _PURL.fullmatch(value)) is not None:
            section[tag] = f"{section.get(tag, '')} {purl[1]}"
    if "PackageName" in section:
        yield section


def _entries(tags: _Tags) -> Iterator[Entry]:
    if not tags["PackageName"]:
        raise malformed("a package has no name")
    component = Component(
        name=tags["PackageName"],
        version=tags.get("PackageVersion", ""),
        licenses=said(tags.get("PackageLicenseConcluded", ""), tags.get("PackageLicenseDeclared", "")),
    )
    purpose, name = tags.get("PrimaryPackagePurpose", "").lower(), tags.get("SPDXID", "")
    for each in with_purls(component, tags.get("ExternalRef", "").split()):
        yield Entry(each, purpose, name)
