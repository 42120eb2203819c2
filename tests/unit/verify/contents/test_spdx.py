"""What is read of SPDX: JSON of version 2, its text form, and the graph of version 3."""

from typing import Any

import pytest

from preverify.model.contents import Component
from preverify.model.errors import MalformedEvidence
from preverify.verify.predicates import read_predicate
from support.contents import SBOMS, SPDX, content, contents, sbom
from support.predicates import compact

PACKAGES = [
    ("@babel/core", "7.0.0", "pkg:npm/%40babel/core@7.0.0", ("(MIT OR GPL-2.0-only)",)),
    ("event-stream", "3.3.6", "pkg:npm/event-stream@3.3.6", ("MIT",)),
    (
        "openssl",
        "3.0.11-1~deb12u2",
        "pkg:deb/debian/openssl@3.0.11-1~deb12u2",
        ("Apache-2.0 AND GPL-2.0-or-later",),
    ),
    ("requests", "2.31.0", "pkg:pypi/requests@2.31.0", ("LicenseRef-Apache-2.0",)),
    ("zlib1g", "1:1.2.13.dfsg-1", "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1", ()),
]
DESCRIBES = {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-i"}


def doc(*packages: Any, **more: Any) -> dict[str, Any]:
    return {"spdxVersion": "SPDX-2.3", "packages": list(packages), **more}


def package(name: str, **more: Any) -> dict[str, Any]:
    return {"SPDXID": f"SPDXRef-{name}", "name": name, **more}


@pytest.mark.parametrize("name", ["syft.spdx.json", "syft.spdx"])
def test_what_syft_wrote(name: str) -> None:
    read = content(SPDX, sbom(name) if name.endswith("json") else (SBOMS / name).read_text())
    assert (read.format, read.version, read.distribution, read.incomplete) == ("spdx", "SPDX-2.3", "debian-12", "")
    assert f"{read.created:%Y}" == "2026"
    found = [(each.name, each.version, each.purl.partition("?")[0], each.licenses) for each in read.components]
    assert sorted(found) == PACKAGES


def test_documents_in_old_wrappings_and_as_text() -> None:
    whole = sbom("syft.spdx.json")
    expected = content(SPDX, whole)
    assert content(SPDX, {"Data": whole, "Timestamp": "2022-01-01T00:00:00Z"}) == expected
    assert content(SPDX, {"Data": (SBOMS / "syft.spdx.json").read_text()}) == expected


@pytest.mark.parametrize(
    ("concluded", "declared", "read"),
    [
        ("MIT", "Apache-2.0", ("MIT",)),
        ("NOASSERTION", "Apache-2.0", ("Apache-2.0",)),
        ("NONE", "NOASSERTION", ()),
        (None, None, ()),
    ],
)
def test_licenses(concluded: str | None, declared: str | None, read: tuple[str, ...]) -> None:
    whole = doc(package("a", licenseConcluded=concluded, licenseDeclared=declared))
    assert content(SPDX, whole).components == (Component(name="a", licenses=read),)


@pytest.mark.parametrize(
    "how",
    [
        {"relationships": [DESCRIBES]},
        {"relationships": [{**DESCRIBES, "relationshipType": "CONTAINS"}, DESCRIBES]},
        {
            "relationships": [
                {
                    "spdxElementId": "SPDXRef-i",
                    "relationshipType": "DESCRIBED_BY",
                    "relatedSpdxElement": "SPDXRef-DOCUMENT",
                }
            ]
        },
        {"documentDescribes": ["SPDXRef-i"]},
    ],
)
def test_the_image_itself_is_left_out(how: dict[str, Any]) -> None:
    purl = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:oci/app@sha256:1"}
    for image in (package("i", primaryPackagePurpose="CONTAINER"), package("i", externalRefs=[purl])):
        assert [each.name for each in content(SPDX, doc(package("a"), image, **how)).components] == ["a"]
        assert [each.name for each in content(SPDX, doc(package("a"), image)).components] == ["a", "i"]
    # What is described, but is no image, is a component: else a document could hide whatever it contains.
    assert [each.name for each in content(SPDX, doc(package("i"), **how)).components] == ["i"]


def test_what_is_no_package_is_left_out() -> None:
    refs = [
        {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:b"},
        {"referenceCategory": "PACKAGE_MANAGER", "referenceType": "purl", "referenceLocator": "pkg:npm/a@1"},
    ]
    listing = {"annotator": "Tool: trivy", "annotationType": "OTHER", "comment": "Class: lang-pkgs"}
    other = {**listing, "comment": "Type: npm"}
    whole = doc(
        package("debian", versionInfo="12", primaryPackagePurpose="OPERATING-SYSTEM"),
        package("a", externalRefs=refs),
        package("package-lock.json", annotations=[listing, other]),
        package("Gemfile.lock", attributionTexts=["Class: lang-pkgs"]),
        package("b", annotations=[other]),
        files=[{"fileName": "/etc/passwd", "SPDXID": "SPDXRef-f"}],
        snippets=[{"snippetFromFile": "SPDXRef-f"}],
    )
    read = content(SPDX, whole)
    assert read.distribution == "debian-12"
    assert [(each.name, each.purl) for each in read.components] == [("a", "pkg:npm/a@1"), ("b", "")]


def test_no_package_url_hides_behind_another() -> None:
    refs = [{"referenceType": "purl", "referenceLocator": f"pkg:npm/{name}@1"} for name in ("good", "evil", "good")]
    whole = doc(package("a", externalRefs=refs))
    assert [each.purl for each in content(SPDX, whole).components] == ["pkg:npm/good@1", "pkg:npm/evil@1"]
    other = {"externalIdentifierType": "packageUrl", "identifier": "pkg:npm/evil@1"}
    both = element("software_Package", "a", software_packageUrl="pkg:npm/good@1", externalIdentifier=[other])
    assert [each.purl for each in content(SPDX, graph(both)).components] == ["pkg:npm/good@1", "pkg:npm/evil@1"]


@pytest.mark.parametrize(
    ("kind", "to", "read"),
    [
        ("CONTAINS", "NOASSERTION", "SPDXRef-i CONTAINS NOASSERTION"),
        ("DEPENDS_ON", "NOASSERTION", "SPDXRef-i DEPENDS_ON NOASSERTION"),
        ("DESCRIBES", "NOASSERTION", ""),
        ("CONTAINS", "NONE", ""),
    ],
)
def test_what_a_document_says_is_missing(kind: str, to: str, read: str) -> None:
    link = {"spdxElementId": "SPDXRef-i", "relationshipType": kind, "relatedSpdxElement": to}
    assert content(SPDX, doc(package("i"), relationships=[link])).incomplete == read
    text = f"SPDXVersion: SPDX-2.3\nPackageName: i\nRelationship: SPDXRef-i {kind} {to}\n"
    assert content(SPDX, text).incomplete == read


TAGS = """SPDXVersion: SPDX-2.2
Created: 2026-03-01T10:00:00Z
DocumentComment: <text>
PackageName: no package
</text>
FileName: ./a
SPDXID: SPDXRef-f
PackageName: app
SPDXID: SPDXRef-i
PrimaryPackagePurpose: CONTAINER
PackageName: openssl
SPDXID: SPDXRef-1
PackageVersion: 3.0.1
PackageVersion: 9
ExternalRef: SECURITY cpe23Type cpe:2.3:a
ExternalRef: PACKAGE_MANAGER purl pkg:deb/debian/openssl@3.0.1
ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/other@3.0.1
PackageLicenseConcluded: NOASSERTION
PackageLicenseDeclared: Apache-2.0
FileName: ./b
PackageVersion: 8
PackageName: zlib
SnippetSPDXID: SPDXRef-s
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-i
Relationship: SPDXRef-DOCUMENT DESCRIBES
Relationship: SPDXRef-i CONTAINS SPDXRef-1
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_text_form(end: str) -> None:
    read = content(SPDX, TAGS.replace("\n", end))
    assert read.components == (
        Component(name="openssl", version="3.0.1", purl="pkg:deb/debian/openssl@3.0.1", licenses=("Apache-2.0",)),
        Component(name="openssl", version="3.0.1", purl="pkg:deb/debian/other@3.0.1", licenses=("Apache-2.0",)),
        Component(name="zlib"),
    )
    assert (read.version, f"{read.created:%F}") == ("SPDX-2.2", "2026-03-01")
    bare = content(SPDX, "SPDXVersion: SPDX-2.3\nPackageName: a\n")
    assert (bare.components, bare.created) == ((Component(name="a"),), None)


def test_a_text_block_without_end_is_refused() -> None:
    """Looking for the end of each beginning up to the end of the document took hours."""
    text = "SPDXVersion: SPDX-2.3\n" + "<text>" * 100_000
    with pytest.raises(MalformedEvidence, match="<text> without </text>"):
        read_predicate(SPDX, compact({"predicateType": SPDX, "predicate": text}))


def test_a_line_of_blanks_costs_nothing() -> None:
    """A pattern that cut blanks off the end tried each of them as the beginning of the end."""
    text = f"SPDXVersion: SPDX-2.3 \t\r\nPackageName: a{' ' * 500_000}b\nRelationship:{' ' * 500_000}x\n"
    read = content(SPDX, text)
    assert (read.version, [each.name for each in read.components]) == ("SPDX-2.3", [f"a{' ' * 500_000}b"])


@pytest.mark.parametrize(
    "whole",
    [
        doc({"SPDXID": "SPDXRef-1"}),
        doc(package("a", externalRefs=[{"referenceType": "purl", "referenceLocator": 1}])),
        doc(package("a", VersionInfo="1")),
        doc(package("a"), documentDescribes=[1]),
        doc(package("a"), relationships=["none"]),
        "SPDXVersion: SPDX-2.3\nPackageName:\n",
        "SPDXVersion: SPDX-2.3\nPackageName: <text>a</text>\n",
    ],
)
def test_what_has_not_the_shape_is_not_read(whole: Any) -> None:
    assert contents(SPDX, whole) == {}


CREATION = {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-03-01T10:00:00Z"}


def element(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "spdxId": f"urn:{name}", "creationInfo": "_:c", "name": name, **more}


def link(kind: str, of: str, to: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "Relationship",
        "spdxId": f"urn:{kind}-{of}-{to}",
        "relationshipType": kind,
        "from": f"urn:{of}",
        "to": [to if ":" in to else f"urn:{to}"],
        **more,
    }


def graph(*elements: Any) -> dict[str, Any]:
    return {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [CREATION, *elements]}


def expression(name: str, text: str) -> dict[str, Any]:
    return element("simplelicensing_LicenseExpression", name, simplelicensing_licenseExpression=text)


def test_the_graph_of_version_3() -> None:
    purl = [
        {"type": "ExternalIdentifier", "externalIdentifierType": "cpe23", "identifier": "cpe:2.3:a"},
        {"type": "ExternalIdentifier", "externalIdentifierType": "packageUrl", "identifier": "pkg:npm/b@2"},
    ]
    whole = graph(
        element("SpdxDocument", "doc", rootElement=["urn:sbom"]),
        element("software_Sbom", "sbom", rootElement=["urn:image"]),
        element("software_Package", "image", software_primaryPurpose="container"),
        element("software_Package", "debian", software_packageVersion="12", software_primaryPurpose="operatingSystem"),
        element("software_Package", "a", software_packageVersion="1", software_packageUrl="pkg:npm/a@1"),
        element("software_Package", "b", externalIdentifier=purl),
        element("ai_AIPackage", "model"),
        {"@type": "dataset_DatasetPackage", "@id": "urn:data", "name": "data"},
        element("software_Package", "list", software_primaryPurpose="file"),
        element("software_File", "file"),
        expression("x", "MIT OR Apache-2.0"),
        link("hasConcludedLicense", "a", "x"),
        link("hasDeclaredLicense", "a", "y"),
        link("hasConcludedLicense", "b", "https://spdx.org/rdf/3.0.1/terms/Licensing/NoAssertion"),
        link("hasDeclaredLicense", "b", "https://spdx.org/licenses/MIT"),
        link("hasDeclaredLicense", "model", "https://spdx.org/licenses/MIT"),
        link("hasDeclaredLicense", "model", "x"),
        link("contains", "image", "a", completeness="complete"),
    )
    read = content(f"{SPDX}/v3.0", whole)
    assert (read.version, f"{read.created:%F}", read.distribution, read.incomplete) == (
        "SPDX-3.0.1",
        "2026-03-01",
        "debian-12",
        "",
    )
    assert read.components == (
        Component(name="a", version="1", purl="pkg:npm/a@1", licenses=("MIT OR Apache-2.0",)),
        Component(name="b", purl="pkg:npm/b@2", licenses=("MIT",)),
        Component(name="model", licenses=("(MIT) AND (MIT OR Apache-2.0)",)),
        Component(name="data"),
    )


def test_a_graph_says_what_is_missing() -> None:
    whole = graph(element("software_Package", "a"), link("contains", "a", "b", completeness="incomplete"))
    assert content(SPDX, whole).incomplete == "contains of urn:a"


@pytest.mark.parametrize(
    "elements",
    [
        [{"type": "software_Package", "spdxId": "urn:a", "creationInfo": "_:c"}],
        [element("SpdxDocument", "doc", rootElement="urn:sbom")],
        [element("software_Package", "a", Software_packageUrl="pkg:npm/a@1")],
    ],
)
def test_a_graph_that_has_not_the_shape_is_not_read(elements: list[Any]) -> None:
    assert contents(SPDX, graph(*elements)) == {}


@pytest.mark.parametrize(
    "whole",
    [
        doc(package("a"), package("b"), package("c")),
        "SPDXVersion: SPDX-2.3\nPackageName: a\nPackageName: b\nPackageName: c\n",
        graph(*(element("software_Package", name) for name in "abc")),
    ],
)
def test_too_many_packages_are_not_read(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_ENTRIES", 3)
    assert len(content(SPDX, whole).components) == 3
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_ENTRIES", 2)
    assert contents(SPDX, whole) == {}
