"""Which documents are read: those of attestations that hold, of the kinds that somebody needs, from the right bytes."""

import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from preverify.model.contents import Component, Inventory, Scan, Vex
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Flaw, Format
from preverify.model.findings import Claim, Finding
from preverify.model.needs import OF_CONTENTS, Need
from preverify.model.reasons import Reason
from preverify.verify.contents import content_names, inventory_of, read_contents
from support.contents import BOM, IMAGE, SBOMS, SPDX, VEX, VULN, VULNS, attested, contents, sbom
from support.predicates import compact, document, minimal
from support.signed import (
    attestation,
    b64,
    bundle,
    bundled,
    envelope,
    evidence,
    image,
    key,
    sign,
    statement,
    verify,
    with_body,
)


def of(case: str) -> tuple[tuple[Evidence, ...], tuple[Finding, ...]]:
    found = evidence(case)
    return found, verify(image(case), found, [key("ec1")])


@pytest.mark.parametrize("case", ["legacy-att-spdxjson", "bundle-att-spdxjson"])
def test_reads_what_cosign_attached(case: str) -> None:
    found, findings = of(case)
    read = read_contents(found, findings, OF_CONTENTS)
    assert {type(each) for each in read.values()} == {Inventory, Scan, Vex}
    by_kind = {finding.statement: finding.predicate_type for finding in findings if finding.established}
    assert read.keys() <= by_kind.keys()
    assert [len(each.components) for each in read.values() if isinstance(each, Inventory)] == [1, 1]


@pytest.mark.parametrize(
    ("need", "kind"), [(Need.INVENTORY, Inventory), (Need.SCAN, Scan), (Need.VEX, Vex), (Need.CONFIG, None)]
)
def test_reads_only_what_somebody_needs(need: Need, kind: type | None) -> None:
    read = read_contents(*of("legacy-att-spdxjson"), frozenset({need}))
    assert {type(each) for each in read.values()} == ({kind} if kind else set())
    assert read_contents(*of("legacy-att-spdxjson"), frozenset()) == {}


def test_what_nobody_trusted_signed_is_not_read() -> None:
    found = evidence("legacy-att-spdxjson")
    findings = verify(image("legacy-att-spdxjson"), found, [key("stranger")])
    assert read_contents(found, findings, OF_CONTENTS) == {}


def test_only_bytes_that_the_finding_names_are_read() -> None:
    piece, (finding,) = attested(BOM, sbom("syft.cdx.json"))
    assert finding.statement in read_contents([piece], [finding], OF_CONTENTS)
    assert read_contents([], [finding], OF_CONTENTS) == {}
    other, _ = attested(BOM, {**sbom("syft.cdx.json"), "components": []})
    swapped = with_body(piece, other.body)
    assert read_contents([swapped], [replace(finding, evidence=swapped.id)], OF_CONTENTS) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"", "flaw": Flaw(reason=Reason.TOO_LARGE, detail="")},
        {"body": b"not JSON"},
        {"format": Format.COSIGN_SIGNATURE},
        {"format": Format.SIGSTORE_BUNDLE},
    ],
)
def test_evidence_of_another_form_is_not_read(change: dict[str, Any]) -> None:
    piece, (finding,) = attested(BOM, sbom("syft.cdx.json"))
    changed = replace(piece, **change)
    assert read_contents([changed], [replace(finding, evidence=changed.id)], OF_CONTENTS) == {}


def test_a_bundle_that_signs_a_file_holds_no_statement() -> None:
    piece = bundled(bundle({"messageSignature": {"signature": b64(sign("ec1", IMAGE.manifest))}}))
    assert [finding.established for finding in verify(IMAGE, [piece], [key("ec1")])] == [True]
    _, (finding,) = attested(BOM, sbom("syft.cdx.json"))
    assert read_contents([piece], [replace(finding, evidence=piece.id)], OF_CONTENTS) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"claim": Claim.SIGNATURE},
        {"claim": Claim.REPORT},
        {"reason": Reason.WRONG_KEY},
        {"predicate_type": "https://slsa.dev/provenance/v1"},
        {"predicate_type": "https://acme.test/unknown"},
        {"predicate_type": SPDX},
    ],
)
def test_findings_of_another_kind_are_not_read(change: dict[str, Any]) -> None:
    piece, (finding,) = attested(BOM, sbom("syft.cdx.json"))
    assert read_contents([piece], [replace(finding, **change)], OF_CONTENTS) == {}


