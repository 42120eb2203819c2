"""What decisions without bytes rest on: findings with whom they were asked about, contents, tags; on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from preverify.model.contents import Component, Inventory, Scan, Severity, Vex, VexStatement, VexStatus, Vulnerability
from preverify.model.digest import Digest
from preverify.model.evidence import Blob, Flaw
from preverify.model.reasons import Reason
from preverify.store import Store
from preverify.store import tables as t
from support.stores import NOW, REPOSITORY, activate, both, finding, gathered, policies, recording, subject, verdict

pytestmark = both

CONFIG = b'{"architecture":"amd64","os":"linux"}'
INVENTORY = Inventory(
    format="spdx",
    created=NOW,
    components=(Component(name="openssl", version="3.0.1", purl="pkg:deb/debian/openssl@3.0.1", licenses=("MIT",)),),
)
SCAN = Scan(
    scanner="s",
    database_at=NOW,
    vulnerabilities=(Vulnerability(id="CVE-2026-1", severity=Severity.HIGH, score=7.5, published=NOW, epss=0.25),),
)
VEX = Vex(author="a", statements=(VexStatement(vulnerabilities=("CVE-2026-1",), status=VexStatus.FIXED, at=NOW),))


def test_what_was_concluded_comes_back_without_bytes(store: Store) -> None:
    whole = replace(gathered(1), config=Blob(digest=Digest.of(CONFIG), body=CONFIG))
    store.history.record([replace(recording(1), gathered=whole, anchors=("b", "a"))], now=NOW)
    (found,) = store.history.stored([subject(1), subject(2)]).values()
    assert found.findings == store.history.findings(subject(1))
    assert found.anchors == {"a", "b"}
    assert (found.gathered.image.manifest, found.gathered.config) == (b"", Blob(digest=Digest.of(CONFIG), body=b""))
    assert found.source == "shop"


def test_configurations_come_with_it_where_they_are_wanted(store: Store) -> None:
    config = Blob(digest=Digest.of(CONFIG), body=CONFIG)
    void = Blob(digest=Digest.of(b"x"), body=b"", flaw=Flaw(reason=Reason.DIGEST_MISMATCH, detail="not it"))
    store.history.record(
        [
            replace(recording(1), gathered=replace(gathered(1), config=config)),
            replace(recording(2), gathered=replace(gathered(2), config=void)),
        ],
        now=NOW,
    )
    found = store.history.stored([subject(1), subject(2)], configs=True)
    assert found[subject(1)].gathered.config == config
    assert found[subject(2)].gathered.config == void
    assert store.history.gathered(subject(1)).config == config


def test_a_configuration_that_is_lost_is_not_obtained(store: Store) -> None:
    config = Blob(digest=Digest.of(CONFIG), body=CONFIG)
    store.history.record([replace(recording(1), gathered=replace(gathered(1), config=config))], now=NOW)
    with store.engine.begin() as connection:
        connection.execute(delete(t.evidence).where(t.evidence.c.digest == str(config.digest)))
    for found in (
        store.history.gathered(subject(1)),
        store.history.stored([subject(1)], configs=True)[subject(1)].gathered,
    ):
        assert found.config is None
        assert [each.reason for each in found.unobtained] == [Reason.INTERNAL_ERROR]


def test_findings_of_before_anchors_were_kept_say_so(store: Store) -> None:
    store.history.record([recording(1)], now=NOW)
    with store.engine.begin() as connection:
        connection.execute(delete(t.finding_set))
    assert store.history.stored([subject(1)])[subject(1)].anchors is None


def test_the_same_findings_asked_of_more_signers_know_all_of_them(store: Store) -> None:
    store.history.record([replace(recording(1), anchors=("a",))], now=NOW)
    store.history.record([replace(recording(1), anchors=("a", "b"))], now=NOW)
    assert store.history.stored([subject(1)])[subject(1)].anchors == {"a", "b"}


def test_contents_are_kept_by_the_digest_of_what_says_them(store: Store) -> None:
    contents = {"11": INVENTORY, "22": SCAN, "33": VEX}
    packages = {"11": ("Debian/openssl", "Debian/openssl")}
    store.history.record([replace(recording(1), contents=contents, packages=packages)], now=NOW)
    store.history.record([replace(recording(2), contents=contents, packages=packages)], now=NOW)
    assert store.history.contents(["11", "22", "33", "44"]) == contents


def test_contents_that_are_a_bomb_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes to the database cannot make readers expand what has no end (RT-66)."""
    from preverify.store import contents

    store.history.record([replace(recording(1), contents={"11": INVENTORY})], now=NOW)
    monkeypatch.setattr(contents, "_MAX_BYTES", 64)
    with pytest.raises(ValueError, match="more than 64 bytes"):
        store.history.contents(["11"])


def test_subjects_are_found_by_the_packages_that_their_documents_name(store: Store) -> None:
    names = replace(finding(1), statement="11")
    with_sbom = replace(
        recording(1), findings=(names,), contents={"11": INVENTORY}, packages={"11": ("Debian/openssl",)}
    )
    store.history.record([with_sbom, recording(2)], now=NOW)
    assert store.history.naming(["Debian/openssl", "Debian/zlib"]) == (("shop", subject(1)),)
    assert store.history.naming(["Debian/zlib"]) == ()
    store.history.record([replace(recording(1), findings=())], now=NOW)  # the document is not there any more
    assert store.history.naming(["Debian/openssl"]) == ()


