"""Every fixture image as values: what stands beside it, the anchors of its case, and the trust that they refer to.

What an operator would write for a case (`corpus.py`) is read by the loader of policies, and the layouts by the reader
of layout directories: what comes out is what `verify` gets in the daemon, without a registry and without a clock.
"""

import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import corpus
from preverify import wiring
from preverify.clock import SystemClock
from preverify.model.anchors import Anchor
from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.revocation import RevocationKind, Wanted
from preverify.model.trust import Trust
from preverify.policy.policies import PolicySet
from preverify.registry.layout import LayoutRegistry
from preverify.settings import Source
from preverify.verify import verify

FIXTURES = Path(__file__).resolve().parent.parent / "vectors" / "fixtures"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
"""After the short-lived certificates and before everything else: the fixtures' conclusions hold then."""


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One case: its image, what stands beside it, and how that has to be vouched for."""

    case: str
    expected: str
    image: Image
    evidence: tuple[Evidence, ...]
    revocation: tuple[Evidence, ...]
    policies: PolicySet
    anchors: tuple[Anchor, ...]
    trust: Trust

    def findings(self, evidence: Sequence[Evidence]) -> tuple[Finding, ...]:
        """Return what pieces of evidence establish here."""
        return verify(self.image, (*evidence, *self.revocation), self.anchors, trust=self.trust, now=NOW)


def meaning(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings without what names the bytes rather than says what they establish."""
    return tuple(replace(each, evidence="") for each in findings)


@functools.cache
def cases() -> Mapping[str, dict[str, Any]]:
    """Return the cases by id."""
    return {case["id"]: case for case in json.loads((FIXTURES / "cases.json").read_bytes())["cases"]}


@functools.cache
def _registry() -> LayoutRegistry:
    source = Source(registry=f"oci:{FIXTURES / 'layouts'}", aliases=(corpus.LAYOUTS,), repositories=("**",))
    return LayoutRegistry(source, clock=SystemClock())


@functools.cache
def revocation_list() -> Evidence:
    """Return the list that the fixtures' certificates name, as it is obtained."""
    body = (FIXTURES / "notation" / "crl" / "intermediate.crl").read_bytes()
    asked = Wanted(kind=RevocationKind.CRL, url="http://127.0.0.1:5990/crl/intermediate.crl", issuer=b"")
    return asked.answered(body)


@functools.cache
def seed(case_id: str) -> Seed | None:
    """Return one case; None where its image has no body that a layout could give."""
    case = cases()[case_id]
    registry = _registry()
    subject = Subject(Repository(corpus.LAYOUTS, case["repo"]), Digest.parse(case["digest"]))
    try:
        image = registry.fetch(subject)
    except MalformedEvidence:
        return None
    said = {key: case[key] for key in ("format", "kind", "predicate_type", "trust") if key in case}
    policies = _policies(json.dumps(said, sort_keys=True))
    notation = case["format"] == "notation"
    return Seed(
        case=case_id,
        expected=case["expected"],
        image=image,
        evidence=registry.gather(image).evidence,
        revocation=(revocation_list(),) if notation else (),
        policies=policies,
        anchors=policies.anchors,
        trust=policies.trust,
    )


@functools.cache
def _policies(said: str) -> PolicySet:
    """Load the policies of every case that says these things of its trust."""
    with tempfile.TemporaryDirectory(prefix="fixtures-") as place:
        corpus.write_policies(Path(place), FIXTURES, json.loads(said), corpus.LAYOUTS)
        return wiring.read_policies((Path(place),))


@functools.cache
def seeds() -> tuple[Seed, ...]:
    """Return all cases, each constellation of evidence and anchors once."""
    found: dict[tuple[Any, ...], Seed] = {}
    for case_id in cases():
        one = seed(case_id)
        if one is not None:
            key = (tuple(e.id for e in one.evidence), tuple(a.id for a in one.anchors), one.image.subject)
            found.setdefault(key, one)
    return tuple(found.values())


def pieces(*formats: Format) -> tuple[tuple[Seed, Evidence], ...]:
    """Return every piece of evidence of these formats (of all, where none is named) that has a body."""
    return tuple(
        (one, evidence)
        for one in seeds()
        for evidence in one.evidence
        if evidence.flaw is None and (not formats or evidence.format in formats)
    )
