"""What is read of CycloneDX."""

from typing import Any

import pytest

from preverify.model import contents as model
from preverify.model.contents import Component
from support.contents import BOM, content, contents, sbom

SYSTEM = {"type": "operating-system", "name": "debian", "version": "12"}


def bom(*components: Any, **more: Any) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components), **more}


def library(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "library", "name": name, **more}


def test_what_syft_wrote() -> None:
    read = content(BOM, sbom("syft.cdx.json"))
    assert (read.format, read.version, read.distribution, read.incomplete) == ("cyclonedx", "1.6", "debian-12", "")
    assert f"{read.created:%Y}" == "2026"
    npm, debian = "pkg:npm/", "pkg:deb/debian/"
    assert [(each.name, each.version, each.purl.partition("?")[0], each.licenses) for each in read.components] == [
        ("@babel/core", "7.0.0", f"{npm}%40babel/core@7.0.0", ("MIT OR GPL-2.0-only",)),
        ("event-stream", "3.3.6", f"{npm}event-stream@3.3.6", ("MIT",)),
        ("openssl", "3.0.11-1~deb12u2", f"{debian}openssl@3.0.11-1~deb12u2", ("Apache-2.0", "GPL-2.0-or-later")),
        ("requests", "2.31.0", "pkg:pypi/requests@2.31.0", ("Apache 2.0",)),
        ("zlib1g", "1:1.2.13.dfsg-1", f"{debian}zlib1g@1:1.2.13.dfsg-1", ()),
    ]


def test_nested_components_count_and_the_image_does_not() -> None:
    inner = library("b", components=[library("c", version="1")])
    whole = bom(library("a", components=[inner]), library("d"), metadata={"component": library("image")})
    assert [each.name for each in content(BOM, whole).components] == ["a", "b", "c", "d"]
    whole["metadata"]["component"]["components"] = [library("x", components=[library("y")])]
    assert [each.name for each in content(BOM, whole).components] == ["x", "y", "a", "b", "c", "d"]


def test_a_bill_without_components_is_empty() -> None:
    read = content(BOM, {"bomFormat": "CycloneDX", "specVersion": "1.5"})
    assert (read.components, read.created, read.version) == ((), None, "1.5")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([{"license": {"id": "MIT"}}, {"license": {"name": "Foo"}}], ("MIT", "Foo")),
        ([{"expression": "MIT OR Apache-2.0"}], ("MIT OR Apache-2.0",)),
        ([{"license": {"id": "MIT"}}, {"license": {"url": "https://acme.test"}}], ("MIT", "NOASSERTION")),
        ([{"license": {"id": "MIT", "text": {"content": "x"}, "properties": [{"name": "a", "value": "b"}]}}], ("MIT",)),
        ([], ()),
    ],
)
def test_licenses(written: list[Any], read: tuple[str, ...]) -> None:
    (component,) = content(BOM, bom(library("a", licenses=written))).components
    assert component == Component(name="a", licenses=read)


def test_what_is_no_package_is_left_out() -> None:
    whole = bom(
        SYSTEM,
        {**SYSTEM, "version": "11"},
        {"type": "file", "name": "/etc/passwd", "hashes": [{"alg": "SHA-1", "content": "00"}]},
        {"type": "file", "name": "tool", "purl": "pkg:generic/tool@1"},
        library("package-lock.json", properties=[{"name": "aquasecurity:trivy:Class", "value": "lang-pkgs"}]),
        library("jar", purl="pkg:maven/a/b@1", properties=[{"name": "aquasecurity:trivy:Class", "value": "lang-pkgs"}]),
        library("other", properties=[{"name": "aquasecurity:trivy:PkgType", "value": "npm"}]),
    )
    read = content(BOM, whole)
    assert read.distribution == "debian-12"
    assert [each.name for each in read.components] == ["debian", "tool", "jar", "other"]


@pytest.mark.parametrize(
    ("purls", "read"),
    [
        (["pkg:deb/debian/a@1?distro=debian-12&arch=x"], "debian-12"),
        (["pkg:deb/debian/a@1?distro=debian-12", "pkg:deb/debian/b@1?distro=debian-11"], ""),
        (["pkg:deb/debian/a@1?arch=x&distro=opensuse%2Dleap-15.5"], "opensuse-leap-15.5"),
        (["pkg:npm/a@1"], ""),
        ([], ""),
    ],
)
def test_the_distribution_out_of_purls(purls: list[str], read: str) -> None:
    whole = bom(*(library(f"a{i}", purl=each) for i, each in enumerate(purls)))
    assert content(BOM, whole).distribution == read


def test_a_distribution_without_version() -> None:
    assert content(BOM, bom({"type": "operating-system", "name": "arch"})).distribution == "arch"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ([{"aggregate": "complete"}, {"aggregate": "incomplete_third_party_only"}], "incomplete_third_party_only"),
        ([{"aggregate": "incomplete", "assemblies": ["a"]}], "incomplete"),
        ([{"aggregate": "unknown"}], "unknown"),
        ([{"aggregate": "complete"}, {"aggregate": "not_specified"}], ""),
        ([], ""),
    ],
)
def test_what_a_document_says_is_missing(said: list[Any], read: str) -> None:
    assert content(BOM, bom(library("a"), compositions=said)).incomplete == read


@pytest.mark.parametrize(
    "whole",
    [
        bom({"type": "library"}),
        bom({"type": "library", "name": 1}),
        bom(library("a", components=[[]])),
        bom(library("a", licenses=["MIT"])),
        bom(library("a", Version="1")),
        bom(library("a", purl=["pkg:npm/a@1"])),
        bom(library("a", properties="none")),
        bom(library("a", properties=["none"])) | {"compositions": "none"},
    ],
)
def test_what_has_not_the_shape_is_not_read(whole: Any) -> None:
    assert contents(BOM, whole) == {}


def test_too_many_components_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    nested = bom(library("a", components=[library("b"), library("c")]))
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_ENTRIES", 3)
    assert len(content(BOM, nested).components) == 3
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_ENTRIES", 2)
    assert contents(BOM, nested) == {}
    assert model.MAX_ENTRIES == 100_000
