"""RT-85: what one repository or tenant may be told is never read through a digest that another has too."""

from collections.abc import Callable
from pathlib import Path

from preverify.lookup import Answerer, Reader, Writer, tail
from preverify.model.reference import Repository
from preverify.model.verdicts import AnswerState
from preverify.settings import Listen
from preverify.store import Store
from support.clock import Stopped
from support.stores import (
    NOW,
    OTHER,
    REPOSITORY,
    activate,
    clock,
    gathered,
    open_again,
    piece,
    policies,
    recording,
    sqlite_template,
    store,
    subject,
    url,
    verdict,
)

__all__ = ["clock", "open_again", "sqlite_template", "store", "url"]


def test_a_pass_in_one_repository_says_nothing_in_another(store: Store, clock: Stopped, tmp_path: Path) -> None:
    wanted = policies()
    activate(store, wanted)
    store.history.record([recording(1, verdict("v_1", policy_digest=wanted.policies[0].digest))], now=NOW)
    store.feed.sequence(fence=1, now=NOW)
    writer, reader = Writer(tmp_path / "lookup.db"), Reader(tmp_path / "lookup.db")
    tail(store.feed, writer, clock=clock)
    answers = Answerer(reader, aliases={}, settings=Listen(), clock=clock)
    digest = subject(1).digest
    assert answers.lookup(digest, REPOSITORY, None).state is AnswerState.VERIFIED
    for other in (
        OTHER,
        Repository(REPOSITORY.registry, "shop/api/deeper"),
        Repository(REPOSITORY.registry, "shop"),
        Repository("evil.example", REPOSITORY.path),
        Repository(REPOSITORY.registry + ":443", REPOSITORY.path),
    ):
        assert answers.lookup(digest, other, None).admit is False
        assert reader.state(other, digest) is None
    writer.close()
    reader.close()


def test_evidence_of_one_repository_is_not_read_through_another(store: Store) -> None:
    """Bodies are kept once by digest; only a gathering of its own names them for a subject."""
    store.history.record([recording(1)], now=NOW)
    store.history.record([recording(1, repository=OTHER, gathered=gathered(1, repository=OTHER, evidence=()))], now=NOW)
    other = store.history.gathered(subject(1, OTHER))
    assert other is not None
    assert other.evidence == ()


def test_tenants_do_not_meet(store: Store, open_again: Callable[..., Store], clock: Stopped, tmp_path: Path) -> None:
    """The same subject, evidence, policy and verdict of two tenants: each sees its own, and neither the other's."""
    wanted = policies()
    other = open_again(tenant="other")
    digest = wanted.policies[0].digest
    for one in (store, other):
        activate(one, wanted)
    store.history.record([recording(1, verdict("v_1", policy_digest=digest), tags=("v1",))], now=NOW)
    theirs = gathered(1, evidence=(piece(5),))
    store.history.record([recording(1, tenant="other", gathered=theirs, findings=())], now=NOW)
    assert store.history.gathered(subject(1)) == gathered(1)
    assert other.history.gathered(subject(1)) == theirs
    assert (len(store.history.current(subject(1))), other.history.current(subject(1))) == (1, ())
    for number, one in enumerate((store, other)):
        one.feed.sequence(fence=1, now=NOW)
        writer = Writer(tmp_path / f"lookup-{number}.db", tenant=one.feed.tenant)
        tail(one.feed, writer, clock=clock)
        writer.close()
    mine = Reader(tmp_path / "lookup-0.db")
    assert mine.state(REPOSITORY, subject(1).digest) is not None
    assert Reader(tmp_path / "lookup-0.db", tenant="other").state(REPOSITORY, subject(1).digest) is None
    assert Reader(tmp_path / "lookup-1.db", tenant="other").tag(REPOSITORY, "v1") is None
    mine.close()
