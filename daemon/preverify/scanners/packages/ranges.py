"""Whether a version lies in what a record says is affected, and which version fixes it."""

from collections.abc import Iterable, Sequence
from functools import cmp_to_key

from preverify.scanners.packages.versions import Unorderable, check, compare, family

Event = tuple[str, str]
Ranges = Iterable[tuple[bool, Sequence[Event]]]

_SEMANTIC = frozenset({"Go", "Hex", "crates.io", "npm"})
_BEGINNING = "0"
_NO_LIMIT = "*"


def in_ranges(ecosystem: str, version: str, ranges: Ranges) -> bool:
    """Say whether a version lies in one of the ranges.

    Raises:
        Unorderable: it lies in none that can be judged, and one could not be.
    """
    return fixes(ecosystem, version, ranges) is not None


def fixes(ecosystem: str, version: str, ranges: Ranges) -> tuple[str, ...] | None:
    """Return the versions that end the ranges in which `version` lies, in order; None where it lies in no range.

    Raises:
        Unorderable: it lies in none that can be judged, and one could not be.

    Spec:
        Open Source Vulnerability format, "Evaluation".
    """
    found: set[str] = set()
    affected = False
    doubt: Unorderable | None = None
    for semantic, events in ranges:
        order = "npm" if semantic and family(ecosystem) not in _SEMANTIC else ecosystem
        try:
            fixed = _in_range(order, version, events)
        except Unorderable as error:
            doubt = error
            continue
        affected = affected or fixed is not None
        found |= {fixed} if fixed else set()
    if not affected and doubt is not None:
        raise doubt
    return tuple(sort(ecosystem, found)) if affected else None


def equal(ecosystem: str, one: str, other: str) -> bool:
    """Say whether two versions are the same, as written or in order; what cannot be ordered is only itself."""
    if one == other:
        return True
    try:
        return compare(ecosystem, one, other) == 0
    except Unorderable:
        return False


def sort(ecosystem: str, versions: Iterable[str]) -> list[str]:
    """Return versions from old to new; by their text where they have no order."""
    texts = sorted(versions)

    def by_version(one: str, other: str) -> int:
        return compare(ecosystem, one, other)

    try:
        return sorted(texts, key=cmp_to_key(by_version))
    except Unorderable:
        return texts


def _in_range(order: str, version: str, events: Sequence[Event]) -> str | None:
    """Return the version that fixes `version`, empty where none is known; None where it is not affected."""
    check(order, version)
    limits = [at for name, at in events if name == "limit"]
    if limits and not any(at == _NO_LIMIT or compare(order, version, at) < 0 for at in limits):
        return None
    affected, fix = False, ""
    for name, at in _sorted(order, [event for event in events if event[0] != "limit"]):
        reached = at == _BEGINNING or compare(order, version, at) >= 0
        if name == "introduced":
            affected = affected or reached
        elif name == "fixed":
            if reached:
                affected = False
            elif affected:
                fix = at
                break
        elif reached and compare(order, version, at) > 0:
            affected = False
        if not reached:
            break
    return fix if affected else None


def _sorted(order: str, events: Sequence[Event]) -> list[Event]:
    """Return events by version. At one version, a last affected one comes after its introduction."""

    def by_version(one: Event, other: Event) -> int:
        first, second = (int(at != _BEGINNING) for at in (one[1], other[1]))
        if first != second or not first:
            return first - second
        return compare(order, one[1], other[1]) or (one[0] == "last_affected") - (other[0] == "last_affected")

    return sorted(events, key=cmp_to_key(by_version))
