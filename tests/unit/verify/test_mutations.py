"""Real evidence with one bit turned: it holds exactly as before, or it establishes nothing."""

import random
from dataclasses import replace

import pytest

from preverify.model.evidence import Evidence
from preverify.model.findings import Finding
from preverify.verify.cosign_legacy import SIGNATURE_ANNOTATION
from support import signed
from support.signed import verify

CASES = ["legacy-key-ec1", "legacy-annotations-right", "bundle-key-ec1", "bundle-annotations-right", "legacy-att-vuln"]
KEYS = [signed.key(name) for name in ("ec1", "ec2", "rsa2048")]


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def meaning(finding: Finding) -> Finding:
    """Leave out what names the bytes rather than says what they establish."""
    return replace(finding, evidence="")


def mutants(evidence: Evidence, bits: list[int]) -> list[Evidence]:
    made = [signed.with_body(evidence, flipped(evidence.body, bit)) for bit in bits]
    signature = evidence.annotation(SIGNATURE_ANNOTATION) or ""
    for at in range(len(signature)):
        text = flipped(signature.encode(), at * 8 + at % 7).decode("latin-1")
        made.append(replace(evidence, annotations=((SIGNATURE_ANNOTATION, text),)))
    return made


def campaign(case: str, step: int) -> None:
    image = signed.image(case)
    before = {e.id: verify(image, [e], KEYS) for e in signed.evidence(case)}
    assert any(f.established for findings in before.values() for f in findings)
    for evidence in signed.evidence(case)[:1]:
        start = random.Random(f"{case}{step}").randrange(step)
        made = mutants(evidence, list(range(start, len(evidence.body) * 8, step)))
        findings = verify(image, made, KEYS)
        assert len(findings) == len(made)
        allowed = {meaning(f) for f in before[evidence.id]}
        assert [f for f in findings if f.established and meaning(f) not in allowed] == []
        assert sum(not f.established for f in findings) > len(made) * 0.8


@pytest.mark.parametrize("case", CASES)
def test_no_turned_bit_establishes_anything_else(case: str) -> None:
    campaign(case, step=7)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, "bundle-att-spdxjson", "bundle-att-vsa", "legacy-key-rsa2048"])
def test_no_turned_bit_at_all(case: str) -> None:
    campaign(case, step=1)


@pytest.mark.parametrize("case", CASES)
def test_cut_short_anywhere_establishes_nothing(case: str) -> None:
    image, evidence = signed.image(case), signed.evidence(case)[0]
    made = [signed.with_body(evidence, evidence.body[:end]) for end in range(0, len(evidence.body), 5)]
    assert not any(f.established for f in verify(image, made, KEYS))
