"""What all forms of bills of materials share: which entries are components, and which distribution it is."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote

from preverify.model.contents import Component, Inventory
from preverify.verify.contents.reading import check_number

UNKNOWN_LICENSE = "NOASSERTION"
"""SPDX's word where nobody looked."""
SYSTEM = "operating-system"
CONTAINER = "container"
FILE = "file"

_UNSAID = frozenset({"", UNKNOWN_LICENSE, "NONE"})
_IMAGES = ("pkg:oci/", "pkg:docker/")
_DISTRIBUTION = re.compile(r"[?&]distro=([^&#]+)")


class Entry(NamedTuple):
    """One entry of a document.

    Attributes:
        kind: `SYSTEM`, `CONTAINER`, `FILE`, or any other word.
        id: By which the document says that it describes it.
        listing: It stands for a file with a list of packages, which are entries of their own, as Trivy writes it.
    """

    component: Component
    kind: str
    id: str = ""
    listing: bool = False


def assembled(
    entries: Iterable[Entry],
    *,
    form: str,
    version: str,
    created: datetime | None,
    described: Collection[str] = (),
    incomplete: str = "",
) -> Inventory:
    """Return the inventory that entries make; raises `too-large` where there are too many.

    Left out are the image that the document describes, the operating system, which becomes the distribution, and,
    where they have no package URL, files and Trivy's entries for lists of packages: nothing of it is a package.
    """
    system = ""
    components: list[Component] = []
    for count, (component, kind, name, listing) in enumerate(entries, 1):
        check_number(count, "components")
        purl = component.purl
        if name in described and (kind == CONTAINER or purl.startswith(_IMAGES)):
            continue
        if kind == SYSTEM and not purl and not system:
            system = f"{component.name}-{component.version}" if component.version else component.name
        elif purl or not (kind == FILE or listing):
            components.append(component)
    return Inventory(
        format=form,
        version=version,
        created=created,
        components=tuple(components),
        distribution=system or _distribution(components),
        incomplete=incomplete,
    )


def with_purls(component: Component, purls: Iterable[str]) -> Iterator[Component]:
    """Yield a component under each of its package URLs: none may hide behind another. Without any, as it is."""
    given = [purl for purl in dict.fromkeys(purls) if purl]
    for purl in given or [""]:
        yield replace(component, purl=purl)


def said(*licenses: str) -> tuple[str, ...]:
    """Return the first licence that says something: SPDX has words for "not looked at" and for "there is none"."""
    return next(((each,) for each in licenses if each not in _UNSAID), ())


def _distribution(components: Iterable[Component]) -> str:
    """Return the one distribution that the package URLs speak of; empty where they speak of none or of several."""
    found = {unquote(match[1]) for each in components for match in _DISTRIBUTION.finditer(each.purl)}
    return found.pop() if len(found) == 1 else ""
