"""Every fixture's evidence with something changed: it holds as before where nobody signed, or it does not hold."""

import random

import pytest

from campaigns.mutation import run
from preverify.model.evidence import Format

SEED = random.SystemRandom().randrange(2**32)
FEW, MANY = 1_200, 12_000
MOST_ACCEPTED = 0.02
MOST_OF_FEW = 0.04
"""A short run may well draw twice as many harmless changes as a long one does on average."""


def campaign(count: int, seed: int, most: float) -> None:
    done = run(count, seed)
    print("", f"seed {seed}", *done.lines(), sep="\n")
    assert done.made.total() >= count
    assert done.wrong == [], f"seed {seed}"
    assert done.accepted.total() < most * done.made.total(), f"seed {seed}"
    formats = {Format.COSIGN_SIGNATURE, Format.COSIGN_ATTESTATION, Format.SIGSTORE_BUNDLE}
    formats |= {Format.NOTATION_JWS, Format.NOTATION_COSE}
    assert set(done.made) >= {each.value for each in formats}


def test_what_is_changed_does_not_hold() -> None:
    campaign(FEW, SEED, MOST_OF_FEW)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_is_changed_does_not_hold_in_ten_thousand_ways() -> None:
    campaign(MANY, SEED, MOST_ACCEPTED)
