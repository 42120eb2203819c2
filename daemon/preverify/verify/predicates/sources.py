"""Where a build came from, as provenance writes it: URIs with a ref, and digest sets."""

import re
from typing import NamedTuple

from preverify.verify.predicates.facts import Facts, Node, malformed

_GIT = re.compile(r"(?:git\+)?([a-z][a-z0-9+.-]*://[^/@#\s]+/[^@#\s]*)(?:@([^@#\s]+)|#([^@#:\s]+)(?::\S*)?)?")
_ALGORITHM = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_DIGEST = re.compile(r"[A-Za-z0-9_.+/=-]{1,256}")

DESCRIPTOR = ("uri", "digest")


class Source(NamedTuple):
    """A repository without `git+`, and the ref behind `@` or `#`."""

    uri: str
    ref: str


def split(uri: str) -> Source:
    """Take a source URI apart; what is not of that form stays whole.

    >>> split("git+https://github.com/acme/api@refs/heads/main")
    Source(uri='https://github.com/acme/api', ref='refs/heads/main')
    """
    match = _GIT.fullmatch(uri)
    if match is None:
        return Source(uri, "")
    return Source(match[1], match[2] or match[3] or "")


def digest(node: Node) -> str:
    """Write a digest set: `algorithm:value`, sorted, with commas between."""
    members = node.node("digest").members
    for algorithm, value in members.items():
        good = isinstance(value, str) and _ALGORITHM.fullmatch(algorithm) and _DIGEST.fullmatch(value)
        if not good:
            raise malformed(f"{node.path}.digest holds {algorithm[:40]!r} with no digest as value")
    return ",".join(f"{algorithm}:{value}" for algorithm, value in sorted(members.items()))


def tell_dependencies(facts: Facts, dependencies: list[Node]) -> Source:
    """Add the facts on what went into a build, and return the first of it: by convention the source."""
    facts.tell("dependencies.count", len(dependencies))
    if not dependencies:
        return Source("", "")
    first = split(dependencies[0].text("uri"))
    facts.decide("dependency.uri", first.uri)
    facts.decide("dependency.ref", first.ref)
    facts.decide("dependency.digest", digest(dependencies[0]))
    return first
