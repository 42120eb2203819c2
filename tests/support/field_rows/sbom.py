"""Rows of the rule `sbom`: each field holds and is violated alone."""

from preverify.model.contents import Inventory
from preverify.model.verdicts import Answer
from support.described import OPENSSL, answer, bill, by, by_scanner

MINE = "by: {any: [release]}"


def pair(demand: str, kept: Inventory, violated: Inventory) -> tuple[Answer, Answer]:
    """Ask under one demand about two bills of materials."""
    written = f"sbom: {{{MINE}, {demand}}}"
    return answer(written, [by("release", kept)]), answer(written, [by("release", violated)])


PRESENT = (answer(f"sbom: {{{MINE}}}", [by("release", bill())]), answer(f"sbom: {{{MINE}}}", []))
ROWS = {
    "RuleSpec.sbom": PRESENT,
    "SbomSpec.by": (PRESENT[0], answer(f"sbom: {{{MINE}}}", [by("vendor", bill())])),
    "SbomSpec.scanner": (
        answer("sbom: {scanner: true}", [by_scanner(bill())]),
        answer(f"sbom: {{{MINE}, scanner: false}}", [by_scanner(bill())]),
    ),
    "SbomSpec.formats": pair("formats: [cyclonedx]", bill(format="cyclonedx"), bill()),
    "SbomSpec.complete": pair("complete: [purl]", bill(), bill(type(OPENSSL)(name="bare", version="1"))),
    "SbomSpec.min_components": pair("minComponents: 2", bill(OPENSSL, OPENSSL), bill()),
    "SbomSpec.max_age": pair("maxAge: 2h", bill(), bill(created=None)),
}
