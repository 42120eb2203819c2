"""Vulnerability reports: cosign's wrapping of a scanner's own output, and in-toto's."""

from collections import Counter
from collections.abc import Iterator, Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed
from preverify.verify.predicates.outline import cut_down

NAME = "vuln"
_COSIGN = "https://cosign.sigstore.dev/attestation/vuln/v1"
TYPES: tuple[str, ...] = (
    _COSIGN,
    "https://in-toto.io/attestation/vulns/v0.1",
    "https://in-toto.io/attestation/vulns/v0.2",
)

_SCANNER = ("uri", "version", "db", "result")
_DB = ("uri", "version", "lastUpdate")
_TIMES = ("scanStartedOn", "scanFinishedOn")
_READ = frozenset(
    {
        *("_type", "subject", "predicateType", "predicate", "scanner", "metadata", *_SCANNER, *_DB, *_TIMES),
        *("Results", "Vulnerabilities", "Severity", "matches", "vulnerability", "severity", "id", "method", "score"),
    }
)
_KEPT = frozenset(name.casefold() for name in _READ)
# Words that scanners use; anything else is counted as `other`, so that no report makes names of its own.
_WORDS = {word: word for word in ("critical", "high", "medium", "low", "negligible", "none", "unknown")}
_WORDS["moderate"] = "medium"
_ALWAYS = dict.fromkeys(("critical", "high", "medium", "low"), 0)


def keep(members: dict[str, object]) -> bool:
    """Cut an object of a large report down to what facts are made of: scanners write pages about each finding."""
    cut_down(members, _KEPT)
    return bool(members)


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return scanner, database, times, and the number of findings by severity.

    Spec:
        cosign, COSIGN_VULN_ATTESTATION_SPEC; in-toto attestation, predicates vuln v0.1 and v0.2.
    """
    facts = Facts()
    whole = Node(predicate, "predicate", ("invocation", "scanner", "metadata"))
    for name in ("scanner", "metadata"):
        if not isinstance(whole.members.get(name), dict):
            raise malformed(f"predicate.{name} is missing")
    scanner = whole.node("scanner", _SCANNER)
    facts.decide("scanner.uri", scanner.required("uri"))
    facts.decide("scanner.version", scanner.text("version"))
    database = scanner.node("db", _DB)
    facts.decide("db.uri", database.text("uri"))
    facts.decide("db.version", database.text("version"))
    facts.decide("db.lastUpdate", database.instant("lastUpdate"))
    metadata = whole.node("metadata", _TIMES)
    facts.decide("scan.startedOn", metadata.instant("scanStartedOn"))
    facts.decide("scan.finishedOn", metadata.instant("scanFinishedOn"))
    found = _own_output(scanner) if statement.get("predicateType") == _COSIGN else list(_listed(scanner))
    if found is not None:
        facts.decide("findings.count", len(found))
        facts.count("findings", _ALWAYS | Counter(_WORDS.get(word.lower(), "other") for word in found))
    return facts.done()


def _own_output(scanner: Node) -> list[str] | None:
    """Return the severity of each finding in a report of Trivy or Grype; None where it is another scanner's."""
    result = scanner.members.get("result")
    if not isinstance(result, dict):
        return None
    report = Node(result, "predicate.scanner.result", ("Results", "matches"))
    if "matches" in report.members:
        matches = report.nodes("matches", ("vulnerability",))
        return [each.node("vulnerability", ("severity",)).text("severity") for each in matches]
    if "Results" in report.members:
        targets = report.nodes("Results", ("Vulnerabilities",))
        return [each.text("Severity") for t in targets for each in t.nodes("Vulnerabilities", ("Severity",))]
    return None


def _listed(scanner: Node) -> Iterator[str]:
    """Yield the severity of each finding: the first of its scores that is a word. v0.1 may have one more level."""
    if not isinstance(scanner.members.get("result"), list):
        raise malformed("predicate.scanner.result is missing, expected a list")
    for each in scanner.nodes("result", ("id", "severity", "vulnerability")):
        entry = each.node("vulnerability", ("id", "severity")) if "vulnerability" in each else each
        entry.required("id")
        scores = [score.text("score") for score in entry.nodes("severity", ("method", "score"))]
        yield next((score for score in scores if score.lower() in _WORDS), scores[0] if scores else "")
