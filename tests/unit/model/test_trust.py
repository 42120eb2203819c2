"""Trust as values: ids are over content, canonical forms round-trip, sets do not mix."""

from datetime import UTC, datetime
from typing import Any

import pytest

from preverify.model.trust import (
    KEYS_ONLY,
    Authority,
    Log,
    Period,
    SigstoreRoot,
    Store,
    Trust,
    epoch_of,
)

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
ROOT = SigstoreRoot(
    name="stack",
    authorities=(Authority(certificates=(b"issuing", b"root"), valid=Period(start=START), name="stack CA"),),
    logs=(Log(key=b"key", id=b"id", origin="rekor.test", valid=Period(start=START, end=END)),),
    ct_logs=(Log(key=b"ct", id=b"ct-id"),),
    timestamp_authorities=(Authority(certificates=(b"tsa",)),),
)
STORE = Store(kind="ca", name="vendor", certificates=(b"one", b"two"))


def test_a_period_holds_at_both_ends() -> None:
    period = Period(start=START, end=END)
    assert all(map(period.holds, (START, END)))
    assert not period.holds(datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert not period.holds(datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC))
    assert Period().holds(START)


def test_what_is_stored_is_what_comes_back() -> None:
    trust = Trust(roots=(ROOT,), stores=(STORE,))
    again = Trust.from_canonical(trust.canonical())
    assert again.root(ROOT.id).id == ROOT.id
    assert again.root(ROOT.id).logs == ROOT.logs
    assert again.store(STORE.id) == STORE
    assert again.canonical() == trust.canonical()


@pytest.mark.parametrize(
    "changes",
    [
        {"authorities": ()},
        {"logs": ()},
        {"ct_logs": ()},
        {"timestamp_authorities": ()},
        {"logs": (Log(key=b"key", id=b"id", origin="rekor.test", valid=Period(start=START)),)},
        {"logs": (Log(key=b"key", id=b"id", valid=Period(start=START, end=END)),)},
    ],
)
def test_whatever_a_root_trusts_is_part_of_its_id(changes: dict[str, Any]) -> None:
    parts = {
        "authorities": ROOT.authorities,
        "logs": ROOT.logs,
        "ct_logs": ROOT.ct_logs,
        "timestamp_authorities": ROOT.timestamp_authorities,
    }
    assert SigstoreRoot(name="stack", **{**parts, **changes}).id != ROOT.id
    assert SigstoreRoot(name="another name", **parts).id == ROOT.id


def test_the_order_of_a_stores_certificates_means_nothing() -> None:
    assert Store(kind="ca", name="x", certificates=(b"two", b"one")).id == STORE.id
    assert Store(kind="tsa", name="vendor", certificates=(b"one", b"two")).id != STORE.id


def test_roots_and_stores_are_found_by_name_and_by_id() -> None:
    trust = Trust(roots=(ROOT,), stores=(STORE,))
    assert (trust.root_named("stack"), trust.root_named("other")) == (ROOT, None)
    assert (trust.store_named("ca", "vendor"), trust.store_named("tsa", "vendor")) == (STORE, None)
    assert trust.names() == {ROOT.id: "stack", STORE.id: "ca:vendor"}
    with pytest.raises(KeyError):
        trust.root("root:unknown")
    with pytest.raises(KeyError):
        trust.store("store:unknown")


def test_of_two_names_of_one_content_the_first_counts() -> None:
    twin = SigstoreRoot(
        name="another",
        authorities=ROOT.authorities,
        logs=ROOT.logs,
        ct_logs=ROOT.ct_logs,
        timestamp_authorities=ROOT.timestamp_authorities,
    )
    assert Trust(roots=(ROOT, twin)).names() == {ROOT.id: "another"} == Trust(roots=(twin, ROOT)).names()


def test_a_part_and_a_union() -> None:
    other = SigstoreRoot(name="other")
    trust = Trust(roots=(ROOT, other), stores=(STORE,))
    assert trust.only([other.id]) == Trust(roots=(other,))
    assert trust.only([]) == Trust()
    assert Trust(roots=(ROOT,)) | Trust(roots=(other, ROOT), stores=(STORE,)) == trust


def test_an_epoch_is_over_what_is_used() -> None:
    assert epoch_of([]) == KEYS_ONLY
    assert epoch_of([ROOT.id, STORE.id, ROOT.id]) == epoch_of([STORE.id, ROOT.id])
    assert epoch_of([ROOT.id]) != epoch_of([STORE.id])
