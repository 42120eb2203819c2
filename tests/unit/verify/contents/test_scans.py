"""What is read of vulnerability reports."""

from datetime import UTC, datetime
from typing import Any

import pytest

from preverify.model.contents import Severity, Vulnerability
from support.contents import VULN, VULNS, attested, content, contents
from support.predicates import document

NOW = "2026-03-01T10:01:00Z"
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L"
FOURTH = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


def report(result: Any, **database: str) -> dict[str, Any]:
    return {
        "scanner": {"uri": "pkg:github/acme/scanner", "version": "1.0", "db": database, "result": result},
        "metadata": {"scanStartedOn": "2026-03-01T10:00:00Z", "scanFinishedOn": NOW},
    }


def trivy(*found: Any, **more: Any) -> dict[str, Any]:
    return {
        "SchemaVersion": 2,
        "ArtifactName": "app",
        "Results": [{"Target": "os", "Vulnerabilities": [*found]}],
        **more,
    }


def entry(**more: Any) -> dict[str, Any]:
    return {"VulnerabilityID": "CVE-2026-1", "PkgName": "openssl", **more}


def match(**more: Any) -> dict[str, Any]:
    return {"vulnerability": {"id": "CVE-2026-1", **more}, "artifact": {"name": "openssl", "version": "3.0.1"}}


def one(result: Any, kind: str = VULN) -> Vulnerability:
    (found,) = content(kind, report(result)).vulnerabilities
    assert isinstance(found, Vulnerability)
    return found


def test_what_cosign_attested() -> None:
    read = content(VULN, document("cosign-vuln")["predicate"])
    assert (read.scanner, read.scanner_version, read.database) == (
        "pkg:github/example/scanner@1.0",
        "1.0",
        "2026030100",
    )
    assert (read.database_at, read.finished) == (None, datetime(2026, 3, 1, 10, 1, tzinfo=UTC))
    assert read.vulnerabilities == (Vulnerability(id="CVE-2026-0001", package="openssl", severity=Severity.LOW),)
    assert (read.unjudged, read.of) == ((), "")


