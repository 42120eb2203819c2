"""Counts for metrics say of each tag what a lookup would say."""

from datetime import timedelta

from preverify.model.reference import Repository
from preverify.model.verdicts import Outcome
from preverify.ports import TagCount
from preverify.store import Store
from support.clock import Stopped
from support.stores import (
    NOW,
    OTHER,
    activate,
    both,
    policies,
    recording,
    subject,
    verdict,
)

pytestmark = both
HOUR = timedelta(hours=1)


def test_an_empty_database_counts_nothing(store: Store) -> None:
    rows = store.census.take(now=NOW)
    assert (rows.tags, rows.expired, rows.sweeps, rows.statements) == ((), {}, (), {})
    assert (rows.generation, rows.leader) == (0, False)


def test_tags_are_counted_by_what_a_lookup_would_say(store: Store, clock: Stopped) -> None:
    wanted = policies()
    digest = wanted.policies[0].digest
    activate(store, wanted)
    stranger = Repository("registry.example", "elsewhere/x")
    store.history.record(
        [
            recording(1, verdict("v_1", 1, policy_digest=digest, valid=48 * HOUR), tags=("a", "b")),
            recording(2, verdict("v_2", 2, policy_digest=digest, outcome=Outcome.FAILED), tags=("c",)),
            recording(3, verdict("v_3", 3, policy_digest=digest), tags=("d",)),
            recording(4, tags=("e",)),
            recording(5, repository=stranger, tags=("f",)),
            recording(6, verdict("v_6", 6, policy_digest=digest)),  # no tag names it
            recording(7, tags=("sha256-" + "a" * 64 + ".sig",)),  # evidence is no image
        ],
        now=NOW,
    )
    store.history.observe_tag("shop", OTHER, "gone", subject(1).digest, now=NOW)
    store.history.observe_tag("shop", OTHER, "gone", None, now=NOW)
    store.lease.take("timer", "me", ttl=HOUR * 48, now=NOW)
    rows = store.census.take(now=NOW + 30 * HOUR)
    counted = {(row.repository, row.answer, row.reason): row for row in rows.tags}
    assert counted == {
        (r, a, why): TagCount(
            source="shop", repository=r, answer=a, reason=why, tags=n, since=None if a == "verified" else NOW
        )
        for r, a, why, n in (
            ("shop/api", "verified", "ok", 2),
            ("shop/api", "denied", "no-signature", 1),
            ("shop/api", "expired", "", 1),
            ("shop/api", "unknown", "", 1),
            ("elsewhere/x", "denied", "no-policy", 1),
        )
    }
    assert rows.expired == {"shop": 1}
    assert (rows.generation, rows.leader) == (1, True)
    assert store.census.take(now=NOW + 49 * HOUR).leader is False


def test_statements_are_counted_by_state(store: Store) -> None:
    rows = [recording(n, verdict(f"v_{n}", n), publish=(f"v_{n}",)) for n in range(3)]
    store.history.record(rows, now=NOW)
    store.history.record([recording(0, withdraw=True)], now=NOW)
    assert store.census.take(now=NOW).statements == {"wanted": 2, "withdrawn": 1}
