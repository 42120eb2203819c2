"""Rows of the rule `packages`: each field holds and is violated alone."""

from preverify.model.verdicts import Answer
from support.described import LEFT_PAD, OPENSSL, answer, bill, by, by_scanner

MINE = "by: {any: [release]}"
NONE = "deny: ['pkg:npm/left-pad']"
GOOD = [by("release", bill(OPENSSL))]
BAD = [by("release", bill(OPENSSL, LEFT_PAD))]


def pair(lists: str) -> tuple[Answer, Answer]:
    """Ask under one demand about an image without a package and one with it."""
    return answer(f"packages: {{{MINE}, {lists}}}", GOOD), answer(f"packages: {{{MINE}, {lists}}}", BAD)


ROWS = {
    "RuleSpec.packages": pair(NONE),
    "PackagesSpec.by": (pair(NONE)[0], answer(f"packages: {{{MINE}, {NONE}}}", [by("vendor", bill())])),
    "PackagesSpec.scanner": (
        answer(f"packages: {{scanner: true, {NONE}}}", [by_scanner(bill())]),
        answer(f"packages: {{scanner: true, {NONE}}}", [by_scanner(bill(OPENSSL, LEFT_PAD))]),
    ),
    "PackagesSpec.deny": pair("deny: ['pkg:npm/**']"),
    "PackagesSpec.allow": pair("allow: ['pkg:deb/debian/*']"),
}
