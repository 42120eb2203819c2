"""RT-12: a valid document of the right type is not yet one that may take a vulnerability away.

A VEX document counts by who signed it, about which image it is signed, which product its statement names, why it says
so, and when. Everything here is signed for real and goes through the whole pipeline.
"""

from typing import Any

import pytest

from preverify.model.digest import Digest
from support.reported import DIGEST, HOUR, IMAGE, PURL, attested, judged, openvex, report, row, says

VEX: dict[str, Any] = {"vex": {"by": {"any": ["vendor"]}}}
FOUND = ("failed", "vulnerability-found")
OTHER = Digest.of(b"another image")
SCAN = attested(report(row()))


def product(*names: str, **more: Any) -> dict[str, Any]:
    return {"products": [{"@id": name, **more} for name in names]}


def test_the_word_of_the_accepted_author_counts() -> None:
    assert judged(VEX, SCAN, attested(openvex(says()), by="ec2")) == ("passed", "ok")
    assert judged(VEX, SCAN) == FOUND


@pytest.mark.parametrize("by", ["ec1", "stranger"])
def test_nobody_elses_word_does(by: str) -> None:
    """Not that of a stranger, and not that of whoever may sign scans."""
    assert judged(VEX, SCAN, attested(openvex(says()), by=by)) == FOUND


def test_without_accepted_authors_nobody_takes_anything_away() -> None:
    for by in ("ec1", "ec2"):
        assert judged({}, SCAN, attested(openvex(says()), by=by)) == FOUND


def test_a_document_that_is_attached_to_another_image_does_not() -> None:
    assert judged(VEX, SCAN, attested(openvex(says()), by="ec2", about=OTHER)) == FOUND


@pytest.mark.parametrize(
    "changes",
    [
        product(str(OTHER)),
        product(f"pkg:oci/app@{str(OTHER).replace(':', '%3A')}"),
        product("pkg:oci/app"),
        product("pkg:oci/app?repository_url=registry.test/elsewhere/app"),
        product("pkg:oci/app?tag=latest"),
        product("pkg:deb/debian/openssl@3.0.2-1"),
        product("pkg:deb/ubuntu/openssl"),
        product("*"),
        product(str(DIGEST), subcomponents=[{"@id": "pkg:deb/debian/zlib"}]),
        {"products": []},
    ],
)
def test_a_statement_about_another_product_does_not(changes: dict[str, Any]) -> None:
    assert judged(VEX, SCAN, attested(openvex(says(**changes)), by="ec2")) == FOUND


@pytest.mark.parametrize(
    "changes",
    [
        product(str(DIGEST)),
        product(f"pkg:oci/x@{str(DIGEST).replace(':', '%3A')}"),
        product(
            f"pkg:oci/{IMAGE.subject.repository.path.rpartition('/')[2]}?repository_url={IMAGE.subject.repository}"
        ),
        product(PURL),
        product("pkg:deb/debian/openssl"),
        product(str(DIGEST), subcomponents=[{"@id": PURL}]),
    ],
)
def test_a_statement_about_this_one_does(changes: dict[str, Any]) -> None:
    assert judged(VEX, SCAN, attested(openvex(says(**changes)), by="ec2")) == ("passed", "ok")


@pytest.mark.parametrize(
    "changes",
    [
        {"justification": ""},
        {"justification": None},
        {"justification": "", "impact_statement": "it is fine"},
        {"status": "affected"},
        {"status": "under_investigation"},
        {"vulnerability": {"name": "CVE-2026-11"}},
    ],
)
def test_a_statement_that_says_something_else_or_does_not_say_why_does_not(changes: dict[str, Any]) -> None:
    assert judged(VEX, SCAN, attested(openvex(says(**changes)), by="ec2")) == FOUND


def test_an_older_word_never_overrules_a_newer_one() -> None:
    old, new = openvex(says(age=5 * HOUR)), openvex(says("affected", age=2 * HOUR))
    for documents in ((old, new), (new, old)):
        assert judged(VEX, SCAN, *(attested(each, by="ec2") for each in documents)) == FOUND
    both = openvex(says("affected", age=2 * HOUR), says(age=5 * HOUR))
    assert judged(VEX, SCAN, attested(both, by="ec2")) == FOUND
    again = openvex(says(age=HOUR))
    assert judged(VEX, SCAN, attested(both, by="ec2"), attested(again, by="ec2")) == ("passed", "ok")


def test_what_is_dated_in_the_future_is_not_said_yet() -> None:
    assert judged(VEX, SCAN, attested(openvex(says(age=-2 * HOUR)), by="ec2")) == FOUND


def test_an_advisory_about_two_is_not_gone_with_one_of_them() -> None:
    scan = attested(report(row("DSA-1", VendorIDs=["CVE-2026-1", "CVE-2026-2"])))
    one, two = attested(openvex(says()), by="ec2"), attested(openvex(says("fixed", "CVE-2026-2")), by="ec2")
    assert judged(VEX, scan, one) == judged(VEX, scan, two) == FOUND
    assert judged(VEX, scan, one, two) == ("passed", "ok")
