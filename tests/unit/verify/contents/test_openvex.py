"""What is read of OpenVEX."""

from datetime import UTC, datetime
from typing import Any

import pytest

from preverify.model.contents import VexStatement, VexStatus
from preverify.model.errors import MalformedEvidence
from preverify.verify.contents import openvex
from support.contents import VEX, attested, content, contents
from support.predicates import document

SHA = "a" * 64
BASE = "pkg:oci/app"


def vex(*statements: Any, **more: Any) -> dict[str, Any]:
    return {"@context": "https://openvex.dev/ns/v0.2.0", "author": "acme", "statements": list(statements), **more}


def said(status: str = "not_affected", **more: Any) -> dict[str, Any]:
    return {"vulnerability": {"name": "CVE-1"}, "status": status, "justification": "component_not_present", **more}


def product(name: str, **more: Any) -> dict[str, Any]:
    return {"@id": name, **more}


def one(whole: dict[str, Any]) -> VexStatement:
    (statement,) = content(VEX, whole).statements
    assert isinstance(statement, VexStatement)
    return statement


def test_what_cosign_attested() -> None:
    read = content(VEX, document("cosign-openvex")["predicate"])
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (read.author, read.at) == ("acme", at)
    assert read.statements == (
        VexStatement(
            vulnerabilities=("CVE-2026-0001",),
            products=(BASE,),
            status=VexStatus.NOT_AFFECTED,
            justification="component_not_present",
            at=at,
        ),
    )


def test_a_statement_has_its_own_time_or_that_of_the_document() -> None:
    whole = vex(said(timestamp="2026-02-01T00:00:00Z"), said(), timestamp="2026-01-01T00:00:00Z")
    assert [f"{each.at:%F}" for each in content(VEX, whole).statements] == ["2026-02-01", "2026-01-01"]
    assert one(vex(said())).at is None


@pytest.mark.parametrize(
    ("vulnerability", "names"),
    [
        ({"name": "CVE-1", "aliases": ["GHSA-1"]}, ("CVE-1", "GHSA-1")),
        ({"@id": "https://acme.test/CVE-1"}, ("https://acme.test/CVE-1",)),
        ("CVE-1", ("CVE-1",)),
    ],
)
def test_names(vulnerability: Any, names: tuple[str, ...]) -> None:
    assert one(vex(said(vulnerability=vulnerability))).vulnerabilities == names


@pytest.mark.parametrize(
    ("written", "silencing", "else_"),
    [
        (product(BASE), (BASE,), (BASE,)),
        (BASE, (BASE,), (BASE,)),
        (product(BASE, identifiers={"purl": f"{BASE}@1"}), (f"{BASE}@1",), (f"{BASE}@1", BASE)),
        (
            product(BASE, identifiers={"purl": f"{BASE}@1"}, hashes={"sha-256": SHA}),
            (f"sha256:{SHA}",),
            (f"sha256:{SHA}", f"{BASE}@1", BASE),
        ),
        (product(BASE, hashes={"sha-512": "x"}), (BASE,), (BASE,)),
    ],
)
def test_what_silences_goes_by_its_narrowest_name(
    written: Any, silencing: tuple[str, ...], else_: tuple[str, ...]
) -> None:
    for status in VexStatus:
        found = one(vex(said(status.value, products=[written])))
        assert found.products == (silencing if status in (VexStatus.NOT_AFFECTED, VexStatus.FIXED) else else_)


def test_each_product_has_components_of_its_own() -> None:
    whole = vex(
        said(
            products=[product("pkg:oci/a", subcomponents=[product("pkg:npm/x")]), product("pkg:oci/b")],
            subcomponents=["pkg:npm/y"],
        )
    )
    assert [(each.products, each.subcomponents) for each in content(VEX, whole).statements] == [
        (("pkg:oci/a",), ("pkg:npm/y", "pkg:npm/x")),
        (("pkg:oci/b",), ("pkg:npm/y",)),
    ]


def test_without_products_it_is_about_what_was_attested() -> None:
    found = one(vex(said(subcomponents=[product("pkg:npm/x", identifiers={"purl": "pkg:npm/x@1"})])))
    assert (found.products, found.subcomponents) == ((), ("pkg:npm/x@1",))


@pytest.mark.parametrize(
    "statement",
    [
        said("harmless"),
        said(products=[{}]),
        said(products=[product("")]),
        said(products=[product(BASE, subcomponents=[{"supplier": "acme"}])]),
        said(vulnerability={"description": "x"}),
        said(vulnerability=""),
        said(vulnerability=[]),
        said(products="all"),
        said(products=[1]),
    ],
)
def test_what_has_not_the_shape_is_not_read(statement: Any) -> None:
    _, (finding,) = attested(VEX, vex(statement))
    assert not finding.established or contents(VEX, vex(statement)) == {}


def test_a_status_that_nobody_knows_is_refused_here_too() -> None:
    with pytest.raises(MalformedEvidence, match="status is 'harmless'"):
        openvex.vex(vex(said("harmless")))


def test_too_many_statements_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = vex(said(products=["pkg:oci/a", "pkg:oci/b"]), said())
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_ENTRIES", 3)
    assert len(content(VEX, whole).statements) == 3
    monkeypatch.setattr("preverify.verify.contents.reading.MAX_ENTRIES", 2)
    assert contents(VEX, whole) == {}
