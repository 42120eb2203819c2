"""What this daemon made itself: read back as written, established by its maker, never signed by anybody."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from preverify.model.contents import Scan, Severity, Vulnerability
from preverify.model.digest import Digest
from preverify.model.evidence import Format, Image, Place
from preverify.model.findings import Claim, Step
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.trust import Trust
from preverify.verify import verify
from preverify.verify.formats import own_reports

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ABOUT = Digest.of(b"{}")
IMAGE = Image(subject=Subject(Repository("registry.example", "a"), ABOUT), manifest=b"{}", media_type="m")
SCAN = Scan(
    scanner="preverify",
    database="sha256:1",
    database_at=NOW,
    vulnerabilities=(Vulnerability(id="CVE-1", severity=Severity.HIGH, published=NOW, fixed_in=("2",)),),
    of="11",
)
SBOM = b'{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","version":"1"}]}'


def test_matches_come_back_as_they_were_written() -> None:
    evidence = own_reports.matches(SCAN, ABOUT, made_by="database sha256:1")
    assert own_reports.content_of(evidence) == SCAN
    assert own_reports.matches(SCAN, ABOUT, made_by="database sha256:1") == evidence
    assert own_reports.read_reports([evidence]) == {evidence.digest.hex: SCAN}


def test_a_report_is_established_by_its_maker_and_signed_by_nobody() -> None:
    for evidence in (
        own_reports.matches(SCAN, ABOUT, made_by="database sha256:1"),
        own_reports.sbom(SBOM, ABOUT, made_by="database sha256:1"),
    ):
        (finding,) = verify(IMAGE, (evidence,), (), trust=Trust(), now=NOW)
        assert (finding.claim, finding.step, finding.reason) == (Claim.REPORT, Step.ESTABLISHED, Reason.OK)
        assert (finding.signer, finding.statement) == ("database sha256:1", evidence.digest.hex)
        assert evidence.place is Place.SCANNER


def test_a_bill_of_materials_is_read_like_any_other() -> None:
    evidence = own_reports.sbom(SBOM, ABOUT, made_by="syft")
    (inventory,) = own_reports.read_reports([evidence]).values()
    assert [c.name for c in inventory.components] == ["a"]


@pytest.mark.parametrize("form", [Format.SCANNER_SBOM, Format.MATCHES])
def test_what_is_not_what_we_write_establishes_nothing(form: Format) -> None:
    make = own_reports.sbom if form is Format.SCANNER_SBOM else own_reports.matches
    good = make(SBOM if form is Format.SCANNER_SBOM else SCAN, ABOUT, made_by="x")
    bad = replace(good, body=b"[]")
    (finding,) = verify(IMAGE, (bad,), (), trust=Trust(), now=NOW)
    assert (finding.claim, finding.step, finding.reason) == (Claim.REPORT, Step.OBTAINED, Reason.STATEMENT_MALFORMED)
    assert own_reports.read_reports([bad]) == {}


@pytest.mark.parametrize("body", [b'{"\xe7', b'{"scanner":"\xff"}', b'{"x":' + b"[" * 100_000, b"", b'{"scanner":7}'])
def test_matches_that_are_damaged_in_any_way_establish_nothing(body: bytes) -> None:
    """Found by the fuzz run: text that is not UTF-8 has an error of its own."""
    good = own_reports.matches(SCAN, ABOUT, made_by="x")
    bad = replace(good, body=body)
    (finding,) = verify(IMAGE, (bad,), (), trust=Trust(), now=NOW)
    assert finding.reason is Reason.STATEMENT_MALFORMED
