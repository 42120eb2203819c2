"""Images for several platforms on a real store and a real registry: what is looked at, decided, and answered."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from preverify import changing, concluding
from preverify.demo.content import Manifest, digest_of
from preverify.lookup import Answerer, Reader, Writer, tail
from preverify.model.digest import Digest
from preverify.model.verdicts import Answer, Outcome
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.ports import Job, JobKind
from preverify.settings import Listen
from support import working
from support.daemon import image, new_key, public_pem, sign
from support.demo_bundle import attach_bundle
from support.working import REPO

KEY = new_key()
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def policies(platforms: str) -> PolicySet:
    text = f"""
apiVersion: preverify/v1
kind: Signers
metadata: {{name: t}}
spec: {{release: {{key: {{file: key.pub}}, tlog: none}}}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {{name: signed}}
spec:
  images: ["**"]
  platforms: {platforms}
  require: [{{name: signed, signature: {{by: {{any: [release]}}}}}}]
"""
    return load([("policy.yaml", text.encode())], lambda _: public_pem(KEY))


@dataclass
class Bench(working.Bench):
    """A worker, what it looks at, and what answers are read from."""

    writer: Writer
    answers: Answerer

    def activate(self, platforms: str, *, reach: bool = True) -> None:
        wanted = policies(platforms)
        staged = self.store.generations.stage(wanted.document, wanted.digest, now=self.clock.now())
        watched = self.worker.sources["shop"].registry
        more = changing.completing(lambda _: watched if reach else None, revocations=None, clock=self.clock)
        changing.activate(
            self.store.history,
            self.store.statements,
            self.store.generations,
            staged,
            clock=self.clock,
            publishing=lambda _: False,
            more=more,
        )

    def push(self, *names: str) -> tuple[str, list[str]]:
        """Push an index and its untagged children, as builders do: the children first."""
        children = [image(self.content, REPO, "", name) for name in names]
        self.content.tags[REPO].pop("", None)
        entries = []
        for digest, name in zip(children, names, strict=True):
            data = self.content.manifests[REPO][digest].content
            platform = {"os": "linux", "architecture": name}
            entries.append({"mediaType": MANIFEST, "digest": digest, "size": len(data), "platform": platform})
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        self.content.put_manifest(REPO, digest_of(data), Manifest(media_type=INDEX, content=data), "v1")
        return digest_of(data), children

    def look(self, digest: str, cause: str = "push", *, later: timedelta = timedelta(0)) -> int:
        now = self.clock.now()
        job = Job(source="shop", kind=JobKind.SUBJECT, repository=REPO, key=digest, cause=cause)
        self.work.add([job], run_at=now, now=now)
        return self.drain(later)

    def answer(self, digest: str) -> Answer:
        self.store.feed.sequence(fence=1, now=self.clock.now())
        tail(self.store.feed, self.writer, clock=self.clock)
        subject = self.subject(digest)
        return self.answers.lookup(subject.digest, subject.repository, None)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    writer, reader = Writer(tmp_path / "lookup.db"), Reader(tmp_path / "lookup.db")
    with working.working(tmp_path) as found:
        answers = Answerer(reader, aliases={}, settings=Listen(), clock=found.clock)
        yield Bench(**vars(found), writer=writer, answers=answers)
    reader.close()
    writer.close()


def test_a_signed_index_answers_for_its_children(bench: Bench) -> None:
    bench.activate("index")
    index, (amd, arm) = bench.push("amd64", "arm64")
    sign(bench.content, REPO, index, KEY)
    bench.sweep()
    assert bench.outcome(index) is Outcome.PASSED
    for child in (amd, arm):
        answer = bench.answer(child)
        assert (answer.state.value, answer.via) == ("verified", index)
        assert bench.verdict(child) is None
    known = next(iter(bench.store.history.subjects()))
    assert (known.subject, known.children) == (bench.subject(index), ())


def test_children_that_are_pushed_before_their_index_get_no_verdict_that_denies_them(bench: Bench) -> None:
    """Builders push them first, and a registry tells of each by its digest alone."""
    bench.activate("index")
    index, (amd, arm) = bench.push("amd64", "arm64")
    sign(bench.content, REPO, index, KEY)
    bench.look(amd)
    assert bench.verdict(amd) is None
    assert bench.answer(amd).state.value == "unknown"
    bench.sweep()
    assert bench.answer(amd).via == index
    bench.look(arm)
    assert bench.verdict(arm) is None
    bench.drain(timedelta(seconds=31))
    assert bench.verdict(amd) is None
    assert bench.answer(amd).state.value == "verified"


def test_what_is_pushed_by_digest_and_no_child_is_judged_after_a_while_or_at_once_where_it_passes(bench: Bench) -> None:
    bench.activate("index")
    good, bad = image(bench.content, REPO, "", "good"), image(bench.content, REPO, "", "bad")
    bench.content.tags[REPO].clear()
    sign(bench.content, REPO, good, KEY)
    bench.look(good)
    bench.look(bad)
    for _ in range(3):
        assert (bench.outcome(good), bench.outcome(bad)) == (Outcome.PASSED, None)
        bench.drain(timedelta(seconds=31))
    assert bench.outcome(bad) is Outcome.FAILED
    asked = image(bench.content, REPO, "", "asked")
    bench.content.tags[REPO].pop("", None)
    bench.look(asked, "asked")
    assert bench.outcome(asked) is Outcome.FAILED


def test_a_child_that_is_attested_before_its_index_is_pushed_is_not_denied_either(bench: Bench) -> None:
    bench.activate("index")
    index, (amd,) = bench.push("amd64")
    stranger = new_key()
    sign(bench.content, REPO, amd, stranger)
    bench.look(amd, "evidence")
    assert bench.verdict(amd) is None
    sign(bench.content, REPO, index, KEY)
    bench.sweep()
    bench.drain(timedelta(seconds=31))
    assert bench.answer(amd).via == index


def test_a_child_that_is_asked_about_too_early_is_not_denied_for_ever(bench: Bench) -> None:
    bench.activate("index")
    index, (amd,) = bench.push("amd64")
    bench.sweep()
    assert bench.outcome(index) is Outcome.FAILED
    bench.look(amd, "asked")
    assert (bench.verdict(amd), bench.answer(amd).state.value) == (None, "unknown")
    sign(bench.content, REPO, index, KEY)
    bench.sweep()
    assert bench.answer(amd).state.value == "verified"
    bench.content.delete_manifest(REPO, index.replace(":", "-") + ".sig")
    bench.sweep()
    assert (bench.answer(index).state.value, bench.answer(amd).state.value) == ("denied", "unknown")
    sign(bench.content, REPO, amd, KEY)
    bench.look(amd, "asked")
    answer = bench.answer(amd)
    assert (answer.state.value, answer.via) == ("verified", ""), "it stands for itself now"


def test_each_child_by_its_own_evidence_and_what_comes_to_it_is_seen(bench: Bench) -> None:
    bench.activate("each")
    index, (amd, arm) = bench.push("amd64", "arm64")
    sign(bench.content, REPO, index, KEY)
    bench.sweep()
    sign(bench.content, REPO, amd, KEY)
    bench.sweep()
    verdict = bench.verdict(index)
    assert verdict is not None
    assert [(r.outcome.value, r.detail) for r in verdict.rules] == [("failed", "linux/arm64: no signature was found")]
    assert bench.answer(amd).state.value == "unknown"
    sign(bench.content, REPO, arm, KEY)
    bench.sweep()  # the tag of a child's signature leads to the index that reads it
    assert bench.outcome(index) is Outcome.PASSED
    assert [bench.verdict(child) for child in (amd, arm)] == [None, None]
    assert [bench.answer(child).via for child in (amd, arm)] == [index, index]
    findings = bench.store.history.findings(bench.subject(index))
    assert sorted(f.about for f in findings) == sorted(["", amd, arm])
    bench.content.delete_manifest(REPO, arm.replace(":", "-") + ".sig")
    bench.sweep()
    assert bench.outcome(index) is Outcome.FAILED
    assert bench.answer(arm).state.value == "unknown"


def test_a_referrer_of_a_child_is_found_by_the_evidence_sweep(bench: Bench) -> None:
    bench.activate("each")
    index, (amd,) = bench.push("amd64")
    bench.sweep()
    bench.sweep(JobKind.SWEEP_EVIDENCE)
    assert bench.outcome(index) is Outcome.FAILED
    attach_bundle(bench.content, REPO, amd, KEY)
    bench.sweep(JobKind.SWEEP_EVIDENCE)
    assert bench.outcome(index) is Outcome.PASSED
    (known,) = bench.store.history.find(Digest.parse(index))
    assert [str(child) for child in known.children] == [amd]
    assert bench.store.history.parents(bench.subject(amd)) == {Digest.parse(index): True}


def test_evidence_of_a_child_that_no_policy_looks_at_causes_nothing(bench: Bench) -> None:
    bench.activate("index")
    index, (amd,) = bench.push("amd64")
    bench.sweep()
    before = bench.verdict(index)
    sign(bench.content, REPO, amd, KEY)
    bench.sweep()
    assert bench.verdict(index) == before
    assert bench.verdict(amd) is None


def test_a_new_generation_that_looks_at_children_has_looked_before_it_counts(bench: Bench) -> None:
    """Invariant 11: an edit never opens a window of `unknown`."""
    bench.activate("index")
    index, (amd, arm) = bench.push("amd64", "arm64")
    for digests in ((index,), (amd, arm)):
        for digest in digests:
            sign(bench.content, REPO, digest, KEY)
        bench.sweep()
    assert bench.answer(index).state.value == "verified"
    for platforms in ("each", "[linux/amd64]", "index", "each"):
        bench.activate(platforms)
        assert bench.answer(index).state.value == "verified", platforms
    assert bench.answer(arm).state.value == "verified"
    bench.activate("[linux/amd64]")
    assert (bench.answer(amd).state.value, bench.answer(arm).state.value) == ("verified", "unknown")
    bench.activate("[linux/s390x]")
    assert bench.answer(index).state.value == "denied"


@pytest.mark.parametrize("why", ["no-source", "away", "gone"])
def test_where_that_cannot_be_had_it_is_undecided_and_never_passes(bench: Bench, why: str) -> None:
    bench.activate("index")
    index, (amd,) = bench.push("amd64")
    sign(bench.content, REPO, index, KEY)
    sign(bench.content, REPO, amd, KEY)
    bench.sweep()
    if why == "away":
        bench.registry.__exit__(None, None, None)
    elif why == "gone":
        bench.content.manifests[REPO].pop(index)
    elsewhere = Thread(target=bench.activate, args=("each",), kwargs={"reach": why != "no-source"})
    elsewhere.start()  # a thread of its own has no connection that was open before
    elsewhere.join()
    assert bench.outcome(index) is Outcome.UNDECIDED
    assert bench.answer(index).state.value == "unknown"


def test_simulation_counts_what_was_never_looked_at_as_undecided(bench: Bench) -> None:
    bench.activate("index")
    index, _ = bench.push("amd64")
    sign(bench.content, REPO, index, KEY)
    bench.sweep()
    seen = concluding.decide_anew(bench.store.history, (policies("each"),), bench.subject(index), clock=bench.clock)
    assert seen is not None
    assert [v.outcome for v in seen.verdicts] == [Outcome.UNDECIDED]


def test_stored_children_decide_the_same_again(bench: Bench) -> None:
    bench.activate("each")
    index, (amd, arm) = bench.push("amd64", "arm64")
    for digest in (amd, arm):
        sign(bench.content, REPO, digest, KEY)
    bench.sweep()
    stored = bench.store.history.gathered(bench.subject(index))
    assert stored is not None
    assert [Digest.parse(d).names(c.image.manifest) for d, c in zip((amd, arm), stored.children, strict=True)] == [
        True,
        True,
    ]
    seen = concluding.decide_anew(bench.store.history, (policies("each"),), bench.subject(index), clock=bench.clock)
    verdict = bench.verdict(index)
    assert seen is not None
    assert verdict is not None
    assert seen.findings == bench.store.history.findings(bench.subject(index))
    assert [(v.outcome, v.rules) for v in seen.verdicts] == [(Outcome.PASSED, verdict.rules)]
