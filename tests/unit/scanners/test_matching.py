"""One bill of materials and one database make one scan."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from preverify.model.contents import Component, Inventory, Scan, Severity, Vulnerability
from preverify.scanners.database.file import Database
from preverify.scanners.matching import match
from support.vulnerabilities import database_file, opened

DEBIAN = "pkg:deb/debian/{}@{}?arch=amd64{}&distro=debian-12"


def scan_of(database: Database, *purls: str, distribution: str = "") -> Scan:
    components = tuple(Component(name=f"c{n}", version="v", purl=purl) for n, purl in enumerate(purls))
    return match(Inventory(format="cyclonedx", components=components, distribution=distribution), database, of="aa")


def test_a_scan_says_what_it_compared_with(corpus: Database) -> None:
    scan = scan_of(corpus)
    assert (scan.scanner, scan.of, scan.database) == ("preverify", "aa", str(corpus.digest))
    assert scan.database_at == scan.finished == datetime(2025, 7, 4, tzinfo=UTC)
    assert (scan.vulnerabilities, scan.unjudged) == ((), ())


def test_a_vulnerability_has_all_that_is_known_of_it(corpus: Database) -> None:
    purl = "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"
    assert scan_of(corpus, purl).vulnerabilities == (
        Vulnerability(
            id="CVE-2021-44228",
            aliases=("GHSA-jfh8-c2jp-5v3q",),
            purl=purl,
            package="c0 v",
            severity=Severity.CRITICAL,
            score=10.0,
            fixed_in=("2.15.0",),
            published=datetime(2021, 12, 10, 0, 40, 56, tzinfo=UTC),
            epss=0.9447,
            exploited=True,
        ),
    )


def test_many_records_about_one_vulnerability_are_one_finding(corpus: Database) -> None:
    """GHSA-4374-p667-p6c8 and GO-2023-2102 have names in common, GO-2023-2102 has two of CVE."""
    (found,) = scan_of(corpus, "pkg:golang/golang.org/x/net@v0.16.0").vulnerabilities
    assert found.id == "CVE-2023-39325"
    assert found.aliases == ("CVE-2023-44487", "GHSA-4374-p667-p6c8", "GO-2023-2102")
    assert (found.exploited, found.epss, found.fixed_in) == (True, 0.944, ("0.17.0",))


def test_an_advisory_about_several_is_a_finding_for_each(corpus: Database) -> None:
    first, second = scan_of(corpus, DEBIAN.format("libssl3", "3.0.11-1~deb12u1", "&upstream=openssl")).vulnerabilities
    assert (first.id, first.aliases, first.severity) == (
        "CVE-2999-1001",
        ("DEBIAN-CVE-2999-1001",),
        Severity.CRITICAL,
    )
    assert first.published == datetime(2022, 12, 1, tzinfo=UTC)
    assert (second.id, second.aliases, second.severity) == ("CVE-2999-1002", (), Severity.UNKNOWN)
    assert first.fixed_in == second.fixed_in == ("3.0.11-1~deb12u2",)


def test_the_order_of_components_and_doubled_ones_do_not_matter(corpus: Database) -> None:
    purls = [
        "pkg:npm/minimist@1.2.5",
        "pkg:pypi/requests@2.30.0",
        "pkg:pypi/urllib3@1.26.16",
        "pkg:generic/x@1",
        DEBIAN.format("curl", "7.88.1-10+deb12u4", ""),
    ]
    components = [Component(name=purl, purl=purl) for purl in purls]
    first = match(Inventory(format="spdx", components=tuple(components)), corpus)
    random.shuffle(components)
    second = match(Inventory(format="spdx", components=(*components, *components)), corpus)
    assert first == second
    assert len(first.vulnerabilities) == 4


def test_two_binary_packages_of_one_source_both_have_what_it_has(corpus: Database) -> None:
    purls = [DEBIAN.format(name, "7.88.1-10+deb12u4", "&upstream=curl") for name in ("libcurl4", "libcurl3-gnutls")]
    assert [(v.id, v.purl) for v in scan_of(corpus, *purls).vulnerabilities] == [
        ("CVE-2999-1004", purl) for purl in sorted(purls)
    ]


def test_ecosystems_that_are_not_held_are_one_sentence_with_a_count(corpus: Database) -> None:
    purls = [f"pkg:deb/debian/{name}@1?upstream=x&distro=debian-13" for name in ("a", "b")]
    assert scan_of(corpus, *purls).unjudged == ("Debian:13: the database does not hold it, 2 components",)
    red_hat = "pkg:rpm/redhat/bash@5-1?distro=rhel-10.0"
    assert scan_of(corpus, red_hat).unjudged == (
        "Red Hat:enterprise_linux:10: the database does not hold it, 1 components",
    )


def test_components_without_a_usable_purl_are_named(corpus: Database) -> None:
    assert scan_of(corpus, "", "pkg:x").unjudged == ("c0 v: it has no purl", "c1 v: what it has for a purl is none")


def test_the_distribution_of_the_document_serves_purls_that_do_not_say_theirs(corpus: Database) -> None:
    purl = "pkg:deb/debian/libcurl4@7.88.1-10?upstream=curl"
    assert [v.id for v in scan_of(corpus, purl, distribution="debian-12").vulnerabilities] == ["CVE-2999-1004"]
    (unjudged,) = scan_of(corpus, purl).unjudged
    assert "which release of the distribution it is of is not said" in unjudged


def test_a_document_that_names_no_source_packages_leaves_unknown_names_unjudged(corpus: Database) -> None:
    """A binary package's name is not what Debian's advisories are about: `libssl3` is no name there."""
    binary, source = DEBIAN.format("libssl3", "3.0.11-1~deb12u1", ""), DEBIAN.format("openssl", "3.0.11-1~deb12u1", "")
    scan = scan_of(corpus, binary, source)
    assert {v.purl for v in scan.vulnerabilities} == {source}
    assert scan.unjudged == ("c0 v: its purl names no source package, by which Debian:12 goes",)
    named = DEBIAN.format("libcurl4", "7.88.1-10+deb12u5", "&upstream=curl")
    assert scan_of(corpus, DEBIAN.format("base-files", "12", ""), named).unjudged == ()


def test_an_unreadable_version_is_in_doubt_only_where_something_is_said_of_the_package(corpus: Database) -> None:
    assert scan_of(corpus, "pkg:golang/example.com/main@%28devel%29").unjudged == ()
    (unjudged,) = scan_of(corpus, "pkg:golang/stdlib@%28devel%29").unjudged
    assert unjudged == "c0 v: '(devel)' is not a version of Go"


def made(tmp_path: Path, *documents: dict[str, Any]) -> Database:
    defaults = {"modified": "2023-01-01T00:00:00Z"}
    return opened(database_file(tmp_path, [{**defaults, **each} for each in documents]))


def part(name: str, *versions: str, ecosystem: str = "PyPI", **more: Any) -> list[dict[str, Any]]:
    return [{"package": {"ecosystem": ecosystem, "name": name}, "versions": list(versions), **more}]


def test_records_that_only_a_third_one_joins_are_one_vulnerability(tmp_path: Path) -> None:
    """PYSEC-1 knows GHSA-1 only, MAL-1 knows CVE-2999-0001 only; that both are the same stands in GHSA-1."""
    database = made(
        tmp_path,
        {"id": "PYSEC-1", "aliases": ["GHSA-1"], "affected": part("made", "1.0")},
        {"id": "MAL-1", "aliases": ["CVE-2999-0001"], "affected": part("made", "1.0")},
        {"id": "GHSA-1", "aliases": ["CVE-2999-0001"], "affected": part("other", "9")},
    )
    (found,) = scan_of(database, "pkg:pypi/made@1.0").vulnerabilities
    database.close()
    assert (found.id, found.aliases) == ("CVE-2999-0001", ("GHSA-1", "MAL-1", "PYSEC-1"))


def test_an_exact_version_is_found_even_where_it_is_none(tmp_path: Path) -> None:
    database = made(tmp_path, {"id": "PYSEC-1", "affected": part("made", "2004a-x")})
    scan = scan_of(database, "pkg:pypi/made@2004a-x", "pkg:pypi/made@2004b-x")
    database.close()
    assert [v.purl for v in scan.vulnerabilities] == ["pkg:pypi/made@2004a-x"]
    assert scan.unjudged == tuple(f"c{n} v: '2004{x}-x' is not a version of PyPI" for n, x in enumerate("ab"))


def test_what_lies_in_one_range_is_found_though_another_cannot_be_judged(tmp_path: Path) -> None:
    def events(fixed: str) -> dict[str, Any]:
        return {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}

    database = made(
        tmp_path,
        {"id": "PYSEC-1", "affected": part("made", ranges=[events("no-version"), events("2.0")])},
        {"id": "PYSEC-2", "affected": part("made", "1.0", ranges=[events("no-version")])},
    )
    scan = scan_of(database, "pkg:pypi/made@1.0")
    after = scan_of(database, "pkg:pypi/made@3.0")
    database.close()
    assert [(v.id, v.fixed_in) for v in scan.vulnerabilities] == [("PYSEC-1", ("2.0",)), ("PYSEC-2", ())]
    assert scan.unjudged == ()
    assert after.vulnerabilities == ()
    assert [text.partition(": ")[2].partition(":")[0] for text in after.unjudged] == ["PYSEC-1", "PYSEC-2"]


def test_a_package_with_thousands_of_vulnerabilities_has_them_all(tmp_path: Path) -> None:
    """The kernel's headers are in many images; merging must not be a square of this number."""
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "7.0-1"}]}]
    documents = [
        {
            "id": f"DEBIAN-CVE-2999-{n:05}",
            "upstream": [f"CVE-2999-{n:05}"],
            "affected": part("linux", ecosystem="Debian:12", ranges=ranges),
        }
        for n in range(5_000)
    ]
    database = made(tmp_path, *documents)
    scan = scan_of(database, DEBIAN.format("linux-libc-dev", "6.1.76-1", "&upstream=linux"))
    database.close()
    assert len(scan.vulnerabilities) == 5_000
