"""A look asks about revocations first; what is unknown of them keeps a verdict open, and never passes."""

from collections.abc import Sequence
from typing import Any

import pytest

from preverify import concluding, pipeline
from preverify.clock import SystemClock
from preverify.model.evidence import Evidence, Gathered, Image, Unobtained
from preverify.model.reasons import Reason
from preverify.model.revocation import Wanted
from preverify.model.verdicts import Outcome, Verdict
from support import fixtures

AWAY = Unobtained(what="the list", reason=Reason.TRUST_UNAVAILABLE, detail="nobody answered")


class Answering:
    """Answers every question alike, and remembers what was asked."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.asked: list[Wanted] = []

    def fetch(self, wanted: Sequence[Wanted]) -> tuple[tuple[Evidence, ...], tuple[Unobtained, ...]]:
        self.asked += wanted
        if self.answer is None:
            return (), tuple(AWAY for _ in wanted)
        return tuple(each.answered(self.answer) for each in wanted), ()


class Held:
    """A source that holds one image, and a history of it."""

    def __init__(self, seed: fixtures.Seed, *, revocation: bool = False) -> None:
        evidence = (*seed.evidence, *(seed.revocation if revocation else ()))
        self.kept = Gathered(image=seed.image, evidence=evidence)

    def gather(self, image: Image, **_: object) -> Gathered:
        assert image == self.kept.image
        return self.kept

    def gathered(self, _: object) -> Gathered:
        return self.kept


def seed(case: str) -> fixtures.Seed:
    found = fixtures.seed(case)
    assert found is not None
    return found


def look(case: str, revocations: Answering | None) -> Verdict:
    source: Any = Held(seed(case))
    (verdict,) = pipeline.look(
        source, (seed(case).policies,), seed(case).image, clock=SystemClock(), revocations=revocations
    ).verdicts
    return verdict


LIST = fixtures.revocation_list().body


@pytest.mark.parametrize(
    ("case", "answer", "outcome", "reason"),
    [
        ("notation-jws-crl-good", LIST, Outcome.PASSED, Reason.OK),
        ("notation-jws-crl-revoked", LIST, Outcome.FAILED, Reason.CERTIFICATE_REVOKED),
        ("notation-cose-crl-good", b"junk", Outcome.FAILED, Reason.REVOCATION_UNKNOWN),
        ("notation-cose-crl-good", None, Outcome.UNDECIDED, Reason.TRUST_UNAVAILABLE),
    ],
)
def test_a_look_asks_and_judges_the_answer(case: str, answer: bytes | None, outcome: Outcome, reason: Reason) -> None:
    revocations = Answering(answer)
    verdict = look(case, revocations)
    assert (verdict.outcome, verdict.reasons[0].reason) == (outcome, reason)
    assert {each.url for each in revocations.asked} == {"http://127.0.0.1:5990/crl/intermediate.crl"}


@pytest.mark.parametrize("case", ["notation-jws-crl-revoked-not-checked", "bundle-keyless-email", "legacy-key-ec1"])
def test_nobody_is_asked_where_no_anchor_wants_to_know(case: str) -> None:
    revocations = Answering(None)
    assert look(case, revocations).outcome is Outcome.PASSED
    assert revocations.asked == []


def test_where_nobody_may_be_asked_the_verdict_stays_open() -> None:
    verdict = look("notation-jws-crl-good", None)
    assert (verdict.outcome, verdict.reasons[0].reason) == (Outcome.UNDECIDED, Reason.TRUST_UNAVAILABLE)


def test_a_stored_answer_serves_as_long_as_it_is_fresh() -> None:
    one = seed("notation-jws-crl-good")
    for kept, outcome in ((True, Outcome.PASSED), (False, Outcome.UNDECIDED)):
        history: Any = Held(one, revocation=kept)
        seen = concluding.decide_anew(history, (one.policies,), one.image.subject, clock=SystemClock())
        assert seen is not None
        assert [verdict.outcome for verdict in seen.verdicts] == [outcome]
