"""Package URLs of components, and the patterns that name some of them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, Self
from urllib.parse import unquote

from preverify.model import globs
from preverify.model.contents import Component

MAX_PURL = 4096
MAX_PATTERN = 512
_FORM = "expected pkg:type/name or pkg:type/namespace/name, with @version where only one version is meant"
_NO_RANGE = "{} names a range of versions; name each version, or none for all of them"
_TYPE = re.compile(r"[a-z][a-z0-9.+-]*")
_DASHES = re.compile(r"[-_.]+")
_ANY_CASE = frozenset(
    {
        "alpm",
        "apk",
        "bitbucket",
        "composer",
        "deb",
        "docker",
        "github",
        "gitlab",
        "golang",
        "hex",
        "npm",
        "nuget",
        "oci",
    }
)
"""Types of which no two packages differ by case alone: their purls are written in lower case, whatever the name."""
_FEW = 5


class Named(NamedTuple):
    """What a package URL names.

    Attributes:
        path: Type, namespace and name with slashes between, decoded, as they are compared.
        version: Decoded; empty where there is none.
    """

    path: str
    version: str


def read(purl: str) -> Named | None:
    """Take a package URL apart; None where it names nothing that is sure. Qualifiers and subpaths are not looked at.

    Spec:
        ECMA-427 (Package-URL), "Rules for each purl component", "How to parse a purl string".

    >>> read("pkg:npm/%40babel/core@7.0.0?arch=x")
    Named(path='npm/@babel/core', version='7.0.0')
    """
    return _read(purl) if len(purl) <= MAX_PURL else None


@lru_cache(maxsize=16_384)
def _read(purl: str) -> Named | None:
    scheme, _, rest = purl.partition(":")
    if scheme.lower() != "pkg":
        return None
    path = rest.partition("#")[0].partition("?")[0]
    at = path.rfind("@")
    version = ""
    # A scope of npm that somebody did not encode begins with the same sign.
    if at > path.rfind("/") + 1:
        path, version = path[:at], unquote(path[at + 1 :])
    kind, *parts = [part for part in path.split("/") if part] or [""]
    kind = kind.lower()
    scope = parts[0].removeprefix("@") if len(parts) > 1 else ""
    if not parts or _TYPE.fullmatch(kind) is None or any("@" in part for part in (scope, *parts[bool(scope) :])):
        return None
    return Named(f"{kind}/{_compared(kind, '/'.join(map(unquote, parts)))}", version)


def _compared(kind: str, path: str) -> str:
    if kind == "pypi":
        return _DASHES.sub("-", path).lower()
    return path.lower() if kind in _ANY_CASE else path


class Pattern(NamedTuple):
    """Packages that are meant: a path, in which stars stand for more, and a version, or all of them."""

    text: str
    path: str
    version: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a pattern.

        Raises:
            ValueError: no package URL, or one with what is not compared.
        """
        shown = repr(text[:80])
        if len(text) > MAX_PATTERN:
            raise ValueError(f"{shown}… has {len(text)} characters, at most {MAX_PATTERN} are read")
        if "?" in text or "#" in text:
            raise ValueError(f"{shown} has qualifiers or a subpath, which are not compared; leave them out")
        if "***" in text:
            raise ValueError(f"{shown} has three stars in a row, expected '*' within a segment or '**' across segments")
        if "@vers:" in text:
            raise ValueError(_NO_RANGE.format(shown))
        named = read(text)
        if named is None or text != text.strip() or text.endswith("@"):
            raise ValueError(f"{shown} is no package URL, {_FORM}")
        version = "" if named.version == "*" else named.version
        if any(sign in version for sign in "*<>=|,"):
            raise ValueError(_NO_RANGE.format(shown))
        return cls(text, named.path, version)

    def names(self, path: str) -> bool:
        """Say whether a path is among those that are meant."""
        return globs.matches(self.path, path)


class Patterns:
    """Several patterns, found by the path of a component."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._plain: dict[str, list[Pattern]] = {}
        self._names: dict[str, list[Pattern]] = {}
        self._globs: list[Pattern] = []
        for pattern in patterns:
            if "*" in pattern.path:
                self._globs.append(pattern)
                continue
            self._plain.setdefault(pattern.path, []).append(pattern)
            for name in _names(pattern.path):
                self._names.setdefault(name, []).append(pattern)

    def about(self, path: str) -> Sequence[Pattern]:
        """Return those that name a path, in whatever version."""
        found = self._plain.get(path, [])
        return [*found, *(each for each in self._globs if each.names(path))] if self._globs else found

    def by_name(self, name: str) -> Iterator[Pattern]:
        """Return those that may mean a component of which only the name is known, with its namespaces or without."""
        for form in {name.casefold(), _DASHES.sub("-", name.casefold())}:
            yield from self._names.get(form, ())
            for pattern in self._globs:
                if any(globs.matches(each, form) for each in _names(pattern.path)):
                    yield pattern


@lru_cache(maxsize=256)
def patterns(texts: tuple[str, ...]) -> Patterns:
    """Return patterns that were checked before."""
    return Patterns(map(Pattern.of, texts))


def _names(path: str) -> list[str]:
    """Return the names that tools without package URLs may have for a path: `@babel/core` and `core`."""
    names = path.casefold().split("/")[1:]
    return ["/".join(names[start:]) for start in range(len(names))]


def versions(component: Component, named: Named) -> frozenset[str]:
    """Return what a component says its version is, as versions are compared: by its purl, and beside it."""
    return frozenset(comparable(each) for each in (named.version, component.version) if each)


def same(pattern: Pattern, said: frozenset[str]) -> bool:
    """Say whether a pattern means one of some versions."""
    return not pattern.version or comparable(pattern.version) in said


def meant(known: Patterns, component: Component, named: Named) -> bool:
    """Say whether a component is one of those that are meant, where that is in its favour: only its purl counts.

    What stands beside the purl is its version only where the purl has none.
    """
    own = frozenset({comparable(named.version or component.version)})
    return any(same(pattern, own) for pattern in known.about(named.path))


def comparable(text: str) -> str:
    """Return a version as it is compared: some tools write a `v` before it, others do not."""
    folded = text.casefold()
    return folded[1:] if folded[:1] == "v" and folded[1:2].isdigit() else folded


def few(components: Sequence[Component]) -> str:
    """Name some components for people: the first five, and how many more there are.

    >>> few((Component(name="openssl", version="3.0.1"),))
    'openssl 3.0.1'
    """
    shown = [(each.purl or f"{each.name} {each.version}".strip())[:120] for each in components[:_FEW]]
    more = len(components) - _FEW
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
