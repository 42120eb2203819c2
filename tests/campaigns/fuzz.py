"""Feeds one format's reader with evidence that is wrong in many ways at once, from real seeds.

    python tests/campaigns/fuzz.py FORMAT [--seconds N] [--seed N]

Whatever the bytes are, the reader answers with findings: an exception, a call that takes too long or memory that grows
ends the run with the evidence written to a file. FORMAT is a value of `preverify.model.evidence.Format`.
"""

import argparse
import base64
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from campaigns.byte_edits import BYTE_EDITS
from campaigns.mutants import stacked
from campaigns.parts import with_body
from preverify.model.contents import Scan, Severity, Vulnerability
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Format
from preverify.model.findings import Finding
from preverify.verify import verify
from preverify.verify.formats import own_reports
from support.fixtures import NOW, Seed, pieces, revocation_list

SBOMS = Path(__file__).resolve().parent.parent / "vectors" / "sboms"
FORMATS = tuple(each.value for each in Format)
MOST_SECONDS = 2.0
"""For one call. Seeds are far below a megabyte; a hostile document of that size takes milliseconds."""
MOST_GROWTH = 96 << 20
"""How much the process may grow in a run, in bytes."""


class Broken(Exception):
    """The reader did something else than answer."""


def fuzz(name: str, *, seconds: float, seed: int, most: int | None = None) -> int:
    """Fuzz one format until the time is over (or `most` calls are made); return the number of calls."""
    form = Format(name)
    chance = random.Random(f"{seed}{name}")
    found = _seeds(form)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    until = time.monotonic() + seconds
    calls = 0
    while time.monotonic() < until and (most is None or calls < most):
        one, original = chance.choice(found)
        others = [evidence for _, evidence in chance.sample(found, min(4, len(found)))]
        once(one, _changed(original, others, chance))
        calls += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    if grown > MOST_GROWTH:
        raise Broken(f"the process grew by {grown >> 20} MiB in {calls} calls")
    return calls


def once(one: Seed, evidence: Evidence) -> tuple[Finding, ...]:
    """Verify one piece of evidence.

    Raises:
        Broken: the answer is no tuple of findings, or took too long.
    """
    start = time.monotonic()
    try:
        findings = _findings(one, evidence)
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}; the evidence is in {_keep(one, evidence)}") from error
    if time.monotonic() - start > MOST_SECONDS:
        raise Broken(f"took {time.monotonic() - start:.1f} s; the evidence is in {_keep(one, evidence)}")
    if not isinstance(findings, tuple) or not findings or not all(isinstance(each, Finding) for each in findings):
        raise Broken(f"no findings; the evidence is in {_keep(one, evidence)}")
    return findings


def _findings(one: Seed, evidence: Evidence) -> tuple[Finding, ...]:
    if evidence.format is not Format.REVOCATION:
        return one.findings([evidence])
    return verify(one.image, (*one.evidence, evidence), one.anchors, trust=one.trust, now=NOW)


def _seeds(form: Format) -> tuple[tuple[Seed, Evidence], ...]:
    if form is Format.REVOCATION:
        asking = [one for one, _ in pieces(Format.NOTATION_JWS, Format.NOTATION_COSE) if "crl" in one.case]
        return tuple((one, revocation_list()) for one in asking)
    if form is Format.BUILDKIT_STATEMENT:
        return tuple(
            (one, with_body(_as(evidence, form), _statement(evidence)))
            for one, evidence in pieces(Format.COSIGN_ATTESTATION)
        )
    if form in (Format.SCANNER_SBOM, Format.MATCHES):
        (one, _), *_ = pieces(Format.COSIGN_SIGNATURE)
        about = one.image.subject.digest
        return tuple((one, report) for report in _reports(about) if report.format is form)
    return pieces(form)


def _reports(about: Digest) -> Iterator[Evidence]:
    """Yield what this daemon makes itself: a real scanner's bills of materials, and matches of one."""
    for name in ("syft.cdx.json", "syft.spdx.json"):
        yield own_reports.sbom((SBOMS / name).read_bytes(), about, made_by="syft")
    entry = Vulnerability(id="CVE-2026-1", aliases=("GHSA-1",), severity=Severity.HIGH, score=7.5, published=NOW)
    scan = Scan(scanner="preverify", database="sha256:1", database_at=NOW, vulnerabilities=(entry,), of="1" * 64)
    for each in (scan, replace(scan, vulnerabilities=(), unjudged=("a: no purl",))):
        yield own_reports.matches(each, about, made_by="database")


def _as(evidence: Evidence, form: Format) -> Evidence:
    return replace(evidence, format=form, media_type="application/vnd.in-toto+json", annotations=())


def _statement(evidence: Evidence) -> bytes:
    """Return the statement in an envelope: what BuildKit puts beside an image without any signature."""
    try:
        return base64.b64decode(json.loads(evidence.body)["payload"])
    except (ValueError, KeyError):
        return evidence.body


def _changed(original: Evidence, others: list[Evidence], chance: random.Random) -> Evidence:
    if original.format is Format.REVOCATION:
        body = original.body
        for _ in range(chance.choice((1, 1, 2, 4))):
            body = chance.choice(BYTE_EDITS)(body, chance)
        return with_body(original, body)
    return stacked(original, others, chance)


def _keep(one: Seed, evidence: Evidence) -> str:
    """Write a piece of evidence that broke something to a file."""
    form = {**asdict(evidence), "body": evidence.body.hex(), "case": one.case}
    with tempfile.NamedTemporaryFile("w", prefix="fuzz-", suffix=".json", delete=False) as file:
        json.dump(form, file, default=str)
    return file.name


def main() -> int:
    """Run; 0 when nothing broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"{options.format}: seed {seed}", flush=True)
    try:
        calls = fuzz(options.format, seconds=options.seconds, seed=seed)
    except Broken as broken:
        print(f"{options.format}: {broken}", file=sys.stderr)
        return 1
    print(f"{options.format}: {calls} calls, nothing but findings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
