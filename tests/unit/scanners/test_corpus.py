"""The corpus with known answers: nothing is missed, nothing is made up, what cannot be judged is said."""

import json
from collections import Counter

from preverify.model.contents import Component, Inventory
from preverify.scanners.database.file import Database
from preverify.scanners.matching import match
from preverify.scanners.packages.purls import Unmatchable, named
from support.vulnerabilities import OSV, records

CASES = json.loads((OSV / "cases.json").read_text())


def component(number: int) -> Component:
    return Component(name=f"case-{number}", version="0", purl=CASES[number]["purl"])


def kind(purl: str) -> str:
    return purl.partition("/")[0].removeprefix("pkg:") or "none"


def test_the_corpus_is_as_wide_as_it_says() -> None:
    ecosystems = {
        each["package"]["ecosystem"].partition(":")[0] for document in records() for each in document["affected"]
    }
    assert len(records()) >= 60
    assert len(ecosystems) >= 18
    assert len(CASES) >= 200


def test_no_false_negatives_and_no_false_positives(corpus: Database) -> None:
    """All in one bill of materials, as an image has them; the count of each kind is printed."""
    scan = match(Inventory(format="cyclonedx", components=tuple(component(n) for n in range(len(CASES)))), corpus)
    found: dict[str, dict[str, list[str]]] = {}
    for each in scan.vulnerabilities:
        found.setdefault(each.package, {})[each.id] = list(each.fixed_in)
    missed, invented, wrong_fixes, known, clean = [], [], [], Counter[str](), Counter[str]()
    for number, case in enumerate(CASES):
        seen, expected = found.get(f"case-{number} 0", {}), case["expect"]
        known[kind(case["purl"])] += len(expected)
        clean[kind(case["purl"])] += not expected
        missed += [f"{case['purl']}: {each}" for each in expected.keys() - seen.keys()]
        invented += [f"{case['purl']}: {each}" for each in seen.keys() - expected.keys()]
        wrong_fixes += [
            f"{case['purl']}: {each}: {seen[each]}"
            for each in expected.keys() & seen.keys()
            if expected[each] != seen[each]
        ]
    for name in sorted(known):
        print(f"{name:10} {known[name]:4} known, {clean[name]:4} clean components")
    print(f"false negatives: {len(missed)}, false positives: {len(invented)}, of {sum(known.values())} known")
    assert (missed, invented, wrong_fixes) == ([], [], [])


def test_what_cannot_be_judged_is_said_and_nothing_else_is(corpus: Database) -> None:
    for number, case in enumerate(CASES):
        # A bill of materials that names the source of something names it for all: see test_matching.
        inventory = Inventory(format="spdx", components=(component(number), _WITH_SOURCE))
        unjudged = match(inventory, corpus).unjudged
        why = case.get("unjudged")
        assert bool(unjudged) == (why is not None), case
        assert why is None or why in unjudged[0], case


_WITH_SOURCE = Component(name="a", version="1", purl="pkg:deb/debian/a@1?upstream=b&distro=debian-12")


def test_every_case_that_leads_to_a_package_is_held_by_the_database_or_said_not_to_be(corpus: Database) -> None:
    for case in CASES:
        try:
            package = named(case["purl"], "")
        except Unmatchable:
            assert "unjudged" in case
            continue
        assert corpus.covering(package.ecosystems) or "does not hold it" in case["unjudged"]
