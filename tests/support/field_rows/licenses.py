"""Rows of the rule `licenses`: each field holds and is violated alone."""

from preverify.model.contents import Inventory
from preverify.model.verdicts import Answer
from support.described import LEFT_PAD, OPENSSL, answer, bill, by, by_scanner

MINE = "by: {any: [release]}"
FREE = "allow: [Apache-2.0]"
GOOD, BAD = bill(OPENSSL), bill(OPENSSL, LEFT_PAD)
SILENT = bill(type(OPENSSL)(name="bare"))


def pair(kept: str, violated: str, about: Inventory) -> tuple[Answer, Answer]:
    """Ask under two demands about one bill of materials."""
    written = [f"licenses: {{{MINE}, {demand}}}" for demand in (kept, violated)]
    return answer(written[0], [by("release", about)]), answer(written[1], [by("release", about)])


ROWS = {
    "RuleSpec.licenses": pair("allow: [Apache-2.0, WTFPL]", FREE, BAD),
    "LicensesSpec.by": (pair(FREE, FREE, GOOD)[0], answer(f"licenses: {{{MINE}, {FREE}}}", [by("vendor", GOOD)])),
    "LicensesSpec.scanner": (
        answer(f"licenses: {{scanner: true, {FREE}}}", [by_scanner(GOOD)]),
        answer(f"licenses: {{scanner: true, {FREE}}}", [by_scanner(BAD)]),
    ),
    "LicensesSpec.deny": pair("deny: ['AGPL-*']", "deny: [WTFPL]", BAD),
    "LicensesSpec.allow": pair("allow: [Apache-2.0, WTFPL]", FREE, BAD),
    "LicensesSpec.unknown": pair(f"{FREE}, unknown: allow", f"{FREE}, unknown: deny", SILENT),
    "LicensesSpec.exceptions": pair(
        f"{FREE}, exceptions: ['pkg:npm/left-pad']", f"{FREE}, exceptions: ['pkg:npm/right-pad']", BAD
    ),
}
