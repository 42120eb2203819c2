"""Vulnerabilities in reports: Trivy's and Grype's own output in cosign's wrapping, and in-toto's predicate."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from preverify.model.contents import Scan, Severity, Vulnerability
from preverify.model.cvss import base_score, severity_of
from preverify.verify.contents.reading import check_number, moment
from preverify.verify.predicates.facts import Node, malformed
from preverify.verify.predicates.outline import cut_down

_COSIGN = "https://cosign.sigstore.dev/attestation/vuln/v1"
_SCANNER = ("uri", "version", "db", "result")
_TRIVY = (
    *("VulnerabilityID", "VendorIDs", "PkgName", "PkgIdentifier", "InstalledVersion", "FixedVersion"),
    *("Severity", "CVSS", "PublishedDate"),
)
_SCORES = ("V2Vector", "V2Score", "V3Vector", "V3Score", "V40Vector", "V40Score")
_GRYPE = ("vulnerability", "relatedVulnerabilities", "artifact")
_GRYPE_FOUND = ("id", "severity", "cvss", "fix", "epss", "knownExploited")
_ARTIFACT = ("name", "version", "purl")
_KEPT = frozenset(
    name.casefold()
    for name in (
        *("predicate", "scanner", *_SCANNER, "lastUpdate", "metadata", "scanFinishedOn"),
        *("Results", "SchemaVersion", "ArtifactName", "OS", "Family", "Name", "EOSL", "Vulnerabilities"),
        *(*_TRIVY, *_SCORES, "PURL", "matches", *_GRYPE, *_GRYPE_FOUND, *_ARTIFACT),
        *("vector", "metrics", "baseScore", "versions", "descriptor", "status", "built", "method", "score"),
    )
)
_BASE_SCORE = re.compile(r"[0-9](?:\.[0-9]{1,3})?|10(?:\.0{1,3})?")
_WORDS = {
    **{severity.value: severity for severity in Severity},
    "moderate": Severity.MEDIUM,
    "negligible": Severity.LOW,
}
_ORDER = tuple(Severity)
"""As the scale goes; what is unknown is below everything that is known."""


def keep(members: dict[str, Any]) -> bool:
    """Cut an object down to what is read of findings: scanners write pages about each."""
    if members and all(isinstance(each, dict) and not each.keys().isdisjoint(_SCORES) for each in members.values()):
        return True  # the scores of one vulnerability, by the names of those who gave them
    cut_down(members, _KEPT)
    return bool(members)


def scan(predicate: object, predicate_type: str) -> Scan:
    """Return what a report says.

    Raises:
        MalformedEvidence: `statement-malformed`, also where another scanner's own output is wrapped; `too-large`.

    Spec:
        cosign, COSIGN_VULN_ATTESTATION_SPEC; in-toto attestation, predicates vuln v0.1 and v0.2; the JSON reports of
        Trivy (SchemaVersion 2) and Grype.
    """
    whole = Node(predicate, "predicate", ("scanner", "metadata"))
    scanner = whole.node("scanner", _SCANNER)
    database = scanner.node("db", ("uri", "version", "lastUpdate"))
    updated = moment(database, "lastUpdate")
    unjudged: tuple[str, ...] = ()
    if predicate_type != _COSIGN:
        found = _listed(scanner)
    else:
        report = scanner.node("result", ("Results", "SchemaVersion", "Metadata", "matches", "descriptor"))
        of_trivy = "Results" in report.members or {"SchemaVersion", "ArtifactName"} <= report.members.keys()
        if of_trivy == ("matches" in report.members):
            raise malformed("predicate.scanner.result is no report of Trivy or of Grype")
        if of_trivy:
            found, unjudged = _of_trivy(report), _unsupported(report)
        else:
            found, updated = _of_grype(report), updated or _built(report)
    return Scan(
        scanner=scanner.required("uri"),
        scanner_version=scanner.text("version"),
        database=database.text("version"),
        database_at=updated,
        finished=moment(whole.node("metadata", ("scanFinishedOn",)), "scanFinishedOn"),
        vulnerabilities=tuple(_counted(found)),
        unjudged=unjudged,
    )


def _counted(found: Iterable[Vulnerability]) -> Iterator[Vulnerability]:
    for number, each in enumerate(found, 1):
        check_number(number, "vulnerabilities")
        yield each


def _listed(scanner: Node) -> Iterator[Vulnerability]:
    """Yield the findings of in-toto's predicate. It names no component."""
    for each in scanner.nodes("result", ("id", "severity", "vulnerability")):
        entry = each.node("vulnerability", ("id", "severity")) if "vulnerability" in each else each
        scores = [(score.text("method"), score.text("score")) for score in entry.nodes("severity", ("method", "score"))]
        rating = _Rating.of(
            (text for _, text in scores),
            (
                _Score(vector=text) if _is_vector(text) else _Score(stated=_ten(text))
                for method, text in scores
                if _is_vector(text) or method.lower().startswith("cvss")
            ),
        )
        yield Vulnerability(id=entry.required("id"), severity=rating.severity, score=rating.score)


