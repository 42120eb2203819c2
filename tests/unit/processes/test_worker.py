"""The worker on a real store and a real registry: what jobs lead to, and what goes wrong inside them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from preverify import changing, concluding, worker
from preverify.model.reasons import Reason
from preverify.model.reference import Repository
from preverify.model.verdicts import Outcome
from preverify.policy.documents import load
from preverify.ports import Job, JobKind
from support.daemon import image, new_key, public_pem, sign
from support.working import Bench, working

KEY = new_key()
POLICY = b"""
apiVersion: preverify/v1
kind: Signers
metadata: {name: t}
spec: {release: {key: {file: key.pub}, tlog: none}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: signed}
spec: {images: ["**"], require: [{name: signed, signature: {by: {any: [release]}}}]}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    pem = public_pem(KEY)
    policies = load([("policy.yaml", POLICY)], lambda _: pem)
    with working(tmp_path) as found:
        store, clock = found.store, found.clock
        staged = store.generations.stage(policies.document, policies.digest, now=clock.now())
        changing.activate(
            store.history, store.statements, store.generations, staged, clock=clock, publishing=lambda _: False
        )
        yield found


def test_a_sweep_looks_at_each_new_image_once(bench: Bench) -> None:
    good, bad = image(bench.content, "shop/app", "good", "g"), image(bench.content, "shop/app", "bad", "b")
    sign(bench.content, "shop/app", good, KEY)
    now = bench.clock.now()
    bench.work.add(
        [Job(source="shop", kind=JobKind.SWEEP_TAGS, repository="", key="", cause="sweep")], run_at=now, now=now
    )
    assert bench.drain() == 1 + 1 + 2  # the source, its repository, two tags: no look of its own for the signature
    assert (bench.outcome(good), bench.outcome(bad)) == (Outcome.PASSED, Outcome.FAILED)
    bench.sweep()
    assert bench.drain() == 0  # nothing moved


def test_a_signature_that_arrives_or_goes_is_found_by_the_tag_sweep(bench: Bench) -> None:
    digest = image(bench.content, "shop/app", "v1", "1")
    bench.sweep()
    assert bench.outcome(digest) is Outcome.FAILED
    sign(bench.content, "shop/app", digest, KEY)
    bench.sweep()
    assert bench.outcome(digest) is Outcome.PASSED
    bench.content.delete_manifest("shop/app", digest.replace(":", "-") + ".sig")
    bench.sweep()
    assert bench.outcome(digest) is Outcome.FAILED


def test_a_tag_that_goes_is_noted(bench: Bench) -> None:
    image(bench.content, "shop/app", "v1", "1")
    bench.sweep()
    bench.content.tags["shop/app"].pop("v1")
    bench.sweep()
    assert bench.store.history.known_tags("shop", Repository(bench.registry.address, "shop/app")) == {}


def test_the_evidence_sweep_finds_a_new_referrer(bench: Bench) -> None:
    from support.demo_bundle import attach_bundle

    digest = image(bench.content, "shop/app", "v1", "1")
    bench.sweep()
    bench.sweep(JobKind.SWEEP_EVIDENCE)
    assert bench.outcome(digest) is Outcome.FAILED
    attach_bundle(bench.content, "shop/app", digest, KEY)
    bench.sweep(JobKind.SWEEP_EVIDENCE)
    assert bench.outcome(digest) is Outcome.PASSED


def test_an_error_inside_is_undecided_and_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """RT-29 from the worker's side: whatever a verifier raises, nothing passes and the job is not lost."""
    digest = image(bench.content, "shop/app", "v1", "1")
    sign(bench.content, "shop/app", digest, KEY)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of ours")

    with monkeypatch.context() as patch:
        patch.setattr(concluding, "verify", broken)
        now = bench.clock.now()
        job = Job(source="shop", kind=JobKind.SUBJECT, repository="shop/app", key=digest, cause="asked")
        bench.work.add([job], run_at=now, now=now)
        bench.drain()
    verdict = bench.verdict(digest)
    assert verdict is not None
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.rules[0].reason is Reason.INTERNAL_ERROR
    assert "a bug of ours" in verdict.rules[0].detail
    later = bench.clock.now() + timedelta(hours=1)
    assert bench.work.dispatch(now=later, window=10) == 1  # given back, not lost
    assert bench.worker.run_once() == 1
    assert bench.outcome(digest) is Outcome.PASSED


def test_a_registry_that_is_away_is_undecided_and_says_so(bench: Bench) -> None:
    gone = "sha256:" + "1" * 64
    bench.registry.__exit__(None, None, None)
    now = bench.clock.now()
    job = Job(source="shop", kind=JobKind.SUBJECT, repository="shop/app", key=gone, cause="asked")
    bench.work.add([job], run_at=now, now=now)
    bench.drain()
    verdict = bench.verdict(gone)
    assert verdict is not None
    assert (verdict.outcome, verdict.rules[0].reason) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)


def test_jobs_of_a_source_that_is_gone_from_the_configuration_end(bench: Bench) -> None:
    now = bench.clock.now()
    bench.work.add([Job(source="old", kind=JobKind.TAG, repository="a", key="b", cause="push")], run_at=now, now=now)
    assert bench.drain() == 1
    assert bench.work.backlog(now=bench.clock.now()).open == 0


def test_without_an_active_generation_nothing_is_concluded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = image(bench.content, "shop/app", "v1", "1")
    monkeypatch.setattr(worker.Worker, "_in_force", lambda self: None)
    bench.sweep()
    assert bench.verdict(digest) is None
    assert bench.work.dispatch(now=bench.clock.now() + timedelta(hours=1), window=10) == 1
