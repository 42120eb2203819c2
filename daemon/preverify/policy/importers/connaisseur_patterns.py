"""Patterns of Connaisseur, of which only the most specific one counts, as globs over repositories.

They are matched against `registry/path:tag@digest` from anywhere to anywhere: `*` crosses slashes there, and a pattern
that does not begin or end with one is taken as if it did. So `r.example/a` matches `other.example/r.example/ab` too.

Spec:
    Connaisseur 3, "Image policy": more components win, then longer common prefixes with the image's components from the
    left, then longer components.
"""

import re
from dataclasses import dataclass

from preverify.model import globs
from preverify.model.errors import BadInput
from preverify.model.reference import is_registry, registry_host

_KNOWN = re.compile(r"[a-zA-Z0-9._/:*-]+")
_HUB = "docker.io"
_HUB_THERE = "index.docker.io"
_ALL = ("*", "*:*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern.

    Attributes:
        components: What stands between the slashes, as written.
        glob: Matches the images that it is meant for: those whose registry its first component names.
        elsewhere: Matches also those that it matches besides; empty where there are none.
    """

    components: tuple[str, ...]
    glob: str
    elsewhere: str

    @classmethod
    def read(cls, text: str) -> "Pattern":
        """Read a pattern.

        Raises:
            ValueError: it goes by tags or digests, or is about other images than it looks like.
        """
        if _KNOWN.fullmatch(text) is None:
            raise ValueError("holds other characters than letters, digits, '.', '_', '-', '/', ':' and '*'")
        components = tuple(text.split("/"))
        stars = re.sub(r"\*+", "*", text)
        if len(components) == 1:
            if stars not in _ALL:
                raise ValueError("names no registry, so that it matches parts of names in all of them")
            return cls(components=components, glob="**", elsewhere="")
        host, _, path = _without_tag(stars).partition("/")
        if "*" in path.rpartition("/")[2][:-1]:
            raise ValueError("matches by tags and digests too: in the last part, a star stands at the end only")
        if ":" in path or path != path.lower():
            raise ValueError("matches no image: paths are lower-case, and a ':' stands before the tag only")
        _check_host(host)
        anywhere = f"*{host}/{path}*".replace("**", "*").replace("*", "**")
        aligned = anywhere if host.startswith("*") else f"{host}/{anywhere.partition('/')[2]}"
        return cls(components=components, glob=globs.check(aligned), elsewhere="" if aligned == anywhere else anywhere)

    def apart_from(self, other: "Pattern") -> bool:
        """Say whether surely no image is matched by both globs."""
        mine, others = (each.glob.partition("*")[0] for each in (self, other))
        return not mine.startswith(others) and not others.startswith(mine)

    def beats(self, other: "Pattern") -> bool:
        """Say whether this pattern is the more specific one, whatever image matches both.

        Raises:
            ValueError: that depends on the image.
        """
        if len(self.components) != len(other.components):
            return len(self.components) > len(other.components)
        if _dominates(self.components, other.components):
            return True
        if _dominates(other.components, self.components):
            return False
        raise ValueError("which of them is more specific depends on the image")


def _dominates(mine: tuple[str, ...], others: tuple[str, ...]) -> bool:
    # No image's component holds a star, so that a common prefix ends before the first one: never shorter for who begins
    # with the other's text up to there. Where all are as long, longer components win.
    differing = [(each, other) for each, other in zip(mine, others, strict=True) if each != other]
    return bool(differing) and all(
        each.startswith(other.partition("*")[0]) and len(each) > len(other) for each, other in differing
    )


def _without_tag(text: str) -> str:
    before, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    if not colon:
        return text
    if tag != "*":
        raise ValueError("goes by tags; verdicts here are about digests")
    if not name.endswith("*"):
        raise ValueError(f"does not match images by their digest alone: leave out the tag, or write {name}*:*")
    return f"{before}{slash}{name}"


def _check_host(host: str) -> None:
    """Refuse hosts that are no registries, and those that take Docker Hub's name there otherwise than its name here."""
    if "*" in host:
        if globs.matches(f"**{host}", _HUB_THERE) != globs.matches(f"**{host}", _HUB):
            raise ValueError(f"takes {_HUB_THERE} for another registry than {_HUB}; write {_HUB}")
        return
    if not is_registry(host):
        raise ValueError("names no registry, so that it matches parts of names in all of them")
    try:
        ours = registry_host(host)
    except BadInput as error:
        raise ValueError(str(error)) from error
    if ours != host:
        raise ValueError(f"write {ours}, as the registry is called here")
