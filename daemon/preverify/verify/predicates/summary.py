"""Verification summaries (VSA): what another verifier concluded."""

import re
from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed
from preverify.verify.predicates.sources import DESCRIPTOR, digest

NAME = "vsa"
TYPES: tuple[str, ...] = ("https://slsa.dev/verification_summary/v1",)

_VALID_UNTIL = "urn:preverify:validUntil"
_SUMMARY = (
    *("verifier", "timeVerified", "resourceUri", "policy", "inputAttestations", "verificationResult"),
    *("verifiedLevels", "dependencyLevels", "slsaVersion", _VALID_UNTIL),
)
_LEVEL = re.compile(r"[!-+\--~]{1,200}")  # printable, no blank, no comma
_SLSA_LEVEL = re.compile(r"SLSA_[A-Z]+(?:_[A-Z]+)*_LEVEL_(?:\d{1,3}|UNEVALUATED)")


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return who verified what, when, by which policy and with which result.

    Spec:
        SLSA, verification summary v1, "Schema" and "SlsaResult".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", _SUMMARY)
    facts.decide("verifier.id", whole.node("verifier", ("id",)).required("id"))
    facts.decide("timeVerified", whole.instant("timeVerified"))
    facts.decide("resourceUri", whole.required("resourceUri"))
    policy = whole.node("policy", DESCRIPTOR)
    facts.decide("policy.uri", policy.text("uri"))
    facts.decide("policy.digest", digest(policy))
    result = whole.required("verificationResult")
    if result not in ("PASSED", "FAILED"):
        raise malformed(f"predicate.verificationResult is {result[:40]!r}, expected PASSED or FAILED")
    facts.decide("result", result)
    facts.decide("levels", ",".join(_levels(whole)))
    facts.tell("inputs.count", len(whole.nodes("inputAttestations", DESCRIPTOR)))
    facts.decide("slsaVersion", whole.text("slsaVersion"))
    facts.decide("validUntil", whole.instant(_VALID_UNTIL))
    return facts.done()


def _levels(whole: Node) -> list[str]:
    """Return the levels. The prefix `SLSA_` belongs to SLSA, and each of its tracks has one level."""
    if "verifiedLevels" not in whole.members:
        raise malformed("predicate.verifiedLevels is missing")
    levels = whole.words("verifiedLevels")
    tracks: set[str] = set()
    for level in levels:
        if _LEVEL.fullmatch(level) is None:
            raise malformed(f"predicate.verifiedLevels holds {level[:40]!r}, which is no level's name")
        if not level.startswith("SLSA_"):
            continue
        if _SLSA_LEVEL.fullmatch(level) is None:
            raise malformed(f"predicate.verifiedLevels holds {level[:60]!r}: only SLSA defines names in SLSA_")
        track = level.rpartition("_LEVEL_")[0]
        if track in tracks:
            raise malformed(f"predicate.verifiedLevels holds two levels of {track[:60]}")
        tracks.add(track)
    return levels
