"""Orders of versions that no library of ours gets right: semantic versions, Alpine's, Packagist's. Keys to compare."""

import re

_SEMVER = re.compile(
    r"(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?(?:\.(0|[1-9]\d*))?"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)
_GO_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:(rc|beta)(\d+))?", re.ASCII)
_APK = re.compile(
    r"(\d+(?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:-r(\d+))?",
    re.ASCII,
)
_APK_SUFFIX = re.compile(r"_([a-z]+)(\d*)", re.ASCII)
_APK_RANK = {"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "cvs": 1, "svn": 2, "git": 3, "hg": 4, "p": 5}
_PACKAGIST = re.compile(
    r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?"
    r"(?:[._-]?(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?\d+)*))?(?:[.-]?(dev))?(?:\+[^\s]*)?",
    re.ASCII,
)
_PACKAGIST_RANK = {"dev": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "stable": 4, "patch": 5, "pl": 5, "p": 5}

Key = tuple[object, ...]


def semver_key(text: str) -> Key:
    """Return the key of a semantic version. A leading `v` and missing minor or patch numbers are let pass.

    Spec:
        Semantic Versioning 2.0.0, item 11. Build metadata has no part in it.

    Raises:
        ValueError: no such version.
    """
    found = _SEMVER.fullmatch(text.removeprefix("v"))
    if found is None or (found[3] is None and found[4] is not None):
        raise ValueError("not a semantic version")
    numbers = tuple(int(part or 0) for part in found.group(1, 2, 3))
    if found[4] is None:
        return (*numbers, 1)
    return (*numbers, 0, tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in found[4].split(".")))


def go_key(text: str) -> Key:
    """Return the key of a version of a Go module, or of Go itself (`1.22`, `1.21rc2`, `go1.20.3`).

    Raises:
        ValueError: no such version.
    """
    release = _GO_RELEASE.fullmatch(text.removeprefix("go"))
    if release is not None and release[4]:
        return semver_key(f"{int(release[1])}.{int(release[2])}.{int(release[3] or 0)}-{release[4]}.{int(release[5])}")
    return semver_key(text.removeprefix("go") if release is not None else text)


def apk_key(text: str) -> Key:
    """Return the key of a version of an Alpine, Wolfi or Chainguard package.

    Numbers after the first one that start with a zero compare as fractions do; a suffix is before or after the plain
    version by its kind. `univers` knows neither `_git` and its kin nor leading zeros.

    Raises:
        ValueError: no such version.

    Spec:
        apk-tools, doc/apk-package.5, "pkgver"; tests/version.data.
    """
    found = _APK.fullmatch(text)
    if found is None:
        raise ValueError("not a version of an Alpine package")
    first, *others = found[1].split(".")
    numbers = tuple((0, 0, part) if part.startswith("0") else (1, int(part), "") for part in others)
    suffixes = tuple((_APK_RANK[name], int(number or -1)) for name, number in _APK_SUFFIX.findall(found[3]))
    revision = -1 if found[4] is None else int(found[4])
    return (int(first), numbers, found[2], (*suffixes, (0, 0)), revision)


def packagist_key(text: str) -> Key:
    """Return the key of a version of a Packagist package. Branches (`dev-main`, `1.x-dev`) have no place in the order.

    Raises:
        ValueError: no such version.

    Spec:
        composer/semver, VersionParser::normalize; PHP, version_compare.
    """
    found = _PACKAGIST.fullmatch(text.lower())
    if found is None:
        raise ValueError("not a version of a Packagist package")
    numbers = tuple(int(part or 0) for part in found.group(1, 2, 3, 4))
    stage = found[5] or ("dev" if found[7] else "stable")
    later = tuple(int(part) for part in re.findall(r"\d+", found[6] or ""))
    return (*numbers, _PACKAGIST_RANK[stage], later, 0 if found[7] else 1)
