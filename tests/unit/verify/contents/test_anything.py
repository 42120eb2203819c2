"""Whatever stands at any place of a document: it is read or refused, and nothing else happens."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.verify.contents import cyclonedx, openvex, scans, spdx
from preverify.verify.contents.reading import opened, parsed
from support.contents import BOM, SBOMS, SPDX, VEX, VULN, VULNS, sbom
from support.predicates import compact, document

TRIVY = {
    "SchemaVersion": 2,
    "ArtifactName": "app",
    "Metadata": {"OS": {"Family": "debian", "Name": "9", "EOSL": True}},
    "Results": [
        {
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-1",
                    "VendorIDs": ["DSA-1"],
                    "PkgIdentifier": {"PURL": "pkg:npm/a@1"},
                    "FixedVersion": "2",
                    "PublishedDate": "2026-01-01T00:00:00Z",
                    "CVSS": {"nvd": {"V3Vector": "CVSS:3.1/AV:N", "V3Score": 9.8}},
                }
            ]
        }
    ],
}
GRYPE = {
    "matches": [
        {
            "vulnerability": {
                "id": "CVE-1",
                "cvss": [{"vector": "x", "metrics": {"baseScore": 1.0}}],
                "epss": [{"epss": 0.1}],
                "fix": {"versions": ["2"]},
                "knownExploited": [{}],
            },
            "relatedVulnerabilities": [{"id": "GHSA-1"}],
            "artifact": {"name": "a", "purl": "pkg:npm/a@1"},
        }
    ],
    "descriptor": {"db": {"status": {"built": "2026-01-01T00:00:00Z"}}},
}
GRAPH = {
    "@graph": [
        {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-03-01T10:00:00Z"},
        {"type": "SpdxDocument", "spdxId": "urn:d", "rootElement": ["urn:a"]},
        {
            "type": "software_Package",
            "spdxId": "urn:a",
            "name": "a",
            "externalIdentifier": [{"externalIdentifierType": "packageUrl", "identifier": "pkg:npm/a@1"}],
        },
        {
            "type": "Relationship",
            "spdxId": "urn:r",
            "relationshipType": "hasDeclaredLicense",
            "from": "urn:a",
            "to": ["urn:l"],
            "completeness": "incomplete",
        },
        {"type": "simplelicensing_LicenseExpression", "spdxId": "urn:l", "simplelicensing_licenseExpression": "MIT"},
    ]
}
NESTED = {
    **sbom("syft.cdx.json"),
    "compositions": [{"aggregate": "incomplete"}],
    "components": [
        {"type": "library", "name": "a", "licenses": [{"license": {"id": "MIT"}}], "components": [{"name": "b"}]}
    ],
}
VEXED = {
    "author": "a",
    "timestamp": "2026-01-01T00:00:00Z",
    "statements": [
        {
            "vulnerability": {"name": "CVE-1", "aliases": ["x"]},
            "products": [{"@id": "pkg:oci/a", "hashes": {"sha-256": "a"}, "subcomponents": [{"@id": "pkg:npm/a"}]}],
            "status": "fixed",
        }
    ],
}
DOCUMENTS: Mapping[str, tuple[str, Any]] = {
    "syft's cyclonedx": (BOM, sbom("syft.cdx.json")),
    "nested cyclonedx": (BOM, NESTED),
    "syft's spdx": (SPDX, sbom("syft.spdx.json")),
    "spdx 3": (SPDX, GRAPH),
    "trivy": (VULN, {**document("cosign-vuln")["predicate"], "scanner": {"uri": "x", "result": TRIVY}}),
    "grype": (VULN, {**document("cosign-vuln")["predicate"], "scanner": {"uri": "x", "result": GRYPE}}),
    "in-toto": (
        VULNS,
        {
            "scanner": {"uri": "x", "result": [{"id": "CVE-1", "severity": [{"method": "cvss", "score": "1.0"}]}]},
            "metadata": {"scanFinishedOn": "2026-01-01T00:00:00Z"},
        },
    ),
    "openvex": (VEX, VEXED),
}
READERS: Mapping[str, Any] = {
    BOM: (cyclonedx.keep, cyclonedx.inventory),
    SPDX: (spdx.keep, spdx.inventory),
    VULN: (scans.keep, lambda predicate: scans.scan(predicate, VULN)),
    VULNS: (scans.keep, lambda predicate: scans.scan(predicate, VULNS)),
    VEX: (openvex.keep, openvex.vex),
}
Path = tuple[str | int, ...]


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Yield the path to every value of a document."""
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield from places(each, (*at, name))


def changed(whole: Any, at: Path, value: Any) -> Any:
    if not at:
        return value
    whole = copy.deepcopy(whole)
    here = whole
    for step in at[:-1]:
        here = here[step]
    here[at[-1]] = value
    return whole


def read(kind: str, whole: Any) -> Any:
    keep, reader = READERS[kind]
    statement = parsed(compact({"predicate": whole}), keep)
    assert isinstance(statement, dict)
    return reader(opened(statement.get("predicate"), keep))


def is_read_or_refused(kind: str, whole: Any) -> None:
    with suppress(MalformedEvidence):
        read(kind, whole)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_themselves_are_read(name: str) -> None:
    assert read(*DOCUMENTS[name])


@pytest.mark.parametrize("value", [None, True, 1.5, "text", [], [[]], {"a": 1}, [{}]], ids=repr)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_any_value_at_any_place(name: str, value: Any) -> None:
    kind, whole = DOCUMENTS[name]
    for at in places(whole):
        is_read_or_refused(kind, changed(whole, at, value))


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data(), value=anything)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_anything_anywhere(name: str, data: st.DataObject, value: Any) -> None:
    kind, whole = DOCUMENTS[name]
    at = data.draw(st.sampled_from(sorted(places(whole), key=str)))
    is_read_or_refused(kind, changed(whole, at, value))


@given(
    st.text(
        st.sampled_from("SPDXVersion:PackageNameRelationshipExternalRef <text>/\n\r\t1.0purlpkg:npm/a"), max_size=200
    )
)
def test_any_text(text: str) -> None:
    is_read_or_refused(SPDX, text)


@given(st.lists(st.sampled_from((SBOMS / "syft.spdx").read_text().splitlines()), max_size=30))
def test_lines_of_the_text_form_in_any_order(lines: list[str]) -> None:
    is_read_or_refused(SPDX, "\n".join(lines))
