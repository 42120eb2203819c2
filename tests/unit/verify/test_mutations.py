"""Real evidence with one bit turned: it holds exactly as before, or it establishes nothing.

One piece of every format, bit by bit; `tests/campaigns` changes every fixture in many more ways.
"""

import random
from dataclasses import replace

import pytest

from campaigns.parts import looked_at
from campaigns.unsigned import undeclared
from preverify.model.evidence import Evidence
from support.fixtures import Seed, meaning, seed
from support.signed import with_body

SEED = random.SystemRandom().randrange(2**32)
CASES = [
    "legacy-key-ec1",
    "legacy-annotations-right",
    "legacy-att-vuln",
    "legacy-keyless-email",
    "bundle-key-ec1",
    "bundle-annotations-right",
    "bundle-keyless-email",
    "bundle-keyless-rekor1",
    "notation-jws-ec256",
    "notation-cose-timestamped",
]


def the(case_id: str) -> tuple[Seed, Evidence]:
    one = seed(case_id)
    assert one is not None
    return one, one.evidence[0]


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def mutants(evidence: Evidence, step: int, start: int) -> list[Evidence]:
    """Turn every `step`th bit of the body, and of each annotation that is not a filler."""
    made = [with_body(evidence, flipped(evidence.body, bit)) for bit in range(start, len(evidence.body) * 8, step)]
    for key, text in evidence.annotations:
        data = text.encode()
        for bit in range(start, len(data) * 8, step):
            other = flipped(data, bit).decode("latin-1")
            annotations = tuple((k, other if k == key else v) for k, v in evidence.annotations)
            made.append(replace(evidence, annotations=annotations))
    return made


def campaign(case_id: str, step: int, start: int) -> None:
    one, evidence = the(case_id)
    before = one.findings([evidence])
    assert any(finding.established for finding in before)
    signed = frozenset[str]().union(*(looked_at(anchor, one.trust) for anchor in one.anchors))
    made = mutants(evidence, step, start)
    wrong = []
    for changed in made:
        after = one.findings([changed])
        if any(finding.established for finding in after):
            places = undeclared(evidence, changed, signed, weaker=True)
            if places or (meaning(after) != meaning(before) and not undeclared(evidence, changed, signed)):
                wrong.append((places, after))
    assert wrong == [], f"step {step}, start {start}"


@pytest.mark.parametrize("case_id", CASES)
def test_no_turned_bit_establishes_anything_else(case_id: str) -> None:
    campaign(case_id, step=211, start=SEED % 211)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case_id", [*CASES, "bundle-att-spdxjson", "bundle-att-vsa", "legacy-key-rsa2048"])
def test_no_turned_bit_at_all(case_id: str) -> None:
    campaign(case_id, step=7, start=SEED % 7)


@pytest.mark.parametrize("case_id", CASES)
def test_cut_short_anywhere_establishes_nothing(case_id: str) -> None:
    one, evidence = the(case_id)
    ends = random.Random(f"{SEED}{case_id}").sample(range(len(evidence.body)), 60)
    made = [with_body(evidence, evidence.body[:end]) for end in sorted({0, 1, len(evidence.body) - 1, *ends})]
    assert not any(finding.established for finding in one.findings(made)), SEED
