"""OSV records are read whole or refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from preverify.model.contents import Severity
from preverify.model.errors import MalformedEvidence
from preverify.scanners.database.osv import MAX_RECORD, Record, read
from support.vulnerabilities import records

GOOD: dict[str, Any] = {"id": "GHSA-1", "modified": "2023-01-02T03:04:05Z"}
PACKAGE = {"ecosystem": "PyPI", "name": "made"}
EVENTS = [{"introduced": "0"}, {"fixed": "1.0"}]


def reading(**more: Any) -> Record:
    return read(json.dumps({**GOOD, **more}).encode())


def affected(**more: Any) -> list[dict[str, Any]]:
    return [{"package": PACKAGE, "ranges": [{"type": "ECOSYSTEM", "events": EVENTS}], **more}]


def test_every_record_of_the_corpus_is_read() -> None:
    for document in records():
        assert read(json.dumps(document).encode()).id == document["id"]


def test_the_least_record_says_nothing_of_any_package() -> None:
    record = reading()
    assert (record.aliases, record.covers, record.affected, record.withdrawn) == ((), (), (), False)
    assert (record.severity, record.score, record.published) == (Severity.UNKNOWN, None, None)
    assert record.modified == datetime(2023, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_times_have_fractions_and_offsets_at_times() -> None:
    assert reading(modified="2023-01-02T03:04:05.123456Z").modified.microsecond == 123456
    assert reading(published="2023-01-02T03:04:05+02:00").published == datetime(2023, 1, 2, 1, 4, 5, tzinfo=UTC)


def test_the_year_one_is_no_time_of_publication() -> None:
    """Some records of Go say so. A period of grace counted from there would be over before it began."""
    assert reading(published="0001-01-01T00:00:00Z").published is None


@pytest.mark.parametrize(
    ("severity", "more", "expected"),
    [
        ([("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")], {}, (Severity.CRITICAL, 9.8)),
        (
            [
                ("CVSS_V3", "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"),
                ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"),
            ],
            {},
            (Severity.HIGH, 7.5),
        ),
        # the newer scale wins over the older, whatever their numbers
        (
            [
                ("CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C"),
                ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"),
            ],
            {},
            (Severity.MEDIUM, 5.3),
        ),
        ([("CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C")], {}, (Severity.HIGH, 10.0)),
        # a vector wins over a word; a word counts where no vector can be computed
        (
            [("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N")],
            {"database_specific": {"severity": "CRITICAL"}},
            (Severity.NONE, 0.0),
        ),
        ([("CVSS_V4", "CVSS:4.0/AV:N")], {"database_specific": {"severity": "MODERATE"}}, (Severity.MEDIUM, None)),
        ([("CVSS_V4", "CVSS:4.0/AV:N")], {}, (Severity.UNKNOWN, None)),
        ([("Ubuntu", "negligible")], {}, (Severity.LOW, None)),
        ([("Ubuntu", "high")], {"database_specific": {"severity": "LOW"}}, (Severity.HIGH, None)),
        ([], {"affected": affected(ecosystem_specific={"severity": "Important"})}, (Severity.HIGH, None)),
        ([], {"affected": affected(ecosystem_specific={"urgency": "medium**"})}, (Severity.MEDIUM, None)),
        ([], {"affected": affected(ecosystem_specific={"urgency": "not yet assigned"})}, (Severity.UNKNOWN, None)),
        ([], {"database_specific": {"severity": 9}}, (Severity.UNKNOWN, None)),
        ([], {"database_specific": "HIGH"}, (Severity.UNKNOWN, None)),
        ([("CVSS_V3", 9.8)], {}, (Severity.UNKNOWN, None)),
    ],
)
def test_severity_comes_from_vectors_then_from_words(
    severity: list[tuple[str, object]], more: dict[str, Any], expected: tuple[Severity, float | None]
) -> None:
    record = reading(severity=[{"type": kind, "score": score} for kind, score in severity], **more)
    assert (record.severity, record.score) == expected


def test_vectors_stand_beside_packages_too() -> None:
    part = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    assert reading(affected=affected(severity=part)).score == 9.8


def test_an_advisory_of_a_distribution_covers_what_it_names() -> None:
    package = {"ecosystem": "Debian:12", "name": "made"}
    of_debian = affected(package=package)
    several = ["CVE-2999-0002", "CVE-2999-0001"]
    assert reading(upstream=several).covers == ("CVE-2999-0001", "CVE-2999-0002")
    assert reading(related=several, affected=of_debian).covers == ("CVE-2999-0001", "CVE-2999-0002")
    record = reading(aliases=[*several, "OTHER-1"], affected=of_debian)
    assert (record.covers, record.aliases) == (("CVE-2999-0001", "CVE-2999-0002"), ("OTHER-1",))
    # one alias is another name, and what is related to a library's advisory is something else
    assert reading(aliases=["CVE-2999-0001"], related=["CVE-2999-0002"], affected=of_debian).covers == ()
    assert reading(related=several, affected=affected()).covers == ()
    assert reading(id="CVE-2999-0009", related=several, affected=of_debian).covers == ()


def test_a_strange_alias_loses_no_record() -> None:
    assert reading(aliases=["CVE-2999-0001 (disputed)"]).aliases == ("CVE-2999-0001 (disputed)",)


def test_ranges_of_commits_and_entries_without_package_are_left_out() -> None:
    commits = {"type": "GIT", "repo": "https://git.example/made", "events": [{"introduced": "0"}]}
    record = reading(affected=[{"ranges": [commits]}, *affected(ranges=[commits])])
    assert [(each.package, each.ranges, each.versions) for each in record.affected] == [("made", (), ())]


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("< 2.0", [("limit", "2.0")]),
        ("<2.0", [("limit", "2.0")]),
        ("<= 2.0", []),
        ("< 2.0, > 1.0", []),
        ("2.0", []),
        (2, []),
    ],
)
def test_an_open_range_ends_where_github_says_that_it_does(said: object, end: list[tuple[str, str]]) -> None:
    events = [{"introduced": "1.0"}]
    part = affected(ranges=[{"type": "ECOSYSTEM", "events": events}])
    part[0]["database_specific"] = {"last_known_affected_version_range": said}
    assert list(reading(affected=part).affected[0].ranges[0].events) == [("introduced", "1.0"), *end]


def test_a_range_that_ends_by_itself_is_left_alone() -> None:
    part = affected(database_specific={"last_known_affected_version_range": "< 0.5"})
    assert reading(affected=part).affected[0].ranges[0].events == (("introduced", "0"), ("fixed", "1.0"))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"[]", "not an object"),
        (b'{"id": "X-1"}', "says no modified"),
        (b'{"id": "X-1", "id": "X-2", "modified": "2023-01-01T00:00:00Z"}', "stands twice"),
        (b" " * (MAX_RECORD + 1), "bytes"),
    ],
)
def test_what_is_no_record_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(MalformedEvidence, match=why):
        read(data)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"id": None}, "not the name"),
        ({"id": "../x"}, "not the name"),
        ({"id": "A" * 200}, "not the name"),
        ({"aliases": [""]}, "aliases holds what is no name"),
        ({"aliases": ["CVE-2999-0001\n"]}, "aliases holds what is no name"),
        ({"upstream": ["x" * 600]}, "upstream holds what is no name"),
        ({"aliases": "CVE-1"}, "aliases is not a list"),
        ({"upstream": [1]}, "upstream is not a list"),
        ({"modified": "yesterday"}, "modified is not a time"),
        ({"modified": "2023-13-01T00:00:00Z"}, "modified is not a time"),
        ({"published": 1}, "published is not a time"),
        ({"withdrawn": "never"}, "withdrawn is not a time"),
        ({"affected": {}}, "affected is not a list"),
        ({"affected": ["x"]}, "affected is not a list"),
        ({"affected": [{"package": "x"}]}, "package is not an object"),
        ({"affected": [{"package": {"name": "x"}}]}, "ecosystem is not a text"),
        ({"affected": [{"package": {"ecosystem": "PyPI", "name": ""}}]}, "name is not a text"),
        ({"affected": affected(versions=[1])}, "versions is not a list"),
        ({"affected": affected(versions=["1" * 600])}, "too long"),
        ({"affected": affected(ranges=[{"type": "MADE", "events": EVENTS}])}, "a range of the type 'MADE'"),
        ({"affected": affected(ranges=[{"type": "SEMVER", "events": [{"fixed": "1"}]}])}, "nothing is introduced"),
        ({"affected": affected(ranges=[{"type": "SEMVER", "events": []}])}, "nothing is introduced"),
        ({"affected": affected(ranges=[{"type": "SEMVER"}])}, "nothing is introduced"),
        (
            {"affected": affected(ranges=[{"type": "SEMVER", "events": [{"introduced": "0", "fixed": "1"}]}])},
            "an event with the keys",
        ),
        ({"affected": affected(ranges=[{"type": "SEMVER", "events": [{"repaired": "1"}]}])}, "an event with the keys"),
        (
            {"affected": affected(ranges=[{"type": "SEMVER", "events": [{"introduced": 0}]}])},
            "introduced is not a text",
        ),
        ({"severity": "high"}, "severity is not a list"),
    ],
)
def test_what_has_no_meaning_in_a_record_is_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(MalformedEvidence, match=why):
        reading(**more)
