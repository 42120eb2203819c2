"""The census counts what a lookup would answer, on both databases."""

from datetime import timedelta
from pathlib import Path

import pytest

from preverify.lookup import Answerer, Reader, Writer, tail
from preverify.model.digest import Digest
from preverify.model.reference import Repository
from preverify.model.verdicts import Outcome
from preverify.ports import CensusRows, Job, JobKind
from preverify.settings import Listen
from preverify.store import Store
from preverify.store import tables as t
from preverify.work import EmbeddedWork
from support import stores
from support.clock import Stopped
from support.stores import NOW, OTHER, REPOSITORY, activate, policies, recording, subject, verdict

# The fixtures are found by name in this module.
both, url, clock, store, work = stores.both, stores.url, stores.clock, stores.store, stores.work
sqlite_template, postgres_template = stores.sqlite_template, stores.postgres_template
postgres_server = stores.postgres_server

LATER = NOW + timedelta(hours=1)
ELSEWHERE = Repository("registry.example", "other/thing")


def _tag(store: Store, n: int, tag: str, repository: Repository = REPOSITORY, *, hours: float = 0) -> None:
    digest = subject(n, repository).digest
    store.history.observe_tag("shop", repository, tag, digest, now=NOW - timedelta(hours=hours))


def _counts(rows: CensusRows) -> dict[tuple[str, str, str], int]:
    return {(row.repository, row.answer, row.reason): row.tags for row in rows.tags}


@pytest.fixture
def filled(store: Store) -> Store:
    """Two tags of a passed image, one failed, one undecided, one expired, one never decided, one without a policy."""
    wanted = policies(images='["registry.example/shop/**"]')
    activate(store, wanted)
    (policy,) = wanted.policies

    def decided(name: str, n: int, outcome: Outcome, repository: Repository = REPOSITORY, hours: int = 24) -> None:
        one = verdict(
            name,
            n,
            outcome=outcome,
            policy_digest=policy.digest,
            repository=repository,
            valid=timedelta(hours=hours),
        )
        store.history.record([recording(n, one, repository=repository)], now=NOW)

    decided("v_1", 1, Outcome.PASSED)
    decided("v_2", 2, Outcome.FAILED)
    decided("v_3", 3, Outcome.UNDECIDED)
    decided("v_4", 4, Outcome.PASSED, OTHER, hours=1)
    _tag(store, 1, "1.0", hours=9)
    _tag(store, 1, "latest", hours=8)
    _tag(store, 2, "2.0", hours=3)
    _tag(store, 3, "3.0", hours=2)
    _tag(store, 4, "4.0", OTHER, hours=1)
    _tag(store, 5, "5.0", OTHER)
    _tag(store, 6, "6.0", ELSEWHERE)
    return store


@both
def test_tags_are_counted_by_what_a_lookup_would_answer(filled: Store) -> None:
    rows = filled.census.take(now=LATER)
    assert _counts(rows) == {
        ("shop/api", "verified", "ok"): 2,
        ("shop/api", "denied", "no-signature"): 1,
        ("shop/api", "unknown", "registry-unavailable"): 1,
        ("shop/web", "expired", ""): 1,
        ("shop/web", "unknown", ""): 1,
        ("other/thing", "denied", "no-policy"): 1,
    }
    assert rows.expired == {"shop": 1}
    assert rows.generation == 1
    since = {row.answer: row.since for row in rows.tags if row.repository == "shop/api"}
    assert since == {"verified": None, "denied": NOW - timedelta(hours=3), "unknown": NOW - timedelta(hours=2)}


@both
def test_the_census_and_the_lookup_table_agree(filled: Store, clock: Stopped, tmp_path: Path) -> None:
    """An alert that counts other answers than callers get would be worse than none."""
    file = tmp_path / "lookup.db"
    filled.feed.sequence(fence=1, now=NOW)
    tail(filled.feed, Writer(file), clock=clock)
    clock.forward(3600)
    answerer = Answerer(Reader(file), aliases={}, settings=Listen(), clock=clock)
    answered: dict[tuple[str, str, str], int] = {}
    for n, repository, tags in (
        (1, REPOSITORY, 2),
        (2, REPOSITORY, 1),
        (3, REPOSITORY, 1),
        (4, OTHER, 1),
        (5, OTHER, 1),
    ):
        answer = answerer.lookup(subject(n, repository).digest, repository, None)
        key = (repository.path, answer.state.value, answer.reason)
        answered[key] = answered.get(key, 0) + tags
    counted = _counts(filled.census.take(now=clock.now()))
    assert answered.items() <= counted.items()
    assert sum(answered.values()) == sum(counted.values()) - 1, "all but the image without a policy"


@both
def test_evidence_tags_and_gone_tags_are_not_images(filled: Store) -> None:
    before = _counts(filled.census.take(now=LATER))
    signature = f"sha256-{subject(1).digest.hex}.sig"
    filled.history.observe_tag("shop", REPOSITORY, signature, Digest.of(b"signature"), now=NOW)
    filled.history.observe_tag("shop", REPOSITORY, "2.0", None, now=NOW)
    after = _counts(filled.census.take(now=LATER))
    assert before.pop(("shop/api", "denied", "no-signature")) == 1
    assert after == before


@both
def test_verdicts_of_a_retired_policy_do_not_count(filled: Store) -> None:
    activate(filled, policies(images='["registry.example/shop/**"]', validFor="2h"))
    rows = filled.census.take(now=LATER)
    assert rows.generation == 2
    assert {answer for _, answer, _ in _counts(rows)} == {"unknown", "denied"}
    assert _counts(rows)["shop/api", "unknown", ""] == 4


@both
def test_an_empty_database_has_nothing_to_count(store: Store) -> None:
    assert store.census.take(now=NOW) == CensusRows()


@both
def test_leader_sweeps_and_statements_are_told(filled: Store, work: EmbeddedWork) -> None:
    assert filled.lease.take("timer", "one", ttl=timedelta(seconds=15), now=NOW) is not None
    assert filled.census.take(now=NOW).leader
    assert not filled.census.take(now=NOW + timedelta(seconds=16)).leader
    work.add((Job(source="shop", kind=JobKind.SWEEP_TAGS, repository="", key="", cause="sweep"),), run_at=NOW, now=NOW)
    work.dispatch(now=NOW, window=8)
    for leased in work.lease(worker="w", until=LATER, now=NOW, limit=8):
        work.done(leased, now=LATER)
    (mark,) = filled.census.take(now=LATER).sweeps
    assert (mark.source, mark.sweep, mark.at) == ("shop", "tags", LATER)
    filled.history.record([recording(1, publish=("v_1",), verdicts=())], now=NOW)
    assert filled.census.take(now=NOW).statements == {"wanted": 1}


@both
def test_more_tags_than_a_page_are_all_counted(filled: Store) -> None:
    with filled.engine.begin() as connection:
        connection.execute(
            t.tag.insert(),
            [
                {
                    "tenant": "default",
                    "registry": REPOSITORY.registry,
                    "repository": REPOSITORY.path,
                    "tag": f"many-{i}",
                    "source": "shop",
                    "digest": str(subject(1 + i % 2).digest),
                    "moved_at": NOW,
                    "observed_at": NOW,
                }
                for i in range(2500)
            ],
        )
    counts = _counts(filled.census.take(now=LATER))
    assert counts["shop/api", "verified", "ok"] == 2 + 1250
    assert counts["shop/api", "denied", "no-signature"] == 1 + 1250