# --- tags -------------------------------------------------------------------------------------------------------------


def test_tags_of_a_subject_are_known_with_their_moves(store: Store) -> None:
    one, two = subject(1).digest, subject(2).digest
    for minutes, tag, digest in (
        (0, "v1", one),
        (1, "latest", one),
        (2, "latest", two),
        (3, "v1", one),
        (4, "old", None),
    ):
        store.history.observe_tag("shop", REPOSITORY, tag, digest, now=NOW + timedelta(minutes=minutes))
    now = store.history.tags_of(subject(1))
    assert now.names == ("v1",)
    assert [(m.tag, m.before, m.after, m.at) for m in now.moves] == [("v1", None, one, NOW)]
    latest = store.history.tags_of(subject(2))
    assert [(m.before, m.after) for m in latest.moves] == [(None, one), (one, two)]
    then = store.history.tags_of(subject(1), at=NOW + timedelta(minutes=1))
    assert then.names == ("latest", "v1")


def test_a_tag_seen_just_now_counts_before_it_is_stored(store: Store) -> None:
    one, two = subject(1).digest, subject(2).digest
    store.history.observe_tag("shop", REPOSITORY, "v1", one, now=NOW)
    later = NOW + timedelta(minutes=1)
    seen = store.history.tags_of(subject(2), seen=("v1",), seen_at=later)
    assert seen.names == ("v1",)
    assert [(m.before, m.after, m.at) for m in seen.moves] == [(None, one, NOW), (one, two, later)]
    again = store.history.tags_of(subject(1), seen=("v1",), seen_at=later)
    assert len(again.moves) == 1  # no move: it names it already


def test_a_tag_is_observed_when_its_image_was_decided(store: Store) -> None:
    """The verdict derived again as of then has to see the tag that led to it."""
    activate(store, policies())
    decided = verdict("v_1")
    store.history.record([replace(recording(1), verdicts=(decided,), tags=("v1",))], now=NOW + timedelta(seconds=9))
    assert store.history.tags_of(subject(1), at=NOW).names == ("v1",)


# --- the past ---------------------------------------------------------------------------------------------------------


def test_a_verdict_of_the_past_comes_with_what_it_rests_on(store: Store) -> None:
    activate(store, policies())
    first = verdict("v_1")
    store.history.record([replace(recording(1), verdicts=(first,), anchors=("a",))], now=NOW)
    second = verdict("v_2", at=NOW + timedelta(hours=2))
    changed = replace(finding(1), detail="changed")
    store.history.record([replace(recording(1), verdicts=(second,), findings=(changed,))], now=NOW)
    past = store.history.past(["v_1", "v_2", "v_3"])
    assert past.keys() == {"v_1", "v_2"}
    assert past["v_1"].verdict == first
    assert past["v_1"].stored.findings == recording(1).findings
    assert past["v_2"].stored.findings == (changed,)
    assert past["v_1"].stored.anchors == {"a"}
    assert past["v_1"].stored.gathered.image.manifest == gathered(1).image.manifest
    assert store.history.decided_before([subject(1), subject(2)], NOW + timedelta(hours=1)) == {subject(1): "v_1"}
    assert store.history.decided_before([subject(1)], NOW + timedelta(hours=2)) == {subject(1): "v_2"}
    assert store.history.decided_before([subject(1)], NOW - timedelta(hours=1)) == {}


def test_generations_are_found_by_number_and_by_moment(store: Store) -> None:
    later = NOW + timedelta(hours=1)
    activate(store, policies("one"))
    activate(store, policies("two"), now=later)
    active = [store.generations.active_at(at) for at in (NOW - timedelta(1), NOW, NOW + timedelta(minutes=1), later)]
    assert [None if row is None else row.number for row in active] == [None, 1, 1, 2]
    first = store.generations.numbered(1)
    assert first is not None
    assert (first.state, first.digest) == ("retired", policies("one").digest)
    assert store.generations.numbered(3) is None


def test_what_rests_on_a_former_gathering_is_not_stored(store: Store) -> None:
    """A decision over stored evidence that a look overtook must not bring the old evidence back."""
    store.history.record([recording(1, verdict("v_1"))], now=NOW)
    old = store.history.stored([subject(1)])[subject(1)].gathered
    newer = replace(gathered(1), evidence=())
    store.history.record([replace(recording(1), gathered=newer, findings=())], now=NOW)
    again = replace(recording(1, verdict("v_2")), gathered=gathered(1), based_on=old, withdraw=True)
    store.history.record([again], now=NOW)
    assert store.history.gathered(subject(1)).evidence == ()
    assert [v.id for v in store.history.current(subject(1))] == ["v_1"]
    store.history.record([replace(recording(1, verdict("v_3")), based_on=replace(newer, requests=9))], now=NOW)
    assert [v.id for v in store.history.current(subject(1))] == ["v_3"]
    store.history.record([replace(recording(2), based_on=gathered(2))], now=NOW)  # nothing is known to be based on
    assert store.history.gathered(subject(2)) is None


def test_a_mark_is_what_was_set_last(store: Store) -> None:
    assert store.marks.mark("x") is None
    store.marks.set_mark("x", "1", now=NOW)
    store.marks.set_mark("x", "2", now=NOW)
    store.marks.set_mark("y", "3", now=NOW)
    assert (store.marks.mark("x"), store.marks.mark("y")) == ("2", "3")
