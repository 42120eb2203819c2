"""Components against the database. The same bill of materials and database make the same scan, byte for byte."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from preverify import __version__
from preverify.model.contents import Component, Inventory, Scan, Vulnerability
from preverify.scanners.database.file import Claim, Database, Known
from preverify.scanners.database.osv import is_cve
from preverify.scanners.packages.purls import MODULAR, Named, Unmatchable, named
from preverify.scanners.packages.ranges import equal, fixes, sort
from preverify.scanners.packages.versions import Unorderable, check

SCANNER = "preverify"


@dataclass(slots=True)
class _Hit:
    """What is said of one vulnerability of one package: its names, and the versions that fix it."""

    names: set[str]
    fixed: set[str]


@dataclass(slots=True)
class _Judged:
    """What a package was found to have, and what could not be judged of it."""

    hits: list[_Hit] = field(default_factory=list)
    doubts: dict[str, None] = field(default_factory=dict)


def match(inventory: Inventory, database: Database, *, of: str = "") -> Scan:
    """Return what a database says of the components of a bill of materials.

    Args:
        inventory: The bill of materials.
        database: What to compare with.
        of: sha256 of the document that the inventory was read from.
    """
    matching = _Matching(database, inventory)
    found: set[Vulnerability] = set()
    for component in sorted(set(inventory.components), key=lambda c: (c.purl, c.name, c.version)):
        found |= set(matching.vulnerabilities(component))
    return Scan(
        scanner=SCANNER,
        scanner_version=__version__,
        database=str(database.digest),
        database_at=database.facts.newest,
        finished=database.facts.newest,
        vulnerabilities=tuple(sorted(found, key=lambda v: (v.purl, v.package, v.id))),
        unjudged=tuple(sorted(matching.unjudged())),
        of=of,
    )


class _Matching:
    """One run over one inventory: many binary packages come from one source package, which is judged once."""

    def __init__(self, database: Database, inventory: Inventory) -> None:
        self._database = database
        self._distribution = inventory.distribution
        self._judged: dict[tuple[str, str, str], _Judged] = {}
        self._known: dict[frozenset[str], Known] = {}
        self._unheld: Counter[str] = Counter()
        self._unjudged: set[str] = set()
        # A document that names the source of one package names it wherever it differs from the binary package's.
        self._names_sources = any("upstream=" in component.purl for component in inventory.components)

    def vulnerabilities(self, component: Component) -> Iterator[Vulnerability]:
        """Yield what a component has; notes what cannot be judged of it."""
        label = f"{component.name} {component.version}".strip()
        try:
            package = named(component.purl, self._distribution)
        except Unmatchable as error:
            self._unjudged.add(f"{label}: {error}")
            return
        ecosystems = self._database.covering(package.ecosystems)
        if not ecosystems:
            self._unheld[package.ecosystems[0]] += 1
            return
        if package.needs_source and not self._names_sources and not self._knows(ecosystems, package):
            self._unjudged.add(f"{label}: its purl names no source package, by which {ecosystems[0]} goes")
            return
        hits: list[_Hit] = []
        for ecosystem in ecosystems:
            for name, version in package.packages:
                judged = self._judge(ecosystem, name, version)
                hits += judged.hits
                self._unjudged |= {f"{label}: {doubt}" for doubt in judged.doubts}
        for hit in _merged(hits):
            yield self._vulnerability(component, label, ecosystems[0], hit)

    def unjudged(self) -> Iterator[str]:
        """Yield what could not be judged, ecosystems that the database does not hold as one."""
        yield from self._unjudged
        for ecosystem, count in self._unheld.items():
            yield f"{ecosystem.rstrip(':*')}: the database does not hold it, {count} components"

    def _knows(self, ecosystems: Iterable[str], package: Named) -> bool:
        return any(self._database.claims(ecosystem, name) for ecosystem in ecosystems for name, _ in package.packages)

    def _judge(self, ecosystem: str, name: str, version: str) -> _Judged:
        key = (ecosystem, name, version)
        judged = self._judged.get(key)
        if judged is None:
            judged = self._judged[key] = _Judged()
            claims = self._database.claims(ecosystem, name)
            try:
                if claims:  # where nothing is said of a package, its version does not matter
                    check(ecosystem, version)
            except Unorderable as error:
                judged.doubts[str(error)] = None
                claims = tuple(replace(each, ranges=()) for each in claims)
            for claim in claims:
                if not _of_a_module(claim):
                    self._weigh(judged, claim, ecosystem, version)
        return judged

    def _weigh(self, judged: _Judged, claim: Claim, ecosystem: str, version: str) -> None:
        fixed: tuple[str, ...] | None = None
        doubt = "" if claim.ranges or claim.versions or judged.doubts else "names no versions"
        try:
            fixed = fixes(ecosystem, version, claim.ranges)
        except Unorderable as error:
            doubt = str(error)
        if fixed is None and any(equal(ecosystem, version, each) for each in claim.versions):
            fixed = ()
        if fixed is not None:
            for each in _identities(claim.names, claim.covers):
                judged.hits.append(_Hit(set(self._about(each).names), set(fixed)))
        elif doubt:
            judged.doubts[f"{claim.record}: {doubt}"] = None

    def _about(self, names: Iterable[str]) -> Known:
        asked = frozenset(names)
        known = self._known.get(asked)
        if known is None:
            known = self._known[asked] = self._database.about(asked)
        return known

    def _vulnerability(self, component: Component, label: str, ecosystem: str, hit: _Hit) -> Vulnerability:
        known = self._about(hit.names)
        first, *others = sorted(known.names, key=_by_renown)
        return Vulnerability(
            id=first,
            aliases=tuple(sorted(others)),
            purl=component.purl,
            package=label,
            severity=known.severity,
            score=known.score,
            fixed_in=tuple(sort(ecosystem, hit.fixed)),
            published=known.published,
            epss=known.epss,
            exploited=known.exploited,
        )


def _of_a_module(claim: Claim) -> bool:
    """Say whether a claim is about the packages of a module. Those that reach this place are of none."""
    return any(MODULAR.search(version) for _, events in claim.ranges for _, version in events)


def _identities(names: tuple[str, ...], covers: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the vulnerabilities that a record is about. An advisory about one is another name of it."""
    if len(covers) <= 1:
        yield (*names, *covers)
        return
    for each in covers:
        yield (each,)


def _merged(hits: Iterable[_Hit]) -> list[_Hit]:
    """Return one hit for each vulnerability, however many records say it."""
    by_name: dict[str, _Hit] = {}
    for hit in hits:
        same = [by_name[name] for name in hit.names if name in by_name]
        merged = _Hit(hit.names.union(*(e.names for e in same)), hit.fixed.union(*(e.fixed for e in same)))
        by_name.update(dict.fromkeys(merged.names, merged))
    return list({id(each): each for each in by_name.values()}.values())


def _by_renown(name: str) -> tuple[bool, bool, str]:
    """Order names: that of CVE first, GitHub's after it, then the rest."""
    return not is_cve(name), not name.startswith("GHSA-"), name
