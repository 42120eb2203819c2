"""Rows of the rule `endOfLife`: each field holds and is violated alone."""

from preverify.model.contents import Inventory
from preverify.model.verdicts import Answer
from support.policies import attestation
from support.scans import Piece, answer, bill, own_bill

ANNOUNCED = "announced: {by: {any: [vendor]}}"
SYSTEM = "operatingSystem: {by: {any: [release]}}"
ENDED = (attestation("vendor", "https://chainguard.dev/end-of-life"), Inventory(format="none"))


def pair(kept: str, violated: str, piece: Piece) -> tuple[Answer, Answer]:
    """Ask about the same evidence under a demand that holds and one that does not."""
    return answer(kept, piece, kind="endOfLife"), answer(violated, piece, kind="endOfLife")


ROWS = {
    "RuleSpec.endOfLife": (
        answer(SYSTEM, bill(distribution="debian-12"), kind="endOfLife"),
        answer(SYSTEM, bill(distribution="debian-10"), kind="endOfLife"),
    ),
    "EndOfLifeSpec.announced": (answer(ANNOUNCED, kind="endOfLife"), answer(ANNOUNCED, ENDED, kind="endOfLife")),
    "EndOfLifeSpec.operating_system": pair(
        ANNOUNCED, f"{ANNOUNCED}, {SYSTEM}", bill(distribution="debian-10", by="release")
    ),
    "EndOfLifeSpec.distributions": pair(
        f'{SYSTEM}, distributions: {{acmeos-1: "2026-01-02"}}',
        f'{SYSTEM}, distributions: {{acmeos-1: "2026-01-01"}}',
        bill(distribution="acmeos-1"),
    ),
    "EndOfLifeSpec.unknown": pair(
        f"{SYSTEM}, unknown: allow", f"{SYSTEM}, unknown: deny", bill(distribution="acmeos-1")
    ),
    "InventoriesSpec.by": pair(SYSTEM, "operatingSystem: {by: {any: [vendor]}}", bill(distribution="debian-12")),
    "InventoriesSpec.scanner": pair(f"{SYSTEM[:-1]}, scanner: true}}", SYSTEM, own_bill(distribution="debian-12")),
    "AnnouncedSpec.by": pair("announced: {by: {any: [security]}}", ANNOUNCED, ENDED),
}
