"""What was found for the children of an index is kept whole, and comes back only with its digests."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.evidence import Evidence, Flaw, Gathered, Image, Unobtained
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.store import Store
from preverify.store import tables as t
from support.stores import (
    MANIFEST_TYPE,
    NOW,
    REPOSITORY,
    both,
    finding,
    gathered,
    manifest,
    piece,
    recording,
    subject,
    verdict,
)

INDEX = "application/vnd.oci.image.index.v1+json"
pytestmark = both


def child(n: int, *evidence: Evidence, **more: object) -> Gathered:
    image = Image(subject=subject(n), manifest=manifest(n), media_type=MANIFEST_TYPE)
    return Gathered(image=image, evidence=evidence, looked_at=("sig-tag: 1",), fingerprint="c", **more)


def nothing(n: int, **more: object) -> Gathered:
    return Gathered(image=Image(subject=subject(n), manifest=b"", media_type=""), **more)


AWAY = Unobtained(what="manifest", reason=Reason.REGISTRY_UNAVAILABLE, detail="503", retry_after=timedelta(seconds=7))
VOID = Flaw(reason=Reason.CONTENT_MISMATCH, detail="is an index inside of an index")


def of_index(*children: Gathered, platforms: tuple[str, ...] = ()) -> Gathered:
    found = gathered(1)
    image = Image(
        subject=subject(1),
        manifest=manifest(1),
        media_type=INDEX,
        children=tuple(c.image.subject.digest for c in children),
        platforms=platforms or tuple(f"linux/{n}" for n in range(len(children))),
    )
    return replace(found, image=image, children=children)


WHOLE = of_index(
    child(2, piece(2), piece(3, body=b"large" * 30_000), unobtained=(AWAY,), truncated=True),
    child(3),
    nothing(4, flaw=VOID),
    nothing(5, unobtained=(AWAY,)),
    child(6, piece(4, flaw=VOID), piece(1)),
)


def edges(store: Store) -> list[tuple[int, str, str | None, int]]:
    e = t.edge.c
    with store.engine.connect() as connection:
        rows = connection.execute(select(e.position, e.child, e.platform, e.gathered).order_by(e.position))
        return [tuple(row) for row in rows]


def test_a_gathering_comes_back_with_its_children(store: Store) -> None:
    store.history.record([recording(1, gathered=WHOLE)], now=NOW)
    assert store.history.gathered(subject(1)) == WHOLE


def test_a_platform_of_a_manifest_comes_back(store: Store) -> None:
    alone = replace(gathered(1), platform="linux/amd64")
    store.history.record([recording(1, gathered=alone)], now=NOW)
    assert store.history.gathered(subject(1)) == alone


def test_edges_say_for_what_a_child_stands_and_whether_it_was_looked_at(store: Store) -> None:
    bare = replace(WHOLE, children=())
    store.history.record([recording(1, gathered=bare)], now=NOW)
    assert edges(store) == [(n, str(subject(n + 2).digest), f"linux/{n}", 0) for n in range(5)]
    (known,) = store.history.subjects()
    assert known.children == ()
    store.history.record([recording(1, gathered=WHOLE)], now=NOW)
    assert [row[3] for row in edges(store)] == [1, 1, 0, 0, 1]
    (known,) = store.history.subjects()
    assert known.children == tuple(subject(n).digest for n in (2, 3, 6))
    assert store.history.find(subject(1).digest) == (known,)
    store.history.record([recording(1, gathered=bare)], now=NOW)
    assert [row[3] for row in edges(store)] == [0] * 5


def test_parents_are_found_in_their_own_repository(store: Store) -> None:
    store.history.record([recording(1, gathered=WHOLE)], now=NOW)
    assert store.history.parents(subject(2)) == {subject(1).digest: True}
    assert store.history.parents(subject(4)) == {subject(1).digest: False}
    assert store.history.parents(subject(1)) == {}
    other = Subject(replace(REPOSITORY, path="shop/elsewhere"), subject(2).digest)
    assert store.history.parents(other) == {}


def test_one_child_for_two_platforms_is_known_once(store: Store) -> None:
    twice = of_index(child(2))
    image = replace(twice.image, children=(subject(2).digest,) * 2, platforms=("linux/amd64", "linux/arm64"))
    store.history.record([recording(1, gathered=replace(twice, image=image))], now=NOW)
    assert [row[1:] for row in edges(store)] == [
        (str(subject(2).digest), "linux/amd64", 1),
        (str(subject(2).digest), "linux/arm64", 1),
    ]
    (known,) = store.history.subjects()
    assert known.children == (subject(2).digest,)
    assert store.history.gathered(subject(1)) == replace(twice, image=image)


def test_edges_of_an_older_version_are_brought_up_to_date(store: Store) -> None:
    old = replace(WHOLE, image=replace(WHOLE.image, platforms=()), children=())
    store.history.record([recording(1, gathered=old)], now=NOW)
    assert [row[2] for row in edges(store)] == [None] * 5
    store.history.record([recording(1, gathered=WHOLE)], now=NOW)
    assert [row[2] for row in edges(store)] == [f"linux/{n}" for n in range(5)]


def test_lost_or_changed_bytes_of_a_child_could_not_be_obtained(store: Store) -> None:
    """Undecided, never passed: of that child, and of nothing else."""
    store.history.record([recording(1, gathered=WHOLE)], now=NOW)

    def tamper(digest: Digest) -> None:
        with store.engine.begin() as connection:
            statement = t.evidence.update().where(t.evidence.c.digest == str(digest))
            connection.execute(statement.values(body=b"x" * len(manifest(3)), size=len(manifest(3))))

    tamper(subject(3).digest)
    back = store.history.gathered(subject(1))
    assert back is not None
    assert [c.held for c in back.children] == [True, False, False, False, True]
    assert [u.reason for u in back.children[1].unobtained] == [Reason.INTERNAL_ERROR]
    assert back.unobtained == ()
    with store.engine.begin() as connection:
        connection.execute(t.evidence.delete().where(t.evidence.c.digest == str(piece(2).digest)))
    back = store.history.gathered(subject(1))
    assert back is not None
    assert [e.id for e in back.children[0].evidence] == [piece(3, body=b"large" * 30_000).id]
    assert [u.reason for u in back.children[0].unobtained] == [Reason.REGISTRY_UNAVAILABLE, Reason.INTERNAL_ERROR]


def test_bytes_of_a_child_without_their_digest_never_enter(store: Store) -> None:
    lied = replace(child(2), image=replace(child(2).image, manifest=b"other"))
    with pytest.raises(BadInput, match="do not have the digest"):
        store.history.record([recording(1, gathered=of_index(lied))], now=NOW)
    assert edges(store) == []


def test_findings_say_which_child_they_are_about(store: Store) -> None:
    about = tuple(replace(finding(n), about=str(subject(n).digest)) for n in (2, 3))
    findings = (finding(1), *about)
    store.history.record([recording(1, verdict("v_1"), gathered=WHOLE, findings=findings)], now=NOW)
    assert store.history.findings(subject(1)) == findings
    swapped = (finding(1), replace(about[0], about=about[1].about), about[1])
    store.history.record([recording(1, gathered=WHOLE, findings=swapped)], now=NOW)
    assert store.history.findings(subject(1)) == swapped, "what it is about is part of a set's name"


def test_the_same_again_adds_no_rows(store: Store) -> None:
    for _ in range(3):
        store.history.record([recording(1, gathered=WHOLE)], now=NOW)
    with store.engine.connect() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (t.gathering, t.edge, t.evidence)
        ]
    assert counts == [1, 5, 7]