def test_a_finding_of_trivy() -> None:
    found = entry(
        VendorIDs=["DSA-1", "CVE-2026-1"],
        PkgIdentifier={"PURL": "pkg:deb/debian/openssl@3.0.1", "UID": "x"},
        InstalledVersion="3.0.1",
        FixedVersion="3.0.2, 3.1.0",
        Severity="MEDIUM",
        PublishedDate="2026-02-01T00:00:00Z",
        CVSS={"nvd": {"V3Vector": CRITICAL, "V3Score": 1.0}, "redhat": {"V3Vector": LOW}},
        Description="pages",
    )
    assert one(trivy(found)) == Vulnerability(
        id="CVE-2026-1",
        aliases=("DSA-1",),
        purl="pkg:deb/debian/openssl@3.0.1",
        package="openssl 3.0.1",
        severity=Severity.CRITICAL,
        score=9.8,
        fixed_in=("3.0.2", "3.1.0"),
        published=datetime(2026, 2, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("stated", "scores", "severity", "score"),
    [
        ("HIGH", {}, Severity.HIGH, None),
        ("CRITICAL", {"nvd": {"V3Vector": LOW}}, Severity.CRITICAL, 1.8),
        ("UNKNOWN", {"nvd": {"V3Vector": LOW}}, Severity.LOW, 1.8),
        ("", {}, Severity.UNKNOWN, None),
        ("Catastrophic", {}, Severity.UNKNOWN, None),
        ("", {"nvd": {"V3Score": 7.5}}, Severity.HIGH, 7.5),
        ("", {"nvd": {"V40Vector": FOURTH, "V40Score": 9.3}}, Severity.CRITICAL, 9.3),
        ("", {"nvd": {"V40Vector": FOURTH}}, Severity.UNKNOWN, None),
        # Scores of version 2 count where there are no others, and know no "critical".
        ("", {"nvd": {"V2Vector": "AV:N/AC:L/Au:N/C:C/I:C/A:C"}}, Severity.HIGH, 10.0),
        ("", {"nvd": {"V2Score": 10, "V3Vector": LOW}}, Severity.LOW, 1.8),
        ("", {"nvd": {}}, Severity.UNKNOWN, None),
    ],
)
def test_the_worst_counts_and_vectors_are_computed(
    stated: str, scores: Any, severity: Severity, score: float | None
) -> None:
    found = one(trivy(entry(Severity=stated, CVSS=scores)))
    assert (found.severity, found.score) == (severity, score)


@pytest.mark.parametrize(
    "result", [{"SchemaVersion": 2, "ArtifactName": "scratch"}, {"Results": None}, {"matches": []}]
)
def test_reports_that_found_nothing(result: Any) -> None:
    assert content(VULN, report(result)).vulnerabilities == ()


def test_trivy_knows_when_a_distribution_is_out_of_support() -> None:
    system = {"Family": "debian", "Name": "9.13", "EOSL": True}
    assert content(VULN, report(trivy(Metadata={"OS": system}))).unjudged == ("debian 9.13 is out of support",)
    for other in ({**system, "EOSL": False}, {"Family": "debian", "Name": "12"}):
        assert content(VULN, report(trivy(Metadata={"OS": other}))).unjudged == ()


def test_a_finding_of_grype() -> None:
    found = {
        "vulnerability": {
            "id": "GHSA-1",
            "severity": "Negligible",
            "cvss": [{"version": "3.1", "vector": LOW, "metrics": {"baseScore": 9.9}, "vendorMetadata": {}}],
            "fix": {"versions": ["3.0.2"], "state": "fixed"},
            "epss": [{"cve": "CVE-2026-1", "epss": 0.03, "date": "2026-01-01"}, {"cve": "x"}, {"epss": 0.5}],
            "knownExploited": [{"cve": "CVE-2026-1"}],
        },
        "relatedVulnerabilities": [{"id": "CVE-2026-1", "severity": "High", "cvss": [{"metrics": {"baseScore": 7}}]}],
        "artifact": {"name": "openssl", "version": "3.0.1", "purl": "pkg:deb/debian/openssl@3.0.1", "type": "deb"},
    }
    assert one({"matches": [found]}) == Vulnerability(
        id="GHSA-1",
        aliases=("CVE-2026-1",),
        purl="pkg:deb/debian/openssl@3.0.1",
        package="openssl 3.0.1",
        severity=Severity.HIGH,
        score=7.0,
        fixed_in=("3.0.2",),
        epss=0.5,
        exploited=True,
    )


def test_grype_says_nothing_of_what_it_does_not_know() -> None:
    found = one({"matches": [match(severity="Unknown")]})
    assert (found.severity, found.epss, found.exploited, found.fixed_in) == (Severity.UNKNOWN, None, None, ())


@pytest.mark.parametrize(
    ("descriptor", "stated", "year"),
    [
        ({"db": {"built": "2025-01-01T00:00:00Z"}}, {}, 2025),
        ({"db": {"status": {"built": "2024-01-01T00:00:00Z"}}}, {}, 2024),
        ({"db": {"built": "2025-01-01T00:00:00Z"}}, {"lastUpdate": "2023-01-01T00:00:00Z"}, 2023),
        ({}, {}, None),
    ],
)
def test_how_old_the_database_of_grype_is(descriptor: Any, stated: dict[str, str], year: int | None) -> None:
    read = content(VULN, report({"matches": [], "descriptor": descriptor}, **stated))
    assert (read.database_at and read.database_at.year) == year


@pytest.mark.parametrize(
    ("scores", "severity", "score"),
    [
        ([("nvd", "Moderate"), ("cvss_score", "5.2")], Severity.MEDIUM, 5.2),
        ([("cvss_score", "10.0")], Severity.CRITICAL, 10.0),
        ([("CVSS_V3", CRITICAL)], Severity.CRITICAL, 9.8),
        ([("nvd", LOW), ("vendor", "high")], Severity.HIGH, 1.8),
        ([("cvss", FOURTH)], Severity.UNKNOWN, None),
        ([("epss", "9.7")], Severity.UNKNOWN, None),
        ([("cvss_score", "11")], Severity.UNKNOWN, None),
        ([], Severity.UNKNOWN, None),
    ],
)
@pytest.mark.parametrize("nested", [True, False])
def test_in_totos_own_form(
    scores: list[tuple[str, str]], severity: Severity, score: float | None, nested: bool
) -> None:
    listed = {"id": "CVE-1", "severity": [{"method": method, "score": text} for method, text in scores]}
    found = one([{"vulnerability": listed} if nested else listed], VULNS)
    assert found == Vulnerability(id="CVE-1", severity=severity, score=score)


@pytest.mark.parametrize(
    "result",
    [
        {"runs": []},
        {},
        [],
        None,
        "text",
        {"Results": [], "matches": []},
        trivy({"PkgName": "openssl"}),
        trivy(entry(CVSS={"nvd": {"V3Score": "9.8"}})),
        trivy(entry(CVSS={"nvd": {"V3Score": 11}})),
        trivy(entry(CVSS={"nvd": {"V3Score": True}})),
        trivy(entry(severity="LOW")),
        trivy(entry(VendorIDs="DSA-1")),
        trivy(entry(PublishedDate="yesterday")),
        trivy(Results="none"),
        {"matches": [{"artifact": {}}]},
        {"matches": [{**match(), "relatedVulnerabilities": [{}]}]},
        {"matches": [match(epss=[{"epss": 1.5}])]},
        {"matches": [match(epss=[{"epss": -0.1}])]},
        {"matches": [match(fix={"versions": "3.0.2"})]},
    ],
)
def test_what_has_not_the_shape_is_not_read(result: Any) -> None:

    _, findings = attested(VULN, report(result))
    assert not findings[0].established or contents(VULN, report(result)) == {}


def test_too_many_findings_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = report(trivy(*(entry(VulnerabilityID=f"CVE-{i}") for i in range(3))))
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_ENTRIES", 3)
    assert len(content(VULN, whole).vulnerabilities) == 3
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_ENTRIES", 2)
    assert contents(VULN, whole) == {}
