"""Generations, leases and the audit trail."""

from datetime import timedelta
from threading import Thread

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from preverify.model.errors import BadConfiguration, BadInput
from preverify.store import Store, audit
from preverify.store import tables as t
from support.stores import (
    NOW,
    activate,
    both,
    policies,
)

pytestmark = both
TTL = timedelta(seconds=15)


def test_a_set_is_staged_then_active_then_retired(store: Store) -> None:
    first, second = policies(), policies(validFor="1h")
    row = store.generations.stage(first.document, first.digest, now=NOW)
    assert (row.number, row.state, store.generations.active()) == (1, "staged", None)
    store.generations.activate(1, now=NOW)
    active = store.generations.active()
    assert active is not None
    assert (active.number, active.digest, active.document, active.state) == (1, first.digest, first.document, "active")
    assert store.generations.staged() is None
    assert activate(store, second) == 2
    assert [store.generations.active().number] == [2]


def test_the_same_set_again_is_the_same_row(store: Store) -> None:
    one = policies()
    staged = store.generations.stage(one.document, one.digest, now=NOW)
    assert store.generations.stage(one.document, one.digest, now=NOW + TTL) == staged
    store.generations.activate(1, now=NOW)
    again = store.generations.stage(one.document, one.digest, now=NOW)
    assert (again.number, again.state) == (1, "active")


def test_an_older_set_comes_back_only_under_a_new_number(store: Store) -> None:
    one, two = policies(), policies(validFor="1h")
    activate(store, one)
    activate(store, two)
    assert activate(store, one) == 3


def test_another_staged_set_is_replaced_and_cannot_be_activated(store: Store) -> None:
    one, two = policies(), policies(validFor="1h")
    store.generations.stage(one.document, one.digest, now=NOW)
    second = store.generations.stage(two.document, two.digest, now=NOW)
    assert store.generations.staged() == second
    with pytest.raises(BadInput, match="generation 1 is retired"):
        store.generations.activate(1, now=NOW)


@pytest.mark.parametrize("number", [1, 99])
def test_only_the_staged_generation_is_activated(store: Store, number: int) -> None:
    activate(store, policies())
    with pytest.raises(BadInput, match="only the staged"):
        store.generations.activate(number, now=NOW)


def test_what_is_no_policy_set_is_not_staged(store: Store) -> None:
    with pytest.raises(BadConfiguration):
        store.generations.stage(b"{}", "sha256:x", now=NOW)
    assert store.generations.staged() is None


@pytest.mark.parametrize("state", ["active", "staged"])
def test_the_database_itself_refuses_a_second_one(store: Store, state: str) -> None:
    activate(store, policies())
    two = policies(validFor="1h")
    store.generations.stage(two.document, two.digest, now=NOW)
    with pytest.raises(DatabaseError), store.engine.begin() as connection:
        connection.execute(text(f"UPDATE policy_generation SET state = '{state}'"))


def test_changes_of_generations_are_audited_in_a_chain_that_shows_tampering(store: Store) -> None:
    activate(store, policies())
    activate(store, policies(validFor="1h"))
    with store.engine.connect() as connection:
        events = connection.execute(t.audit.select().order_by(t.audit.c.number)).all()
        assert [row.event for row in events] == ["generation.staged", "generation.activated"] * 2
        assert audit.broken(connection, "default", "generations") is None
    with pytest.raises(DatabaseError, match="append-only"), store.engine.begin() as connection:
        connection.execute(text("UPDATE audit SET event = 'x'"))
    with store.engine.begin() as connection:  # as somebody would who may change the schema
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_never_update"))
        else:
            connection.execute(text("DROP TRIGGER audit_never_update ON audit"))
        connection.execute(t.audit.update().where(t.audit.c.number == 2).values(detail='{"number":7}'))
    with store.engine.connect() as connection:
        assert audit.broken(connection, "default", "generations") == 2


# --- leases -----------------------------------------------------------------------------------------------------------


def test_one_holder_at_a_time(store: Store) -> None:
    fence = store.lease.take("timer", "a", ttl=TTL, now=NOW)
    assert fence is not None
    assert store.lease.take("timer", "b", ttl=TTL, now=NOW) is None
    assert store.lease.take("timer", "a", ttl=TTL, now=NOW + TTL / 2) == fence  # renewed
    assert store.lease.take("timer", "b", ttl=TTL, now=NOW + TTL) is None  # the renewal counts
    assert store.lease.take("other", "b", ttl=TTL, now=NOW) is not None


def test_fences_grow_with_every_holder(store: Store) -> None:
    fences = [
        store.lease.take("timer", holder, ttl=TTL, now=NOW + n * 2 * TTL)
        for n, holder in enumerate(["a", "b", "a", "a"])
    ]
    assert all(fences)
    assert sorted(set(fences)) == fences


def test_a_released_lease_is_free_at_once_and_its_fence_goes_on(store: Store) -> None:
    first = store.lease.take("timer", "a", ttl=TTL, now=NOW)
    store.lease.release("timer", "b")  # not b's to release
    assert store.lease.take("timer", "b", ttl=TTL, now=NOW) is None
    store.lease.release("timer", "a")
    second = store.lease.take("timer", "b", ttl=TTL, now=NOW)
    assert first is not None
    assert second == first + 1


def test_of_many_who_ask_at_once_one_gets_it(store: Store) -> None:
    got: list[int | None] = []
    threads = [
        Thread(target=lambda n=n: got.append(store.lease.take("timer", f"holder-{n}", ttl=TTL, now=NOW)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert [fence for fence in got if fence is not None] == [1]
