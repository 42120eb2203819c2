"""From a package URL to what a vulnerability database calls the package: ecosystems, names and versions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from packageurl import PackageURL

from preverify.model.errors import PreverifyError
from preverify.scanners.packages.versions import family

MAX_PURL = 4096
_PEP_503 = re.compile(r"[-_.]+")
_REBUILT = re.compile(r"\+b\d+$", re.ASCII)
_DISTRIBUTION = re.compile(r"(?:([a-z][a-z0-9._-]*?)-)?v?(\d+(?:\.\d+)*)", re.ASCII)
MODULAR = re.compile(r"\.module[+_]")
_LANGUAGES = {
    "cargo": "crates.io",
    "composer": "Packagist",
    "gem": "RubyGems",
    "golang": "Go",
    "hex": "Hex",
    "maven": "Maven",
    "npm": "npm",
    "nuget": "NuGet",
    "pypi": "PyPI",
}
_ANY_CASE = frozenset({"Alpine", "Chainguard", "Go", "Hex", "NuGet", "Packagist", "Wolfi", "npm"})
"""Where purls are written in lower case, whatever the name: `JSONStream` must be found under `jsonstream`."""


class Unmatchable(PreverifyError):
    """A component that cannot be looked up. Says why; it is unknown, not clean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a database may call a package.

    Attributes:
        ecosystems: OSV ecosystems that hold it, `*` standing for anything.
        packages: Names with the version to compare under each: that of the source package differs at times.
        needs_source: The ecosystem goes by source packages, and the purl names none.
    """

    ecosystems: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]
    needs_source: bool = False


def normal_name(ecosystem: str, name: str) -> str:
    """Return a package's name as it is compared in its ecosystem.

    >>> normal_name("PyPI", "Jaraco.Classes")
    'jaraco-classes'
    """
    if family(ecosystem) == "PyPI":
        return _PEP_503.sub("-", name).lower()
    return name.lower() if family(ecosystem) in _ANY_CASE else name


@lru_cache(maxsize=16_384)
def named(purl: str, distribution: str) -> Named:
    """Say what a database may call the package of a purl.

    Args:
        purl: As the bill of materials has it.
        distribution: `id-version` of the operating system, for purls that do not say theirs.

    Raises:
        Unmatchable: no purl, without version, or of a kind or distribution that no database of ours holds.
    """
    if not purl:
        raise Unmatchable("it has no purl")
    if len(purl) > MAX_PURL:
        raise Unmatchable(f"its purl has {len(purl)} characters, at most {MAX_PURL} are read")
    try:
        parsed = PackageURL.from_string(purl)
    except ValueError as error:
        raise Unmatchable("what it has for a purl is none") from error
    if not parsed.version:
        raise Unmatchable("its purl has no version")
    if parsed.type in _LANGUAGES:
        return _of_language(parsed, parsed.version)
    reader = _PACKAGERS.get(parsed.type)
    if reader is None:
        raise Unmatchable(f"purls of the type {parsed.type[:40]!r} are not matched")
    return reader(parsed, parsed.version, _said(parsed), distribution)


def _of_language(purl: PackageURL, version: str) -> Named:
    ecosystem = _LANGUAGES[purl.type]
    between = ":" if ecosystem == "Maven" else "/"
    if ecosystem == "Maven" and not purl.namespace:
        raise Unmatchable("its purl names no group")
    name = f"{purl.namespace}{between}{purl.name}" if purl.namespace else purl.name
    return Named(ecosystems=(ecosystem,), packages=((normal_name(ecosystem, name), version),))


def _debian(purl: PackageURL, version: str, said: Mapping[str, str], distribution: str) -> Named:
    name, release = _distribution(purl, said, distribution)
    if name == "debian":
        ecosystems: tuple[str, ...] = (f"Debian:{release.partition('.')[0]}",)
        version = _REBUILT.sub("", version)  # rebuilt from the same source, whose version advisories name
    elif name == "ubuntu":
        ecosystems = (f"Ubuntu:{release}", f"Ubuntu:{release}:LTS")
    else:
        raise Unmatchable(f"no database holds the packages of {name[:40]!r}")
    return _by_source(ecosystems, purl.name, _with_epoch(version, said), said)


def _alpine(purl: PackageURL, version: str, said: Mapping[str, str], distribution: str) -> Named:
    if purl.namespace in {"wolfi", "chainguard"}:
        ecosystem = purl.namespace.capitalize()
        names = dict.fromkeys((purl.name, _source(said)[0] or purl.name))
        return Named(ecosystems=(ecosystem,), packages=tuple((normal_name(ecosystem, name), version) for name in names))
    name, release = _distribution(purl, said, distribution)
    parts = release.split(".")
    if name != "alpine" or len(parts) < 2:
        raise Unmatchable(f"no database holds the packages of {f'{name}-{release}'[:40]!r}")
    return _by_source((f"Alpine:v{parts[0]}.{parts[1]}",), purl.name, version, said)


def _rpm(purl: PackageURL, version: str, said: Mapping[str, str], distribution: str) -> Named:
    name, release = _distribution(purl, said, distribution)
    ecosystem = _RPM_FAMILIES.get(name)
    if ecosystem is None:
        raise Unmatchable(f"no database holds the packages of {name[:40]!r}")
    if MODULAR.search(version):
        raise Unmatchable("it belongs to a module, and which stream of it is not said")
    version = _with_epoch(version, said)
    packages = {purl.name: version}
    built_from = said.get("upstream", "").removesuffix(".src.rpm").rsplit("-", 2)
    if len(built_from) == 3:
        epoch = version.partition(":")[0] + ":" if ":" in version else ""
        packages.setdefault(built_from[0], f"{epoch}{built_from[1]}-{built_from[2]}")
    return Named(ecosystems=(ecosystem(release),), packages=tuple(packages.items()))


def _suse(release: str) -> str:
    major, _, minor = release.partition(".")
    return f"SUSE:Linux Enterprise * {major} SP{minor}" if minor else f"SUSE:Linux Enterprise * {major}"


def _leap(release: str) -> str:
    return f"openSUSE:Leap {release}"


def _major(ecosystem: str, after: str = "") -> Callable[[str], str]:
    return lambda release: f"{ecosystem}:{release.partition('.')[0]}{after}"


_RPM_FAMILIES: Mapping[str, Callable[[str], str]] = {  # as os-release has the id, and as Trivy calls them
    "alma": _major("AlmaLinux"),
    "almalinux": _major("AlmaLinux"),
    "opensuse-leap": _leap,
    "opensuse.leap": _leap,
    "redhat": _major("Red Hat:enterprise_linux", "::*"),
    "rhel": _major("Red Hat:enterprise_linux", "::*"),
    "rocky": _major("Rocky Linux"),
    "sles": _suse,
}

_PACKAGERS: Mapping[str, Callable[[PackageURL, str, Mapping[str, str], str], Named]] = {
    "apk": _alpine,
    "deb": _debian,
    "rpm": _rpm,
}


def _said(purl: PackageURL) -> Mapping[str, str]:
    said: object = purl.qualifiers
    return said if isinstance(said, dict) else {}


def _distribution(purl: PackageURL, said: Mapping[str, str], fallback: str) -> tuple[str, str]:
    """Return the distribution's id and release: what the purl says itself goes before what the document says.

    `distro` has an id in front of the release with one scanner and none with another, where the namespace has it.
    """
    text = said.get("distro") or fallback
    found = _DISTRIBUTION.fullmatch(text)
    if found is None:
        raise Unmatchable(
            f"{text[:40]!r} is no release of a distribution"
            if text
            else "which release of the distribution it is of is not said"
        )
    return found[1] or purl.namespace or "", found[2]


def _with_epoch(version: str, said: Mapping[str, str]) -> str:
    epoch = said.get("epoch", "")
    return f"{epoch}:{version}" if epoch and ":" not in version else version


def _source(said: Mapping[str, str]) -> tuple[str, str]:
    """Return the source package of `upstream`, and its version where that differs from the binary one."""
    name, _, version = said.get("upstream", "").partition("@")
    return name, version


def _by_source(ecosystems: tuple[str, ...], name: str, version: str, said: Mapping[str, str]) -> Named:
    source, source_version = _source(said)
    if not source:
        return Named(ecosystems=ecosystems, packages=((normal_name(ecosystems[0], name), version),), needs_source=True)
    return Named(ecosystems=ecosystems, packages=((normal_name(ecosystems[0], source), source_version or version),))
