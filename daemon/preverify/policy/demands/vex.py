"""Which vulnerabilities VEX takes away: the latest word of an accepted author about this image or its component."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from packageurl import PackageURL

from preverify.model.contents import Vex, VexStatement, VexStatus, Vulnerability
from preverify.model.reference import Subject
from preverify.policy.demands.summaries import SKEW

_TAKES_AWAY = frozenset({VexStatus.NOT_AFFECTED, VexStatus.FIXED})
_ALWAYS = datetime.max.replace(tzinfo=UTC)
_MAX_PURL = 4096
CVE = "CVE-"
"""How names of the common list begin."""


class Voice(NamedTuple):
    """A VEX document by somebody whose word counts: its evidence, and until when that word holds (None: for good)."""

    vex: Vex
    evidence: str
    until: datetime | None


class Silence(NamedTuple):
    """That a vulnerability is taken away: on whose documents it rests, and until when it certainly stays so."""

    evidence: frozenset[str]
    until: datetime | None


def identities(own: str, names: frozenset[str]) -> list[frozenset[str]]:
    """Return the vulnerabilities that an entry stands for, each with its names: an advisory may be about several.

    Args:
        own: What the entry itself goes by.
        names: That, and all other names of it.
    """
    cves = sorted(name for name in names if name.startswith(CVE))
    if len(cves) <= 1:
        return [names]
    return [frozenset({own})] if own in cves else [frozenset({own, each}) for each in cves]


class Hearing:
    """What accepted authors say, about one image at one time.

    Spec:
        OpenVEX 0.2.0, "Product", "Inferring the state"; purls match as in its "Software identifiers".
    """

    def __init__(self, voices: Iterable[Voice], subject: Subject | None, now: datetime) -> None:
        """Take the documents of accepted authors. What they say for later than `now` is not said yet."""
        self._voices, self._subject, self._now = voices, subject, now
        self._by_name: dict[str, list[tuple[VexStatement, Voice]]] | None = None

    def silence(self, entry: Vulnerability, names: frozenset[str]) -> Silence | None:
        """Return that VEX takes `entry` away; None where it does not.

        An advisory that stands for several CVEs is gone only where each of them is.

        Args:
            entry: What was found.
            names: All names of it that anybody counted gives it.
        """
        rulings = [self._ruling(entry.purl, each) for each in identities(entry.id, names)]
        held = [each for each in rulings if each is not None]
        if len(held) < len(rulings):
            return None
        ends = [each.until for each in held if each.until is not None]
        return Silence(frozenset().union(*(each.evidence for each in held)), min(ends, default=None))

    def _ruling(self, purl: str, names: frozenset[str]) -> Silence | None:
        """Return what the latest statement says; of two that are equally late, and of undated ones, the one against."""
        latest: tuple[datetime, bool, str, datetime] | None = None
        ends: list[datetime] = []
        for statement, voice in self._about(names):
            if not _speaks_of(statement, purl, self._subject):
                continue
            away = statement.status in _TAKES_AWAY
            if statement.at is not None and statement.at > self._now + SKEW:
                ends += [] if away else [statement.at - SKEW]
                continue
            if away and (statement.at is None or not _reasoned(statement)):
                continue
            this = (statement.at or _ALWAYS, not away, voice.evidence, voice.until or _ALWAYS)
            latest = this if latest is None else max(latest, this)
        if latest is None or latest[1]:
            return None
        ends += [latest[3]] if latest[3] != _ALWAYS else []
        return Silence(frozenset({latest[2]}), min(ends, default=None))

    def _about(self, names: frozenset[str]) -> Iterator[tuple[VexStatement, Voice]]:
        if self._by_name is None:
            self._by_name = {}
            for voice in self._voices:
                for statement in voice.vex.statements:
                    for name in statement.vulnerabilities:
                        self._by_name.setdefault(name, []).append((statement, voice))
        for name in names:
            yield from self._by_name.get(name, ())


def _reasoned(statement: VexStatement) -> bool:
    return statement.status is VexStatus.FIXED or bool(statement.justification)


def _speaks_of(statement: VexStatement, purl: str, subject: Subject | None) -> bool:
    """Say whether a statement is about the image or the component. What is fixed is one version, not all of them."""
    exact = statement.status is VexStatus.FIXED
    parts = statement.subcomponents
    if any(_is_image(product, subject, exact=exact) for product in statement.products):
        return not parts or any(_covers(each, purl) for each in parts)
    return not parts and any(_covers(product, purl, exact=exact) for product in statement.products)


def _is_image(product: str, subject: Subject | None, *, exact: bool) -> bool:
    """Say whether a product is this image: by its digest, or by its repository where the product is all of that.

    A tag names another image tomorrow, and an architecture is not known here: such products are no image.
    """
    if subject is None:
        return False
    if product == str(subject.digest):
        return True
    named = _parsed(product) if product.startswith("pkg:oci/") else None
    if named is None:
        return False
    if named.version:
        return named.version == str(subject.digest)
    repository = str(subject.repository)
    return (
        not exact and named.qualifiers == {"repository_url": repository} and named.name == repository.rpartition("/")[2]
    )


def _covers(pattern: str, purl: str, *, exact: bool = False) -> bool:
    """Say whether a purl of a statement covers that of a component: what it leaves out may be anything.

    Args:
        pattern: Of the statement.
        purl: Of the component; empty where nobody says it.
        exact: Whether the statement has to say a version.
    """
    wide, narrow = _parsed(pattern), _parsed(purl)
    if wide is None or narrow is None or wide[:3] != narrow[:3] or (exact and not wide.version):
        return False
    return (
        wide.version in (None, narrow.version)
        and wide.subpath in (None, narrow.subpath)
        and _pairs(wide) <= _pairs(narrow)
    )


def _pairs(purl: PackageURL) -> frozenset[tuple[str, str]]:
    said: object = purl.qualifiers
    return frozenset(said.items()) if isinstance(said, dict) else frozenset()


@lru_cache(maxsize=8192)
def _parsed(purl: str) -> PackageURL | None:
    try:
        return PackageURL.from_string(purl) if len(purl) <= _MAX_PURL else None
    except ValueError:
        return None
