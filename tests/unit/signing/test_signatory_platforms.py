"""Statements about an index whose children were looked at: derived again from the children's own findings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from preverify.attest.envelope import parse
from preverify.clock import SystemClock
from preverify.model.errors import BadInput
from preverify.model.reference import Reference, Repository
from preverify.model.strict_json import parse as parse_json
from preverify.registry.layout import LayoutRegistry
from preverify.settings import Source
from support.registries import FIXTURES
from support.signing import POLICY, Desk, open_desk

EACH = POLICY.replace("  validFor: 24h", "  platforms: each\n  validFor: 24h")


def of_fixture(tag: str) -> tuple[LayoutRegistry, Reference]:
    layouts = Source(registry=f"oci:{FIXTURES}/layouts/acme", aliases=("registry.example",))
    return (
        LayoutRegistry(layouts, clock=SystemClock()),
        Reference(Repository("registry.example", "bundle-index"), tag),
    )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An index that nobody signed, whose children are signed, by the real cosign; it passed because of them."""
    opened = open_desk(tmp_path, text=EACH, at=of_fixture("children-only"))
    yield opened
    opened.store.close()


def test_an_index_that_passed_by_its_children_gets_its_statement(desk: Desk) -> None:
    signed = desk.signatory.sign(desk.statement)
    row = desk.store.statements.statement(desk.statement)
    assert row is not None
    gathered = desk.store.history.gathered(row.subject)
    assert gathered is not None
    assert gathered.evidence == ()
    document = parse_json(parse(signed.envelope).payload, max_bytes=1 << 20)
    assert isinstance(document, dict)
    inputs = [each["digest"]["sha256"] for each in document["predicate"]["inputAttestations"]]
    assert inputs == sorted(e.manifest.hex for c in gathered.children for e in c.evidence)
    assert document["subject"][0]["digest"]["sha256"] == row.subject.digest.hex


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE finding SET about = NULL", "findings say failed"),
        ("UPDATE finding SET about = (SELECT min(about) FROM finding)", "findings say failed"),
        ("DELETE FROM finding WHERE position = 1", "findings say failed"),
        ("UPDATE gathering SET document = replace(document, '\"children\":[{', '\"x\":[{')", "not stored any more"),
        ("DELETE FROM evidence WHERE digest IN (SELECT child FROM edge)", "findings say undecided"),
        (
            "DELETE FROM evidence WHERE digest NOT IN (SELECT child FROM edge UNION SELECT digest FROM subject)",
            "any more",
        ),
    ],
    ids=["about-nobody", "about-one", "one-gone", "no-children", "no-manifests", "no-evidence"],
)
def test_rows_that_do_not_say_so_of_every_child_are_refused(desk: Desk, sql: str, said: str) -> None:
    desk.sql(sql)
    with pytest.raises(BadInput, match=said):
        desk.signatory.sign(desk.statement)


def test_a_manifest_that_the_index_does_not_name_is_refused(desk: Desk) -> None:
    """The stored gathering says that it looked at a child, and holds another manifest in its place."""
    row = desk.store.statements.statement(desk.statement)
    assert row is not None
    gathered = desk.store.history.gathered(row.subject)
    assert gathered is not None
    was, becomes = (
        f'"digest":{{"algorithm":"sha256","hex":"{digest.hex}"}}'
        for digest in (gathered.children[0].image.subject.digest, row.subject.digest)
    )
    desk.sql(f"UPDATE gathering SET document = replace(document, '{was}', '{becomes}')")
    with pytest.raises(BadInput, match="is none of"):
        desk.signatory.sign(desk.statement)
