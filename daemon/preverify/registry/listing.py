"""Which repositories a source has: its patterns, expanded over the catalogue where they have wildcards."""

import re
from collections.abc import Callable, Iterable

from preverify.model.errors import NotFound, Unavailable
from preverify.model.reasons import Reason

Catalog = Callable[[], tuple[tuple[str, ...], bool]]


def expand(patterns: Iterable[str], catalog: Catalog) -> tuple[str, ...]:
    """Return the repository paths that `patterns` name, sorted.

    Patterns without wildcards stand for themselves and cost nothing. Many registries refuse their catalogue; then the
    literal ones are what is left.

    Raises:
        Unavailable: the catalogue is needed, cannot be had and there is nothing else to go by.
    """
    patterns = tuple(patterns)
    found = {pattern for pattern in patterns if "*" not in pattern}
    wild = [pattern for pattern in patterns if "*" in pattern]
    if wild:
        try:
            listed, _ = catalog()
        except (NotFound, Unavailable) as error:
            refused = isinstance(error, NotFound) or error.reason is Reason.REGISTRY_REFUSED
            if not (refused and found):
                raise Unavailable(
                    f"the catalogue is needed for {', '.join(wild)[:200]} but: {error}; name repositories without "
                    "wildcards where the registry has no catalogue",
                    reason=Reason.REGISTRY_REFUSED if refused else Reason.REGISTRY_UNAVAILABLE,
                ) from error
            listed = ()
        found.update(path for path in listed if any(matches(pattern, path) for pattern in wild))
    return tuple(sorted(found))


def matches(pattern: str, path: str) -> bool:
    """Say whether a repository path fits a pattern: `*` within a segment, `**` across segments.

    >>> matches("shop/**", "shop/api/web"), matches("shop/*", "shop/api/web")
    (True, False)
    """
    parts = re.split(r"(\*\*|\*)", pattern)
    wild = {"**": ".*", "*": "[^/]*"}
    return re.fullmatch("".join(wild.get(part, re.escape(part)) for part in parts), path) is not None