def test_a_statement_is_read_once_however_many_stand_for_it() -> None:
    whole = statement(IMAGE.subject.digest, BOM, predicate=sbom("syft.cdx.json"))
    piece = attestation(envelope(whole, ("ec1", "ec2")))
    findings = verify(IMAGE, [piece], [key("ec1"), key("ec2")])
    assert [finding.established for finding in findings] == [True, True]
    assert len(read_contents([piece], findings, OF_CONTENTS)) == 1
    # The same of one that cannot be read: nothing comes of either.
    broken = attestation(envelope({**whole, "predicate": {**minimal(BOM), "components": [{}]}}, ("ec1", "ec2")))
    failing = verify(IMAGE, [broken], [key("ec1"), key("ec2")])
    assert [finding.established for finding in failing] == [True, True]
    assert read_contents([broken], failing, OF_CONTENTS) == {}


def test_both_attachments_of_one_statement_are_as_good() -> None:
    whole = statement(IMAGE.subject.digest, BOM, predicate=sbom("syft.cdx.json"))
    good = attestation(envelope(whole))
    (finding,) = verify(IMAGE, [good], [key("ec1")])
    gone = replace(good, index=1, body=b"")
    findings = [replace(finding, evidence=gone.id), finding]
    assert read_contents([gone, good], findings, OF_CONTENTS).keys() == {finding.statement}


@pytest.mark.parametrize("kind", [SPDX, f"{SPDX}/v2.3", BOM, f"{BOM}/v1.6", VULNS, VEX])
def test_the_least_predicate_is_an_empty_document(kind: str) -> None:
    (read,) = contents(kind, minimal(kind)).values()
    assert isinstance(read, Inventory | Scan | Vex)


def test_another_scanners_own_output_is_not_read() -> None:
    assert contents(VULN, minimal(VULN)) == {}


def test_reads_bare_documents_of_both_formats() -> None:
    for name, form in (("syft.cdx.json", "cyclonedx"), ("syft.spdx.json", "spdx")):
        read = inventory_of((SBOMS / name).read_bytes())
        assert (read.format, read.distribution, len(read.components)) == (form, "debian-12", 5)
    assert inventory_of(b'{"spdxVersion": "SPDX-2.3"}') == Inventory(format="spdx", version="SPDX-2.3")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[1]",
        '{"a": 1}',
        '{"@graph": []}',
        '{"bomFormat": "x"}',
        '"text"',
        '[{"bomFormat": "CycloneDX"}]',
        "{",
    ],
)
def test_refuses_bare_documents_of_no_format(text: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        inventory_of(text.encode())
    assert caught.value.reason is Reason.STATEMENT_MALFORMED


@pytest.mark.parametrize(("name", "members"), [("syft.cdx.json", "components"), ("syft.spdx.json", "packages")])
def test_a_large_document_costs_little_more_than_its_text(name: str, members: str) -> None:
    whole = sbom(name)
    one = json.dumps(next(each for each in whole[members] if "openssl" in each["name"]))
    whole[members] = [json.loads(one.replace("openssl", f"p{i}")) for i in range(2000)]
    data = compact(whole)
    assert len(data) > 1024 * 1024
    del whole
    tracemalloc.start()
    read = inventory_of(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read.components) == 2000
    assert peak < 3 * len(data)


def test_a_flood_of_small_objects_is_refused_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    document = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [' + b'{"name":"a"},' * 98 + b"{}]}"
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_KEPT", 99)
    with pytest.raises(MalformedEvidence, match="name is missing"):
        inventory_of(document)
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_KEPT", 98)
    with pytest.raises(MalformedEvidence, match="more than 98 objects") as caught:
        inventory_of(document)
    assert caught.value.reason is Reason.TOO_LARGE


def test_a_flood_of_empty_values_is_refused_before_anything_is_made_of_it() -> None:
    flood = b'{"bomFormat": "CycloneDX", "components": [' + b"{}," * 8_000_000 + b"{}]}"
    tracemalloc.start()
    with pytest.raises(MalformedEvidence, match="more than 8000000 elements"):
        inventory_of(flood)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(flood)


def test_names_what_would_be_read_without_reading_it() -> None:
    piece, (finding,) = attested(BOM, sbom("syft.cdx.json"))
    own = replace(finding, claim=Claim.REPORT, statement="r" * 64)
    broken = replace(own, reason=Reason.STATEMENT_MALFORMED, statement="b" * 64)
    findings = (finding, own, broken, replace(finding, reason=Reason.WRONG_KEY, statement="w" * 64))
    assert content_names(findings, OF_CONTENTS) == read_contents([piece], findings, OF_CONTENTS).keys()
    assert content_names(findings, frozenset({Need.MATCHES})) == {own.statement}
    assert content_names(findings, frozenset({Need.SCANNER, Need.INVENTORY})) == {own.statement, finding.statement}
    assert content_names(findings, frozenset({Need.CONFIG})) == frozenset()


def test_component_of_a_recorded_statement() -> None:
    (read,) = contents(SPDX, document("cosign-spdx")["predicate"]).values()
    assert isinstance(read, Inventory)
    assert read.components == (
        Component(name="openssl", version="3.0.1", purl="pkg:deb/debian/openssl@3.0.1", licenses=("Apache-2.0",)),
    )
