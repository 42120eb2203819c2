"""What is kept of a large statement: its own members, and the outline of a bill of materials in it.

An SBOM of tens of megabytes is read once, for the statement and for its facts, and costs little more memory than its
text. Only kinds whose facts need no more than this outline are read from it (`spdx`, `cyclonedx`); for every other kind
what stands empty here would look like something that was never said.
"""

LARGE = 1024 * 1024
"""Statements beyond this many bytes are read as outlines."""
MAX_KEYS = 8_000_000
"""Predicates may be whole SBOMs; their size is the limit that bites."""

_HEADS = frozenset(
    {
        "predicateType",  # the statement
        "spdxVersion",  # an SPDX 2 document
        "creators",  # its creation information
        "@graph",  # an SPDX 3 document
        "bomFormat",  # a CycloneDX document
        "timestamp",  # its metadata
        "Data",  # what old versions of cosign put around a document
    }
)
ELEMENT = ("type", "@type", "spdxId", "@id", "specVersion", "created", "name")
"""What is read of an element of SPDX 3."""
_ELEMENT = frozenset(name.casefold() for name in ELEMENT)


def belongs(members: dict[str, object]) -> bool:
    """Say whether an object of a large statement is part of the outline of a bill of materials.

    Elements of SPDX 3 are all in one list and tell by their type what they are: they are cut down to that.
    """
    if not _HEADS.isdisjoint(members):
        return True
    if ("type" in members or "@type" in members) and ("spdxId" in members or "@id" in members):
        cut_down(members, _ELEMENT)
        return True
    return False


def cut_down(members: dict[str, object], names: frozenset[str]) -> None:
    """Take out of an object what is not among `names` (case-folded).

    Another spelling of a known name stays: the reader has to see it, to refuse it.
    """
    for name in list(members):
        if name.casefold() not in names:
            del members[name]
