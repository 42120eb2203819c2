"""Keys of documents and of differences: what two databases answer differently is found, and nothing else is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from preverify.model.contents import Component, Inventory, Scan, Vex, Vulnerability
from preverify.scanners.database.building import build
from preverify.scanners.database.changes import changed, keys_of
from support.vulnerabilities import BUILT_AT, zipped

PYPI = {
    "id": "X-1",
    "modified": "2023-01-01T00:00:00Z",
    "aliases": ["CVE-2999-0001"],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Some.Name"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}],
        }
    ],
}


def made(directory: Path, name: str, *documents: dict[str, Any], **more: Any) -> Path:
    zipped(directory / f"{name}.zip", list(documents))
    out = directory / f"{name}.db"
    build([directory / f"{name}.zip"], out=out, **{"kev": None, "epss": None, "now": BUILT_AT, **more})
    return out


def test_a_bill_of_materials_is_looked_up_by_packages_and_ecosystems() -> None:
    inventory = Inventory(
        format="spdx",
        components=(
            Component(name="x", purl="pkg:pypi/Some.Name@1"),
            Component(name="x", purl="pkg:pypi/some-name@2"),
            Component(name="y", purl="pkg:deb/debian/libssl3@3.0?distro=debian-12&upstream=openssl"),
            Component(name="no purl"),
        ),
    )
    keys = keys_of(inventory)
    assert len(keys) == len(set(keys))
    assert {"PyPI/", "PyPI/some-name", "Debian/", "Debian/openssl"} <= set(keys)


def test_a_scan_is_looked_up_by_its_vulnerabilities_and_a_vex_document_by_nothing() -> None:
    scan = Scan(scanner="s", vulnerabilities=(Vulnerability(id="CVE-2999-0001", aliases=("GHSA-1",)),))
    assert set(keys_of(scan)) == {"vulnerability/CVE-2999-0001", "vulnerability/GHSA-1"}
    assert keys_of(Vex(author="a")) == ()


def test_the_same_records_answer_the_same_whenever_they_were_put_together(tmp_path: Path) -> None:
    one = made(tmp_path, "one", PYPI)
    assert changed(one, made(tmp_path, "two", PYPI, now=BUILT_AT + timedelta(days=1))) == frozenset()


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        (
            {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"}]},
            {"PyPI/some-name"},
        ),
        ({"published": "2022-01-01T00:00:00Z"}, {"PyPI/some-name", "vulnerability/CVE-2999-0001"}),
        ({"aliases": ["CVE-2999-0002"]}, {"vulnerability/CVE-2999-0001", "vulnerability/CVE-2999-0002"}),
        (
            {"affected": [{"package": {"ecosystem": "PyPI", "name": "other"}, "versions": ["1"]}]},
            {"PyPI/some-name", "PyPI/other"},
        ),
        (
            {"affected": [{"package": {"ecosystem": "npm", "name": "other"}, "versions": ["1"]}]},
            {"npm/", "PyPI/", "npm/other"},
        ),
        ({"withdrawn": "2023-02-01T00:00:00Z", "id": "X-2"}, set()),
    ],
)
def test_a_difference_is_found_in_either_direction(tmp_path: Path, change: dict[str, Any], keys: set[str]) -> None:
    one, two = made(tmp_path, "one", PYPI), made(tmp_path, "two", *([PYPI] if not keys else []), {**PYPI, **change})
    assert changed(one, two) >= keys
    assert changed(one, two) == changed(two, one)
    assert bool(changed(one, two)) is bool(keys)


def test_scores_touch_the_vulnerability_and_the_packages_that_have_it(tmp_path: Path) -> None:
    scores = tmp_path / "epss.csv"
    scores.write_text(
        "#model_version:v1,score_date:2023-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-2999-0001,0.5,0.9\n"
    )
    one, two = made(tmp_path, "one", PYPI), made(tmp_path, "two", PYPI, epss=scores)
    assert changed(one, two) == {"vulnerability/CVE-2999-0001", "vulnerability/X-1", "PyPI/some-name"}
