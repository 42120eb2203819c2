"""Platforms: how an index names them, and which of its manifests a demand is about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

EACH = "each"
INDEX = "index"
MAX_NAMES = 32
_PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_MAX_TEXT = 100

# Other spellings that runtimes take for these architectures, with the variant that each implies.
_ARCHITECTURES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_IMPLIED = {("amd64", "v1"): "", ("arm64", "8"): "", ("arm64", "v8"): "", ("arm", ""): "v7"}


def platform_name(os: str, architecture: str, variant: str = "") -> str:
    """Return `os/architecture[/variant]` as runtimes compare it: one platform has one name.

    A runtime that meets `x86_64` runs it as amd64; were the two different here, a manifest could hide behind the other
    spelling.

    Spec:
        OCI image-spec, "Image Index", `platform`; containerd, package platforms, `Normalize`.

    >>> platform_name("Linux", "aarch64", "v8")
    'linux/arm64'
    >>> platform_name("linux", "arm", "7")
    'linux/arm/v7'
    """
    os, architecture, variant = os.lower(), architecture.lower(), variant.lower()
    os = "darwin" if os == "macos" else os
    architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
    variant = implied or variant
    if architecture == "arm" and variant in {"5", "6", "7", "8"}:
        variant = f"v{variant}"
    variant = _IMPLIED.get((architecture, variant), variant)
    return "/".join(part for part in (os, architecture, variant) if part)[:_MAX_TEXT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Platforms:
    """Which manifests a demand is about: the deployed one itself, each runnable child, or those of named platforms.

    Attributes:
        each: Every runnable child of an index.
        names: Platforms that have to be there, each with all of its variants where the name gives none. Neither `each`
            nor names: the deployed index or manifest itself.
    """

    each: bool = False
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: str | Sequence[str]) -> Self:
        """Read `index`, `each` or a list of platforms.

        Raises:
            ValueError: anything else; nothing here is guessed.
        """
        if isinstance(value, str):
            if value not in (INDEX, EACH):
                raise ValueError(f"{value[:60]!r} is none of: index, each, a list of platforms like linux/amd64")
            return cls(each=value == EACH)
        if not 0 < len(value) <= MAX_NAMES:
            raise ValueError(f"names {len(value)} platforms, expected 1 to {MAX_NAMES}")
        names = tuple(sorted({_named(name) for name in value}))
        if len(names) != len(value):
            raise ValueError("names a platform twice")
        return cls(names=names)

    def canonical(self) -> str | list[str]:
        """Return the form that a policy's digest sees."""
        if self.names:
            return list(self.names)
        return EACH if self.each else INDEX

    @property
    def of_children(self) -> bool:
        """Say whether children of an index are what is looked at."""
        return self.each or bool(self.names)

    def __or__(self, other: "Platforms") -> "Platforms":
        """Return what has to be gathered for both."""
        return Platforms(each=self.each or other.each, names=tuple(sorted({*self.names, *other.names})))

    def covers(self, platform: str) -> bool:
        """Say whether a child of `platform` (empty: the index names none) is looked at, or vouched for by its index.

        A child without a platform may be run on any: it is looked at whatever platforms are named.
        """
        if self.each or not self.names or not platform:
            return True
        return any(matches(name, platform) for name in self.names)

    def missing(self, present: Sequence[str]) -> tuple[str, ...]:
        """Return the named platforms that none of `present` is."""
        return tuple(name for name in self.names if not any(matches(name, platform) for platform in present))


THE_INDEX = Platforms()
"""The deployed index or manifest itself."""
EACH_CHILD = Platforms(each=True)
"""Every runnable child of an index."""


def matches(name: str, platform: str) -> bool:
    """Say whether `platform` is the one called `name`; a name without a variant is all variants."""
    return platform == name or platform.startswith(f"{name}/")


def _named(text: str) -> str:
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"{text[:60]!r} is no platform, expected os/architecture or os/architecture/variant")
    if parts[0] == "unknown":
        raise ValueError(f"{text[:60]!r} is what builders' statements stand under, and nothing that runs")
    # Not completed by what a missing variant implies: `linux/arm` is meant to be all of them.
    return platform_name(*parts) if len(parts) == 3 else "/".join(platform_name(*parts).split("/")[:2])
