"""A change of policies, on a real store and a real registry: whom it touches, in which order, what is replayed."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from preverify import changing, concluding
from preverify.model.verdicts import Outcome
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.policy.simulate import Effect, Report
from preverify.store import tables as t
from support.daemon import image, new_key, public_pem, sign
from support.working import REPO, Bench, working

KEY, OTHER = new_key(), new_key()
PEMS = {"key.pub": public_pem(KEY), "other.pub": public_pem(OTHER)}
SIGNERS = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: t}
spec: {release: {key: {file: key.pub}, tlog: none}, other: {key: {file: other.pub}, tlog: none}}
"""


def policy(name: str, require: str, images: str = "**") -> str:
    return (
        f"---\napiVersion: preverify/v1\nkind: Policy\nmetadata: {{name: {name}}}\n"
        f"spec: {{images: ['{images}'], require: [{require}]}}\n"
    )


def policies(*documents: str) -> PolicySet:
    return load([("policy.yaml", (SIGNERS + "".join(documents)).encode())], PEMS.__getitem__)


def signed(by: str = "release") -> str:
    return f"{{name: signed, signature: {{by: {{any: [{by}]}}}}}}"


FIRST = policies(policy("signed", signed()))
STRICTER = policies(policy("signed", f"{signed()}, {{name: twice, signature: {{by: {{any: [other]}}}}}}"))
APART = policies(policy("signed", signed()), policy("apart", signed("other"), "elsewhere.test/**"))
OWN_IMAGE = policies(policy("signed", f"{signed()}, {{name: user, config: {{nonRoot: true}}}}"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with working(tmp_path) as found:
        activate(found, FIRST)
        yield found


def activate(bench: Bench, wanted: PolicySet, **options: bool) -> int:
    store = bench.store
    staged = store.generations.stage(wanted.document, wanted.digest, now=bench.clock.now())
    registry = bench.worker.sources["shop"].registry
    return changing.activate(
        store.history,
        store.statements,
        store.generations,
        staged,
        clock=bench.clock,
        publishing=lambda _: False,
        more=changing.completing(lambda _: registry, revocations=None, clock=bench.clock),
        **options,
    )


def two_images(bench: Bench) -> tuple[str, str]:
    good, bad = image(bench.content, REPO, "good", "g"), image(bench.content, REPO, "bad", "b")
    sign(bench.content, REPO, good, KEY)
    bench.sweep()
    return good, bad


def no_bytes(*_: object, **__: object) -> None:
    raise AssertionError("evidence was verified again")


# --- bringing into force ----------------------------------------------------------------------------------------------


def test_an_edit_decides_only_the_images_that_it_touches(bench: Bench) -> None:
    two_images(bench)
    assert activate(bench, APART) == 0  # the new policy is about nobody that is known, the other one is as it was
    assert activate(bench, STRICTER) == 2


def test_an_edit_without_new_signers_verifies_nothing_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = two_images(bench)
    elsewhere = policies(policy("renamed", signed()))
    monkeypatch.setattr(concluding, "verify", no_bytes)
    assert activate(bench, elsewhere) == 2
    assert (bench.outcome(good), bench.outcome(bad)) == (Outcome.PASSED, Outcome.FAILED)


def test_a_new_signer_is_looked_for_in_the_stored_bytes(bench: Bench) -> None:
    good, _ = two_images(bench)
    bench.content.tags.clear()  # the registry has nothing any more: nothing is fetched
    bench.content.manifests.clear()
    activate(bench, policies(policy("signed", signed("release, other"))))
    assert bench.outcome(good) is Outcome.PASSED
    activate(bench, policies(policy("signed", signed("other"))))
    assert bench.outcome(good) is Outcome.FAILED


def test_what_a_new_rule_needs_is_gathered_first(bench: Bench) -> None:
    good, _ = two_images(bench)
    assert activate(bench, OWN_IMAGE) == 2
    verdict = bench.verdict(good)
    assert verdict is not None
    assert verdict.outcome is not Outcome.UNDECIDED
    gathered = bench.store.history.gathered(bench.subject(good))
    assert gathered is not None
    assert gathered.config is not None


def test_a_generation_waits_for_its_verdicts_and_now_does_not(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    two_images(bench)
    order: list[str] = []
    moved, recorded = type(bench.store.generations).activate, type(bench.store.history).record

    def moving(self: object, *args: object, **kwargs: object) -> None:
        order.append("moved")
        moved(self, *args, **kwargs)

    def recording(self: object, recordings: object, **kwargs: object) -> None:
        order.extend(["decided"] if recordings else [])
        recorded(self, recordings, **kwargs)

    monkeypatch.setattr(type(bench.store.generations), "activate", moving)
    monkeypatch.setattr(type(bench.store.history), "record", recording)
    activate(bench, STRICTER)
    activate(bench, FIRST, at_once=True)
    assert order == ["decided", "moved", "moved", "decided"]


# --- simulation -------------------------------------------------------------------------------------------------------


def simulate(bench: Bench, current: PolicySet, new: PolicySet, **options: object) -> Report:
    return changing.simulate(bench.store.history, current, new, clock=bench.clock, **options)


def test_a_simulation_is_over_what_was_concluded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    good, _ = two_images(bench)
    first = simulate(bench, FIRST, STRICTER)  # a signer that nobody asked about before: bytes are read again
    activate(bench, STRICTER)
    monkeypatch.setattr(concluding, "verify", no_bytes)
    assert simulate(bench, FIRST, STRICTER) == first
    (difference,) = first.having(Effect.NEWLY_DENIED)
    assert (str(difference.subject.digest), difference.reason) == (good, "wrong-key")
    assert (first.considered, first.unchanged) == (2, 1)


def test_a_simulation_of_the_past_sees_what_was_known_then(bench: Bench) -> None:
    good, bad = two_images(bench)
    then = bench.clock.now()
    sign(bench.content, REPO, bad, KEY)
    bench.sweep()
    assert bench.outcome(bad) is Outcome.PASSED
    nobody = PolicySet.of({}, {})
    now_allowed = {str(d.subject.digest) for d in simulate(bench, nobody, FIRST).having(Effect.NEWLY_ALLOWED)}
    then_allowed = {str(d.subject.digest) for d in simulate(bench, nobody, FIRST, at=then).having(Effect.NEWLY_ALLOWED)}
    assert (now_allowed, then_allowed) == ({good, bad}, {good})
    assert simulate(bench, nobody, FIRST, at=then - timedelta(hours=1)).considered == 0
    # Also where somebody is asked about whom nobody asked then.
    assert simulate(bench, FIRST, STRICTER, at=then).having(Effect.NEWLY_DENIED)


# --- replay -----------------------------------------------------------------------------------------------------------


def test_every_verdict_is_derived_again_as_it_was(bench: Bench) -> None:
    two_images(bench)
    activate(bench, STRICTER)
    activate(bench, OWN_IMAGE)
    with bench.store.engine.connect() as connection:
        ids = [row.id for row in connection.execute(t.verdict.select())]
    replays = list(changing.replay(bench.store.history, bench.store.generations, [*ids, "v_unknown"]))
    assert len(replays) == len(ids) == 6
    assert all(each.same for each in replays), [each for each in replays if not each.same]


def test_a_verdict_that_was_tampered_with_is_another(bench: Bench) -> None:
    _, bad = two_images(bench)
    verdict = bench.verdict(bad)
    assert verdict is not None
    with bench.store.engine.begin() as connection:
        rules = json.dumps(
            [{"rule": "signed", "outcome": "failed", "reason": "wrong-key", "detail": "", "counted": True}]
        )
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS verdict_never_update")
        connection.execute(update(t.verdict).where(t.verdict.c.id == verdict.id).values(rules=rules))
    (replay,) = changing.replay(bench.store.history, bench.store.generations, [verdict.id])
    assert not replay.same


def test_a_verdict_whose_generation_holds_its_policy_no_more_says_so(bench: Bench) -> None:
    good, _ = two_images(bench)
    verdict = bench.verdict(good)
    assert verdict is not None
    with bench.store.engine.begin() as connection:
        connection.execute(
            update(t.policy_generation).values(document=APART.document.replace(b'"signed"', b'"renamed"'))
        )
    (replay,) = changing.replay(bench.store.history, bench.store.generations, [verdict.id])
    assert (replay.same, replay.again) == (False, None)
    assert "does not hold signed@" in replay.why
