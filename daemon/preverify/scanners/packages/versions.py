"""Which order the versions of an ecosystem have. What cannot be compared is said to be so, never guessed."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from univers.debian import Version as _Debian
from univers.gem import GemVersion as _Gem
from univers.nuget import InvalidNuGetVersion
from univers.nuget import Version as _NuGet
from univers.rpm import RpmVersion as _Rpm
from univers.versions import PypiVersion as _PyPI

from preverify.model.errors import PreverifyError
from preverify.scanners.packages.maven import MavenVersion
from preverify.scanners.packages.orderings import apk_key, go_key, packagist_key, semver_key

MAX_VERSION = 256
_PLAIN = re.compile(r"[\x21-\x7e]+")
_RPM = re.compile(r"(?:\d+:)?[A-Za-z0-9._+~^]+(?:-[A-Za-z0-9._+~^]+)?")
_WRONG = (ArithmeticError, AttributeError, InvalidNuGetVersion, LookupError, RuntimeError, TypeError, ValueError)
"""What the library was seen to raise, or could, on text that is no version."""

Order = Callable[[str], Any]
_read_debian: Order = _Debian.from_string
_read_rpm: Order = _Rpm.from_string
_read_gem: Order = _Gem
_read_nuget: Order = _NuGet.from_string


class Unorderable(PreverifyError):
    """A version, or an ecosystem, that we cannot put in order. What depends on it is unknown, never clean."""


def _debian(text: str) -> Any:
    if text.endswith("-"):  # an empty revision, which dpkg refuses
        raise ValueError("not a version of a Debian package")
    return _read_debian(text)


def _rpm(text: str) -> Any:
    if _RPM.fullmatch(text) is None:
        raise ValueError("not a version of an RPM")
    return _read_rpm(text)


def _pypi(text: str) -> Any:
    return _PyPI(text).value


def _gem(text: str) -> Any:
    if not _Gem.is_correct(text):
        raise ValueError("not a version of a gem")
    return _read_gem(text)


ORDERS: Mapping[str, Order] = {
    "AlmaLinux": _rpm,
    "Alpine": apk_key,
    "Chainguard": apk_key,
    "Debian": _debian,
    "Go": go_key,
    "Hex": semver_key,
    "Maven": MavenVersion,
    "NuGet": _read_nuget,
    "Packagist": packagist_key,
    "PyPI": _pypi,
    "Red Hat": _rpm,
    "Rocky Linux": _rpm,
    "RubyGems": _gem,
    "SUSE": _rpm,
    "Ubuntu": _debian,
    "Wolfi": apk_key,
    "crates.io": semver_key,
    "npm": semver_key,
    "openSUSE": _rpm,
}
"""The order of each ecosystem that we know, by the part of its name before the first colon."""


def family(ecosystem: str) -> str:
    """Return an ecosystem's name without its release: `Debian` of `Debian:12`."""
    return ecosystem.partition(":")[0]


def compare(ecosystem: str, one: str, other: str) -> int:
    """Return -1, 0 or 1: whether `one` is before, at or after `other` in the order of `ecosystem`.

    Raises:
        Unorderable: the order is not known, or a version is none of this ecosystem.
    """
    first, second = _read(family(ecosystem), one), _read(family(ecosystem), other)
    try:
        return -1 if first < second else int(second < first)
    except _WRONG as error:
        raise Unorderable(f"{one!r} and {other!r} cannot be compared as versions of {family(ecosystem)}") from error


def check(ecosystem: str, version: str) -> None:
    """Say that a version can be put in order.

    Raises:
        Unorderable: as `compare`.
    """
    _read(family(ecosystem), version)


@lru_cache(maxsize=65_536)
def _read(name: str, text: str) -> Any:
    order = ORDERS.get(name)
    if order is None:
        raise Unorderable(f"the order of versions of {name[:80]!r} is not known")
    if len(text) > MAX_VERSION or _PLAIN.fullmatch(text) is None:
        raise Unorderable(f"{text[:80]!r} is not a version")
    try:
        return order(text)
    except _WRONG as error:
        raise Unorderable(f"{text[:80]!r} is not a version of {name}") from error
