"""Over the corpus: another database touches every component of which it says something else, and few others."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from preverify.model.contents import Component, Inventory, Vulnerability
from preverify.scanners.database.changes import changed, keys_of
from preverify.scanners.matching import match
from support.vulnerabilities import OSV, database_file, opened, records

PURLS = sorted({case["purl"] for case in json.loads((OSV / "cases.json").read_text())})


def inventory(purl: str) -> Inventory:
    return Inventory(format="spdx", components=(Component(name="c", purl=purl),))


def findings(path: Path) -> dict[str, tuple[frozenset[Vulnerability], frozenset[str]]]:
    """Return what is said of each purl of the corpus."""
    database = opened(path)
    found = {}
    for purl in PURLS:
        scan = match(inventory(purl), database)
        found[purl] = frozenset(scan.vulnerabilities), frozenset(scan.unjudged)
    database.close()
    return found


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return database_file(tmp_path_factory.mktemp("before"))


def compared(before: Path, directory: Path, documents: list[dict[str, Any]], **more: Any) -> tuple[set[str], set[str]]:
    """Return the purls of which something else is said, and those that are touched."""
    after = database_file(directory, documents, **more)
    old, new = findings(before), findings(after)
    differing = {purl for purl in PURLS if old[purl] != new[purl]}
    keys = changed(before, after)
    return differing, {purl for purl in PURLS if not keys.isdisjoint(keys_of(inventory(purl)))}


def test_the_same_database_touches_nothing(before: Path, tmp_path: Path) -> None:
    assert compared(before, tmp_path, records()) == (set(), set())


@pytest.mark.parametrize("document", records(), ids=lambda document: document["id"])
def test_whatever_differs_without_one_record_is_touched(before: Path, tmp_path: Path, document: dict[str, Any]) -> None:
    differing, touched = compared(before, tmp_path, [each for each in records() if each["id"] != document["id"]])
    assert differing <= touched
    whole = {each["package"]["ecosystem"] for each in document["affected"]} & {"Debian:7", "Ubuntu:23.10"}
    assert whole or len(touched) < 25, "where a release goes as a whole, all of the distribution are looked at"


def _worse(document: dict[str, Any]) -> None:
    document["severity"] = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}]


def _earlier(document: dict[str, Any]) -> None:
    document["published"] = "2001-01-01T00:00:00Z"


def _other_fix(document: dict[str, Any]) -> None:
    for part in document["affected"]:
        for each in part.get("ranges", []):
            each["events"] = [{"introduced": "0"}]


def _other_name(document: dict[str, Any]) -> None:
    document["aliases"] = [*document.get("aliases", []), "CVE-2999-9999"]


@pytest.mark.parametrize("change", [_worse, _earlier, _other_fix, _other_name])
@pytest.mark.parametrize("name", ["GO-2023-2102", "CVE-2999-1001", "GHSA-made-aaaa-0001", "ALSA-2999:1001"])
def test_whatever_differs_by_one_change_is_touched(before: Path, tmp_path: Path, name: str, change: Any) -> None:
    documents = copy.deepcopy(records())
    change(next(each for each in documents if each["id"] == name))
    differing, touched = compared(before, tmp_path, documents)
    assert differing <= touched
    assert len(touched) < 25


def test_a_change_that_is_told_under_another_name_reaches_the_packages_of_both(before: Path, tmp_path: Path) -> None:
    """The severity of CVE-2999-1001 stands in a record without any package."""
    documents = copy.deepcopy(records())
    _earlier(next(each for each in documents if each["id"] == "CVE-2999-1001"))
    differing, touched = compared(before, tmp_path, documents)
    assert differing == {p for p in PURLS if "openssl" in p and p.startswith("pkg:deb/debian/")} - {
        p for p in PURLS if "3.0.11-1~deb12u2" in p or "3.0.11-1?" in p or "1.1.1w" in p
    }
    assert differing <= touched


def test_a_new_catalogue_touches_what_it_names_and_a_first_one_everything(before: Path, tmp_path: Path) -> None:
    kev = json.loads((OSV / "kev.json").read_text())
    kev["vulnerabilities"] = [each for each in kev["vulnerabilities"] if each["cveID"] != "CVE-2021-44228"]
    kev["count"] -= 1
    (tmp_path / "kev.json").write_text(json.dumps(kev))
    differing, touched = compared(before, tmp_path, records(), kev=tmp_path / "kev.json")
    assert differing
    assert differing <= touched
    assert all("log4j" in purl for purl in touched)
    differing, touched = compared(before, tmp_path, records(), kev=None)
    assert len(differing) > 50
    assert differing <= touched


def test_scores_touch_what_has_them(before: Path, tmp_path: Path) -> None:
    text = (OSV / "epss.csv").read_text().replace("CVE-2021-44228,0.94470", "CVE-2021-44228,0.10000")
    (tmp_path / "epss.csv").write_text(text)
    differing, touched = compared(before, tmp_path, records(), epss=tmp_path / "epss.csv")
    assert differing
    assert differing <= touched
    assert all("log4j" in purl for purl in touched)


def test_records_that_a_third_one_joins_are_touched_with_each_other(tmp_path: Path) -> None:
    """What is known of a vulnerability is gathered over all its names; a chain of them is longer than one step."""
    part = {"package": {"ecosystem": "PyPI", "name": "a"}, "versions": ["1"]}

    def joined(severity: str) -> list[dict[str, Any]]:
        return [
            {
                "id": "PYSEC-1",
                "aliases": ["GHSA-1"],
                "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, **part}],
            },
            {"id": "GHSA-1", "aliases": ["CVE-2999-0001"]},
            {"id": "CVE-2999-0001", "severity": [{"type": "Ubuntu", "score": severity}]},
        ]

    sides = []
    for name, severity in (("one", "low"), ("two", "high")):
        (tmp_path / name).mkdir()
        documents = [{"modified": "2023-01-01T00:00:00Z", **each} for each in joined(severity)]
        sides.append(database_file(tmp_path / name, documents))
    purl = "pkg:pypi/a@1"
    scans = []
    for side in sides:
        database = opened(side)
        scans.append(match(inventory(purl), database).vulnerabilities)
        database.close()
    assert scans[0] != scans[1]
    assert not changed(*sides).isdisjoint(keys_of(inventory(purl)))


def test_a_record_that_was_only_touched_up_changes_nothing(before: Path, tmp_path: Path) -> None:
    """OSV's records are modified for a comma: not every image is to be looked at again for it."""
    documents = [{**each, "modified": "2025-07-05T00:00:00Z"} for each in copy.deepcopy(records())]
    assert compared(before, tmp_path, documents) == (set(), set())


def test_an_ecosystem_that_comes_or_goes_touches_all_its_packages(before: Path, tmp_path: Path) -> None:
    differing, touched = compared(
        before, tmp_path, [each for each in records() if not each["id"].startswith(("RUSTSEC", "GHSA-wcg3"))]
    )
    assert {purl for purl in PURLS if purl.startswith("pkg:cargo/")} <= differing <= touched
