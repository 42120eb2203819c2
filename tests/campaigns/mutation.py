"""The mutation campaign: what is changed holds as before and lies where nobody signed, or it does not hold."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from campaigns.byte_edits import BYTE_EDITS
from campaigns.mutants import mutants
from campaigns.parts import looked_at, with_body
from campaigns.unsigned import differences, undeclared
from preverify.model.evidence import Evidence
from preverify.model.findings import Finding
from support.fixtures import Seed, meaning, pieces, revocation_list


@dataclass(slots=True)
class Campaign:
    """What a run concluded.

    Attributes:
        made: Mutants by format.
        accepted: Those that still hold, by format.
        wrong: Each mutant that holds and must not, with what was done to it.
    """

    made: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the table that a run prints."""
        for name in sorted(self.made):
            share = 100 * self.accepted[name] / self.made[name]
            yield f"{name:<20} {self.made[name]:>7} mutants {self.accepted[name]:>5} accepted {share:5.2f} %"
        total, held = self.made.total(), self.accepted.total()
        yield f"{'all':<20} {total:>7} mutants {held:>5} accepted {100 * held / max(total, 1):5.2f} %"


def run(count: int, seed: int) -> Campaign:
    """Change every piece of evidence of the fixtures, `count` times together at least."""
    found = pieces()
    each = -(-count // len(found))
    campaign = Campaign()
    for number, (one, evidence) in enumerate(found):
        chance = random.Random(f"{seed} {number} {evidence.id}")
        before = one.findings([evidence])
        for mutant in mutants(evidence, each, chance):
            campaign.made[evidence.format.value] += 1
            problem = judge(one, evidence, mutant.evidence, before)
            campaign.accepted[evidence.format.value] += problem is not None
            if problem:
                campaign.wrong.append(f"{one.case}: {mutant.edit}: {problem}")
    _revocation_lists(campaign, each * len(found) // 20, seed)
    return campaign


def _revocation_lists(campaign: Campaign, count: int, seed: int) -> None:
    """Change the list that certificates ask for. Nothing in it is unsigned: a changed list answers nothing."""
    asking = [(one, evidence) for one, evidence in pieces() if one.case.endswith(("crl-good", "crl-revoked"))]
    chance = random.Random(f"{seed} revocation")
    for _ in range(count):
        one, evidence = chance.choice(asking)
        edit = chance.choice(BYTE_EDITS)
        body = edit(revocation_list().body, chance)
        if body == revocation_list().body:
            continue
        campaign.made["revocation"] += 1
        changed = with_body(revocation_list(), body)
        if any(finding.established for finding in replace(one, revocation=(changed,)).findings([evidence])):
            campaign.accepted["revocation"] += 1
            campaign.wrong.append(f"{one.case}: {edit.__name__} in the revocation list: still believed")


def judge(one: Seed, original: Evidence, changed: Evidence, before: tuple[Finding, ...]) -> str | None:
    """Return None where a mutant does not hold, nothing where it may hold, and what is wrong where it must not."""
    after = one.findings([changed])
    if not any(finding.established for finding in after):
        return None
    repaired = not any(finding.established for finding in before)
    weaker = not repaired and meaning(after) != meaning(before)
    if weaker and not (len(after) == len(before) and all(map(_says_less, before, after))):
        return "holds, and establishes something else than before"
    if repaired and all(how == "gone" for _, how in differences(original, changed)):
        return ""  # without what was wrong in it, a broken original is the good one that it was made from
    wanted = frozenset[str]().union(*(looked_at(anchor, one.trust) for anchor in one.anchors))
    signed = undeclared(original, changed, wanted, weaker=weaker)
    return f"holds, although changed at {', '.join(signed)}" if signed else ""


def _says_less(before: Finding, after: Finding) -> bool:
    """Say whether a finding is the same but for fewer trusted times, and what those rested on."""
    if before.signing is None or after.signing is None:
        return meaning([before]) == meaning([after])
    same = replace(after.signing, times=before.signing.times, rests_on=before.signing.rests_on)
    fewer = set(after.signing.times) <= set(before.signing.times)
    less = set(after.signing.rests_on) <= set(before.signing.rests_on)
    return fewer and less and meaning([replace(after, signing=same)]) == meaning([before])
