"""A part of one fixture's evidence on another's: refused, whatever the part is."""

import random
from collections import Counter

import pytest

from campaigns import parts
from campaigns.splice import FAMILIES, accepted, splices

SEED = random.SystemRandom().randrange(2**32)
FEW, MANY = 160, 2500
"""Splices of one family: in every run, and in the long campaign. A family may have fewer than that."""

EXPECTED = {
    "cosign tag format, signatures": {parts.PAYLOAD, parts.SIGNATURE, parts.CERTIFICATE, parts.ENTRY, parts.PROMISE},
    "cosign tag format, attestations": {parts.PAYLOAD, parts.SIGNATURE, parts.CERTIFICATE, parts.ENTRY, parts.PROMISE},
    "sigstore bundles": {
        parts.PAYLOAD,
        parts.SIGNATURE,
        parts.CERTIFICATE,
        parts.STAMP,
        parts.ENTRY,
        parts.BODY,
        parts.PROOF,
        parts.CHECKPOINT,
    },
    "notation, JWS": {parts.PAYLOAD, parts.SIGNATURE, parts.CERTIFICATE, parts.HEADER, parts.STAMP},
    "notation, COSE": {parts.PAYLOAD, parts.SIGNATURE, parts.CERTIFICATE, parts.HEADER, parts.STAMP},
}
"""Parts that each family must have offered, or the campaign has missed what it is for."""


def campaign(count: int, seed: int) -> Counter[tuple[str, str]]:
    """Run over all families; return how many splices of each kind there were. None may hold."""
    wrong: list[str] = []
    counts: Counter[tuple[str, str]] = Counter()
    for family in FAMILIES:
        refused, made = accepted(list(splices(family, count, seed)))
        wrong += refused
        counts += made
    for (family, part), number in sorted(counts.items()):
        print(f"{family:<32} {part:<24} {number:>5} spliced")
    print(f"seed {seed}: {counts.total()} spliced, {len(wrong)} hold")
    assert wrong == []
    return counts


def test_nothing_that_is_made_of_two_holds() -> None:
    counts = campaign(FEW, SEED)
    for family, names in EXPECTED.items():
        assert names <= {part for of, part in counts if of == family}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_that_is_made_of_two_holds_in_thousands() -> None:
    assert campaign(MANY, SEED).total() >= 5_000


def test_a_splice_changes_one_part_and_nothing_else() -> None:
    for family in FAMILIES:
        for each in splices(family, 20, SEED):
            before, after = parts.parts_of(each.original), parts.parts_of(each.evidence)
            assert before[each.part].value != after[each.part].value
            if each.part in (parts.PAYLOAD, parts.SIGNATURE, parts.CERTIFICATE, parts.HEADER):
                others = before.keys() - {each.part}
                assert {name: before[name].value for name in others} == {name: after[name].value for name in others}