def _of_trivy(report: Node) -> Iterator[Vulnerability]:
    for target in report.nodes("Results", ("Vulnerabilities",)):
        for each in target.nodes("Vulnerabilities", _TRIVY):
            scores = each.node("CVSS")
            rating = _Rating.of([each.text("Severity")], _scores_of_trivy(scores))
            name = each.required("VulnerabilityID")
            yield Vulnerability(
                id=name,
                aliases=_others(name, each.words("VendorIDs")),
                purl=each.node("PkgIdentifier", ("PURL",)).text("PURL"),
                package=f"{each.text('PkgName')} {each.text('InstalledVersion')}".strip(),
                severity=rating.severity,
                score=rating.score,
                fixed_in=tuple(each.text("FixedVersion").replace(",", " ").split()),
                published=moment(each, "PublishedDate"),
            )


def _scores_of_trivy(scores: Node) -> "Iterator[_Score]":
    for vendor in scores.members:
        given = scores.node(vendor, _SCORES)
        for version in ("V2", "V3", "V40"):
            vector, stated = given.text(f"{version}Vector"), _number(given, f"{version}Score", 10)
            if vector or stated is not None:
                yield _Score(vector, stated, second=version == "V2")


def _unsupported(report: Node) -> tuple[str, ...]:
    """Return the distribution where Trivy says that nobody publishes its vulnerabilities any more."""
    system = report.node("Metadata", ("OS",)).node("OS", ("Family", "Name", "EOSL"))
    if system.members.get("EOSL") in (None, False):
        return ()
    return (f"{system.text('Family')} {system.text('Name')} is out of support",)


def _of_grype(report: Node) -> Iterator[Vulnerability]:
    for match in report.nodes("matches", _GRYPE):
        own = match.node("vulnerability", _GRYPE_FOUND)
        related = match.nodes("relatedVulnerabilities", _GRYPE_FOUND)
        artifact = match.node("artifact", _ARTIFACT)
        all_of_them = (own, *related)
        rating = _Rating.of(
            (each.text("severity") for each in all_of_them),
            (
                _Score(given.text("vector"), _number(given.node("metrics", ("baseScore",)), "baseScore", 10))
                for each in all_of_them
                for given in each.nodes("cvss", ("vector", "metrics"))
            ),
        )
        name = own.required("id")
        chances = [_number(each, "epss", 1) for each in own.nodes("epss", ("epss",))]
        yield Vulnerability(
            id=name,
            aliases=_others(name, [each.required("id") for each in related]),
            purl=artifact.text("purl"),
            package=f"{artifact.text('name')} {artifact.text('version')}".strip(),
            severity=rating.severity,
            score=rating.score,
            fixed_in=tuple(own.node("fix", ("versions",)).words("versions")),
            epss=max((each for each in chances if each is not None), default=None),
            exploited=True if "knownExploited" in own else None,
        )


def _built(report: Node) -> datetime | None:
    """Return when Grype's database was built: newer versions say it one level deeper."""
    database = report.node("descriptor", ("db",)).node("db", ("built", "status"))
    return moment(database, "built") or moment(database.node("status", ("built",)), "built")


def _others(name: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*names} - {name}))


class _Score(NamedTuple):
    """A CVSS vector, or a base score that somebody states."""

    vector: str = ""
    stated: float | None = None
    second: bool = False

    @property
    def value(self) -> float | None:
        computed = base_score(self.vector)
        return self.stated if computed is None else computed

    @property
    def old(self) -> bool:
        """Say whether this is of CVSS 2, whose vectors have no prefix."""
        return self.second or (bool(self.vector) and not self.vector.startswith("CVSS:"))


class _Rating(NamedTuple):
    severity: Severity
    score: float | None

    @classmethod
    def of(cls, words: Iterable[str], scores: Iterable[_Score]) -> "_Rating":
        """Return the worst that is said. Scores of CVSS 2 count only where there are no others."""
        known = [(score, value) for score in scores if (value := score.value) is not None]
        counted = [(score, value) for score, value in known if not score.old] or known
        severities = [_WORDS.get(word.lower(), Severity.UNKNOWN) for word in words]
        severities += [severity_of(value, version_2=score.old) for score, value in counted]
        worst = max(severities, key=_ORDER.index, default=Severity.UNKNOWN)
        return cls(worst, max((value for _, value in counted), default=None))


def _is_vector(text: str) -> bool:
    return text.startswith("CVSS:") or base_score(text) is not None


def _ten(text: str) -> float | None:
    """Return a base score that stands as text."""
    return float(text) if _BASE_SCORE.fullmatch(text) is not None else None


def _number(node: Node, name: str, most: float) -> float | None:
    value = node.members.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise malformed(f"{node.path}.{name} is {str(value)[:40]}, expected a number from 0 to {most}")
    return float(value)
