"""Parts of one piece of evidence put onto another of the same family. Nothing that is made of two may hold."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from campaigns.parts import CERTIFICATE, HEADER, PAYLOAD, SIGNATURE, STAMP, TYPE, Part, looked_at, parts_of
from preverify.model.evidence import Evidence, Format
from support.fixtures import Seed, pieces

FAMILIES: Mapping[str, tuple[Format, ...]] = {
    "cosign tag format, signatures": (Format.COSIGN_SIGNATURE,),
    "cosign tag format, attestations": (Format.COSIGN_ATTESTATION,),
    "sigstore bundles": (Format.SIGSTORE_BUNDLE,),
    "notation, JWS": (Format.NOTATION_JWS,),
    "notation, COSE": (Format.NOTATION_COSE,),
}


Pair = tuple[Part, Seed, Evidence, str, Any]
"""A target's part, the target, its evidence, the donor's case, and the donor's value of the part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    """A part of `donor` in the place of the same part of `target`, which holds without it."""

    family: str
    part: str
    target: Seed
    original: Evidence
    donor: str
    evidence: Evidence


def every_splice(family: str) -> list[Pair]:
    """Return all (part, target, donor) of a family in which both have the part, and not the same one."""
    found = pieces(*FAMILIES[family])
    donors = [(seed.case, parts_of(evidence)) for seed, evidence in _distinct(found)]
    made: list[Pair] = []
    for target, original in _targets(found):
        wanted = looked_at(target.anchors[0], target.trust)
        mine = parts_of(original)
        for donor, theirs in donors:
            names = [name for name in mine if name in wanted and name in theirs]
            made += [
                (mine[name], target, original, donor, theirs[name].value)
                for name in names
                if mine[name].value != theirs[name].value and not _nothing_foreign(name, mine, theirs)
            ]
    return made


def splices(family: str, count: int, seed: int) -> Iterator[Splice]:
    """Yield `count` splices of a family (all, where there are fewer), each kind of part as often as it can be had."""
    by_part: dict[str, list[Pair]] = {}
    for pair in every_splice(family):
        by_part.setdefault(pair[0].name, []).append(pair)
    chance = random.Random(f"{seed}{family}")
    for listed in by_part.values():
        chance.shuffle(listed)
    while count > 0 and any(by_part.values()):
        for name in sorted(by_part):
            if by_part[name] and count > 0:
                part, target, original, donor, value = by_part[name].pop()
                made = part.put(value)
                yield Splice(family=family, part=name, target=target, original=original, donor=donor, evidence=made)
                count -= 1


def accepted(made: Sequence[Splice]) -> tuple[list[str], Counter[tuple[str, str]]]:
    """Verify splices; return those under which anything is established, and how many of each kind there were."""
    wrong: list[str] = []
    counts: Counter[tuple[str, str]] = Counter()
    for each in made:
        counts[each.family, each.part] += 1
        if any(finding.established for finding in each.target.findings([each.evidence])):
            wrong.append(f"{each.part} of {each.donor} on {each.target.case}")
    return wrong, counts


def _targets(found: Sequence[tuple[Seed, Evidence]]) -> list[tuple[Seed, Evidence]]:
    """Return evidence that holds, once under each anchor. Trust policies that only log are left out."""
    kept: dict[tuple[str, str], tuple[Seed, Evidence]] = {}
    for seed, evidence in found:
        key = (evidence.id, seed.anchors[0].id)
        findings = [] if key in kept else seed.findings([evidence])
        if any(f.established and not (f.signing and f.signing.degraded) for f in findings):
            kept[key] = (seed, evidence)
    return list(kept.values())


def _distinct(found: Sequence[tuple[Seed, Evidence]]) -> list[tuple[Seed, Evidence]]:
    kept: dict[str, tuple[Seed, Evidence]] = {}
    for seed, evidence in found:
        kept.setdefault(evidence.id, (seed, evidence))
    return list(kept.values())


def _nothing_foreign(name: str, mine: Mapping[str, Part], theirs: Mapping[str, Part]) -> bool:
    """Say whether putting the part there forges nothing, so that it may well hold.

    A signature over the same bytes stands for the other; so does a second certificate of the same key. A time stamp
    that is not there is no part of anything.
    """
    if name == SIGNATURE:
        covered = [each for each in (PAYLOAD, TYPE, HEADER) if each in mine]
        return all(each in theirs and mine[each].value == theirs[each].value for each in covered)
    if name == CERTIFICATE:
        key = _key(theirs[name].value)
        return key is not None and key == _key(mine[name].value)
    return name == STAMP and theirs[name].value in ("{}", '{"rfc3161Timestamps":[]}')


def _key(certificate: Any) -> bytes | None:
    """Return the key of a certificate in PEM text; None for other forms, whose keys are all different."""
    if not isinstance(certificate, str) or not certificate.startswith("-----BEGIN"):
        return None
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
